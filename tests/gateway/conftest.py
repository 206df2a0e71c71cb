"""What tests of this floor ask for besides: a study with both databases, and both IMAP servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.databases import database, household
from tests.gateway.study import Study
from tests.household import Household
from tests.mail_servers import MailServer
from tests.workshop import workshop

__all__ = ["database", "household"]


@pytest.fixture
async def study(household: Household, tmp_path: Path) -> AsyncIterator[Study]:
    async with workshop(household.database, tmp_path, "127.0.0.0/8:*") as shop:
        yield Study(shop, household)


@pytest.fixture(params=["dovecot", "cyrus"])
def imap(request: pytest.FixtureRequest) -> Any:
    server: MailServer = request.getfixturevalue(f"{request.param}_server")
    user = server.new_user()
    with server.mailbox(user) as box:
        yield server, user, box
