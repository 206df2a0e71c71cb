"""Batches: whatever the fields of one operation ask for one by one is read in one statement.

A loader belongs to one operation and one store function with its arguments; it makes one hop to the database for each batch. It
remembers what it has found, asks again for what failed, and gives each who asks a future of their own: a field that is cancelled
takes nothing from the others, and nothing stands between the batch and whoever waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import Connection

from resolvers.operation import Operation

K = TypeVar("K")
V = TypeVar("V")
P = ParamSpec("P")

BATCH: Final = 500  # keys in one statement: far below SQLite's 32,766 and PostgreSQL's 65,535 parameters


class Loader:
    """Values by key, of an asynchronous function of many keys that gives as many values, exceptions among them."""

    __slots__ = ("_asked", "_batch", "_found", "_loop", "_size", "_tasks", "_waiting")

    def __init__(self, batch: Callable[[list[Any]], Awaitable[Sequence[Any]]], *, max_batch_size: int) -> None:
        self._batch = batch
        self._size = max_batch_size
        self._loop = asyncio.get_running_loop()
        self._found: dict[Any, Any] = {}
        self._waiting: dict[Any, list[asyncio.Future[Any]]] = {}  # asked for and not yet there
        self._asked: list[Any] = []  # of these, what no batch has taken
        self._tasks: set[asyncio.Task[None]] = set()

    def load(self, key: Any) -> asyncio.Future[Any]:
        """The value, now or later; what a batch gives as an exception is raised."""
        future = self._loop.create_future()
        if key in self._found:
            future.set_result(self._found[key])
        elif (waiting := self._waiting.get(key)) is not None:
            waiting.append(future)
        else:
            self._waiting[key] = [future]
            if not self._asked:  # two turns of the loop: others, who are woken in this one, ask in the next
                self._loop.call_soon(self._loop.call_soon, self._begin)
            self._asked.append(key)
        return future

    def _begin(self) -> None:
        asked, self._asked = self._asked, []
        for start in range(0, len(asked), self._size):
            task = self._loop.create_task(self._load(asked[start : start + self._size]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _load(self, keys: list[Any]) -> None:
        values: Sequence[Any] = ()
        try:
            values = await self._batch(keys)
            if len(values) != len(keys):
                raise ValueError(f"a batch of {len(keys)} keys gave {len(values)} values")
        except Exception as error:
            values = [error] * len(keys)
        finally:
            for key, value in zip(keys, values or [asyncio.CancelledError()] * len(keys), strict=True):
                self._settle(key, value)

    def _settle(self, key: Any, value: Any) -> None:
        waiting = self._waiting.pop(key)
        failed = isinstance(value, BaseException)
        if not failed:
            self._found[key] = value
        for future in waiting:
            if future.done():  # cancelled
                continue
            if not failed:
                future.set_result(value)
            elif isinstance(value, asyncio.CancelledError):
                future.cancel()
            else:
                future.set_exception(value)


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
