"""Bluesky against a real PDS, with the services that it passes on held to the official lexicons (tests/providers/bluesky_stub.py)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import libipld
import msgspec
import pytest

from providers import atproto, atproto_stream
from providers.bluesky import chat as bluesky_chat
from providers.bluesky import people as bluesky_people
from providers.bluesky import sign_in as bluesky_sign_in
from providers.bluesky import watch as bluesky_watch
from providers.bluesky.adapter import PROVIDER, Bluesky, Commit
from providers.bluesky.sign_in import base_url
from providers.bluesky.talks import Talks
from providers.errors import CursorExpired, RateLimited, ReauthRequired, Refused, Unavailable
from providers.http import Session
from providers.records import Activity, Contact, ConversationHead, Gone, Message, MessageState, Unreadable
from providers.session import Secret
from tests.atproto_servers import AtProto, AtUser
from tests.providers import lexicon
from tests.providers.bluesky_stub import Bluesky as Network
from tests.providers.bluesky_stub import did, quiet_chat
from tests.providers.conftest import NOON, Exchange, HandClock, OpenCredentials, SessionMaker, http_answer, scripted
from tests.providers.contract import AdapterContract, Mirror
from tests.providers.stub_http import running

FOLLOW = "app.bsky.graph.follow"


@pytest.fixture
def user(atproto_server: AtProto) -> AtUser:
    return atproto_server.new_user()


@pytest.fixture
async def network(user: AtUser) -> AsyncIterator[Network]:
    network = Network(user)
    network.people[user.did] = {"did": user.did, "handle": user.handle, "displayName": "Ada Ray"}
    async with running(network):
        yield network
    assert network.violations == []


Open = Callable[..., Bluesky]


@pytest.fixture
def opened(network: Network, new_session: SessionMaker) -> Open:
    def open_(**more: Any) -> Bluesky:
        more.setdefault("secret", Secret(access_token=network.user.token))
        return Bluesky(new_session(network.url, provider="bluesky", **more))

    return open_


class Rig:
    """An account that follows fourteen and is followed by twelve, three of them the same."""

    provider = msgspec.structs.replace(PROVIDER, quota=None)
    path = ""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.server_url = network.url
        self.secret = Secret(access_token=network.user.token)

    def fill(self) -> None:
        for number in range(14):
            self.network.user.follow(self.network.person(number))
        self.network.followers = [self.network.person(number) for number in range(11, 23)]

    def names(self) -> set[str]:
        follows = {record["subject"] for record in self.network.user.records(FOLLOW).values()}
        return {self.network.people[one]["displayName"] for one in follows | set(self.network.followers)}

    def name_of(self, contact: Any) -> str:
        assert isinstance(contact, Contact)
        return contact.names[0].full

    def remove(self) -> str:
        key = next(key for key, record in self.network.user.records(FOLLOW).items() if record["subject"] == did(4))
        self.network.user.delete(FOLLOW, key)
        return "Person 4"

    def foreign_cursor(self, cursor: bytes) -> bytes:
        return msgspec.json.encode({**msgspec.json.decode(cursor), "log": "elsewhere"})


class TestBlueskyContract(AdapterContract):
    @pytest.fixture
    def rig(self, network: Network) -> Rig:
        return Rig(network)


# --- signing in, at the PDS itself ------------------------------------------------------------------------------------------


def _typed(user: AtUser, password: str) -> Secret:
    return Secret(username=user.handle, password=password)


async def test_an_app_password_becomes_a_session_that_renews_itself_and_is_not_kept(
    user: AtUser, new_session: SessionMaker
) -> None:
    password = user.app_password("kith", privileged=True)
    signed_in = await bluesky_sign_in.sign_in(new_session(user.url, secret=_typed(user, password)))
    secret = signed_in.secret
    assert (signed_in.base_url, secret.scope, secret.password) == (user.url, "com.atproto.appPassPrivileged", None)
    assert secret.extra["did"] == user.did
    assert secret.expires_at is not None
    newer = await bluesky_sign_in.renew(new_session(user.url), secret)
    assert newer.refresh_token != secret.refresh_token
    assert await _me(new_session(user.url, secret=newer)) == user.did


async def test_a_wrong_password_says_so(user: AtUser, new_session: SessionMaker) -> None:
    with pytest.raises(ReauthRequired, match="handle and app password"):
        await bluesky_sign_in.sign_in(new_session(user.url, secret=_typed(user, "wrong")))


async def test_a_revoked_app_password_ends_in_a_new_sign_in(user: AtUser, new_session: SessionMaker) -> None:
    secret = (
        await bluesky_sign_in.sign_in(new_session(user.url, secret=_typed(user, user.app_password("k", privileged=False))))
    ).secret
    user.revoke("k")
    with pytest.raises(ReauthRequired, match="new app password"):
        await bluesky_sign_in.renew(new_session(user.url), secret)


async def test_what_is_no_refresh_token_is_refused_by_name(user: AtUser, new_session: SessionMaker) -> None:
    with pytest.raises(ReauthRequired):
        await bluesky_sign_in.renew(new_session(user.url), Secret(access_token="a", refresh_token=user.token))


async def _me(session: Session) -> str:
    return (await Bluesky(session)._who()).did


async def test_the_server_is_found_by_did_and_must_be_named_by_the_directory(
    user: AtUser, atproto_server: AtProto, new_session: SessionMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atproto, "DIRECTORY", atproto_server.directory)
    found = await atproto.identify(new_session(user.url), user.did)
    assert (found.did, found.server, found.handle) == (user.did, user.url, user.handle)
    secret = Secret(username=user.did, password=user.password)
    signed_in = await bluesky_sign_in.sign_in(new_session(base_url({"username": user.did}), secret=secret))
    assert signed_in.base_url == user.url
    with pytest.raises(Refused, match="no account"):
        await atproto.identify(new_session(user.url), did(1))


async def test_a_handle_leads_to_an_account_that_has_to_name_it_back(
    user: AtUser, atproto_server: AtProto, new_session: SessionMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atproto, "DIRECTORY", atproto_server.directory)
    monkeypatch.setattr(atproto, "_hosted", _nothing)
    session = new_session(user.url)
    monkeypatch.setattr(session, "texts", _texts({f"_atproto.{user.handle}": ["v=spf1 -all", f"did={user.did}"]}))
    assert (await atproto.identify(session, user.handle)).did == user.did
    monkeypatch.setattr(session, "texts", _texts({"_atproto.stranger.test": [f"did={user.did}"]}))
    with pytest.raises(Refused, match="does not name it back"):
        await atproto.identify(session, "stranger.test")
    monkeypatch.setattr(session, "texts", _texts({"_atproto.two.test": [f"did={user.did}", f"did={did(1)}"]}))
    with pytest.raises(Refused, match="several accounts"):
        await atproto.identify(session, "two.test")
    with pytest.raises(Refused, match="no account called"):
        await atproto.identify(session, "nobody.test")


async def _nothing(*_: Any) -> None:
    return None


def _texts(names: dict[str, list[str]]) -> Callable[[str], Any]:
    async def texts(name: str) -> list[str]:
        return names.get(name, [])

    return texts


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"username": "@Ada.Bsky.Social"}, "https://ada.bsky.social"),
        ({"username": "https://bsky.app/profile/ada.example.org"}, "https://ada.example.org"),
        ({"username": "did:plc:ewvi7nxzyoun6zhxrhs64oiz"}, "https://plc.directory"),
        ({"username": "did:web:ada.example.org"}, "https://ada.example.org"),
        ({"username": "ada", "server": "pds.example.org"}, "https://pds.example.org"),
        ({"username": "ada", "server": "http://127.0.0.1:2583/x"}, "http://127.0.0.1:2583"),
    ],
)
def test_the_place_to_ask_is_found_in_what_people_type(values: dict[str, str], place: str) -> None:
    assert base_url(values) == place


@pytest.mark.parametrize("values", [{}, {"username": "ada"}, {"username": "a b.c"}, {"username": "a.b", "server": "ftp://x"}])
def test_what_names_nobody_is_refused_with_an_example(values: dict[str, str]) -> None:
    with pytest.raises(Refused, match=r"bsky\.social"):
        base_url(values)


async def test_an_expired_token_which_is_a_400_here_is_renewed_once(
    user: AtUser, network: Network, new_session: SessionMaker
) -> None:
    def expired(exchange: Exchange) -> bytes:
        if exchange.headers["authorization"] == "Bearer old":
            return http_answer(400, '{"error":"ExpiredToken","message":"Token has expired"}')
        return http_answer(200, json.dumps({"did": user.did, "handle": user.handle}))

    credentials = OpenCredentials(Secret(access_token="old", refresh_token="r"), Secret(access_token="new", refresh_token="s"))
    async with scripted(expired) as server:
        assert await _me(new_session(server.url, credentials=credentials)) == user.did
    assert credentials.refreshes == 1


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "InvalidToken", ReauthRequired),
        (401, "AuthenticationRequired", ReauthRequired),
        (401, "AccountTakedown", ReauthRequired),
        (400, "AccountDeactivated", ReauthRequired),
        (403, "Forbidden", Refused),
        (400, "RepoTakendown", Refused),
        (400, "InvalidRequest", Refused),
        (501, "MethodNotImplemented", Refused),
        (502, "UpstreamFailure", Unavailable),
        (503, "NotEnoughResources", Unavailable),
        (429, "RateLimitExceeded", RateLimited),
    ],
)
async def test_named_errors_become_ours(new_session: SessionMaker, status: int, code: str, error: type[Exception]) -> None:
    answer = http_answer(status, json.dumps({"error": code, "message": "No."}))
    async with scripted(answer) as server:
        with pytest.raises(error):
            await _me(new_session(server.url, secret=Secret(access_token="t"), interactive=True))


async def test_the_limit_that_the_server_tells_is_kept_to(new_session: SessionMaker) -> None:
    ends = int((NOON + timedelta(minutes=4)).timestamp())
    answer = http_answer(
        429, '{"error":"RateLimitExceeded"}', RateLimit_Limit="3000", RateLimit_Remaining="0", RateLimit_Reset=str(ends)
    )
    async with scripted(answer) as server:
        session = new_session(server.url, secret=Secret(access_token="t"))
        for _ in range(3):
            with pytest.raises(RateLimited) as refused:
                await _me(session)
            assert refused.value.retry_at == NOON + timedelta(minutes=4)
        assert len(server.seen) == 1


# --- people -----------------------------------------------------------------------------------------------------------------


async def test_contacts_say_who_follows_whom(network: Network, opened: Open) -> None:
    network.user.follow(network.person(1, description="Baker.", website="https://one.example.org", followersCount=7))
    network.user.follow(network.person(2, handle="handle.invalid"))
    network.followers = [did(1), network.person(3)]
    mirror = await Mirror().follow(opened())
    one, two, three = (mirror.contacts[did(number)] for number in (1, 2, 3))
    assert (one.relation, two.relation, three.relation) == ("CONNECTION", "FOLLOWING", "FOLLOWER")
    assert (one.handles[0].handle, one.urls[0].url, one.bio, one.followers) == (
        "person1.example.org", "https://one.example.org", "Baker.", 7,
    )  # fmt: skip
    assert two.handles == ()
    assert one.url == f"https://bsky.app/profile/{did(1)}"


async def test_somebody_whom_the_network_no_longer_shows_is_said_and_counted(network: Network, opened: Open) -> None:
    network.user.follow(did(9))
    pages = [page async for page in opened().pages(None)]
    said = [row.item for page in pages for row in page.rows if isinstance(row.item, Unreadable)]
    assert [(one.key, one.outcome, one.reason) for one in said] == [(did(9), "SKIPPED", "FORBIDDEN")]
    assert sum(s.expected or 0 for page in pages for s in page.statements if s.container == bluesky_people.PEOPLE) == 1


async def test_a_new_follow_costs_a_few_calls_and_no_walk(network: Network, opened: Open) -> None:
    Rig(network).fill()
    mirror = await Mirror().follow(opened())
    network.user.follow(network.person(40))
    network.asked.clear()
    mirror.rows = 0
    await mirror.follow(opened())
    assert did(40) in mirror.contacts
    assert mirror.rows == 1
    assert "app.bsky.graph.getFollowers" not in network.asked


async def test_who_stops_following_is_gone_after_the_next_walk(network: Network, opened: Open, clock: HandClock) -> None:
    Rig(network).fill()
    mirror = await Mirror().follow(opened())
    network.followers.remove(did(20))
    await mirror.follow(opened())
    assert did(20) in mirror.contacts
    clock.time += timedelta(hours=1)
    await mirror.follow(opened())
    assert did(20) not in mirror.contacts


async def test_more_people_than_can_be_remembered_are_walked_all_the_same(
    network: Network, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bluesky_people, "KEPT", 10)
    Rig(network).fill()
    mirror = Mirror()
    for _ in range(30):
        await mirror.follow(opened(), pages=1)
        if mirror.done:
            break
    assert {one.names[0].full for one in mirror.contacts.values()} == Rig(network).names()
    assert mirror.deleted == []


async def test_an_appview_that_is_away_is_unavailable_at_a_bare_server(network: Network, opened: Open) -> None:
    network.away = True
    with pytest.raises(Unavailable):
        await Mirror().follow(opened())


# --- chat -------------------------------------------------------------------------------------------------------------------


async def _rows(adapter: Bluesky, mirror: Mirror) -> list[Any]:
    """What a run hands over, taken in."""
    found = []
    async for page in adapter.pages(mirror.cursor):
        found += [row.item for row in page.rows]
        mirror.take(page)
    return found


def _messages(mirror: Mirror) -> list[Message]:
    return sorted((one for one in mirror.contacts.values() if isinstance(one, Message)), key=lambda one: one.sent_at)


async def test_a_conversation_comes_whole_with_its_people_and_what_is_unread(network: Network, opened: Open) -> None:
    bob = network.person(1)
    convo = network.convo(bob)
    for number in range(12):
        network.say(convo, network.user.did if number % 3 == 0 else bob, f"message {number}")
    mirror = Mirror()
    rows = await _rows(opened(), mirror)
    head = next(row for row in rows if isinstance(row, ConversationHead))
    assert (head.key, head.kind, {one.key for one in head.participants}) == (convo.id, "DIRECT", {bob, network.user.did})
    messages = _messages(mirror)
    assert [one.text for one in messages] == [f"message {number}" for number in range(12)]
    assert [one.text for one in messages if one.unread] == ["message 10", "message 11"]
    first = messages[0]
    assert [(one.role, one.address) for one in first.participants] == [
        ("FROM", network.user.handle),
        ("TO", "person1.example.org"),
    ]
    assert first.sent_at > datetime(2026, 3, 1, tzinfo=UTC)


async def test_the_log_tells_what_happened_since(network: Network, opened: Open) -> None:
    bob = network.person(1)
    convo = network.convo(bob)
    first = network.say(convo, bob, "one")
    mirror = Mirror()
    await _rows(opened(), mirror)
    second = network.say(convo, bob, "two")
    network.unsay(convo, first)
    network.react(convo, second, "👍", network.user.did)
    network.read(convo, second)
    rows = await _rows(opened(), mirror)
    assert [one.text for one in _messages(mirror)] == ["two"]
    assert [one.unread for one in _messages(mirror)] == [False]
    assert [(one.emoji, one.participant and one.participant.key) for one in _messages(mirror)[0].reactions or ()] == [
        ("👍", network.user.did)
    ]
    assert Gone(kind="MESSAGE", key=first["id"]) in rows
    assert MessageState(key=second["id"], container=convo.id, unread=False) in rows
    assert await _rows(opened(), mirror) == []


async def test_a_conversation_that_begins_later_is_read_from_its_beginning(network: Network, opened: Open) -> None:
    mirror = Mirror()
    await _rows(opened(), mirror)
    bob, eve = network.person(1), network.person(2)
    convo = network.convo(bob, eve, name="Choir")
    for number in range(7):
        network.say(convo, eve, f"song {number}")
    rows = await _rows(opened(), mirror)
    assert [one.text for one in _messages(mirror)] == [f"song {number}" for number in range(7)]
    head = [row for row in rows if isinstance(row, ConversationHead)][-1]
    assert (head.kind, head.subject, len(head.participants)) == ("GROUP", "Choir", 3)
    network.rename(convo, "Old choir")
    rows = await _rows(opened(), mirror)
    assert [row.subject for row in rows if isinstance(row, ConversationHead)] == ["Old choir"]
    assert len(_messages(mirror)) == 7, "a note of the service is nobody's message"


async def test_a_conversation_that_was_left_keeps_what_was_said(network: Network, opened: Open) -> None:
    convo = network.convo(network.person(1))
    network.say(convo, did(1), "bye")
    mirror = Mirror()
    await _rows(opened(), mirror)
    network.leave(convo)
    await _rows(opened(), mirror)
    assert [one.text for one in _messages(mirror)] == ["bye"]


async def test_a_history_that_is_cut_after_every_page_is_complete(network: Network, opened: Open) -> None:
    convos = [network.convo(network.person(number)) for number in (1, 2)]
    for number in range(40):
        network.say(convos[number % 2], did(1 + number % 2), f"message {number}")
    mirror = Mirror()
    for number in range(60):
        if number < 5:
            network.say(convos[0], did(1), f"news {number}")
        await mirror.follow(opened(), pages=1)
        if mirror.done:
            break
    texts = [one.text for one in _messages(mirror)]
    assert len(texts) == len(set(texts)) == 45


async def test_an_app_password_without_direct_messages_gives_people_and_says_what_is_missing(
    user: AtUser, network: Network, opened: Open, new_session: SessionMaker
) -> None:
    network.say(network.convo(network.person(1)), did(1), "secret")
    network.user.follow(did(1))
    password = user.app_password("narrow", privileged=False)
    secret = (await bluesky_sign_in.sign_in(new_session(user.url, secret=_typed(user, password)))).secret
    mirror = Mirror()
    rows = await _rows(opened(secret=secret), mirror)
    said = [row for row in rows if isinstance(row, Unreadable)]
    assert [(one.key, one.reason) for one in said] == [("chat", "FORBIDDEN")]
    assert "allows direct messages" in said[0].message
    assert did(1) in mirror.contacts
    assert not any(method.startswith("chat.") for method in network.asked)
    assert await _rows(opened(secret=secret), mirror) == said, "it is said for as long as it is so"


@pytest.mark.parametrize("privileged", [True, False])
async def test_the_server_passes_chat_on_only_for_app_passwords_that_may(
    user: AtUser, new_session: SessionMaker, monkeypatch: pytest.MonkeyPatch, privileged: bool
) -> None:
    """The real PDS resolves the service that `atproto-proxy` names, and asks it in the account's name."""
    secret = (
        await bluesky_sign_in.sign_in(new_session(user.url, secret=_typed(user, user.app_password("k", privileged=privileged))))
    ).secret

    async with scripted(lambda exchange: quiet_chat(exchange, server.port)) as server:
        monkeypatch.setattr(bluesky_chat, "SERVICE", f"did:web:localhost%3A{server.port}#bsky_chat")
        asked = Talks(atproto.Xrpc(new_session(user.url, secret=secret)), user.did, allowed=True).log("")
        if privileged:
            assert (await asked).cursor == "here"
            assert server.seen[-1].headers["authorization"] != f"Bearer {secret.access_token}"
        else:
            with pytest.raises(Refused) as refused:
                await asked
            assert refused.value.provider_code == "scope"


