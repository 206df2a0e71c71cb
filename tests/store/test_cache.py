"""The cache asks for what is wanted at the same time at once, each viewer for themselves, and nobody waits for one that is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio as redis

from store.cache import Cache
from tests import servers


@pytest.fixture
async def cache(redis_server: servers.Running, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cache]:
    monkeypatch.setattr("store.cache.TIMEOUT", 20.0)  # however busy the machine is
    found = Cache(redis_server.url)
    yield found
    await found.close()


async def fetches(server: servers.Running) -> int:
    """How often the server was asked for values."""
    client: Any = redis.from_url(server.url)
    async with client:
        told: dict[str, Any] = await client.info("commandstats")
    return int(told.get("cmdstat_mget", {}).get("calls", 0))


async def test_what_is_asked_for_at_the_same_time_is_fetched_at_once(cache: Cache, redis_server: servers.Running) -> None:
    mine, theirs = cache.for_viewer("u_a"), cache.for_viewer("u_b")
    await mine.set_many({("n", str(n)): str(n).encode() for n in range(20)}, 60)
    before = await fetches(redis_server)
    found = await asyncio.gather(*(mine.get("n", str(n)) for n in range(25)), mine.get("n", "3"), theirs.get("n", "3"))
    assert found == [*(str(n).encode() for n in range(20)), *[None] * 5, b"3", None]
    assert await fetches(redis_server) - before == 2  # one for each viewer: their keys may lie in different places
    assert await mine.get("n", "7") == b"7"


async def test_one_who_goes_away_leaves_the_others_waiting_for_nothing(cache: Cache) -> None:
    mine = cache.for_viewer("u_c")
    await mine.set(b"x", 60, "key")
    gone, stays = asyncio.ensure_future(mine.get("key")), asyncio.ensure_future(mine.get("key"))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == b"x"


async def test_a_cache_that_is_away_has_nothing() -> None:
    cache = Cache("redis://127.0.0.1:9/0")
    try:
        found = await asyncio.gather(cache.for_viewer("u_a").get("a"), cache.for_viewer("u_a").get("b"))
        assert list(found) == [None, None]
        assert cache.errors
    finally:
        await cache.close()
