"""Facebook against a stub held to the models of Meta's SDK: friends, inboxes of pages, posts, grants, limits, sending, being called."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from providers import oauth
from providers.errors import Malformed, RateLimited, ReauthRequired, Refused
from providers.facebook import adapter as facebook
from providers.facebook import signin as facebook_signin
from providers.facebook.adapter import Facebook
from providers.push import Line
from providers.records import Activity, Contact, ConversationHead, Gone, Message, OutgoingChat, Unreadable
from providers.session import Secret
from tests.providers.conftest import NOON, HandClock, SessionMaker
from tests.providers.contract import AdapterContract, Mirror, Scene
from tests.providers.meta_stub import APP, FACEBOOK_SCOPES, ME, SECRET, Graph, error
from tests.providers.stub_http import Answer, running

GRANT = Secret(access_token="token-1", client_id=APP, client_secret=SECRET)
THEN = NOON.timestamp() - 3600
CALLBACK = "https://kith.example.org/link/callback"
GRACE = {"id": "9001", "name": "Grace Hopper"}
Open = Callable[..., Facebook]


@pytest.fixture
async def net(clock: HandClock) -> AsyncIterator[Graph]:
    net = Graph(lambda: clock.now().timestamp())
    async with running(net):
        yield net
    assert net.violations == []


@pytest.fixture
def opened(net: Graph, new_session: SessionMaker) -> Open:
    def open_(settings: dict[str, str] | None = None, **more: Any) -> Facebook:
        session = new_session(
            net.url, provider="facebook", user_id=ME, **{"secret": GRANT, "quota": facebook.PROVIDER.quota, **more}
        )
        session.account = msgspec.structs.replace(session.account, settings=settings or {})
        return Facebook(session)

    return open_


class FacebookRig:
    """Twelve friends, and a page's conversation."""

    path = ""
    secret = GRANT
    page = 9

    def __init__(self, net: Graph, clock: HandClock) -> None:
        self.net = net
        self.clock = clock
        self.server_url = net.url
        self.provider = msgspec.structs.replace(facebook.PROVIDER, quota=None)  # faults are tried by the thousand within no time

    def fill(self) -> None:
        self.net.page = self.page
        self.net.declined = frozenset(
            {"user_posts", "pages_read_engagement"}
        )  # posts are tried by Instagram's, which are read alike
        for number in range(12):
            self.net.friend(f"50{number:02}", f"Friend {number}")
        thread = self.net.thread(self.net.own_page("700", "Bakery"), GRACE)
        for number in range(12):
            self.net.said(thread, f"News {number}", THEN + number, mine=number % 2 == 0)

    def names(self) -> set[str]:
        return self.net.keys()

    def name_of(self, contact: Any) -> str:
        assert isinstance(contact, Contact | Message)
        return contact.key

    def remove(self) -> str:
        """Friends are listed anew after six hours."""
        self.clock.time += timedelta(hours=7)
        return str(self.net.friends.pop(4)["id"])

    def foreign_cursor(self, cursor: bytes) -> bytes:
        place = msgspec.json.decode(cursor, type=facebook.Position)
        place.friends.after, place.friends.keys = "some-other-place-of-old", []
        return msgspec.json.encode(place)


class TestContract(AdapterContract):
    @pytest.fixture
    def rig(self, net: Graph, clock: HandClock) -> FacebookRig:
        return FacebookRig(net, clock)

    async def test_everything_arrives_once_over_several_pages(self, rig: Any, opened: Any) -> None:
        """Facebook does not say how many messages there are."""
        rig.fill()
        pages = [page async for page in opened().pages(None)]
        found = [row.item for page in pages for row in page.rows if isinstance(row.item, Contact | Message)]
        assert sorted(item.key for item in found) == sorted(rig.names())
        assert [page.done for page in pages] == [False] * (len(pages) - 1) + [True]
        stated = {statement.container: statement.expected for page in pages for statement in page.statements}
        assert stated == {"friends": 12, "700/messenger": None}

    async def _scene(self, rig: Any, opened: Any, proxy: Any) -> Scene:
        """Each request is broken in turn: one page a list is enough of them."""
        rig.page = 100
        return await super()._scene(rig, opened, proxy)


