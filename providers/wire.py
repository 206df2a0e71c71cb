"""HTTP/1.1 calls (RFC 9112) over connections that are kept: one request, its whole answer, as little in between as is safe.

Connections are opened by the guard alone, and their number is bounded for each host and altogether; who finds none free waits in line.
Answers are parsed by httptools (llhttp, strict), bounded while they come: their head, their body as it is sent and as it is unpacked.
An answer that is not whole and clean at its end costs the connection. A kept connection that its server has closed meanwhile is
replaced once, where asking twice is asking once (RFC 9110 §9.2.2). Names are looked up at most every ten seconds, and what was judged
is what is connected to. Knows nothing of accounts, redirects, budgets or httpx's clients; its errors are httpx's.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import httptools
import httpx2 as httpx
import msgspec

from providers.addresses import Guard, Pinned
from providers.errors import Malformed
from providers.time_limit import TimeLimit

HEAD_BYTES: Final = 64 * 1024
IDLE_SECONDS: Final = 20.0  # a connection is kept; most servers keep theirs longer
PINNED_SECONDS: Final = 10.0  # what a name means is believed so long
PINNED: Final = 5_000  # names remembered
SWEEP_SECONDS: Final = 1.0
ASIDE_BYTES: Final = 128 * 1024  # compressed answers from here on are unpacked in a thread
#: RFC 9110 §8.4.1; "deflate" is zlib (RFC 1950) or, from some servers, raw (RFC 1951): told apart at the first byte.
WINDOWS: Final = {b"gzip": 16 + zlib.MAX_WBITS, b"x-gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}
REPEATABLE: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PROPFIND", "REPORT", "TRACE"})
Place = tuple[bool, str, int]  # encrypted, host, port


class TooLarge(Exception):
    """The answer is longer than it may be."""


class Answer(msgspec.Struct, frozen=True):
    """A whole answer, unpacked; Content-Encoding is not among its headers any more."""

    status: int
    headers: list[tuple[bytes, bytes]]
    content: bytes


class Wires:
    """Everybody's connections in this process. Belongs to the loop it is first used in; close with `aclose()`."""

    def __init__(self, guard: Guard, tls: Callable[[], ssl.SSLContext], *, connections: int, per_host: int) -> None:
        self._guard = guard
        self._tls = tls
        self._connections = connections
        self._per_host = per_host
        self._hosts: dict[Place, _Host] = {}
        self._pinned: dict[tuple[str, int], tuple[float, list[Pinned]]] = {}
        self._open = 0
        self._line: deque[tuple[Place, asyncio.Future[_Wire | None]]] = deque()  # who waits for any connection at all
        self._sweep: asyncio.TimerHandle | None = None

    async def ask(
        self, place: Place, method: str, request: Sequence[bytes], *, connect_seconds: float, read_seconds: float, max_bytes: int
    ) -> Answer:
        """Sends the request and reads its answer. Raises httpx's TransportError and its kinds, ForbiddenAddress, Malformed, or TooLarge."""
        while True:
            wire = await self._wire(place, connect_seconds)
            kept = wire.answers > 0
            try:
                answer = await wire.ask(request, read_seconds, max_bytes)
            except Closed as error:
                if kept and not wire.begun and method in REPEATABLE:
                    continue  # it was closed while it was kept: this one has not been heard
                raise httpx.RemoteProtocolError(str(error) or "closed in the middle of an answer") from error
            finally:
                self._back(place, wire)
            return await _unpacked(answer, max_bytes)

    async def aclose(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for host in self._hosts.values():
            for wire in (*host.free, *host.busy):
                wire.close()
        self._hosts.clear()
        self._pinned.clear()
        self._open = 0

    # --- connections ---

    async def _wire(self, place: Place, seconds: float) -> _Wire:
        host = self._hosts.get(place)
        if host is None:
            host = self._hosts[place] = _Host()
        while host.free:
            wire = host.free.pop()  # the latest: the others may fall asleep
            if wire.usable:
                host.busy.add(wire)
                return wire
            self._ended(host)
        try:
            with TimeLimit(seconds):
                while len(host.busy) + host.opening >= self._per_host or self._open >= self._connections:
                    handed = await self._turn(place, host)
                    if handed is not None:
                        if handed.usable:
                            return handed
                        self._lost(place, host, handed)  # it was closed meanwhile
                    while host.free:
                        wire = host.free.pop()
                        if wire.usable:
                            host.busy.add(wire)
                            return wire
                        self._ended(host)
                return await self._opened(place, host)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection in time") from error

    async def _turn(self, place: Place, host: _Host) -> _Wire | None:
        """Until a connection may be free: this one, when it came back to the same host. Idle ones of other hosts make room first."""
        if len(host.busy) + host.opening < self._per_host and self._make_room():
            return None
        waiter: asyncio.Future[_Wire | None] = asyncio.get_running_loop().create_future()
        entry = (place, waiter)
        line = host.line if len(host.busy) + host.opening >= self._per_host else self._line
        line.append(entry)
        try:
            return await waiter
        except BaseException:
            if not waiter.done() or waiter.cancelled():
                line.remove(entry)
            elif (handed := waiter.result()) is not None:  # woken and gone: somebody else's turn
                self._back(place, handed)
            else:
                self._next(place)
            raise

    def _make_room(self) -> bool:
        for host in self._hosts.values():
            if host.free:
                host.free.popleft().close()
                self._open -= 1
                return True
        return False

    def _next(self, place: Place) -> None:
        """Wake who waits longest for this host, else for any."""
        host = self._hosts.get(place)
        for line in (host.line, self._line) if host is not None else (self._line,):
            while line:
                _, waiter = line.popleft()
                if not waiter.done():
                    waiter.set_result(None)
                    return

    def _back(self, place: Place, wire: _Wire) -> None:
        host = self._hosts.get(place)
        if host is None:
            wire.close()
            return
        if not wire.usable:
            self._lost(place, host, wire)
            return
        line = host.line
        while line:  # it goes from hand to hand, and is never free
            _, waiter = line.popleft()
            if not waiter.done():
                waiter.set_result(wire)
                return
        host.busy.discard(wire)
        wire.since = asyncio.get_running_loop().time()
        host.free.append(wire)
        self._next(place)

    def _lost(self, place: Place, host: _Host, wire: _Wire) -> None:
        host.busy.discard(wire)
        wire.close()
        self._ended(host)
        self._next(place)

    def _ended(self, host: _Host) -> None:
        self._open -= 1

    async def _opened(self, place: Place, host: _Host) -> _Wire:
        secure, name, port = place
        loop = asyncio.get_running_loop()
        host.opening += 1
        self._open += 1
        try:
            tls = self._tls() if secure else None
            made = await self._guard.wire(lambda: _Wire(loop), await self._judged(name, port), port, tls, name)
        except BaseException as error:
            self._open -= 1
            self._next(place)
            if isinstance(error, TimeoutError) or not isinstance(error, OSError):
                raise
            raise httpx.ConnectError(str(error)) from error
        finally:
            host.opening -= 1
        host.busy.add(made)
        if self._sweep is None:
            self._sweep = loop.call_later(SWEEP_SECONDS, self._look_after)
        return made

    async def _judged(self, name: str, port: int) -> list[Pinned]:
        now = asyncio.get_running_loop().time()
        known = self._pinned.get((name, port))
        if known is not None and known[0] > now:
            return known[1]
        found = await self._guard.resolve(name, port)
        if len(self._pinned) >= PINNED:
            self._pinned.clear()
        self._pinned[name, port] = (now + PINNED_SECONDS, found)
        return found

    def _look_after(self) -> None:
        """Now and then: calls that hear nothing any more are told, connections that nobody used are closed."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for place, host in list(self._hosts.items()):
            for wire in [wire for wire in host.busy if wire.silent_at(now)]:
                wire.fail(httpx.ReadTimeout("nothing came for too long"))
            while host.free and (not host.free[0].usable or now - host.free[0].since > IDLE_SECONDS):
                host.free.popleft().close()
                self._ended(host)
            if not (host.free or host.busy or host.opening or host.line):
                del self._hosts[place]
        self._sweep = loop.call_later(SWEEP_SECONDS, self._look_after) if self._hosts else None


class _Host:
    """The connections to one place."""

    __slots__ = ("busy", "free", "line", "opening")

    def __init__(self) -> None:
        self.free: deque[_Wire] = deque()
        self.busy: set[_Wire] = set()
        self.opening = 0
        self.line: deque[tuple[Place, asyncio.Future[_Wire | None]]] = deque()


class Closed(Exception):
    """The connection ended before the answer did."""


class _Wire(asyncio.Protocol):
    """One connection: a request, its answer, the next one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._parser: Any = None
        self.answers = 0
        self.begun = False  # whether anything came of the answer that is waited for
        self.since = 0.0  # when it was given back
        self._heard = 0.0
        self._patience = 0.0

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing() and self._waiter is None

    def silent_at(self, now: float) -> bool:
        return self._waiter is not None and now - self._heard > self._patience

    async def ask(self, request: Sequence[bytes], read_seconds: float, max_bytes: int) -> Answer:
        """Raises Closed, httpx's errors, or TooLarge."""
        transport = self._transport
        if transport is None or transport.is_closing():
            self.begun = False
            raise Closed
        waiter: asyncio.Future[Answer] = self._loop.create_future()
        self._waiter = waiter
        self._heard = self._loop.time()
        self._patience = read_seconds
        self._max_bytes = max_bytes
        self._expect()
        transport.writelines(request)
        try:
            return await waiter
        except BaseException:
            self.close()
            raise
        finally:
            self._waiter = None
            self.answers += 1

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        self.close()

    def _expect(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._size = self._head = 0
        self._until_closed = self._complete = self._whole = self._keep = False
        self.begun = False

    # --- asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():  # nobody asked
            self.close()
            return
        self._heard = self._loop.time()
        self.begun = True
        if not self._complete:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.fail(httpx.RemoteProtocolError("another protocol, which was not asked for"))
            return
        except httptools.HttpParserError as error:
            if not self._whole:  # else: more than was asked for, which is not looked at
                self.fail(error.__context__ if isinstance(error.__context__, TooLarge) else httpx.RemoteProtocolError(str(error)))
                return
            self._keep = False
        if not self._complete and self._head > HEAD_BYTES:
            self.fail(httpx.RemoteProtocolError("a head without an end"))
        elif self._whole:
            self._finish(keep=self._keep)

    def eof_received(self) -> None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self._complete and self._until_closed and exc is None:  # RFC 9112 §6.3: its end is the connection's
            self._finish(keep=False)
        elif exc is not None and self.begun:
            waiter.set_exception(httpx.ReadError(str(exc)))
        else:
            waiter.set_exception(Closed(str(exc or "")))

    # --- httptools ---

    def on_message_begin(self) -> None:
        if self._whole:
            raise httpx.RemoteProtocolError("a second answer to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._parser.get_status_code() < 200:  # RFC 9110 §15.2: another head follows
            self._headers = []
            return
        self._complete = True
        self._keep = bool(self._parser.should_keep_alive())
        names = {name.lower(): value for name, value in self._headers}
        length = names.get(b"content-length", b"")
        if length.isdigit() and int(length[:18]) > self._max_bytes:
            raise TooLarge
        self._until_closed = not length and b"transfer-encoding" not in names

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > self._max_bytes:
            raise TooLarge
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._whole = self._complete

    def _finish(self, *, keep: bool) -> None:
        waiter = self._waiter
        assert waiter is not None
        content = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        waiter.set_result(Answer(self._parser.get_status_code(), self._headers, content))
        if not keep:
            self.close()


async def _unpacked(answer: Answer, max_bytes: int) -> Answer:
    encoding = next((value.strip().lower() for name, value in answer.headers if name.lower() == b"content-encoding"), b"")
    if not encoding:
        return answer
    headers = [(name, value) for name, value in answer.headers if name.lower() != b"content-encoding"]
    window = WINDOWS.get(encoding)
    if window is None and encoding != b"identity":
        raise Malformed(f"A server sent an encoding that was not asked for ({encoding[:40].decode('latin-1')}).")
    if window is None or not answer.content:  # an empty body needs no compression
        return Answer(answer.status, headers, answer.content)
    try:
        if len(answer.content) < ASIDE_BYTES:
            content = _inflated(answer.content, window, max_bytes)
        else:
            content = await asyncio.to_thread(_inflated, answer.content, window, max_bytes)
    except zlib.error as error:
        raise httpx.DecodingError("compressed body is broken") from error
    return Answer(answer.status, headers, content)


def _inflated(packed: bytes, window: int, max_bytes: int) -> bytes:
    """Never more than `max_bytes` in memory, however small a bomb is. Raises zlib.error, also for what was cut, or TooLarge."""
    if window == zlib.MAX_WBITS and packed[0] & 0x0F != 8:  # RFC 1950 §2.2: CM = 8
        window = -zlib.MAX_WBITS
    inflater = zlib.decompressobj(window)
    found = inflater.decompress(packed, max_bytes + 1)
    if len(found) > max_bytes:
        raise TooLarge
    if not inflater.eof:
        raise zlib.error("incomplete")
    return found
