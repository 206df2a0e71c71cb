"""GitHub against a stub held to its GraphQL schema and its OpenAPI description: people, threads, the inbox, prices, tokens, limits."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from providers.errors import RateLimited, ReauthRequired, Refused, Unavailable
from providers.github import adapter as github
from providers.github import api as github_api
from providers.github import people as github_people
from providers.github import run as github_run
from providers.github.adapter import GitHub
from providers.http import TokenBudget
from providers.records import Activity, Contact, ConversationHead, Gone, Message, MessageState, Unreadable, Url
from providers.session import Secret
from tests.providers import github_stub
from tests.providers.conftest import NOON, HandClock, Remembered, SessionMaker
from tests.providers.contract import AdapterContract, Mirror
from tests.providers.stub_http import Answer, running

GRANT = Secret(access_token="token-1")


@pytest.fixture
async def account(clock: HandClock) -> AsyncIterator[github_stub.GitHub]:
    account = github_stub.GitHub(lambda: clock.now().timestamp())
    async with running(account):
        yield account
    assert account.violations == []


Open = Callable[..., GitHub]


@pytest.fixture
def opened(account: github_stub.GitHub, new_session: SessionMaker) -> Open:
    def open_(**more: Any) -> GitHub:
        more.setdefault("secret", GRANT)
        return GitHub(new_session(account.url, provider="github", user_id="77", **more))

    return open_


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github_people, "LISTED", 6)


class GitHubRig:
    """Twenty people in all four lists, who talk in three threads."""

    provider = msgspec.structs.replace(github.PROVIDER, quota=None)
    path = ""
    secret = GRANT

    def __init__(self, account: github_stub.GitHub) -> None:
        self.account = account
        self.server_url = account.url

    def fill(self) -> None:
        account = self.account
        for number in range(100, 120):
            account.user(number, f"user{number}")
        account.following = [*range(100, 109)]
        account.followers = [*range(107, 115)]
        account.organizations = {"acme": [77, 108, 115, 116, 117]}
        account.repositories = [[77, 117, 118, 119]]
        issue = account.thread(1, "Leak", account.users[100], "05-01T10:00:00")
        account.comment(issue, account.me, "I see it.", "05-01T11:00:00")
        pull = account.thread(2, "Mend it", account.me, "05-02T10:00:00", kind="PullRequest")
        account.review(pull, account.users[101], "Good.", "05-02T11:00:00", "APPROVED")
        talk = account.thread(3, "Plans", account.users[102], "05-03T10:00:00", kind="Discussion")
        account.comment(
            account.comment(talk, account.users[103], "Sail!", "05-03T11:00:00"), account.me, "Yes.", "05-03T12:00:00"
        )
        account.notify(issue)

    def names(self) -> set[str]:
        return self.account.keys()

    def name_of(self, contact: Any) -> str:
        assert isinstance(contact, Contact | Message)
        return contact.key

    def remove(self) -> str:
        self.account.following.remove(104)
        return "104"

    def foreign_cursor(self, cursor: bytes) -> bytes:
        place = msgspec.json.decode(cursor, type=github_run.Position)
        place.walk, place.after = github_people.FOLLOWING, "unknown"
        return msgspec.json.encode(place)


class TestContract(AdapterContract):
    @pytest.fixture
    def rig(self, account: github_stub.GitHub) -> GitHubRig:
        return GitHubRig(account)


class TestForgetfulContract(TestContract):
    """The same with optional fields left out at random."""

    @pytest.fixture
    def rig(self, account: github_stub.GitHub) -> GitHubRig:
        account.forgetful = 0.4
        return GitHubRig(account)

    test_a_bad_answer_loses_nothing_and_deletes_nothing = None  # type: ignore[assignment]  # once is enough of the long one
    test_a_second_run_changes_nothing = None  # type: ignore[assignment]  # what comes and goes at random does change


async def _rows(adapter: GitHub, cursor: bytes | None = None) -> list[Any]:
    return [row.item async for page in adapter.pages(cursor) for row in page.rows]


async def _messages(adapter: GitHub) -> dict[str, Message]:
    return {item.key: item for item in await _rows(adapter) if isinstance(item, Message)}


# --- people ---------------------------------------------------------------------------------------------------------------


async def test_every_field_of_a_profile_arrives(account: github_stub.GitHub, opened: Open) -> None:
    account.user(
        100, "grace", name="Grace Hopper", email="Grace@Example.org", bio="Found the first bug.\r\nStill looking.", company="@navy @acme",
        location="Arlington", websiteUrl="https://grace.example.org", twitterUsername="amazing", counted=5,
        accounts=[("MASTODON", "https://social.example/@grace"), ("GENERIC", "https://grace.example.org"), ("NPM", "javascript:alert(1)")],
    )  # fmt: skip
    account.following = [100]
    (found,) = (await Mirror().follow(opened())).contacts.values()
    assert (found.key, found.relation, found.container) == ("100", "FOLLOWING", "follows")
    assert (found.names[0].full, found.names[0].nickname) == ("Grace Hopper", "grace")
    assert [(each.address, each.verified) for each in found.emails] == [("Grace@example.org", False)]
    assert found.bio == "Found the first bug.\nStill looking."
    assert [each.name for each in found.organizations] == ["navy", "acme"]
    assert found.addresses[0].formatted == "Arlington"
    said = [(each.provider, each.handle, each.claimed) for each in found.handles]
    assert said == [("github", "grace", False), ("x", "amazing", True)]
    assert found.url == "https://github.com/grace"
    assert found.followers == 5
    assert found.photo is not None


async def test_links_of_a_profile_are_what_its_owner_says_and_no_proof(account: github_stub.GitHub, opened: Open) -> None:
    account.user(100, "grace", websiteUrl="grace.example.org", accounts=[("MASTODON", "https://social.example/@grace")])
    account.following = [100]
    (found,) = (await Mirror().follow(opened())).contacts.values()
    assert found.urls[-1] == Url(url="https://social.example/@grace", label="mastodon", verified=False)
    assert not any(each.verified for each in found.urls)


async def test_people_are_known_by_how_they_are_connected(account: github_stub.GitHub, opened: Open) -> None:
    for number in range(100, 106):
        account.user(number, f"user{number}")
    account.following, account.followers = [100, 101], [101, 102]
    account.organizations = {"acme": [77, 100, 103], "crowd": [105] * 101}
    account.repositories = [[77, 102, 104]]
    found = (await Mirror().follow(opened())).contacts
    assert {key: one.relation for key, one in found.items()} == {
        "100": "FOLLOWING", "101": "CONNECTION", "102": "FOLLOWER", "103": "MEMBER", "104": "MEMBER",
    }  # fmt: skip


async def test_somebody_who_changes_their_login_stays_the_same(
    account: github_stub.GitHub, opened: Open, clock: HandClock
) -> None:
    account.user(100, "grace")
    account.following = [100]
    mirror = await Mirror().follow(opened())
    account.users[100]["login"] = "hopper"
    clock.time += timedelta(days=2)
    await mirror.follow(opened())
    assert [(key, one.handles[0].handle) for key, one in mirror.contacts.items()] == [("100", "hopper")]
    assert mirror.deleted == []


async def test_strangers_who_write_in_a_thread_come_with_their_profile(account: github_stub.GitHub, opened: Open) -> None:
    account.user(200, "linus", name="Linus", accounts=[("MASTODON", "https://social.example/@linus")])
    account.thread(1, "Leak", account.users[200], "05-01T10:00:00")
    (stranger,) = [item for item in await _rows(opened()) if isinstance(item, Contact)]
    assert (stranger.key, stranger.relation) == ("200", "CORRESPONDENT")
    assert stranger.urls[0].url == "https://social.example/@linus"


async def test_a_thread_does_not_make_strangers_of_those_one_knows(
    account: github_stub.GitHub, opened: Open, clock: HandClock
) -> None:
    account.user(100, "grace")
    account.user(101, "joan")
    account.following, account.organizations = [100], {"acme": [101]}
    mirror = await Mirror().follow(opened())
    thread = account.thread(1, "Leak", account.users[100], "05-04T10:00:00")
    account.comment(thread, account.users[101], "Where?", "05-04T11:00:00")
    clock.time += timedelta(hours=1)
    rows = await _rows(opened(), mirror.cursor)
    assert [item.relation for item in rows if isinstance(item, Contact)] == []
    assert sum(isinstance(item, Message) for item in rows) == 2


async def test_nothing_is_listed_while_nothing_changed(account: github_stub.GitHub, opened: Open, clock: HandClock) -> None:
    account.user(100, "grace")
    account.following = [100]
    mirror = await Mirror().follow(opened())
    clock.time += timedelta(minutes=15)
    used = account.used
    await mirror.follow(opened())
    assert account.used - used == 2  # two searches; what was asked with a condition is not counted
    assert account.free == 4
    account.user(101, "joan")
    account.followers = [101]
    clock.time += timedelta(minutes=15)
    await mirror.follow(opened())
    assert set(mirror.contacts) == {"100", "101"}


async def test_everybody_is_listed_anew_once_a_day(account: github_stub.GitHub, opened: Open, clock: HandClock) -> None:
    account.user(100, "grace")
    account.organizations = {"acme": [77, 100]}
    mirror = await Mirror().follow(opened())
    account.organizations = {"acme": [77]}
    clock.time += timedelta(hours=1)
    await mirror.follow(opened())
    assert set(mirror.contacts) == {"100"}
    clock.time += timedelta(days=1)
    await mirror.follow(opened())
    assert mirror.deleted == ["100"]


# --- threads --------------------------------------------------------------------------------------------------------------


async def test_an_issue_is_a_conversation_with_all_its_comments(account: github_stub.GitHub, opened: Open) -> None:
    account.user(100, "grace", name="Grace Hopper")
    issue = account.thread(12, "Leak", account.me, "05-01T10:00:00", body="There is **water**.\r\nA lot.")
    account.comment(issue, account.users[100], "Where, @ada?", "05-01T11:00:00", lastEditedAt="2026-05-01T12:00:00Z")
    for number in range(150):
        account.comment(issue, account.me, f"Note {number}", "05-02T10:00:00")
    rows = await _rows(opened())
    found = [item for item in rows if isinstance(item, Message)]
    assert len(found) == 152
    first, second = found[:2]
    assert (first.subject, first.text) == ("Leak (acme/boats#12)", "There is **water**.\nA lot.")
    assert (first.conversation_kind, first.conversation_key, first.container) == ("POST", issue["id"], issue["id"])
    assert [(p.role, p.address, p.name) for p in second.participants] == [
        ("FROM", "grace", "Grace Hopper"),
        ("TO", "ada", "Ada Byron"),
    ]
    assert second.edited_at == datetime.fromisoformat("2026-05-01T12:00:00+00:00")
    (head,) = [item for item in rows if isinstance(item, ConversationHead)]
    assert (head.subject, head.url) == ("Leak (acme/boats#12)", "https://github.com/acme/boats/issues/12")
    assert {p.address for p in head.participants} == {"ada", "grace"}


async def test_a_pull_request_has_its_reviews_and_their_remarks(account: github_stub.GitHub, opened: Open) -> None:
    account.user(100, "grace")
    pull = account.thread(2, "Mend it", account.me, "05-01T10:00:00", kind="PullRequest")
    account.review(pull, account.users[100], "", "05-01T11:00:00", "APPROVED")
    review = account.review(pull, account.users[100], "Almost.", "05-01T12:00:00", "CHANGES_REQUESTED")
    remark = account.comment(review, account.users[100], "Rust here.", "05-01T12:01:00")
    account.comment(review, account.me, "Painted.", "05-01T13:00:00", replyTo={"id": remark["id"]})
    for number in range(30):
        account.comment(review, account.me, f"Again {number}", "05-01T14:00:00")
    for _ in range(12):
        account.review(pull, account.users[100], "Later.", "05-01T15:00:00")
    account.review(pull, account.me, "Not sent yet.", "05-01T16:00:00", "PENDING")
    mirror = await Mirror().follow(opened())
    texts = [one.text for one in mirror.contacts.values() if isinstance(one, Message)]
    assert texts[:4] == ["About Mend it.", "Almost.", "Rust here.", "Painted."]
    assert len(texts) == 1 + 1 + 32 + 12
    assert mirror.stated[pull["id"]].expected == len(texts)
    answer = next(one for one in mirror.contacts.values() if one.key != remark["id"] and getattr(one, "text", "") == "Painted.")
    assert answer.references == (remark["id"],)


async def test_a_discussion_has_answers_and_their_replies(account: github_stub.GitHub, opened: Open) -> None:
    account.user(100, "grace")
    talk = account.thread(3, "Plans", account.users[100], "05-01T10:00:00", kind="Discussion")
    for number in range(25):
        answer = account.comment(talk, account.users[100], f"Answer {number}", f"05-01T11:{number:02}:00")
        for reply in range(24 if number == 20 else 1):
            account.comment(answer, account.me, f"Reply {number}.{reply}", "05-01T12:00:00", replyTo={"id": answer["id"]})
    account.comment(talk, account.me, "", "05-01T13:00:00", deletedAt="2026-05-01T14:00:00Z")
    mirror = await Mirror().follow(opened())
    texts = {one.text for one in mirror.contacts.values() if isinstance(one, Message)}
    assert len(texts) == 1 + 25 + 24 + 24
    assert {"Answer 24", "Reply 20.23", "Reply 0.0"} <= texts
    assert mirror.stated[talk["id"]].expected == len(texts)


async def test_what_a_program_wrote_is_a_notification_and_who_left_has_no_name(account: github_stub.GitHub, opened: Open) -> None:
    bot = {
        "__typename": "Bot",
        "id": "B_1",
        "databaseId": 900,
        "login": "dependabot",
        "url": "https://github.com/apps/dependabot",
    }
    issue = account.thread(1, "Bump", bot, "05-01T10:00:00")
    account.comment(issue, None, "I was here.", "05-01T11:00:00")
    first, second = (await _messages(opened())).values()
    assert (first.category, second.category) == ("NOTIFICATION", "PERSONAL")
    assert [p.role for p in second.participants] == ["TO"]


async def test_more_threads_than_a_search_tells_arrive_all_and_only_once(
    account: github_stub.GitHub, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(github_stub, "MOST", 10)  # a thousand, in small
    for number in range(24):
        account.thread(number, f"T{number}", account.me, f"05-01T10:{number // 2:02}:00")  # two in each minute
    keys = [item.key for item in await _rows(opened()) if isinstance(item, Message)]
    assert sorted(keys) == sorted(account.threads)


async def test_threads_of_the_same_second_are_not_lost_where_they_fill_pages(account: github_stub.GitHub, opened: Open) -> None:
    for number in range(30):
        account.thread(number, f"T{number}", account.me, "05-01T10:00:00")
    keys = [item.key for item in await _rows(opened()) if isinstance(item, Message)]
    assert sorted(keys) == sorted(account.threads)


async def test_a_later_run_reads_only_what_was_updated_since(account: github_stub.GitHub, opened: Open, clock: HandClock) -> None:
    for number in range(20):
        account.thread(number, f"T{number}", account.me, f"05-01T10:{number:02}:00")
    mirror = await Mirror().follow(opened())
    account.comment(account.threads["Issue_7"], account.me, "News", "05-03T10:00:00")
    late = account.thread(30, "Found late", account.me, "05-01T10:15:00")  # the search runs behind
    clock.time += timedelta(minutes=15)
    account.calls.clear()
    rows = await _rows(opened(), mirror.cursor)
    assert [item.key for item in rows if isinstance(item, Message)] == ["Issue_7", "C_Issue_7_1", late["id"]]
    assert account.calls.count("/graphql") == 3  # eleven threads are so near to the last look that they are compared


async def test_a_deleted_comment_is_gone_with_the_next_news_of_its_thread(
    account: github_stub.GitHub, opened: Open, clock: HandClock
) -> None:
    issue = account.thread(1, "Leak", account.me, "05-01T10:00:00")
    account.comment(issue, account.me, "Oops", "05-01T11:00:00")
    account.comment(issue, account.me, "Right", "05-01T12:00:00")
    mirror = await Mirror().follow(opened())
    del issue["comment_list"][0]
    issue["updatedAt"] = "2026-05-01T13:00:00Z"
    clock.time += timedelta(minutes=15)
    await mirror.follow(opened())
    assert mirror.deleted == ["C_Issue_1_1"]


async def test_a_thread_that_goes_while_it_is_read_is_gone(account: github_stub.GitHub, opened: Open) -> None:
    issue = account.thread(1, "Leak", account.me, "05-01T10:00:00")
    for number in range(120):
        account.comment(issue, account.me, f"Note {number}", "05-02T10:00:00")
    adapter = opened()
    answer = account.answer

    def vanish(request: Any) -> Answer:
        said = answer(request)
        if b"query Issues" in request.body:
            account.threads.clear()
        return said

    account.answer = vanish  # type: ignore[method-assign]
    rows = await _rows(adapter)
    assert [item for item in rows if isinstance(item, Gone)] == [Gone(kind="CONVERSATION", key="Issue_1")]
    assert not any(isinstance(item, Message) for item in rows)


async def test_a_query_that_is_too_much_for_github_is_asked_again_in_smaller_pieces(
    account: github_stub.GitHub, opened: Open
) -> None:
    for number in range(9):
        account.thread(number, f"T{number}", account.me, f"05-01T10:{number:02}:00")
    answer, sizes = account.answer, []

    def slow(request: Any) -> Answer:
        if b"query Issues" in request.body:
            sizes.append(json.loads(request.body)["variables"]["first"])
            if sizes[-1] > 4:
                return Answer(502, {"message": "We couldn't respond to your request in time."})
        return answer(request)

    account.answer = slow  # type: ignore[method-assign]
    keys = [item.key for item in await _rows(opened()) if isinstance(item, Message)]
    assert sorted(keys) == sorted(account.threads)
    assert sizes[:4] == [8, 8, 8, 4]


# --- the inbox ------------------------------------------------------------------------------------------------------------


async def test_what_is_unread_is_what_came_after_it_was_read(account: github_stub.GitHub, opened: Open) -> None:
    account.user(100, "grace")
    issue = account.thread(1, "Leak", account.me, "05-01T10:00:00")
    for hour, author in ((11, account.users[100]), (13, account.users[100]), (14, account.me)):
        account.comment(issue, author, f"At {hour}", f"05-01T{hour}:00:00")
    account.thread(2, "Calm", account.users[100], "05-01T10:00:00")
    account.notify(issue, read="2026-05-01T12:00:00Z")
    found = await _messages(opened())
    assert {one.text: one.unread for one in found.values()} == {
        "About Leak.": False, "At 11": False, "At 13": True, "At 14": False, "About Calm.": False,
    }  # fmt: skip


async def test_a_thread_that_is_read_at_github_is_read_here(account: github_stub.GitHub, opened: Open, clock: HandClock) -> None:
    account.user(100, "grace")
    issue = account.thread(1, "Leak", account.users[100], "05-01T10:00:00")
    account.notify(issue)
    mirror = await Mirror().follow(opened())
    assert mirror.contacts["Issue_1"].unread is True
    account.inbox.clear()
    clock.time += timedelta(minutes=15)
    rows = await _rows(opened(), mirror.cursor)
    assert rows == [MessageState(key="Issue_1", container="Issue_1", unread=False)]


async def test_a_thread_is_marked_as_read_once_it_was_read_to_its_end(account: github_stub.GitHub, opened: Open) -> None:
    memory = Remembered()
    issue = account.thread(1, "Leak", account.user(100, "grace"), "05-01T10:00:00")
    account.comment(issue, account.users[100], "Where?", "05-01T11:00:00")
    calm = account.thread(2, "Calm", account.users[100], "05-01T10:00:00")
    for thread in (issue, calm):
        account.notify(thread)
    await _rows(opened(memory=memory))
    with pytest.raises(Refused, match="to its end"):
        await opened(memory=memory).read_up_to({"Issue_1": "Issue_1", "Issue_2": "Issue_2"})
    assert account.read == [2]  # what can be said of the others is said
    await opened(memory=memory).read_up_to({"Issue_9": "Issue_9"})
    account.tokens["token-1"] = github_stub.SCOPES - {"notifications"}
    with pytest.raises(ReauthRequired, match="notifications"):
        await opened(memory=memory).read_up_to({"Issue_1": "C_Issue_1_1"})
    account.tokens["token-1"] = github_stub.SCOPES
    for _ in range(2):  # doing it twice is doing it once
        await opened(memory=memory).read_up_to({"Issue_1": "C_Issue_1_1"})
    assert account.read == [2, 1]


async def test_a_thread_one_only_watches_comes_by_the_inbox(account: github_stub.GitHub, opened: Open) -> None:
    account.user(100, "grace")
    for number in range(12):
        watched = account.thread(number, f"W{number}", account.users[100], "05-01T10:00:00")
        account.hidden.add(watched["id"])
        account.notify(watched)
    account.inbox.append({"number": 99, "updated_at": "2026-05-01T10:00:00Z", "read": None, "kind": "Release"})
    found = await _messages(opened())
    assert set(found) == set(account.threads)
    assert all(one.unread for one in found.values())


async def test_a_thread_of_the_inbox_that_may_not_be_read_is_named(account: github_stub.GitHub, opened: Open) -> None:
    account.notify(account.thread(1, "Secret", account.me, "05-01T10:00:00"))
    account.threads.clear()
    (row,) = await _rows(opened())
    assert isinstance(row, Unreadable)
    assert (row.key, row.outcome, row.reason) == ("acme/boats#1", "SKIPPED", "FORBIDDEN")


async def test_an_inbox_of_many_pages_is_read_to_its_end_and_not_asked_for_too_soon(
    account: github_stub.GitHub, opened: Open, clock: HandClock
) -> None:
    for number in range(60):
        thread = account.thread(number, f"T{number}", account.me, "05-01T10:00:00")
        account.notify(thread)
    mirror = await Mirror().follow(opened())
    assert account.calls.count("/notifications") == 2
    clock.time += timedelta(seconds=30)
    await mirror.follow(opened())
    assert account.calls.count("/notifications") == 2
    clock.time += timedelta(seconds=31)
    await mirror.follow(opened())
    assert account.calls.count("/notifications") == 3


# --- what people do -------------------------------------------------------------------------------------------------------


async def test_what_people_do_is_said_in_the_words_of_activitystreams(account: github_stub.GitHub, opened: Open) -> None:
    grace = account.user(100, "grace")
    account.event("WatchEvent", grace, {"action": "started"})
    account.event("ForkEvent", grace, {"action": "forked", "forkee": {"full_name": "grace/boats"}})
    created = {"ref": "", "ref_type": "repository", "master_branch": "main", "description": "Sails.", "pusher_type": "user"}
    account.event("CreateEvent", account.me, created, repo="ada/sails")
    release = account.part("release", name="Two", html_url="https://github.com/acme/boats/releases/2", body="Faster.")
    account.event("ReleaseEvent", grace, {"action": "published", "release": release})
    issue = account.part("issue", title="Leak", html_url="https://github.com/acme/boats/issues/7", body="Water.")
    account.event("IssuesEvent", grace, {"action": "opened", "issue": issue})
    pull = account.part("pull-request-minimal", number=8)
    account.event("PullRequestEvent", grace, {"action": "merged", "number": 8, "pull_request": pull}, public=False)
    account.event("MemberEvent", grace, {"action": "added", "member": account.part("simple-user", login="joan")})
    found = {item.summary: item for item in await _rows(opened()) if isinstance(item, Activity)}
    assert {said: (one.verb, one.object and one.object.kind, one.object and one.object.name) for said, one in found.items()} == {
        "starred acme/boats": ("LIKE", "REPOSITORY", "acme/boats"),
        "forked acme/boats": ("CREATE", "REPOSITORY", "grace/boats"),
        "created ada/sails": ("CREATE", "REPOSITORY", "ada/sails"),
        "released Two of acme/boats": ("CREATE", "ARTICLE", "Two"),
        "opened an issue in acme/boats: Leak": ("CREATE", "NOTE", "Leak"),
        "merged a pull request of acme/boats: #8": ("ACCEPT", "NOTE", "#8"),
        "added joan to acme/boats": ("ADD", "PROFILE", "joan"),
    }  # fmt: skip
    star, merge = found["starred acme/boats"], found["merged a pull request of acme/boats: #8"]
    assert (star.actor.handle, star.actor.key, star.container) == ("grace", "100", "received_events")
    assert star.occurred_at == datetime.fromisoformat("2026-05-01T10:00:00+00:00")
    assert json.loads(star.original or b"")["type"] == "WatchEvent"
    assert (star.visibility, merge.visibility) == ("PUBLIC", "LIMITED")
    assert found["created ada/sails"].container == "events"
    released = found["released Two of acme/boats"]
    assert released.object is not None
    assert (released.object.text, released.url) == ("Faster.", "https://github.com/acme/boats/releases/2")


async def test_comments_pushes_and_what_was_closed_are_no_activities(account: github_stub.GitHub, opened: Open) -> None:
    grace = account.user(100, "grace")
    push = {"repository_id": 1, "push_id": 1, "ref": "refs/heads/main", "head": "a", "before": "b"}
    account.event("PushEvent", grace, push)
    pull = account.part("pull-request-minimal", number=8)
    account.event("PullRequestEvent", grace, {"action": "closed", "number": 8, "pull_request": pull})
    account.event("IssuesEvent", grace, {"action": "closed", "issue": account.part("issue")})
    assert await _rows(opened()) == []


async def test_events_arrive_once_over_several_pages_and_later_only_those_that_are_new(
    account: github_stub.GitHub, opened: Open, clock: HandClock
) -> None:
    grace = account.user(100, "grace")
    for number in range(230):
        account.event("WatchEvent", grace, {"action": "started"}, repo=f"acme/r{number}")
    first = [page async for page in opened().pages(None)]
    keys = [row.item.key for page in first for row in page.rows if isinstance(row.item, Activity)]
    assert len(keys) == len(set(keys)) == 230
    clock.time += timedelta(minutes=15)
    account.event("WatchEvent", grace, {"action": "started"}, repo="acme/new")
    (new,) = await _rows(opened(), first[-1].cursor)
    assert isinstance(new, Activity)
    assert new.summary == "starred acme/new"


# --- tokens ---------------------------------------------------------------------------------------------------------------


async def test_the_profile_says_who_it_is_and_what_the_token_may(account: github_stub.GitHub, opened: Open) -> None:
    found = await opened().profile()
    assert (found.user_id, found.label) == ("77", "@ada")
    assert [(each.value, each.kind) for each in found.own_addresses] == [("ada", "HANDLE"), ("ada@example.org", "EMAIL")]
    assert set(found.granted_scopes) == github_stub.SCOPES
    assert found.contact is not None
    assert found.contact.relation == "PROFILE"


async def test_a_fine_grained_token_gives_all_but_what_is_unread(account: github_stub.GitHub, opened: Open) -> None:
    account.tokens["token-1"] = None
    account.user(100, "grace")
    account.following = [100]
    account.thread(1, "Leak", account.users[100], "05-01T10:00:00")
    assert (await opened().profile()).granted_scopes == ()
    rows = await _rows(opened())
    (message,) = [item for item in rows if isinstance(item, Message)]
    assert message.unread is None
    (refused,) = [item for item in rows if isinstance(item, Unreadable)]
    assert refused.key == "notifications"
    assert "notifications" in refused.message


async def test_a_token_without_organisations_says_so_and_gives_the_rest(account: github_stub.GitHub, opened: Open) -> None:
    account.tokens["token-1"] = github_stub.SCOPES - {"read:org"}
    account.user(100, "grace")
    account.following, account.organizations = [100], {"acme": [100]}
    rows = await _rows(opened())
    assert [item.key for item in rows if isinstance(item, Contact)] == ["100"]
    (refused,) = [item for item in rows if isinstance(item, Unreadable)]
    assert (refused.key, refused.reason) == ("organizations", "FORBIDDEN")
    assert "read:org" in refused.message


async def test_an_organisation_with_a_sign_in_of_its_own_does_not_stop_the_others(
    account: github_stub.GitHub, opened: Open
) -> None:
    account.user(100, "grace")
    account.user(101, "joan")
    account.organizations = {"walled": [100], "open": [101]}
    answer = account.answer

    def wall(request: Any) -> Answer:
        if b"query Members" in request.body:
            account.walled = {"walled"}
        return answer(request)

    account.answer = wall  # type: ignore[method-assign]
    rows = await _rows(opened())
    assert [item.key for item in rows if isinstance(item, Contact)] == ["101"]
    assert [item.key for item in rows if isinstance(item, Unreadable)] == ["organizations/walled"]


async def test_a_token_that_was_narrowed_asks_for_a_wider_one(account: github_stub.GitHub, opened: Open) -> None:
    account.user(100, "grace")
    account.following = [100]
    mirror = await Mirror().follow(opened())
    account.tokens["token-1"] = frozenset({"notifications"})
    account.followers = [100]
    with pytest.raises(ReauthRequired) as refusal:
        await mirror.follow(opened())
    assert refusal.value.provider_code == "scope"
    assert "read:user" in refusal.value.message
    assert set(mirror.contacts) == {"100"}


async def test_what_is_withheld_deletes_nobody(account: github_stub.GitHub, opened: Open, clock: HandClock) -> None:
    account.user(100, "grace")
    account.user(101, "joan")
    account.following, account.organizations = [100], {"acme": [77, 101]}
    mirror = await Mirror().follow(opened())
    account.tokens["token-1"] = github_stub.SCOPES - {"read:org"}
    account.following = []
    await mirror.follow(opened())
    assert mirror.deleted == ["100"]
    assert set(mirror.contacts) == {"101"}


async def test_a_revoked_token_asks_for_a_new_sign_in(account: github_stub.GitHub, opened: Open) -> None:
    account.tokens.clear()
    with pytest.raises(ReauthRequired):
        await _rows(opened())


@pytest.mark.parametrize(
    ("answer", "kind", "word"),
    [
        (Answer(403, {"message": "no"}, X_GitHub_SSO="required; url=https://github.com/orgs/acme/sso?x=1"), ReauthRequired, "acme/sso"),
        (Answer(403, {"message": "You have exceeded a secondary rate limit"}, Retry_After="30"), RateLimited, "no more calls"),
        (Answer(403, {"message": "Repository access blocked"}), Refused, "access blocked"),
        (Answer(200, {"type": "Organization", "id": 1, "login": "acme"}), Refused, "not to a person"),
        (Answer(404, {"message": "Not Found"}), Refused, "no GitHub"),
    ],
)  # fmt: skip
async def test_what_github_says_no_with_is_told_apart(
    account: github_stub.GitHub, opened: Open, answer: Answer, kind: type[Exception], word: str
) -> None:
    account.troubled = [answer]
    with pytest.raises(kind, match=word):
        await opened().profile()


async def test_trouble_of_the_query_interface_is_trouble_and_no_empty_answer(account: github_stub.GitHub, opened: Open) -> None:
    user = account.rest.example(account.rest.schema(account.rest.operation("GET", "/user") or {}))
    said = Answer(200, {"data": None, "errors": [{"message": "Something went wrong while executing your query."}]})
    account.troubled = [Answer(200, {**user, "id": 77, "login": "ada", "type": "User"}), said]
    with pytest.raises(Unavailable):
        await opened().profile()


# --- limits ---------------------------------------------------------------------------------------------------------------


async def test_no_more_calls_are_made_than_github_allows(account: github_stub.GitHub, opened: Open, clock: HandClock) -> None:
    """The stub takes a call beyond its window for a violation; every price is one point, so that points are calls.

    Ten calls a minute stand for 5,000 an hour, of which others have used up some.
    """
    account.limit, account.span, account.used = 10, 60.0, 6
    for number in range(100, 160):
        account.user(number, f"user{number}")
    account.following = [*range(100, 160)]
    for number in range(20):
        account.thread(number, f"T{number}", account.me, f"05-01T10:{number:02}:00")
    quota = msgspec.structs.replace(github.PROVIDER.quota or pytest.fail(), calls=10, seconds=60.0)
    budget, mirror, waits = TokenBudget(quota, clock), Mirror(), 0
    while not mirror.done and waits < 20:
        try:
            await mirror.follow(opened(budget=budget))
        except RateLimited as limit:
            waits += 1
            assert limit.retry_at is not None
            assert clock.time < limit.retry_at <= clock.time + timedelta(minutes=1)
            clock.time = limit.retry_at
    assert mirror.done
    assert len(account.calls) > 15
    assert {key for key in mirror.contacts if not key.startswith("Issue")} == {str(n) for n in account.following}
    assert {key for key in mirror.contacts if key.startswith("Issue")} == set(account.threads)


async def test_a_secondary_limit_without_a_time_is_waited_out_for_a_minute(account: github_stub.GitHub, opened: Open) -> None:
    account.troubled = [Answer(403, {"message": "You have exceeded a secondary rate limit. Please wait."})]
    with pytest.raises(RateLimited) as limit:
        await _rows(opened())
    assert limit.value.retry_at == NOON + timedelta(minutes=1)


async def test_a_limit_told_in_a_query_s_errors_is_a_limit(account: github_stub.GitHub, opened: Open) -> None:
    mirror = await Mirror().follow(opened())
    reset = str(int((NOON + timedelta(minutes=20)).timestamp()))
    account.troubled = [
        Answer(304),
        Answer(
            200, {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]},
            X_RateLimit_Remaining="0", X_RateLimit_Reset=reset,
        ),
    ]  # fmt: skip
    with pytest.raises(RateLimited) as limit:
        await mirror.follow(opened())
    assert limit.value.retry_at == NOON + timedelta(minutes=20)


# --- where it is ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "base"),
    [
        ("", "https://api.github.com"),
        ("github.com", "https://api.github.com"),
        ("https://github.com/ada", "https://api.github.com"),
        ("octocorp.ghe.com", "https://api.octocorp.ghe.com"),
        ("github.example.org", "https://github.example.org/api/v3"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api/v3"),
    ],
)
def test_the_server_is_found_by_what_people_type(typed: str, base: str) -> None:
    assert github_api.base_url({"server": typed}) == base


@pytest.mark.parametrize("typed", ["ftp://github.example.org", "a b", "https://:0"])
def test_what_is_no_server_is_refused(typed: str) -> None:
    with pytest.raises(Refused, match="no address"):
        github_api.base_url({"server": typed})


async def test_signing_in_needs_a_client_of_the_operator_and_says_how_to_get_one(new_session: SessionMaker) -> None:
    session = new_session("https://api.github.com", provider="github")
    with pytest.raises(Refused, match="KITH_GITHUB_CLIENT_ID"):
        await github_api.authorize(session, {}, "https://kith.example/link/callback")


@pytest.mark.parametrize(
    ("base", "site"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://api.octocorp.ghe.com", "https://octocorp.ghe.com"),
        ("https://github.example.org/api/v3", "https://github.example.org"),
    ],
)
async def test_people_sign_in_at_the_site_and_not_at_the_interface(new_session: SessionMaker, base: str, site: str) -> None:
    session = new_session(base, provider="github", secret=Secret(client_id="id", client_secret="secret"))
    found = await github_api.authorize(session, {}, "https://kith.example/link/callback")
    assert found.authorization_endpoint == f"{site}/login/oauth/authorize"
    assert found.token_endpoint == f"{site}/login/oauth/access_token"
    assert found.pkce
    assert set(found.scopes) == github_stub.SCOPES
