"""X against a stub held to its API's description, which counts calls and money: people, messages, posts, limits, tokens, sending."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from providers import oauth
from providers.errors import RateLimited, ReauthRequired, Refused
from providers.records import Activity, Contact, ConversationHead, Message, OutgoingChat, Unreadable
from providers.session import Secret
from providers.x import adapter as x
from providers.x import api as x_api
from providers.x.adapter import X
from providers.x.purse import estimate
from tests.providers import x_stub
from tests.providers.conftest import NOON, HandClock, OpenCredentials, Remembered, SessionMaker
from tests.providers.contract import AdapterContract, Rig
from tests.providers.stub_http import Answer, running
from tests.providers.x_stub import ME, SCOPES, problem

GRANT = Secret(access_token="token-1")
THEN = NOON.timestamp() - 86_400 * 5
DM, TWEETS = "/2/dm_events", "/2/users/{id}/tweets"
Open = Callable[..., X]


@pytest.fixture
async def net(clock: HandClock) -> AsyncIterator[x_stub.X]:
    net = x_stub.X(lambda: clock.now().timestamp())
    async with running(net):
        yield net
    assert net.violations == []


@pytest.fixture
def opened(net: x_stub.X, new_session: SessionMaker) -> Open:
    def open_(settings: dict[str, str] | None = None, **more: Any) -> X:
        more.setdefault("secret", GRANT)
        more.setdefault("quota", x.PROVIDER.quota)
        session = new_session(net.url, provider="x", user_id=ME, **more)
        session.account = msgspec.structs.replace(session.account, settings=settings or {})
        return X(session)

    return open_


class XRig:
    """Twenty-three people, messages of two and of several, posts."""

    provider = x.PROVIDER
    path = ""
    secret = GRANT

    def __init__(self, net: x_stub.X, clock: HandClock) -> None:
        self.net = net
        self.clock = clock
        self.server_url = net.url

    def fill(self) -> None:
        self.net.page = 9
        for number in range(100, 123):
            who = self.net.person(str(number), f"user{number}")
            if number < 115:
                self.net.following.append(who)
            if number > 110:
                self.net.followers.append(who)
        for number in range(12):
            self.net.event("10-100", "100" if number % 2 else ME, f"News {number}", THEN + number)
        self.net.event("1500000000000000001", "101", "Hello all", THEN + 60)
        post = self.net.post(ME, "A question", THEN + 61)
        self.net.post("101", "@ada An answer", THEN + 62, referenced_posts=[{"type": "replied_to", "id": post}])

    def names(self) -> set[str]:
        return self.net.keys()

    def name_of(self, contact: Any) -> str:
        assert isinstance(contact, Contact | Message)
        return contact.key

    def remove(self) -> str:
        """People are looked at again after a week."""
        self.clock.time += timedelta(days=8)
        self.net.following.remove("107")
        return "107"

    def foreign_cursor(self, cursor: bytes) -> bytes:
        place = msgspec.json.decode(cursor, type=x.Position)
        place.walk, place.token, place.keys = x.FOLLOWING, "some-other-place-of-old", []
        return msgspec.json.encode(place)


class TestContract(AdapterContract):
    lasting = False

    @pytest.fixture
    def rig(self, net: x_stub.X, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> XRig:
        # faults are tried by the thousand within no time: windows are tried for themselves
        monkeypatch.setattr(x_stub, "ALLOWED", {name: (10**9, need) for name, (_, need) in x_stub.ALLOWED.items()})
        rig = XRig(net, clock)
        rig.provider = msgspec.structs.replace(x.PROVIDER, quota=None)
        return rig

    async def test_everything_arrives_once_over_several_pages(self, rig: Rig, opened: Any) -> None:
        """X does not say how many messages there are."""
        rig.fill()
        pages = [page async for page in opened().pages(None)]
        found = [row.item for page in pages for row in page.rows if isinstance(row.item, Contact | Message)]
        assert sorted(item.key for item in found) == sorted(rig.names())
        assert [page.done for page in pages] == [False] * (len(pages) - 1) + [True]
        stated = {statement.container: statement.expected for page in pages for statement in page.statements}
        assert stated == {"people": 23, "messages": None}


class TestForgetfulContract(TestContract):
    """The same with optional fields left out at random."""

    @pytest.fixture
    def rig(self, net: x_stub.X, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> XRig:
        monkeypatch.setattr(x_stub, "ALLOWED", {name: (10**9, need) for name, (_, need) in x_stub.ALLOWED.items()})
        net.forgetful = 0.4
        rig = XRig(net, clock)
        rig.provider = msgspec.structs.replace(x.PROVIDER, quota=None)
        return rig

    test_a_bad_answer_loses_nothing_and_deletes_nothing = None  # type: ignore[assignment]  # once is enough of the long one


class Run:
    """What a run gave."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.cursor: bytes | None = None
        self.trouble: RateLimited | None = None

    def all(self, kind: type[Any]) -> list[Any]:
        return [item for item in self.rows if isinstance(item, kind)]


