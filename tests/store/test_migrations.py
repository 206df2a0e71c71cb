"""Migrations give exactly the tables that the code knows, on both databases, once, and with data in them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine

from store import accounts, migrate
from store.database import Database
from store.tables import metadata
from tests import servers
from tests.household import Household, card


def differences(connection: sa.Connection) -> list[Any]:
    def ours(name: str | None, kind: str, parents: Any) -> bool:
        return not (kind == "table" and (name or "").startswith("search_fts")) and not (
            kind == "index" and name == "search_doc_tsv"
        )

    context = MigrationContext.configure(connection, opts={"include_name": ours, "compare_type": True})
    found = compare_metadata(context, metadata)
    # PostgreSQL's own column of the search index is written by a trigger and read by a function; the code never names it
    return [d for d in found if not (d[0] == "remove_column" and d[3].name == "tsv")]


async def test_sqlite_is_migrated_to_what_the_code_knows_and_again_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'kith.db'}"
    assert await migrate.pending(url)
    assert await migrate.migrate(url)
    assert await migrate.migrate(url) == []
    assert not await migrate.pending(url)
    with sa.create_engine(url).connect() as connection:
        assert differences(connection) == []


async def test_postgresql_is_migrated_by_its_owner_to_what_the_code_knows(postgres_database: servers.Postgres) -> None:
    assert await migrate.migrate(postgres_database.owner_url)
    engine = create_async_engine(sa.make_url(postgres_database.owner_url).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_names_sort_as_plain_text_in_a_postgresql_of_any_collation(postgres_database: servers.Postgres) -> None:
    await migrate.migrate(postgres_database.owner_url)
    engine = create_async_engine(sa.make_url(postgres_database.owner_url).set(drivername="postgresql+asyncpg"))
    asked = "SELECT table_name, collation_name FROM information_schema.columns WHERE column_name = 'sort_name'"
    async with engine.connect() as connection:
        assert {row[0]: row[1] for row in await connection.execute(sa.text(asked))} == {"contact": "C", "person": "C"}
    await engine.dispose()


async def test_several_processes_may_migrate_at_once(postgres_database: servers.Postgres, tmp_path: Path) -> None:
    for url in (postgres_database.owner_url, f"sqlite:///{tmp_path / 'kith.db'}"):
        await asyncio.gather(*(migrate.migrate(url) for _ in range(4)))
        assert not await migrate.pending(url)


async def test_migrating_a_database_that_is_in_use_keeps_its_data(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'kith.db'}"
    await migrate.migrate(url)
    database = Database(url)
    household = await Household.open(database)
    book = await household.account("vcard")
    await household.take(book, card("1", "Ada Lovelace", "ada@example.org"))
    await migrate.migrate(url)
    assert [c.kind for c in await household.changes()] == ["ACCOUNT", "CONTACT", "PERSON"]
    await database.close()


def test_the_last_revision_is_known_without_alembic() -> None:
    folder = Path(migrate.__file__).parent / "migrations"
    assert migrate.head() == ScriptDirectory(str(folder)).get_current_head()


def again(connection: sa.Connection, number: str) -> None:
    """What a revision does, on tables of any later one."""
    folder = Path(migrate.__file__).parent / "migrations"
    revision = ScriptDirectory(str(folder)).get_revision(number)
    with Operations.context(MigrationContext.configure(connection)):
        revision.module.upgrade()


@pytest.mark.parametrize(("number", "network"), [("0022", "slack"), ("0023", "mastodon")])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_an_account_that_an_export_made_is_its_networks_and_stays_the_same_account(
    kind: str, number: str, network: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    owner = app = f"sqlite:///{tmp_path / 'kith.db'}"
    if kind == "postgresql":
        place: servers.Postgres = request.getfixturevalue("postgres_database")
        owner, app = place.owner_url, place.app_url
    await migrate.migrate(owner)
    database = Database(app)
    households = [await Household.open(database, viewer) for viewer in ("u_robin", "u_ada")]
    made = [await household.account(f"{network}_archive", "T1/U1") for household in households]
    for household, account_id in zip(households, made, strict=True):
        await household.take(account_id, card("Ada@example.org", "Ada"))
    if kind == "sqlite":
        engine = sa.create_engine(owner)
        with engine.begin() as connection:
            again(connection, number)
        engine.dispose()
    else:
        several = create_async_engine(sa.make_url(owner).set(drivername="postgresql+asyncpg"))
        async with several.begin() as asynchronous:
            await asynchronous.run_sync(again, number)
        await several.dispose()
    for household, account_id in zip(households, made, strict=True):
        assert await household.account(network, "T1/U1") == account_id  # linked, or imported again
        (found,) = await database.read(household.viewer, accounts.listed)
        assert (found.id, found.provider) == (account_id, network)
        known = "ada@example.org" if network == "mastodon" else "Ada@example.org"
        (told,) = await household.take(account_id, card(known, "Ada"))
        assert told.outcome != "CREATED"
    await database.close()
