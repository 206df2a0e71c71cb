"""The conformance kit: what every adapter does, whatever its network does.

A test module binds a `Rig` (a real server, with one account and a way to change what it holds) and subclasses
`AdapterContract`; a fault-injecting proxy stands between the adapter and the server. `Mirror` keeps what an ingest would keep,
so that the assertions are about what a user would have in the end: everything, nothing twice, nothing that is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from asyncio import selector_events
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, Protocol, Self, cast
from urllib.parse import urlsplit

import msgspec
import pytest

from providers.addresses import Guard
from providers.base import Adapter, LiveAdapter, Provider, Verifiable
from providers.errors import CursorExpired, ForbiddenAddress, Malformed, ProviderError, RateLimited, ReauthRequired, Unavailable
from providers.http import Transport
from providers.records import (
    Activity,
    Contact,
    ConversationHead,
    Gone,
    Message,
    MessageState,
    Page,
    Reacted,
    Row,
    Statement,
    Undelivered,
    Unreadable,
    Voided,
)
from providers.session import Secret
from tests.ports import free_port
from tests.providers.conftest import NOON, Exchange, HandClock, SessionMaker, http_answer

Item = Any  # Contact or Message
Tamper = Callable[[Exchange, bytes], "bytes | Awaitable[bytes | None] | None"]


class Proxy:
    """Stands before a real server. `tamper` gets each request and the real answer, and gives what the adapter will see.

    None cuts the connection. `seen` are the requests in order. With `replays`, which it fills, a server that nobody changes is asked
    each thing once: the same request gets the same answer again.
    """

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self.port = 0
        self.seen: list[Exchange] = []
        self.tamper: Tamper | None = None
        self.replays: dict[bytes, bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:]) if name}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            method, path, _ = lines[0].split(" ", 2)
            exchange = Exchange(method, path, headers, body)
            self.seen.append(exchange)
            real = await self._answer(head, body)
            answer: bytes | None = real
            if self.tamper is not None:
                said = self.tamper(exchange, real)
                answer = await said if isinstance(said, Awaitable) else said
            if answer is not None:
                writer.write(answer)
                await writer.drain()
        writer.close()

    async def _answer(self, head: bytes, body: bytes) -> bytes:
        if self.replays is None:
            return await self._ask(head, body)
        asked = b"\r\n".join(line for line in head.split(b"\r\n") if not line.lower().startswith(b"host:")) + body
        if asked not in self.replays:
            self.replays[asked] = await self._ask(head, body)
        return self.replays[asked]

    async def _ask(self, head: bytes, body: bytes) -> bytes:
        """The real answer. One request a connection, without compression, so that tampering is simple."""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        lines = [line for line in head.split(b"\r\n")[:-2] if not line.lower().startswith((b"connection:", b"accept-encoding:"))]
        writer.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body)
        answer = await reader.read()
        writer.close()
        return answer.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


@asynccontextmanager
async def proxied(upstream: str) -> AsyncIterator[Proxy]:
    """A running `Proxy`."""
    proxy = Proxy(upstream)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", free_port())
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()


class Rig(Protocol):
    """One account at a real server. `path` is what follows the server's address in the account's base URL.

    What is said of contacts here is said of messages where the account holds those.
    """

    provider: Provider
    server_url: str
    path: str
    secret: Secret

    def fill(self) -> None:
        """Puts at least 23 contacts there; pages are small enough for several."""
        ...

    def names(self) -> set[str]:
        """Something to tell the contacts apart by that `name_of` finds again, asked of the server by another client."""
        ...

    def name_of(self, contact: Item) -> str: ...

    def remove(self) -> str:
        """Removes one contact at the server; its name."""
        ...

    def foreign_cursor(self, cursor: bytes) -> bytes:
        """`cursor` changed to one that this server never gave out, in the adapter's own form."""
        ...


