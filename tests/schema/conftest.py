from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store.database import Database
from tests.asking import Desk
from tests.household import Household, open_sqlite
from tests.schema.village import Village, settle


@pytest.fixture
async def sqlite_database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_sqlite(tmp_path) as found:
        yield found


@pytest.fixture
async def desk(sqlite_database: Database) -> Desk:
    """The desk of somebody who has just come: their store is empty."""
    return Desk(await Household.open(sqlite_database))


@pytest.fixture
async def village(desk: Desk) -> Village:
    """The desk's viewer has people, mail and an import."""
    return await settle(desk.household)
