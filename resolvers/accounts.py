"""Accounts as they are shown: state, progress, the ledger of what they hold, open gaps, own addresses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import paging
from resolvers.loaders import load, once
from resolvers.operation import Operation
from resolvers.paging import Ask, Listing, Order, Position
from store.tables import account, container, gap, own_address

MAX_COVERAGE: Final = 500


class SyncProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Progress of long work; `account_id` is null for imports."""

    account_id: str | None
    phase: str
    done: int
    total: int | None
    started_at: datetime
    last_progress_at: datetime

    @property
    def estimated_end_at(self) -> datetime | None:
        """The end at the pace so far; None while nothing is known of the total or of the pace."""
        spent = (self.last_progress_at - self.started_at).total_seconds()
        if not self.total or self.done <= 0 or spent <= 0 or self.total < self.done:
            return None
        return self.last_progress_at + timedelta(seconds=spent / self.done * (self.total - self.done))


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A linked or imported account; `provider` is the key of its network."""

    id: str
    version: int
    provider: str
    label: str
    status: str
    status_reason: str | None
    mode: str
    granted_scopes: list[str]
    progress: SyncProgress | None
    last_synced_at: datetime | None
    next_sync_at: datetime | None
    created_at: datetime


class OwnAddress(msgspec.Struct, frozen=True, kw_only=True):
    """An address of the viewer; `provider` is the key of its account's network."""

    id: str
    version: int
    account_id: str
    address_kind: str
    value: str
    origin: str
    mine: bool
    primary: bool
    message_count: int | None
    provider: str


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Records that are known and not yet stored."""

    id: str
    container: str | None
    count: int
    reason: str
    since: datetime
    attempts: int
    retry_at: datetime | None


class SkippedCount(msgspec.Struct, frozen=True):
    """How many records were left out for a reason."""

    reason: str
    count: int


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the ledger: seen = stored + skipped + missing."""

    unit: str
    name: str
    kind: str | None
    seen: int | None
    stored: int
    skipped: list[SkippedCount]
    missing: int
    verified_at: datetime | None


def of_row(row: Any) -> Account:
    """The account of a row."""
    progress = None
    if row.phase is not None and row.progress_started_at is not None:
        progress = SyncProgress(
            account_id=row.id,
            phase=row.phase,
            done=row.done,
            total=row.total,
            started_at=row.progress_started_at,
            last_progress_at=row.progress_at or row.progress_started_at,
        )
    return Account(
        id=row.id,
        version=row.version,
        provider=row.provider,
        label=row.label,
        status=row.status,
        status_reason=row.status_reason,
        mode=row.mode,
        granted_scopes=row.granted_scopes.split(),
        progress=progress,
        last_synced_at=row.last_synced_at,
        next_sync_at=row.next_sync_at,
        created_at=row.created_at,
    )


def by_id(conn: Connection, viewer: str, account_ids: Sequence[str]) -> dict[str, Account]:
    """Accounts by id."""
    rows = conn.execute(select(account).where(account.c.viewer_id == viewer, account.c.id.in_(account_ids)))
    return {row.id: of_row(row) for row in rows}


def get(operation: Operation, account_id: str) -> Awaitable[Account | None]:
    """One account, loaded together with the others that the operation asks for."""
    return load(operation, by_id, account_id)


def own(conn: Connection, viewer: str, account_ids: Sequence[str]) -> dict[str, list[OwnAddress]]:
    """The own addresses of each account, primary ones first."""
    rows = conn.execute(
        _own(viewer).where(own_address.c.account_id.in_(account_ids)).order_by(own_address.c.primary.desc(), own_address.c.value)
    )
    found: dict[str, list[OwnAddress]] = {account_id: [] for account_id in account_ids}
    for row in rows:
        found[row.account_id].append(own_of_row(row))
    return found


def own_by_id(conn: Connection, viewer: str, ids: Sequence[str]) -> dict[str, OwnAddress]:
    """Own addresses by id."""
    rows = conn.execute(_own(viewer).where(own_address.c.id.in_(ids)))
    return {row.id: own_of_row(row) for row in rows}


def _own(viewer: str) -> sa.Select[Any]:
    return (
        select(own_address, account.c.provider)
        .join(account, sa.and_(account.c.viewer_id == own_address.c.viewer_id, account.c.id == own_address.c.account_id))
        .where(own_address.c.viewer_id == viewer)
    )


def own_of_row(row: Any) -> OwnAddress:
    """The own address of a row."""
    return OwnAddress(
        id=row.id,
        version=row.version,
        account_id=row.account_id,
        address_kind=row.kind,
        value=row.value,
        origin=row.origin,
        mine=row.mine,
        primary=row.primary,
        message_count=row.message_count,
        provider=row.provider,
    )


