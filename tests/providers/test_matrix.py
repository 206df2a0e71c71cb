"""Matrix against Synapse with other people's clients beside us, and against answers that other servers have been seen to give."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
import pytest

from providers.base import Verifiable, Watcher
from providers.errors import CursorExpired, Malformed, RateLimited, ReauthRequired, Refused
from providers.matrix import people as matrix_people
from providers.matrix import sign_in as matrix_sign_in
from providers.matrix import talks as matrix_talks
from providers.matrix.adapter import PROVIDER, Matrix
from providers.matrix.rooms import position
from providers.records import Contact, ConversationHead, Gone, Message, Page, Unreadable
from providers.session import Secret
from tests.chat_servers import Matrix as Server
from tests.chat_servers import MatrixUser
from tests.patience import PATIENCE
from tests.providers.conftest import Exchange, HandClock, OpenCredentials, SessionMaker, http_answer, scripted
from tests.providers.contract import AdapterContract, Mirror

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


class Club:
    """One user, a direct room and a group; empty until it is filled."""

    provider = msgspec.structs.replace(PROVIDER, quota=None)
    path = ""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.server_url = server.url
        self.ada = server.new_user("ada")
        self.secret = Secret(access_token=self.ada.token)
        self.rooms: list[str] = []

    def fill(self) -> None:
        self.bob, self.cai, self.dee = (self.server.new_user(name) for name in ("bob", "cai", "dee"))
        direct = self.bob.create_room(self.ada, is_direct=True)
        group = self.bob.create_room(self.ada, self.cai, name="Boat club")
        self.ada.set_direct({self.bob.user_id: [direct]})
        self.rooms = [direct, group]
        for n in range(10):
            self.bob.send(direct, f"direct {n}")
        self.sent = [self.cai.send(group, f"group {n}") for n in range(13)]

    def names(self) -> set[str]:
        found = set()
        for room in self.rooms:
            shown = [e for e in self.ada.timeline(room) if e["type"] == "m.room.message" and e["content"]]
            found |= {event["event_id"] for event in shown if "m.relates_to" not in event["content"]}
            found |= set(self.ada.call("GET", f"/v3/rooms/{room}/joined_members")["joined"]) - {self.ada.user_id}
        return found

    def name_of(self, item: Any) -> str:
        assert isinstance(item, Contact | Message)
        return item.key

    def remove(self) -> str:
        """Takes a message back, while somebody else comes in."""
        event = self.sent.pop(4)
        self.cai.redact(self.rooms[1], event)
        self.bob.invite(self.rooms[1], self.dee)
        self.dee.join(self.rooms[1])
        return event

    def foreign_cursor(self, cursor: bytes) -> bytes:
        place = position(cursor)
        place.since = "s_never_given_out"
        return place.encoded()


class TestMatrix(AdapterContract):
    lasting = True

    @pytest.fixture(autouse=True)
    def small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(matrix_talks, "EVENTS", 12)

    @pytest.fixture
    def rig(self, synapse_server: Server) -> Iterator[Club]:
        yield Club(synapse_server)

    async def test_everything_arrives_once_over_several_pages(self, rig: Any, opened: Any) -> None:
        """As for all, but that a server counts people and no messages."""
        rig.fill()
        pages: list[Page] = [page async for page in opened().pages(None)]
        items = [row.item for page in pages for row in page.rows if isinstance(row.item, Contact | Message)]
        assert {rig.name_of(item) for item in items} == rig.names()
        assert len(items) == len({item.key for item in items})
        assert sum(1 for page in pages if page.rows) > 3
        assert [page.done for page in pages] == [False] * (len(pages) - 1) + [True]
        stated = {statement.container: statement for page in pages for statement in page.statements}
        assert {item.container for item in items} == set(stated) == {*rig.rooms, matrix_people.PEOPLE}
        assert stated[matrix_people.PEOPLE].expected == len([item for item in items if isinstance(item, Contact)])


# --- rooms, further -------------------------------------------------------------------------------------------------------


@pytest.fixture
def club(synapse_server: Server) -> Club:
    return Club(synapse_server)


Open = Callable[..., Matrix]


@pytest.fixture
def opened(new_session: SessionMaker, club: Club) -> Open:
    def open_(who: MatrixUser | None = None, **more: Any) -> Matrix:
        more.setdefault("secret", Secret(access_token=(who or club.ada).token))
        return Matrix(new_session(club.server_url, provider="matrix", quota=None, **more))

    return open_


class Kept(Mirror):
    """Keeps heads of rooms too."""

    def __init__(self) -> None:
        super().__init__()
        self.heads: dict[str, ConversationHead] = {}

    def take(self, page: Page) -> None:
        super().take(page)
        self.heads.update((row.item.key, row.item) for row in page.rows if isinstance(row.item, ConversationHead))

    def messages(self, room: str) -> list[Message]:
        found = [item for item in self.contacts.values() if isinstance(item, Message) and item.container == room]
        return sorted(found, key=lambda item: (item.sent_at, item.text))

    def texts(self, room: str) -> set[str]:
        return {item.text for item in self.messages(room)}

    def unread(self, room: str) -> set[str]:
        return {item.text for item in self.messages(room) if item.unread}


async def kept(adapter: Matrix, mirror: Kept | None = None) -> Kept:
    mirror = mirror or Kept()
    await mirror.follow(adapter)
    return mirror


async def test_rooms_are_what_their_users_keep_them_as(club: Club, opened: Open) -> None:
    bob, cai = club.server.new_user("bob"), club.server.new_user("cai")
    bob.name("Bob Ray")
    direct = bob.create_room(club.ada, is_direct=True)
    club.ada.set_direct({bob.user_id: [direct]})
    group = bob.create_room(club.ada, cai, name="Boat club")
    channel = bob.create_room(club.ada, name="Announcements", room_alias_name=f"news-{direct[1:8].lower().strip('-_')}")
    space = bob.create_room(club.ada, name="Everything", creation_content={"type": "m.space"})
    for room in (direct, group, channel, space):
        bob.send(room, "hello")
    mirror = await kept(opened())
    assert {room: head.kind for room, head in mirror.heads.items()} == {direct: "DIRECT", group: "GROUP", channel: "CHANNEL"}
    assert [mirror.heads[room].subject for room in (direct, group, channel)] == [None, "Boat club", "Announcements"]
    assert {p.address for p in mirror.heads[group].participants} == {club.ada.user_id, bob.user_id, cai.user_id}
    (message,) = mirror.messages(direct)
    assert [(p.role, p.address, p.name) for p in message.participants] == [
        ("FROM", bob.user_id, "Bob Ray"),
        ("TO", club.ada.user_id, club.ada.user_id[1:].partition(":")[0]),
    ]
    relations = {item.key: item.relation for item in mirror.contacts.values() if isinstance(item, Contact)}
    assert relations == {bob.user_id: "CONNECTION", cai.user_id: "MEMBER"}


async def test_a_renamed_room_and_a_new_direct_one_are_told_again(club: Club, opened: Open) -> None:
    club.fill()
    direct, group = club.rooms
    mirror = await kept(opened())
    club.bob.set_state(group, "m.room.name", {"name": "Yacht club"})
    club.ada.set_direct({club.bob.user_id: [direct], club.cai.user_id: [group]})
    await kept(opened(), mirror)
    assert (mirror.heads[group].subject, mirror.heads[group].kind) == ("Yacht club", "DIRECT")


async def test_an_edit_changes_the_message_and_a_foreign_one_does_not(club: Club, opened: Open) -> None:
    club.fill()
    group = club.rooms[1]
    club.cai.edit(group, club.sent[2], "two, mended")
    club.bob.edit(group, club.sent[3], "forged")
    mirror = await kept(opened())
    assert {"two, mended", "group 3"} < mirror.texts(group)
    assert {"group 2", "forged"}.isdisjoint(mirror.texts(group))
    edited = next(item for item in mirror.messages(group) if item.text == "two, mended")
    assert edited.edited_at is not None and edited.edited_at > edited.sent_at
    club.cai.edit(group, club.sent[2], "two, mended twice")
    club.bob.edit(group, club.sent[5], "forged")
    await kept(opened(), mirror)
    assert "two, mended twice" in mirror.texts(group)
    assert len(mirror.messages(group)) == 13
    assert mirror.contacts[club.sent[5]].text == "group 5"


async def test_what_is_taken_back_is_gone(club: Club, opened: Open) -> None:
    club.fill()
    group = club.rooms[1]
    mirror = await kept(opened())
    club.cai.redact(group, club.sent[7])
    pages = [page async for page in opened().pages(mirror.cursor)]
    said = [row.item for page in pages for row in page.rows]
    assert [(item.kind, item.key) for item in said if isinstance(item, Gone)] == [
        ("MESSAGE", club.sent[7]),
        ("REACTION", club.sent[7]),  # the network does not say what it was
    ]
    assert isinstance(said[0], Gone) and said[0].deleted_at is not None


async def test_read_state_follows_what_other_clients_say(club: Club, opened: Open) -> None:
    club.fill()
    group = club.rooms[1]
    club.ada.read(group, club.sent[9])
    mirror = await kept(opened())
    assert mirror.unread(group) == {"group 10", "group 11", "group 12"}
    club.cai.send(group, "group 13")
    club.ada.read(group, club.sent[11])
    await kept(opened(), mirror)
    assert mirror.unread(group) == {"group 12", "group 13"}
    club.ada.send(group, "an answer")
    club.cai.send(group, "group 14")
    await kept(opened(), mirror)
    assert mirror.unread(group) == {"group 14"}


async def test_only_the_latest_messages_of_a_room_count_as_unread(
    club: Club, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.matrix.rooms.UNREAD", 3)
    club.fill()
    group = club.rooms[1]
    mirror = await kept(opened())
    assert mirror.unread(group) == {"group 10", "group 11", "group 12"}
    club.cai.send(group, "group 13")
    await kept(opened(), mirror)
    assert mirror.unread(group) == {"group 11", "group 12", "group 13"}


async def test_a_gap_that_a_sync_leaves_is_filled(club: Club, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    club.fill()
    group = club.rooms[1]
    club.ada.read(group, club.sent[-1])
    mirror = await kept(opened())
    monkeypatch.setattr(matrix_talks, "RECENT", 5)
    monkeypatch.setattr(matrix_talks, "EVENTS", 4)
    for n in range(30):
        club.cai.send(group, f"missed {n}")
    club.cai.edit(group, club.sent[0], "mended in between")
    club.cai.redact(group, club.sent[1])
    for n in range(6):
        club.cai.send(group, f"latest {n}")
    before = mirror.rows
    await kept(opened(), mirror)
    assert mirror.texts(group) == {
        "mended in between", *(f"group {n}" for n in range(2, 13)), *(f"missed {n}" for n in range(30)),
        *(f"latest {n}" for n in range(6)),
    }  # fmt: skip
    assert mirror.unread(group) == {*(f"missed {n}" for n in range(30)), *(f"latest {n}" for n in range(6))}
    assert mirror.rows - before == 36 + 1 + 2 + 1  # messages, the edit, the deletion of whatever it was, the room


async def test_a_connection_that_is_cut_fifty_times_leaves_nothing_out(
    club: Club, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix_talks, "RECENT", 3)
    monkeypatch.setattr(matrix_talks, "EVENTS", 5)
    club.fill()
    group = club.rooms[1]
    mirror = Kept()
    for n in range(50):
        await mirror.follow(opened(), pages=1 + n % 3)
        for m in range(4):
            club.cai.send(group, f"{n}.{m}")
    await kept(opened(), mirror)
    assert {text for text in mirror.texts(group) if "." in text} == {f"{n}.{m}" for n in range(50) for m in range(4)}
    assert len(mirror.messages(group)) == 13 + 200
    assert position(mirror.cursor).rooms[group].gaps == []


async def test_encrypted_messages_show_who_and_when(club: Club, opened: Open) -> None:
    bob = club.server.new_user("bob")
    room = bob.create_room(club.ada)
    bob.set_state(room, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    secret = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AwgA", "session_id": "s", "device_id": "d", "sender_key": "k"}
    first = bob.send(room, secret, "m.room.encrypted")
    edit = {**secret, "m.relates_to": {"rel_type": "m.replace", "event_id": first}}
    bob.send(room, edit, "m.room.encrypted")
    (message,) = (await kept(opened())).messages(room)
    assert (message.body_state, message.text, message.html) == ("ENCRYPTED", "", None)
    assert message.participants[0].address == bob.user_id


async def test_answers_files_html_and_notices_arrive(club: Club, opened: Open) -> None:
    bob = club.server.new_user("bob")
    room = bob.create_room(club.ada)
    first = bob.send(room, "Lunch?")
    quoting = f"> <{bob.user_id}> Lunch?\n\nYes"
    bob.send(room, {
        "msgtype": "m.text", "body": quoting, "format": "org.matrix.custom.html",
        "formatted_body": "<mx-reply><blockquote>Lunch?</blockquote></mx-reply><b>Yes</b>",
        "m.relates_to": {"m.in_reply_to": {"event_id": first}},
    })  # fmt: skip
    uri = bob.upload(b"bytes of a file" * 20_000, "text/plain")
    bob.send(room, {"msgtype": "m.file", "body": "menu.txt", "url": uri, "info": {"mimetype": "text/plain", "size": 300_000}})
    bob.send(room, {"msgtype": "m.notice", "body": "I am a program"})
    bob.send(room, {"msgtype": "m.emote", "body": "waves"})
    bob.send(room, {"m.relates_to": {"rel_type": "m.annotation", "event_id": first, "key": "👍"}}, "m.reaction")
    by_text = {item.text: item for item in (await kept(opened())).messages(room)}
    assert set(by_text) == {"Lunch?", "Yes", "", "I am a program", f"* {bob.user_id[1:].partition(':')[0]} waves"}
    assert by_text["Yes"].references == (first,)
    assert by_text["Yes"].html == "<b>Yes</b>"
    (file,) = by_text[""].attachments
    assert (file.name, file.media_type, file.size) == ("menu.txt", "text/plain", 300_000)
    assert by_text["I am a program"].category == "NOTIFICATION"
    adapter = opened()
    assert b"".join([piece async for piece in adapter.part(by_text[""].key, file.part)]) == b"bytes of a file" * 20_000
    for gone in ("mxc://kith.test/neverwas", "mxc://kith.test/../../v3/account", "", "https://kith.test/x"):
        with pytest.raises(Refused):
            async for _ in adapter.part("$x", gone):
                pass


async def test_people_come_with_their_pictures_and_stay_known_when_they_leave(club: Club, opened: Open) -> None:
    bob = club.server.new_user("bob")
    bob.name("Bob Ray", bob.upload(PNG, "image/png"))
    room = bob.create_room(club.ada)
    mirror = await kept(opened())
    contact = mirror.contacts[bob.user_id]
    assert contact.names[0].full == "Bob Ray"
    assert contact.handles[0].url == f"https://matrix.to/#/{bob.user_id}"
    assert contact.photo is not None and contact.photo.data is not None and contact.photo.media_type == "image/png"
    bob.name("Bob Moss")
    await kept(opened(), mirror)
    assert mirror.contacts[bob.user_id].names[0].full == "Bob Moss"
    bob.leave(room)
    await kept(opened(), mirror)
    assert mirror.contacts[bob.user_id].relation == "CORRESPONDENT"


async def test_a_room_that_is_left_keeps_what_was_said(club: Club, opened: Open) -> None:
    club.fill()
    direct, group = club.rooms
    mirror = await kept(opened())
    club.cai.send(group, "before you go")
    club.ada.leave(group)
    club.cai.send(group, "never seen")
    await kept(opened(), mirror)
    assert "before you go" in mirror.texts(group)
    assert "never seen" not in mirror.texts(group)
    assert len(mirror.messages(direct)) == 10


async def test_news_is_hinted_at_within_two_seconds(club: Club, opened: Open) -> None:
    club.fill()
    adapter = opened()
    assert isinstance(adapter, Watcher)
    assert not isinstance(adapter, Verifiable)
    async with aclosing(adapter.watch()) as hints:
        await anext(hints)
        for text in ("one", "two"):
            club.bob.send(club.rooms[0], text)
            async with asyncio.timeout(PATIENCE):  # two seconds and the load of the machine
                await anext(hints)


# --- signing in -----------------------------------------------------------------------------------------------------------


async def test_a_password_is_traded_for_tokens_that_renew_themselves(club: Club, new_session: SessionMaker) -> None:
    typed = Secret(username=club.ada.user_id, password=club.ada.password)
    signed_in = await matrix_sign_in.sign_in(new_session(club.server_url, provider="matrix", secret=typed))
    secret = signed_in.secret
    assert secret.password is None
    assert secret.refresh_token and secret.expires_at and secret.extra["device_id"]
    session = new_session(club.server_url, provider="matrix", secret=secret)
    assert (await Matrix(session).profile()).user_id == club.ada.user_id
    newer = await matrix_sign_in.renew(session, secret)
    assert newer.access_token != secret.access_token
    assert newer.extra == secret.extra
    assert (await Matrix(new_session(club.server_url, secret=newer)).profile()).label == club.ada.user_id
    with pytest.raises(ReauthRequired):  # the old refresh token died with the first use of the new tokens
        await matrix_sign_in.renew(session, secret)


async def test_a_wrong_password_asks_for_another(club: Club, new_session: SessionMaker) -> None:
    typed = Secret(username=club.ada.user_id, password="wrong")
    with pytest.raises(ReauthRequired) as refusal:
        await matrix_sign_in.sign_in(new_session(club.server_url, provider="matrix", secret=typed))
    assert "wrong" not in refusal.value.message


async def test_a_signed_out_device_has_to_be_linked_again(club: Club, opened: Open) -> None:
    club.ada.call("POST", "/v3/logout", {})
    with pytest.raises(ReauthRequired):
        await opened().profile()


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"username": "@ada:example.org"}, "https://example.org"),
        ({"username": "@ada:example.org:8448"}, "https://example.org:8448"),
        ({"username": "ada", "server": "matrix.example.org/"}, "https://matrix.example.org"),
        ({"server": "http://127.0.0.1:8008"}, "http://127.0.0.1:8008"),
        ({"server": "@ada:example.org"}, "https://example.org"),
    ],
)
def test_the_homeserver_is_found_from_what_was_typed(values: dict[str, str], found: str) -> None:
    assert matrix_sign_in.base_url(values) == found


@pytest.mark.parametrize("text", ["", "@ada", "ftp://example.org", "a b", "http://", "example.org:99999"])
def test_what_is_no_server_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        matrix_sign_in.base_url({"server": text})


# --- scripted servers -----------------------------------------------------------------------------------------------------


class Api:
    """A homeserver made of answers by path; unknown paths are 404 M_UNRECOGNIZED. Every call must say who asks, and how."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {
            "/_matrix/client/versions": {"versions": ["v1.15"]},
            "/_matrix/client/v3/account/whoami": {"user_id": "@ada:example.org"},
            "/_matrix/client/v3/sync": {"next_batch": "s1"},
            "/_matrix/client/v3/joined_rooms": {"joined_rooms": []},
            **answers,
        }
        self.calls: list[str] = []
        self.violations: list[str] = []

    def __call__(self, exchange: Exchange) -> bytes:
        parts = urlsplit(exchange.path)
        path = unquote(parts.path)
        self.calls.append(path)
        query = dict(parse_qsl(parts.query))
        open_ = path in ("/_matrix/client/versions", "/.well-known/matrix/client") or path.endswith(("/login", "/refresh"))
        if open_ == ("authorization" in exchange.headers):
            self.violations.append(f"{path}: a token where none belongs, or none")
        if "access_token" in query:
            self.violations.append(f"{path}: the token is in the address (removed in v1.11)")
        known = {
            "/_matrix/client/v3/sync": {"filter", "timeout", "since", "set_presence", "full_state"},
            "messages": {"dir", "from", "to", "limit", "filter"},
        }
        allowed = known.get(path, known["messages"] if path.endswith("/messages") else set())
        self.violations += [f"{path}: {name}" for name in query if name not in allowed and "/media/" not in path]
        answer = self.answers.get(path, http_answer(404, '{"errcode":"M_UNRECOGNIZED","error":"Unrecognized request"}'))
        if callable(answer):
            answer = answer(exchange)
        return answer if isinstance(answer, bytes) else http_answer(200, msgspec.json.encode(answer))


