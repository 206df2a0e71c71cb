"""Subscriptions at networks that call us: a leased job `push` an account makes one and prolongs it long before it ends.

Only where people reach the installation by https: networks call nobody else. Polling goes on under it, less often while a network has
promised to call (`gateway/sync.py`); a subscription that cannot be made costs nothing but that.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final, Protocol

import msgspec
import structlog
from sqlalchemy import Connection

from gateway.accounts import Accounts
from providers.errors import ProviderError, ReauthRequired
from providers.push import Pushed
from store import accounts, leases, push_routes
from store.database import Database
from store.push_routes import PLACE
from store.vault import SealBroken

log = structlog.get_logger("kith.push")

JOB: Final = "push"
LONGEST: Final = timedelta(days=1)  # between two looks at a subscription
SOONEST: Final = timedelta(minutes=5)
AFTER_TROUBLE: Final = timedelta(hours=1)
AFTER_REAUTH: Final = timedelta(hours=6)
SOON: Final = timedelta(seconds=1)  # after a hint: several that come together are one sync


class Clock(Protocol):
    def now(self) -> datetime: ...


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """The sealed half of a route: the address's random part, what the network shows, its own name for the subscription."""

    token: str
    secret: str
    key: str | None = None


async def run(opener: Accounts, database: Database, clock: Clock, viewer: str, account_id: str) -> timedelta | None:
    """See to the subscription of one account. Returns when to look again; None where nobody can call."""
    found = await database.read(viewer, accounts.get, account_id)
    if opener.hooks is None or found is None or found.status not in ("ACTIVE", "DEGRADED"):
        return None
    held = await _held(opener, database, viewer, account_id)
    if held is None:
        held = Held(token=secrets.token_urlsafe(32), secret=secrets.token_urlsafe(32))
        # the address exists before the network hears of it: some call at once to see whether it does
        await database.write(
            viewer,
            push_routes.put,
            account_id,
            found.provider,
            held.token,
            _sealed(opener, viewer, account_id, held),
            clock.now(),
        )
    try:
        adapter = await opener.open(viewer, account_id)
        if not isinstance(adapter, Pushed):
            return None
        made = await adapter.subscribe(f"{opener.hooks}/{found.provider}/{held.token}", held.secret, held.key)
    except ProviderError as error:
        # a promise stands until it ends: whoever cannot be asked now may call all the same
        log.info("no subscription", account=account_id, provider=found.provider, reason=error.message)
        return AFTER_REAUTH if isinstance(error, ReauthRequired) else AFTER_TROUBLE
    kept = _sealed(opener, viewer, account_id, msgspec.structs.replace(held, key=made.key))
    await database.write(viewer, push_routes.promised, account_id, kept, made.expires_at)
    return max(SOONEST, min(LONGEST, (made.expires_at - clock.now()) / 2))


async def _held(opener: Accounts, database: Database, viewer: str, account_id: str) -> Held | None:
    blob = await database.read(viewer, push_routes.sealed, account_id)
    return None if blob is None else opened(opener, viewer, account_id, blob)


def opened(opener: Accounts, viewer: str, account_id: str, blob: bytes) -> Held | None:
    """The sealed half of a route; None when it cannot be read any more, and a new one is due."""
    try:
        return msgspec.msgpack.decode(opener.vault.open(blob, viewer, PLACE[0], account_id, PLACE[1]), type=Held)
    except (SealBroken, msgspec.MsgspecError):
        return None


def _sealed(opener: Accounts, viewer: str, account_id: str, held: Held) -> bytes:
    return opener.vault.seal(msgspec.msgpack.encode(held), viewer, PLACE[0], account_id, PLACE[1])


def heard(conn: Connection, viewer: str, account_id: str, now: datetime, *, hint: bool, renew: bool) -> None:
    """Queue what a call asks for: asking ten times before it is done is asking once."""
    job = leases.pending(conn, viewer, "sync", account_id)
    if hint and job is not None:
        leases.enqueue(conn, viewer, "sync", account_id, now, due=now + SOON, every=job.every)
    if renew:
        leases.enqueue(conn, viewer, JOB, account_id, now, due=now + SOON)
