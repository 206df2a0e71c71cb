"""Networks that speak up by themselves: a leased job `watch` an account keeps one line open and asks for a sync at every hint.

A hint only says that there is something: what it is, the account's next delta tells. So a hint that is lost costs time, never a
message: the poll goes on under it. A watch that ends is taken up again; what is wrong with the account, its sync finds out.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog
from sqlalchemy import Connection

from gateway.accounts import Accounts
from providers.base import Watcher
from providers.errors import ProviderError, ReauthRequired
from store import accounts, leases
from store.database import Database

log = structlog.get_logger()

AT_ONCE: Final = 200  # lines that a worker keeps open
AGAIN: Final = timedelta(minutes=1)
AFTER_TROUBLE: Final = timedelta(minutes=5)
AFTER_REAUTH: Final = timedelta(hours=6)


class Clock(Protocol):
    def now(self) -> datetime: ...


async def run(opener: Accounts, database: Database, clock: Clock, viewer: str, account_id: str) -> timedelta:
    """Watch one account until its network ends the line. Returns how long to wait before watching it again."""
    found = await database.read(viewer, accounts.get, account_id)
    if found is None or found.status != "ACTIVE":
        return AFTER_TROUBLE
    if found.mode != "MIRRORED":  # it is asked when somebody reads it
        return AFTER_REAUTH
    try:
        adapter = await opener.open(viewer, account_id)
        if not isinstance(adapter, Watcher):
            return AFTER_REAUTH
        async with contextlib.aclosing(adapter.watch()) as hints:  # type: ignore[type-var]
            async for _ in hints:
                await database.write_behind(viewer, _wake, account_id, clock)
    except ReauthRequired:
        return AFTER_REAUTH
    except ProviderError as error:
        log.info("a watch ended", account=account_id, provider=found.provider, reason=error.message)
        return AFTER_TROUBLE if error.retry_at is None else AGAIN
    return AGAIN


def _wake(conn: Connection, viewer: str, account_id: str, clock: Clock) -> None:
    job = leases.pending(conn, viewer, "sync", account_id)
    if job is not None:
        leases.enqueue(conn, viewer, "sync", account_id, clock.now(), every=job.every)
