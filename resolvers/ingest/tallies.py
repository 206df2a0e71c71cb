"""Which stretches of which conversations are to be counted again (resolvers/relationship): marked with what changed, in its transaction.

Counting is the work of a job, for which the feed asks (`store/feed.py`). A mark names a conversation and a period; whatever arrives,
goes, or is found to be something else only has to set one, so that a first sync pays for a row a conversation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest.contacts import upsert
from resolvers.relationship.counting import PERIOD, period_of
from store.among import among, asked
from store.tables import exchange, message, untallied

#: A message in these states was not sent, or was taken for junk.
NOTHING: Final = frozenset({"DRAFT", "SPAM"})
_SPAN: Final = PERIOD // timedelta(microseconds=1)
_MOMENT: Final = sa.type_coerce(message.c.sent_at, sa.BigInteger)
#: The period of a message, as `period_of` has it.
PERIOD_OF: Final = sa.case((_MOMENT < 0, 0), else_=_MOMENT // sa.literal_column(str(_SPAN)))
_OF_MESSAGES: Final = select(message.c.conversation_id, PERIOD_OF.label("period")).where(among(message.c.id)).distinct()
_OF_CONTACTS: Final = (
    select(exchange.c.conversation_id, exchange.c.period).where(among(exchange.c.contact_id)).distinct()
)  # fmt: skip
_OF_CONVERSATIONS: Final = (
    select(message.c.conversation_id, PERIOD_OF.label("period")).where(among(message.c.conversation_id)).distinct()
)  # fmt: skip
_DROP: Final = sa.delete(exchange).where(among(exchange.c.contact_id))
_LEFT: Final = sa.delete(exchange).where(among(exchange.c.conversation_id))
_UNMARK: Final = sa.delete(untallied).where(among(untallied.c.conversation_id))


def may_count(item: records.Message, direction: str) -> bool:
    """Whether a message could count; the job decides (resolvers/relationship/tallying.py)."""
    return item.category == "PERSONAL" and direction != "BETWEEN_OTHERS"


def mark(conn: Connection, viewer: str, moments: Iterable[tuple[str, datetime]]) -> None:
    """Messages came, or went, in these conversations at these moments."""
    _put(conn, viewer, {(conversation_id, period_of(at)) for conversation_id, at in moments})


def mark_messages(conn: Connection, viewer: str, message_ids: Collection[str]) -> None:
    """These messages are something else than they were."""
    if message_ids:
        _put(conn, viewer, _pairs(conn.execute(_OF_MESSAGES, asked(viewer, message_ids))))


def drop_contacts(conn: Connection, viewer: str, contact_ids: Collection[str]) -> None:
    """Nobody exchanged anything with these contacts any more; what else was exchanged there is counted again."""
    _put(conn, viewer, _pairs(conn.execute(_OF_CONTACTS, asked(viewer, contact_ids))))
    conn.execute(_DROP, asked(viewer, contact_ids))


def move(conn: Connection, viewer: str, absorbed: str, survivor: str) -> None:
    """A conversation is a part of another one from now on: to be called when its messages have moved."""
    _put(conn, viewer, _pairs(conn.execute(_OF_CONVERSATIONS, asked(viewer, [survivor]))))
    for statement in (_LEFT, _UNMARK):
        conn.execute(statement, asked(viewer, [absorbed]))


def _pairs(rows: Iterable[Any]) -> set[tuple[str, int]]:
    return {(row.conversation_id, row.period) for row in rows}


def _put(conn: Connection, viewer: str, pairs: Collection[tuple[str, int]]) -> None:
    """Set the marks. One that is there is written again: on PostgreSQL whoever counts just now does not take it with him."""
    if not pairs:
        return
    rows = [{"viewer_id": viewer, "conversation_id": c, "period": period} for c, period in sorted(pairs)]
    upsert(conn, untallied, rows, ["conversation_id", "period"], ["period"])
