"""uvicorn's HTTP/1.1 connection (RFC 9112), with a straight way from a whole GraphQL request to its whole answer.

What is asked of /graphql by GET or POST, at no greater length than most operations have, goes to the endpoint when its last byte is
there, and its answer leaves in one piece. Scope and messages of ASGI, a task, and looking through each header of an answer again would cost as
much as a short operation. Everything else is uvicorn's: other paths, WebSockets, event streams, long bodies, requests that come before the
one in front of them was answered, and while the process drains. Its parsing, its time limits, and how it ends, hold for both.
Knows nothing of GraphQL.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway import eager

if TYPE_CHECKING:
    from gateway.endpoint import Endpoint

LONGEST: Final = 32 * 1024  # bytes of a body; uvicorn stops reading at twice that until somebody takes them
DIGITS: Final = 10  # of a length; with more zeros before it, it is uvicorn's to read
HEAD: Final = 8 * 1024  # bytes of a head that are remembered for as long as its connection is open
LINES: Final = 1_000  # header lines of answers that are remembered
METHODS: Final = {b"GET": "GET", b"POST": "POST"}
# RFC 9110 §5.1, §5.5: what no name and no value has
_NO_NAME: Final = re.compile(rb"[\x00-\x20\x7f()<>@,;:\\[\]={}\"]")
_NO_VALUE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
CLOSE: Final = (b"connection", b"close")
Header = tuple[bytes, bytes]
log = structlog.get_logger("kith.http")


class Front:
    """What all connections of a process share: the endpoint, and the headers that every answer carries."""

    def __init__(self, path: str, endpoint: Endpoint, headers: Iterable[Header], draining: asyncio.Event) -> None:
        self.path = path.encode()
        self.start = self.path + b"?"
        self.endpoint = endpoint
        self.draining = draining
        self.usual = b"".join(_line(header) for header in headers)
        self._lines: dict[Header, bytes] = {}

    def head(self, status: int, headers: list[Header], usual: list[Header], *, last: bool) -> bytes:
        """An answer up to its body; `last` says that the connection ends with it. Raises ValueError for a header that would be two."""
        parts = [STATUS_LINE[status]]
        lines = self._lines
        for header in usual:
            parts.append(lines.get(header) or self._written(header))
        for header in headers:
            parts.append(lines.get(header) or self._written(header))
        parts.append(self.usual)
        parts.append(b"connection: close\r\n\r\n" if last and CLOSE not in headers else b"\r\n")
        return b"".join(parts)

    def _written(self, header: Header) -> bytes:
        if len(self._lines) >= LINES:
            self._lines.clear()
        line = self._lines[header] = _line(header)
        return line

    def connection(self, **given: Any) -> Connection:
        """What uvicorn makes for each connection (its setting `http`)."""
        return Connection(self, **given)


class Connection(HttpToolsProtocol):
    """One client's."""

    cycle: Any  # of the latest request: uvicorn's own, a _Straight, or None before the first
    _again: _Head | None = None  # of the last request that came in one piece
    _between = True  # whether the parser stands between two requests
    _idle_since = 0.0

    def __init__(self, front: Front, **given: Any) -> None:
        super().__init__(**given)
        self._front = front

    def data_received(self, data: bytes) -> None:
        """Who keeps a connection mostly asks with the same head: one that is the last one's to the byte says what that one said."""
        again, before = self._again, self.cycle
        if again is not None and self._between and before.response_complete and again.is_of(data) and not self._hindered():
            self.cycle = cycle = _Straight(again.scope, again.said, again.keep_alive)
            cycle.body += memoryview(data)[again.length :]
            self._run(cycle)
            return
        fresh = self._between
        super().data_received(data)
        after = self.cycle
        whole = fresh and self._between and after is not before and isinstance(after, _Straight)
        self._again = _Head.of(data, after) if whole else None

    def on_message_begin(self) -> None:
        self._between = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        straight = self._straight()
        if straight is None:
            super().on_headers_complete()
        else:
            self.cycle = straight

    def on_message_complete(self) -> None:
        self._between = True
        cycle = self.cycle
        if isinstance(cycle, _Straight) and cycle.more_body:
            self._run(cycle)
        else:
            super().on_message_complete()

    def _run(self, cycle: _Straight) -> None:
        cycle.more_body = False
        task = eager.start(cycle.run(self), self.loop)
        if task is not None:
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def _hindered(self) -> bool:
        return bool(self.flow.write_paused) or self.limit_concurrency is not None or self._front.draining.is_set()

    def answered(self, cycle: _Straight, status: int, headers: list[Header], body: bytes) -> None:
        """Send an answer, and be ready for what comes next."""
        cycle.response_complete = True
        if cycle.disconnected or self.transport.is_closing():
            return
        last = not cycle.keep_alive or CLOSE in headers or self._front.draining.is_set()
        self.transport.write(self._front.head(status, headers, self.server_state.default_headers, last=last) + body)
        if last:
            self.transport.close()
        if last or self.pipeline:
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Closes a connection that nobody asks on. One timer sees many requests come and go, as setting one for each would cost more."""
        self.timeout_keep_alive_task = None
        if self.cycle is not None and not self.cycle.response_complete:
            return  # what answers it sets the next one
        rest = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if rest > 0:
            self.timeout_keep_alive_task = self.loop.call_later(rest, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def _straight(self) -> _Straight | None:
        """How the request that has begun goes straight; None when it goes uvicorn's way."""
        front, url, parser = self._front, self.url, self.parser
        query = b""
        if url != front.path:
            if not url.startswith(front.start):
                return None
            query = url[len(front.start) :]
        method = METHODS.get(parser.get_method())
        before = self.cycle
        if (
            method is None
            or (before is not None and not before.response_complete)
            or parser.should_upgrade()
            or parser.get_http_version() != "1.1"
            or self.expect_100_continue
            or self._hindered()
        ):
            return None
        said = dict(reversed(self.headers))  # of several the first counts
        length = said.get(b"content-length", b"" if method == "POST" else b"0")
        if not length.isdigit() or len(length) > DIGITS or int(length) > LONGEST or b"transfer-encoding" in said:
            return None
        if b"event-stream" in said.get(b"accept", b""):
            return None
        self.scope["method"] = method
        self.scope["path"] = front.path.decode()
        self.scope["raw_path"] = front.path
        self.scope["query_string"] = query
        return _Straight(self.scope, said, parser.should_keep_alive())


