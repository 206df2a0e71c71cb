"""What the stubs of networks are made of: a loopback HTTP server whose answers are computed, and that keeps what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.patience import PATIENCE
from tests.ports import free_port


class Request:
    """One request: `query` in order, `path` decoded, `headers` by lower-case name."""

    def __init__(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> None:
        parts = urlsplit(target)
        self.method = method
        self.target = target
        self.path = unquote(parts.path)
        self.segments = [unquote(each) for each in parts.path.strip("/").split("/")]
        self.query = parse_qsl(parts.query, keep_blank_values=True)
        self.headers = headers
        self.body = body

    def one(self, name: str, default: str = "") -> str:
        """The last value of a parameter."""
        return dict(self.query).get(name, default)

    def all(self, name: str) -> list[str]:
        return [value for found, value in self.query if found == name]


class Answer:
    """One answer; `body` is JSON unless it is bytes. `after` so many seconds; `cut`: the line breaks instead."""

    after = 0.0
    cut = False

    def __init__(self, status: int = 200, body: Any = None, **headers: str) -> None:
        self.status = status
        self.content: bytes = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.headers = {"Content-Type": "application/json; charset=UTF-8"} if not isinstance(body, bytes) else {}
        self.headers.update({name.replace("_", "-"): value for name, value in headers.items()})

    def encoded(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {'OK' if self.status < 400 else 'No'}", f"Content-Length: {len(self.content)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.content


class Stub(Protocol):
    """A network: answers requests, and knows its own address once it runs."""

    url: str

    def answer(self, request: Request) -> Answer: ...


@asynccontextmanager
async def running(stub: Stub) -> AsyncIterator[str]:
    """The address of `stub`, served until the end. Connections are kept open.

    One that is to become another (RFC 9110 §7.8) is joined with the server at `stub.beyond`, where there is one.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # cancelled where the server ends while an answer is held back
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ", 2)
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:]) if name}
                if "upgrade" in headers and (beyond := getattr(stub, "beyond", "")):
                    await _joined("\r\n".join(head).encode(), reader, writer, beyond)
                    break
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                answer = stub.answer(Request(method, target, headers, body))
                if answer.after:
                    await asyncio.sleep(answer.after)
                if answer.cut:
                    break
                writer.write(answer.encoded())
                await writer.drain()
                if headers.get("connection", "").lower() == "close":
                    break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", free_port(), limit=256 * 1024)
    stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield stub.url
    finally:
        server.close()


@contextmanager
def served(*running: AbstractAsyncContextManager[Any]) -> Iterator[None]:
    """Servers of a test's own in a thread of theirs: whoever waits for a process of Kith's keeps them from nothing."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        async with AsyncExitStack() as stack:
            for one in running:
                await stack.enter_async_context(one)
            ready.set()
            await ended.wait()

    def run() -> None:  # to the end in its own thread: in that of a test another loop is running
        loop.run_until_complete(serve())
        for task in asyncio.all_tasks(loop):  # answers that are still held back
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    serving = threading.Thread(target=run, daemon=True)
    serving.start()
    if not ready.wait(PATIENCE):
        raise TimeoutError("the servers did not start")
    try:
        yield
    finally:
        loop.call_soon_threadsafe(ended.set)
        serving.join()


async def _joined(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, beyond: str) -> None:
    """Bytes in both directions between who asks and the server at `beyond`, until either ends."""
    place = urlsplit(beyond)
    far_reader, far_writer = await asyncio.open_connection(place.hostname, place.port)

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while piece := await source.read(65_536):
            target.write(piece)
            await target.drain()

    far_writer.write(head)
    ways = [asyncio.ensure_future(pump(reader, far_writer)), asyncio.ensure_future(pump(far_reader, writer))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        far_writer.close()
