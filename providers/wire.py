"""HTTP/1.1 calls (RFC 9112) over connections that are kept: one request, its whole answer, as little in between as is safe.

Connections are opened by the guard alone. Their number is bounded for each host and altogether, such that hosts which hang never have them
all; who finds none free waits in line, and is sent by the connection that comes free, in the turn of the event loop in which that has its
answer: whoever asked is woken once, by the answer. Answers are parsed by httptools (llhttp,
strict), bounded while they come: their head, their body as it is sent and as it is unpacked. An answer that is not whole and clean at its
end costs the connection. A kept connection that its server has closed meanwhile is replaced once, where asking twice is asking once (RFC 9110
§9.2.2). Names are looked up at most every ten seconds, and what was judged is what is connected to. Knows nothing of accounts,
redirects, budgets or httpx's clients; its errors are httpx's.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections import deque
from collections.abc import Callable
from functools import cached_property
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
#: An answer comes in at most so many pieces, and one more for so many bytes that it may have: each costs a turn of the loop's thread, whatever
#: it holds, and a page that is sent byte by byte would cost everybody seconds. Servers that write every line at once send far fewer.
FEW_PIECES: Final = 1_000
PIECE_BYTES: Final = 512
ASIDE_BYTES: Final = 128 * 1024  # compressed answers from here on are unpacked in a thread
#: RFC 9110 §8.4.1; "deflate" is zlib (RFC 1950) or, from some servers, raw (RFC 1951): told apart at the first byte.
WINDOWS: Final = {b"gzip": 16 + zlib.MAX_WBITS, b"x-gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}
REPEATABLE: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PROPFIND", "REPORT", "TRACE"})
Place = tuple[bool, str, int]  # encrypted, host, port


class _Notes(dict[bytes, int]):
    """What a header is to us, by its name as servers spell it: looked at once, since most answers have the names of the last one."""

    def __missing__(self, name: bytes) -> int:
        lower = name.lower()
        note = _NOTED.get(lower, _RATE if b"ratelimit" in lower else 0)
        if len(self) < NOTES:
            self[name] = note
        return note


_LENGTH, _CODING, _ENCODING, _RATE = 1, 2, 3, 4
_NOTED: Final = {b"content-length": _LENGTH, b"transfer-encoding": _CODING, b"content-encoding": _ENCODING}
NOTES: Final = 1_000  # names remembered
_notes: Final = _Notes()


class TooLarge(Exception):
    """The answer is longer than it may be."""


class Answer(msgspec.Struct, frozen=True):
    """A whole answer, unpacked; Content-Encoding is not among its headers any more. `rated`: one of these tells of a rate limit."""

    status: int
    headers: list[tuple[bytes, bytes]]
    content: bytes
    rated: bool = False


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
        self._line: deque[_Call] = deque()  # who waits for any connection at all
        self._sweep: asyncio.TimerHandle | None = None

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    async def ask(
        self, place: Place, method: str, request: bytes, *, connect_seconds: float, read_seconds: float, max_bytes: int
    ) -> Answer:
        """Sends the request and reads its answer. Raises httpx's TransportError and its kinds, ForbiddenAddress, Malformed, or TooLarge."""
        loop = self._loop
        call = _Call(
            place=place, request=request, answer=loop.create_future(), since=loop.time(), repeatable=method in REPEATABLE,
            connect_seconds=connect_seconds, read_seconds=read_seconds, max_bytes=max_bytes,
        )  # fmt: skip
        self._send(call)
        try:
            answer, encoding = await call.answer
        except asyncio.CancelledError:
            self._given_up(call)
            raise
        return answer if encoding is None else await _unpacked(answer, encoding, max_bytes)

    async def aclose(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        hosts, self._hosts = self._hosts, {}
        for host in hosts.values():
            for opener in list(host.openers):
                opener.cancel()
            for wire in (*host.free, *host.busy):
                wire.close()
            for call in host.line:
                call.fail(httpx.ConnectError("closed"))
        self._pinned.clear()
        self._line.clear()
        self._open = 0
        self.__dict__.pop("_loop", None)  # another may be the next

    # --- calls ---

    def _send(self, call: _Call) -> None:
        """By a connection that is free, else by the next that comes free; one more is opened where there may be one more."""
        host = self._hosts.get(call.place)
        if host is None:
            host = self._hosts[call.place] = _Host()
        while host.free:
            wire = host.free.pop()  # the latest: the others may fall asleep
            if wire.usable:
                host.busy.add(wire)
                wire.send(call)
                return
            self._open -= 1
        host.line.append(call)
        self._more(call.place, host)

    def _more(self, place: Place, host: _Host) -> None:
        """Open a connection where somebody waits for one that nobody opens yet, and there may be one."""
        if self._sweep is None:
            self._sweep = self._loop.call_later(SWEEP_SECONDS, self._look_after)
        mine = len(host.busy) + len(host.openers)
        if mine >= self._per_host or (mine and mine >= self._left(mine)):
            return
        call = next((call for call in host.line if call.opener is None), None)
        if call is None:
            return
        if self._open >= self._connections and not self._make_room():
            if not call.listed:
                call.listed = True
                self._line.append(call)
            return
        self._open += 1
        call.opener = opener = self._loop.create_task(self._opened(place, host, call))
        host.openers.add(opener)

    def _left(self, enough: int) -> int:
        """Connections that nobody uses now, those among them that are kept; not counted out where there are more than enough.

        A host has no more than it leaves to all others: however many hang, the next one finds some (the dynamic thresholds of Choudhury and
        Hahne, 1998, by which queues share a memory).
        """
        left = self._connections - self._open
        return left if left > enough else left + sum(len(host.free) for host in self._hosts.values())

    def _make_room(self) -> bool:
        """Close a connection that nobody uses."""
        for host in self._hosts.values():
            while host.free:
                wire = host.free.popleft()
                wire.close()
                self._open -= 1
                return True
        return False

    def _room(self) -> None:
        """A connection is gone: whoever waits longest for any may open one."""
        while self._line:
            call = self._line.popleft()
            call.listed = False
            host = self._hosts.get(call.place)
            if host is not None and call.opener is None and call in host.line:
                self._more(call.place, host)
                return

    def _given_up(self, call: _Call) -> None:
        """Whoever asked does not wait any more."""
        host = self._hosts.get(call.place)
        if call.wire is not None:
            call.wire.leave(call)
        elif host is not None:
            if call in host.line:
                host.line.remove(call)
            if call.opener is not None and not host.line:
                call.opener.cancel()

    def back(self, place: Place, wire: _Wire) -> None:
        """A connection has its answer, or has ended."""
        host = self._hosts.get(place)
        if host is None:
            wire.close()
        elif not wire.usable:
            self._lost(place, host, wire)
        else:
            self._free(host, wire)

    def _free(self, host: _Host, wire: _Wire) -> None:
        """To who waits longest for this host: it goes from hand to hand, and is never free."""
        while host.line:
            call = host.line.popleft()
            if not call.answer.done():
                wire.send(call)
                return
        host.busy.discard(wire)
        wire.since = self._loop.time()
        host.free.append(wire)
        if self._line and self._make_room():
            self._room()

    def _lost(self, place: Place, host: _Host, wire: _Wire) -> None:
        if wire not in host.busy:
            return
        host.busy.discard(wire)
        wire.close()
        self._open -= 1
        self._more(place, host)
        self._room()

    def again(self, call: _Call) -> None:
        """The connection had been closed while it was kept: this call has not been heard."""
        call.wire = None
        call.since = self._loop.time()
        self._send(call)

    # --- connections ---

    async def _opened(self, place: Place, host: _Host, call: _Call) -> None:
        """Open one, for this call or whoever is first when it is there; where it fails, this call fails, if it still waits."""
        secure, name, port = place
        loop = self._loop
        made: _Wire | None = None
        try:
            with TimeLimit(call.since + call.connect_seconds - loop.time()):
                tls = self._tls() if secure else None
                made = await self._guard.wire(lambda: _Wire(loop, self, place), await self._judged(name, port), port, tls, name)
        except Exception as error:
            if call in host.line:  # else another connection took it
                host.line.remove(call)
                call.fail(_named(error))
        finally:
            host.openers.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            call.opener = None
            if self._hosts.get(place) is not host:
                if made is not None:
                    made.close()
            elif made is None:
                self._open -= 1
                self._more(place, host)
                self._room()
            else:
                host.busy.add(made)
                self._free(host, made)

    async def _judged(self, name: str, port: int) -> list[Pinned]:
        now = self._loop.time()
        known = self._pinned.get((name, port))
        if known is not None and known[0] > now:
            return known[1]
        found = await self._guard.resolve(name, port)
        if len(self._pinned) >= PINNED:
            self._pinned.clear()
        self._pinned[name, port] = (now + PINNED_SECONDS, found)
        return found

    def _look_after(self) -> None:
        """Now and then: calls that hear nothing any more are told, and who has waited too long for a connection; what nobody used is closed."""
        loop = self._loop
        now = loop.time()
        for place, host in list(self._hosts.items()):
            for wire in [wire for wire in host.busy if wire.silent_at(now)]:
                wire.fail(httpx.ReadTimeout("nothing came for too long"))
            for call in [call for call in host.line if call.opener is None and now - call.since > call.connect_seconds]:
                host.line.remove(call)
                call.fail(httpx.ConnectTimeout("no connection in time"))
            while host.free and (not host.free[0].usable or now - host.free[0].since > IDLE_SECONDS):
                host.free.popleft().close()
                self._open -= 1
            if host.line:  # others may have left it some since
                self._more(place, host)
            if not (host.free or host.busy or host.openers or host.line):
                del self._hosts[place]
        self._sweep = loop.call_later(SWEEP_SECONDS, self._look_after) if self._hosts else None


def _named(error: Exception) -> Exception:
    """What connecting ended with, by httpx's names."""
    if isinstance(error, TimeoutError):
        return httpx.ConnectTimeout("no connection in time")
    if not isinstance(error, OSError):
        return error
    named = httpx.ConnectError(str(error))
    named.__cause__ = error
    return named


class _Host:
    """The connections to one place, and who waits for one."""

    __slots__ = ("busy", "free", "line", "openers")

    def __init__(self) -> None:
        self.free: deque[_Wire] = deque()
        self.busy: set[_Wire] = set()
        self.openers: set[asyncio.Task[None]] = set()
        self.line: deque[_Call] = deque()


class _Call(msgspec.Struct, eq=False, kw_only=True):
    """A request on its way to its answer."""

    place: Place
    request: bytes
    answer: asyncio.Future[tuple[Answer, bytes | None]]  # and its Content-Encoding
    since: float
    repeatable: bool
    connect_seconds: float
    read_seconds: float
    max_bytes: int
    wire: _Wire | None = None  # by which it was sent
    opener: asyncio.Task[None] | None = None  # which opens a connection for it
    listed: bool = False  # whether it stands in the line for any connection at all

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class _Wire(asyncio.Protocol):
    """One connection: a request, its answer, the next one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wires: Wires, place: Place) -> None:
        self._loop = loop
        self._wires = wires
        self._place = place
        self._transport: asyncio.Transport | None = None
        self._call: _Call | None = None
        self._parser: Any = None
        self._kept = False  # whether an answer came by it
        self._begun = False  # whether anything came of the answer that is waited for
        self.since = 0.0  # when it became free
        self._heard = 0.0

    @property
    def usable(self) -> bool:
        return self._call is None and self._transport is not None and not self._transport.is_closing()

    def silent_at(self, now: float) -> bool:
        return self._call is not None and now - self._heard > self._call.read_seconds

    def send(self, call: _Call) -> None:
        """Ask, on a connection that is usable."""
        assert self._transport is not None
        self._call = call
        call.wire = self
        self._heard = self._loop.time()
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._encoding: bytes | None = None
        self._pieces: list[bytes] = []
        self._size = self._came = 0
        self._most = call.max_bytes
        self._most_pieces = FEW_PIECES + call.max_bytes // PIECE_BYTES
        self._framed = self._complete = self._whole = self._keep = self._begun = self._rated = False
        self._transport.write(call.request)

    def leave(self, call: _Call) -> None:
        """This call is not waited for: what would come would be the next one's, so the connection ends."""
        if self._call is call:
            self.close()
            self._wires.back(self._place, self)

    def close(self) -> None:
        self._call = None
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def fail(self, error: Exception) -> None:
        """The call ends so, and the connection with it."""
        call = self._call
        self.close()
        if call is not None:
            call.fail(error)
            self._wires.back(self._place, self)

    # --- asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._call is None:  # nobody asked
            self.close()
            return
        self._heard = self._loop.time()
        self._begun = True
        self._came += len(data)
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
        if self._whole:
            self._finish(keep=self._keep)
        elif self._came > HEAD_BYTES:
            if not self._complete:
                self.fail(httpx.RemoteProtocolError("a head without an end"))
            elif self._came > 2 * (HEAD_BYTES + self._most):  # framing is not counted as body: chunk extensions, trailers
                self.fail(TooLarge())

    def eof_received(self) -> None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        call = self._call
        if call is None:
            return
        if self._complete and not self._framed and exc is None:  # RFC 9112 §6.3: its end is the connection's
            self._finish(keep=False)
        elif self._begun and exc is not None:
            self.fail(httpx.ReadError(str(exc)))
        elif self._kept and not self._begun and call.repeatable:
            self.close()
            self._wires.back(self._place, self)
            self._wires.again(call)
        else:
            self.fail(httpx.RemoteProtocolError(str(exc or "") or "closed in the middle of an answer"))

    # --- httptools ---

    def on_message_begin(self) -> None:
        if self._whole:
            raise httpx.RemoteProtocolError("a second answer to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))
        note = _notes[name]
        if not note:
            return
        if note == _LENGTH:
            self._framed = self._framed or bool(value)
            if value.isdigit() and int(value[:18]) > self._most:
                raise TooLarge
        elif note == _CODING:
            self._framed = True
        elif note == _RATE:
            self._rated = True
        elif self._encoding is None:
            self._encoding = value.strip().lower()

    def on_headers_complete(self) -> None:
        if self._parser.get_status_code() < 200:  # RFC 9110 §15.2: another head follows
            self._headers = []
            self._encoding = None
            self._framed = self._rated = False
            return
        self._complete = True
        self._keep = bool(self._parser.should_keep_alive())

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > self._most or len(self._pieces) == self._most_pieces:
            raise TooLarge
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._whole = self._complete

    def _finish(self, *, keep: bool) -> None:
        call = self._call
        assert call is not None
        pieces = self._pieces
        content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        answer = Answer(self._parser.get_status_code(), self._headers, content, self._rated)
        self._call = None
        self._kept = True
        if not keep:
            self.close()
        if not call.answer.done():
            call.answer.set_result((answer, self._encoding or None))
        self._wires.back(self._place, self)


async def _unpacked(answer: Answer, encoding: bytes, max_bytes: int) -> Answer:
    headers = [(name, value) for name, value in answer.headers if name.lower() != b"content-encoding"]
    window = WINDOWS.get(encoding)
    if window is None and encoding != b"identity":
        raise Malformed(f"A server sent an encoding that was not asked for ({encoding[:40].decode('latin-1')}).")
    if window is None or not answer.content:  # an empty body needs no compression
        return Answer(answer.status, headers, answer.content, answer.rated)
    try:
        if len(answer.content) < ASIDE_BYTES:
            content = _inflated(answer.content, window, max_bytes)
        else:
            content = await asyncio.to_thread(_inflated, answer.content, window, max_bytes)
    except zlib.error as error:
        raise httpx.DecodingError("compressed body is broken") from error
    return Answer(answer.status, headers, content, answer.rated)


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