class TestForgetfulContract(TestContract):
    """The same with optional fields left out at random."""

    @pytest.fixture
    def rig(self, net: Graph, clock: HandClock) -> FacebookRig:
        net.forgetful = 0.4
        return FacebookRig(net, clock)

    test_a_bad_answer_loses_nothing_and_deletes_nothing = None  # type: ignore[assignment]  # once is enough of the long one


class Run:
    """What a run gave."""

    def __init__(self, cursor: bytes | None) -> None:
        self.rows: list[Any] = []
        self.cursor = cursor
        self.trouble: RateLimited | None = None

    def all(self, kind: type[Any]) -> list[Any]:
        return [item for item in self.rows if isinstance(item, kind)]

    @property
    def withheld(self) -> str:
        return " ".join(item.message for item in self.all(Unreadable) if item.reason == "FORBIDDEN")


async def run(adapter: Any, cursor: bytes | None = None) -> Run:
    found = Run(cursor)
    try:
        async for page in adapter.pages(cursor):
            found.rows += [row.item for row in page.rows]
            found.cursor = page.cursor or found.cursor
    except RateLimited as refusal:
        found.trouble = refusal
    return found


# --- people and messages --------------------------------------------------------------------------------------------------


async def test_the_profile_has_the_names_by_which_its_exports_know_the_user(net: Graph, opened: Open) -> None:
    found = await opened().profile()
    assert (found.user_id, found.label) == (ME, "Robin Vale")
    assert [(own.value, own.primary) for own in found.own_addresses] == [
        (f"{ME}@facebook.com", True), ("Robin Vale@facebook.com", False), ("robin@example.org", False),
    ]  # fmt: skip
    assert set(found.granted_scopes) == FACEBOOK_SCOPES


async def test_friends_are_those_who_use_the_app(net: Graph, opened: Open) -> None:
    net.friend("500", "Ada Byron")
    (found,) = (await run(opened())).all(Contact)
    assert (found.key, found.relation, found.names[0].full) == ("500", "CONNECTION", "Ada Byron")
    assert found.photo.url == "https://cdn.example/500.jpg"


async def test_a_message_to_a_page_has_its_people_files_links_and_reactions(net: Graph, opened: Open) -> None:
    thread = net.thread(net.own_page("700", "Bakery"), GRACE | {"email": "9001@facebook.com"})
    image = {"id": "f", "mime_type": "image/jpeg", "name": "cake.jpg", "size": 12, "image_data": {"url": "https://cdn.example/x"}}
    net.said(
        thread, "Look", THEN, attachments={"data": [image]}, shares={"data": [{"link": "https://cake.example/"}]},
        reactions={"data": [{"reaction": "❤", "users": [{"id": "700", "name": "Bakery"}]}]},
    )  # fmt: skip
    net.said(thread, "Thanks", THEN + 1, mine=True)
    found = await run(opened())
    theirs, ours = sorted(found.all(Message), key=lambda each: each.sent_at)
    (head,) = found.all(ConversationHead)
    assert (theirs.text, theirs.conversation_key, theirs.conversation_kind) == (
        "Look\nhttps://cake.example/",
        f"700/{thread}",
        "DIRECT",
    )
    assert [(one.role, one.address, one.key, one.name) for one in theirs.participants] == [
        ("FROM", "9001@700.facebook.com", "700:9001", "Grace Hopper"), ("TO", f"{ME}@facebook.com", None, "Bakery"),
    ]  # fmt: skip
    assert (theirs.attachments[0].name, theirs.attachments[0].media_type, theirs.attachments[0].size) == (
        "cake.jpg",
        "image/jpeg",
        12,
    )
    assert [(one.emoji, one.participant.address) for one in theirs.reactions] == [("❤", f"{ME}@facebook.com")]
    assert ours.participants[0].address == f"{ME}@facebook.com"
    assert (head.url, {one.address for one in head.participants}) == (
        f"https://www.facebook.com/700/inbox/{thread}/", {"9001@700.facebook.com", f"{ME}@facebook.com"}
    )  # fmt: skip


