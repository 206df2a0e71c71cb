"""SQLite's log goes back into the database beside the work: it begins anew again and again, and nothing is lost."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from store import checkpoints
from store import database as databases
from tests.household import Household, open_sqlite


def fill(conn: Connection, viewer: str, number: int) -> None:
    conn.execute(text("CREATE TABLE IF NOT EXISTS heap (number INTEGER PRIMARY KEY, data BLOB)"))
    conn.execute(text("INSERT INTO heap VALUES (:number, randomblob(40000))"), {"number": number})


def size(path: str) -> int:
    return Path(path).stat().st_size


def count(conn: Connection, viewer: str) -> int:
    return int(conn.execute(text("SELECT count(*) FROM heap")).scalar_one())


async def test_the_log_stays_about_as_long_as_it_may_be_however_much_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "PAGES", 200)
    monkeypatch.setattr(databases, "NET", 500)
    async with open_sqlite(tmp_path) as database:
        household = await Household.open(database)
        for number in range(600):  # eleven pages each
            await database.write_behind(household.viewer, fill, number)
            if number % 20 == 0 and (putting_back := database._checkpoint) is not None:
                await asyncio.wait([putting_back])  # however slow the disk is: nobody promises what the log is meanwhile
        assert size(f"{database.url.database}-wal") < 3_000 * 4_096
        assert await database.read(household.viewer, count) == 600
    async with open_sqlite(tmp_path) as again:
        assert await again.read(household.viewer, count) == 600


async def test_somebody_who_reads_an_old_state_keeps_the_log_and_still_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "PAGES", 100)
    async with open_sqlite(tmp_path) as database:
        household = await Household.open(database)
        await database.write(household.viewer, fill, 0)
        reader = sqlite3.connect(str(database.url.database), isolation_level=None)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM heap").fetchone() == (1,)
        for number in range(1, 100):
            await database.write_behind(household.viewer, fill, number)
        assert reader.execute("SELECT count(*) FROM heap").fetchone() == (1,)
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM heap").fetchone() == (100,)
        reader.close()
