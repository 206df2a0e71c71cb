"""Imported files and what became of each of their rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import paging
from resolvers.accounts import SyncProgress
from resolvers.mistakes import Mistake
from resolvers.operation import Operation
from resolvers.paging import Ask, Listing, Order
from store.tables import import_row, import_run


class ImportCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Rows by outcome."""

    created: int
    updated: int
    unchanged: int
    skipped: int
    failed: int


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """One imported file."""

    id: str
    version: int
    file_name: str
    format: str | None
    state: str
    progress: SyncProgress | None
    account_id: str | None
    counts: ImportCounts
    error: Mistake | None
    created_at: datetime
    finished_at: datetime | None


class ImportRow(msgspec.Struct, frozen=True, kw_only=True):
    """One card, line or message of an imported file."""

    position: int
    path: str | None
    line: int | None
    outcome: str
    reason: str | None
    message: str | None
    excerpt: str | None
    node_id: str | None


def of_row(row: Any) -> Import:
    """The import of a row."""
    progress = None
    if row.finished_at is None and row.started_at is not None:
        progress = SyncProgress(
            account_id=None,
            phase="Reading the file",
            done=row.done,
            total=row.total,
            started_at=row.started_at,
            last_progress_at=row.progress_at or row.started_at,
        )
    error = None
    if row.error_code is not None:
        error = Mistake(code=row.error_code, message=row.error_message or "The file could not be imported.")
    return Import(
        id=row.id,
        version=row.version,
        file_name=row.file_name,
        format=row.format or None,
        state=row.state,
        progress=progress,
        account_id=row.account_id,
        error=error,
        created_at=row.created_at,
        finished_at=row.finished_at,
        counts=ImportCounts(
            created=row.created, updated=row.updated, unchanged=row.unchanged, skipped=row.skipped, failed=row.failed
        ),
    )


def by_id(conn: Connection, viewer: str, import_ids: Sequence[str]) -> dict[str, Import]:
    """Imports by id."""
    rows = conn.execute(select(import_run).where(import_run.c.viewer_id == viewer, import_run.c.id.in_(import_ids)))
    return {row.id: of_row(row) for row in rows}


async def page(operation: Operation, ask: Ask) -> Listing:
    """Imports, latest first."""

    def mine(viewer: str) -> sa.Select[Any]:
        return select(import_run).where(import_run.c.viewer_id == viewer)

    order = Order((import_run.c.created_at, import_run.c.id), descending=True)
    return await paging.rows(operation, paging.bound("imports"), ask, order, tuple[datetime, str], mine, of_row)


async def rows(operation: Operation, import_id: str, ask: Ask, outcome: str | None = None) -> Listing:
    """What became of each row, in the order of the file."""

    def mine(viewer: str) -> sa.Select[Any]:
        query = select(import_row).where(import_row.c.viewer_id == viewer, import_row.c.import_id == import_id)
        return query if outcome is None else query.where(import_row.c.outcome == outcome)

    scope = paging.bound("rows", import_id, outcome)
    return await paging.rows(operation, scope, ask, Order((import_row.c.position,)), tuple[int], mine, _row)


def _row(row: Any) -> ImportRow:
    return ImportRow(
        position=row.position,
        path=row.path,
        line=row.line,
        outcome=row.outcome,
        reason=row.reason,
        message=row.message,
        excerpt=row.excerpt,
        node_id=row.node_id,
    )
