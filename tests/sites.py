"""Sites of strangers on loopback: they serve what is put there, hang, drip or never end, and count what they are asked, and when.

The way to them is that of every installation, but for a DNS that knows these hosts alone and TLS that ends before them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx

from providers.addresses import Guard
from providers.session import Clock
from providers.transport import Transport
from tests.ports import free_port

#: What a statement of one address about another is worth.
CLAIMED, RECIPROCAL, VERIFIED = "CLAIMED", "RECIPROCAL", "VERIFIED"


@dataclass
class Document:
    """What lies at an address. `body` None: the host says nothing, ever; `endless`: it never stops; `drip`: it never stops, a byte at a time;
    `held`: it says nothing until that is set."""

    body: bytes | None = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    endless: bool = False
    drip: bool = False
    held: asyncio.Event | None = None


def page(*links: tuple[str, str], body: str = "") -> Document:
    """A page with these links, each (rel, href)."""
    anchors = "".join(f'<a rel="{rel}" href="{href}">x</a>' for rel, href in links)
    return Document(f"<!doctype html><body>{body}{anchors}".encode(), headers={"Content-Type": "text/html"})


class Sites:
    """Sites that serve what is put there, and count what they are asked. `hosts` are those that DNS knows."""

    def __init__(self, documents: Mapping[str, Document] = MappingProxyType({}), hanging: Sequence[str] = ()) -> None:
        self.documents: dict[tuple[str, str], Document] = {}
        self.fingers: dict[tuple[str, str], dict[str, Any]] = {}
        self.hosts: set[str] = set(hanging)
        self.hanging = list(hanging)
        self.asked: Counter[tuple[str, str]] = Counter()
        self.when: defaultdict[str, list[float]] = defaultdict(list)
        self.names: dict[
            str, Sequence[str] | Iterator[Sequence[str]]
        ] = {}  # of other hosts, with the addresses that DNS gives them
        self.port = 0
        for url, document in documents.items():
            self.put(url, document)

    def put(self, url: str, document: Document) -> None:
        parts = urlsplit(url)
        self.hosts.add(parts.netloc)
        self.documents[parts.netloc, parts.path + (f"?{parts.query}" if parts.query else "")] = document

    def finger(self, host: str, resource: str, **said: object) -> None:
        """What a host's WebFinger says of a resource."""
        self.hosts.add(host)
        self.fingers[host, resource] = {"subject": resource, **said}

    def answer(self, host: str, target: str) -> Document:
        """What a host says to a request."""
        if host in self.hanging:
            return Document(None)
        path, _, query = target.partition("?")
        if path == "/.well-known/webfinger":
            found = self.fingers.get((host, parse_qs(query).get("resource", [""])[0]))
            if found is not None:
                return Document(json.dumps(found).encode(), headers={"Content-Type": "application/jrd+json"})
        return self.documents.get((host, target), Document(b"Not here.", 404, {"Content-Type": "text/html"}))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                target = head[0].split(" ")[1]
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:]) if name}
                host = headers["host"]
                self.asked[host, target] += 1
                self.when[host].append(time.monotonic())
                document = self.answer(host, target)
                if document.held is not None:
                    await document.held.wait()
                if document.body is None:
                    await reader.read()  # until the other side gives up
                    break
                more = "".join(f"{name}: {value}\r\n" for name, value in document.headers.items())
                if document.endless:
                    writer.write(f"HTTP/1.1 200 OK\r\n{more}\r\n".encode())
                    while True:
                        writer.write(b"<p>and so on" * 5_000)
                        await writer.drain()
                if document.drip:
                    writer.write(f"HTTP/1.1 200 OK\r\n{more}\r\n".encode())
                    while True:
                        writer.write(b" ")
                        await writer.drain()
                        await asyncio.sleep(0.02)
                length = len(document.body)
                writer.write(f"HTTP/1.1 {document.status} X\r\nContent-Length: {length}\r\n{more}\r\n".encode() + document.body)
                await writer.drain()
        writer.close()

    @asynccontextmanager
    async def serving(self, *, patience: float | None = None) -> AsyncIterator[ToLoopback]:
        """The way to this web while its servers run; `patience`: of this way with hosts that hang (see there)."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", free_port(), limit=256 * 1024)
        port = server.sockets[0].getsockname()[1]
        self.port = port
        transport = ToLoopback(self.hosts, port, self.names)
        if patience is not None:
            transport.patience = dict.fromkeys(self.hanging, patience)
        try:
            yield transport
        finally:
            await transport.aclose()
            server.close()


class ToLoopback(Transport):
    """The transport of every installation, with a DNS that knows only the planted hosts, whose TLS ends before them.

    `patience`: seconds without a byte after which a host is given up, where that is known to hang, so that all others may be given as long
    as a busy machine takes.
    """

    def __init__(self, hosts: set[str], port: int, names: Mapping[str, Sequence[str] | Iterator[Sequence[str]]]) -> None:
        async def lookup(host: str, _: int) -> Sequence[str]:
            if host in names:
                said = names[host]
                return next(said) if isinstance(said, Iterator) else said
            if host not in hosts:
                raise OSError(f"{host} is unknown")
            return ["127.0.0.1"]

        async def texts(name: str) -> Sequence[str]:
            return []

        super().__init__(Guard([f"127.0.0.1/32:{port}"], lookup=lookup, texts=texts))
        self._hosts = hosts
        self._port = port
        self.clock: Clock | None = None
        self.patience: dict[str, float] = {}
        self.sent: defaultdict[str, list[float]] = defaultdict(list)  # when each host was asked, by that clock

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.clock is not None:
            self.sent[request.url.host].append(self.clock.now().timestamp())
        if request.url.host in self._hosts:
            place, extensions = request.url.copy_with(scheme="http", port=self._port), dict(request.extensions)
            if (seconds := self.patience.get(request.url.host)) is not None:
                extensions["timeout"] = {**extensions.get("timeout", {}), "read": seconds}
            request = httpx.Request(request.method, place, headers=request.headers, stream=request.stream, extensions=extensions)
        return await super().handle_async_request(request)