async def test_the_same_person_at_two_pages_is_not_taken_for_one(net: Graph, opened: Open) -> None:
    for number in ("700", "800"):
        net.said(net.thread(net.own_page(number, f"Page {number}"), {"id": "9001", "name": "Somebody"}), "Hello", THEN)
    keys = {message.participants[0].key for message in (await run(opened())).all(Message)}
    assert keys == {"700:9001", "800:9001"}


async def test_conversations_of_the_linked_instagram_account_come_along_unless_they_are_left_out(
    net: Graph, opened: Open
) -> None:
    net.own_page("700", "Bakery", instagram="the.bakery")
    thread = net.thread("700", {"id": "44", "username": "grace"}, "instagram")
    for number in range(25):
        net.said(thread, f"News {number}", THEN + number)
    found = await run(opened())
    assert len(found.all(Message)) == 20
    assert {message.participants[0].address for message in found.all(Message)} == {"grace@instagram.com"}
    assert "20 latest messages" in found.all(Unreadable)[0].message
    assert (await run(opened({"leave_instagram": "true"}))).all(Message) == []


async def test_only_conversations_with_news_are_read_again(net: Graph, opened: Open) -> None:
    net.own_page("700", "Bakery")
    threads = [net.thread("700", {"id": f"90{number:02}", "name": f"Guest {number}"}) for number in range(40)]
    for number, thread in enumerate(threads):
        net.said(thread, "Hello", THEN - 86_400 * (number + 2))
    first = await run(opened())
    assert len(first.all(Message)) == 40
    net.said(threads[30], "And again", THEN)
    before = len(net.calls)
    later = await run(opened(), first.cursor)
    assert [message.text for message in later.all(Message)] == ["And again", "Hello", "Hello"]  # with the newest of before
    assert sum(path.endswith("/messages") for _, path in net.calls[before:]) == 2


async def test_a_conversation_that_moves_up_while_the_list_is_read_loses_nothing(net: Graph, opened: Open) -> None:
    net.page = 3
    net.own_page("700", "Bakery")
    threads = [net.thread("700", {"id": f"90{number:02}", "name": f"Guest {number}"}) for number in range(9)]
    for number, thread in enumerate(threads):
        net.said(thread, f"Old {number}", THEN - 1000 * (number + 1))
    rows: list[Any] = []
    async for page in opened().pages(None):
        rows += [row.item for row in page.rows if isinstance(row.item, Message)]
        if len(rows) == 3:
            net.said(threads[8], "Moved up", THEN)  # from the last page of the list to the first
    assert {message.key for message in rows} == net.keys()


async def test_what_was_taken_back_in_a_lively_conversation_is_gone_within_the_hour(
    net: Graph, opened: Open, clock: HandClock
) -> None:
    thread = net.thread(net.own_page("700", "Bakery"), GRACE)
    other = net.thread("700", {"id": "9002", "name": "Ada"})
    keys = [net.said(thread, f"News {number}", THEN + number) for number in range(5)]
    net.said(other, "Later", THEN + 600)
    first = await run(opened())
    net.threads[thread]["messages"].pop(2)
    net.threads[thread]["messages"][0]["reactions"] = {"data": [{"reaction": "👍", "users": [GRACE]}]}
    clock.time += timedelta(minutes=61)
    later = await run(opened(), first.cursor)
    assert [gone.key for gone in later.all(Gone)] == [keys[2]]
    assert [message.reactions[0].emoji for message in later.all(Message) if message.reactions] == ["👍"]
    assert (await run(opened(), later.cursor)).all(Gone) == []


