"""Asking the schema as a front-end would, without HTTP: one viewer's operations over a household's data."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from graphql import ExecutionResult, OperationDefinitionNode, parse, validate

from gateway.execution.compiled import Known, Plans, Ready
from providers.base import LiveAdapter, Provider
from providers.errors import Unavailable
from resolvers.linking import Linking
from resolvers.operation import Operation, Services
from schema import build_schema
from store.cache import Cache
from store.vault import Vault
from tests.household import NOW, Household
from tests.patience import PATIENCE


@cache
def plans() -> Plans:
    schema = build_schema()
    return Plans(schema._schema, schema.execution_context_class)


SCOPES = frozenset({"read", "write", "send", "admin"})
#: Longer than the most that is promised, of real time: a test in which no source is slow must not meet it on a busy machine.
DEADLINE_MS = 120_000


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, now: datetime = NOW + timedelta(days=1)) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        await asyncio.sleep(0)


class NoNetwork:
    """An installation whose networks are all away."""

    async def __call__(self, viewer: str, account_id: str, *, deadline: float | None) -> LiveAdapter:
        raise Unavailable("The network cannot be reached.")


@dataclass
class Context:
    operation: Operation


@dataclass
class Desk:
    """Where one viewer asks."""

    household: Household
    clock: Clock = field(default_factory=Clock)
    providers: dict[str, Provider] = field(default_factory=dict)
    linking: Linking | None = None
    open_account: Any = field(default_factory=NoNetwork)
    key: bytes = b"a key of the tests that is long enough"

    def __post_init__(self) -> None:
        self.services = Services(
            database=self.household.database,
            cache=Cache(None),
            vault=Vault([self.key]),
            clock=self.clock,
            providers=self.providers,
            open_account=self.open_account,
            public_url="https://kith.example.org",
            linking=self.linking,
            max_deadline_ms=DEADLINE_MS,
        )

    def operation(self, **more: Any) -> Operation:
        scopes = more.pop("scopes", SCOPES)
        more.setdefault("deadline_ms", DEADLINE_MS)
        return Operation(self.services, self.household.viewer, scopes, **more)

    async def execute(self, query: str, /, operation: Operation | None = None, **variables: Any) -> Any:
        """The whole result, errors included."""
        context, schema = Context(operation or self.operation()), build_schema()
        document = parse(query)
        if not validate(schema._schema, document):
            first = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
            ready = plans().ready(Known(), document, first, None, variables)
            if isinstance(ready, Ready):
                result, _ = await plans().run(ready, context)
                return result
        return await schema.execute(query, variable_values=variables, context_value=context)

    async def ask(self, query: str, /, **variables: Any) -> Any:
        """The data of an operation that makes no error."""
        result = await self.execute(query, **variables)
        assert not result.errors, result.errors
        return result.data

    async def refused(self, query: str, /, **variables: Any) -> str:
        """The code of the first error of an operation that is refused."""
        result = await self.execute(query, **variables)
        assert result.errors, result.data
        return str((result.errors[0].extensions or {}).get("code"))

    async def follow(self, query: str, count: int, /, operation: Operation | None = None, **variables: Any) -> list[Any]:
        """The first `count` events of a subscription; fewer when it ends before."""
        stream = await build_schema().subscribe(
            query, variable_values=variables, context_value=Context(operation or self.operation())
        )
        assert not isinstance(stream, ExecutionResult), stream
        events: list[Any] = []
        try:
            async with asyncio.timeout(PATIENCE):
                async for event in stream:
                    assert not event.errors, event.errors
                    events.append(event.data)
                    if len(events) >= count:
                        break
        finally:
            await stream.aclose()
        return events


@contextmanager
def statements() -> Iterator[list[str]]:
    """The SQL statements sent meanwhile, on any database."""
    seen: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if not statement.startswith(("BEGIN", "COMMIT", "SET TRANSACTION", "SELECT set_config")):
            seen.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


def nodes(connection: Any) -> list[Any]:
    """The nodes of a connection."""
    return [edge["node"] for edge in connection["edges"]]


async def pages(desk: Desk, text: str, path: Sequence[str], /, **variables: Any) -> list[list[Any]]:
    """All pages of a list, by its own cursors, until it says that there is no more."""
    found: list[list[Any]] = []
    after: str | None = None
    dig: Callable[[Any], Any] = lambda data: [data := data[name] for name in path][-1]  # noqa: E731
    while True:
        connection = dig(await desk.ask(text, after=after, **variables))
        found.append(nodes(connection))
        if not connection["pageInfo"]["hasNextPage"]:
            return found
        after = connection["pageInfo"]["endCursor"]
        assert len(found) < 1_000
