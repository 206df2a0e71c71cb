"""Circles as they are shown, with whoever their members are by now; first pages of many circles are read in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import paging, people
from resolvers.loaders import batched, load
from resolvers.operation import Operation
from resolvers.paging import Ask, Cut, Listing, Order
from store.circles import WHOSE, memberships, read_commonality, shown
from store.tables import circle, circle_member, person

MOST: Final = 200  # circles of a viewer
OF_ONE: Final = 20  # circles of a person
_C: Final = circle.c


class Circle(msgspec.Struct, frozen=True, kw_only=True):
    """A circle; `commonality` in sentences."""

    id: str
    version: int
    name: str
    commonality: tuple[str, ...]


def of_row(row: Any) -> Circle:
    """The circle of a row; raises MsgspecError when it is damaged."""
    return Circle(id=row.id, version=row.version, name=row.name, commonality=read_commonality(row.commonality))


def by_id(conn: Connection, viewer: str, circle_ids: Sequence[str]) -> dict[str, Any]:
    """Circles by id."""
    rows = conn.execute(select(circle).where(_C.viewer_id == viewer, _C.id.in_(circle_ids), shown(viewer)))
    return {row.id: paging.readable(row, of_row) for row in rows}


async def of_viewer(operation: Operation) -> list[Any]:
    """All circles, largest first."""

    def read(conn: Connection, viewer: str) -> list[Any]:
        rows = conn.execute(
            select(circle).where(_C.viewer_id == viewer, shown(viewer)).order_by(_C.size.desc(), _C.id).limit(MOST)
        )
        return [paging.readable(row, of_row) for row in rows]

    return await operation.read(read)


def of_people(conn: Connection, viewer: str, person_ids: Sequence[str]) -> dict[str, list[Any]]:
    """The circles of each person, where they are most central first."""
    mine = memberships(viewer).where(WHOSE.in_(person_ids)).subquery("mine")
    query = (
        select(circle, mine.c.person_id).join(mine, sa.and_(_C.viewer_id == viewer, _C.id == mine.c.circle_id))
        .order_by(mine.c.centrality.desc(), _C.id)
    )  # fmt: skip
    found: dict[str, list[Any]] = {person_id: [] for person_id in person_ids}
    for row in conn.execute(query):
        if len(found[row.person_id]) < OF_ONE:
            found[row.person_id].append(paging.readable(row, of_row))
    return found


async def of_person(operation: Operation, person_id: str) -> list[Any]:
    """A person's circles, read together with those of others that the operation asks for."""
    return await load(operation, of_people, person_id) or []


def _members(viewer: str, circle_ids: Sequence[str]) -> tuple[sa.Select[Any], sa.ColumnElement[str], Order]:
    """The people of circles, whose each one is of, and their order."""
    mine = memberships(viewer).where(circle_member.c.circle_id.in_(circle_ids)).subquery("mine")
    query = (
        select(person, mine.c.circle_id, mine.c.centrality)
        .join(mine, sa.and_(person.c.viewer_id == viewer, person.c.id == mine.c.person_id))
        .where(person.c.projection.is_not(None))
    )
    return query, mine.c.circle_id, Order((mine.c.centrality, person.c.id), descending=True)


def _firsts(
    conn: Connection, viewer: str, circle_ids: Sequence[str], size: int, after: tuple[float, str] | None
) -> dict[str, Cut]:
    query, group, order = _members(viewer, circle_ids)
    beyond = [] if after is None else [paging.beyond(order, after, forwards=True)]
    return paging.tops(conn, query.where(*beyond), group, order, size)


def _counts(conn: Connection, viewer: str, circle_ids: Sequence[str]) -> dict[str, int]:
    query, group, _ = _members(viewer, circle_ids)
    rows = conn.execute(query.with_only_columns(group.label("circle_id"), sa.func.count().label("n")).group_by(group))
    return {row.circle_id: row.n for row in rows}


async def members(operation: Operation, circle_id: str, ask: Ask) -> Listing:
    """The people of a circle, most central first."""
    scope = paging.bound("circle", circle_id)
    size = ask.size
    after = None if ask.after is None else paging.position(operation, scope, ask.after, tuple[float, str])

    async def batch(circle_ids: list[str]) -> Mapping[str, Cut]:
        return await operation.read(_firsts, circle_ids, size, after)

    async def count() -> int:
        return (await load(operation, _counts, circle_id)) or 0

    cut = await batched(operation, ("circle", size, after), batch, circle_id) or paging.EMPTY
    if after is not None:
        cut = Cut(cut.rows, has_next=cut.has_next, has_previous=True)
    return paging.listing(operation, scope, cut, key=lambda row: (row.centrality, row.id), node=people.of_row, count=count)