async def test_a_conversation_that_is_not_shown_any_more_hides_no_other(net: Graph, opened: Open) -> None:
    net.own_page("700", "Bakery")
    gone, there = net.thread("700", GRACE), net.thread("700", {"id": "9002", "name": "Ada"})
    net.said(gone, "Hello", THEN)
    net.said(there, "Hello", THEN - 1)
    net.troubled = {"messages": [error(400, 100, 33, "Object does not exist")]}
    found = await run(opened())
    assert [message.conversation_key for message in found.all(Message)] == [f"700/{there}"]
    assert f"700/{gone}" in {
        message.conversation_key for message in (await run(opened(), found.cursor)).all(Message)
    }  # it passed
    net.troubled = {"messages": [error(400, 100, 33, "Object does not exist")]}
    found = await run(opened())
    net.threads[gone]["messages"].clear()
    net.troubled = {"messages": [error(400, 100, 33, "Object does not exist")]}
    assert (await run(opened(), found.cursor)).all(Unreadable)[0].key == gone


# --- posts ----------------------------------------------------------------------------------------------------------------


async def test_posts_comments_and_reactions_are_activities(net: Graph, opened: Open) -> None:
    net.own_page("700", "Bakery")
    net.posted(ME, "Mine", THEN, privacy={"value": "ALL_FRIENDS"}, permalink_url="https://www.facebook.com/100/posts/1")
    post = net.posted("700", "Fresh rolls", THEN + 1, shares={"count": 2}, full_picture="https://cdn.example/rolls.jpg")
    comment = net.commented(post, GRACE, "Yum", THEN + 2, like_count=1)
    answer = net.commented(post, {"id": "700", "name": "Bakery"}, "Thanks", THEN + 3, parent={"id": comment["id"]})
    post["reactions"] = [GRACE | {"type": "LOVE"}, {"type": "LIKE"}]
    found = {each.key: each for each in (await run(opened())).all(Activity)}
    assert len(found) == 5
    own = next(each for each in found.values() if each.object.text == "Mine")
    assert (own.visibility, own.actor.handle, own.url) == (
        "FOLLOWERS",
        f"{ME}@facebook.com",
        "https://www.facebook.com/100/posts/1",
    )
    page = found[post["id"]]
    assert (page.visibility, page.actor.name, page.actor.kind, page.actor.handle) == (
        "PUBLIC",
        "Bakery",
        "ORGANIZATION",
        f"{ME}@facebook.com",
    )
    assert (page.object.likes, page.object.reposts, page.object.replies) == (2, 2, 2)
    assert page.object.media[0].url == "https://cdn.example/rolls.jpg"
    said = found[comment["id"]]
    assert (said.actor.key, said.actor.name, said.object.in_reply_to) == ("700:9001", "Grace Hopper", page.object.uri)
    assert found[answer["id"]].object.in_reply_to == said.object.uri
    assert (found[f"{post['id']}:9001"].verb, found[f"{post['id']}:9001"].summary) == ("LIKE", "❤️")
    assert all(each.original for each in found.values())


@pytest.mark.parametrize(
    ("privacy", "shown"),
    [("EVERYONE", "PUBLIC"), ("ALL_FRIENDS", "FOLLOWERS"), ("SELF", "LIMITED"), ("CUSTOM", "LIMITED"), (None, "LIMITED")],
)
async def test_what_is_said_about_a_post_is_for_whom_the_post_is_for(
    net: Graph, opened: Open, privacy: str | None, shown: str
) -> None:
    post = net.posted(ME, "Mine", THEN, **({"privacy": {"value": privacy}} if privacy else {}))
    net.commented(post, GRACE, "Yum", THEN + 1)
    post["reactions"] = [GRACE | {"type": "LIKE"}]
    assert {each.visibility for each in (await run(opened())).all(Activity)} == {shown}


async def test_what_a_visitor_wrote_on_a_page_is_theirs(net: Graph, opened: Open) -> None:
    net.own_page("700", "Bakery")
    post = net.posted("700", "Are you open?", THEN)
    post |= {"from": GRACE, "reactions": [{"id": "700", "name": "Bakery", "type": "LIKE"}]}
    nobodys = net.posted("700", "Who am I?", THEN + 1)
    nobodys.pop("from")
    found = await run(opened())
    wrote, liked = sorted(found.all(Activity), key=lambda each: each.verb)
    assert (wrote.actor.key, liked.actor.name, liked.object.attributed_to.key) == ("700:9001", "Bakery", "700:9001")
    assert [each.key for each in found.all(Unreadable)] == [nobodys["id"]]


