"""Errors come in graphql-core's order also where loaders bring values to many fields at once, and those of a parent that is null
already are left out as graphql-core leaves them out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import pytest
from graphql import GraphQLObjectType, GraphQLSchema, build_schema, parse
from graphql.execution.incremental import IncrementalExecutor

from gateway.execution.compiled import Known, Plans
from resolvers.loaders import Loader
from schema.marks import Loads, Reads
from tests.execution.both import Answer, by_core, by_plan, run, shown

PEOPLE = """
    type Query { people: [Person]  robin: Person  motto: String }
    type Person { name: String  sign: String!  friend: Person }
"""
Resolver = Callable[[Any, Any], Any]
Resolvers = dict[str, Resolver]


def _answers(query: str, resolvers: Callable[[], Resolvers]) -> tuple[Answer, Answer]:
    """graphql-core's and the plan's; `resolvers` makes them anew for each, by type and field, within its event loop."""
    document = parse(query)

    async def core() -> Answer:
        return shown(await by_core(_schema(resolvers()), document, {}), "graphql-core", [])

    async def plan() -> Answer:
        result, by = await by_plan(Plans(_schema(resolvers()), IncrementalExecutor), Known(), document, {})
        return shown(result, by, [])

    return run(core), run(plan)


def _schema(resolvers: Resolvers) -> GraphQLSchema:
    schema = build_schema(PEOPLE)
    for name, resolve in resolvers.items():
        kind, field = name.split(".")
        of = schema.type_map[kind]
        assert isinstance(of, GraphQLObjectType)
        of.fields[field].resolve = resolve
    return schema


async def _at_once(value: Any) -> Any:
    return value


async def _awaited(loader: Loader, key: int) -> Any:
    return await loader.load(key)


LOADED = pytest.mark.parametrize(
    "loaded",
    [
        lambda loader: lambda person, info: loader.load(person),
        lambda loader: lambda person, info: _awaited(loader, person),
        lambda loader: Loads(lambda context: loader, "real"),
    ],
    ids=["a resolver gives what a loader promises", "a coroutine awaits it", "a resolver says which loader"],
)


def _failing(after: float = 0.0) -> Loader:
    """A loader that brings, for each key, an error that says which."""

    async def batch(keys: list[int]) -> list[Any]:
        if after:
            await asyncio.sleep(after)
        return [ValueError(f"nothing for {key}") for key in keys]

    return Loader(batch, max_batch_size=10)


def _told(answer: Answer) -> list[tuple[str, list[Any]]]:
    return [(message, path) for message, path, _ in answer.errors]


@LOADED
def test_what_graphql_core_loads_in_two_batches_fails_in_the_order_of_these(loaded: Callable[[Loader], Resolver]) -> None:
    def resolvers() -> Resolvers:
        names = _failing(after=1)
        return {
            "Query.people": lambda _, info: [1, 2],
            "Person.name": loaded(names),
            "Person.friend": lambda person, info: _at_once(person + 10),  # a coroutine: graphql-core begins it a turn later
        }

    wanted, got = _answers("{ people { friend { name } name } }", resolvers)
    assert got.same(wanted), (_told(wanted), _told(got))
    assert len(_told(got)) == 4


@LOADED
def test_an_error_that_comes_when_its_parent_is_null_already_is_left_out(loaded: Callable[[Loader], Resolver]) -> None:
    def resolvers() -> Resolvers:
        friends = _failing()

        def sign(person: Any, info: Any) -> asyncio.Future[Any]:
            failed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            failed.set_exception(ValueError("no sign"))
            return failed

        return {
            "Query.people": lambda _, info: _at_once([1, 2]),
            "Person.friend": loaded(friends),
            "Person.sign": sign,
            "Query.motto": lambda _, info: _at_once("onwards"),
        }

    wanted, got = _answers("{ people { friend { name } sign } motto }", resolvers)
    assert got.same(wanted), (_told(wanted), _told(got))
    assert _told(got) == [("no sign", ["people", 0, "sign"]), ("no sign", ["people", 1, "sign"])]


def test_a_coroutine_that_graphql_core_begins_itself_takes_part_in_the_batches_of_those_that_the_plan_began() -> None:
    def resolvers() -> Resolvers:
        names = _failing(after=1)

        def sign(person: Any, info: Any) -> str:
            if person == 1:
                raise ValueError("no sign")  # the plan ends here, before it comes to the second person
            return "fish"

        return {
            "Query.people": lambda _, info: [1, 2],
            "Person.name": lambda person, info: _awaited(names, person),
            "Person.sign": sign,
            "Person.friend": lambda person, info: person + 10 if person < 10 else None,
        }

    wanted, got = _answers("{ people { friend { name } name friend { friend { sign } } sign } }", resolvers)
    assert got.same(wanted), (_told(wanted), _told(got))
    assert got.by == "replayed"
    assert len(_told(got)) > 2


async def _later(seconds: float, value: Any) -> Any:
    await asyncio.sleep(seconds)
    if isinstance(value, Exception):
        raise value
    return value


@LOADED
def test_what_came_at_different_times_before_the_first_error_comes_again_at_these(loaded: Callable[[Loader], Resolver]) -> None:
    def resolvers() -> Resolvers:
        names = _failing(after=1)

        def sign(person: Any, info: Any) -> str:
            if person == 1:
                raise ValueError("no sign")
            return "fish"

        return {
            "Query.robin": lambda _, info: 7,
            "Query.people": lambda _, info: _later(0.5, [2, 1]),
            "Query.motto": lambda _, info: _later(1.2, ValueError("no motto")),
            "Person.name": loaded(names),
            "Person.sign": sign,
        }

    wanted, got = _answers("{ robin { name } people { name sign } motto }", resolvers)
    assert got.same(wanted), (_told(wanted), _told(got))
    assert got.by == "replayed"
    assert [path[0] for _, path in _told(got)] == ["people", "robin", "motto", "people"]


@pytest.mark.parametrize("turns", range(8))
def test_what_is_cancelled_ends_in_the_turn_in_which_graphql_core_cancels_it(turns: int) -> None:
    def resolvers() -> Resolvers:
        names = _failing(after=5)

        async def sign(person: Any, info: Any) -> str:
            for _ in range(turns if person == 2 else 0):
                await asyncio.sleep(0)
            raise ValueError("no sign")

        return {
            "Query.people": lambda _, info: [1, 2],
            "Person.name": lambda person, info: _awaited(names, person) if person == 1 else "Kim",
            "Person.sign": sign,
        }

    wanted, got = _answers("{ people { name sign } }", resolvers)
    assert got.same(wanted), (_told(wanted), _told(got))
    assert got.by == "replayed" and len(_told(got)) == 2


def test_batches_that_come_at_once_fail_in_the_order_in_which_graphql_core_asks_for_them() -> None:
    def resolvers() -> Resolvers:
        names = _failing(after=1)

        def name(person: Any, info: Any) -> Any:
            if info.path.key == "first":
                raise ValueError("no name")  # the plan ends here
            return names.load(2)

        def friend(person: Any, info: Any) -> Any:
            if info.path.key == "friend":
                return 2
            return _awaited(names, 1)  # graphql-core begins it when it has asked for names already

        return {
            "Query.robin": lambda _, info: _later(0.5, 1),
            "Person.friend": friend,
            "Person.name": name,
            "Person.sign": lambda person, info: _at_once("fish"),
        }

    wanted, got = _answers("{ robin { friend { other: friend { name } first: name name } sign } }", resolvers)
    assert got.same(wanted), (_told(wanted), _told(got))
    assert [message for message, _ in _told(got)] == ["no name", "nothing for 2", "nothing for 1"]


VOICE: ContextVar[str] = ContextVar("voice", default="none")


def test_a_coroutine_that_graphql_core_goes_on_with_keeps_its_context_its_task_and_its_time_limits() -> None:
    def resolvers() -> Resolvers:
        names = _failing()

        async def name(person: Any, info: Any) -> str:
            await asyncio.sleep(0)
            task, before = asyncio.current_task(), VOICE.set(f"voice of {person}")
            said = []
            for _ in range(2):  # the first limit is set before the first error, the second after it
                try:
                    async with asyncio.timeout(1):
                        with contextlib.suppress(ValueError):
                            await names.load(person)
                        async with asyncio.TaskGroup() as group:
                            group.create_task(asyncio.sleep(9))
                except TimeoutError:
                    said.append(f"{VOICE.get()}, {'same' if asyncio.current_task() is task else 'another'} task")
            VOICE.reset(before)  # would fail in another context
            return "; ".join(said)

        return {
            "Query.robin": lambda _, info: 1,
            "Query.motto": lambda _, info: _later(0.5, ValueError("no motto")),
            "Person.name": name,
        }

    wanted, got = _answers("{ robin { name } motto }", resolvers)
    assert got.same(wanted), (wanted, got)
    assert got.by == "replayed"
    assert got.data == {"robin": {"name": "voice of 1, same task; voice of 1, same task"}, "motto": None}


def test_a_coroutine_that_was_begun_ends_as_soon_as_nobody_wants_it_any_more_and_may_clean_up() -> None:
    ended: list[str] = []

    def resolvers() -> Resolvers:
        async def friend(person: Any, info: Any) -> None:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("friend")

        async def name(person: Any, info: Any) -> str:
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(1)
                ended.append("name")
            return "Robin"

        return {
            "Query.robin": lambda _, info: 1,
            "Person.friend": friend,
            "Person.name": name,
            "Person.sign": lambda person, info: _later(0.5, ValueError("no sign")),
        }

    wanted, got = _answers("{ robin { friend { name } name sign } }", resolvers)
    assert got.same(wanted), (wanted, got)
    assert got.by == "replayed"
    assert ended == ["friend", "name"] * 2  # of graphql-core alone, and of graphql-core after the plan


@dataclass
class _Row:
    name: str
    friend_key: int | None


@pytest.mark.parametrize("failing", [set(), {2}, {1, 3}], ids=["nothing fails", "one key fails", "two keys fail"])
def test_what_is_loaded_into_the_items_of_lists_stands_where_graphql_core_puts_it(failing: set[int]) -> None:
    rows = [_Row("a", 1), _Row("b", 2), None, _Row("c", None), _Row("d", 1), _Row("e", 3)]

    async def core() -> Answer:
        return shown(await by_core(_tables(rows, failing), document, {}), "graphql-core", [])

    async def plan() -> Answer:
        result, by = await by_plan(Plans(_tables(rows, failing), IncrementalExecutor), Known(), document, {})
        return shown(result, by, [])

    document = parse("{ row { name friend again: friend } table { friend name } last: row { friend } }")
    wanted, got = run(core), run(plan)
    assert got.same(wanted), (_told(wanted), _told(got))
    assert got.by == ("replayed" if failing else "compiled")
    assert bool(got.errors) == bool(failing)


def _tables(rows: list[Any], failing: set[int]) -> GraphQLSchema:
    """A list of rows, a list of lists of the same, and for each row what a loader brings for its key."""
    schema = build_schema("type Query { row: [Row]  table: [[Row]!] }  type Row { name: String  friend: String }")

    async def batch(keys: list[int]) -> list[Any]:
        return [ValueError(f"nothing for {key}") if key in failing else f"friend {key}" for key in keys]

    loader = Loader(batch, max_batch_size=2)
    query, row = schema.type_map["Query"], schema.type_map["Row"]
    assert isinstance(query, GraphQLObjectType)
    assert isinstance(row, GraphQLObjectType)
    query.fields["row"].resolve = lambda _, info: tuple(rows)
    query.fields["table"].resolve = lambda _, info: [rows[:2], deque(rows[2:])]
    row.fields["name"].resolve = Reads("name")
    row.fields["friend"].resolve = Loads(lambda context: loader, "friend_key")
    return schema


def test_who_stops_waiting_for_an_operation_ends_what_it_began_also_where_graphql_core_goes_on_with_it() -> None:
    ended: list[Any] = []

    async def slow(person: Any, info: Any) -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(info.path.as_list()[0])
        return "Robin"

    def sign(person: Any, info: Any) -> str:
        raise ValueError("no sign")  # graphql-core lets the name go on in the background, and wants it no more

    async def given_up() -> list[Any]:
        schema = _schema({"Query.robin": lambda _, info: 1, "Query.motto": slow, "Person.name": slow, "Person.sign": sign})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await by_plan(Plans(schema, IncrementalExecutor), Known(), parse("{ robin { name sign } motto }"), {})
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return sorted(ended)

    assert run(given_up) == ["motto", "robin"]
