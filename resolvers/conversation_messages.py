"""The messages of a conversation: pages both ways, pages around one place, the first and the last one."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import conversations, freshness, messages, paging, sources
from resolvers.conversation_filter import flagged
from resolvers.conversations import Conversation
from resolvers.loaders import load
from resolvers.messages import Message
from resolvers.operation import Operation
from resolvers.paging import Ask, Cut, Listing, Order, Position
from resolvers.refusals import Refusal
from resolvers.sources import Answered, Freshness
from store.tables import message

DEFAULT_MESSAGES: Final = 50
MESSAGE_ORDER: Final = Order((message.c.sent_at, message.c.id))
Marker = Literal["FIRST_UNREAD", "OLDEST", "LATEST"]


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly one place in a conversation."""

    message_id: str | None = None
    at: datetime | None = None
    marker: Marker | None = None


async def page(operation: Operation, shown: Conversation, ask: Ask, around: Anchor | None) -> Listing:
    """Messages, oldest first; without arguments the last 50. `around` centres the page and excludes cursors."""
    if around is not None and (ask.after is not None or ask.before is not None):
        raise Refusal(
            "BAD_ARGUMENTS", "around centres the page by itself: leave out after and before, and page on from its cursors"
        )
    if ask.first is not None and ask.last is not None:
        raise Refusal("BAD_ARGUMENTS", "ask for first or for last, not for both")
    if ask.first is None and ask.last is None:
        forwards = around is not None or ask.after is not None
        ask = msgspec.structs.replace(ask, **{"first" if forwards else "last": DEFAULT_MESSAGES})
    size, back = ask.size, ask.last is not None
    scope = paging.bound("messages", shown.id)
    after = None if ask.after is None else paging.position(operation, scope, ask.after, tuple[datetime, str])
    before = None if ask.before is None else paging.position(operation, scope, ask.before, tuple[datetime, str])
    answered = await _messages_refreshed(operation, shown)
    if around is not None:
        cut = await operation.read(_around, shown.id, around, size)
    elif after is None and before is None:
        cut = await load(operation, _tails, shown.id, size, back) or paging.EMPTY
    else:
        cut = await operation.read(_between, shown.id, size, after, before, back)

    async def count() -> int:
        return (await load(operation, _message_counts, shown.id)) or 0

    return paging.listing(
        operation, scope, cut, key=lambda row: (row.sent_at, row.id), node=messages.of_row, count=count, answered=answered
    )


async def _messages_refreshed(operation: Operation, shown: Conversation) -> Answered:
    if shown.live:
        return await sources.refresh_messages(operation, Freshness(), [shown.id])
    through = await load(operation, conversations.account_ids, shown.id) or []
    return await freshness.stored(operation, Freshness(), frozenset(through))


def _in(viewer: str, conversation_ids: Sequence[str]) -> sa.Select[Any]:
    return select(*messages.COLUMNS).where(message.c.viewer_id == viewer, message.c.conversation_id.in_(conversation_ids))


def _tails(conn: Connection, viewer: str, conversation_ids: Sequence[str], size: int, back: bool) -> dict[str, Cut]:
    return paging.tops(conn, _in(viewer, conversation_ids), message.c.conversation_id, MESSAGE_ORDER, size, back=back)


def _between(
    conn: Connection, viewer: str, conversation_id: str, size: int, after: Position | None, before: Position | None, back: bool
) -> Cut:
    return paging.cut(conn, _in(viewer, [conversation_id]), MESSAGE_ORDER, size, after=after, before=before, back=back)


def _message_counts(conn: Connection, viewer: str, conversation_ids: Sequence[str]) -> dict[str, int]:
    rows = conn.execute(
        select(message.c.conversation_id, sa.func.count().label("n"))
        .where(message.c.viewer_id == viewer, message.c.conversation_id.in_(conversation_ids))
        .group_by(message.c.conversation_id)
    )
    return {row.conversation_id: row.n for row in rows}


def _around(conn: Connection, viewer: str, conversation_id: str, around: Anchor, size: int) -> Cut:
    """A page whose middle is the anchor: half of it before, the rest from the anchor on; full wherever there is enough."""
    query = _in(viewer, [conversation_id])
    if around.marker == "OLDEST":
        return paging.cut(conn, query, MESSAGE_ORDER, size)
    at = None if around.marker == "LATEST" else _anchor(conn, query, around)
    if at is None:
        return paging.cut(conn, query, MESSAGE_ORDER, size, back=True)
    older = paging.cut(conn, query, MESSAGE_ORDER, size, before=at, back=True)
    from_here = query.where(paging.beyond(MESSAGE_ORDER, at, forwards=True, inclusive=True))
    newer = paging.cut(conn, from_here, MESSAGE_ORDER, size)
    ahead = min(len(newer.rows), max(size - size // 2, size - len(older.rows)))
    behind = min(len(older.rows), size - ahead)
    return Cut(
        older.rows[len(older.rows) - behind :] + newer.rows[:ahead],
        has_next=newer.has_next or ahead < len(newer.rows),
        has_previous=older.has_previous or behind < len(older.rows),
    )


def _anchor(conn: Connection, query: sa.Select[Any], around: Anchor) -> tuple[datetime, str] | None:
    """The place of the anchor; None means the end."""
    found = query.order_by(message.c.sent_at, message.c.id).limit(1)
    if around.message_id is not None:
        row = conn.execute(found.where(message.c.id == around.message_id)).one_or_none()
        if row is None:
            raise Refusal("UNKNOWN_NODE", "there is no such message in this conversation; open it without around")
    elif around.at is not None:
        row = conn.execute(found.where(message.c.sent_at >= around.at)).one_or_none()
    else:
        row = conn.execute(found.where(flagged(message.c.flags, "UNREAD"))).one_or_none()
    return None if row is None else (row.sent_at, row.id)


def _ends(conn: Connection, viewer: str, conversation_ids: Sequence[str], last: bool) -> dict[str, Message]:
    cuts = paging.tops(
        conn,
        select(*messages.COLUMNS).where(message.c.viewer_id == viewer, message.c.conversation_id.in_(conversation_ids)),
        message.c.conversation_id,
        MESSAGE_ORDER,
        1,
        back=last,
    )
    return {i: messages.of_row(cut.rows[0]) for i, cut in cuts.items() if cut.rows}


async def first(operation: Operation, shown: Conversation) -> Message | None:
    """The message that began it."""
    return await load(operation, _ends, shown.id, False)


def last(operation: Operation, shown: Conversation) -> Awaitable[Message | None]:
    """The latest message."""
    if shown.last_message_id is not None:
        return messages.get(operation, shown.last_message_id)
    return load(operation, _ends, shown.id, True)
