"""Schemas, documents, variables and resolvers made up from a number: what graphql-core and compiled plans are compared on.

What a resolver does follows from the number and the place in the answer alone, so that both meet the same: plain values, null
where none may be, values of the wrong kind, exceptions raised and returned, awaitables that are ready, that take some turns of the
loop, that take time, that a loader brings to several fields at once, coroutines that await loaders, resolvers that only say which loader
brings it, lists as generators and asynchronous iterators, types that cannot be told.
"""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final

from graphql import (
    DocumentNode,
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    GraphQLUnionType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    parse,
    validate,
)
from graphql.execution.incremental import IncrementalExecutor

from gateway.execution.compiled import Known, Plans
from resolvers.loaders import Loader
from schema.marks import ByRecord, Loads, Reads, Shows

WEATHERS: Final = 10
VALUES: Final[dict[str, list[Any]]] = {
    "Boolean!": [True, False],
    "Int!": [1, 5],
    "Int = 4": [3, None],
    "String": ["s", None],
}
LEAVES: Final[list[Any]] = [GraphQLInt, GraphQLString, GraphQLFloat, GraphQLBoolean, GraphQLID]


class Trouble(Exception):
    """What goes wrong in a resolver."""


class Strange:
    """A value of no type."""

    def __repr__(self) -> str:
        return "<strange>"


class Thing:
    """A record: its attributes come into being when they are read."""

    def __init__(self, world: World, kind: str, place: str) -> None:
        self.world = world
        self.kind = kind
        self.place = place

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.world.attribute(self, name)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.place}>"


@dataclass
class Case:
    """One comparison."""

    seed: int
    schema: GraphQLSchema
    document: DocumentNode
    text: str
    declared: dict[str, str]
    variables: dict[str, Any]
    world: World
    known: Known
    plans: Plans