class Mirror:
    """What an ingest keeps of an account's pages: contacts, or messages."""

    def __init__(self) -> None:
        self.contacts: dict[str, Item] = {}
        self.stated: dict[str, Statement] = {}
        self.cursor: bytes | None = None
        self.rows = 0
        self.deleted: list[str] = []
        self.done = False

    def take(self, page: Page) -> None:
        for row in page.rows:
            self.rows += 1
            self._take(row)
        for statement in page.statements:
            self._settle(statement)
        self.cursor = page.cursor
        self.done = page.done

    def _take(self, row: Row) -> None:
        match row.item:
            case Message(key=key, deleted_at=at) if at is not None:  # its place, with nothing in it
                self._delete(key)
            case Contact() | Message() as item:
                self.contacts[item.key] = item
            case MessageState() as state:
                if (known := self.contacts.get(state.key)) is not None:
                    labels = known.labels if state.labels is None else state.labels
                    told = {name: getattr(state, name) for name in ("unread", "flagged", "answered", "draft")}
                    container = state.container or known.container
                    self.contacts[state.key] = msgspec.structs.replace(known, container=container, labels=labels, **told)
            case Gone(key=key):
                self._delete(key)
            case Voided(container=container, prefix=prefix):
                for key in self.held(container):
                    if key.startswith(prefix):
                        self._delete(key)
            case Unreadable(message=message):
                assert message
            case ConversationHead(key=key) | Activity(key=key) | Reacted(message=key) | Undelivered(key=key):
                assert key
            case other:
                raise AssertionError(other)

    def _settle(self, statement: Statement) -> None:
        self.stated[statement.container] = statement
        if statement.keys is not None:
            for key in self.held(statement.container) - statement.keys:
                self._delete(key)

    def held(self, container: str) -> set[str]:
        """The keys that are kept of a container."""
        return {key for key, item in self.contacts.items() if item.container == container}

    @property
    def gaps(self) -> set[str]:
        """Containers of which less is kept than their source says that they hold."""
        return {name for name, said in self.stated.items() if said.expected and len(self.held(name)) < said.expected}

    def _delete(self, key: str) -> None:
        if self.contacts.pop(key, None) is not None:
            self.deleted.append(key)

    async def follow(self, adapter: Adapter, *, pages: int | None = None) -> Self:
        """One run, from the stored cursor; from the beginning when that has expired."""
        self.done = False
        try:
            await self._follow(adapter, pages)
        except CursorExpired:
            self.cursor = None
            await self._follow(adapter, pages)
        if self.done and isinstance(adapter, Verifiable) and self.gaps:
            await self.verify(adapter)
        return self

    async def verify(self, adapter: Verifiable) -> None:
        """Compares ids and asks for what is missing, as a sync does where the ledger has a gap."""
        async for statement in adapter.listing():
            missing = sorted((statement.keys or frozenset()) - self.held(statement.container))
            if missing:
                async for page in adapter.fetch(statement.container, missing):
                    for row in page.rows:
                        self.rows += 1
                        self._take(row)
            self._settle(statement)

    async def _follow(self, adapter: Adapter, pages: int | None) -> None:
        stream = adapter.pages(self.cursor)
        count = 0
        async for page in stream:
            self.take(page)
            count += 1
            if count == pages:
                await cast(Any, stream).aclose()
                return