def refused(status: int, code: str, **more: Any) -> bytes:
    return http_answer(status, msgspec.json.encode({"errcode": code, "error": "No.", **more}))


def event(number: int, **more: Any) -> dict[str, Any]:
    return {
        "type": "m.room.message", "event_id": f"${number}", "sender": "@bob:example.org", "origin_server_ts": 1_767_225_600_000 + number,
        "content": {"msgtype": "m.text", "body": f"text {number}"}, **more,
    }  # fmt: skip


def one_room(**answers: Any) -> Api:
    """A room `!r` whose history is what the test says."""
    sync = {"next_batch": "s1", "rooms": {"join": {"!r": {"summary": {"m.joined_member_count": 2}}}}}
    api = Api(**answers)
    api.answers["/_matrix/client/v3/sync"] = lambda e: (
        sync if "since" not in dict(parse_qsl(urlsplit(e.path).query)) else {"next_batch": "s2"}
    )
    api.answers["/_matrix/client/v3/rooms/!r/joined_members"] = {"joined": {"@ada:example.org": {}, "@bob:example.org": {}}}
    api.answers["/_matrix/client/v3/joined_rooms"] = {"joined_rooms": ["!r"]}
    return api


@pytest.fixture
async def checked() -> AsyncIterator[list[Api]]:
    apis: list[Api] = []
    yield apis
    assert [fault for api in apis for fault in api.violations] == []


