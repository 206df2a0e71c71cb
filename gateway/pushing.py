"""Subscriptions at networks that call us: a leased job `push` an account makes one and prolongs it long before it ends.

Only where people reach the installation by https: networks call nobody else. A network that calls one address for all accounts is asked
where the operator has set up a line at it, and is told to stop when they have not any more, or the account goes. Polling goes on under
it, less often while a network has promised to call (`gateway/sync.py`); a subscription that cannot be made costs nothing but that.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final, Protocol

import msgspec
import structlog
from sqlalchemy import Connection

from gateway.accounts import Accounts
from gateway.inbox import Held, opened
from gateway.settings import Hidden, Settings
from providers.base import Adapter, Provider
from providers.errors import ProviderError, ReauthRequired
from providers.push import Announced, Heard, Leaver, Line, Pushed, Subscription
from store import accounts, kept_calls, leases, push_routes
from store.database import Database
from store.push_routes import PLACE, Route

log = structlog.get_logger("kith.push")

JOB: Final = "push"
LONGEST: Final = timedelta(days=1)  # between two looks at a subscription
SOONEST: Final = timedelta(minutes=5)
AFTER_TROUBLE: Final = timedelta(hours=1)
AFTER_REAUTH: Final = timedelta(hours=6)
SOON: Final = timedelta(seconds=1)  # after a hint: several that come together are one sync
NAMES: Final = "push-names"  # purpose of the key that names are hashed with
LINE_PARTS: Final = ("topic", "email", "secret", "audience")  # what the settings of a line end with


class Clock(Protocol):
    def now(self) -> datetime: ...


async def run(opener: Accounts, database: Database, clock: Clock, viewer: str, account_id: str) -> timedelta | None:
    """See to the subscription of one account. Returns when to look again; None where nobody can call."""
    found = await database.read(viewer, accounts.get, account_id)
    if found is None or found.status not in ("ACTIVE", "DEGRADED"):
        return None
    try:
        adapter = await opener.open(viewer, account_id)
        if not wanted(opener, found.provider, adapter):
            await end(opener, database, viewer, account_id)
            return None
        if isinstance(adapter, Announced):
            made = await _join(adapter, opener, database, clock, viewer, found)
        else:
            assert isinstance(adapter, Pushed)
            made = await _subscribe(adapter, opener, database, clock, viewer, found)
    except ProviderError as error:
        # a promise stands until it ends: whoever cannot be asked now may call all the same
        log.info("no subscription", account=account_id, provider=found.provider, reason=error.message)
        if error.retry_at is not None:
            return max(AFTER_TROUBLE, min(LONGEST, error.retry_at - clock.now()))
        return AFTER_REAUTH if isinstance(error, ReauthRequired) else AFTER_TROUBLE
    now = clock.now()
    return max(SOONEST, min(LONGEST, made.again - now if made.again is not None else (made.expires_at - now) / 2))


def line(settings: Settings, provider: Provider) -> Line | None:
    """The line that the operator set up at a network which calls one address for all accounts; None while it is not complete."""
    topic, caller, _, audience = (getattr(settings, f"{provider.line}_{part}", "") for part in LINE_PARTS)
    secret = proof(settings, provider) if not caller else ""
    if provider.switchboard is None or not topic or not (caller or secret) or not settings.secure:
        return None
    url = f"{settings.hooks}/{provider.key}"
    return Line(url=url, topic=topic, caller=caller, audience=audience or url, secret=secret)


def proof(settings: Settings, provider: Provider) -> str:
    """The secret that a network signs its calls with, where that is how it proves itself."""
    held = getattr(settings, f"{provider.line}_secret", None)
    return held.reveal() if isinstance(held, Hidden) else ""


def wanted(opener: Accounts, provider: str, adapter: Adapter) -> bool:
    """Whether the network of this account is to be asked to call."""
    if isinstance(adapter, Announced):
        return provider in opener.lines
    return opener.hooks is not None and isinstance(adapter, Pushed)


async def end(opener: Accounts, database: Database, viewer: str, account_id: str) -> None:
    """Tell a network to call no more for an account, where it has to be told, and forget that it was asked to.

    What it says to that does not matter: its promise ends by itself, and calls for an account that is not here wake nobody.
    """
    # one mailbox that two viewers have linked has one subscription: it is the last one's to end
    if not await database.system_read(push_routes.alone, viewer, account_id):
        await database.write(viewer, push_routes.drop, account_id)
        return
    try:
        adapter = await opener.open(viewer, account_id, interactive=True)
        if isinstance(adapter, Leaver):
            await adapter.leave()
    except ProviderError as error:
        log.info("a subscription was left to end by itself", account=account_id, reason=error.message)
    await database.write(viewer, push_routes.drop, account_id)


async def _join(
    adapter: Announced, opener: Accounts, database: Database, clock: Clock, viewer: str, found: accounts.Account
) -> Subscription:
    """Have the line called for an account."""
    made = await adapter.join(opener.lines[found.provider])
    key = opener.vault.derive(NAMES)
    name, *more = dict.fromkeys(push_routes.digest_of_name(key, found.provider, each) for each in (made.key, *made.more))
    await database.write(viewer, push_routes.put_name, found.id, found.provider, name, made.expires_at, clock.now(), more=more)
    return made


async def _subscribe(
    adapter: Pushed, opener: Accounts, database: Database, clock: Clock, viewer: str, found: accounts.Account
) -> Subscription:
    """Have an address of the account's own called."""
    held = await _held(opener, database, viewer, found.id)
    if held is None:
        held = Held(token=secrets.token_urlsafe(32), secret=secrets.token_urlsafe(32))
        # the address exists before the network hears of it: some call at once to see whether it does
        sealed = _sealed(opener, viewer, found.id, held)
        await database.write(viewer, push_routes.put, found.id, found.provider, held.token, sealed, clock.now())
    made = await adapter.subscribe(f"{opener.hooks}/{found.provider}/{held.token}", held.secret, held.key)
    kept = _sealed(opener, viewer, found.id, msgspec.structs.replace(held, key=made.key))
    await database.write(viewer, push_routes.promised, found.id, kept, made.expires_at)
    return made


