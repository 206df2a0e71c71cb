"""The cache that processes share: Redis or Valkey, by redis-py. Loaded by installations that have one: redis-py is five megabytes.

What fails is a `CacheAway`. Knows nothing of viewers: names come from `cache.py`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from typing import Any, Final, TypeVar

import redis.asyncio as redis
from redis.exceptions import RedisError

T = TypeVar("T")
CONNECTIONS: Final = 64
LISTEN_SECONDS: Final = 5.0


class CacheAway(OSError):
    """Redis did not do what it was asked for."""


class Redis:
    """One pool of connections. Every method raises CacheAway, or OSError and TimeoutError for a server that cannot be reached."""

    def __init__(self, url: str, *, seconds: float) -> None:
        self._client: Any = redis.from_url(
            url, socket_timeout=seconds, socket_connect_timeout=seconds, max_connections=CONNECTIONS
        )

    async def get(self, names: Sequence[str]) -> list[bytes | None]:
        """The values in the order of the names, None where there is none; one MGET."""
        return list(await _said(self._client.mget(names)))

    async def put(self, values: Mapping[str, bytes], seconds: float) -> None:
        """Keep the values for so long; one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        for name, value in values.items():
            pipeline.set(name, value, px=max(1, int(seconds * 1000)))
        await _said(pipeline.execute())

    async def add(self, name: str, amount: int, seconds: int) -> int:
        """Count on by `amount`; the sum, which lasts for `seconds` from now. One round trip."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.incrby(name, amount)
        pipeline.expire(name, seconds)
        return int((await _said(pipeline.execute()))[0])

    async def delete(self, name: str) -> None:
        await _said(self._client.delete(name))

    async def ping(self) -> None:
        await _said(self._client.ping())

    async def sweep(self) -> None:
        """Redis does by itself."""

    async def publish(self, channel: str, message: str) -> None:
        await _said(self._client.publish(channel, message))

    async def messages(self, channel: str) -> AsyncGenerator[str]:
        """What is published there from now on; close the iterator to hear no more."""
        try:
            async with self._client.pubsub(ignore_subscribe_messages=True) as listener:
                await listener.subscribe(channel)
                while True:
                    message = await listener.get_message(timeout=LISTEN_SECONDS)
                    if message is not None:
                        yield message["data"].decode()
        except RedisError as error:
            raise CacheAway(str(error)) from error

    async def close(self) -> None:
        await self._client.aclose()


async def _said(call: Awaitable[T]) -> T:
    try:
        return await call
    except RedisError as error:
        raise CacheAway(str(error)) from error
