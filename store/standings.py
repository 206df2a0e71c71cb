"""How much people are heard and whom they know, as it was reckoned last.

A picture is written whole, in slices, and shown once all of it is there: `standing_run` says which one. What a process that dies leaves
behind is forgotten by the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from store.tables import acquaintance, standing, standing_run

JOB: Final = "standing"
FORGOTTEN: Final = 50  # people whose rows one transaction forgets
_R: Final = standing_run.c


def begin(conn: Connection, viewer: str) -> int:
    """The number of a new picture, larger than any that was begun."""
    known = [
        conn.execute(select(sa.func.max(table.c.run)).where(table.c.viewer_id == viewer)).scalar_one() or 0
        for table in (standing, acquaintance, standing_run)
    ]
    return int(max(known)) + 1


def write(conn: Connection, viewer: str, run: int, people: Sequence[dict[str, Any]], known: Sequence[dict[str, Any]]) -> None:
    """Rows of a picture that is not shown yet, without their viewer and run."""
    owned = {"viewer_id": viewer, "run": run}
    if people:
        conn.execute(standing.insert(), [owned | row for row in people])
    if known:
        conn.execute(acquaintance.insert(), [owned | row for row in known])


def show(conn: Connection, viewer: str, run: int, now: datetime) -> None:
    """Show this picture from now on."""
    conn.execute(sa.delete(standing_run).where(_R.viewer_id == viewer))
    conn.execute(standing_run.insert().values(viewer_id=viewer, run=run, computed_at=now))


def forget_others(conn: Connection, viewer: str) -> bool:
    """Forget some of what is not shown; whether there was any."""
    shown = conn.execute(select(_R.run).where(_R.viewer_id == viewer)).scalar_one_or_none() or 0
    for table in (standing, acquaintance):
        mine = table.c
        old = select(mine.run, mine.person_id).where(mine.viewer_id == viewer, mine.run != shown).distinct().limit(FORGOTTEN)
        keys = [tuple(row) for row in conn.execute(old)]
        if keys:
            conn.execute(sa.delete(table).where(mine.viewer_id == viewer, sa.tuple_(mine.run, mine.person_id).in_(keys)))
            return True
    return False


def forget_all(conn: Connection, viewer: str) -> None:
    """Show no picture any more: what it was made of is gone."""
    conn.execute(sa.delete(standing_run).where(_R.viewer_id == viewer))


def computed_at(conn: Connection, viewer: str) -> datetime | None:
    """When the picture that is shown was made."""
    found: datetime | None = conn.execute(select(_R.computed_at).where(_R.viewer_id == viewer)).scalar_one_or_none()
    return found
