"""What a message holds besides its text: the HTML it came in and the files that hang on it, written and dropped with it.

HTML is stored as it was sent and made safe when it is shown. Of a file there is a row and no bytes: they stay at the source, under
the name that it has there. An attachment's id follows from its message and that name, so that the same mail gives the same ids.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from providers import records
from resolvers.ingest.contacts import upsert
from resolvers.ingest.prepared import Prepared
from store import ids
from store.tables import attachment, message_html


def write_content(
    conn: Connection, viewer: str, account_id: str, items: Mapping[str, records.Message], prepared: Mapping[str, Prepared]
) -> None:
    """Keep HTML and files of messages (id → record) as their account shows them; what is known already stays as it is."""
    pages: list[dict[str, Any]] = []
    files: list[dict[str, Any]] = []
    for message_id, item in items.items():
        if (html := prepared[message_id].html) is not None:
            pages.append({"viewer_id": viewer, "message_id": message_id, "html": html})
        files += [
            {
                "viewer_id": viewer, "id": ids.derive("ATTACHMENT", message_id, found.part), "message_id": message_id,
                "position": position, "account_id": account_id, "part": found.part, "name": found.name,
                "media_type": found.media_type, "size": found.size, "content_id": found.content_id, "inline": found.inline,
                "sha256": found.sha256,
            }
            for position, found in enumerate({found.part: found for found in item.attachments}.values())
        ]  # fmt: skip
    upsert(conn, message_html, pages, ["message_id"])
    upsert(conn, attachment, files, ["id"])


def drop_content(conn: Connection, viewer: str, message_ids: Collection[str]) -> None:
    """Forget HTML and files of messages that are gone."""
    gone = sorted(message_ids)
    for table in (message_html, attachment):
        conn.execute(sa.delete(table).where(table.c.viewer_id == viewer, table.c.message_id.in_(gone)))