async def test_a_chat_service_in_trouble_keeps_no_contacts_waiting(network: Network, opened: Open) -> None:
    network.chat_away = True
    network.user.follow(network.person(1))
    mirror = Mirror()
    with pytest.raises(Unavailable):
        await mirror.follow(opened())
    assert did(1) in mirror.contacts
    network.chat_away = False
    network.say(network.convo(did(1)), did(1), "back")
    await mirror.follow(opened())
    assert [one.text for one in _messages(mirror)] == ["back"]


async def test_a_place_in_the_log_that_is_not_known_expires(network: Network, opened: Open) -> None:
    mirror = await Mirror().follow(opened())
    cursor = msgspec.json.encode({**msgspec.json.decode(mirror.cursor or b"{}"), "log": "nowhere"})
    with pytest.raises(CursorExpired):
        async for _ in opened().pages(cursor):
            pass


async def test_watching_hints_at_what_happens_in_chat_and_in_ones_own_repository(
    network: Network, opened: Open, clock: HandClock
) -> None:
    convo = network.convo(network.person(1))
    hints = opened().watch()
    await anext(hints)
    for happen in (
        lambda: network.say(convo, did(1), "hello"),
        lambda: network.user.post("A post made elsewhere"),
        lambda: network.user.follow(did(1)),
    ):
        happen()
        await anext(hints)
    assert clock.slept == [bluesky_watch.OFTEN] * 3
    await hints.aclose()


