"""Nobody sees another viewer's rows: raw SQL as the serving role, over every table, with our own predicates left out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from store import search_index
from store.database import Database
from store.tables import OWNED, SYSTEM, metadata
from tests import fresh, servers
from tests.household import NOW, Household

CLOSED_LIST = {"viewer", "job", "session", "api_key", "oauth_state", "client_registration", "push_route", "public_name",
               "grant_mark"}  # fmt: skip
REFUSED = sa.exc.DBAPIError


@pytest.fixture
async def place(postgres_server: servers.Postgres) -> servers.Postgres:
    return await fresh.postgresql(postgres_server)


@pytest.fixture
async def app(place: servers.Postgres) -> AsyncIterator[AsyncConnection]:
    """A raw connection as kith_app with a row of viewer u_a in every owned table."""
    url = sa.make_url(place.app_url).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        async with connection.begin():
            await as_viewer(connection, "u_a")
            for table in OWNED:
                await connection.execute(table.insert().values(**example(table, "u_a")))
        yield connection
    await engine.dispose()


async def as_viewer(connection: AsyncConnection, viewer: str) -> None:
    await connection.execute(text("select set_config('kith.viewer', :v, true)"), {"v": viewer})


def example(table: sa.Table, viewer: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for column in table.columns:
        if column.name == "viewer_id":
            values[column.name] = viewer
        elif column.autoincrement is True or (column.nullable and not column.primary_key):
            continue
        else:
            kind = column.type
            if kind.__class__.__name__ == "Instant":
                values[column.name] = NOW
            elif isinstance(kind, sa.Boolean):
                values[column.name] = False
            elif isinstance(kind, sa.Integer | sa.BigInteger | sa.Float):
                values[column.name] = 1
            elif isinstance(kind, sa.LargeBinary):
                values[column.name] = b"x"
            else:
                values[column.name] = "x"
    return values


def test_system_tables_are_the_closed_list_and_all_others_lead_with_the_viewer() -> None:
    assert {t.name for t in SYSTEM} == CLOSED_LIST
    for table in metadata.sorted_tables:
        if table not in SYSTEM and table.name != "search_doc":
            assert next(iter(table.primary_key.columns)).name == "viewer_id", table.name
        if table not in SYSTEM:
            for index in table.indexes:
                assert next(iter(index.columns)).name == "viewer_id", index.name


@pytest.mark.parametrize("table", OWNED, ids=lambda t: t.name)
async def test_without_a_viewer_a_table_is_empty(app: AsyncConnection, table: sa.Table) -> None:
    assert (await app.execute(text(f"select count(*) from {table.name}"))).scalar_one() == 0


@pytest.mark.parametrize("table", OWNED, ids=lambda t: t.name)
async def test_another_viewer_reads_changes_and_deletes_nothing(app: AsyncConnection, table: sa.Table) -> None:
    async with app.begin():
        await as_viewer(app, "u_b")
        assert (await app.execute(text(f"select count(*) from {table.name}"))).scalar_one() == 0
        assert (await app.execute(text(f"delete from {table.name}"))).rowcount == 0
        assert (await app.execute(text(f"update {table.name} set viewer_id = 'u_b'"))).rowcount == 0
    async with app.begin():
        await as_viewer(app, "u_a")
        assert (await app.execute(text(f"select count(*) from {table.name}"))).scalar_one() == 1


@pytest.mark.parametrize("table", OWNED, ids=lambda t: t.name)
async def test_nobody_can_write_a_row_for_another_viewer(app: AsyncConnection, table: sa.Table) -> None:
    with pytest.raises(REFUSED, match="row-level security"):
        async with app.begin():
            await as_viewer(app, "u_b")
            await app.execute(table.insert().values(**example(table, "u_a")))


async def test_the_serving_role_owns_nothing_and_cannot_step_around(app: AsyncConnection) -> None:
    row = (
        await app.execute(text("select rolsuper, rolbypassrls, rolcreaterole from pg_roles where rolname = current_user"))
    ).one()
    assert tuple(row) == (False, False, False)
    assert (await app.execute(text("select count(*) from pg_tables where tableowner = current_user"))).scalar_one() == 0


async def test_the_search_functions_take_the_viewer_from_the_transaction_alone(app: AsyncConnection) -> None:
    asked = (
        "select * from kith_search(:q)",
        "select * from kith_find(:q, '{}', '{x}', 0, 9, 9, '', 0, 5)",
        "select * from kith_find(:q, '{}', '{x}', 0, 9, 9, '', 5, 5)",
        "select * from kith_find(:q, '{}', '{x}', 0, 9, 9, '', 0, null)",
    )
    for ask in asked:
        async with app.begin():
            await as_viewer(app, "u_a")
            assert len((await app.execute(text(ask), {"q": "'x'"})).all()) == 1, ask
        for query in ("'x'", "'~u_a'", "'x' | '~u_a'", "!'nothing'"):
            async with app.begin():
                await as_viewer(app, "u_b")
                assert (await app.execute(text(ask), {"q": query})).all() == []
        async with app.begin():
            assert (await app.execute(text(ask), {"q": "'x'"})).all() == []


async def test_a_viewer_setting_ends_with_its_transaction(place: servers.Postgres) -> None:
    database = Database(place.app_url)
    try:
        household = await Household.open(database, "u_a")
        doc = search_index.Doc(node_id="m_1", kind="MESSAGE", title="secret", at=NOW)
        await database.write(household.viewer, search_index.put, [doc])
        for _ in range(30):  # every pooled connection has served u_a by now
            count = await database.system_read(lambda conn: conn.execute(text("select count(*) from search_doc")).scalar_one())
            assert count == 0
    finally:
        await database.close()
