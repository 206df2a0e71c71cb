"""A viewer's accounts, opened: the sealed grant read and refreshed, a budget for each, a Session handed to the adapter.

The only place where a stored account meets its provider module. Grants are refreshed by one process at a time (store/accounts.py
holds the mark and the fence); after a crash in the middle the old grant is tried once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import httpx2 as httpx
import msgspec
from sqlalchemy import Connection

from gateway.holders import holder_name, is_dead
from gateway.inbox import AccountInbox
from providers import oauth
from providers.base import Adapter, LiveAdapter, Mode, Provider
from providers.breaker import Breakers
from providers.budget import TokenBudget
from providers.errors import Malformed, ProviderError, ReauthRequired, Refused, Unavailable
from providers.http import DEFAULT_QUOTA, Session
from providers.push import Line
from providers.records import OwnAddress, Profile
from providers.session import Account as SessionAccount
from providers.session import Clock, Inbox, Memory, Observer, Secret
from store import accounts, grant_marks, leases, outbox
from store.database import Database
from store.feed import Recorder
from store.vault import SealBroken, Vault

HOLDER: Final = holder_name()  # this process, in the marks of renewals
REFRESH_WAIT: Final = 20.0  # seconds to wait for another process that refreshes the same grant
RENEWAL_SECONDS: Final = 30.0  # for the answer to a renewal; a process that ends waits for it
#: `provider_code` of Unavailable where nothing has left.
UNSENT: Final = frozenset({"connect", "dns", "circuit-open", "deadline"})
MARKS: Final = "grant marks"  # the purpose of their key
BUDGETS: Final = 2_000  # accounts whose budgets are remembered in this process


@dataclass(kw_only=True)
class Accounts:
    """Opens accounts. One a process."""

    database: Database
    vault: Vault
    clock: Clock
    transport: httpx.AsyncBaseTransport
    providers: dict[str, Provider]
    observer: Observer | None = None
    hooks: str | None = None  # where networks call us, https; None when they cannot
    lines: Mapping[str, Line] = field(default_factory=dict)  # by provider, where one address is called for all accounts
    breakers: Breakers = field(init=False)
    renewals: set[asyncio.Task[Secret]] = field(default_factory=set, init=False)
    _budgets: dict[str, TokenBudget] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.breakers = Breakers(self.clock)

    def renewed(self, renewal: asyncio.Task[Secret]) -> None:
        """A renewal has ended; what went wrong has been told to whoever still waits."""
        self.renewals.discard(renewal)
        if not renewal.cancelled():
            renewal.exception()

    async def close(self) -> None:
        """Let the renewals that are under way end: their answers may be the only ones that count."""
        if self.renewals:
            await asyncio.wait(self.renewals, timeout=RENEWAL_SECONDS)

    async def __call__(self, viewer: str, account_id: str, *, deadline: float | None) -> LiveAdapter:
        """For somebody who waits until `deadline` (POSIX seconds). Raises Refused when there is no such account."""
        adapter = await self.open(viewer, account_id, interactive=True, deadline=deadline)
        return adapter  # type: ignore[return-value]  # only accounts in LIVE mode are asked for heads

    async def open(self, viewer: str, account_id: str, *, interactive: bool = False, deadline: float | None = None) -> Adapter:
        """The adapter of a linked account. Raises Refused when it is gone, or its provider is no longer installed."""
        found = await self.database.read(viewer, accounts.get, account_id)
        if found is None:
            raise Refused("This account is no longer linked.", provider_code="not-found")
        provider = self.providers.get(found.provider)
        if provider is None or provider.open is None:
            raise Refused(f"The provider '{found.provider}' is not installed here any more.", provider_code="no-provider")
        credentials = Grant(self, viewer, account_id, found.base_url, provider)
        return provider.open(
            self.session(
                SessionAccount(
                    provider=found.provider, base_url=found.base_url, user_id=found.user_id, settings=found.settings,
                    live=found.mode == "LIVE",
                    own_addresses=tuple(sorted(await self.database.read(viewer, accounts.own_values))),
                ),
                credentials, provider, interactive=interactive, deadline=deadline, budget_key=account_id,
                inbox=AccountInbox(self.database, self.vault, viewer, account_id) if provider.keeps else None,
                memory=AccountMemory(self.database, viewer, account_id),
            )
        )  # fmt: skip

    def session(
        self,
        account: SessionAccount,
        credentials: Grant | Held,
        provider: Provider,
        *,
        interactive: bool = True,
        deadline: float | None = None,
        budget_key: str | None = None,
        inbox: Inbox | None = None,
        memory: Memory | None = None,
    ) -> Session:
        """A Session for an account, stored or not yet."""
        budget = None
        if budget_key is not None:
            budget = self._budgets.get(budget_key)
            if budget is None:
                if len(self._budgets) >= BUDGETS:
                    self._budgets.pop(next(iter(self._budgets)))
                budget = self._budgets[budget_key] = TokenBudget(provider.quota or DEFAULT_QUOTA, self.clock)
        return Session(
            account=account,
            credentials=credentials,
            clock=self.clock,
            transport=self.transport,
            budget=None if budget is None else budget.interactive if interactive else budget,
            observer=self.observer,
            interactive=interactive,
            deadline=deadline,
            quota=provider.quota,
            breakers=self.breakers,
            inbox=inbox,
            memory=memory,
        )

    async def add(
        self,
        viewer: str,
        provider: Provider,
        profile: Profile,
        secret: Secret | None,
        *,
        base_url: str,
        label: str | None = None,
        settings: dict[str, str] | None = None,
        mode: Mode | None = None,
    ) -> str:
        """Store a proven account with its sealed grant, and queue its first sync; the account's id. `mode` is the provider's usual one
        where nobody chose.
        """
        now = self.clock.now()

        def write(conn: Connection, viewer: str) -> str:
            recorder = Recorder(now, origin="CLIENT")
            user_id = profile.user_id
            if provider.files_by_name:
                values = [one.value for one in profile.own_addresses]
                first = next((one.value for one in profile.own_addresses if one.primary), None)
                user_id = accounts.same_user(conn, viewer, provider.key, user_id, values, primary=first, linked=False)
            account_id = accounts.put(
                conn, viewer, recorder, now, provider=provider.key, user_id=user_id, label=label or profile.label,
                mode=mode or provider.mode, base_url=profile.base_url or base_url, scopes=profile.granted_scopes, settings=settings,
            )  # fmt: skip
            if secret is not None:
                plain = msgspec.json.encode(secret)
                accounts.seal(
                    conn, viewer, account_id, self.vault.seal(plain, viewer, accounts.PLACE[0], account_id, accounts.PLACE[1])
                )
            _note_own(conn, viewer, account_id, profile.own_addresses, recorder)
            self.mark(conn, viewer, account_id, secret)
            leases.enqueue(conn, viewer, "sync", account_id, now, every=provider.poll_seconds)
            outbox.wake(conn, viewer, account_id, now)
            recorder.flush(conn, viewer)
            return account_id

        return await self.database.write(viewer, write)

    def mark(self, conn: Connection, viewer: str, account_id: str, secret: Secret | None) -> None:
        """Note from which grant an account lives."""
        key = self.vault.derive(MARKS)
        grant_marks.put(conn, viewer, account_id, [] if secret is None else _marks(conn, viewer, account_id, secret, [key]))

    def marks(self, conn: Connection, viewer: str, account_id: str, secret: Secret) -> list[bytes]:
        """How accounts that live from the same grant are marked, whosever, and whichever key was the installation's then."""
        return _marks(conn, viewer, account_id, secret, self.vault.derived(MARKS))