async def test_the_chat_of_a_quiet_account_is_looked_at_often_and_its_repository_seldom(clock: HandClock) -> None:
    began = clock.now().timestamp()
    whole: list[float] = []

    async def look(place: bluesky_watch.Place | None, *, posts: bool) -> tuple[bluesky_watch.Place, bool]:
        passed = clock.now().timestamp() - began
        if posts:
            whole.append(passed)
        return bluesky_watch.Place(log="", rev=""), passed in (300.0, 301.0)

    with bluesky_watch.watched("https://pds.example.org") as pause:
        hints = bluesky_watch.hints(clock, look, asyncio.Event(), pause)
        await anext(hints)
        await anext(hints)
        assert set(clock.slept) == {bluesky_watch.OFTEN}
        awake = [float(second) for second in range(int(bluesky_watch.AWAKE))]
        assert whole[: len(awake)] == awake
        quiet = whole[len(awake) :]
        assert {later - earlier for earlier, later in pairwise(quiet)} == {bluesky_watch.SELDOM}
        clock.slept.clear()
        await anext(hints)
        assert clock.slept == [bluesky_watch.OFTEN] and whole[-1] == 301.0, "something goes on again"
        await hints.aclose()


async def test_many_accounts_at_one_server_are_looked_at_more_seldom_each() -> None:
    with ExitStack() as accounts:
        pauses = [accounts.enter_context(bluesky_watch.watched("https://crowd.example.org")) for _ in range(20)]
        elsewhere = accounts.enter_context(bluesky_watch.watched("https://pds.example.org"))
        assert {pause() for pause in pauses} == {5.0}
        assert elsewhere() == bluesky_watch.OFTEN
    with bluesky_watch.watched("https://crowd.example.org") as alone:
        assert alone() == bluesky_watch.OFTEN