async def run(adapter: X, cursor: bytes | None = None) -> Run:
    found = Run()
    found.cursor = cursor
    try:
        async for page in adapter.pages(cursor):
            found.rows += [row.item for row in page.rows]
            found.cursor = page.cursor or found.cursor
    except RateLimited as error:
        found.trouble = error
    return found


def spent(found: Run) -> int:
    return msgspec.json.decode(found.cursor or b"{}", type=x.Position).money.spent


# --- people ---------------------------------------------------------------------------------------------------------------


async def test_every_field_of_a_person_arrives_under_the_key_of_the_archive(net: x_stub.X, opened: Open) -> None:
    net.following.append(
        net.person(
            "100", "grace_h", name="Grace Hopper", description="Ships &amp; code https://t.co/b", url="https://t.co/a", verified_type="business",
            profile_image_url="https://pbs.example/g_normal.jpg", created_at="2009-01-02T03:04:05.000Z",
            entities={
                "url": {"urls": [{"start": 0, "end": 9, "url": "https://t.co/a", "expanded_url": "https://grace.example"}]},
                "description": {"urls": [{"start": 13, "end": 22, "url": "https://t.co/b", "expanded_url": "https://navy.example/"}]},
            },
        )
    )  # fmt: skip
    net.followers.append("100")
    (found,) = (await run(opened())).all(Contact)
    assert (found.key, found.relation, found.nature) == ("100", "CONNECTION", "ORGANIZATION")
    assert (found.names[0].full, found.handles[0].handle, found.url) == ("Grace Hopper", "grace_h@x.com", "https://x.com/grace_h")
    assert found.bio == "Ships & code https://navy.example/"
    assert [each.url for each in found.urls] == ["https://grace.example", "https://navy.example/"]
    assert (found.photo.url, found.followers, found.following) == ("https://pbs.example/g_400x400.jpg", 3, 4)
    assert found.created_at == datetime(2009, 1, 2, 3, 4, 5, tzinfo=UTC)


async def test_lists_of_people_are_not_paid_for_again_while_their_counts_stay(
    net: x_stub.X, opened: Open, clock: HandClock
) -> None:
    net.following.append(net.person("100", "grace"))
    first = await run(opened())
    for _ in range(3):
        clock.time += timedelta(days=8)
        first = await run(opened(), first.cursor)
    assert [name for _, name in net.calls].count("/2/users/{id}/following") == 1
    clock.time += timedelta(days=8)
    assert [each.key for each in (await run(opened(), first.cursor)).all(Contact)] == ["100"]


async def test_a_suspended_account_is_told_in_the_words_of_x(net: x_stub.X, opened: Open) -> None:
    net.suspended.add(ME)
    with pytest.raises(Refused, match="suspended"):
        await opened().profile()


# --- messages -------------------------------------------------------------------------------------------------------------


