"""Instagram against a stub held to the models of Meta's SDK: the inbox of an account, posts, grants that are prolonged, sending."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from providers import oauth
from providers.errors import RateLimited, ReauthRequired, Refused
from providers.instagram import adapter as instagram
from providers.instagram.adapter import Instagram
from providers.push import Line
from providers.records import Activity, ConversationHead, Message, OutgoingChat, Unreadable
from providers.session import Secret
from tests.providers.conftest import NOON, HandClock, OpenCredentials, SessionMaker
from tests.providers.contract import AdapterContract, Scene
from tests.providers.meta_stub import APP, SECRET, Graph, error
from tests.providers.stub_http import Answer, running
from tests.providers.test_facebook import STEPS, _note, run

GRANT = Secret(access_token="token-1", client_id=APP, client_secret=SECRET, scope=" ".join(instagram.SCOPES))
THEN = NOON.timestamp() - 3600
CALLBACK = "https://kith.example.org/link/callback"
ME = "17841400000000001"
GRACE = {"id": "9001", "username": "grace"}
Open = Callable[..., Instagram]


@pytest.fixture
async def net(clock: HandClock) -> AsyncIterator[Graph]:
    net = Graph(lambda: clock.now().timestamp(), instagram=True)
    async with running(net):
        yield net
    assert net.violations == []


@pytest.fixture
def opened(net: Graph, new_session: SessionMaker) -> Open:
    def open_(settings: dict[str, str] | None = None, **more: Any) -> Instagram:
        if "credentials" not in more:
            more.setdefault("secret", GRANT)
        session = new_session(net.url, provider="instagram", user_id=ME, quota=instagram.PROVIDER.quota, **more)
        session.account = msgspec.structs.replace(session.account, settings=settings or {})
        return Instagram(session)

    return open_


class InstagramRig:
    """Two conversations, and a post."""

    path = ""
    secret = GRANT
    page = 8

    def __init__(self, net: Graph) -> None:
        self.net = net
        self.server_url = net.url
        self.provider = msgspec.structs.replace(instagram.PROVIDER, quota=None)

    def fill(self) -> None:
        self.net.page = self.page
        older = self.net.thread(ME, {"id": "9002", "username": "ada"}, "instagram")
        self.latest = self.net.thread(ME, GRACE, "instagram")
        for number in range(14):
            self.net.said(self.latest, f"News {number}", THEN + number, mine=number % 2 == 0)
        for number in range(10):
            self.net.said(older, f"Old {number}", THEN - 1000 + number)
        self.net.commented(self.net.posted(ME, "Sea", THEN), GRACE, "Lovely", THEN + 5)

    def names(self) -> set[str]:
        return self.net.keys()

    def name_of(self, contact: Any) -> str:
        assert isinstance(contact, Message)
        return contact.key

    def remove(self) -> str:
        """Taken back in the latest conversation, which each run looks at again."""
        return str(self.net.threads[self.latest]["messages"].pop(11)["id"])

    def foreign_cursor(self, cursor: bytes) -> bytes:
        place = msgspec.json.decode(cursor, type=instagram.Position)
        place.inbox.lists, place.inbox.after = 1, "some-other-place-of-old"
        return msgspec.json.encode(place)


class Added(InstagramRig):
    """Where something is to be broken, a message is added: what was taken back is seen by looking at what was known, not by a list of all.

    Each request is broken in turn: one page a list is enough of them.
    """

    page = 100

    def remove(self) -> str:
        self.net.said(self.latest, "One more", THEN + 60)
        return ""


class TestContract(AdapterContract):
    @pytest.fixture
    def rig(self, net: Graph) -> InstagramRig:
        return InstagramRig(net)

    async def test_everything_arrives_once_over_several_pages(self, rig: Any, opened: Any) -> None:
        """Instagram does not say how many messages there are."""
        rig.fill()
        pages = [page async for page in opened().pages(None)]
        found = [row.item for page in pages for row in page.rows if isinstance(row.item, Message)]
        assert sorted(item.key for item in found) == sorted(rig.names())
        assert [page.done for page in pages] == [False] * (len(pages) - 1) + [True]
        assert [statement.expected for page in pages for statement in page.statements] == [None]

    async def _scene(self, rig: Any, opened: Any, proxy: Any) -> Scene:
        return await super()._scene(Added(rig.net), opened, proxy)


class TestForgetfulContract(TestContract):
    """The same with optional fields left out at random."""

    @pytest.fixture
    def rig(self, net: Graph) -> InstagramRig:
        net.forgetful = 0.4
        return InstagramRig(net)

    test_a_bad_answer_loses_nothing_and_deletes_nothing = None  # type: ignore[assignment]  # once is enough of the long one


async def test_the_profile_has_the_names_by_which_its_exports_know_the_user(net: Graph, opened: Open) -> None:
    net.account |= {"biography": "Sea", "website": "https://robin.example/", "followers_count": 3, "follows_count": 4}
    found = await opened().profile()
    assert (found.user_id, found.label) == (ME, "@robin.vale")
    assert [own.value for own in found.own_addresses] == ["robin.vale@instagram.com", "Robin Vale@instagram.com"]
    assert found.contact is not None
    assert (found.contact.bio, found.contact.followers, found.contact.urls[0].url) == ("Sea", 3, "https://robin.example/")


async def test_a_message_has_its_people_by_user_name(net: Graph, opened: Open) -> None:
    thread = net.thread(ME, GRACE, "instagram")
    net.said(
        thread,
        "Hello",
        THEN,
        reactions={"data": [{"reaction": "love", "emoji": "❤", "users": [{"id": ME, "username": "robin.vale"}]}]},
    )
    found = await run(opened())
    (said,), (head,) = found.all(Message), found.all(ConversationHead)
    assert [(one.role, one.address, one.key) for one in said.participants] == [
        ("FROM", "grace@instagram.com", f"{ME}:9001"), ("TO", "robin.vale@instagram.com", None),
    ]  # fmt: skip
    assert said.participants[0].url == "https://www.instagram.com/grace"
    assert [(one.emoji, one.participant.address) for one in said.reactions] == [("❤", "robin.vale@instagram.com")]
    assert head.key == f"{ME}/{thread}"


async def test_of_a_conversation_the_20_latest_messages_come_and_it_says_so(net: Graph, opened: Open) -> None:
    net.page = 7
    thread = net.thread(ME, GRACE, "instagram")
    for number in range(30):
        net.said(thread, f"News {number}", THEN + number)
    found = await run(opened())
    assert {message.text for message in found.all(Message)} == {f"News {number}" for number in range(10, 30)}
    assert [(each.reason, "20 latest messages" in each.message) for each in found.all(Unreadable)] == [("OUTSIDE_WINDOW", True)]


async def test_posts_and_comments_are_activities(net: Graph, opened: Open) -> None:
    post = net.posted(ME, "Sea", THEN, thumbnail_url="https://cdn.example/t.jpg", comments_count=3)
    theirs = net.commented(post, GRACE, "Lovely", THEN + 1)
    mine = net.commented(post, {"id": ME, "username": "robin.vale"}, "Thanks", THEN + 2, parent_id=theirs["id"])
    nameless = net.commented(post, {"id": "", "username": "cai"}, "Hm", THEN + 3)
    post["comments"][2].pop("from")
    found = {each.key: each for each in (await run(opened())).all(Activity)}
    own = found[post["id"]]
    assert (own.object.kind, own.object.text, own.object.likes, own.actor.handle) == (
        "IMAGE",
        "Sea",
        3,
        "robin.vale@instagram.com",
    )
    assert own.object.media[0].url == "https://cdn.example/p.jpg"
    assert (found[theirs["id"]].actor.key, found[theirs["id"]].object.in_reply_to) == (f"{ME}:9001", own.object.uri)
    assert (found[mine["id"]].actor.uri, found[mine["id"]].object.in_reply_to) == (own.actor.uri, found[theirs["id"]].object.uri)
    assert found[nameless["id"]].actor.key == "cai"


# --- grants and limits ----------------------------------------------------------------------------------------------------


async def test_what_was_declined_is_named_and_everything_else_comes(net: Graph, opened: Open) -> None:
    net.said(net.thread(ME, GRACE, "instagram"), "Hello", THEN)
    net.posted(ME, "Sea", THEN)
    found = await run(opened(secret=msgspec.structs.replace(GRANT, scope=instagram.BASIC)))
    assert f"allow {instagram.MESSAGES}" in found.withheld
    assert (len(found.all(Message)), len(found.all(Activity))) == (0, 1)
    net.troubled = {"conversations": [error(403, 10, text="Requires permission")]}
    found = await run(opened())
    assert "Requires permission" in found.withheld
    assert len((await run(opened(), found.cursor)).all(Message)) == 1


async def test_a_limit_ends_the_run_and_the_next_one_goes_on_from_there(net: Graph, opened: Open, clock: HandClock) -> None:
    net.said(net.thread(ME, GRACE, "instagram"), "Hello", THEN)
    net.posted(ME, "Sea", THEN)
    net.troubled = {"media": [error(400, 613, text="Calls to this api have exceeded the rate limit.")]}
    stopped = await run(opened())
    assert isinstance(stopped.trouble, RateLimited)
    assert stopped.trouble.retry_at == NOON + timedelta(minutes=5)
    calls = len(net.calls)
    assert (await run(opened(), stopped.cursor)).trouble is not None
    assert len(net.calls) == calls
    clock.time += timedelta(minutes=5)
    rest = await run(opened(), stopped.cursor)
    assert (len(stopped.all(Message)), len(rest.all(Activity))) == (1, 1)


async def test_signing_in_trades_the_code_for_a_long_token(net: Graph, new_session: SessionMaker) -> None:
    client = Secret(client_id=APP, client_secret=SECRET)
    made = await instagram.authorize(new_session(net.url, secret=client), {}, CALLBACK)
    url = oauth.authorization_url(made, CALLBACK, "state", "v" * 43)
    assert all(word in url for word in ("/oauth/authorize?", "instagram_business_manage_messages", "state=state"))
    assert "code_challenge" not in url
    short = await oauth.exchange(new_session(net.url), made, CALLBACK, "code-1", "v" * 43)
    signed = await instagram.sign_in(new_session(net.url, secret=short))
    assert (short.access_token, signed.secret.access_token) == ("short-1", "token-2")
    assert signed.secret.expires_at == NOON + timedelta(days=60)
    assert (signed.secret.client_secret, signed.secret.scope) == (SECRET, instagram.BASIC)  # what the user allowed of it


async def test_a_token_is_prolonged_while_it_is_good(net: Graph, opened: Open, new_session: SessionMaker) -> None:
    old = msgspec.structs.replace(GRANT, expires_at=NOON + timedelta(days=40))
    newer = await instagram.renew(new_session(net.url, secret=old), old)
    assert (newer.access_token, newer.expires_at, newer.scope) == ("token-3", NOON + timedelta(days=60), old.scope)
    grants = OpenCredentials(old, newer)
    await run(opened(credentials=grants))
    assert grants.refreshes == 1
    await run(opened(credentials=grants))
    assert grants.refreshes == 1
    with pytest.raises(ReauthRequired, match="expired"):
        await instagram.renew(new_session(net.url, secret=old), msgspec.structs.replace(old, access_token="revoked"))


async def test_a_token_that_has_ended_asks_nobody(net: Graph, opened: Open) -> None:
    with pytest.raises(ReauthRequired, match="ended this sign-in"):
        await run(opened(secret=msgspec.structs.replace(GRANT, expires_at=NOON)))
    assert net.calls == []


async def test_without_an_app_linking_says_how_to_make_one(net: Graph, new_session: SessionMaker) -> None:
    with pytest.raises(Refused, match="KITH_INSTAGRAM_CLIENT_ID"):
        await instagram.authorize(new_session(net.url), {}, CALLBACK)


# --- sending and being called ---------------------------------------------------------------------------------------------


async def test_an_answer_goes_to_its_conversation_once(net: Graph, opened: Open) -> None:
    thread = net.thread(ME, GRACE, "instagram")
    net.said(thread, "Hello?", THEN)
    outgoing = OutgoingChat(id="1", conversation=f"{ME}/{thread}", text="Gladly")
    done = await opened().say(outgoing, _note)
    assert (done.fate, net.sent[0]["recipient"]) == ("TAKEN", {"id": "9001"})
    net.cuts = [Answer(500)]
    STEPS.clear()
    assert (await opened().say(msgspec.structs.replace(outgoing, text="And more"), _note)).fate == "UNKNOWN"
    found = await opened().was_said(msgspec.structs.replace(outgoing, text="And more"), STEPS[-1])
    assert (found.fate, found.key) == ("TAKEN", net.threads[thread]["messages"][-1]["id"])


async def test_what_cannot_be_sent_is_refused_before_it_leaves(net: Graph, opened: Open, clock: HandClock) -> None:
    thread = net.thread(ME, GRACE, "instagram")
    net.said(thread, "Hello?", THEN)
    outgoing = OutgoingChat(id="1", conversation=f"{ME}/{thread}", text="ä" * 501)
    with pytest.raises(Refused, match="1,000 bytes"):
        await opened().say(outgoing, _note)
    short = msgspec.structs.replace(outgoing, text="Hm")
    with pytest.raises(ReauthRequired, match=instagram.MESSAGES):
        await opened(secret=msgspec.structs.replace(GRANT, scope=instagram.BASIC)).say(short, _note)
    clock.time += timedelta(days=2)
    with pytest.raises(Refused, match="within 24 hours"):
        await opened().say(short, _note)
    assert (await opened({"human_agent": "true"}).say(short, _note)).fate == "TAKEN"
    assert [body.get("tag") for body in net.sent] == ["HUMAN_AGENT"]


async def test_the_account_is_called_for_and_let_go(net: Graph, opened: Open) -> None:
    made = await opened().join(Line(url="https://kith.example.org/hooks/instagram", topic=APP, secret=SECRET))
    assert (made.key, set(net.subscribed)) == (ME, {ME})
    await opened().leave()
    assert net.subscribed == {}