class StillClock(HandClock):
    """Nobody wakes from sleep."""

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.Event().wait()


async def test_a_server_of_ones_own_says_at_once_that_something_happened(user: AtUser, new_session: SessionMaker) -> None:
    clock, heard = StillClock(), asyncio.Event()
    calls = atproto.Xrpc(new_session(user.url, secret=Secret(access_token=user.token)))

    async def look(place: bluesky_watch.Place | None, *, posts: bool) -> tuple[bluesky_watch.Place, bool]:
        rev = (await calls.query("com.atproto.sync.getLatestCommit", Commit, [("did", user.did)])).rev
        return bluesky_watch.Place(log="", rev=rev), place is not None and rev != place.rev

    listening = asyncio.create_task(bluesky_watch.keep_listening(new_session(user.url), user.did, heard))
    hints = bluesky_watch.hints(clock, look, heard, lambda: bluesky_watch.OFTEN)
    try:
        await anext(hints)
        for number in range(3):
            hint = asyncio.ensure_future(anext(hints))
            while not hint.done():  # the line may not be open yet when the first one is posted
                await asyncio.to_thread(user.post, f"Post {number}")
                await asyncio.wait([hint], timeout=2)
        assert set(clock.slept) == {bluesky_watch.OFTEN}, "no clock was waited for"
    finally:
        listening.cancel()
        await asyncio.wait([listening])


