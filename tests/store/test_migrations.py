"""Migrations give exactly the tables that the code knows, on both databases, once, and with data in them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine

from providers import records
from store import accounts, ids, migrate, search_index
from store.database import Database, sqlite_engine
from store.tables import anchor, contact, dirty, metadata, photo, photo_look, search_doc, unpaired
from tests import servers
from tests.household import NOW, Household, card, mail

FOLDER = Path(migrate.__file__).parent / "migrations"


def test_every_revision_has_a_number_of_its_own_and_follows_the_one_before() -> None:
    numbers = sorted(path.stem[:4] for path in (FOLDER / "versions").glob("0*.py"))
    assert len(set(numbers)) == len(numbers)
    chain = [revision.revision for revision in ScriptDirectory(str(FOLDER)).walk_revisions()]
    assert chain == numbers[::-1]


def differences(connection: sa.Connection) -> list[Any]:
    def ours(name: str | None, kind: str, parents: Any) -> bool:
        return not (kind == "table" and (name or "").startswith("search_fts")) and not (
            kind == "index" and name == "search_doc_tsv"
        )

    context = MigrationContext.configure(connection, opts={"include_name": ours, "compare_type": True})
    found = compare_metadata(context, metadata)
    # PostgreSQL's own column of the search index is written by a trigger and read by a function; the code never names it
    return [
        d
        for d in found
        if not (d[0] == "remove_column" and d[3].name == "tsv")
        and not (d[0] == "add_index" and d[1].name == "search_doc_by_place_node_id" and connection.dialect.name == "sqlite")
    ]


@pytest.mark.filterwarnings("ignore:.*expression-based index")  # which alembic cannot compare on SQLite
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
    assert migrate.head() == ScriptDirectory(str(FOLDER)).get_current_head()


def until(connection: sa.Connection, number: str) -> None:
    """Every revision up to this one."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, number)


def again(connection: sa.Connection, number: str) -> None:
    """What a revision does, on tables of any later one."""
    revision = ScriptDirectory(str(FOLDER)).get_revision(number)
    with Operations.context(MigrationContext.configure(connection)):
        revision.module.upgrade()


async def as_owner(url: str, do: Callable[..., None], *more: Any) -> None:
    """Let whoever migrates do something, in a transaction."""
    if url.startswith("sqlite"):
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            do(connection, *more)
        engine.dispose()
    else:
        several = create_async_engine(sa.make_url(url).set(drivername="postgresql+asyncpg"))
        async with several.begin() as asynchronous:
            await asynchronous.run_sync(do, *more)
        await several.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
async def migrated(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, Database]]:
    """The address by which a database with all revisions is migrated, and the database as the product opens it."""
    owner = app = f"sqlite:///{tmp_path / 'kith.db'}"
    if request.param == "postgresql":
        place: servers.Postgres = request.getfixturevalue("postgres_database")
        owner, app = place.owner_url, place.app_url
    await migrate.migrate(owner)
    database = Database(app)
    yield owner, database
    await database.close()


@pytest.mark.parametrize(("number", "network"), [("0022", "slack"), ("0023", "mastodon")])
async def test_an_account_that_an_export_made_is_its_networks_and_stays_the_same_account(
    number: str, network: str, migrated: tuple[str, Database]
) -> None:
    owner, database = migrated
    households = [await Household.open(database, viewer) for viewer in ("u_robin", "u_ada")]
    made = [await household.account(f"{network}_archive", "T1/U1") for household in households]
    for household, account_id in zip(households, made, strict=True):
        await household.take(account_id, card("Ada@example.org", "Ada"))
    await as_owner(owner, again, number)
    for household, account_id in zip(households, made, strict=True):
        assert await household.account(network, "T1/U1") == account_id  # linked, or imported again
        (found,) = await database.read(household.viewer, accounts.listed)
        assert (found.id, found.provider) == (account_id, network)
        known = "ada@example.org" if network == "mastodon" else "Ada@example.org"
        (told,) = await household.take(account_id, card(known, "Ada"))
        assert told.outcome != "CREATED"


async def test_documents_that_were_indexed_one_by_one_are_found_changed_and_forgotten_like_others(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'kith.db'}"
    engine = sqlite_engine(str(tmp_path / "kith.db"))
    with engine.connect() as connection:
        until(connection, "0026")
        rows = [
            {"viewer_id": "u_robin", "node_id": f"m_{n}", "kind": "MESSAGE", "at": NOW, "place": n, "n": n, "title": f"boat {n}",
             "body": "harbour", "facets": "urobinmessage"}
            for n in range(1, 4)
        ]  # fmt: skip
        connection.execute(search_doc.insert(), rows)  # as the release before does
    assert await migrate.migrate(url)
    database = Database(url)

    async def found(word: str) -> list[str]:
        hits = await database.read("u_robin", search_index.match, word, kinds=["MESSAGE"], limit=9)
        return sorted(hit.node_id for hit in hits)

    assert await found("harbour") == ["m_1", "m_2", "m_3"]
    await database.write(
        "u_robin", search_index.put, [search_index.Doc(node_id="m_2", kind="MESSAGE", title="ferry", body="quay", at=NOW)]
    )
    await database.write("u_robin", search_index.drop, ["m_3"])
    with engine.connect() as connection:  # it still runs
        connection.execute(sa.update(search_doc).where(search_doc.c.node_id == "m_1").values(body="island"))
    assert [await found(word) for word in ("harbour", "quay", "island")] == [[], ["m_2"], ["m_1"]]
    with engine.connect() as connection:
        connection.exec_driver_sql("INSERT INTO search_fts(search_fts, rank) VALUES ('integrity-check', 1)")
    engine.dispose()
    await database.close()


