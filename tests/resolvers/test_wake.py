"""Readers of the feed are woken by commits: of this process, of another one on SQLite, and through Redis."""

from __future__ import annotations

import asyncio
from pathlib import Path

from resolvers.wake import Waker
from store.cache import Cache
from store.database import Database
from tests import servers
from tests.household import Household, card, open_postgresql, open_sqlite
from tests.patience import PATIENCE

LONG = 600.0


async def woken(waker: Waker, viewer: str) -> asyncio.Task[None]:
    task = asyncio.create_task(waker.wait(viewer, LONG))
    await asyncio.sleep(0.05)
    return task


async def test_a_commit_of_another_process_wakes_readers_on_sqlite(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as writing:
        household = await Household.open(writing)
        book = await household.account("vcard")
        reading = Database(f"sqlite:///{tmp_path / 'kith.db'}")
        waker = Waker(reading, Cache(None))
        waker.start()
        task = await woken(waker, household.viewer)
        await household.take(book, card("1", "Ada Lovelace"))
        async with asyncio.timeout(PATIENCE):
            await task
        await waker.stop()
        await reading.close()


async def test_a_commit_is_told_to_other_processes_through_redis(
    postgres_server: servers.Postgres, redis_server: servers.Running
) -> None:
    async with open_postgresql(postgres_server) as writing:
        household = await Household.open(writing)
        book = await household.account("vcard")
        here, there = Cache(redis_server.url), Cache(redis_server.url)
        teller, listener = Waker(writing, here), Waker(Database(postgres_server.app_url), there)
        teller.start()
        listener.start()
        await asyncio.sleep(0.5)
        task = await woken(listener, household.viewer)
        await household.take(book, card("1", "Ada Lovelace"))
        async with asyncio.timeout(PATIENCE):
            await task
        await teller.stop()
        await listener.stop()
        await here.close()
        await there.close()


async def test_nobody_waits_longer_than_asked(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as database:
        waker = Waker(database, Cache(None))
        waker.start()
        async with asyncio.timeout(PATIENCE):
            await waker.wait("u_nobody", 0.05)
        await waker.stop()


async def test_all_who_wait_for_one_viewer_are_woken_together_and_nobody_else(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as database:
        waker = Waker(database, Cache(None))
        mine = [await woken(waker, "u_a") for _ in range(3)]
        theirs = await woken(waker, "u_b")
        waker.wake("u_a")
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*mine)
        assert not theirs.done()
        theirs.cancel()