async def test_a_message_has_its_text_links_files_and_people(net: x_stub.X, opened: Open) -> None:
    net.person("100", "grace")
    net.media["3_1"] = {"media_key": "3_1", "type": "photo", "url": "https://ton.example/dm/a.jpg"}
    net.event(
        "10-100", "100", "Tea &amp; cake https://t.co/x", THEN, attachments={"media_keys": ["3_1"]},
        entities={"urls": [{"start": 11, "end": 20, "url": "https://t.co/x", "expanded_url": "https://tea.example/"}]},
    )  # fmt: skip
    found = await run(opened())
    (said,), (head,) = found.all(Message), found.all(ConversationHead)
    assert (said.text, said.conversation_key, said.conversation_kind) == ("Tea & cake https://tea.example/", "10-100", "DIRECT")
    assert [(each.role, each.address, each.key) for each in said.participants] == [
        ("FROM", "grace@x.com", "100"),
        ("TO", "ada@x.com", ME),
    ]
    assert (said.attachments[0].name, said.attachments[0].media_type) == ("a.jpg", "image/jpeg")
    assert {each.key for each in head.participants} == {"100", ME}


async def test_a_group_is_those_who_have_written_in_it(net: x_stub.X, opened: Open) -> None:
    group = "1500000000000000001"
    for number in ("100", "101"):
        net.event(group, net.person(number, f"user{number}"), "Hello", THEN)
    first = await run(opened())
    net.event(group, net.person("102", "late"), "Me too", THEN + 9)
    later = await run(opened(), first.cursor)
    assert [each.text for each in later.all(Message)] == ["Me too"]
    (head,) = later.all(ConversationHead)
    assert (head.kind, {each.key for each in head.participants}) == ("GROUP", {ME, "100", "101", "102"})


async def test_somebody_suspended_is_known_by_the_id_and_hides_no_message(net: x_stub.X, opened: Open) -> None:
    net.event("10-100", net.person("100", "grace"), "Hello", THEN)
    net.suspended.add("100")
    found = await run(opened())
    (said,) = found.all(Message)
    assert (said.text, said.participants[0].address) == ("Hello", "100@x.com")
    assert found.all(Unreadable) == []


async def test_new_messages_are_found_by_one_look_at_the_newest(net: x_stub.X, opened: Open) -> None:
    for number in range(30):
        net.event("10-100", net.person("100", "grace"), f"News {number}", THEN + number)
    first = await run(opened())
    before = net.spent
    assert (await run(opened(), first.cursor)).all(Message) == []
    assert net.spent == before


# --- posts ----------------------------------------------------------------------------------------------------------------


async def test_posts_reposts_and_mentions_are_activities(net: x_stub.X, opened: Open) -> None:
    net.person("100", "grace")
    long = net.post("100", "The whole of it, @ada", THEN)
    net.post(ME, "RT @grace: The who…", THEN + 1, referenced_posts=[{"type": "retweeted", "id": long}])
    net.post(ME, "RT @gone: What was…", THEN + 1, referenced_posts=[{"type": "retweeted", "id": "1400000000000000001"}])
    metrics = {"like_count": 5, "repost_count": 2, "reply_count": 1, "quote_count": 0, "bookmark_count": 0, "impression_count": 9}
    mine = net.post(
        ME, "Beginning…", THEN + 2, note_post={"text": "Beginning and end &lt;3"}, public_metrics=metrics,
        entities={"hashtags": [{"start": 0, "end": 1, "tag": "tea"}]}, referenced_posts=[{"type": "replied_to", "id": long}],
    )  # fmt: skip
    found = {each.key: each for each in (await run(opened())).all(Activity)}
    assert len(found) == 4
    own = found[mine]
    assert (own.verb, own.actor.handle, own.object.text) == ("CREATE", "ada@x.com", "Beginning and end <3")
    assert (own.object.in_reply_to, own.object.likes, own.object.reposts) == (f"https://x.com/i/status/{long}", 5, 2)
    assert own.object.hashtags == ("tea",)
    assert own.original
    gone, repeated = (each for each in found.values() if each.verb == "ANNOUNCE")
    assert (gone.object.text, gone.object.uri) == ("What was…", "https://x.com/i/status/1400000000000000001")
    assert (repeated.object.text, repeated.object.attributed_to.handle) == ("The whole of it, @ada", "grace@x.com")
    assert (found[long].container, found[long].actor.key) == ("mentions", "100")