class _Nobody:
    """Who would be told that more of the body is there."""

    def set(self) -> None:
        pass


class _Straight:
    """A request and its answer; to uvicorn, what its own RequestResponseCycle is."""

    __slots__ = ("body", "disconnected", "keep_alive", "more_body", "response_complete", "said", "scope")
    message_event: Final = _Nobody()

    def __init__(self, scope: Any, said: dict[bytes, bytes], keep_alive: bool) -> None:
        self.scope = scope
        self.said = said
        self.keep_alive = keep_alive
        self.body = bytearray()
        self.more_body = True
        self.disconnected = self.response_complete = False

    async def run(self, connection: Connection) -> None:
        try:
            answer = await connection._front.endpoint.answer(self.scope, self.said, bytes(self.body))
            connection.answered(self, answer.status, answer.headers, answer.body)
        except Exception as error:
            log.error("a request was not answered", exc_info=error)
            if not self.response_complete:
                self.keep_alive = False
                connection.answered(self, 500, [(b"content-type", b"text/plain"), (b"content-length", b"0")], b"")


class _Head:
    """How a request began that came in one piece, and what that said."""

    __slots__ = ("_bytes", "_size", "keep_alive", "length", "said", "scope")

    @classmethod
    def of(cls, data: bytes, request: _Straight) -> _Head | None:
        """None when there is more than one request in it, or too much to remember."""
        length = data.find(b"\r\n\r\n") + 4
        return cls(data, length, request) if length <= HEAD and length + len(request.body) == len(data) else None

    def __init__(self, data: bytes, length: int, request: _Straight) -> None:
        self._size = len(data)
        self.length = length
        self._bytes = data[:length]
        self.scope = request.scope
        self.said = request.said
        self.keep_alive = request.keep_alive

    def is_of(self, data: bytes) -> bool:
        """Whether this is a whole request with the same head, and so with a body of the same length."""
        return len(data) == self._size and data.startswith(self._bytes)


def _line(header: Header) -> bytes:
    name, value = header
    if _NO_NAME.search(name) or _NO_VALUE.search(value):
        raise ValueError(f"no header: {name!r}: {value!r}")
    return b"%b: %b\r\n" % header
