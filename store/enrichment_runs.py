"""Runs over many people: how far each is, and what became of each person. An item that is not through is QUEUED."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store.tables import enrichment_item, enrichment_run

JOB: Final = "enrich"
QUEUED: Final = "QUEUED"
_R: Final = enrichment_run.c
_I: Final = enrichment_item.c


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What a run has to do."""

    id: str
    sources: tuple[str, ...]
    again: bool
    state: str
    created_at: datetime


def add(
    conn: Connection, viewer: str, run_id: str, sources: Sequence[str], again: bool, person_ids: Sequence[str], now: datetime
) -> None:
    """Write a run with all its items."""
    conn.execute(
        enrichment_run.insert().values(
            viewer_id=viewer,
            id=run_id,
            sources=" ".join(sources),
            again=again,
            state="QUEUED",
            total=len(person_ids),
            created_at=now,
        )
    )
    items = [
        {"viewer_id": viewer, "run_id": run_id, "position": n, "person_id": p, "state": QUEUED} for n, p in enumerate(person_ids)
    ]
    conn.execute(enrichment_item.insert(), items)


def take_up(conn: Connection, viewer: str, run_id: str) -> Run | None:
    """A run that is to be worked at now; None where there is none, or it has ended."""
    row = conn.execute(select(enrichment_run).where(_R.viewer_id == viewer, _R.id == run_id)).one_or_none()
    if row is None or row.state not in ("QUEUED", "RUNNING"):
        return None
    _change(conn, viewer, run_id, state="RUNNING")
    return Run(id=row.id, sources=tuple(row.sources.split()), again=row.again, state=row.state, created_at=row.created_at)


def waiting(conn: Connection, viewer: str, run_id: str, after: int, limit: int) -> list[tuple[int, str]]:
    """(position, person) of items that are not through."""
    query = select(_I.position, _I.person_id).where(
        _I.viewer_id == viewer, _I.run_id == run_id, _I.state == QUEUED, _I.position > after
    )
    return [(row.position, row.person_id) for row in conn.execute(query.order_by(_I.position).limit(limit))]


def settle(
    conn: Connection, viewer: str, run_id: str, position: int, outcome: str, message: str | None, unconfirmed: int
) -> None:
    """An item is through; told once, whoever was killed in between."""
    item = sa.update(enrichment_item).where(
        _I.viewer_id == viewer, _I.run_id == run_id, _I.position == position, _I.state == QUEUED
    )
    if conn.execute(item.values(state=outcome, message=message)).rowcount:
        _change(
            conn,
            viewer,
            run_id,
            done=_R.done + 1,
            found=_R.found + int(outcome == "FOUND"),
            unconfirmed=_R.unconfirmed + unconfirmed,
        )


def finish(conn: Connection, viewer: str, run_id: str, now: datetime) -> None:
    """All items are through."""
    _change(conn, viewer, run_id, state="DONE", finished_at=now)


def _change(conn: Connection, viewer: str, run_id: str, **values: Any) -> None:
    conn.execute(sa.update(enrichment_run).where(_R.viewer_id == viewer, _R.id == run_id).values(**values))
