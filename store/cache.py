"""The cache: Redis, or fakeredis in the process on the embedded default; the same redis-py code.

Keys cannot be built without saying whose data it is: `for_viewer(viewer)` or, for documents named by a URL or host alone,
`public`. A cache that is down makes answers slower, never wrong and never an error: every failure counts as a miss, and after
one the cache is left alone for `REST` seconds so that nobody waits for its time-outs.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import redis.asyncio as redis
from redis.exceptions import RedisError

PREFIX: Final = "kith:1"
TIMEOUT: Final = 0.25  # seconds a cache may take before it counts as down
REST: Final = 1.0
EMBEDDED_KEYS: Final = 50_000  # fakeredis has no maxmemory


def _embedded() -> Any:
    """fakeredis; without numpy, which it loads for vector sets wherever it is installed: 20 MiB and half a second for nothing."""
    absent: Any = None  # importlib: None in sys.modules is a module that cannot be found
    hidden = sys.modules.setdefault("numpy", absent) is None
    try:
        import fakeredis
    finally:
        if hidden:
            del sys.modules["numpy"]
    return fakeredis.FakeAsyncRedis()


class Cache:
    """One connection pool. `url` None = embedded. `hits`, `misses` and `errors` only grow."""

    def __init__(self, url: str | None) -> None:
        self.embedded = url is None
        self._client: Any
        if url is None:
            self._client = _embedded()
        else:
            self._client = redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, max_connections=64)
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
                await self._client.ping()
        except (RedisError, OSError, TimeoutError):
            return False
        return True

    async def tidy(self) -> None:
        """Free what has expired and, on the embedded default, keep below the key cap; call it now and then."""
        if not self.embedded:
            return
        if await self._client.dbsize() > EMBEDDED_KEYS:
            await self._client.flushdb()

    async def publish(self, channel: str, message: str) -> None:
        """Wake readers; losing it costs a little time only."""
        if not self.embedded:
            await self._try(self._client.publish(channel, message))

    def pubsub(self) -> Any:
        return self._client.pubsub(ignore_subscribe_messages=True)

    async def close(self) -> None:
        await self._client.aclose()

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
        found = await self._try(self._client.mget(names), None) or [None] * len(names)
        hits = sum(value is not None for value in found)
        self.hits += hits
        self.misses += len(names) - hits
        return list(found)

    async def _try(self, call: Any, default: Any = None) -> Any:
        if time.monotonic() < self._down_until:
            call.close()
            return default
        try:
            async with asyncio.timeout(TIMEOUT):
                return await call
        except (RedisError, OSError, TimeoutError):
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
        pipeline = self._cache._client.pipeline(transaction=False)
        for key, value in values.items():
            pipeline.set(self.key(*key), value, px=max(1, int(seconds * 1000)))
        await self._cache._try(pipeline.execute())

    async def set(self, value: bytes, seconds: float, *key: str) -> None:
        await self.set_many({key: value}, seconds)

    async def delete(self, *key: str) -> None:
        await self._cache._try(self._cache._client.delete(self.key(*key)))

    async def take(self, cost: int, limit: int, window: int, *key: str) -> tuple[int, int]:
        """Spend `cost` of `limit` points in a fixed window of seconds: (points left, negative when refused; seconds to reset).
        A cache that is down refuses nobody."""
        now = int(time.time())
        name = self.key("window", str(now // window), *key)
        pipeline = self._cache._client.pipeline(transaction=False)
        pipeline.incrby(name, cost)
        pipeline.expire(name, window)
        answer = await self._cache._try(pipeline.execute())
        spent = int(answer[0]) if answer else cost
        return limit - spent, window - now % window
