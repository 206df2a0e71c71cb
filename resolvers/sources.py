"""Mirror or live: which accounts answer a list, how fresh they are, and the content of what is only read live.

Keys of everything seen live stand in the store beside what is mirrored (same tables, `live` set, no content), so lists are
paged by one keyset query over both. Before the query, `refresh` asks the live accounts, within the operation's deadline, to
bring the store's keys up to what the page needs; afterwards `head_of` and `message_of` give the content of live rows
from the cache or from the network. Trouble with an account is a `SourceReport`, never an exception.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from providers.base import Provider
from resolvers import live
from resolvers.fanout import Trouble, together
from resolvers.loaders import batched, once
from resolvers.operation import Operation
from store import accounts, leases
from store.accounts import Account
from store.tables import contact, conversation, conversation_member

MAX_THREADS: Final = 10  # live conversations whose messages one timeline asks for

SourceState = Literal["FRESH", "STALE", "REFRESHING", "SYNCING", "TIMED_OUT", "RATE_LIMITED", "BUDGET_SPENT", "REAUTH_REQUIRED",
                      "UNAVAILABLE", "UNSUPPORTED"]  # fmt: skip


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """The contract's Freshness input."""

    max_age_seconds: int = 300
    deadline_ms: int = 1500
    max_provider_calls: int | None = None
    at_least: int | None = None  # feed position

    @property
    def age(self) -> timedelta:
        """How old a mirror may be."""
        return timedelta(seconds=self.max_age_seconds)


