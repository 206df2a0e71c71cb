"""A viewer's revision changes with every commit that an answer could show, and with no other; on both databases."""

from __future__ import annotations

import re
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
    assert await household.database.revision("u_nobody") == revision.NEVER


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
    assert bool(revision.shown(statement)) is shown


def parts(*names: str) -> int:
    return sum(1 << list(revision.PARTS).index(name) for name in names)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("SELECT person.id FROM person JOIN contact ON contact.person_id = person.id", ("people",)),
        ("SELECT c.id FROM contact AS c, message AS m WHERE m.id = c.id", ("people", "mail")),
        ('select "id" from "conversation" where exists (select 1 from EXCHANGE)', ("mail", "exchanges")),
        ("WITH found AS (SELECT rowid FROM search_fts) SELECT id FROM search_doc JOIN found ON true", ("words",)),
        ("SELECT conversation.category, conversation.label FROM conversation", ("mail",)),
        ("SELECT account.id FROM account JOIN label ON label.account_id = account.id", ("rest",)),
        ("SELECT 1 FROM acquaintance", ("rest",)),
        ("SELECT d.id FROM public.search_doc d", ("words",)),
        ("SELECT node_id FROM kith_find(:query)", ("words",)),
        ("SELECT value FROM json_each(?)", ()),
    ],
)
def test_a_statement_tells_what_it_reads(statement: str, named: tuple[str, ...]) -> None:
    assert revision.named(statement) == parts(*named)


async def test_only_the_parts_that_are_written_change(household: Household) -> None:
    database, viewer = household.database, household.viewer
    book = await account(household)
    before = await database.revision(viewer)
    await household.take(book, card("one", "One Person"))
    after = await database.revision(viewer)
    differ = revision.changed(before, after)
    assert differ & parts("people", "feed", "words") == parts("people", "feed", "words")
    assert not differ & parts("mail", "exchanges")
    await database.write(viewer, lambda conn, viewer: conn.execute(sa.text("UPDATE person SET version = version + 1")))
    assert revision.changed(after, await database.revision(viewer)) == parts("people")


async def test_what_is_read_tells_the_parts_that_it_comes_from(household: Household) -> None:
    database, viewer = household.database, household.viewer
    await account(household)
    _, seen = await database.read_noting(viewer, feed.head)
    assert seen == parts("feed")
    _, seen = await database.read_noting(viewer, accounts.listed)
    assert seen & parts("rest") and not seen & parts("mail")
    found, seen = await database.read_noting(viewer, lambda conn, viewer: viewer)
    assert (found, seen) == (viewer, 0)


async def test_a_commit_of_the_release_before_changes_every_part(household: Household) -> None:
    database, viewer = household.database, household.viewer
    book = await account(household)
    before = await database.revision(viewer)

    def old(conn: Connection, viewer: str) -> None:
        conn.info.clear()  # it wrote one number, and knew of no parts
        conn.execute(sa.text("UPDATE revision SET number = number + 1 WHERE viewer_id = :viewer"), {"viewer": viewer})

    await database.write(viewer, old)
    between = await database.revision(viewer)
    assert revision.changed(before, between) == revision.ALL
    await household.take(book, card("one", "One Person"))
    after = await database.revision(viewer)
    assert revision.changed(before, after) == revision.ALL  # also those that this commit left alone
    await database.write(viewer, lambda conn, viewer: conn.execute(sa.text("UPDATE person SET version = version + 1")))
    assert revision.changed(after, await database.revision(viewer)) == parts("people")


async def test_every_table_of_the_database_is_in_a_part(household: Household) -> None:
    """A table that no part has is read without anybody knowing; one that triggers or keys write is in the part of what makes them."""
    database = household.database
    if database.sqlite:
        names = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        hidden = "SELECT tbl_name FROM sqlite_master WHERE type = 'trigger'"
    else:
        names = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
        hidden = "SELECT event_object_table FROM information_schema.triggers WHERE trigger_schema = current_schema()"

    def read(conn: Connection, viewer: str) -> tuple[set[str], set[str]]:
        return {row[0] for row in conn.execute(sa.text(names))}, {row[0] for row in conn.execute(sa.text(hidden))}

    tables, triggered = await database.read(household.viewer, read)
    assert {t for t in tables if not t.startswith(("search_fts_", "sqlite_"))} <= revision._TABLES | {"alembic_version"}
    assert triggered <= {"search_doc"}
    assert {"search_doc", "search_fts"} <= revision.PARTS["words"]
    assert not any(table.foreign_keys for table in metadata.tables.values())
    if not database.sqlite:
        sources = "SELECT proname, prosrc FROM pg_proc WHERE proname LIKE 'kith%' AND prorettype <> 'trigger'::regtype"

        def functions(conn: Connection, viewer: str) -> dict[str, str]:
            return {row[0]: row[1] for row in conn.execute(sa.text(sources))}

        reads = re.compile(r"\b(?:FROM|JOIN)\s+((?:public\.)?\w+)", re.IGNORECASE)
        found = await database.read(household.viewer, functions)
        seen = {name: revision.named(" ".join(reads.findall(source))) for name, source in found.items()}
        assert seen["kith_find"] == parts("words")
        for name, of_it in seen.items():  # a statement that calls it names no table
            assert not of_it & ~revision.named(f"SELECT * FROM {name}(:given)"), name


def test_parts_are_of_tables_that_there_are_each_in_one() -> None:
    listed = [table for tables in revision.PARTS.values() for table in tables]
    assert len(listed) == len(set(listed))
    assert set(listed) <= set(metadata.tables) | {"search_fts", "kith_find", "kith_search"}
    assert not set(listed) & revision.UNSHOWN


def test_what_no_answer_shows_are_tables_and_columns_that_there_are() -> None:
    assert set(metadata.tables) >= revision.UNSHOWN
    for table, columns in revision.UNSHOWN_COLUMNS.items():
        assert columns <= set(metadata.tables[table].columns.keys())
