"""The cache: Redis, or the process' own memory on the embedded default.

Keys cannot be built without saying whose data it is: `for_viewer(viewer)` or, for documents named by a URL or host alone,
`public`. A cache that is down makes answers slower, never wrong and never an error: every failure counts as a miss, and after
one the cache is left alone for `REST` seconds so that nobody waits for its time-outs.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, TypeVar

from store.embedded_cache import Embedded

if TYPE_CHECKING:
    from store.redis_cache import Redis

T = TypeVar("T")
PREFIX: Final = "kith:1"
TIMEOUT: Final = 0.25  # seconds a cache may take before it counts as down
REST: Final = 1.0


class Cache:
    """One a process. `url` None = embedded. `hits`, `misses` and `errors` only grow."""

    def __init__(self, url: str | None) -> None:
        self.embedded = url is None
        self._shared: Redis | None = None
        if url is not None:
            from store.redis_cache import Redis

            self._shared = Redis(url, seconds=TIMEOUT)
        self._kept: Redis | Embedded = self._shared or Embedded()
        self._down_until = 0.0
        self._asked: dict[str, dict[str, asyncio.Future[bytes | None]]] = {}  # prefix → keys that this turn of the loop asks for
        self._asking: set[asyncio.Task[None]] = set()
        self.hits = self.misses = self.errors = 0

    @property
    def public(self) -> ViewerCache:
        """For public documents keyed by URL or host only; never by an address, number or hash of one."""
        return ViewerCache(self, f"{PREFIX}:public")

    def for_viewer(self, viewer: str) -> ViewerCache:
        """The part of one viewer. The braces keep it in one cluster slot."""
        if not viewer:
            raise ValueError("a cache key needs a viewer")
        return ViewerCache(self, f"{PREFIX}:{{{viewer}}}")

    async def ping(self) -> bool:
        """Whether the cache answers now."""
        try:
            async with asyncio.timeout(TIMEOUT * 2):
                await self._kept.ping()
        except (OSError, TimeoutError):
            return False
        return True

    async def tidy(self) -> None:
        """Free what has expired; call it now and then."""
        await self._kept.sweep()

    async def publish(self, channel: str, message: str) -> None:
        """Wake readers; losing it costs a little time only."""
        shared = self._shared
        if shared is not None:
            await self._try(lambda: shared.publish(channel, message), None)

    async def messages(self, channel: str) -> AsyncGenerator[str]:
        """What other processes publish from now on; nothing on the embedded default. Raises OSError or TimeoutError."""
        if self._shared is not None:
            async with aclosing(self._shared.messages(channel)) as messages:
                async for message in messages:
                    yield message

    async def close(self) -> None:
        await self._kept.close()

    def _together(self, prefix: str, key: str) -> asyncio.Future[bytes | None]:
        """The value of a key, with all that is asked for under the prefix in this turn of the event loop: loaders of one level ask so."""
        waiting = self._asked.get(prefix)
        if waiting is None:
            waiting = self._asked[prefix] = {}
            task = asyncio.ensure_future(self._fetch_asked(prefix))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        return waiting.setdefault(key, asyncio.get_running_loop().create_future())

    async def _fetch_asked(self, prefix: str) -> None:
        waiting = self._asked.pop(prefix)
        found: Sequence[bytes | None] = [None] * len(waiting)
        try:
            found = await self._fetch(list(waiting))
        finally:
            for future, value in zip(waiting.values(), found, strict=True):
                if not future.done():
                    future.set_result(value)

    async def _fetch(self, names: list[str]) -> list[bytes | None]:
        """The values in the order of the names; one MGET."""
        nothing: list[bytes | None] = [None] * len(names)
        found = await self._try(lambda: self._kept.get(names), nothing)
        hits = sum(value is not None for value in found)
        self.hits += hits
        self.misses += len(names) - hits
        return found

    async def _try(self, call: Callable[[], Awaitable[T]], default: T) -> T:
        if time.monotonic() < self._down_until:
            return default
        try:
            async with asyncio.timeout(TIMEOUT):
                return await call()
        except (OSError, TimeoutError):
            self.errors += 1
            self._down_until = time.monotonic() + REST
            return default


class ViewerCache:
    """A cache under one prefix. Values are bytes; keys are hashed, so that no address stands in a key."""

    def __init__(self, cache: Cache, prefix: str) -> None:
        self._cache = cache
        self._prefix = prefix

    def key(self, *parts: str) -> str:
        digest = hashlib.blake2b("\x00".join(parts).encode(), digest_size=16).hexdigest()
        return f"{self._prefix}:{digest}"

    async def get_many(self, keys: Sequence[tuple[str, ...]]) -> list[bytes | None]:
        """The values in the order of the keys, None where missing; one MGET."""
        return await self._cache._fetch([self.key(*k) for k in keys]) if keys else []

    async def get(self, *key: str) -> bytes | None:
        """The value of one key; what is asked for at the same time is fetched by one MGET."""
        return await asyncio.shield(self._cache._together(self._prefix, self.key(*key)))

    async def set_many(self, values: Mapping[tuple[str, ...], bytes], seconds: float) -> None:
        """Keep the values for so long; one round trip."""
        if not values:
            return
        named = {self.key(*key): value for key, value in values.items()}
        await self._cache._try(lambda: self._cache._kept.put(named, seconds), None)

    async def set(self, value: bytes, seconds: float, *key: str) -> None:
        await self.set_many({key: value}, seconds)

    async def delete(self, *key: str) -> None:
        await self._cache._try(lambda: self._cache._kept.delete(self.key(*key)), None)

    async def take(self, cost: int, limit: int, window: int, now: float, *key: str) -> int:
        """Spend `cost` of `limit` points in a fixed window of seconds, of which `now` (POSIX seconds) is one: points left, negative when
        refused. A cache that is down refuses nobody."""
        name = self.key("window", str(int(now // window)), *key)
        return limit - await self._cache._try(lambda: self._cache._kept.add(name, cost, window), cost)
