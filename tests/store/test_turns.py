"""SQLite's one writer is shared: whoever waits for it comes next, however busy another process is."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from sqlalchemy import Connection

from store.database import Database
from tests.household import Household, open_sqlite

LONG = 0.03  # seconds of a slice


def busy(conn: Connection, viewer: str, done: list[str], name: str) -> None:
    conn.exec_driver_sql("UPDATE feed_head SET horizon = horizon")
    time.sleep(LONG)
    done.append(name)


async def test_who_waits_comes_next_although_another_process_never_pauses(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as ours:
        household = await Household.open(ours)
        theirs = Database(str(ours.url))
        done: list[str] = []
        at_work = asyncio.Event()

        async def work() -> None:
            while "person" not in done:
                await theirs.write_behind(household.viewer, busy, done, "slice")
                await theirs.give_way()
                at_work.set()

        try:
            worker = asyncio.create_task(work())
            await at_work.wait()
            before = len(done)
            await ours.write(household.viewer, busy, done, "person")
            # after the slice that was being written, and one that may have begun before the knock was heard
            assert done.index("person") - before <= 2
            await worker
        finally:
            await theirs.close()


async def test_alone_nobody_is_waited_for(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as ours:
        household = await Household.open(ours)
        done: list[str] = []
        await ours.write_behind(household.viewer, busy, done, "slice")
        await asyncio.wait_for(ours.give_way(), 5)
        assert done == ["slice"]
