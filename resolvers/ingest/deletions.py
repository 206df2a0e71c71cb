"""Messages that their authors took back where the network still shows the place: the message stays, and says nothing any more.

What it said is erased here too: text, HTML, files, reactions and the words that it was found by. What nobody shows any more at all
is removed (`removal.py`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers.ingest import conversations
from resolvers.ingest.content import drop_content
from resolvers.ingest.findable import index_messages
from resolvers.ingest.reactions import drop_reactions
from resolvers.ingest.states import sum_up
from store import search_index
from store.feed import Recorder
from store.tables import attachment, message, message_source

#: What a message is that was taken back.
EMPTY: Final[dict[str, Any]] = {
    "subject": None, "snippet": "", "body": None, "headers": None, "body_state": "DELETED", "attachment_count": 0, "fingerprint": b"",
}  # fmt: skip
FIELDS: Final = ("snippet", "text", "html", "attachments", "bodyState", "deletedAt", "reactions")


def take_back(
    conn: Connection, viewer: str, account_id: str, key: str, at: datetime, recorder: Recorder, now: datetime
) -> str | None:
    """Empty a message; its id, None when it was never taken in or is empty already."""
    mine = message_source.c
    place = sa.and_(mine.viewer_id == viewer, mine.account_id == account_id, mine.key == key)
    row = conn.execute(
        select(message.c.id, message.c.version)
        .join(message_source, sa.and_(mine.viewer_id == message.c.viewer_id, mine.message_id == message.c.id))
        .where(place, message.c.deleted_at.is_(None), message.c.version.is_not(None))
    ).one_or_none()
    if row is None:
        return None
    node_id: str = row.id
    version = row.version + 1
    conn.execute(
        sa.update(message)
        .where(message.c.viewer_id == viewer, message.c.id == node_id)
        .values(**EMPTY, deleted_at=at, version=version)
    )
    recorder.upsert("MESSAGE", node_id, version, fields=FIELDS)
    files = select(attachment.c.id).where(attachment.c.viewer_id == viewer, attachment.c.message_id == node_id)
    search_index.drop(conn, viewer, conn.execute(files).scalars().all())
    drop_content(conn, viewer, [node_id])
    drop_reactions(conn, viewer, account_id, [key])
    conn.execute(sa.update(message_source).where(place, mine.unread).values(unread=False))
    index_messages(conn, viewer, [node_id])
    conversations.rebuild(conn, viewer, sum_up(conn, viewer, [node_id], recorder), recorder, now)
    return node_id