class World:
    """A schema and how its resolvers behave."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.asked: list[Any] = []
        self.weather(0)
        self._begun: list[Any] = []
        self._loaders: dict[tuple[Any, str], Loader] = {}  # by the event loop and what they bring
        self.records: dict[str, type] = {}
        self.shown_as: dict[type, str] = {}
        self.schema = self._schema()

    def weather(self, number: int) -> None:
        """How resolvers behave from here on."""
        rng = random.Random(self.seed * 1_000 + number)
        self.number = number
        self.trouble = 0.0 if rng.random() < 0.35 else rng.choice([0.01, 0.05, 0.2])  # how much goes wrong
        self.quick = rng.random() < 0.3  # nobody waits
        self.asked.clear()

    # --- the schema ---

    def _schema(self) -> GraphQLSchema:
        rng = self.random
        colour = GraphQLEnumType("Colour", {"RED": "red", "GREEN": "green", "BLUE": 3})
        odd = GraphQLScalarType("Odd", serialize=self._odd)
        self.leaves = [*LEAVES, colour, odd]
        self.objects: list[GraphQLObjectType] = []
        marked = rng.random() < 0.5
        interfaces = [
            GraphQLInterfaceType(
                f"I{n}", lambda: {"shared": GraphQLField(GraphQLNonNull(GraphQLString), resolve=self._resolver("shared"))}
            )
            for n in range(rng.randint(0, 2))
        ]
        self.bare: set[str] = set()  # types of which nothing is called for most fields
        for n in range(rng.randint(2, 5)):
            name = f"T{n}"
            if rng.random() < 0.4:
                self.bare.add(name)
            self.records[name] = type(name, (Thing,), {})
            self.shown_as[self.records[name]] = name
            implements = [i for i in interfaces if rng.random() < 0.6]
            self.objects.append(GraphQLObjectType(name, self._later(name), interfaces=implements))
        used = [i for i in interfaces if any(i in t.interfaces for t in self.objects)]
        union = GraphQLUnionType("U", rng.sample(self.objects, rng.randint(1, len(self.objects))))
        self.composites: list[Any] = [*self.objects, *used, union]
        for kind in self.objects:
            if marked:
                kind.is_type_of = Shows(self.records[kind.name]) if rng.random() < 0.8 else Shows()
            elif rng.random() < 0.6:
                kind.is_type_of = self._is_type_of(kind.name)
        abstracts: list[Any] = [*used, union]
        for abstract in abstracts:
            abstract.resolve_type = ByRecord(self.shown_as) if marked else self._resolve_type if rng.random() < 0.7 else None
        query = GraphQLObjectType("Query", self._fields("Query", rng.randint(3, 7)))
        mutation = GraphQLObjectType("Mutation", self._fields("Mutation", 3))
        return GraphQLSchema(query, mutation, types=self.objects)

    def _later(self, name: str) -> Any:
        return lambda: self._fields(name, self.random.randint(2, 6))

    def _fields(self, owner: str, count: int) -> dict[str, GraphQLField]:
        rng = self.random
        made = {}
        bare = owner in self.bare
        for n in range(count):
            name = f"f{n}"
            kind = self._wrapped(
                rng.choice(self.leaves) if rng.random() < (0.9 if bare else 0.5) else rng.choice(self.composites)
            )
            if owner == "Query" and self.bare and rng.random() < 0.3:
                kind = GraphQLList(rng.choice([one for one in self.objects if one.name in self.bare]))
            arguments = {}
            if rng.random() < 0.3:
                kinds: list[Any] = [GraphQLInt, GraphQLNonNull(GraphQLInt)]
                arguments = {"n": GraphQLArgument(rng.choice(kinds), default_value=2)}
                arguments["s"] = GraphQLArgument(GraphQLList(GraphQLString))
            plain = not arguments and owner not in ("Query", "Mutation") and rng.random() < (0.95 if bare else 0.6)
            resolve: Any = Reads(name) if plain else self._resolver(name)
            if not arguments and owner.startswith("T") and rng.random() < (0.4 if bare else 0.2):
                resolve = Loads(partial(self._loader, kind), f"key_of_{name}")
            made[name] = GraphQLField(kind, arguments, resolve=resolve)
        if owner.startswith("T"):
            resolve = Reads("shared") if bare else self._resolver("shared")
            made["shared"] = GraphQLField(GraphQLNonNull(GraphQLString), resolve=resolve)
        self.kinds = {**getattr(self, "kinds", {}), owner: {name: field.type for name, field in made.items()}}
        return made

    def _wrapped(self, kind: Any) -> Any:
        rng = self.random
        if rng.random() < 0.4:
            kind = GraphQLNonNull(kind)
        while rng.random() < 0.3:
            kind = GraphQLList(kind)
            if rng.random() < 0.4:
                kind = GraphQLNonNull(kind)
        return kind

    # --- what resolvers do ---

    def _kept(self, coroutine: Any) -> Any:
        self._begun.append(coroutine)
        return coroutine

    def close(self) -> None:
        """End coroutines that nobody came to await."""
        for coroutine in self._begun:
            coroutine.close()
        self._begun.clear()
        self._loaders.clear()

    def at(self, place: str) -> random.Random:
        """Chance at one place, the same every time."""
        return random.Random(zlib.crc32(f"{self.seed}:{self.number}:{place}".encode()))

    def _odd(self, value: Any) -> Any:
        if value == 7:
            raise Trouble("seven is not odd enough")
        return None if value == 9 else [value]

    def _resolver(self, name: str) -> Any:
        def resolve(source: Any, info: Any, **arguments: Any) -> Any:
            place = "/".join(map(str, info.path.as_list()))
            self.asked.append(place)
            return self._outcome(self.at(place), info.return_type, f"{place}{arguments or ''}")

        return resolve

    def attribute(self, thing: Thing, name: str) -> Any:
        rng = self.at(f"{thing.place}.{name}")
        if rng.random() < self.trouble / 2:
            raise Trouble(f"no {name} at {thing.place}")
        if name.startswith("key_of_"):
            return None if rng.random() < 0.1 else rng.randint(0, 4)
        kind = self.kinds[thing.kind].get(name)
        if kind is None:
            raise AttributeError(name)
        return self._value(rng, kind, f"{thing.place}.{name}", lazily=False)

    def _outcome(self, rng: random.Random, kind: Any, place: str) -> Any:
        how = rng.random()
        if how < 0.45:
            if rng.random() < self.trouble:
                raise Trouble(f"raised at {place}")
            return self._value(rng, kind, place)
        if how < 0.5:
            future = asyncio.get_running_loop().create_future()
            if rng.random() < self.trouble:
                future.set_exception(Trouble(f"failed at {place}"))
            else:
                future.set_result(self._value(rng, kind, place))
            return future
        if how < 0.6:
            return self._loaded(rng, kind)
        if how < 0.75:
            return self._kept(self._after_loading(rng, kind, place))
        return self._kept(self._slowly(rng, kind, place))

    def _loaded(self, rng: random.Random, kind: Any) -> Any:
        """What a loader brings: few keys, so that fields share values."""
        return self._loader(kind).load(rng.randint(0, 4))

    def _loader(self, kind: Any, context: Any = None) -> Loader:
        of = (asyncio.get_running_loop(), str(kind))
        loader = self._loaders.get(of)
        if loader is None:

            async def batch(keys: list[int]) -> list[Any]:
                chance = self.at(f"batch of {kind}")
                if not self.quick and chance.random() < 0.5:
                    await asyncio.sleep(chance.uniform(0.001, 1))
                return [self._brought(self.at(f"{kind} {key}"), kind, f"{kind}#{key}") for key in keys]

            loader = self._loaders[of] = Loader(batch, max_batch_size=3)
        return loader

    async def _after_loading(self, rng: random.Random, kind: Any, place: str) -> Any:
        """What a coroutine makes of what loaders bring it, one thing after the other."""
        how = rng.random()
        if how < 0.6:
            return await self._loaded(rng, kind)
        if how < 0.8:
            await self._loaded(rng, GraphQLInt)
            return await self._loaded(rng, kind)
        if how < 0.9:
            await asyncio.sleep(0)
        else:
            try:
                await self._loaded(rng, GraphQLInt)
            except Trouble:
                return None
        if rng.random() < self.trouble:
            raise Trouble(f"raised after loading at {place}")
        return self._value(rng, kind, place)

    def _brought(self, rng: random.Random, kind: Any, place: str) -> Any:
        if rng.random() < self.trouble:
            return Trouble(f"not brought: {place}")
        return self._value(rng, kind, place, lazily=False)

    async def _slowly(self, rng: random.Random, kind: Any, place: str) -> Any:
        if not self.quick and rng.random() < 0.5:
            await asyncio.sleep(rng.uniform(0.001, 1))
            if rng.random() < 0.2:
                async with asyncio.timeout(rng.uniform(0.001, 1)):
                    await asyncio.sleep(rng.uniform(0.001, 0.9))
        if rng.random() < self.trouble:
            raise Trouble(f"raised late at {place}")
        return self._value(rng, kind, place)

    def _value(self, rng: random.Random, kind: Any, place: str, *, lazily: bool = True) -> Any:
        if rng.random() < self.trouble / 2:
            return rng.choice([Trouble(f"returned at {place}"), Strange(), [[]], "text", 2**40, None, {}, float("nan"), 7, 9])
        if is_non_null_type(kind):
            kind = kind.of_type
            if rng.random() < self.trouble / 2:
                return None
        elif rng.random() < 0.15:
            return None
        if is_list_type(kind):
            return self._list(rng, kind, place, lazily)
        if is_leaf_type(kind):
            return self._leaf(rng, kind)
        if is_abstract_type(kind):
            possible = sorted(t.name for t in self.schema.get_possible_types(kind))
            name = rng.choice(possible) if rng.random() > self.trouble / 4 else "T0"
        else:
            name = kind.name
        return self.records[name](self, name, place)

    def _list(self, rng: random.Random, kind: Any, place: str, lazily: bool) -> Any:
        found = [self._value(rng, kind.of_type, f"{place}/{n}") for n in range(rng.choice([0, 1, 2, 2, 3]))]
        how = rng.random()
        if how < 0.2:
            return tuple(found)
        if not lazily or how < 0.9:
            return found
        if how < 0.93:
            return _one_by_one(found)
        if how < 0.96:
            return _in_time(found)
        return [self._kept(_ready(item)) if rng.random() < 0.3 else item for item in found]

    def _leaf(self, rng: random.Random, kind: Any) -> Any:
        match kind.name:
            case "Int":
                return rng.choice([0, 1, -5, 2**31 - 1, True, 4.0])
            case "String":
                return rng.choice(["", "text", "ü", 4, True])
            case "Float":
                return rng.choice([0.5, 1, -2.25])
            case "Boolean":
                return rng.choice([True, False])
            case "ID":
                return rng.choice(["id", 5])
            case "Colour":
                return rng.choice(["red", "green", 3])
            case _:
                return rng.choice([1, 3, "five"])

    def _resolve_type(self, value: Any, info: Any, kind: Any) -> Any:
        rng = self.at(f"{value!r}:type")
        if rng.random() < self.trouble / 2:
            return rng.choice([None, "Nobody", "Query", 5, "T0", "U"])
        if rng.random() < 0.05:
            return self._kept(_ready(value.kind))
        return value.kind

    def _is_type_of(self, name: str) -> Any:
        def is_type_of(value: Any, info: Any) -> Any:
            rng = self.at(f"{value!r}:is {name}")
            said = getattr(value, "kind", None) == name
            if rng.random() < self.trouble / 4:
                said = not said
            return self._kept(_ready(said)) if rng.random() < 0.03 else said

        return is_type_of


class Writer:
    """A document for a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = world.random
        self.fragments: list[str] = []
        self.open: list[str] = []
        self.declared: dict[str, str] = {}
        self.names = 0

    def document(self) -> str:
        mutation = self.rng.random() < 0.15
        root = self.world.schema.mutation_type if mutation else self.world.schema.query_type
        body = self.selection(root, 0)
        declared = f"({', '.join(f'${name}: {kind}' for name, kind in self.declared.items())})" if self.declared else ""
        return f"{'mutation' if mutation else 'query'} Q{declared} {body}\n" + "\n".join(self.fragments)

    def selection(self, kind: Any, depth: int) -> str:
        rng = self.rng
        parts = []
        if is_abstract_type(kind):
            if rng.random() < 0.5 or kind.name == "U":
                parts.append("__typename")
            possible = self.world.schema.get_possible_types(kind)
            for one in rng.sample(list(possible), rng.randint(0, len(possible))):
                parts.append(f"... on {one.name}{self.directive()} {self.selection(one, depth + 1)}")
            if hasattr(kind, "fields"):
                parts.append(self.field(kind, "shared", depth))
        else:
            names = list(kind.fields)
            for name in rng.choices(names, k=rng.randint(1, 4)):
                parts.append(self.field(kind, name, depth))
            if rng.random() < 0.2:
                parts.append(f"...{self.directive()} {self.selection(kind, depth + 1)}" if depth < 4 else "__typename")
            if rng.random() < 0.2 and depth < 4:
                parts.append(self.spread(kind, depth))
            if rng.random() < 0.15:
                parts.append("__typename")
        return "{ " + " ".join(parts or ["__typename"]) + " }"

    def spread(self, kind: Any, depth: int) -> str:
        name = f"F{len(self.fragments) + len(self.open)}_{self.names}"
        self.names += 1
        self.open.append(name)
        text = self.selection(kind, depth + 1)
        self.open.pop()
        self.fragments.append(f"fragment {name} on {kind.name} {text}")
        return f"...{name}{self.directive()} " + (f"...{name}" if self.rng.random() < 0.2 else "")

    def field(self, kind: Any, name: str, depth: int) -> str:
        field, rng = kind.fields[name], self.rng
        target = get_named_type(field.type)
        if not is_leaf_type(target) and depth >= 4:
            return "__typename"
        arguments, alias = "", ""
        if field.args and rng.random() < 0.7:
            self.names += 1
            alias = f"a{self.names}: "
            given = rng.random()
            if given < 0.3:
                arguments = f"(n: {rng.randint(0, 9)})"
            elif given < 0.5:
                arguments = '(s: ["x", null])'
            elif given < 0.8:
                arguments = f"(n: ${self.variable('Int!' if rng.random() < 0.5 else 'Int = 4')})"
            else:
                arguments = f"(s: [${self.variable('String')}])"
        elif rng.random() < 0.2:
            self.names += 1
            alias = f"a{self.names}: "
        below = "" if is_leaf_type(target) else " " + self.selection(target, depth + 1)
        return f"{alias}{name}{arguments}{self.directive()}{below}"

    def directive(self) -> str:
        rng = self.rng
        if rng.random() > 0.12:
            return ""
        word = rng.choice(["skip", "include"])
        if rng.random() < 0.4:
            return f" @{word}(if: {rng.choice(['true', 'false'])})"
        return f" @{word}(if: ${self.variable('Boolean!')})"

    def variable(self, kind: str) -> str:
        alike = [name for name, declared in self.declared.items() if declared == kind]
        if alike and self.rng.random() < 0.5:
            return self.rng.choice(alike)
        name = f"v{len(self.declared)}"
        self.declared[name] = kind
        return name


def case(number: int) -> Case:
    """The comparison of this number: some numbers in a row are one document in different weathers."""
    found = _case(number // WEATHERS)
    found.world.weather(number % WEATHERS)
    found.seed = number
    rng = random.Random(number)
    found.variables = {}
    for name, kind in found.declared.items():
        if rng.random() < 0.005:
            found.variables[name] = "wrong"
        elif kind.endswith("!") or rng.random() < 0.7:
            found.variables[name] = rng.choice(VALUES[kind])
    return found


@lru_cache(maxsize=1)
def _case(seed: int) -> Case:
    world = World(seed)
    while True:  # what does not validate is made up again
        writer = Writer(world)
        text = writer.document()
        document = parse(text)
        if not validate(world.schema, document, max_errors=1):
            plans = Plans(world.schema, IncrementalExecutor)
            return Case(seed, world.schema, document, text, writer.declared, {}, world, Known(), plans)


def _one_by_one(found: list[Any]) -> Iterator[Any]:
    yield from found


async def _in_time(found: list[Any]) -> AsyncIterator[Any]:
    for one in found:
        yield one


async def _ready(value: Any) -> Any:
    return value
