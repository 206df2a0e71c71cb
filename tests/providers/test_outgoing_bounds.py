"""Every way out of this process, to a server that says nothing, drips, never ends or is a bomb: it ends in time, with a named error.

What is kept meanwhile is bounded, and where it is read to be kept so is what is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from itertools import count

import pytest

from gateway.clock import SystemClock
from providers import http, smtp, stream
from providers.errors import ProviderError
from providers.http import Session
from providers.imap4 import connection as imap
from providers.imap4.connection import Connection, Literal
from providers.mastodon import streaming
from providers.records import Outgoing
from providers.session import Secret
from providers.stream import Stream
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.providers.conftest import SessionMaker

LIMIT = 256 * 1024
#: What two processes may have under way after one of them has stopped reading.
UNDER_WAY = 16 * 1024 * 1024
SECONDS = 0.3
Pieces = Callable[[], AsyncIterator[bytes]]


class Hostile:
    """A server that says one thing to everybody; `sent` is how much of it found room."""

    def __init__(self, pieces: Pieces) -> None:
        self.pieces = pieces
        self.port = 0
        self.sent = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            async for piece in self.pieces():
                self.sent += len(piece)
                writer.write(piece)
                await writer.drain()
            await reader.read()  # until the other side gives up
            while await reader.read(65_536):
                pass
        writer.close()


@asynccontextmanager
async def serving(pieces: Pieces) -> AsyncIterator[Hostile]:
    hostile = Hostile(pieces)
    server = await asyncio.start_server(hostile.serve, "127.0.0.1", free_port())
    hostile.port = server.sockets[0].getsockname()[1]
    try:
        yield hostile
    finally:
        server.close()


# --- what it says -----------------------------------------------------------------------------------------------------------


def _dripping(head: bytes = b"") -> Pieces:
    async def pieces() -> AsyncIterator[bytes]:
        yield head
        while True:
            await asyncio.sleep(SECONDS / 20)
            yield b"a"

    return pieces


def _endless(head: bytes = b"", piece: bytes = b"a" * 65_536) -> Pieces:
    async def pieces() -> AsyncIterator[bytes]:
        yield head
        while True:
            yield piece
            await asyncio.sleep(0)

    return pieces


async def _silent() -> AsyncIterator[bytes]:
    yield b""


async def _bomb() -> AsyncIterator[bytes]:
    packed = gzip.compress(b"\0" * 30_000_000, 9)
    yield OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
ATTACKS: dict[str, Pieces] = {
    "silent": _silent,
    "dripping from the first byte": _dripping(),
    "a head that drips": _dripping(OK + b"X-More: "),
    "a head without end": _endless(OK + b"X-More: "),
    "many heads": _endless(OK, b"X-More: a\r\n" * 1_000),
    "a body that drips": _dripping(OK + b"Content-Length: 1000000\r\n\r\n"),
    "a body without end": _endless(OK + b"\r\n"),
    "a chunk without end": _endless(OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffff\r\n"),
    "a chunk's size without end": _endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 65_536),
    "a bomb": _bomb,
}


# --- the ways out -----------------------------------------------------------------------------------------------------------


async def _call(session: Session, port: int) -> None:
    await session.request("GET", f"http://127.0.0.1:{port}/", max_bytes=LIMIT)


async def _call_in_background(session: Session, port: int) -> None:
    session.interactive = False
    await _call(session, port)


async def _lines(session: Session, port: int) -> None:
    session.interactive = False
    async for _ in session.lines(f"http://127.0.0.1:{port}/", media_type="text/event-stream"):
        pass


async def _web_socket(session: Session, port: int) -> None:
    async with session.web_socket(f"ws://127.0.0.1:{port}/", ended=1000):
        pass


def _reading(read: Callable[[Stream], Awaitable[object]]) -> Callable[[Session, int], Awaitable[None]]:
    async def way(session: Session, port: int) -> None:
        session.interactive = False
        line = await session.stream("127.0.0.1", port, security="NONE")
        try:
            while True:
                await read(line)
        finally:
            await line.close()

    return way


WAYS: dict[str, Callable[[Session, int], Awaitable[None]]] = {
    "a call that somebody waits for": _call,
    "a call in the background": _call_in_background,
    "lines of an answer that goes on": _lines,
    "WebSocket": _web_socket,
    "a line of mail": _reading(lambda line: line.line(LIMIT)),
    "a literal of mail": _reading(lambda line: line.exactly(LIMIT)),
    "a literal that nobody wants": _reading(lambda line: line.skip(LIMIT)),
    "TLS": _reading(lambda line: line.start_tls(stream.tls_context())),
}
FLOODS = ("a head without end", "many heads", "a body without end", "a chunk without end", "a chunk's size without end")
#: What is a right answer there: lines may come for as long as their server likes, and literals as fast.
RIGHT = {
    ("lines of an answer that goes on", "a body that drips"),
    ("lines of an answer that goes on", "a chunk's size without end"),
    ("a line of mail", "many heads"),
    *((way, attack) for way in ("a literal of mail", "a literal that nobody wants") for attack in FLOODS),
}
MATRIX = [(way, attack) for way in WAYS for attack in ATTACKS if (way, attack) not in RIGHT]
#: Its digits are read and forgotten, until time is up.
FORGOTTEN = "a chunk's size without end"


@pytest.mark.parametrize(("way", "attack"), MATRIX)
async def test_no_server_holds_or_fills_us(
    way: str, attack: str, new_session: SessionMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "INTERACTIVE_SECONDS",
        "BACKGROUND_SECONDS",
        "STREAM_SECONDS",
        "SILENT_SECONDS",
        "STREAM_READ_SECONDS",
        "READ_SECONDS",
    ):
        monkeypatch.setattr(http, name, SECONDS)
    monkeypatch.setattr(stream, "PATIENCE_SECONDS", SECONDS)
    async with serving(ATTACKS[attack]) as hostile:
        session = new_session(f"http://127.0.0.1:{hostile.port}", interactive=True)
        with pytest.raises(ProviderError) as told:
            async with asyncio.timeout(PATIENCE):
                await WAYS[way](session, hostile.port)
        assert told.value.message
        assert hostile.sent < UNDER_WAY or attack == FORGOTTEN


# --- protocols of lines: each short, in time, and no end of them -----------------------------------------------------------------


def _then(*pieces: bytes, again: Callable[[int], bytes], slowly: bool = False) -> Pieces:
    """What is said to begin with, then the same kind of thing for ever; `slowly`: each as soon as the last is old."""

    async def told() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
        for n in count():
            yield again(n) if slowly else b"".join(again(100 * n + k) for k in range(100))
            await asyncio.sleep(SECONDS / 10 if slowly else 0)

    return told


IMAP = b"* PREAUTH [CAPABILITY IMAP4rev1 IDLE] ready\r\n"
SHORT: dict[str, Pieces] = {
    "remarks": _then(IMAP, again=lambda _: b"* OK Hang in there\r\n"),
    "codes of all names": _then(IMAP, again=lambda n: b"* OK [X%d y] Hang in there\r\n" % n),
    "requests to go on": _then(IMAP, again=lambda _: b"+ go on\r\n"),
    "news": _then(IMAP, again=lambda n: b"* %d EXISTS\r\n" % (n % 1_000)),
    "literals": _then(IMAP, again=lambda _: b"* 1 FETCH (BODY[] {5}\r\nhello)\r\n"),
    "literals of one answer": _then(IMAP + b"* X", again=lambda _: b" {1}\r\nx"),
    "remarks, one by one": _then(IMAP, again=lambda _: b"* OK Hang in there\r\n", slowly=True),
    "news, one by one": _then(IMAP, again=lambda _: b"* 1 EXISTS\r\n", slowly=True),
    "literals of one answer, one by one": _then(IMAP + b"* X", again=lambda _: b" {1}\r\nx", slowly=True),
}


async def _each(line: Connection) -> None:
    async with aclosing(line.each(b"UID FETCH 1:* (FLAGS)")) as said:
        async for _ in said:
            pass


async def _idle(line: Connection) -> None:
    async with aclosing(line.idle(PATIENCE)) as said:
        async for _ in said:
            pass


COMMANDS: dict[str, Callable[[Connection], Awaitable[object]]] = {
    "a command": lambda line: line.run(b"NOOP"),
    "commands together": lambda line: line.together([(b"STATUS INBOX (MESSAGES)",), (b"NOOP",)]),
    "a command with a literal": lambda line: line.run(b"CREATE ", Literal(b"x")),
    "a listing": _each,
    "news that are waited for": _idle,
}


@pytest.mark.parametrize("attack", SHORT)
@pytest.mark.parametrize("command", COMMANDS)
async def test_no_number_of_short_answers_is_an_answer_to_a_command_of_imap(
    command: str, attack: str, new_session: SessionMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"MAX_REMARKS": 500, "MAX_COLLECTED": 1_000, "MAX_STREAMED": 2_000, "MAX_LITERALS": 500}.items():
        monkeypatch.setattr(imap, name, value)
    async with serving(SHORT[attack]) as hostile:
        session = new_session("imap://127.0.0.1")
        line = Connection(await session.stream("127.0.0.1", hostile.port, security="NONE"), session.clock.now)
        try:
            assert await line.greeting()  # which a busy machine may take longer for
            monkeypatch.setattr(imap, "COMMAND_SECONDS", SECONDS)
            monkeypatch.setattr(imap, "LEAST", 1_000_000)
            with pytest.raises(ProviderError) as told:
                async with asyncio.timeout(PATIENCE):
                    await COMMANDS[command](line)
        finally:
            await line.logout()
    assert (
        "does not come to an end" in told.value.message
        or "more at once" in told.value.message
        or "not asked" in told.value.message
    )
    assert line.broken and hostile.sent < UNDER_WAY


@pytest.mark.parametrize("slowly", [False, True], ids=["at once", "one by one"])
async def test_a_mail_server_whose_answer_has_no_last_line_takes_no_message(
    slowly: bool, new_session: SessionMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "REPLY_SECONDS", SECONDS)
    monkeypatch.setattr(smtp, "MAX_REPLY_LINES", 1_000 if slowly else 100)
    async with serving(_then(again=lambda _: b"220-and so on\r\n", slowly=slowly)) as hostile:
        session = new_session("imap://127.0.0.1", secret=Secret(username="ada@example.org", password="secret"))
        place = smtp.Place(host="127.0.0.1", port=hostile.port, security="NONE", user="ada@example.org")
        mail = Outgoing(
            message_id="1@x", sender="ada@example.org", recipients=("robin@example.org",), data=b"Subject: x\r\n\r\nx\r\n"
        )
        with pytest.raises(ProviderError) as told:
            async with asyncio.timeout(PATIENCE):
                await smtp.submit(session, place, mail, _noted)
    assert "end" in told.value.message and hostile.sent < UNDER_WAY


async def _noted(_: bytes) -> None:
    return None


async def test_events_that_come_faster_than_they_are_looked_at_wait_at_their_server(new_session: SessionMaker) -> None:
    flood = _then(OK + b"\r\n", again=lambda n: b"event: %d%s\ndata: {}\n\n" % (n, b"x" * 1_000))
    async with serving(flood) as hostile:
        session = new_session(f"http://127.0.0.1:{hostile.port}", secret=Secret(access_token="token"))
        session.clock = SystemClock()
        async with aclosing(streaming.hints(session, f"ws://127.0.0.1:{hostile.port}")) as hints:
            async with asyncio.timeout(PATIENCE):
                await anext(hints)
            sent = -1
            while hostile.sent != sent:  # until nothing finds room any more, while nobody looks
                sent = hostile.sent
                await asyncio.sleep(SECONDS)
    assert sent < 4 * UNDER_WAY, "both ends of a loopback connection hold what nobody takes, and grow with its speed"