async def test_a_crowded_server_is_not_listened_to(
    user: AtUser, atproto_server: AtProto, new_session: SessionMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atproto_stream, "CROWD", 3)
    other = atproto_server.new_user("eve")
    listening = asyncio.create_task(bluesky_watch.keep_listening(new_session(user.url), user.did, asyncio.Event()))
    while not listening.done():
        await asyncio.to_thread(other.post, "Something of mine")
        await asyncio.wait([listening], timeout=0.2)
    await listening


@pytest.mark.parametrize(
    ("message", "tells"),
    [
        ({"op": 1, "t": "#commit"}, {"repo": did(1)}),
        ({"op": 1, "t": "#account"}, {"did": did(1), "active": False}),
    ],
)
def test_a_message_tells_of_the_account_that_it_names(message: dict[str, Any], tells: dict[str, Any]) -> None:
    framed = libipld.encode_dag_cbor(message) + libipld.encode_dag_cbor(tells)
    assert atproto_stream.concerns(framed, did(1))
    assert not atproto_stream.concerns(framed, did(2))


@pytest.mark.parametrize(
    "message", [b"", b"\xff", b"\xa0", b"\xa0\xa0\xa0", b"{}", libipld.encode_dag_cbor({"op": -1}) * 2, b"\x9f" * 100_000]
)
def test_a_message_that_cannot_be_read_tells_of_nobody(message: bytes) -> None:
    assert not atproto_stream.concerns(message, did(1))