class SourceReport(msgspec.Struct, frozen=True, kw_only=True):
    """How one account answered; becomes SourceStatus."""

    account_id: str
    state: SourceState
    served_from: Literal["MIRROR", "CACHE", "LIVE"] | None = None
    as_of: datetime | None = None
    oldest: datetime | None = None
    retry_at: datetime | None = None
    message: str | None = None


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What `refresh` did: one report an account asked, and the live accounts whose rows must not be shown (no answer)."""

    reports: tuple[SourceReport, ...] = ()
    silent_accounts: frozenset[str] = frozenset()
    complete: bool = True


_AGE: Final = timedelta(seconds=300)


async def stored(operation: Operation, freshness: Freshness, account_ids: frozenset[str] | None = None) -> Answered:
    """For lists that always read the store (people, contacts, search): how fresh each account's part is.

    An older mirror is answered at once and a refresh is queued; reading never waits for a network.
    """
    known = await _accounts(operation, account_ids)
    reports = [_mirror_report(operation, account, freshness) for account in known]
    stale = [r.account_id for r in reports if r.state == "REFRESHING"]
    if stale:
        await operation.write(_queue, stale, operation.now())
    complete = all(r.state in ("FRESH", "STALE", "REFRESHING") for r in reports)
    if not complete:
        operation.passing = True  # a list with something missing is no list for later
    return Answered(reports=tuple(reports), complete=complete)


async def watch(operation: Operation, age: timedelta) -> None:
    """Somebody looks on: queue a check of mirrors older than `age` whose networks tell cheaply that nothing changed."""
    due = [
        account.id
        for account in await _accounts(operation, None)
        if account.mode == "MIRRORED"
        and account.status in ("ACTIVE", "DEGRADED")
        and account.last_synced_at is not None
        and operation.now() - account.last_synced_at >= age
        and (account.retry_at is None or account.retry_at <= operation.now())
        and (provider := operation.services.providers.get(account.provider, _NO_PROVIDER)).follows(account.base_url)
        and "DELTA" in provider.capabilities
    ]
    if due:
        await operation.write(_queue, due, operation.now())


async def refresh_conversations(
    operation: Operation,
    freshness: Freshness,
    *,
    account_ids: frozenset[str] | None = None,
    person_id: str | None = None,
    before: datetime | None = None,
    count: int = 50,
) -> Answered:
    """Bring the keys of live conversations up to date, at least `count` of them older than `before` (now when None).

    A person's conversations are found in the same listing as everybody's: one listing an account and operation, whoever asks.
    """
    known = await _accounts(operation, account_ids)
    mirrored = [a for a in known if a.mode != "LIVE"]
    live = [a for a in known if a.mode == "LIVE"]
    asked, spared = _within_calls(live, freshness.max_provider_calls)
    before_store = await stored(operation, freshness, frozenset(a.id for a in mirrored)) if mirrored else Answered()
    answers = await together([_listed(operation, account, freshness, before, count) for account in asked])
    reports = [*before_store.reports, *answers, *(_spent(account) for account in spared)]
    return _answered(reports, before_store.complete)


async def refresh_messages(operation: Operation, freshness: Freshness, conversation_ids: list[str]) -> Answered:
    """Bring the keys of the messages of live conversations up to date; mirrored conversations cost nothing."""
    found = await operation.read(live.places, conversation_ids)
    known = {a.id: a for a in await _accounts(operation, frozenset(account_id for account_id, _ in found.values()))}
    mirrored = frozenset(a.id for a in known.values() if a.mode != "LIVE")
    before_store = await stored(operation, freshness, mirrored) if mirrored else Answered()
    wanted = [(c, known[a], key) for c, (a, key) in found.items() if a in known and known[a].mode == "LIVE"]
    if freshness.max_provider_calls is not None:
        spared = wanted[freshness.max_provider_calls :]
        wanted = wanted[: freshness.max_provider_calls]
    else:
        spared = []
    answers = await together([_threaded(operation, account, key, c, freshness) for c, account, key in wanted])
    reports = [*before_store.reports, *_one_each([*answers, *(_spent(a) for _, a, _ in spared)])]
    return _answered(reports, before_store.complete)


async def refresh_timeline(operation: Operation, freshness: Freshness, person_id: str | None, count: int) -> Answered:
    """Bring the keys of live messages with a person (or anybody) up to date."""
    listed = await refresh_conversations(operation, freshness, person_id=person_id, count=count)
    conversations = await operation.read(_latest_live, person_id, min(count, MAX_THREADS))
    if not conversations:
        return listed
    threads = await refresh_messages(operation, freshness, conversations)
    worse = {r.account_id: r for r in threads.reports if r.state not in ("FRESH", "REFRESHING")}
    reports = [worse.get(r.account_id, r) for r in listed.reports]
    return _answered(reports, listed.complete and threads.complete, silent=listed.silent_accounts)


async def head_of(operation: Operation, conversation_id: str) -> records.ConversationHead | None:
    """The content of a live conversation; None when its network does not answer in time."""
    return await batched(operation, ("live-heads",), lambda wanted: _heads(operation, wanted), conversation_id)


async def message_of(operation: Operation, message_id: str) -> records.Message | None:
    """The content of a live message; None when its network does not answer in time."""
    return await batched(operation, ("live-messages",), lambda wanted: _messages(operation, wanted), message_id)


async def _heads(operation: Operation, wanted: list[str]) -> dict[str, records.ConversationHead]:
    found = await live.cached_heads(operation, wanted)
    missing = [c for c in wanted if c not in found]
    if missing:
        places = await operation.read(live.places, missing)
        accounts_of = sorted({account_id for account_id, _ in places.values()})
        fresh = timedelta(0)  # the listing may be cached while the content is not
        await together([live.listing(operation, a, max_age=fresh, before=None, count=live.PAGE) for a in accounts_of])
        found |= await live.cached_heads(operation, missing)
    return found


async def _messages(operation: Operation, wanted: list[str]) -> dict[str, records.Message]:
    found = await live.cached_messages(operation, wanted)
    missing = [m for m in wanted if m not in found]
    if missing:
        places = await operation.read(live.places_of_messages, missing)
        threads = sorted(set(places.values()))
        fresh = timedelta(0)
        await together([live.thread(operation, a, key, c, max_age=fresh) for c, a, key in threads])
        found |= await live.cached_messages(operation, missing)
    return found


async def _listed(
    operation: Operation, account: Account, freshness: Freshness, before: datetime | None, count: int
) -> SourceReport:
    max_age = timedelta(seconds=freshness.max_age_seconds)
    if freshness.max_age_seconds == 0:
        max_age = timedelta(microseconds=-1) if not _asked_already(operation, account.id) else _AGE
    listing, trouble = await live.listing(operation, account.id, max_age=max_age, before=before, count=count)
    return _live_report(account, trouble, None if listing is None else listing.as_of, listing is not None and not listing.complete,
                        operation, None if listing is None else listing.oldest)  # fmt: skip


async def _threaded(operation: Operation, account: Account, key: str, conversation_id: str, freshness: Freshness) -> SourceReport:
    max_age = timedelta(seconds=freshness.max_age_seconds) if freshness.max_age_seconds else timedelta(microseconds=-1)
    thread, trouble = await live.thread(operation, account.id, key, conversation_id, max_age=max_age)
    return _live_report(account, trouble, None if thread is None else thread.as_of, False, operation, None)


def _live_report(
    account: Account, trouble: Trouble | None, as_of: datetime | None, more: bool, operation: Operation, oldest: datetime | None
) -> SourceReport:
    if trouble is None:
        fetched = as_of is not None and as_of >= operation.now() - timedelta(seconds=operation.deadline_ms / 1000 + 1)
        return SourceReport(
            account_id=account.id,
            state="FRESH",
            served_from="LIVE" if fetched else "CACHE",
            as_of=as_of,
            oldest=oldest if more else None,
        )
    if as_of is not None:
        # something older is known: it is shown, with the reason why it is not newer
        return SourceReport(
            account_id=account.id, state=_STALE_AS.get(trouble.state, "STALE"), served_from="CACHE", as_of=as_of, retry_at=trouble.retry_at,
            message=trouble.message,
        )  # fmt: skip
    return SourceReport(account_id=account.id, state=_state(trouble.state), retry_at=trouble.retry_at, message=trouble.message)


# with older data at hand these still say what the reader can do; the others are just stale
_STALE_AS: Final[dict[str, SourceState]] = {"REAUTH_REQUIRED": "REAUTH_REQUIRED", "RATE_LIMITED": "RATE_LIMITED"}


def _state(name: str) -> SourceState:
    state: SourceState = msgspec.convert(name, SourceState)
    return state


def _mirror_report(operation: Operation, account: Account, freshness: Freshness) -> SourceReport:
    """What is stored is always served; the state says what a reader should think of it."""
    state: SourceState = "FRESH"
    message = None
    provider = operation.services.providers.get(account.provider, _NO_PROVIDER)
    if account.status == "REAUTH_REQUIRED":
        state, message = "REAUTH_REQUIRED", account.status_reason or "Sign in to this account again."
    elif account.last_synced_at is None and account.status == "DEGRADED":
        state, message = "UNAVAILABLE", account.status_reason
    elif account.last_synced_at is None:
        state, message = "SYNCING", "The first synchronisation still runs; older items are missing."
    elif provider.follows(account.base_url) and operation.past(account.last_synced_at + freshness.age):
        # a file does not grow older than its import; everything else does
        # when it has been synchronised again is progress: no commit of another revision tells
        operation.passing = True
        state, message = "STALE", account.status_reason or "Older than asked for."
        if account.status in ("ACTIVE", "SYNCING"):
            state, message = "REFRESHING", "Older than asked for; being refreshed now."
    return SourceReport(
        account_id=account.id,
        state=state,
        served_from="MIRROR",
        as_of=account.last_synced_at,
        retry_at=account.retry_at,
        message=message,
    )


_NO_PROVIDER: Final = Provider(key="", name="", kind="ARCHIVE", mode="MIRRORED", capabilities=frozenset())


def _spent(account: Account) -> SourceReport:
    return SourceReport(account_id=account.id, state="BUDGET_SPENT", message="Not asked: maxProviderCalls was reached before.")


def _within_calls(live_accounts: list[Account], calls: int | None) -> tuple[list[Account], list[Account]]:
    if calls is None:
        return live_accounts, []
    return live_accounts[:calls], live_accounts[calls:]


def _answered(reports: list[SourceReport], complete: bool, silent: frozenset[str] = frozenset()) -> Answered:
    mute = frozenset(r.account_id for r in reports if r.served_from is None)
    whole = complete and all(r.state in ("FRESH", "REFRESHING", "STALE") and r.served_from is not None for r in reports)
    return Answered(reports=tuple(reports), silent_accounts=mute | silent, complete=whole)


def _one_each(reports: list[SourceReport]) -> list[SourceReport]:
    """One report an account: the worst of its conversations'."""
    found: dict[str, SourceReport] = {}
    for report in reports:
        old = found.get(report.account_id)
        if old is None or (old.state == "FRESH" and report.state != "FRESH"):
            found[report.account_id] = report
    return list(found.values())


