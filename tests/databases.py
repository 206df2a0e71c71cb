"""The fixture `database`: every test that asks for it runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store.database import Database
from tests import servers
from tests.household import Household, open_postgresql, open_sqlite

__all__ = ["database", "household"]


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    if request.param == "sqlite":
        async with open_sqlite(tmp_path) as found:
            yield found
        return
    server: servers.Postgres = request.getfixturevalue("postgres_server")
    async with open_postgresql(server) as found:
        yield found


@pytest.fixture
async def household(database: Database) -> Household:
    return await Household.open(database)
