"""Where people stand in lists ordered by closeness and by influence: numbers beside their rows, so that a page is a walk along an index.

They follow from what is stored and from the clock, so a person's version says nothing of them and neither does the feed. Whoever changes
what they follow from marks the people whom it concerns, in the same transaction; resolvers/relationship/placing.py reckons. Knows
neither scores nor clocks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, select

from store.among import VIEWER, among, asked
from store.rows import insert
from store.tables import contact, person, standing, standing_run, unplaced
from store.upserts import insert_into

JOB: Final = "place"  # marks everybody: scores age
MARKED: Final = 500  # people that one step of it marks
CLEARED: Final = 200  # people whose influence one transaction writes
_P, _U, _S, _R = person.c, unplaced.c, standing.c, standing_run.c
_HAVE: Final = select(contact.c.person_id).where(among(contact.c.id))
_STAND: Final = select(_P.id, _P.relationship, _P.trend).where(among(_P.id))
_PUT: Final = (
    sa.update(person).where(_P.viewer_id == VIEWER, _P.id == sa.bindparam("whose"))
    .values(relationship=sa.bindparam("score"), trend=sa.bindparam("moving"))
)  # fmt: skip
_HEARD: Final = (
    sa.update(person).where(_P.viewer_id == VIEWER, _P.id == sa.bindparam("whose")).values(influence=sa.bindparam("score"))
)  # fmt: skip


@cache
def _marking(dialect: str) -> Any:
    new = insert_into(unplaced, dialect)
    return new.on_conflict_do_update(index_elements=[_U.viewer_id, _U.person_id], set_={"person_id": new.excluded.person_id})


class Place(NamedTuple):
    """How close somebody is, 0 to 100, and whether that grows."""

    relationship: int
    trend: str


def mark(conn: Connection, viewer: str, person_ids: Collection[str]) -> None:
    """Have these people's closeness reckoned again. A mark that is there is written again: on PostgreSQL whoever reckons just now does
    not take it with them."""
    insert(conn, _marking(conn.dialect.name), [{"viewer_id": viewer, "person_id": person_id} for person_id in sorted(person_ids)])


def mark_of(conn: Connection, viewer: str, contact_ids: Collection[str]) -> None:
    """Have the closeness of these contacts' people reckoned again."""
    # nobody's are left out here: asked to, SQLite walks through all that are somebody's
    mark(conn, viewer, set(conn.execute(_HAVE, asked(viewer, contact_ids)).scalars()) - {None} if contact_ids else ())


def mark_next(conn: Connection, viewer: str, after: str) -> str | None:
    """Mark the next people behind this id; where to go on, None at the end."""
    query = select(_P.id).where(_P.viewer_id == viewer, _P.redirect_to.is_(None), _P.id > after).order_by(_P.id).limit(MARKED)
    found = list(conn.execute(query).scalars())
    mark(conn, viewer, found)
    return found[-1] if found else None


def take(conn: Connection, viewer: str, most: int) -> list[str]:
    """Some of the people who are marked, and are not any more. Marks that others are just setting are left to them."""
    query = select(_U.person_id).where(_U.viewer_id == viewer).order_by(_U.person_id).limit(most)
    found = list(conn.execute(query.with_for_update(skip_locked=True)).scalars())
    if found:
        conn.execute(sa.delete(unplaced).where(among(_U.person_id)), asked(viewer, found))
    return found


def put(conn: Connection, viewer: str, places: Mapping[str, Place]) -> None:
    """Write where people stand; whoever stands there already is not touched."""
    known = {row.id: Place(row.relationship, row.trend) for row in conn.execute(_STAND, asked(viewer, places))}
    moved = [
        {"viewer": viewer, "whose": person_id, "score": place.relationship, "moving": place.trend}
        for person_id, place in sorted(places.items())
        if known.get(person_id, place) != place
    ]
    if moved:
        conn.execute(_PUT, moved)


def follow_picture(conn: Connection, viewer: str, after: str) -> str | None:
    """Write the influence of the next people behind this id as the picture has it that is shown (store/standings.py), 0 without one;
    where to go on, None at the end."""
    score = (
        select(_S.score).join(standing_run, sa.and_(_R.viewer_id == _S.viewer_id, _R.run == _S.run))
        .where(_S.viewer_id == _P.viewer_id, _S.person_id == _P.id).scalar_subquery()
    )  # fmt: skip
    query = select(_P.id, _P.influence, sa.func.coalesce(score, 0).label("score")).where(_P.viewer_id == viewer, _P.id > after)
    rows: list[Any] = list(conn.execute(query.order_by(_P.id).limit(CLEARED)))
    moved = [{"viewer": viewer, "whose": row.id, "score": row.score} for row in rows if row.influence != row.score]
    if moved:
        conn.execute(_HEARD, moved)
    return rows[-1].id if rows else None