async def _held(opener: Accounts, database: Database, viewer: str, account_id: str) -> Held | None:
    blob = await database.read(viewer, push_routes.sealed, account_id)
    return None if blob is None else opened(opener.vault, viewer, account_id, blob)


def _sealed(opener: Accounts, viewer: str, account_id: str, held: Held) -> bytes:
    return opener.vault.seal(msgspec.msgpack.encode(held), viewer, PLACE[0], account_id, PLACE[1])


async def meant(opener: Accounts, database: Database, provider: str, names: Collection[str]) -> list[Route]:
    """The accounts that a network calls by these names, whosever they are."""
    # under the former keys, too: what was hashed before a rotation is hashed anew within a day
    keys = opener.vault.derived(NAMES)
    hashes = [push_routes.digest_of_name(key, provider, name) for key in keys for name in names]
    return await database.system_read(push_routes.called, provider, hashes)


def heard(conn: Connection, viewer: str, account_id: str, now: datetime, said: Heard, keep: bytes | None = None) -> bool:
    """Queue what a call asks for: asking ten times before it is done is asking once. False where it should be kept and there is no room."""
    if said.until is not None:
        push_routes.prolong(conn, viewer, account_id, said.until)
    if keep is not None and not kept_calls.keep(conn, viewer, account_id, keep, now):
        return False
    job = leases.pending(conn, viewer, "sync", account_id)
    if said.hint and job is not None:
        leases.enqueue(conn, viewer, "sync", account_id, now, due=now + SOON, every=job.every)
    if said.renew:
        leases.enqueue(conn, viewer, JOB, account_id, now, due=now + SOON)
    return True
