"""The signed-in user: who they are, and the numbers for their badges."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers.changes import state
from resolvers.conversation_filter import flagged
from resolvers.loaders import once
from resolvers.operation import Operation
from resolvers.refusals import Refusal
from store.among import VIEWER
from store.prepared import Prepared
from store.revision import FEED
from store.tables import account, conversation, conversation_source, message, message_source
from store.tables import viewer as viewer_table

UNSEEN: Final = ("TRASHED", "SPAM")  # nobody wants a badge for these


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """The user of this operation, and where the change feed stood when it began (`feed_of` gives that to who shows it)."""

    id: str
    name: str
    locale: str
    time_zone: str
    region: str | None
    head: int
    oldest: datetime | None


class AccountUnread(msgspec.Struct, frozen=True, kw_only=True):
    """Unread numbers of one account; None where its network keeps no read state."""

    account_id: str
    conversations: int | None
    messages: int | None


class UnreadCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers for badges. A message counts once however many accounts hold it."""

    conversations: int
    messages: int
    by_account: list[AccountUnread]


async def get(operation: Operation) -> Viewer:
    """The viewer of the operation. Raises Refusal when they have been removed meanwhile."""
    found = await once(operation, ("viewer",), lambda: operation.read_besides(FEED, _read))
    if found is None:
        raise Refusal("FORBIDDEN", "this user is no longer known here; sign in again")
    return found


def feed_of(operation: Operation, viewer: Viewer) -> tuple[int, datetime | None]:
    """Where the change feed stood, and when its oldest row was written. It was read before everything else, so that who fills a store and
    follows from there misses nothing; an answer that does not show it stays true when it moves on.
    """
    operation.shows(FEED)
    return viewer.head, viewer.oldest


def _read(conn: Connection, viewer: str) -> Viewer | None:
    rows = _mine.rows(conn, viewer=viewer)
    if not rows:
        return None
    row = rows[0]
    head, oldest = state(conn, viewer)
    return Viewer(
        id=row.id, name=row.name, locale=row.locale, time_zone=row.time_zone, region=row.region, head=head, oldest=oldest
    )


@Prepared
def _mine() -> sa.Select[Any]:
    v = viewer_table.c
    return select(v.id, v.name, v.locale, v.time_zone, v.region).where(v.id == VIEWER)


def unread(conn: Connection, viewer: str) -> UnreadCounts:
    """All unread numbers in four statements; conversations without anything unread are not looked into."""
    c, s, m = conversation.c, conversation_source.c, message_source.c
    waiting = [
        c.viewer_id == viewer,
        c.redirect_to.is_(None),
        c.unread_count > 0,
        *(sa.not_(flagged(c.flags, flag)) for flag in UNSEEN),
    ]
    total = conn.execute(
        select(sa.func.count().label("n"), sa.func.coalesce(sa.func.sum(c.unread_count), 0).label("messages")).where(*waiting)
    ).one()
    in_conversations = conn.execute(
        select(s.account_id, sa.func.count(c.id.distinct()).label("n"))
        .join(conversation_source, sa.and_(s.viewer_id == c.viewer_id, s.conversation_id == c.id))
        .where(*waiting)
        .group_by(s.account_id)
    )
    in_messages = conn.execute(
        select(m.account_id, sa.func.count(m.message_id.distinct()).label("n"))
        .select_from(conversation)
        .join(message, sa.and_(message.c.viewer_id == c.viewer_id, message.c.conversation_id == c.id))
        .join(message_source, sa.and_(m.viewer_id == message.c.viewer_id, m.message_id == message.c.id))
        .where(*waiting, m.unread)
        .group_by(m.account_id)
    )
    keeps_state = select(sa.literal(1)).where(m.viewer_id == viewer, m.account_id == account.c.id, m.unread.is_not(None)).exists()
    conversations = {row.account_id: row.n for row in in_conversations}
    messages = {row.account_id: row.n for row in in_messages}
    accounts = conn.execute(
        select(account.c.id, sa.type_coerce(keeps_state, sa.Boolean).label("told"))
        .where(account.c.viewer_id == viewer)
        .order_by(account.c.created_at, account.c.id)
    )
    return UnreadCounts(
        conversations=total.n,
        messages=int(total.messages),
        by_account=[
            AccountUnread(
                account_id=row.id,
                conversations=conversations.get(row.id, 0) if row.told else None,
                messages=messages.get(row.id, 0) if row.told else None,
            )
            for row in accounts
        ],
    )
