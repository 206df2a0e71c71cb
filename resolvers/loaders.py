"""Batches: whatever the fields of one operation ask for one by one is read in one statement.

A loader belongs to one operation and one store function with its arguments; it makes one hop to the database for each batch. It
remembers what it has found, and asks again for what failed. All who ask for a key in one batch get the same (loading.py): a field that
is cancelled takes nothing from the others, and nothing stands between the batch and whoever waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import Connection

from resolvers.loading import Loading
from resolvers.operation import Operation

K = TypeVar("K")
V = TypeVar("V")
P = ParamSpec("P")

BATCH: Final = 500  # keys in one statement: far below SQLite's 32,766 and PostgreSQL's 65,535 parameters


class Loader:
    """Values by key, of an asynchronous function of many keys that gives as many values, exceptions among them.

    What is asked for within two turns of the loop comes together, also what was known or on its way before: so those who ask next ask
    together again, and a page costs as many statements whatever came first.
    """

    __slots__ = ("_batch", "_coming", "_found", "_loop", "_size", "_tasks", "asked", "echo", "history")

    def __init__(self, batch: Callable[[list[Any]], Awaitable[Sequence[Any]]], *, max_batch_size: int) -> None:
        self._batch = batch
        self._size = max_batch_size
        self._loop = asyncio.get_running_loop()
        self._found: dict[Any, Any] = {}
        self._coming: dict[Any, Batch] = {}  # what brings a key that was asked for and is not there yet
        self.asked: dict[Any, Loading[Any]] = {}  # by key, until they are asked for together; another dict after that
        self._tasks: set[asyncio.Task[Any]] = set()
        self.history: list[tuple[float, Mapping[Any, Any]]] = []  # what came, exceptions among it, by the loop's clock
        self.echo: Loader | None = None  # asked in this one's place from when there is one

    def load(self, key: Any) -> Loading[Any]:
        """The value, soon; what a batch gives as an exception is raised."""
        asked = self.asked
        loading = asked.get(key)
        if loading is None:
            if self.echo is not None:
                return self.echo.load(key)
            if not asked:  # two turns of the loop: others, who are woken in this one, ask in the next
                self._loop.call_soon(self._loop.call_soon, self._begin)
            loading = asked[key] = Loading(self, key)
        return loading

    def _begin(self) -> None:
        asked, self.asked = self.asked, {}
        missing = [key for key in asked if key not in self._found and key not in self._coming]
        for start in range(0, len(missing), self._size):
            part = missing[start : start + self._size]
            batch = Batch()
            self._coming |= dict.fromkeys(part, batch)
            task = self._loop.create_task(self._bring(part, batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        waits = {self._coming[key] for key in asked if key in self._coming}
        if not waits:
            self._give(asked, {})
            return
        left = len(waits)
        brought: dict[Any, Any] = {}

        def came(values: Mapping[Any, Any]) -> None:
            nonlocal left
            left -= 1
            brought.update(values)
            if not left:
                self._give(asked, brought)

        for batch in waits:
            batch.listeners.append(came)

    def coming(self, key: Any) -> Batch | None:
        """What is bringing this."""
        return self._coming.get(key)

    async def bring(self, keys: list[Any]) -> Mapping[Any, Any]:
        """Ask for these together at once, and tell who waits in the next turn of the loop. Gives values, exceptions among them."""
        batch = Batch()
        self._coming |= dict.fromkeys(keys, batch)
        return await self._bring(keys, batch)

    async def _bring(self, keys: list[Any], batch: Batch) -> Mapping[Any, Any]:
        brought: dict[Any, Any] = {}
        try:
            brought = await self._values(keys)
        finally:  # also when it is cancelled
            batch.brought = brought
            for listener in batch.early:
                listener(brought)
            self._loop.call_soon(self._brought, keys, batch, brought)  # whoever is told is told outside of any task
        return brought

    async def _values(self, keys: list[Any]) -> dict[Any, Any]:
        """The values of keys, exceptions among them."""
        try:
            values = await self._batch(keys)
            if len(values) != len(keys):
                raise ValueError(f"a batch of {len(keys)} keys gave {len(values)} values")
        except Exception as error:
            values = [error] * len(keys)
        return dict(zip(keys, values, strict=True))

    def _brought(self, keys: list[Any], batch: Batch, brought: dict[Any, Any]) -> None:
        for key in keys:
            del self._coming[key]
        self.history.append((self._loop.time(), brought))
        self._found |= {key: value for key, value in brought.items() if not isinstance(value, BaseException)}
        for listener in batch.listeners:
            listener(brought)

    def _give(self, asked: dict[Any, Loading[Any]], brought: Mapping[Any, Any]) -> None:
        for key, loading in asked.items():
            value = brought[key] if key in brought else self._found.get(key, _GONE)
            loading.give(asyncio.CancelledError() if value is _GONE else value)


class Batch:
    """Keys that are asked for together, until their values are there. Who listens `early` is told a turn of the loop before all others."""

    __slots__ = ("brought", "early", "listeners")

    def __init__(self) -> None:
        self.brought: Mapping[Any, Any] | None = None
        self.early: list[Callable[[Mapping[Any, Any]], None]] = []
        self.listeners: list[Callable[[Mapping[Any, Any]], None]] = []  # each told the values, once


_GONE: Final = object()  # of a batch that was cancelled
Of = Callable[[Operation], Loader]


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


def loading(f: Callable[Concatenate[Connection, str, Sequence[K], P], Mapping[K, V]], *args: P.args, **kwargs: P.kwargs) -> Of:
    """The operation's loader that `load` asks."""
    return lambda operation: _loader(operation, f, args, kwargs)


