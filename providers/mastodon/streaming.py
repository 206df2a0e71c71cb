"""What a server tells while it happens, as hints: the streams `user` and `direct` (docs.joinmastodon.org/methods/streaming).

Mastodon tells them by Server-Sent Events (WHATWG HTML §9.2), a line for each; other servers know only the WebSocket that Mastodon has
too, where one line carries both. Nothing is told again after a cut: so a line that has just been opened is a hint itself, and what was
missed is in the account's lists. A hint costs a look at these lists, and servers allow so many calls: events that come thick are one
hint. Knows nothing of what they mean.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from providers.errors import ProviderError, Refused, Unavailable
from providers.http import Session

EVENT_STREAM: Final = "text/event-stream"
OPENED: Final = "opened"
#: What was said or done to the account, or changed; `status_update` is how some servers write the edit.
URGENT: Final = frozenset({OPENED, "notification", "conversation", "status.update", "status_update", "delete"})
#: Posts of those whom the account follows, of which there may be any number. Announcements and filters change nothing that is kept.
POSTS: Final = frozenset({"update", "notifications_merged"})
BURST: Final = 10  # hints in a row
EVERY: Final = 6.0  # seconds a hint after that: a look takes five calls, and a minute has sixty
POSTS_EVERY: Final = 30.0  # seconds between hints of mere posts
TOGETHER: Final = 0.1  # seconds within which one act is told on both lines
FAILURES: Final = 6  # lines in a row that did not stand, after which it is left to the poll for a while
STOOD: Final = 15.0  # seconds after which a line stands: Mastodon's next heartbeat (`:thump`)
HEARTBEAT: Final = 30.0  # seconds between pings
HEARD: Final = 1_000  # events that wait to be looked at; a server that tells more waits, too
MAX_NAME: Final = 100
GOING_AWAY: Final = 1001  # RFC 6455 §7.4.1
#: Refusals of servers that have the WebSocket alone.
NO_EVENT_STREAM: Final = frozenset({"400", "405", "406", "426", "media-type", "not-found"})

Events = AsyncGenerator[str]


class Frame(msgspec.Struct, frozen=True):
    """What a WebSocket says of an event."""

    event: str = ""


async def hints(session: Session, address: str) -> AsyncGenerator[None]:
    """A hint when a line is open, and one whenever there is something to look at. `address` is the server's own for streaming.

    Raises ProviderError when no line can be kept.
    """
    if not address:
        raise Refused("This server tells nothing by itself.", provider_code="no-streaming")
    heard: asyncio.Queue[str | ProviderError] = asyncio.Queue(HEARD)
    home = _web(address)
    lines = [asyncio.create_task(_reported(line, heard)) for line in (_user(session, home, heard), _direct(session, home, heard))]
    pace = Pace(_now(session))
    try:
        while True:
            wait = pace.wait(_now(session))
            # who tells without a pause does not put off what is due
            event = None if wait == 0.0 else await _next(heard, wait)
            if event is None:
                pace.given(_now(session))
                yield None
            else:
                pace.heard(event, _now(session))
    finally:
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)


class Pace:
    """When what was heard is to be hinted at. Moments are POSIX seconds."""

    def __init__(self, now: float) -> None:
        self._tokens = float(BURST)
        self._filled = now
        self._last = float("-inf")
        self._owed: float | None = None  # since when
        self._urgent = False

    def heard(self, event: str, now: float) -> None:
        """Something happened; events that need no look are none."""
        if event in URGENT or event in POSTS:
            self._owed = now if self._owed is None else self._owed
            self._urgent = self._urgent or event in URGENT

    def wait(self, now: float) -> float | None:
        """Seconds until the next hint; None while there is nothing to hint at."""
        if self._owed is None:
            return None
        self._tokens = min(float(BURST), self._tokens + (now - self._filled) / EVERY)
        self._filled = now
        due = self._owed + TOGETHER
        if not self._urgent:
            due = max(due, self._last + POSTS_EVERY)
        return max(0.0, due - now, (1.0 - self._tokens) * EVERY)

    def given(self, now: float) -> None:
        """The hint was given."""
        self._tokens -= 1.0
        self._last, self._owed, self._urgent = now, None, False


async def _user(session: Session, home: str, heard: asyncio.Queue[Any]) -> None:
    """The line of the account: by the one way or the other."""
    try:
        await _kept(session, partial(_told, session, f"{home}/api/v1/streaming/user"), heard)
    except Refused as error:
        if error.provider_code not in NO_EVENT_STREAM:
            raise
        await _kept(session, partial(_framed, session, f"{home}/api/v1/streaming?stream=user"), heard)


async def _direct(session: Session, home: str, heard: asyncio.Queue[Any]) -> None:
    """The line of direct conversations; where there is none, notifications tell of those with others."""
    try:
        await _kept(session, partial(_told, session, f"{home}/api/v1/streaming/direct"), heard)
    except Refused:
        return


async def _kept(session: Session, open_line: Callable[[], Events], heard: asyncio.Queue[Any]) -> None:
    """One line, opened again whenever it ends, after a while that grows. Raises Unavailable when it never stands."""
    failures = 0
    while True:
        began = _now(session)
        try:
            async with aclosing(open_line()) as events:
                async for event in events:
                    await heard.put(event)
        except Unavailable:
            failures = 1 if _now(session) - began >= STOOD else failures + 1
            if failures > FAILURES:
                raise
            await session.clock.sleep(session.backoff(failures))


async def _told(session: Session, url: str) -> Events:
    """The names of events as an event stream tells them. What they carry is not looked at."""
    async with aclosing(session.lines(url, media_type=EVENT_STREAM)) as lines:
        await anext(lines)
        yield OPENED
        name = ""
        async for line in lines:  # lines that begin with a colon are heartbeats
            if line.startswith(b"event:"):
                name = line[6:].strip()[:MAX_NAME].decode("ascii", "replace")
            elif not line and name:
                yield name
                name = ""


async def _framed(session: Session, url: str) -> Events:
    """The names of events as a WebSocket tells them."""
    async with session.web_socket(url, ended=GOING_AWAY, carries_secret=True, heartbeat=HEARTBEAT) as socket:
        await socket.send(b'{"type":"subscribe","stream":"direct"}')
        yield OPENED
        while True:
            frame = await socket.receive(HEARTBEAT)
            if frame is None:
                continue  # a dead peer is noticed by its missing pong
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # what says nothing is no event
                yield msgspec.json.decode(frame, type=Frame).event[:MAX_NAME]


async def _reported(line: Coroutine[Any, Any, None], heard: asyncio.Queue[Any]) -> None:
    try:
        await line
    except ProviderError as error:
        await heard.put(error)


async def _next(heard: asyncio.Queue[str | ProviderError], seconds: float | None) -> str | None:
    """What is heard next; None when nothing is within these seconds. Raises what ended a line."""
    try:
        async with asyncio.timeout(seconds):
            found = await heard.get()
    except TimeoutError:
        return None
    if isinstance(found, ProviderError):
        raise found
    return found


def _now(session: Session) -> float:
    return session.clock.now().timestamp()


def _web(address: str) -> str:
    """An origin, which servers write as one of WebSockets: `wss://streaming.example.org`."""
    parts = urlsplit(address)
    scheme = {"wss": "https", "ws": "http"}.get(parts.scheme, parts.scheme)
    return f"{scheme}://{parts.netloc.rpartition('@')[2]}"
