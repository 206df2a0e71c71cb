"""Migrations: bring a database to this release, on SQLite and PostgreSQL.

Rules (expand, then contract): a revision only adds (tables, nullable columns, indexes) what the release before it can live
with; what is no longer used goes one release later; data is moved by a leased job, never inside a revision that holds a
lock. Several processes may start at once: PostgreSQL takes an advisory lock, SQLite its write lock.

Every process asks at its start whether something is missing, so that is answered without alembic, whose import takes a fifth of
a second: a revision's file begins with its number, and the database holds the last one's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from store.database import sqlite_engine

T = TypeVar("T")
_LOCK: Final = 5_484_848  # any number that nobody else on this server uses
_FOLDER: Final = Path(__file__).parent / "migrations"


async def migrate(url: str) -> list[str]:
    """Apply every revision that is missing; returns their names, empty when there was nothing to do."""
    before = await _revision(url)
    if before == head():
        return []  # without having waited for whoever writes at the moment
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(_FOLDER))
    await _with_connection(url, _upgrade, write=True)
    return [f"{r.revision} {r.doc}" for r in reversed(list(script.iterate_revisions("heads", before or "base")))]


async def pending(url: str) -> bool:
    """Whether the database is older (or newer) than this release."""
    return await _revision(url) != head()


def head() -> str:
    """This release's last revision."""
    return max(file.name.partition("_")[0] for file in (_FOLDER / "versions").glob("[0-9]*_*.py"))


async def _revision(url: str) -> str | None:
    def current(connection: sa.Connection) -> str | None:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()

    return await _with_connection(url, current, write=False)


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    command.upgrade(config, "head")


async def _with_connection(url: str, body: Callable[[sa.Connection], T], *, write: bool) -> T:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = sqlite_engine(parsed.database or "")
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
                result = body(connection)
                connection.exec_driver_sql("COMMIT")
                return result
        finally:
            engine.dispose()
    from sqlalchemy.ext.asyncio import create_async_engine

    async_engine = create_async_engine(parsed.set(drivername="postgresql+asyncpg"), poolclass=NullPool)
    try:
        async with async_engine.connect() as asynchronous:
            found: T = await asynchronous.run_sync(body)
            await asynchronous.commit()
            return found
    finally:
        await async_engine.dispose()