async def rows_of(api: Api, new_session: SessionMaker, **more: Any) -> list[Any]:
    async with scripted(api) as server:
        adapter = Matrix(new_session(server.url, secret=Secret(access_token="t"), **more))
        found = [row.item async for page in adapter.pages(None) for row in page.rows]
    assert api.violations == []
    return found


HISTORY = "/_matrix/client/v3/rooms/!r/messages"


@pytest.mark.parametrize(
    "odd",
    [
        {"content": {}},
        {"content": {"msgtype": "m.text", "body": None}},
        {"content": {"msgtype": 5, "body": ["x"], "m.relates_to": "y", "format": {}}},
        {"content": {"msgtype": "m.file", "body": "x", "url": "https://tracker.example/x", "info": "no"}},
        {"content": {"msgtype": "m.text", "body": "\u0000" * 100 + "x" * 500_000}},
        {"origin_server_ts": -1},
        {"origin_server_ts": 2**53},
        {"unsigned": {"m.relations": {"m.replace": {"event_id": "$x"}}}},
        {"content": {"msgtype": "m.text", "body": "> <@a:b> only a quote", "m.relates_to": {"m.in_reply_to": {"event_id": 5}}}},
    ],
)
async def test_an_odd_event_is_still_a_message(new_session: SessionMaker, odd: dict[str, Any]) -> None:
    api = one_room(**{HISTORY: {"start": "s1", "chunk": [event(2), event(1, **odd)]}})
    messages = [item for item in await rows_of(api, new_session) if isinstance(item, Message)]
    assert {item.key for item in messages} == {"$1", "$2"}
    assert all("\x00" not in item.text and len(item.text) <= 100_000 for item in messages)


