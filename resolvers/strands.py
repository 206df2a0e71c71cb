"""What timelines hold besides messages and activities: meetings, the viewer's notes, decisions on who is who, and changes of profiles.

A strand is a table with its moments; it is read from where the others are read too, for everybody or for many people at once. A note
stands with whom its id leads to by now, a decision with whoever has a contact that it was about: neither came through an account. A change
of a profile stands with whoever has the contact that changed, and came through its account; a meeting with all who are there, and may lie
ahead. Knows nothing of the other strands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import meetings, merges, notes, paging, profile_changes
from resolvers.loaders import batched, load
from resolvers.operation import Operation
from resolvers.paging import Cut, Order
from store.tables import (
    account,
    annotation,
    contact,
    decision,
    decision_contact,
    meeting,
    meeting_event,
    message_source,
    person,
    profile_change,
)

_Grouped = tuple[sa.Select[Any], sa.ColumnElement[str]]


class Strand(NamedTuple):
    """A kind of items: all of a viewer's, those of people with whose they are, and an item of a row. The moment is the column `at`."""

    kind: str
    order: Order
    everybody: Callable[[str], sa.Select[Any]]
    of_people: Callable[[str, Sequence[str]], _Grouped]
    node: Callable[[Any], Any]
    account: sa.Column[str] | None = None  # through which it came; None: through none
    through: Callable[[sa.ColumnElement[bool]], sa.ColumnElement[bool]] = lambda accounts: (
        accounts
    )  # which items a condition on it means
    direction: sa.Column[str] | None = None
    ahead: bool = False  # whether it may lie ahead of now


class Through(NamedTuple):
    """The accounts through which items are to have come, and which way; what is None does not count."""

    account_ids: tuple[str, ...] | None = None
    providers: tuple[str, ...] | None = None
    direction: str | None = None


ANY: Final = Through()


def _notes(viewer: str) -> sa.Select[Any]:
    return select(annotation).where(annotation.c.viewer_id == viewer, annotation.c.kind == "NOTE")


def _notes_on(viewer: str, person_ids: Sequence[str]) -> _Grouped:
    p = person.c
    about = sa.and_(p.viewer_id == annotation.c.viewer_id, p.id == annotation.c.about_id)
    theirs = sa.or_(p.id.in_(person_ids), p.redirect_to.in_(person_ids))
    return _notes(viewer).join(person, about).where(theirs), sa.func.coalesce(p.redirect_to, p.id)


def _decisions(viewer: str) -> sa.Select[Any]:
    return select(decision).where(decision.c.viewer_id == viewer)


def _decisions_about(viewer: str, person_ids: Sequence[str]) -> _Grouped:
    c = decision_contact.c
    about = (
        select(contact.c.person_id, c.decision_id)
        .join(decision_contact, sa.and_(c.viewer_id == contact.c.viewer_id, c.contact_id == contact.c.id))
        .where(contact.c.viewer_id == viewer, contact.c.person_id.in_(person_ids))
        .distinct()
        .subquery("about")
    )
    return _decisions(viewer).join(about, about.c.decision_id == decision.c.id), about.c.person_id


NOTES: Final = Strand("NOTE", Order((annotation.c.at, annotation.c.id), descending=True), _notes, _notes_on, notes.of_row)
DECISIONS: Final = Strand(
    "MERGE", Order((decision.c.at, decision.c.id), descending=True), _decisions, _decisions_about, merges.of_row
)
CHANGES: Final = Strand(
    "PROFILE_CHANGE",
    Order((profile_change.c.at, profile_change.c.id), descending=True),
    profile_changes.all_of,
    profile_changes.of_people,
    profile_changes.of_row,
    profile_change.c.account_id,
)
MEETINGS: Final = Strand(
    "MEETING",
    Order((meeting.c.at, meeting.c.id), descending=True),
    meetings.all_of,
    meetings.of_people,
    meetings.of_row,
    message_source.c.account_id,
    meetings.through,
    meeting_event.c.direction,
    ahead=True,
)
STRANDS: Final = (NOTES, DECISIONS, CHANGES, MEETINGS)


def shown(through: Through) -> tuple[Strand, ...]:
    """The strands that have items which came through these accounts."""
    anywhere = through.account_ids is None and through.providers is None
    return STRANDS if anywhere else tuple(strand for strand in STRANDS if strand.account is not None)


async def cut_of(
    operation: Operation,
    strand: Strand,
    person_id: str | None,
    start: datetime | None,
    size: int,
    after: tuple[datetime, str] | None,
    through: Through = ANY,
) -> Cut:
    """The rows of a page, those of many people in one statement; none is younger than `start`."""
    if person_id is None:

        def read(conn: Connection, viewer: str) -> Cut:
            return paging.cut(
                conn, _since(strand, viewer, strand.everybody(viewer), start, through), strand.order, size, after=after
            )

        return await operation.read(read)

    async def batch(person_ids: list[str]) -> Mapping[str, Cut]:
        return await operation.read(_firsts, person_ids, strand, start, size, after, through)

    return await batched(operation, ("strand", strand.kind, start, size, after, through), batch, person_id) or paging.EMPTY


async def counted(
    operation: Operation, strand: Strand, person_id: str | None, start: datetime | None, through: Through = ANY
) -> int:
    """How many items of a strand a person has, or everybody."""
    if person_id is None:
        return await paging.counted(operation, lambda viewer: _since(strand, viewer, strand.everybody(viewer), start, through))
    return (await load(operation, _counts, person_id, strand, start, through)) or 0


def _since(strand: Strand, viewer: str, query: sa.Select[Any], start: datetime | None, through: Through) -> sa.Select[Any]:
    if strand.account is not None and through.account_ids is not None:
        query = query.where(strand.through(strand.account.in_(through.account_ids)))
    if strand.account is not None and through.providers is not None:
        ours = select(account.c.id).where(account.c.viewer_id == viewer, account.c.provider.in_(through.providers))
        query = query.where(strand.through(strand.account.in_(ours)))
    if strand.direction is not None and through.direction is not None:
        query = query.where(strand.direction == through.direction)
    return query if start is None else query.where(strand.order.columns[0] <= start)


def _firsts(
    conn: Connection,
    viewer: str,
    person_ids: Sequence[str],
    strand: Strand,
    start: datetime | None,
    size: int,
    after: tuple[datetime, str] | None,
    through: Through,
) -> dict[str, Cut]:
    query, group = strand.of_people(viewer, person_ids)
    if after is not None:
        query = query.where(paging.beyond(strand.order, after, forwards=True))
    return paging.tops(conn, _since(strand, viewer, query, start, through), group, strand.order, size)


def _counts(
    conn: Connection, viewer: str, person_ids: Sequence[str], strand: Strand, start: datetime | None, through: Through
) -> dict[str, int]:
    query, group = strand.of_people(viewer, person_ids)
    rows = conn.execute(
        _since(strand, viewer, query, start, through)
        .with_only_columns(group.label("person_id"), sa.func.count().label("n"))
        .group_by(group)
    )
    return {row.person_id: row.n for row in rows}