async def test_only_newer_posts_are_asked_for(net: x_stub.X, opened: Open) -> None:
    net.post(ME, "One", THEN)
    first = await run(opened())
    for number in range(12):
        net.post(ME, f"News {number}", THEN + 9 + number)
    net.page = 5
    before = net.spent
    later = await run(opened(), first.cursor)
    assert len(later.all(Activity)) == 12
    assert net.spent - before == 12 * 5


async def test_posts_of_a_protected_account_are_for_its_followers(net: x_stub.X, opened: Open) -> None:
    net.people[ME]["protected"] = True
    net.post(ME, "Psst", THEN)
    (found,) = (await run(opened())).all(Activity)
    assert found.visibility == "FOLLOWERS"


# --- money and windows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["0", "0.03", "0.31", "0.8", "1.5"])
async def test_no_more_is_read_than_the_months_limit_allows(net: x_stub.X, opened: Open, clock: HandClock, limit: str) -> None:
    settings = {"monthly_limit": limit}
    for number in range(100, 180):
        net.following.append(net.person(str(number), f"user{number}"))
        net.event(f"10-{number}", str(number), "Hello", THEN + number)
        net.post(str(number), "@ada Hello", THEN + number)
    found = await run(opened(settings))
    for _ in range(3):
        clock.time += timedelta(hours=7)
        found = await run(opened(settings), found.cursor)
        assert net.spent <= spent(found) <= float(limit) * 1000
    assert found.trouble is not None
    assert found.trouble.provider_code == "spending-limit"
    assert "higher limit" in found.trouble.message
    assert found.trouble.retry_at == datetime(2026, 6, 1, tzinfo=UTC)


async def test_a_cursor_that_is_lost_gives_no_money_back(net: x_stub.X, opened: Open, clock: HandClock) -> None:
    memory = Remembered()
    for number in range(12):
        net.event("10-100", net.person("100", "grace"), f"News {number}", NOON.timestamp() - 60 + number)
    for _ in range(20):  # each of them from the beginning
        clock.time += timedelta(hours=25)
        await run(opened({"monthly_limit": "0.31"}, memory=memory))
    assert net.spent <= 310
    stopped = net.spent
    clock.time = datetime(2026, 6, 1, 0, 1, tzinfo=UTC)
    await run(opened({"monthly_limit": "0.31"}, memory=memory))
    assert stopped < net.spent <= stopped + 310


async def test_what_an_answer_costs_is_remembered_before_it_is_stored(net: x_stub.X, opened: Open) -> None:
    memory = Remembered()
    net.event("10-100", net.person("100", "grace"), "Hello", THEN)
    pages = opened(memory=memory).pages(None)
    await anext(pages)  # the process dies with this page in its hands
    assert msgspec.json.decode(memory.kept or b"{}")["spent"] == net.spent > 0


async def test_at_the_limit_nothing_is_asked_until_the_next_month_and_nothing_is_missed(
    net: x_stub.X, opened: Open, clock: HandClock
) -> None:
    settings = {"monthly_limit": "0.13"}
    for number in range(12):
        net.event("10-100", net.person("100", "grace"), f"News {number}", NOON.timestamp() - 60 + number)
    first = await run(opened(settings))
    stopped = await run(opened(settings), first.cursor)
    calls = len(net.calls)
    assert (await run(opened(settings), stopped.cursor)).trouble is not None
    assert len(net.calls) == calls
    clock.time = datetime(2026, 6, 1, 0, 1, tzinfo=UTC)
    later = await run(opened({"monthly_limit": "5"}), stopped.cursor)
    assert later.trouble is None
    assert {each.text for each in (*first.all(Message), *stopped.all(Message), *later.all(Message))} == {
        f"News {number}" for number in range(12)
    }