@pytest.mark.parametrize(
    "broken",
    [None, 5, [], {}, {"type": "m.room.message"}, event(1, sender="nobody"), event(1, event_id=""), event(1, content="x")],
)
async def test_an_event_that_cannot_be_read_is_reported_and_the_others_arrive(new_session: SessionMaker, broken: Any) -> None:
    api = one_room(**{HISTORY: {"start": "s1", "chunk": [event(2), broken, event(3)]}})
    found = await rows_of(api, new_session)
    assert {item.key for item in found if isinstance(item, Message)} == {"$2", "$3"}
    assert [item.outcome for item in found if isinstance(item, Unreadable)] == ["FAILED"]


async def test_a_room_whose_history_is_closed_is_reported_and_asked_for_again(new_session: SessionMaker) -> None:
    api = one_room(**{HISTORY: refused(403, "M_FORBIDDEN")})
    async with scripted(api) as server:
        adapter = Matrix(new_session(server.url, secret=Secret(access_token="t")))
        pages = [page async for page in adapter.pages(None)]
        assert [row.item.reason for page in pages for row in page.rows if isinstance(row.item, Unreadable)] == ["FORBIDDEN"]
        assert pages[-1].done
        api.answers[HISTORY] = {"start": "s1", "chunk": [event(1)]}
        again = Matrix(new_session(server.url, secret=Secret(access_token="t")))
        rows = [row.item async for page in again.pages(pages[-1].cursor) for row in page.rows]
        assert [item.key for item in rows if isinstance(item, Message)] == ["$1"]


