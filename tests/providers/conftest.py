"""What adapter tests are made of: a clock that is turned by hand, credentials in the open, and a server that misbehaves."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from providers.addresses import Guard
from providers.errors import ReauthRequired
from providers.http import Session, Transport
from providers.session import Account, Secret
from tests.ports import free_port

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


class HandClock:
    """Time stands still until somebody sleeps; then it has passed."""

    def __init__(self) -> None:
        self.time = NOON
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)
        await asyncio.sleep(0)


class OpenCredentials:
    """A secret, and those that a refresh gives in turn."""

    def __init__(self, secret: Secret, *newer: Secret) -> None:
        self.secret = secret
        self.newer = list(newer)
        self.refreshes = 0

    async def read(self) -> Secret:
        return self.secret

    async def refreshed(self, old: Secret) -> Secret:
        self.refreshes += 1
        if not self.newer:
            raise ReauthRequired("Sign in again.")
        self.secret = self.newer.pop(0)
        return self.secret


class Remembered:
    """An account's memory, as it is kept."""

    def __init__(self) -> None:
        self.kept: bytes | None = None

    async def read(self) -> bytes | None:
        return self.kept

    async def keep(self, remembered: bytes) -> None:
        self.kept = remembered


class Calls:
    """An observer that remembers outcomes."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def call(self, provider: str, outcome: str, seconds: float) -> None:
        self.outcomes.append(outcome)


class Exchange:
    """One request as a scripted server got it."""

    def __init__(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body


Answer = bytes | Callable[[Exchange], bytes | Awaitable[bytes | None] | None]


def http_answer(status: int = 200, body: bytes | str = b"", **headers: str) -> bytes:
    """A response as bytes; header names with underscores for hyphens."""
    raw = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(raw)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


class Script:
    """A loopback HTTP server that gives prepared answers, as bytes, in turn; the last one for ever.

    An answer that is a function gets the Exchange; when it gives None the connection is cut without a word.
    """

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.seen: list[Exchange] = []
        self.connections = 0
        self.port = 0
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, path, _ = head[0].split(" ", 2)
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:]) if name}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                exchange = Exchange(method, path, headers, body)
                self.seen.append(exchange)
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                said = answer if isinstance(answer, bytes) else answer(exchange)
                if isinstance(said, Awaitable):
                    said = await said
                if said is None:
                    break
                writer.write(said)
                await writer.drain()
                if b"\r\nConnection: close" in said:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def scripted(*answers: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Script]:
    """A running `Script`."""
    script = Script(*answers)
    script.scheme = "https" if tls else "http"
    server = await asyncio.start_server(script.serve, "127.0.0.1", free_port(), ssl=tls)
    script.port = server.sockets[0].getsockname()[1]
    try:
        yield script
    finally:
        server.close()


SessionMaker = Callable[..., Session]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """Connections to this machine's loopback addresses, and to nowhere else."""
    transport = Transport(Guard(["127.0.0.0/8:*"]))
    yield transport
    await transport.aclose()


@pytest.fixture
def new_session(clock: HandClock, transport: Transport) -> Iterator[SessionMaker]:
    """Makes a Session: `new_session(base_url, secret=…, provider=…, **Session arguments)`."""

    def make(
        base_url: str,
        *,
        provider: str = "test",
        secret: Secret | None = None,
        user_id: str | None = None,
        live: bool = False,
        **more: Any,
    ) -> Session:
        return Session(
            account=Account(provider=provider, base_url=base_url, user_id=user_id, live=live),
            credentials=more.pop("credentials", None) or OpenCredentials(secret or Secret()),
            clock=clock,
            transport=more.pop("transport", transport),
            **more,
        )

    yield make