async def test_the_owner_of_the_app_pays_the_price_of_owned_reads(net: x_stub.X, opened: Open) -> None:
    net.owned = True
    for number in range(100, 150):
        net.following.append(net.person(str(number), f"user{number}"))
    found = await run(opened({"own_app": "true", "monthly_limit": "0.1"}))
    assert len(found.all(Contact)) == 50
    assert (net.spent, spent(found)) == (60, 60)


async def test_the_same_thing_is_counted_once_a_day(net: x_stub.X, opened: Open, clock: HandClock) -> None:
    net.event("10-100", net.person("100", "grace"), "Hello", THEN)
    found = await run(opened())
    for _ in range(5):
        clock.time += timedelta(hours=1)
        found = await run(opened(), found.cursor)
    assert spent(found) == net.spent == 30  # oneself, a message, its author
    clock.time += timedelta(days=1)
    assert spent(await run(opened(), found.cursor)) == net.spent == 50


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, ("costs about $", "limit of $5.00", "archive")),
        (
            {"following": "100", "followers": "0", "posts": "0", "mentions": "0", "messages": "10", "own_app": "on"},
            ("about $1.37", "it stops at your limit of $5.00"),
        ),
        ({"following": "9,000", "monthly_limit": "20"}, ("more than your limit of $20.00",)),
    ],
)
def test_a_months_price_is_estimated(values: dict[str, str], words: tuple[str, ...]) -> None:
    assert all(word in estimate(values) for word in words), estimate(values)


async def test_no_window_is_overdrawn_and_no_other_waits_for_a_closed_one(net: x_stub.X, opened: Open, clock: HandClock) -> None:
    net.page = 5
    for number in range(100):
        net.event("10-100", net.person("100", "grace"), f"News {number}", THEN + number)
    net.post(ME, "A post", THEN)
    found = await run(opened())
    assert found.trouble is not None
    assert found.trouble.retry_at == datetime(2026, 5, 4, 12, 15, tzinfo=UTC)
    assert len(found.all(Message)) == 75
    assert len(found.all(Activity)) == 1
    calls = [name for _, name in net.calls].count(DM)
    again = await run(opened(), found.cursor)
    assert [name for _, name in net.calls].count(DM) == calls == 15
    clock.time += timedelta(minutes=15)
    rest = await run(opened(), again.cursor)
    assert rest.trouble is None
    assert len({each.key for each in (*found.all(Message), *rest.all(Message))}) == 100


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (
            Answer(429, {"title": "Too Many Requests"}, x_rate_limit_reset=str(int(NOON.timestamp()) + 90)),
            RateLimited,
            "no more calls",
        ),
        (problem(402, "credits-depleted"), Refused, "buy some at"),
        (problem(403, "usage-capped", reset="2026-05-20T00:00:00Z"), RateLimited, "monthly cap"),
        (problem(403, "client-not-enrolled"), Refused, "a project with credits"),
    ],
)
async def test_each_refusal_says_what_to_do(
    net: x_stub.X, opened: Open, answer: Answer, kind: type[Exception], words: str
) -> None:
    net.troubled = {"/2/users/me": [answer]}
    with pytest.raises(kind, match=words) as refusal:
        await opened().profile()
    due = {429: NOON + timedelta(seconds=90), 403: datetime(2026, 5, 20, tzinfo=UTC)}.get(answer.status)
    if kind is RateLimited:
        assert refusal.value.retry_at == due  # type: ignore[attr-defined]


# --- grants ---------------------------------------------------------------------------------------------------------------


async def test_what_was_not_granted_is_said_and_everything_else_comes(net: x_stub.X, opened: Open) -> None:
    net.tokens["token-1"] = SCOPES - {"dm.read"}
    net.event("10-100", net.person("100", "grace"), "Hello", THEN)
    net.post(ME, "A post", THEN)
    for scope in (None, " ".join(SCOPES - {"dm.read"})):
        found = await run(opened(secret=Secret(access_token="token-1", scope=scope)))
        (said,) = found.all(Unreadable)
        assert (said.reason, "grant dm.read" in said.message) == ("FORBIDDEN", True)
        assert len(found.all(Activity)) == 1
    assert [name for _, name in net.calls].count(DM) == 1  # without asking, where the grant names its scopes