async def test_without_chat_the_repository_alone_is_watched(network: Network, opened: Open) -> None:
    secret = Secret(access_token=network.user.token, scope="com.atproto.appPass")
    hints = opened(secret=secret).watch()
    await anext(hints)
    network.user.post("A post made elsewhere")
    await anext(hints)
    assert not any(method.startswith("chat.") for method in network.asked)
    await hints.aclose()


# --- posts ------------------------------------------------------------------------------------------------------------------


def _activities(rows: list[Any]) -> list[Activity]:
    return [row for row in rows if isinstance(row, Activity)]


async def test_own_posts_come_from_the_repository_and_go_with_it(network: Network, opened: Open) -> None:
    old = network.user.post("First", at="2026-01-02T03:04:05Z", langs=["en"])
    facets = [{"index": {"byteStart": 6, "byteEnd": 14}, "features": [{"$type": "app.bsky.richtext.facet#tag", "tag": "baking"}]}]
    network.user.post("Brød: #brødet", at="2026-01-03T03:04:05Z", facets=facets)
    mirror = Mirror()
    made = _activities(await _rows(opened(), mirror))
    assert [(one.verb, one.object.text) for one in made if one.object] == [("CREATE", "Brød: #brødet"), ("CREATE", "First")]
    assert made[0].object is not None
    assert made[0].object.hashtags == ("baking",)
    assert made[1].occurred_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert made[1].url == f"https://bsky.app/profile/{network.user.did}/post/{old}"
    assert made[1].actor.uri == network.user.did
    for record in network.user.records("app.bsky.feed.post").values():
        lexicon.check_record("app.bsky.feed.post", record)
    network.user.delete("app.bsky.feed.post", old)
    network.user.post("Third")
    rows = await _rows(opened(), mirror)
    assert [one.object.text for one in _activities(rows) if one.object] == ["Third"]
    assert Gone(kind="ACTIVITY", key=f"at://{network.user.did}/app.bsky.feed.post/{old}") in rows
    assert await _rows(opened(), mirror) == []