async def test_only_the_latest_posts_are_looked_at_again_and_their_new_comments_come(
    net: Graph, opened: Open, clock: HandClock
) -> None:
    posts = [net.posted(ME, f"Post {number}", THEN + number) for number in range(60)]
    first = await run(opened())
    assert len(first.all(Activity)) == 60
    clock.time += timedelta(hours=1)
    for number in range(70):
        net.commented(posts[-1], GRACE, f"Comment {number}", clock.now().timestamp() + number)
    clock.time += timedelta(hours=1)
    before = len(net.calls)
    later = await run(opened(), first.cursor)
    assert sum(each.object.in_reply_to is not None for each in later.all(Activity)) == 70
    assert sum(path.endswith("/posts") for _, path in net.calls[before:]) == 1
    assert sum(path.endswith("/comments") for _, path in net.calls[before:]) == 2
    before = len(net.calls)
    await run(opened(), later.cursor)
    assert sum(path.endswith("/comments") for _, path in net.calls[before:]) == 0


async def test_a_comment_whose_author_is_not_told_is_no_ones(net: Graph, opened: Open) -> None:
    post = net.posted(ME, "Mine", THEN)
    net.commented(post, GRACE, "Yum", THEN + 1)
    post["comments"][0].pop("from")
    found = await run(opened())
    assert [each.object.text for each in found.all(Activity)] == ["Mine"]
    assert "who wrote 1 of the comments" in found.all(Unreadable)[0].message


# --- grants and limits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declined", "gone"),
    [
        ("user_friends", Contact), ("user_posts", Activity), ("pages_messaging", Message), ("pages_show_list", Message),
        ("pages_read_engagement", None), ("instagram_manage_messages", None),
    ],
)  # fmt: skip
async def test_what_was_declined_is_named_and_everything_else_comes(
    net: Graph, opened: Open, declined: str, gone: type[Any] | None
) -> None:
    net.friend("500", "Ada Byron")
    net.said(net.thread(net.own_page("700", "Bakery", instagram="the.bakery"), GRACE), "Hello", THEN)
    net.posted(ME, "Mine", THEN)
    net.declined = frozenset({declined})
    found = await run(opened())
    assert f"allow {declined}" in found.withheld
    assert {kind for kind in (Contact, Activity, Message) if not found.all(kind)} == ({gone} if gone else set())
    assert found.trouble is None


async def test_a_page_whose_messages_the_user_may_not_read_is_named(net: Graph, opened: Open) -> None:
    net.said(net.thread(net.own_page("700", "Bakery", tasks=("ADVERTISE",)), GRACE), "Hello", THEN)
    found = await run(opened())
    assert found.all(Message) == []
    assert "the page Bakery: ask its owner for the task Messages" in found.withheld


@pytest.mark.parametrize(
    "tasks", [("MESSAGING",), ("PROFILE_PLUS_MESSAGING",), ("PROFILE_PLUS_FULL_CONTROL",), ("MANAGE", "ADVERTISE")]
)
async def test_the_tasks_of_old_and_new_pages_let_their_messages_be_read(
    net: Graph, opened: Open, tasks: tuple[str, ...]
) -> None:
    net.said(net.thread(net.own_page("700", "Bakery", tasks=tasks), GRACE), "Hello", THEN)
    assert len((await run(opened())).all(Message)) == 1


async def test_a_refusal_of_one_part_leaves_the_others_as_they_are(net: Graph, opened: Open) -> None:
    net.friend("500", "Ada Byron")
    net.said(net.thread(net.own_page("700", "Bakery"), GRACE), "Hello", THEN)
    net.troubled = {"conversations": [error(403, 10, text="Requires Advanced Access")]}
    found = await run(opened())
    assert "Requires Advanced Access" in found.withheld
    assert len(found.all(Contact)) == 1
    assert len((await run(opened(), found.cursor)).all(Message)) == 1  # nothing was taken for read