@pytest.mark.parametrize("secret", ["secret", None], ids=["confidential", "public"])
async def test_a_grant_is_renewed_and_its_refresh_token_with_it(
    net: x_stub.X, new_session: SessionMaker, secret: str | None
) -> None:
    net.client = ("client", secret)
    session = new_session(net.url, secret=Secret(client_id="client", client_secret=secret))
    made = await x_api.authorize(session, {}, "https://kith.example.org/link/callback")
    url = oauth.authorization_url(made, "https://kith.example.org/link/callback", "state", "v" * 43)
    assert all(word in url for word in ("code_challenge_method=S256", "offline.access", "dm.write", "client_id=client"))
    old = Secret(
        access_token="old", refresh_token="renewal-1", client_id="client", client_secret=secret, scope="tweet.read",
        extra={"token_endpoint": made.token_endpoint},
    )  # fmt: skip
    newer = await x_api.renew(session, old)
    assert (newer.access_token, newer.refresh_token) == ("token-2", "renewal-2")
    with pytest.raises(ReauthRequired):
        await x_api.renew(session, old)


async def test_a_token_that_ended_is_renewed_on_the_way(net: x_stub.X, opened: Open) -> None:
    grants = OpenCredentials(Secret(access_token="old", refresh_token="renewal-1"), GRANT)
    assert (await opened(credentials=grants).profile()).label == "@ada"
    assert grants.refreshes == 1


async def test_without_an_app_linking_says_how_to_make_one(net: x_stub.X, new_session: SessionMaker) -> None:
    with pytest.raises(Refused, match="KITH_X_CLIENT_ID"):
        await x_api.authorize(new_session(net.url), {}, "https://kith.example.org/link/callback")


# --- sending --------------------------------------------------------------------------------------------------------------

SAID = OutgoingChat(id="1", conversation="10-100", text="Tea & <cake> https://tea.example/")


async def _note(step: bytes) -> None:
    STEPS.append(step)


STEPS: list[bytes] = []


@pytest.mark.parametrize("conversation", ["10-100", "1500000000000000001"])
async def test_a_message_is_sent_into_its_conversation_once(net: x_stub.X, opened: Open, conversation: str) -> None:
    net.person("100", "grace")
    said = await opened().say(msgspec.structs.replace(SAID, conversation=conversation), _note)
    (event,) = net.events
    assert (said.fate, said.key, event["dm_conversation_id"]) == ("TAKEN", event["id"], conversation)
    (found,) = (await run(opened())).all(Message)
    assert (found.key, found.text) == (said.key, SAID.text)


async def test_after_a_cut_the_conversation_says_whether_a_message_was_taken(
    net: x_stub.X, opened: Open, clock: HandClock
) -> None:
    net.event("10-100", ME, "Tea &amp; &lt;cake&gt; https://tea.example/", THEN)  # the same, long ago
    net.cuts = [Answer(503)]
    STEPS.clear()
    assert (await opened().say(SAID, _note)).fate == "UNKNOWN"
    found = await opened().was_said(SAID, STEPS[-1])
    assert (found.fate, found.key) == ("TAKEN", net.events[-1]["id"])
    del net.events[-1]
    assert (await opened().was_said(SAID, STEPS[-1])).fate == "UNKNOWN"
    clock.time += timedelta(minutes=11)
    assert (await opened().was_said(SAID, STEPS[-1])).fate == "NOT_TAKEN"


async def test_a_grant_that_only_reads_and_a_message_that_is_too_long_send_nothing(net: x_stub.X, opened: Open) -> None:
    with pytest.raises(ReauthRequired):
        await opened(secret=Secret(access_token="token-1", scope="dm.read")).say(SAID, _note)
    with pytest.raises(Refused, match="10,000"):
        await opened().say(msgspec.structs.replace(SAID, text="x" * 10_001), _note)
    assert net.events == []
