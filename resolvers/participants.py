"""Who takes part in a conversation: pages of participants, latest active first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import messages, paging
from resolvers.loaders import load
from resolvers.operation import Operation
from resolvers.paging import Ask, Cut, Listing, Order, Position
from store.tables import contact, conversation_member

MEMBER_ORDER: Final = Order(
    (conversation_member.c.last_active_at, conversation_member.c.kind, conversation_member.c.address), descending=True
)


def _members(viewer: str, conversation_ids: Sequence[str]) -> sa.Select[Any]:
    m = conversation_member
    return (
        select(m, contact.c.person_id)
        .outerjoin(contact, sa.and_(contact.c.viewer_id == m.c.viewer_id, contact.c.id == m.c.contact_id))
        .where(m.c.viewer_id == viewer, m.c.conversation_id.in_(conversation_ids))
    )


def _participants(
    conn: Connection, viewer: str, conversation_ids: Sequence[str], size: int, after: Position | None
) -> dict[str, tuple[Cut, frozenset[tuple[str, str]]]]:
    query = _members(viewer, conversation_ids)
    if after is not None:
        query = query.where(paging.beyond(MEMBER_ORDER, after, forwards=True))
    own = messages.own_values(conn, viewer)
    cuts = paging.tops(conn, query, conversation_member.c.conversation_id, MEMBER_ORDER, size)
    return {i: (cuts.get(i, paging.EMPTY), own) for i in conversation_ids}


def _participant_counts(conn: Connection, viewer: str, conversation_ids: Sequence[str]) -> dict[str, int]:
    m = conversation_member
    rows = conn.execute(
        select(m.c.conversation_id, sa.func.count().label("n"))
        .where(m.c.viewer_id == viewer, m.c.conversation_id.in_(conversation_ids))
        .group_by(m.c.conversation_id)
    )
    return {row.conversation_id: row.n for row in rows}


async def page(operation: Operation, conversation_id: str, ask: Ask) -> Listing:
    """Who takes part, latest active first."""
    scope = paging.bound("participants", conversation_id)
    size = ask.size
    after = None if ask.after is None else paging.position(operation, scope, ask.after, tuple[datetime, str, str])
    found = await load(operation, _participants, conversation_id, size, after)
    assert found is not None
    cut, own = found

    async def count() -> int:
        return (await load(operation, _participant_counts, conversation_id)) or 0

    if after is not None:
        cut = Cut(cut.rows, has_next=cut.has_next, has_previous=True)
    return paging.listing(
        operation,
        scope,
        cut,
        key=lambda row: (row.last_active_at, row.kind, row.address),
        node=lambda row: messages.participant(row, own),
        count=count,
    )
