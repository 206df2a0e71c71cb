"""A viewer's revision changes with every commit that an answer could show, and with no other; on both databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from store import accounts, feed, leases, revision
from store.feed import Recorder
from store.tables import account as account_table
from store.tables import metadata, photo
from tests.household import NOW, Household, card, open_sqlite


async def account(household: Household) -> str:
    return await household.account("vcard", "cards")


async def test_what_is_taken_in_changes_it_and_reading_does_not(household: Household) -> None:
    database, viewer = household.database, household.viewer
    book = await account(household)
    before = await database.revision(viewer)
    await database.read(viewer, feed.head)
    assert await database.revision(viewer) == before
    await household.take(book, card("one", "One Person"))
    after = await database.revision(viewer)
    assert after != before
    assert await database.read(viewer, revision.of) == after


async def test_what_the_feed_does_not_tell_changes_it_too(household: Household) -> None:
    database, viewer = household.database, household.viewer
    head, before = await household.head(), await database.revision(viewer)

    def write(conn: Connection, viewer: str) -> None:
        conn.execute(photo.insert().values(viewer_id=viewer, hash="a", media_type="image/png", data=b"x"))

    await database.write_behind(viewer, write)
    assert await household.head() == head
    assert await database.revision(viewer) != before


async def test_a_write_without_rows_and_one_that_is_given_up_do_not(household: Household) -> None:
    database, viewer = household.database, household.viewer
    book = await account(household)
    before = await database.revision(viewer)

    def nothing(conn: Connection, viewer: str) -> None:
        conn.execute(sa.text("UPDATE person SET name = 'x' WHERE viewer_id = 'nobody'"))

    def broken(conn: Connection, viewer: str) -> None:
        accounts.change(conn, viewer, book, Recorder(NOW), label="never")
        raise RuntimeError

    await database.write(viewer, nothing)
    with pytest.raises(RuntimeError):
        await database.write(viewer, broken)
    await database.write(viewer, nothing)  # what the broken one had touched is forgotten
    assert await database.revision(viewer) == before


async def test_progress_and_work_do_not_but_a_status_does(household: Household) -> None:
    database, viewer = household.database, household.viewer
    book = await account(household)

    def change(recorder: Recorder | None = None, **values: Any) -> Any:
        def write(conn: Connection, viewer: str) -> None:
            accounts.change(conn, viewer, book, recorder, **values)
            leases.enqueue(conn, viewer, "sync", book, NOW)

        return write

    before = await database.revision(viewer)
    await database.write(viewer, change(done=5, total=10, phase="listing", progress_at=NOW, last_synced_at=NOW))
    await database.write(viewer, change(status="ACTIVE", status_reason=None, last_synced_at=NOW))  # as it was
    assert await database.revision(viewer) == before
    await database.write(viewer, change(status="DEGRADED", status_reason="The network is away.", phase=None))
    assert await database.revision(viewer) != before

    def read(conn: Connection, viewer: str) -> Any:
        a = account_table.c
        return conn.execute(sa.select(a.status, a.phase, a.done).where(a.viewer_id == viewer)).one()

    assert tuple(await database.read(viewer, read)) == ("DEGRADED", None, 5)


async def test_it_is_each_viewers_own(household: Household) -> None:
    other = await Household.open(household.database, "u_sam")
    before = await household.database.revision(household.viewer)
    await account(other)
    assert await household.database.revision(household.viewer) == before
    assert await household.database.revision("u_nobody") == 0


async def test_what_another_process_commits_is_seen_at_once(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as one, open_sqlite(tmp_path) as two:
        household = await Household.open(two)
        book = await household.account("vcard", "cards")
        seen = {await one.revision(household.viewer)}
        for n in range(5):
            await household.take(book, card(f"c{n}", f"Person {n}"))
            seen.add(await one.revision(household.viewer))
            assert await one.revision(household.viewer) == await two.revision(household.viewer)
        assert len(seen) == 6


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("INSERT INTO person (viewer_id) VALUES (?)", True),
        ("INSERT OR REPLACE INTO message VALUES (?)", True),
        ('update "conversation" set unread_count=?', True),
        ("DELETE FROM evidence WHERE viewer_id = ?", True),
        ("WITH gone AS (DELETE FROM reaction RETURNING 1) SELECT count(*) FROM gone", True),
        ("INSERT INTO job (id) VALUES (?) ON CONFLICT (id) DO UPDATE SET due = ?", False),
        ("INSERT INTO person (id) VALUES (?) ON CONFLICT (id) DO UPDATE SET name = ?", True),
        ("UPDATE account SET done=?, total=? WHERE account.viewer_id = ?", False),
        ("UPDATE account SET done=?, status=? WHERE account.viewer_id = ?", True),
        ("UPDATE account SET version=(account.version + ?), done=? RETURNING version", True),
        ("SELECT id FROM person WHERE viewer_id = ? FOR UPDATE SKIP LOCKED", False),
        ("SELECT id FROM person FOR NO KEY UPDATE OF person", False),
        ("SELECT updated_at FROM contact", False),
        ("UPDATE something_new SET a=?", True),
    ],
)
def test_a_statement_tells_what_it_writes(statement: str, shown: bool) -> None:
    assert revision.shows(statement) is shown


def test_what_no_answer_shows_are_tables_and_columns_that_there_are() -> None:
    assert set(metadata.tables) >= revision.UNSHOWN
    for table, columns in revision.UNSHOWN_COLUMNS.items():
        assert columns <= set(metadata.tables[table].columns.keys())