async def test_an_app_that_was_removed_asks_for_a_new_sign_in_and_says_why(net: Graph, opened: Open) -> None:
    net.troubled = {"me": [error(400, 190, 458, "The user has not authorized application 4242.")]}
    with pytest.raises(ReauthRequired, match="app was removed"):
        await run(opened())


@pytest.mark.parametrize(("allowance", "regain"), [(12, 0), (9, 20), (7, 45)])
async def test_no_more_calls_are_made_than_meta_allows_and_nothing_is_missed(
    net: Graph, opened: Open, clock: HandClock, allowance: int, regain: int
) -> None:
    """The stub counts calls: one beyond the allowance is a violation."""
    net.allowance, net.page = allowance, 4
    for number in range(10):
        net.friend(f"50{number:02}", f"Friend {number}")
    thread = net.thread(net.own_page("700", "Bakery"), GRACE)
    for number in range(20):
        net.said(thread, f"News {number}", THEN + number)
    mirror, stops = Mirror(), 0
    for _ in range(60):
        try:
            await mirror.follow(opened())
            break
        except RateLimited as refusal:
            stops += 1
            net.regain = 0
            assert refusal.retry_at is not None
            calls = len(net.calls)
            with pytest.raises(RateLimited):
                await mirror.follow(opened())
            assert len(net.calls) == calls
            clock.time = max(refusal.retry_at, clock.time + timedelta(minutes=61))
            net.regain = regain
    assert stops > 0
    assert set(mirror.contacts) == net.keys()


async def test_a_sign_in_that_ends_soon_says_so_and_one_that_has_ended_asks_nobody(net: Graph, opened: Open) -> None:
    ending = msgspec.structs.replace(GRANT, expires_at=NOON + timedelta(days=5))
    assert "ends this sign-in on 2026-05-09" in (await run(opened(secret=ending))).withheld
    calls = len(net.calls)
    silent = msgspec.structs.replace(GRANT, extra={"data_access_ends_at": (NOON - timedelta(days=1)).isoformat()})
    for ended in (msgspec.structs.replace(GRANT, expires_at=NOON), silent):
        with pytest.raises(ReauthRequired, match="Link the account again"):
            await run(opened(secret=ended))
    assert len(net.calls) == calls


async def test_signing_in_trades_the_code_for_a_long_token_and_keeps_when_it_ends(net: Graph, new_session: SessionMaker) -> None:
    client = Secret(client_id=APP, client_secret=SECRET)
    made = await facebook_signin.authorize(new_session(net.url, secret=client), {}, CALLBACK)
    url = oauth.authorization_url(made, CALLBACK, "state", "v" * 43)
    assert all(
        word in url
        for word in ("/v26.0/dialog/oauth?", "auth_type=rerequest", "pages_messaging", "state=state", "code_challenge=")
    )
    assert SECRET not in url
    short = await oauth.exchange(new_session(net.url), made, CALLBACK, "code-1", "v" * 43)
    signed = await facebook_signin.sign_in(new_session(net.url, secret=short))
    assert (short.access_token, signed.secret.access_token, signed.base_url) == ("short-1", "token-2", net.url)
    assert signed.secret.expires_at == NOON + timedelta(days=60)
    assert datetime.fromisoformat(signed.secret.extra["data_access_ends_at"]) == NOON + timedelta(days=90)
    assert set((signed.secret.scope or "").split()) == FACEBOOK_SCOPES
    with pytest.raises(Refused):
        await oauth.exchange(new_session(net.url), made, CALLBACK, "code-1", "v" * 43)


async def test_without_an_app_linking_says_how_to_make_one(net: Graph, new_session: SessionMaker) -> None:
    with pytest.raises(Refused, match="KITH_FACEBOOK_CLIENT_ID"):
        await facebook_signin.authorize(new_session(net.url), {}, CALLBACK)


# --- hostile answers ------------------------------------------------------------------------------------------------------


