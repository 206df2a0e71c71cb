"""SQLite's one writer is shared: whoever waits for it comes next, however busy another process is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection

from store import turns
from store.database import Database
from tests.household import Household, open_sqlite
from tests.patience import PATIENCE


def short(conn: Connection, viewer: str, done: list[str], name: str) -> None:
    conn.exec_driver_sql("UPDATE feed_head SET horizon = horizon")
    done.append(name)


def until_heard(conn: Connection, viewer: str, done: list[str], begun: Callable[[], object], heard: Callable[[], bool]) -> None:
    """A slice that lasts until somebody else wants to write."""
    conn.exec_driver_sql("UPDATE feed_head SET horizon = horizon")
    begun()
    end = time.monotonic() + PATIENCE
    while not heard() and time.monotonic() < end:
        time.sleep(0.002)
    done.append("slice")


async def test_who_waits_comes_next_although_another_process_never_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "PATIENCE", PATIENCE)  # however long a busy machine takes to wake who waits
    async with open_sqlite(tmp_path) as ours:
        household = await Household.open(ours)
        theirs = Database(str(ours.url))
        done: list[str] = []
        at_work, loop = asyncio.Event(), asyncio.get_running_loop()

        async def work() -> None:
            while "person" not in done:
                begun = partial(loop.call_soon_threadsafe, at_work.set)
                await theirs.write_behind(household.viewer, until_heard, done, begun, theirs.somebody_waits)
                await theirs.give_way()

        try:
            worker = asyncio.create_task(work())
            await at_work.wait()
            await ours.write(household.viewer, short, done, "person")
            await worker
            assert done == ["slice", "person"]  # nothing after the slice that was being written
        finally:
            await theirs.close()


async def test_alone_nobody_is_waited_for(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as ours:
        household = await Household.open(ours)
        done: list[str] = []
        await ours.write_behind(household.viewer, short, done, "slice")
        await asyncio.wait_for(ours.give_way(), PATIENCE)
        assert done == ["slice"]