@pytest.mark.parametrize("code", ["M_UNKNOWN_POS", "M_UNKNOWN", "M_INVALID_PARAM"])
async def test_a_place_that_the_server_forgot_is_expired(new_session: SessionMaker, code: str) -> None:
    api = one_room(**{HISTORY: {"start": "s1", "chunk": []}})
    async with scripted(api) as server:
        cursor = (await Mirror().follow(Matrix(new_session(server.url, secret=Secret(access_token="t"))))).cursor
        api.answers["/_matrix/client/v3/sync"] = refused(400, code)
        with pytest.raises(CursorExpired):
            async for _ in Matrix(new_session(server.url, secret=Secret(access_token="t"))).pages(cursor):
                pass


async def test_a_short_limit_is_waited_out_and_a_long_one_ends_the_run(new_session: SessionMaker, clock: HandClock) -> None:
    limits = [refused(429, "M_LIMIT_EXCEEDED", retry_after_ms=2_000)]
    api = Api(**{"/_matrix/client/v3/account/whoami": lambda _: limits.pop() if limits else {"user_id": "@ada:example.org"}})
    async with scripted(api) as server:
        adapter = Matrix(new_session(server.url, secret=Secret(access_token="t"), budget=Unlimited()))
        await Mirror().follow(adapter)
        assert clock.slept == [2.0]
        limits.append(refused(429, "M_LIMIT_EXCEEDED", retry_after_ms=3_600_000))
        now = clock.now()
        with pytest.raises(RateLimited) as refusal:
            await Mirror().follow(Matrix(new_session(server.url, secret=Secret(access_token="t"), budget=Unlimited())))
        assert refusal.value.retry_at == now + timedelta(hours=1)


