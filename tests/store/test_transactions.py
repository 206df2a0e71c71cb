"""Transactions on PostgreSQL: begun in one message, for one viewer, on connections that may have been closed meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from store import accounts, viewers
from store.database import Database, DatabaseUnavailable
from tests import fresh, servers
from tests.household import NOW
from tests.ports import free_port

OURS = "usename = 'kith_app' and datname = current_database()"
ENDED = f"select count(pg_terminate_backend(pid, 60_000)) from pg_stat_activity where {OURS}"
OPEN = f"select count(*) from pg_stat_activity where {OURS} and state <> 'idle'"


@pytest.fixture
async def place(postgres_server: servers.Postgres) -> AsyncIterator[servers.Postgres]:
    place = await fresh.postgresql(postgres_server)
    yield place
    place.drop()


@pytest.fixture
async def database(place: servers.Postgres) -> AsyncIterator[Database]:
    database = Database(place.app_url)
    yield database
    await database.close()


def who(conn: Connection, viewer: str) -> str:
    return str(conn.exec_driver_sql("SELECT current_setting('kith.viewer')").scalar_one())


async def test_a_transaction_is_its_viewers_however_they_are_called(database: Database) -> None:
    for viewer in ("u_robin", "u_o'hara'; ROLLBACK; --", "u_\\x27", "u_Zoë", ""):
        assert await database.read(viewer, who) == viewer
        assert await database.write(viewer, who) == viewer


async def test_connections_that_the_server_has_closed_are_replaced_before_anybody_notices(
    place: servers.Postgres, database: Database
) -> None:
    everybody = [f"u_{n}" for n in range(5)]
    await asyncio.gather(*(database.read(viewer, who) for viewer in everybody))
    assert int(place.sql(ENDED)) > 1
    assert await asyncio.gather(*(database.read(viewer, who) for viewer in everybody)) == everybody


async def test_what_fails_or_is_given_up_leaves_no_row_and_no_transaction(place: servers.Postgres, database: Database) -> None:
    waiting = asyncio.Event()

    def add_and_fail(conn: Connection, viewer: str) -> None:
        viewers.add(conn, viewer, "robin", NOW)
        conn.exec_driver_sql("SELECT 1 / 0")

    def add_and_wait(conn: Connection, viewer: str) -> None:
        viewers.add(conn, viewer, "robin", NOW)
        waiting.set()
        conn.exec_driver_sql("SELECT pg_sleep(60)")

    with pytest.raises(sa.exc.DBAPIError):
        await database.write("u_robin", add_and_fail)
    given_up = asyncio.create_task(database.write("u_robin", add_and_wait))
    await waiting.wait()
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert int(place.sql(OPEN)) == 0
    await database.write("u_robin", viewers.add, "robin", NOW)  # would be there already
    assert await database.read("u_robin", accounts.own_values) == frozenset()


async def test_what_only_reads_writes_nothing(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError, match="read-only"):
        await database.read("u_robin", viewers.add, "robin", NOW)


async def test_a_server_that_is_not_there_is_said_to_be_away() -> None:
    database = Database(f"postgresql://kith_app@127.0.0.1:{free_port()}/kith")
    with pytest.raises(DatabaseUnavailable, match="does not answer"):
        await database.read("u_robin", who)
    await database.close()
