"""The working half of an installation for tests: worker, imports and accounts over a database, wired as gateway/app.py does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

from gateway.accounts import Accounts, Held
from gateway.imports import Imports, Report
from gateway.kinds import kinds
from gateway.scribe import Scribe
from gateway.settle import settle
from gateway.worker import Worker
from providers.addresses import Guard
from providers.base import Mode, catalogue
from providers.session import Account, Secret
from providers.transport import Transport
from resolvers.operation import Clock, Operation, Services
from resolvers.wake import Waker
from store import outbox
from store.blobs import Blobs
from store.cache import Cache
from store.database import Database
from store.vault import Vault


class RealClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Workshop:
    """What a test needs to import, link, sync and ask."""

    def __init__(self, database: Database, home: Path, allow: tuple[str, ...], clock: Clock | None = None) -> None:
        self.database = database
        self.home = home
        self.clock: Clock = clock or RealClock()
        self.cache = Cache(None)
        self.vault = Vault([b"a key for tests only"])
        self.providers = catalogue()
        self.transport = Transport(Guard(allow))
        self.accounts = Accounts(
            database=database, vault=self.vault, clock=self.clock, transport=self.transport, providers=self.providers
        )
        self.blobs = Blobs(home / "uploads")
        self.imports = Imports(database=database, home=home, providers=self.providers, clock=self.clock, blobs=self.blobs)
        self.scribe = Scribe(database)
        self.worker = Worker(
            database=database,
            clock=self.clock,
            accounts=self.accounts,
            imports=self.imports,
            scribe=self.scribe,
            blobs=self.blobs,
            kinds=kinds(self.accounts, self.blobs),
        )
        self.waker = Waker(database, self.cache)
        self.services = Services(
            database=database, cache=self.cache, vault=self.vault, clock=self.clock, providers=self.providers,
            open_account=self.accounts, public_url="http://127.0.0.1:8000", wake=self.waker,
        )  # fmt: skip

    def operation(self, viewer: str, *, deadline_ms: int = 120_000) -> Operation:
        return Operation(self.services, viewer, frozenset({"read", "write", "send", "admin"}), deadline_ms=deadline_ms)

    async def bring(self, viewer: str, *paths: Path, me: str | None = None) -> list[Report]:
        """Import to the end, identity included."""
        staged, _ = await self.imports.stage(viewer, paths, me=me)
        await settle(self.worker, viewer, [*(("import", s.import_id) for s in staged), ("identity", viewer)], patience=0)
        return await self.imports.reports(viewer, [s.import_id for s in staged])

    async def bring_with_a_crash(self, viewer: str, path: Path, *, after: int) -> Report:
        """Import to the end, after it was cut off once so many rows were done."""
        (staged,), _ = await self.imports.stage(viewer, [path])
        task = asyncio.create_task(self.imports.run(viewer, staged.import_id))
        done = 0
        while done < after:
            await asyncio.sleep(0.01)
            done = (await self.imports.reports(viewer, [staged.import_id]))[0].done
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self.imports.run(viewer, staged.import_id)
        (report,) = await self.imports.reports(viewer, [staged.import_id])
        return report

    async def link(
        self,
        viewer: str,
        provider: str,
        base_url: str,
        secret: Secret,
        *,
        sync: bool = True,
        mode: Mode | None = None,
        settings: dict[str, str] | None = None,
    ) -> str:
        """Link an account by its secret and by what else was typed in, and bring it up to date."""
        declared = self.providers[provider]
        assert declared.open is not None
        account = Account(provider=provider, base_url=base_url, settings=settings or {})
        session = self.accounts.session(account, Held(secret), declared)
        if declared.sign_in is not None:
            signed_in = await declared.sign_in(session)
            secret, base_url = signed_in.secret, signed_in.base_url
            account = Account(provider=provider, base_url=base_url, settings=account.settings)
            session = self.accounts.session(account, Held(secret), declared)
        profile = await declared.open(session).profile()
        account_id = await self.accounts.add(viewer, declared, profile, secret, base_url=base_url, mode=mode, settings=settings)
        if sync:
            await self.sync(viewer, account_id)
        return account_id

    async def sync(self, viewer: str, account_id: str) -> None:
        """One run of the sync job, then identity."""
        await self.worker.run_one(viewer, "sync", account_id)
        await self.worker.run_one(viewer, "identity", viewer)

    async def write_back(self, viewer: str, account_id: str) -> None:
        """One run of the job that carries out what the account has in the outbox, then identity."""
        await self.worker.run_one(viewer, outbox.JOB, account_id)
        await self.worker.run_one(viewer, "identity", viewer)

    async def count(self, viewer: str, query: str) -> int:
        def read(conn: Connection, viewer: str) -> int:
            return int(conn.exec_driver_sql(query).scalar_one())

        return await self.database.read(viewer, read)


@asynccontextmanager
async def workshop(database: Database, home: Path, *allow: str, clock: Clock | None = None) -> AsyncIterator[Workshop]:
    """`allow` are the private places that may be connected to, as KITH_ALLOW_PRIVATE_HOSTS writes them."""
    shop = Workshop(database, home, allow, clock)
    shop.waker.start()
    try:
        yield shop
    finally:
        await shop.waker.stop()
        await shop.transport.aclose()
        await shop.cache.close()
