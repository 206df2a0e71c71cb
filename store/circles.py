"""Circles as they were found last, with their members by the ids that these had then.

An id that was absorbed leads to its survivor: what is read here is whoever the members are by now. Circles are drawn from the same facts
as standing (store/standings.py), and shown as long as a picture of these is: where what it was made of is gone, so are they, until the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store.feed import Recorder
from store.tables import circle, circle_member, person, standing_run

_C, _M, _R = circle.c, circle_member.c, standing_run.c
_encode: Final = msgspec.msgpack.Encoder().encode
read_commonality: Final = msgspec.msgpack.Decoder(tuple[str, ...]).decode
_was: Final = person.alias("was")
#: Who a member is by now.
WHOSE: Final = sa.func.coalesce(_was.c.redirect_to, _was.c.id)


class Kept(msgspec.Struct, frozen=True):
    """A circle as it is stored; `members` with how central they are."""

    id: str
    name: str
    commonality: tuple[str, ...]
    version: int
    members: dict[str, float]


def shown(viewer: str | sa.BindParameter[str]) -> sa.ColumnElement[bool]:
    """Whether circles are shown at all."""
    return select(_R.run).where(_R.viewer_id == viewer).exists()


def memberships(viewer: str | sa.BindParameter[str]) -> sa.Select[Any]:
    """(circle_id, person_id, centrality) of everybody who is of a circle, each once; to be narrowed by WHOSE or circle_member.circle_id."""
    return (
        select(_M.circle_id, WHOSE.label("person_id"), sa.func.max(_M.centrality).label("centrality"))
        .join(_was, sa.and_(_was.c.viewer_id == _M.viewer_id, _was.c.id == _M.person_id))
        .where(_M.viewer_id == viewer, shown(viewer))
        .group_by(_M.circle_id, WHOSE)
    )


def known(conn: Connection, viewer: str) -> list[Kept]:
    """Every circle that is stored, shown or not."""
    members: dict[str, dict[str, float]] = {}
    query = (
        select(_M.circle_id, WHOSE.label("person_id"), _M.centrality)
        .join(_was, sa.and_(_was.c.viewer_id == _M.viewer_id, _was.c.id == _M.person_id))
        .where(_M.viewer_id == viewer)
    )
    for row in conn.execute(query):
        members.setdefault(row.circle_id, {})[row.person_id] = row.centrality
    rows = conn.execute(select(circle).where(_C.viewer_id == viewer).order_by(_C.id))
    return [Kept(r.id, r.name, read_commonality(r.commonality), r.version, members.get(r.id, {})) for r in rows]


def put(conn: Connection, viewer: str, new: Kept, recorder: Recorder | None) -> None:
    """Write a circle in place of what it was; with a recorder clients are told."""
    values = {"name": new.name, "commonality": _encode(new.commonality), "size": len(new.members), "version": new.version}
    mine = sa.and_(_C.viewer_id == viewer, _C.id == new.id)
    if conn.execute(sa.update(circle).where(mine).values(values)).rowcount == 0:
        conn.execute(circle.insert().values(viewer_id=viewer, id=new.id, **values))
    conn.execute(sa.delete(circle_member).where(_M.viewer_id == viewer, _M.circle_id == new.id))
    conn.execute(circle_member.insert(), _rows(viewer, new.id, new.members))
    if recorder is not None:
        recorder.upsert("CIRCLE", new.id, new.version, created=new.version == 1)


def _rows(viewer: str, circle_id: str, members: Mapping[str, float]) -> Sequence[dict[str, Any]]:
    return [
        {"viewer_id": viewer, "circle_id": circle_id, "person_id": person_id, "centrality": central}
        for person_id, central in sorted(members.items())
    ]


def drop(conn: Connection, viewer: str, circle_id: str, recorder: Recorder) -> None:
    """Forget a circle."""
    conn.execute(sa.delete(circle_member).where(_M.viewer_id == viewer, _M.circle_id == circle_id))
    conn.execute(sa.delete(circle).where(_C.viewer_id == viewer, _C.id == circle_id))
    recorder.delete("CIRCLE", circle_id)
