"""What the viewer chose to see first of people, field by field.

A choice belongs to the person of the record whose value it took; once that record is gone, to whomever the id leads that the person then
had. So it goes with its record when people are joined or parted, and outlives the record. Of two choices that meet in one person the
later counts, and each is there again when they part. Knows nothing of values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from store.among import VIEWER, among, asked
from store.tables import choice, contact, person

_C: Final = choice.c
_BY_RECORD = (
    select(choice, contact.c.person_id.label("owner"))
    .join(contact, sa.and_(contact.c.viewer_id == _C.viewer_id, contact.c.id == _C.contact_id))
    .where(among(contact.c.person_id))
)
_HELD: Final = select(contact.c.id).where(contact.c.viewer_id == _C.viewer_id, contact.c.id == _C.contact_id).exists()
_BY_ID = (
    select(choice, sa.func.coalesce(person.c.redirect_to, person.c.id).label("owner"))
    .join(person, sa.and_(person.c.viewer_id == _C.viewer_id, person.c.id == _C.person_id))
    .where(_C.viewer_id == VIEWER, ~_HELD, sa.or_(among(person.c.id), among(person.c.redirect_to)))
)
_OF_PEOPLE: Final = sa.union_all(_BY_RECORD, _BY_ID)


def of_people(conn: Connection, viewer: str, person_ids: Collection[str]) -> dict[str, list[Any]]:
    """The rows that count for each person, one a field; people of whom nothing was chosen are missing. One statement."""
    found: dict[str, dict[str, Any]] = {}
    for row in _rows(conn, viewer, person_ids):
        mine = found.setdefault(row.owner, {})
        old = mine.get(row.field)
        if old is None or (row.at, row.person_id) > (old.at, old.person_id):
            mine[row.field] = row
    return {owner: list(fields.values()) for owner, fields in found.items()}


def _rows(conn: Connection, viewer: str, person_ids: Collection[str]) -> list[Any]:
    return list(conn.execute(_OF_PEOPLE, asked(viewer, person_ids)))


def put(
    conn: Connection,
    viewer: str,
    person_id: str,
    field: str,
    contact_id: str,
    value: bytes | None,
    now: datetime,
    *,
    pinned: bool,
) -> None:
    """Choose; what was chosen before of this very person is replaced."""
    conn.execute(sa.delete(choice).where(_C.viewer_id == viewer, _C.person_id == person_id, _C.field == field))
    conn.execute(
        choice.insert().values(
            viewer_id=viewer, person_id=person_id, field=field, contact_id=contact_id, pinned=pinned, value=value, at=now
        )
    )


def drop(conn: Connection, viewer: str, person_id: str, field: str) -> None:
    """Choose nothing any more: every choice of the field that has come together in this person goes."""
    for row in _rows(conn, viewer, [person_id]):
        if row.field == field:
            conn.execute(sa.delete(choice).where(_C.viewer_id == viewer, _C.person_id == row.person_id, _C.field == field))


def outlive(conn: Connection, viewer: str, owners: Mapping[str, tuple[str, str]]) -> None:
    """Records are about to go: what was chosen of them stays with the people whose they were last (`owners`, by record), under the id that
    the record minted."""
    rows = conn.execute(select(choice).where(among(_C.contact_id)), asked(viewer, owners)).all()
    for row in rows:
        owner, minted = owners[row.contact_id]
        led = select(person.c.redirect_to).where(person.c.viewer_id == viewer, person.c.id == row.person_id)
        if owner == row.person_id or conn.execute(led).scalar_one_or_none() == owner:
            continue
        conn.execute(sa.delete(choice).where(_C.viewer_id == viewer, _C.person_id == row.person_id, _C.field == row.field))
        held = conn.execute(select(_C.at).where(_C.viewer_id == viewer, _C.person_id == minted, _C.field == row.field))
        if (at := held.scalar_one_or_none()) is None or at < row.at:
            put(conn, viewer, minted, row.field, row.contact_id, row.value, row.at, pinned=row.pinned)


def erase(conn: Connection, viewer: str, person_id: str) -> None:
    """Nothing is left of a person: what was chosen of them is forgotten, but not that it was; a record that comes back is shown so again."""
    led = select(person.c.id).where(person.c.viewer_id == viewer, person.c.redirect_to == person_id)
    theirs = sa.or_(_C.person_id == person_id, _C.person_id.in_(led))
    conn.execute(sa.update(choice).where(_C.viewer_id == viewer, theirs, ~_HELD).values(value=None))