async def test_lists_that_go_in_circles_end(net: Graph, opened: Open) -> None:
    net.friend("500", "Ada Byron")
    around = {"data": [], "paging": {"next": "https://x.example/", "cursors": {"after": "after-0"}}}
    for part in ("conversations", "friends", "posts", "accounts"):
        net.own_page("700", "Bakery")
        net.troubled = {part: [Answer(200, around)] * 4}
        with pytest.raises(Malformed):
            await run(opened())


async def test_ids_of_a_hostile_server_lead_nowhere_else(net: Graph, opened: Open) -> None:
    net.own_page("700", "Bakery")
    thread = {"id": "../../me/accounts?x=", "updated_time": "2026-05-04T11:00:00+0000", "participants": {"data": []}}
    net.troubled = {"conversations": [Answer(200, {"data": [thread, {"id": 7}, None, {"id": "t_1", "updated_time": "soon"}]})]}
    await run(opened())
    paths = [path for _, path in net.calls]
    assert not [path for path in paths if "accounts" in path and not re.fullmatch(r"me/accounts|.*messages", path)]


async def test_what_no_database_takes_is_left_out_of_what_a_hostile_server_says(net: Graph, opened: Open) -> None:
    net.friend("5\x0000", "Ada \x00Byron")
    thread = net.thread(net.own_page("700", "Bak\x00ery"), {"id": "90\x0001", "name": "Gr\x00ace"})
    net.said(thread, "Ro\x00lls", THEN)
    net.commented(net.posted("700", "Fr\x00esh", THEN), {"id": "9001", "name": "Gr\x00ace"}, "Y\x00um", THEN)
    found = await run(opened())
    assert [message.text for message in found.all(Message)] == ["Rolls"]
    assert b"\\u0000" not in b"".join(msgspec.json.encode(row) for row in found.rows)
    assert (len(found.all(Contact)), len(found.all(Activity))) == (1, 2)


# --- sending --------------------------------------------------------------------------------------------------------------

STEPS: list[bytes] = []


async def _note(step: bytes) -> None:
    STEPS.append(step)


def outgoing(conversation: str, text: str = "Gladly, ä") -> OutgoingChat:
    return OutgoingChat(id="1", conversation=conversation, text=text)


@pytest.mark.parametrize("platform", ["messenger", "instagram"])
async def test_an_answer_goes_to_its_conversation_once(net: Graph, opened: Open, platform: str) -> None:
    net.own_page("700", "Bakery", instagram="the.bakery")
    thread = net.thread("700", {"id": "44", "name": "Grace", "username": "grace"}, platform)
    net.said(thread, "Hello?", THEN)
    done = await opened().say(outgoing(f"700/{thread}"), _note)
    assert (done.fate, done.key) == ("TAKEN", net.threads[thread]["messages"][-1]["id"])
    assert net.sent == [{"recipient": {"id": "44"}, "message": {"text": "Gladly, ä"}, "messaging_type": "RESPONSE"}]
    mine = [message for message in (await run(opened())).all(Message) if message.key == done.key]
    assert [message.text for message in mine] == ["Gladly, ä"]


@pytest.mark.parametrize(("hours", "human", "tag"), [(23, False, None), (30, True, "HUMAN_AGENT"), (160, True, "HUMAN_AGENT")])
async def test_a_late_answer_is_marked_only_where_the_app_may(
    net: Graph, opened: Open, clock: HandClock, hours: int, human: bool, tag: str | None
) -> None:
    thread = net.thread(net.own_page("700", "Bakery"), GRACE)
    net.said(thread, "Hello?", NOON.timestamp() - hours * 3600)
    done = await opened({"human_agent": "on"} if human else None).say(outgoing(f"700/{thread}"), _note)
    assert done.fate == "TAKEN"
    assert net.sent[0].get("tag") == tag


@pytest.mark.parametrize(
    ("hours", "human", "words"), [(25, False, "within 24 hours"), (200, True, "within seven days"), (None, True, "none among")]
)
async def test_an_answer_that_comes_too_late_is_refused_with_the_reason(
    net: Graph, opened: Open, hours: int | None, human: bool, words: str
) -> None:
    thread = net.thread(net.own_page("700", "Bakery"), GRACE)
    net.said(thread, "Hello?", NOON.timestamp() - (hours or 1) * 3600, mine=hours is None)
    STEPS.clear()
    with pytest.raises(Refused, match=words) as refusal:
        await opened({"human_agent": "true"} if human else None).say(outgoing(f"700/{thread}"), _note)
    assert (refusal.value.provider_code, net.sent, STEPS) == ("window", [], [])