class Held:
    """A secret that is not stored yet: it is what it is."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    async def read(self) -> Secret:
        return self._secret

    async def refreshed(self, old: Secret) -> Secret:
        raise ReauthRequired("The network does not accept these credentials. Check them and try again.")


class Grant:
    """The stored secret of one account (`session.Credentials`)."""

    def __init__(self, owner: Accounts, viewer: str, account_id: str, base_url: str, provider: Provider) -> None:
        self._owner = owner
        self._viewer = viewer
        self._account_id = account_id
        self._base_url = base_url
        self._provider = provider

    async def read(self) -> Secret:
        """The secret, decrypted. Raises ReauthRequired when there is none."""
        secret, _ = await self._read()
        return secret

    async def refreshed(self, old: Secret) -> Secret:
        """A newer secret than `old`; one process asks, the others wait for its answer. Raises ReauthRequired."""
        database, clock = self._owner.database, self._owner.clock
        waited = 0.0
        while True:
            secret, held = await self._read()
            if secret.access_token != old.access_token:
                return secret
            dead = bool(held.holder) and is_dead(held.holder)
            if await database.write(
                self._viewer, accounts.begin_refresh, self._account_id, held.fence, clock.now(), HOLDER, dead=dead
            ):
                # whoever asked may stop waiting; the answer, whose refresh token may be the only one that works, is stored all the same
                renewal = asyncio.create_task(self._refresh(secret, held.fence + 1, interrupted=held.refreshing))
                self._owner.renewals.add(renewal)
                renewal.add_done_callback(self._owner.renewed)
                return await asyncio.shield(renewal)
            if waited >= REFRESH_WAIT:
                text = "Another process renews this sign-in and does not finish; it is tried again in a minute."
                raise Unavailable(text, retry_at=clock.now() + accounts.REFRESH_LEASE)
            await clock.sleep(0.25)
            waited += 0.25

    async def _refresh(self, old: Secret, fence: int, *, interrupted: datetime | None) -> Secret:
        database = self._owner.database
        session = self._owner.session(
            SessionAccount(provider=self._provider.key, base_url=self._base_url), Held(old), self._provider, interactive=False
        )
        since = interrupted or self._owner.clock.now()
        try:
            async with asyncio.timeout(RENEWAL_SECONDS):  # far less than the lease: nobody else begins meanwhile
                if self._provider.renew is not None:
                    new = await self._provider.renew(session, old)
                else:
                    new = await oauth.refresh(session, oauth.renewal(old), old)
        except TimeoutError:
            await database.write(self._viewer, accounts.end_refresh, self._account_id, fence, None, since)
            raise Unavailable("The network did not answer in time when this sign-in was to be renewed.") from None
        except BaseException as error:
            unanswered = since if _may_be_done(error) else interrupted
            await asyncio.shield(database.write(self._viewer, accounts.end_refresh, self._account_id, fence, None, unanswered))
            if isinstance(error, ReauthRequired) and interrupted is not None:
                text = f"A renewal that began at {interrupted:%Y-%m-%d %H:%M} UTC was interrupted and its answer lost."
                raise ReauthRequired(f"{text} {error.message}", provider_code=error.provider_code) from error
            raise
        sealed = self._owner.vault.seal(
            msgspec.json.encode(new), self._viewer, accounts.PLACE[0], self._account_id, accounts.PLACE[1]
        )
        await database.write(self._viewer, accounts.end_refresh, self._account_id, fence, sealed)
        await database.write(
            self._viewer, self._owner.mark, self._account_id, new
        )  # also of who was linked before there were marks
        return new

    async def _read(self) -> tuple[Secret, accounts.Sealed]:
        held = await self._owner.database.read(self._viewer, accounts.sealed, self._account_id)
        if held is None:
            raise ReauthRequired("The sign-in for this account is gone: link it again.")
        try:
            plain = self._owner.vault.open(held.blob, self._viewer, accounts.PLACE[0], self._account_id, accounts.PLACE[1])
        except SealBroken as error:
            raise ReauthRequired(f"The stored sign-in cannot be opened: {error}") from error
        return msgspec.json.decode(plain, type=Secret), held


class AccountMemory:
    """What an account's adapter remembers, in its row. Implements `providers.session.Memory`."""

    def __init__(self, database: Database, viewer: str, account_id: str) -> None:
        self._database, self._viewer, self._account_id = database, viewer, account_id

    async def read(self) -> bytes | None:
        return await self._database.read(self._viewer, accounts.memory, self._account_id)

    async def keep(self, remembered: bytes) -> None:
        await self._database.write_behind(self._viewer, accounts.remember, self._account_id, remembered)


def _may_be_done(error: BaseException) -> bool:
    """Whether a renewal that ended like this may have used up the old token all the same: an answer that was cut, or that nobody could read."""
    if isinstance(error, Unavailable):
        return error.provider_code not in UNSENT
    return isinstance(error, Malformed) or not isinstance(error, ProviderError)


def _note_own(conn: Connection, viewer: str, account_id: str, addresses: Iterable[OwnAddress], recorder: Recorder) -> None:
    for one in addresses:
        accounts.put_own_address(conn, viewer, account_id, one.value, recorder, kind=one.kind, primary=one.primary)


def _marks(conn: Connection, viewer: str, account_id: str, secret: Secret, keys: Iterable[bytes]) -> list[bytes]:
    """The marks of a grant to our client, by whom the network calls the account and by its own addresses; none where none was granted."""
    found = accounts.get(conn, viewer, account_id)
    if found is None or not secret.client_id:
        return []
    place = secret.extra.get("revocation_endpoint") or found.base_url
    members = [f"{found.provider}:{found.user_id}", *sorted(accounts.own_of(conn, viewer, account_id))]
    return [grant_marks.digest(key, secret.client_id, place, member) for key in keys for member in members]