class Unlimited:
    """A budget that takes nobody's word."""

    def take(self, calls: int, now: datetime) -> bool:
        return True

    async def acquire(self, calls: int = 1) -> None: ...
    def release(self) -> None: ...
    def told(self, **_: Any) -> None: ...


async def test_a_soft_logout_is_answered_with_the_refresh_token(new_session: SessionMaker) -> None:
    gone = refused(401, "M_UNKNOWN_TOKEN", soft_logout=True)
    api = Api(**{
        "/_matrix/client/v3/account/whoami": lambda e: {"user_id": "@ada:example.org"}
        if e.headers["authorization"] == "Bearer new" else gone,
    })  # fmt: skip
    credentials = OpenCredentials(Secret(access_token="old", refresh_token="r"), Secret(access_token="new", refresh_token="r2"))
    async with scripted(api) as server:
        adapter = Matrix(new_session(server.url, credentials=credentials))
        assert (await adapter.profile()).user_id == "@ada:example.org"
    assert credentials.refreshes == 1


@pytest.mark.parametrize("code", ["M_USER_DEACTIVATED", "M_USER_LOCKED"])
async def test_a_closed_account_says_so(new_session: SessionMaker, code: str) -> None:
    api = Api(**{"/_matrix/client/v3/account/whoami": refused(403, code)})
    async with scripted(api) as server:
        with pytest.raises(ReauthRequired, match="closed this account"):
            await Matrix(new_session(server.url, secret=Secret(access_token="t"))).profile()