async def test_after_a_cut_the_conversation_says_whether_an_answer_was_taken(net: Graph, opened: Open, clock: HandClock) -> None:
    thread = net.thread(net.own_page("700", "Bakery"), GRACE)
    net.said(thread, "Gladly, ä", THEN - 9000, mine=True)  # the same, long ago
    net.said(thread, "Hello?", THEN)
    net.cuts = [Answer(503)]
    STEPS.clear()
    assert (await opened().say(outgoing(f"700/{thread}"), _note)).fate == "UNKNOWN"
    found = await opened().was_said(outgoing(f"700/{thread}"), STEPS[-1])
    assert (found.fate, found.key) == ("TAKEN", net.threads[thread]["messages"][-1]["id"])
    del net.threads[thread]["messages"][-1]
    assert (await opened().was_said(outgoing(f"700/{thread}"), STEPS[-1])).fate == "UNKNOWN"
    clock.time += timedelta(minutes=11)
    assert (await opened().was_said(outgoing(f"700/{thread}"), STEPS[-1])).fate == "NOT_TAKEN"


async def test_of_two_answers_that_say_the_same_the_one_that_was_lost_is_not_taken_for_the_other(
    net: Graph, opened: Open, clock: HandClock
) -> None:
    thread = net.thread(net.own_page("700", "Bakery"), GRACE)
    net.said(thread, "Hello?", THEN)
    assert (await opened().say(outgoing(f"700/{thread}"), _note)).fate == "TAKEN"
    net.cuts = [Answer(503)]
    assert (await opened().say(outgoing(f"700/{thread}"), _note)).fate == "UNKNOWN"
    assert (await opened().was_said(outgoing(f"700/{thread}"), STEPS[-1])).key == net.threads[thread]["messages"][-1]["id"]
    del net.threads[thread]["messages"][-1]
    clock.time += timedelta(minutes=1)
    for number in range(15):
        net.said(thread, f"More {number}", clock.now().timestamp())
    assert (await opened().was_said(outgoing(f"700/{thread}"), STEPS[-1])).fate == "UNKNOWN"
    clock.time += timedelta(minutes=10)
    assert (await opened().was_said(outgoing(f"700/{thread}"), STEPS[-1])).fate == "NOT_TAKEN"


async def test_what_cannot_be_sent_is_refused_before_it_leaves(net: Graph, opened: Open) -> None:
    thread = net.thread(net.own_page("700", "Bakery"), GRACE)
    net.said(thread, "Hello?", THEN)
    with pytest.raises(Refused, match="2,000 characters"):
        await opened().say(outgoing(f"700/{thread}", "x" * 2_001), _note)
    with pytest.raises(Refused, match="do not manage the page"):
        await opened().say(outgoing("999/t_1"), _note)
    net.declined = frozenset({"pages_messaging"})
    with pytest.raises(ReauthRequired, match="pages_messaging"):
        await opened().say(outgoing(f"700/{thread}"), _note)
    assert net.sent == []


# --- being called ---------------------------------------------------------------------------------------------------------

LINE = Line(url="https://kith.example.org/hooks/facebook", topic=APP, secret=SECRET)


async def test_every_page_is_called_for_and_let_go(net: Graph, opened: Open) -> None:
    for number in ("700", "800"):
        net.own_page(number, f"Page {number}")
    made = await opened().join(LINE)
    assert {made.key, *made.more} == set(net.subscribed) == {"700", "800"}
    assert "messages" in net.subscribed["700"]
    await opened().leave()
    assert net.subscribed == {}


async def test_without_a_page_there_is_nothing_to_be_called_for(net: Graph, opened: Open) -> None:
    with pytest.raises(Refused, match="no page"):
        await opened().join(LINE)
