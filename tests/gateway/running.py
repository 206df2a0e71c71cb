"""An installation opened in the test's own process: with a schema that can fail in every way, and, where asked, on a real port.

async with opened(tmp_path) as installation, asking(installation) as client: ...
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2 as httpx
import strawberry
import uvicorn
from msgspec.structs import replace
from sqlalchemy import Connection

from gateway.app import open_installation
from gateway.installation import Installation
from gateway.listener import bind
from gateway.people import named
from gateway.serve import Server, protocol
from gateway.settings import load
from gateway.signin import keys
from gateway.web import application
from resolvers.operation import Clock
from store.viewers import ApiKey
from tests import fresh
from tests.ports import free_port

SECRET_TEXT = "postgres://kith:hunter2@db.example.org/kith"


class TestClock:
    """A clock that stands still until it is told otherwise."""

    __test__ = False

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)

    def pass_by(self, **duration: float) -> None:
        self.time += timedelta(**duration)


@strawberry.type
class Item:
    name: str
    cursor: str = ""


@strawberry.type
class Query:
    @strawberry.field
    def me(self, info: strawberry.Info) -> str:
        return str(info.context.operation.viewer)

    @strawberry.field
    def boom(self) -> str | None:
        raise RuntimeError(SECRET_TEXT)

    @strawberry.field
    def long(self, size: int = 5_000) -> str:
        return "x" * size

    @strawberry.field
    def items(self, first: int = 50) -> list[Item]:
        return [Item(name=str(n)) for n in range(min(first, 3))]

    @strawberry.field
    async def slow(self, seconds: float = 0.5) -> str:
        await asyncio.sleep(seconds)
        return "done"

    @strawberry.field
    def deadline(self, info: strawberry.Info, freshness: strawberry.scalars.JSON | None = None) -> int:
        return int(info.context.operation.deadline_ms)


@strawberry.type
class Mutation:
    @strawberry.mutation
    def touch(self) -> str:
        return "touched"

    @strawberry.mutation(name="createApiKey")
    def create_api_key(self) -> str:
        return "made"


closed: list[str] = []
"""Names of subscriptions whose source was closed."""


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, to: int = 3) -> AsyncGenerator[int, None]:
        for n in range(1, to + 1):
            yield n

    @strawberry.subscription
    async def changes(self, info: strawberry.Info) -> AsyncGenerator[Item, None]:
        after = int(info.context.last_event_id or 0)
        for n in range(after + 1, 6):
            yield Item(name=f"change {n}", cursor=str(n))

    @strawberry.subscription
    async def endless(self, name: str = "endless") -> AsyncGenerator[int, None]:
        try:
            n = 0
            while True:
                n += 1
                yield n
                await asyncio.sleep(0.05)
        finally:
            closed.append(name)

    @strawberry.subscription
    async def breaks(self) -> AsyncGenerator[int, None]:
        yield 1
        raise RuntimeError(SECRET_TEXT)


SCHEMA = strawberry.Schema(Query, Mutation, Subscription)


@contextlib.asynccontextmanager
async def opened(
    home: Path, *, clock: Clock | None = None, schema: strawberry.Schema | None = SCHEMA, **settings: Any
) -> AsyncIterator[Installation]:
    """An installation in `home`; settings by their field names."""
    if "database_url" not in settings and not (home / "kith").exists():
        await fresh.sqlite(home / "kith" / "kith.db")
    async with open_installation(load(home=home / "kith", **settings), clock=clock, schema=schema) as installation:
        yield installation


async def key_of(
    installation: Installation, viewer: str | None = None, scopes: Sequence[str] = ("read", "write")
) -> tuple[str, ApiKey]:
    """A new key and what is kept of it."""
    whose = await named(installation, viewer)

    def make(conn: Connection) -> tuple[str, ApiKey]:
        return keys.create(conn, whose.id, "test", scopes, installation.clock.now())

    return await installation.database.system(make)


@contextlib.asynccontextmanager
async def asking(installation: Installation, key: str | None = None, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the web application, without a socket in between."""
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    transport = httpx.ASGITransport(app=application(installation))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers=headers) as client:
        yield client


@contextlib.asynccontextmanager
async def listening(installation: Installation) -> AsyncIterator[str]:
    """The web application on a free port; yields host:port."""
    listener = bind(replace(installation.settings, port=free_port()))
    config = uvicorn.Config(
        application(installation), http=protocol(installation), lifespan="off", log_config=None, access_log=False,
        timeout_graceful_shutdown=2, loop="none",
    )  # fmt: skip
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def ask(client: httpx.AsyncClient, query: str, **body: Any) -> httpx.Response:
    """POST an operation as clients of today do."""
    accept = {"accept": "application/graphql-response+json, application/json;q=0.9"}
    return await client.post("/graphql", json={"query": query, **body}, headers=accept)
