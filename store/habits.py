"""What a viewer's programs usually ask for, as it is remembered between two lives of a process: at most `MOST` pages a viewer.

A row names a document by the digest of its text, which the installation's manifests hold; it has no text itself, and no answer. When the
page is asked for (`odds`) is packed by who learns it (gateway/habits.py) and means nothing here. No answer shows any of this, so it does
not turn the viewer's revision.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store.rows import insert
from store.tables import habit
from store.upserts import insert_into

MOST: Final = 16  # rows of a viewer
_H: Final = habit.c


class Habit(msgspec.Struct, frozen=True, kw_only=True):
    """A page that is asked for. `variables` is JSON with sorted keys, empty without any; `scopes` are separated by spaces."""

    id: str
    document: str
    operation: str
    variables: str
    scopes: str
    odds: bytes
    weight: float
    asked_at: datetime


def of(conn: Connection, viewer: str) -> list[Habit]:
    """What is remembered, the weightiest first."""
    rows = conn.execute(select(habit).where(_H.viewer_id == viewer).order_by(_H.weight.desc(), _H.id).limit(MOST))
    return [
        Habit(
            id=r.id, document=r.document, operation=r.operation, variables=r.variables, scopes=r.scopes, odds=r.odds, weight=r.weight,
            asked_at=r.asked_at,
        )
        for r in rows
    ]  # fmt: skip


def put(conn: Connection, viewer: str, habits: Sequence[Habit], *, before: datetime) -> None:
    """Remember these; forget what was last asked before a moment, and what is more than `MOST`."""
    insert(conn, _putting(conn.dialect.name), [{"viewer_id": viewer, **msgspec.structs.asdict(one)} for one in habits])
    conn.execute(sa.delete(habit).where(_H.viewer_id == viewer, _H.asked_at < before))
    kept = select(_H.id).where(_H.viewer_id == viewer).order_by(_H.weight.desc(), _H.id).limit(MOST)
    conn.execute(sa.delete(habit).where(_H.viewer_id == viewer, _H.id.not_in(kept)))


@cache
def _putting(dialect: str) -> Any:
    new = insert_into(habit, dialect)
    changing = {name: new.excluded[name] for name in ("odds", "weight", "asked_at")}
    return new.on_conflict_do_update(index_elements=["viewer_id", "id"], set_=changing)