async def test_an_id_that_had_lost_its_record_before_comes_out_with_the_oldest_of_those_whom_it_led_to(
    migrated: tuple[str, Database],
) -> None:
    owner, database = migrated
    household = await Household.open(database)
    book = await household.account("vcard")
    await household.take(book, *(card(key, "Ada Lovelace", "ada@example.org") for key in ("first", "second", "third")))
    await household.resolve()
    await household.take(book, records.Gone(kind="CONTACT", key="second"))
    await household.resolve()
    first, second = (ids.derive("CONTACT", book, key) for key in ("first", "second"))

    def before(connection: sa.Connection) -> None:
        anchor.drop(connection)
        again(connection, "0055")

    await as_owner(owner, before)
    found = await database.read(household.viewer, lambda conn, viewer: conn.execute(sa.select(anchor)).all())
    assert [(row.person_id, row.contact_id) for row in found] == [(ids.derive("PERSON", second), first)]


async def test_people_who_were_known_before_any_were_compared_are_compared_on_postgresql_too(
    postgres_database: servers.Postgres,
) -> None:
    await migrate.migrate(postgres_database.owner_url)
    database = Database(postgres_database.app_url)
    household = await Household.open(database)
    book = await household.account("vcard")
    await household.take(book, card("ada", "Ada Lovelace"), card("eve", "Ada Lovelace"))
    await household.resolve()
    await as_owner(postgres_database.owner_url, again, "0059")
    marked = await database.read(
        household.viewer, lambda conn, viewer: conn.execute(sa.select(unpaired.c.person_id)).scalars().all()
    )
    assert sorted(marked) == sorted(ids.derive("PERSON", ids.derive("CONTACT", book, key)) for key in ("ada", "eve"))
    await database.close()


async def test_whoever_had_a_photo_before_any_was_looked_at_is_compared_again(postgres_database: servers.Postgres) -> None:
    await migrate.migrate(postgres_database.owner_url)
    database = Database(postgres_database.app_url)
    household = await Household.open(database)
    book = await household.account("vcard")
    shown = records.Photo(media_type="image/png", data=b"a picture")
    await household.take(book, card("ada", "Ada Lovelace", photo=shown), card("eve", "Eve Moore"))
    await household.resolve()
    several = create_async_engine(sa.make_url(postgres_database.owner_url).set(drivername="postgresql+asyncpg"))
    async with several.begin() as asynchronous:
        await asynchronous.execute(sa.text("DROP TABLE photo_look"))
        await asynchronous.execute(sa.text("DROP INDEX contact_by_photo"))
        await asynchronous.execute(sa.text("ALTER TABLE photo NO FORCE ROW LEVEL SECURITY"))
        orphan = "INSERT INTO photo (viewer_id, hash, media_type, data) VALUES ('u_robin', 'nobody shows it', 'image/png', 'x')"
        await asynchronous.execute(sa.text(orphan))
        for number in ("0068", "0069"):
            await asynchronous.run_sync(again, number)
    await several.dispose()
    marked = await database.read(
        household.viewer, lambda conn, viewer: conn.execute(sa.select(unpaired.c.person_id)).scalars().all()
    )
    assert marked == [ids.derive("PERSON", ids.derive("CONTACT", book, "ada"))]
    await household.resolve()
    assert await database.read(household.viewer, lambda conn, viewer: conn.execute(sa.select(photo_look.c.look)).all()) == [
        (None,)
    ]
    left = await database.read(household.viewer, lambda conn, viewer: conn.execute(sa.select(photo.c.hash)).scalars().all())
    assert left == [hashlib.sha256(b"a picture").hexdigest()], "what nobody shows is erased"
    await database.close()


async def test_who_is_who_is_asked_again_about_everybody_but_what_is_nobody(migrated: tuple[str, Database]) -> None:
    owner, database = migrated
    households = [await Household.open(database, viewer) for viewer in ("u_robin", "u_kim")]
    for household in households:
        book = await household.account("vcard")
        await household.take(
            book, card("ada", "Ada Lovelace", "ada@example.org"), card("again", "Ada Lovelace", "ada@example.org")
        )
        box = await household.account("mbox", "robin@example.org", own=["robin@example.org"])
        await household.take(box, mail(1, "no-reply@shop.example", name="The Shop"))
        await household.resolve()
    before = [await database.read(household.viewer, _who_is_who) for household in households]
    await as_owner(owner, again, "0070")
    for household, was in zip(households, before, strict=True):
        marked, met = await database.read(household.viewer, _asked_again)
        assert len(set(was.values())) == 2, "the two of one address are one, and the shop's robot is nobody"
        assert marked == {contact_id for contact_id, person_id in was.items() if person_id is not None}
        assert met == {person_id: False for person_id in was.values() if person_id is not None}
        await household.resolve()
        assert await database.read(household.viewer, _who_is_who) == was


def _who_is_who(conn: sa.Connection, viewer: str) -> dict[str, str | None]:
    rows = conn.execute(sa.select(contact.c.id, contact.c.person_id).where(contact.c.viewer_id == viewer))
    return {row.id: row.person_id for row in rows}


def _asked_again(conn: sa.Connection, viewer: str) -> tuple[set[str], dict[str, bool]]:
    marked = conn.execute(sa.select(dirty.c.contact_id).where(dirty.c.viewer_id == viewer)).scalars()
    met = conn.execute(sa.select(unpaired.c.person_id, unpaired.c.met).where(unpaired.c.viewer_id == viewer))
    return set(marked), {row.person_id: row.met for row in met}