class Run:
    """What a run gave, and the cursor that was stored with its last page."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.cursor: bytes | None = None

    def all(self, kind: type[Any]) -> list[Any]:
        return [item for item in self.rows if isinstance(item, kind)]


async def run(adapter: Adapter, cursor: bytes | None = None) -> Run:
    """One run from a cursor to its end."""
    found = Run()
    async for page in adapter.pages(cursor):
        found.rows += [row.item for row in page.rows]
        found.cursor = page.cursor
    return found


Open = Callable[..., Adapter]


async def _hang(_: float) -> bytes | None:
    await asyncio.sleep(20)
    return None


def _cut(_: Exchange, answer: bytes) -> bytes:
    return answer[: max(20, len(answer) * 2 // 3)]


LOGIN_PAGE = http_answer(200, "<!DOCTYPE html><title>Sign in</title>", Content_Type="text/html", Connection="close")
#: What a network may do to any single answer.
FAULTS: dict[str, Tamper] = {
    "401": lambda *_: http_answer(401, "{}", Connection="close"),
    "403": lambda *_: http_answer(403, "{}", Connection="close"),
    "404": lambda *_: http_answer(404, "{}", Connection="close"),
    "429": lambda *_: http_answer(429, "{}", Retry_After="120", Connection="close"),
    "500": lambda *_: http_answer(500, "oh", Connection="close"),
    "503 without end": lambda *_: http_answer(503, "oh", Retry_After="99999999", Connection="close"),
    "cut": _cut,
    "cut at once": lambda *_: None,
    "login page": lambda *_: LOGIN_PAGE,
    "empty 200": lambda *_: http_answer(200, "", Connection="close"),
    "empty 207": lambda *_: http_answer(207, '<multistatus xmlns="DAV:"/>', Content_Type="text/xml", Connection="close"),
    "empty object": lambda *_: http_answer(200, "{}", Content_Type="application/json", Connection="close"),
    "null": lambda *_: http_answer(200, "null", Content_Type="application/json", Connection="close"),
    "rubbish": lambda *_: http_answer(200, bytes(range(256)), Connection="close"),
    "rubbish 207": lambda *_: http_answer(207, "<a><b>", Content_Type="text/xml", Connection="close"),
    "no http": lambda *_: b"220 ftp ready\r\n",
    "204": lambda *_: b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    "304": lambda *_: http_answer(304, Connection="close"),
    "redirect to itself": lambda exchange, _: http_answer(302, Location=exchange.path, Connection="close"),
    "redirect inside": lambda *_: http_answer(302, Location="http://169.254.169.254/", Connection="close"),
    "entities": lambda *_: http_answer(
        207,
        '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><multistatus xmlns="DAV:">&b;</multistatus>',
        Connection="close",
    ),
    "deep": lambda *_: http_answer(200, "[" * 200_000, Content_Type="application/json", Connection="close"),
}
#: Faults after which nothing may be believed of that answer, so that nothing may be deleted on its word.
HARMLESS_EVEN_ALONE = frozenset(FAULTS) - {"404"}


@dataclass(frozen=True)
class Scene:
    """An account of which something was removed: as it was mirrored before, what is there now, and the requests worth breaking."""

    rig: Rig
    whole: Mirror
    before: dict[str, str]
    removed: str
    there: set[str]
    first_run: list[int]
    later_run: list[int]
    answers: dict[bytes, bytes] = field(default_factory=dict)


_scenes: dict[type[AdapterContract], Scene] = {}


class AdapterContract:
    """Subclass with a `rig` fixture; every test here is about any adapter.

    `lasting`: the rig's server outlives a test, and its answers name no address of their own. `least`: what a run asks, at the least.
    """

    lasting: ClassVar[bool] = False
    least: ClassVar[int] = 4

    def kind_of(self, exchange: Exchange) -> str:
        """What makes requests differ in kind besides their methods and bodies: of each kind one is broken."""
        return exchange.path.partition("?")[0]

    @pytest.fixture
    async def proxy(self, rig: Rig) -> AsyncIterator[Proxy]:
        async with proxied(rig.server_url) as proxy:
            yield proxy

    @pytest.fixture
    def opened(self, rig: Rig, proxy: Proxy, new_session: SessionMaker) -> Open:
        """Opens the rig's account through the proxy."""

        def open_(at: Rig = rig, **more: Any) -> Adapter:
            assert rig.provider.open is not None
            more.setdefault("secret", at.secret)
            more.setdefault("user_id", "linked before")
            session = new_session(proxy.url + at.path, provider=rig.provider.key, quota=rig.provider.quota, **more)
            return rig.provider.open(session)

        return open_

    async def test_the_profile_names_the_account_the_same_way_each_time(self, opened: Open) -> None:
        first = await opened(user_id=None).profile()
        second = await opened(user_id=first.user_id).profile()
        assert first.user_id == second.user_id != ""
        assert first.label

    async def test_an_empty_account_is_a_complete_run_without_contacts(self, opened: Open) -> None:
        mirror = await Mirror().follow(opened())
        assert mirror.contacts == {}
        assert mirror.done
        assert mirror.cursor is not None

    async def test_everything_arrives_once_over_several_pages(self, rig: Rig, opened: Open) -> None:
        rig.fill()
        pages = [page async for page in opened().pages(None)]
        contacts = [row.item for page in pages for row in page.rows if isinstance(row.item, Contact | Message)]
        assert {rig.name_of(contact) for contact in contacts} == rig.names()
        assert len(contacts) == len({contact.key for contact in contacts}) == len(rig.names())
        assert sum(1 for page in pages if page.rows) > 1
        assert [page.done for page in pages] == [False] * (len(pages) - 1) + [True]
        stated = [statement for page in pages for statement in page.statements]
        assert sum(statement.expected or 0 for statement in stated) == len(contacts)
        for contact in contacts:
            assert contact.container in {statement.container for statement in stated}

    async def test_a_run_can_be_taken_up_after_every_page(self, rig: Rig, opened: Open) -> None:
        rig.fill()
        mirror = Mirror()
        for _ in range(60):
            await mirror.follow(opened(), pages=1)
            if mirror.done:
                break
        assert mirror.done
        assert {rig.name_of(contact) for contact in mirror.contacts.values()} == rig.names()
        assert mirror.deleted == []

    async def test_a_second_run_changes_nothing(self, rig: Rig, opened: Open) -> None:
        rig.fill()
        mirror = await Mirror().follow(opened())
        before = dict(mirror.contacts)
        mirror.rows = 0
        await mirror.follow(opened())
        assert mirror.contacts == before
        assert mirror.deleted == []
        if "DELTA" in rig.provider.capabilities:
            assert mirror.rows == 0

    async def test_what_is_deleted_at_the_source_is_gone_after_the_next_run(self, rig: Rig, opened: Open) -> None:
        rig.fill()
        mirror = await Mirror().follow(opened())
        removed = rig.remove()
        await mirror.follow(opened())
        assert {rig.name_of(contact) for contact in mirror.contacts.values()} == rig.names()
        assert removed not in {rig.name_of(contact) for contact in mirror.contacts.values()}
        assert len(mirror.deleted) == 1

    async def test_a_cursor_the_server_does_not_know_ends_in_everything_without_what_is_gone(
        self, rig: Rig, opened: Open
    ) -> None:
        rig.fill()
        mirror = await Mirror().follow(opened())
        rig.remove()
        mirror.cursor = rig.foreign_cursor(mirror.cursor or b"")
        await _recovered(mirror, rig, opened)
        assert {rig.name_of(contact) for contact in mirror.contacts.values()} == rig.names()

    @pytest.mark.parametrize(
        "cursor", [b"", b"\x00\xff", b"[]", b"{", b'{"version":99}', b'{"books":5,"walk":7}', b"[" * 100_000]
    )
    async def test_a_cursor_that_is_none_of_ours_is_expired(self, rig: Rig, opened: Open, cursor: bytes) -> None:
        with pytest.raises(CursorExpired):
            async for _ in opened().pages(cursor):
                pass

    async def test_a_wrong_secret_asks_for_a_new_sign_in(self, rig: Rig, opened: Open, proxy: Proxy) -> None:
        proxy.tamper = FAULTS["401"]
        with pytest.raises(ReauthRequired):
            await opened().profile()
        with pytest.raises(ReauthRequired):
            await Mirror().follow(opened())

    async def test_a_rate_limit_says_when_to_come_back(self, opened: Open, proxy: Proxy) -> None:
        proxy.tamper = FAULTS["429"]
        with pytest.raises(RateLimited) as refusal:
            await Mirror().follow(opened())
        assert refusal.value.retry_at == NOON + timedelta(minutes=2)

    async def test_a_server_in_trouble_is_unavailable(self, opened: Open, proxy: Proxy) -> None:
        proxy.tamper = FAULTS["500"]
        with pytest.raises(Unavailable):
            await opened().profile()
        with pytest.raises(Unavailable):
            await Mirror().follow(opened())

    async def test_a_slow_server_is_unavailable_by_the_deadline(self, opened: Open, proxy: Proxy) -> None:
        proxy.tamper = lambda *_: _hang(20)
        deadline = (NOON + timedelta(seconds=0.2)).timestamp()
        with pytest.raises(Unavailable):
            await opened(interactive=True, deadline=deadline).profile()

    async def test_an_endless_answer_is_cut_off(
        self, opened: Open, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, rig: Rig
    ) -> None:
        rig.fill()
        monkeypatch.setattr("providers.http.MAX_BYTES", 100_000)
        proxy.tamper = lambda *_: b"HTTP/1.1 207 x\r\nConnection: close\r\nContent-Type: text/xml\r\n\r\n" + b"<a>" * 12_000_000
        with pytest.raises((Malformed, Unavailable)):
            await opened().profile()

    @pytest.mark.parametrize("fault", FAULTS)
    async def test_a_bad_answer_loses_nothing_and_deletes_nothing(
        self, rig: Rig, opened: Open, proxy: Proxy, clock: HandClock, fault: str
    ) -> None:
        """Each request in turn goes wrong: once in a first run, once while everything is listed again on top of what is
        there, and from there on in a later run that has a change to fetch.

        A run ends as usual or in a named error, and the next run makes it good.
        """
        scene = await self._scene(rig, opened, proxy)
        again = partial(opened, at=scene.rig)
        proxy.replays = scene.answers  # what is broken is the way, not what the server says
        for bad, mirror, to_the_end in [
            *((bad, Mirror(), False) for bad in scene.first_run),
            *((bad, _copy(scene.whole, cursor=None), False) for bad in scene.first_run),
            *((bad, _copy(scene.whole, cursor=scene.whole.cursor), True) for bad in scene.later_run),
        ]:
            proxy.seen.clear()
            proxy.tamper = _from(proxy, bad, FAULTS[fault], to_the_end=to_the_end)
            with contextlib.suppress(ProviderError):
                await mirror.follow(again())
            if fault in HARMLESS_EVEN_ALONE:
                assert {scene.before[key] for key in mirror.deleted} <= {scene.removed}, f"request {bad}"
            proxy.tamper = None
            clock.time += timedelta(days=2)
            await _recovered(mirror, scene.rig, again)
            assert {scene.rig.name_of(contact) for contact in mirror.contacts.values()} == scene.there, f"request {bad}"

    async def _scene(self, rig: Rig, opened: Open, proxy: Proxy) -> Scene:
        """The account that faults are tried on; one for all of them at a server that stays."""
        kind = type(self)
        if kind in _scenes:
            return _scenes[kind]
        rig.fill()
        whole = await Mirror().follow(opened())
        first_run = _different(proxy.seen, self.kind_of)
        before = {key: rig.name_of(contact) for key, contact in whole.contacts.items()}
        removed = rig.remove()
        proxy.seen.clear()
        await _copy(whole, cursor=whole.cursor).follow(opened())
        later_run = _different(proxy.seen, self.kind_of)
        assert len(first_run) >= self.least
        assert len(later_run) >= self.least
        scene = Scene(rig, whole, before, removed, rig.names(), first_run, later_run)
        if self.lasting:
            _scenes[kind] = scene
        return scene

    async def test_no_socket_is_opened_past_the_guard(
        self, rig: Rig, opened: Open, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rig.fill()
        judged: set[tuple[str, int]] = set()
        connected: set[tuple[str, int]] = set()

        class Watched(Guard):
            def open(self, family: int, address: tuple[Any, ...]) -> socket.socket:
                judged.add((address[0], address[1]))
                return super().open(family, address)

        loop_connect = selector_events.BaseSelectorEventLoop.sock_connect
        plain_connect = socket.socket.connect
        upstream = urlsplit(rig.server_url).port

        def note(address: Any) -> None:
            if isinstance(address, tuple) and address[1] != upstream:  # the proxy's own way to the real server
                connected.add((address[0], address[1]))
                assert (address[0], address[1]) in judged, f"a socket went to {address} without being judged"

        async def sock_connect(self: Any, sock: socket.socket, address: Any) -> None:
            note(address)
            await loop_connect(self, sock, address)

        def connect(self: socket.socket, address: Any) -> None:
            note(address)
            plain_connect(self, address)

        monkeypatch.setattr(selector_events.BaseSelectorEventLoop, "sock_connect", sock_connect)
        monkeypatch.setattr(socket.socket, "connect", connect)
        transport = Transport(Watched(["127.0.0.0/8:*"]))
        adapter = opened(transport=transport)
        await adapter.profile()
        await Mirror().follow(adapter)
        if rig.provider.mode == "LIVE":
            for head in (await cast(LiveAdapter, adapter).heads(None, 5)).items:
                await cast(LiveAdapter, adapter).messages(head.key)
        await transport.aclose()
        assert connected == {("127.0.0.1", proxy.port)}

    async def test_a_private_server_is_not_reached_unless_it_is_allowed(self, opened: Open, proxy: Proxy) -> None:
        transport = Transport(Guard())
        with pytest.raises(ForbiddenAddress):
            await opened(transport=transport).profile()
        with pytest.raises(ForbiddenAddress):
            await Mirror().follow(opened(transport=transport))
        await transport.aclose()
        assert proxy.seen == []

    async def test_secrets_do_not_show(self, rig: Rig, opened: Open, proxy: Proxy) -> None:
        for fault in ("401", "403", "500", "login page"):
            proxy.tamper = FAULTS[fault]
            with pytest.raises(ProviderError) as refusal:
                await opened().profile()
            for word in (rig.secret.password, rig.secret.access_token):
                assert not word or word not in refusal.value.message


def _copy(mirror: Mirror, *, cursor: bytes | None) -> Mirror:
    copy = Mirror()
    copy.contacts, copy.cursor, copy.stated = dict(mirror.contacts), cursor, dict(mirror.stated)
    return copy


async def _recovered(mirror: Mirror, rig: Rig, opened: Open) -> None:
    """The run after a broken one. Where the network lists no changes, what is gone shows in the first whole walk after it."""
    await mirror.follow(opened())
    if "DELTA" not in rig.provider.capabilities and {rig.name_of(each) for each in mirror.contacts.values()} != rig.names():
        await mirror.follow(opened())


def _different(seen: list[Exchange], kind_of: Callable[[Exchange], str]) -> list[int]:
    """The positions of requests worth breaking: the first of each kind."""
    kinds: dict[tuple[str, str, bytes], int] = {}
    for index, exchange in enumerate(seen):
        kinds.setdefault((exchange.method, kind_of(exchange), exchange.body[:220]), index)
    return sorted(kinds.values())


def _from(proxy: Proxy, bad: int, fault: Tamper, *, to_the_end: bool) -> Tamper:
    """`fault` for the request at this position, or for it and all later ones."""

    def tamper(exchange: Exchange, answer: bytes) -> Any:
        position = len(proxy.seen) - 1
        return fault(exchange, answer) if position == bad or (to_the_end and position > bad) else answer

    return tamper