async def own_of_viewer(operation: Operation) -> list[OwnAddress]:
    """All own addresses, account by account."""

    def read(conn: Connection, viewer: str) -> list[OwnAddress]:
        rows = conn.execute(_own(viewer).order_by(own_address.c.account_id, own_address.c.primary.desc(), own_address.c.value))
        return [own_of_row(row) for row in rows]

    return await once(operation, ("own addresses",), lambda: operation.read(read))


async def page(operation: Operation, ask: Ask, status: str | None = None) -> Listing:
    """Accounts in the order in which they were linked."""
    order = Order((account.c.created_at, account.c.id))
    scope = paging.bound("accounts", status)

    def mine(viewer: str) -> sa.Select[Any]:
        query = select(account).where(account.c.viewer_id == viewer)
        return query if status is None else query.where(account.c.status == status)

    def read(conn: Connection, viewer: str, after: Position | None) -> paging.Cut:
        return paging.cut(conn, mine(viewer), order, ask.size, after=after)

    after = None if ask.after is None else paging.position(operation, scope, ask.after, tuple[datetime, str])
    return paging.listing(
        operation,
        scope,
        await operation.read(read, after),
        key=lambda row: (row.created_at, row.id),
        node=of_row,
        count=lambda: paging.counted(operation, mine),
    )


def gap_of_row(row: Any) -> Gap:
    """The gap of a row."""
    return Gap(
        id=row.id,
        container=row.container,
        count=row.count,
        reason=row.reason,
        since=row.since,
        attempts=row.attempts,
        retry_at=row.retry_at,
    )


def gaps_by_id(conn: Connection, viewer: str, ids: Sequence[str]) -> dict[str, Gap]:
    """Gaps by id."""
    rows = conn.execute(select(gap).where(gap.c.viewer_id == viewer, gap.c.id.in_(ids)))
    return {row.id: gap_of_row(row) for row in rows}


async def gaps(operation: Operation, account_id: str, ask: Ask) -> Listing:
    """Open gaps of an account, oldest first."""
    order = Order((gap.c.since, gap.c.id))
    scope = paging.bound("gaps", account_id)

    def mine(viewer: str) -> sa.Select[Any]:
        return select(gap).where(gap.c.viewer_id == viewer, gap.c.account_id == account_id)

    def read(conn: Connection, viewer: str, after: Position | None) -> paging.Cut:
        return paging.cut(conn, mine(viewer), order, ask.size, after=after)

    after = None if ask.after is None else paging.position(operation, scope, ask.after, tuple[datetime, str])
    return paging.listing(
        operation,
        scope,
        await operation.read(read, after),
        key=lambda row: (row.since, row.id),
        node=gap_of_row,
        count=lambda: paging.counted(operation, mine),
    )


def coverage(conn: Connection, viewer: str, account_ids: Sequence[str], unit: str) -> dict[str, list[Coverage]]:
    """The ledger of each account, counted by `unit`: ACCOUNT, CONTAINER or KIND."""
    query = (
        select(container, account.c.label)
        .join(account, sa.and_(account.c.viewer_id == container.c.viewer_id, account.c.id == container.c.account_id))
        .where(container.c.viewer_id == viewer, container.c.account_id.in_(account_ids))
        .order_by(container.c.name, container.c.kind)
    )
    grouped: dict[tuple[str, str, str | None], list[Any]] = defaultdict(list)
    for row in conn.execute(query):
        name, kind = {
            "ACCOUNT": (row.label, None),
            "KIND": (row.kind.lower(), row.kind),
            "CONTAINER": (row.name, row.kind),
        }[unit]
        grouped[row.account_id, name, kind].append(row)
    found: dict[str, list[Coverage]] = {account_id: [] for account_id in account_ids}
    for (account_id, name, kind), rows in grouped.items():
        if len(found[account_id]) < MAX_COVERAGE:
            found[account_id].append(_line(unit, name, kind, rows))
    return found


def _line(unit: str, name: str, kind: str | None, rows: Sequence[Any]) -> Coverage:
    skipped: dict[str, int] = defaultdict(int)
    for row in rows:
        for reason, count in skipped_of(row.skipped).items():
            skipped[reason] += count
    stored = sum(row.stored for row in rows)
    seen = None if any(row.expected is None for row in rows) else sum(row.expected for row in rows)
    verified = [row.verified_at for row in rows]
    return Coverage(
        unit=unit,
        name=name,
        kind=kind,
        seen=seen,
        stored=stored,
        skipped=[SkippedCount(reason, count) for reason, count in sorted(skipped.items()) if count],
        missing=0 if seen is None else max(0, seen - stored - sum(skipped.values())),
        verified_at=None if not verified or None in verified else min(verified),
    )


def skipped_of(packed: bytes | None) -> dict[str, int]:
    """The counts of a ledger row: a JSON object, reason → count."""
    return msgspec.json.decode(packed, type=dict[str, int]) if packed else {}
