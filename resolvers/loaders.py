"""Batches: whatever the fields of one operation ask for one by one is read in one statement.

A loader belongs to one operation and one store function with its arguments; it makes one hop to the database for each batch.
`load` is shielded: a field that is cancelled does not take the future of all others with it (aiodataloader shares it).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from aiodataloader import DataLoader
from sqlalchemy import Connection

from resolvers.operation import Operation

K = TypeVar("K")
V = TypeVar("V")
P = ParamSpec("P")

BATCH: Final = 500  # keys in one statement: far below SQLite's 32,766 and PostgreSQL's 65,535 parameters


class Loader(DataLoader[Any, Any]):
    """A batching loader whose futures survive the cancellation of one of their waiters."""

    def load(self, key: Any) -> asyncio.Future[Any]:
        return asyncio.shield(super().load(key))


def load(
    operation: Operation,
    f: Callable[Concatenate[Connection, str, Sequence[K], P], Mapping[K, V]],
    key: K,
    *args: P.args,
    **kwargs: P.kwargs,
) -> Awaitable[V | None]:
    """The value of `key` by a store function that takes many keys; None where it gives none. `args` must be hashable.

    A value that is an exception is raised to the one that asked for it.
    """
    return _loader(operation, f, args, kwargs).load(key)


def _loader(operation: Operation, f: Callable[..., Mapping[Any, Any]], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Loader:
    name = (f, args, tuple(sorted(kwargs.items())))
    loader: Loader | None = operation.loaders.get(name)
    if loader is None:

        async def batch(keys: list[Any]) -> list[Any]:
            found = await operation.read(f, keys, *args, **kwargs)
            return [found.get(key) for key in keys]

        loader = operation.loaders[name] = Loader(batch, max_batch_size=BATCH)
    return loader


def gathered(operation: Operation, f: Callable[[Operation, K], Awaitable[V]], key: K) -> Awaitable[V]:
    """The value of `key` by an asynchronous function, asked once an operation however many fields want it."""
    loader: Loader | None = operation.loaders.get((f,))
    if loader is None:

        async def batch(keys: list[Any]) -> list[Any]:
            return await asyncio.gather(*(f(operation, k) for k in keys), return_exceptions=True)

        loader = operation.loaders[(f,)] = Loader(batch, max_batch_size=BATCH)
    return loader.load(key)


def batched(
    operation: Operation, name: tuple[Any, ...], f: Callable[[list[K]], Awaitable[Mapping[K, V]]], key: K
) -> Awaitable[V | None]:
    """The value of `key` by an asynchronous function of many keys; `name` tells loaders of one operation apart."""
    loader: Loader | None = operation.loaders.get(name)
    if loader is None:

        async def batch(keys: list[K]) -> list[V | None]:
            found = await f(keys)
            return [found.get(k) for k in keys]

        loader = operation.loaders[name] = Loader(batch, max_batch_size=BATCH)
    return loader.load(key)


async def once(operation: Operation, name: tuple[Any, ...], make: Callable[[], Awaitable[V]]) -> V:
    """The result of `make`, made once an operation."""
    task: asyncio.Future[V] | None = operation.loaders.get(name)
    if task is None:
        task = operation.loaders[name] = asyncio.ensure_future(make())
    return await asyncio.shield(task)
