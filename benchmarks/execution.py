"""What executing costs by itself: Kith's schema and resolvers, the data already loaded, graphql-core beside compiled plans.

    python -m benchmarks.execution

Fifty people with an e-mail address and three conversations each are put into an empty store and asked for once; then what the
resolvers fetch is kept in memory, and the same resolvers run in both. Nothing else is in the figures: no parsing, validation,
HTTP or encoding. Answers are compared before anything is timed. Figures are microseconds of CPU an operation, the best of some
rounds that take turns.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from graphql import GraphQLSchema, OperationDefinitionNode, execute, parse, validate

from benchmarks.people_page import CONVERSATIONS, PEOPLE, QUERY
from gateway.execution.compiled import Known, Plans, Ready
from gateway.execution.compiled.values import is_awaitable
from resolvers import conversation_messages, conversations, people, viewers
from schema import build_schema
from tests.asking import Context, Desk
from tests.chaos.report import Report
from tests.household import Household, card, mail, open_sqlite

FLAT: Final = "{ viewer { people(first: 50) { edges { node { id name } } } } }"
OPERATIONS: Final = {"people page": (QUERY, 8.0), "flat list": (FLAT, 12.0)}
FETCHING: Final[tuple[tuple[Any, str], ...]] = (
    (viewers, "get"),
    (people, "page"),
    (conversations, "of_person"),
    (conversation_messages, "last"),
)
Run = Callable[[], Awaitable[Any]]


async def compare(home: Path, *, rounds: int = 12, seconds: float = 0.4) -> Report:
    """Both, in turns. Raises AssertionError when their answers differ."""
    report = Report()
    async with open_sqlite(home) as database:
        desk = Desk(await Household.open(database))
        await _furnish(desk.household)
        context = Context(desk.operation())
        with _Loaded():
            for name, (query, least) in OPERATIONS.items():
                reference, compiled = _both(query, context)
                await reference()  # fetches; from here on all is loaded
                wanted, got = await reference(), await compiled()
                assert not wanted.errors, wanted.errors
                assert wanted == got, f"{name}: the answers differ"
                core, ours = await _turns(reference, compiled, rounds, seconds)
                report.figures[f"{name}: graphql-core, µs"] = round(core * 1e6, 1)
                report.figures[f"{name}: compiled, µs"] = round(ours * 1e6, 1)
                report.figures[f"{name}: times as fast"] = round(core / ours, 2)
                report.figures[f"{name}: asked for, times"] = least
    return report


async def _furnish(household: Household) -> None:
    book = await household.account("vcard", "cards")
    box = await household.account("mbox", "robin@example.org", own=["robin@example.org"])
    addresses = [f"person{n:02}@people.example" for n in range(PEOPLE)]
    await household.take(book, *(card(f"card-{n}", f"Person Number {n:02}", address) for n, address in enumerate(addresses)))
    await household.take(
        box,
        *(
            mail(100 * n + k, address, name=f"Person Number {n:02}", subject=f"About {n} and {k}")
            for n, address in enumerate(addresses)
            for k in range(CONVERSATIONS)
        ),
    )
    await household.resolve()


class _Loaded:
    """While it is open, what the resolvers fetch is fetched once and then at hand."""

    def __enter__(self) -> None:
        self._were = [(module, name, getattr(module, name)) for module, name in FETCHING]
        for module, name, fetch in self._were:
            setattr(module, name, _kept(fetch))

    def __exit__(self, *_: object) -> None:
        for module, name, fetch in self._were:
            setattr(module, name, fetch)


def _kept(fetch: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    found: dict[Any, Any] = {}

    async def loaded(operation: Any, of: Any = None, *rest: Any) -> Any:
        key = (of if isinstance(of, str) else getattr(of, "id", None), getattr(of, "first", None))
        if key not in found:
            found[key] = await (fetch(operation) if of is None else fetch(operation, of, *rest))
        return found[key]

    return loaded


def _both(query: str, context: Context) -> tuple[Run, Run]:
    built = build_schema()
    schema: GraphQLSchema = built._schema
    document = parse(query)
    assert not validate(schema, document)
    operation = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    plans, known = Plans(schema, built.execution_context_class), Known()

    async def reference() -> Any:
        result: Any = execute(
            schema,
            document,
            context_value=context,
            is_awaitable=is_awaitable,
            executor_class=built.execution_context_class,
        )
        return await result if inspect.isawaitable(result) else result

    async def compiled() -> Any:
        ready = plans.ready(known, document, operation, None, {})
        assert isinstance(ready, Ready)
        result, replayed = await plans.run(ready, context)
        assert not replayed
        return result

    return reference, compiled


async def _turns(one: Run, other: Run, rounds: int, seconds: float) -> tuple[float, float]:
    best = [float("inf"), float("inf")]
    for _ in range(rounds):
        for n, run in enumerate((one, other)):
            began = time.process_time()
            await run()
            count = max(3, int(seconds / rounds / max(1e-6, time.process_time() - began)))
            gc.collect()
            began = time.process_time()
            for _ in range(count):
                await run()
            best[n] = min(best[n], (time.process_time() - began) / count)
    return best[0], best[1]


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory(prefix="kith-execution-") as folder:
        for figure, value in asyncio.run(compare(Path(folder))).figures.items():
            print(f"{figure:40} {value}")