async def test_the_timeline_gives_posts_answers_and_reposts(network: Network, opened: Open) -> None:
    bob, eve = network.person(1), network.person(2)
    link = {"$type": "app.bsky.richtext.facet#link", "uri": "https://example.org/long"}
    cut = [{"index": {"byteStart": 5, "byteEnd": 22}, "features": [link]}]
    root = network.show(bob, "Look example.org/lo…", facets=cut)
    parent = {"uri": root, "cid": "bafyreib2rxk3rh6kzwq"}
    network.show(eve, "Nice", reply={"root": parent, "parent": parent})
    network.show(bob, "Old news", by=eve)
    mirror = Mirror()
    made = _activities(await _rows(opened(), mirror))
    assert [(one.verb, one.actor.uri) for one in made] == [("ANNOUNCE", eve), ("CREATE", eve), ("CREATE", bob)]
    assert made[0].object is not None
    assert made[0].object.attributed_to is not None
    assert made[0].object.attributed_to.uri == bob
    assert made[1].object is not None
    assert made[1].object.in_reply_to == root
    assert made[2].object is not None
    assert made[2].object.text == "Look https://example.org/long"
    assert made[2].object.likes == 3
    network.show(bob, "Newest")
    assert [one.object.text for one in _activities(await _rows(opened(), mirror)) if one.object] == ["Newest"]


@pytest.mark.parametrize(
    ("created", "indexed", "believed"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:05Z", "2026-01-01T00:00:00+00:00"),
        ("2036-01-01T00:00:00Z", "2026-01-01T00:00:05Z", "2026-01-01T00:00:05+00:00"),
        ("1970-01-01T00:00:00Z", "2026-01-01T00:00:05Z", "2026-01-01T00:00:05+00:00"),
        ("nonsense", "2026-01-01T00:00:05Z", "2026-01-01T00:00:05+00:00"),
    ],
)
def test_a_posts_date_is_believed_until_it_arrived(created: str, indexed: str, believed: str) -> None:
    assert atproto.claimed(created, indexed) == datetime.fromisoformat(believed)
