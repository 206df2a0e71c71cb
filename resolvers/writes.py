"""Writes on their way to a network, as they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import paging
from resolvers.mistakes import NetworkMistake
from resolvers.operation import Operation
from resolvers.paging import Ask, Listing, Order, Position
from store import outbox
from store.tables import outbox as table


class PendingWrite(msgspec.Struct, frozen=True, kw_only=True):
    """A write that is accepted here; `state` is a WriteState."""

    id: str
    mutation: str
    idempotency_key: str | None
    state: str
    node_ids: tuple[str, ...]
    attempts: int
    retry_at: datetime | None
    error: NetworkMistake | None
    created_at: datetime


def of_write(write: outbox.Write) -> PendingWrite:
    """The write as clients see it."""
    return PendingWrite(
        id=write.id,
        mutation=write.mutation,
        idempotency_key=write.idempotency_key,
        # what was taken back was undone here, and no network has it
        state="REFUSED" if write.state == "CANCELLED" else write.state,
        node_ids=write.node_ids,
        attempts=write.attempts,
        retry_at=retry_at(write),
        error=error_of(write),
        created_at=write.created_at,
    )


def retry_at(write: outbox.Write) -> datetime | None:
    """When it is tried again; None for what was never tried, runs or has ended."""
    return write.due if write.state in ("QUEUED", "CHECKING") and write.attempts else None


def error_of(write: outbox.Write) -> NetworkMistake | None:
    """What went wrong, as the mistakes of a caller are told."""
    if write.trouble is None:
        return None
    return NetworkMistake(
        code=write.trouble.code,
        message=write.trouble.message,
        account_id=write.account_id,
        provider_code=write.trouble.provider_code,
        retry_at=retry_at(write),
    )


def by_id(conn: Connection, viewer: str, write_ids: Sequence[str]) -> dict[str, PendingWrite]:
    """Writes by id, settled ones included."""
    return {write_id: of_write(write) for write_id, write in outbox.by_id(conn, viewer, write_ids).items()}


async def page(operation: Operation, account_id: str, ask: Ask) -> Listing:
    """The writes of an account that are not settled, oldest first."""
    order = Order((table.c.position, table.c.id))
    scope = paging.bound("writes", account_id)

    def mine(viewer: str) -> sa.Select[Any]:
        return select(table).where(table.c.viewer_id == viewer, table.c.account_id == account_id, table.c.state.in_(outbox.OPEN))

    def read(conn: Connection, viewer: str, after: Position | None) -> tuple[paging.Cut, dict[str, PendingWrite]]:
        cut = paging.cut(conn, mine(viewer), order, ask.size, after=after)
        return cut, {write.id: of_write(write) for write in outbox.with_nodes(conn, viewer, cut.rows)}

    after = None if ask.after is None else paging.position(operation, scope, ask.after, tuple[int, str])
    cut, shown = await operation.read(read, after)
    return paging.listing(
        operation,
        scope,
        cut,
        key=lambda row: (row.position, row.id),
        node=lambda row: shown[row.id],
        count=lambda: paging.counted(operation, mine),
    )