async def test_the_domain_leads_to_the_homeserver(new_session: SessionMaker) -> None:
    async with scripted(Api(**{"/_matrix/client/v3/login": {"flows": [{"type": "m.login.sso"}]}})) as home:
        api = Api(**{"/.well-known/matrix/client": {"m.homeserver": {"base_url": f"{home.url}/"}}})
        async with scripted(api) as domain:
            signed_in = await matrix_sign_in.sign_in(new_session(domain.url, secret=Secret(access_token="t")))
            assert signed_in.base_url == home.url
            with pytest.raises(Refused, match="access token"):
                await matrix_sign_in.sign_in(new_session(domain.url, secret=Secret(username="ada", password="p")))


@pytest.mark.parametrize(
    "said", [b"<html>", {"m.homeserver": {"base_url": 5}}, {"m.homeserver": None}, [], http_answer(404, "no")]
)
async def test_a_domain_that_says_nothing_useful_is_asked_itself(new_session: SessionMaker, said: Any) -> None:
    if said == b"<html>":
        said = http_answer(200, "<html>", Content_Type="text/html")
    async with scripted(Api(**{"/.well-known/matrix/client": said})) as server:
        signed_in = await matrix_sign_in.sign_in(new_session(server.url, secret=Secret(access_token="t")))
        assert signed_in.base_url == server.url


async def test_a_place_without_a_homeserver_is_named(new_session: SessionMaker) -> None:
    async with scripted(http_answer(404, "nothing here")) as server:
        with pytest.raises(Refused, match="no Matrix server"):
            await matrix_sign_in.sign_in(new_session(server.url, secret=Secret(access_token="t")))


async def test_history_that_goes_in_circles_ends(new_session: SessionMaker) -> None:
    api = one_room(**{HISTORY: {"start": "s1", "end": "s1", "chunk": [event(1)]}})
    assert [item.key for item in await rows_of(api, new_session) if isinstance(item, Message)] == ["$1"]


async def test_a_missing_field_is_no_empty_history(new_session: SessionMaker) -> None:
    api = one_room(**{HISTORY: {"start": "s1"}})
    with pytest.raises(Malformed):
        await rows_of(api, new_session)
