"""An installation whose network calls it by an address of the account's own, and what became of a call.

async with called(tmp_path, "telegram", url, secret, clock) as line: ...
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx

from gateway import worker
from gateway.accounts import Held
from gateway.installation import Installation
from gateway.people import named
from gateway.worker import Worker
from providers.session import Account, Secret
from store import accounts, kept_calls
from tests.gateway.running import TestClock, asking, opened

PUBLIC = "https://kith.example.org"


@dataclass
class Called:
    """One linked account."""

    there: Installation
    worker: Worker
    client: httpx.AsyncClient
    clock: TestClock
    viewer: str
    account_id: str

    async def work(self, kind: str) -> bool:
        return await self.worker.run_one(self.viewer, kind, self.account_id)

    async def texts(self) -> list[str]:
        """What is stored, the oldest first."""

        def read(conn: Any, viewer: str) -> list[str]:
            return list(conn.exec_driver_sql("select snippet from message order by sent_at, snippet").scalars())

        return await self.there.database.read(self.viewer, read)

    async def kept(self) -> int:
        """Calls that wait to be taken in."""
        return len(await self.there.database.read(self.viewer, kept_calls.after, self.account_id, 0, 100))

    async def state(self) -> tuple[str, str]:
        found = await self.there.database.read(self.viewer, accounts.get, self.account_id)
        assert found is not None
        return found.status, found.status_reason or ""


@asynccontextmanager
async def called(
    home: Path,
    provider: str,
    url: str,
    secret: Secret,
    clock: TestClock,
    *,
    public: str = PUBLIC,
    settings: dict[str, str] | None = None,
) -> AsyncIterator[Called]:
    """The account is linked, and has not been synced yet; in a `home` that has it already it is the same one."""
    given = {"public_url": public, "allow_private_hosts": (f"127.0.0.1/32:{urlsplit(url).port}",)}
    async with opened(home, clock=clock, schema=None, **given) as there, asking(there) as client:
        whose = (await named(there, None)).id
        declared = there.providers[provider]
        assert declared.open is not None
        account = Account(provider=provider, base_url=url, settings=settings or {})
        profile = await declared.open(there.accounts.session(account, Held(secret), declared)).profile()
        account_id = await there.accounts.add(whose, declared, profile, secret, base_url=url, settings=settings)
        yield Called(there, worker.of(there), client, clock, whose, account_id)
