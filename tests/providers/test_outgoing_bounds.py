"""Every way out of this process, to a server that says nothing, drips, never ends or is a bomb: it ends in time, with a named error.

What is kept meanwhile is bounded, and where it is read to be kept so is what is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from providers import http, stream
from providers.errors import ProviderError
from providers.http import Session
from providers.stream import Stream
from tests.providers.conftest import SessionMaker

LIMIT = 256 * 1024
#: What two processes may have under way after one of them has stopped reading.
UNDER_WAY = 16 * 1024 * 1024
SECONDS = 0.3
PATIENCE = 20.0  # of the test: whoever is held for longer is held for good
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
    server = await asyncio.start_server(hostile.serve, "127.0.0.1", 0)
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