def _asked_already(operation: Operation, account_id: str) -> bool:
    """Whether this operation has asked the account: `maxAgeSeconds: 0` asks the network once an operation, not once a field."""
    return any(s.account_id == account_id and s.state == "FRESH" for s in operation.spending.sources)


async def linked(operation: Operation) -> list[Account]:
    """All accounts of the viewer, oldest first, read once an operation."""
    return await once(operation, ("accounts",), lambda: operation.read(accounts.listed))


async def _accounts(operation: Operation, account_ids: frozenset[str] | None) -> list[Account]:
    return [a for a in await linked(operation) if a.status != "UNLINKING" and (account_ids is None or a.id in account_ids)]


def _queue(conn: Connection, viewer: str, account_ids: list[str], now: datetime) -> None:
    for account_id in account_ids:
        leases.enqueue(conn, viewer, "sync", account_id, now)


def _latest_live(conn: Connection, viewer: str, person_id: str | None, count: int) -> list[str]:
    """The live conversations whose messages a timeline needs: the latest ones, of a person or of anybody."""
    c = conversation.c
    query = select(c.id).where(c.viewer_id == viewer, c.live, c.redirect_to.is_(None))
    if person_id is not None:
        m = conversation_member.c
        theirs = (
            select(m.conversation_id)
            .join(contact, sa.and_(contact.c.viewer_id == m.viewer_id, contact.c.id == m.contact_id))
            .where(m.viewer_id == viewer, contact.c.person_id == person_id)
        )
        query = query.where(c.id.in_(theirs))
    return list(conn.execute(query.order_by(c.last_activity_at.desc(), c.id.desc()).limit(count)).scalars())
