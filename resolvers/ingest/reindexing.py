"""The search index, made again from what is stored: after an upgrade that emptied it, or when a person asks for it.

Goes from node to node in steps of STEP, each one transaction, and leaves out what the index knows already: whoever takes the work up
again goes on where it was left.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, select

from resolvers.identity import documents
from resolvers.ingest.findable import index_conversations, index_messages
from store import search_index
from store.tables import conversation, message, person

STEP: Final = 100
_KINDS: Final = (
    (person, (person.c.redirect_to.is_(None), person.c.projection.is_not(None)), documents.renew),
    (conversation, (conversation.c.redirect_to.is_(None), conversation.c.live.is_(False)), index_conversations),
    (message, (message.c.live.is_(False),), index_messages),
)
Place = tuple[int, str]
BEGINNING: Final[Place] = (0, "")


def reindex(conn: Connection, viewer: str, after: Place) -> Place | None:
    """Index the next nodes behind `after` that have no document; where to go on, None at the end."""
    kind, last = after
    if kind >= len(_KINDS):
        return None
    table, wanted, index = _KINDS[kind]
    query = select(table.c.id).where(table.c.viewer_id == viewer, table.c.id > last, *wanted).order_by(table.c.id).limit(STEP)
    found = list(conn.execute(query).scalars())
    if not found:
        return (kind + 1, "")
    index(conn, viewer, search_index.missing(conn, viewer, found))
    return (kind, found[-1])