def _loader(operation: Operation, f: Callable[..., Mapping[Any, Any]], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Loader:
    name = (f, args, tuple(sorted(kwargs.items())))
    loader: Loader | None = operation.loaders.get(name)
    if loader is None:

        async def batch(keys: list[Any]) -> list[Any]:
            found = await operation.read(f, keys, *args, **kwargs)
            return [found.get(key) for key in keys]

        loader = operation.loaders[name] = Loader(batch, max_batch_size=BATCH)
    return loader


def gathered(operation: Operation, f: Callable[[Operation, K], Coroutine[Any, Any, V]], key: K) -> Awaitable[V]:
    """The value of `key` by an asynchronous function, asked once an operation however many fields want it."""
    return _gatherer(operation, f).load(key)


def gathering(f: Callable[[Operation, K], Coroutine[Any, Any, V]]) -> Of:
    """The operation's loader that `gathered` asks."""
    return lambda operation: _gatherer(operation, f)


def _gatherer(operation: Operation, f: Callable[[Operation, Any], Coroutine[Any, Any, Any]]) -> Loader:
    loader: Loader | None = operation.loaders.get(f)
    if loader is None:

        async def batch(keys: list[Any]) -> list[Any]:
            return await at_once([f(operation, k) for k in keys])

        loader = operation.loaders[f] = Loader(batch, max_batch_size=BATCH)
    return loader


async def at_once(calls: list[Coroutine[Any, Any, V]]) -> list[V | BaseException]:
    """What comes of all of them, as `asyncio.gather` gives it with `return_exceptions`: it asks for the loop, by a system call, for each."""
    loop = asyncio.get_running_loop()
    all_ended = loop.create_future()
    left = len(calls)

    def ended(task: asyncio.Task[V]) -> None:
        nonlocal left
        left -= 1
        if not left and not all_ended.done():
            all_ended.set_result(None)

    tasks = [loop.create_task(call) for call in calls]
    for task in tasks:
        task.add_done_callback(ended)
    try:
        await all_ended
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    return [_outcome(task) for task in tasks]


def _outcome(task: asyncio.Task[V]) -> V | BaseException:
    if task.cancelled():
        return asyncio.CancelledError()
    error = task.exception()
    return task.result() if error is None else error


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
