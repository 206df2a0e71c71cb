"""A message that says something else than before: its writer changed it where it is kept, and it is the same message still.

Only networks on which a message has a key of its own know that. In mail, another text under the same Message-ID is another
message (`messages.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest import findable
from resolvers.ingest.content import drop_content, write_content
from resolvers.ingest.prepared import prepare
from store import search_index
from store.feed import Recorder
from store.tables import attachment, message

FIELDS = ("snippet", "text", "html", "attachments", "bodyState", "editedAt")


def is_amendment(item: records.Message, known: Any, mark: bytes) -> bool:
    """Whether `item` is what a stored message (`known`, its row) has become. What was read before the last change is not."""
    if known.deleted_at is not None or item.deleted_at is not None:
        return known.deleted_at is None  # what was taken back says nothing ever after
    if known.fingerprint == mark and known.edited_at == item.edited_at:
        return False
    return known.edited_at is None or (item.edited_at is not None and item.edited_at >= known.edited_at)


def amend(
    conn: Connection,
    viewer: str,
    account_id: str,
    items: Mapping[str, records.Message],
    recorder: Recorder,
) -> None:
    """Replace the content of stored messages (id → record), what is found by it, and tell the feed."""
    if not items:
        return
    wanted = sorted(items)
    prepared = {node_id: prepare(item) for node_id, item in items.items()}
    versions = {
        row.id: row.version or 0
        for row in conn.execute(
            select(message.c.id, message.c.version).where(message.c.viewer_id == viewer, message.c.id.in_(wanted))
        )
    }
    mine = attachment.c
    files = conn.execute(select(mine.id).where(mine.viewer_id == viewer, mine.message_id.in_(wanted))).scalars().all()
    for node_id, item in items.items():
        version = versions[node_id] + 1
        values = {
            "subject": item.subject, "snippet": prepared[node_id].snippet,
            "body": None if item.deleted_at is not None else prepared[node_id].body, "body_state": item.body_state,
            "fingerprint": prepared[node_id].fingerprint,
            "edited_at": item.edited_at, "deleted_at": item.deleted_at, "attachment_count": item.attachment_count,
        }  # fmt: skip
        conn.execute(
            sa.update(message).where(message.c.viewer_id == viewer, message.c.id == node_id).values(**values, version=version)
        )
        recorder.upsert("MESSAGE", node_id, version, fields=FIELDS)
    drop_content(conn, viewer, wanted)
    write_content(conn, viewer, account_id, items, prepared)
    search_index.drop(conn, viewer, files)
    findable.index_messages(conn, viewer, wanted)
