"""When somebody was last in contact: the latest mail or message between the viewer and any of their records, by which people are listed.

Moves on with each message that comes (resolvers/ingest/messages.py); whenever messages go, or people are others, it is looked up anew
here. What only machines sent, and what others exchanged among themselves, is no contact.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from store.among import VIEWER, among, asked
from store.tables import contact, message, message_participant, person

_P, _M, _C = message_participant.c, message.c, contact.c
_OF_RECORD: Final = (
    select(_P.sent_at)
    .join(message, sa.and_(_M.viewer_id == _P.viewer_id, _M.id == _P.message_id))
    .where(
        _P.viewer_id == VIEWER, _P.contact_id == _C.id, _P.role != "REPLY_TO", _M.category == "PERSONAL",
        _M.direction != "BETWEEN_OTHERS",
    )
    .order_by(_P.sent_at.desc())
    .limit(1)
    .correlate(contact)
    .scalar_subquery()
)  # fmt: skip
OF_PERSON: Final = (
    select(sa.func.max(_OF_RECORD))
    .where(_C.viewer_id == VIEWER, _C.person_id == person.c.id)
    .correlate(person)
    .scalar_subquery()
)  # fmt: skip
_SETTLE: Final = sa.update(person).where(among(person.c.id)).values(last_contact_at=OF_PERSON)
_WHOSE: Final = select(_C.person_id).where(among(_C.id), _C.person_id.is_not(None)).distinct()


def settle(conn: Connection, viewer: str, person_ids: Iterable[str]) -> None:
    """Look up when these people were last in contact. It ages without a version: the feed says nothing."""
    wanted = asked(viewer, person_ids)
    if wanted["ids"]:
        conn.execute(_SETTLE, wanted)


def settle_records(conn: Connection, viewer: str, contact_ids: Iterable[str]) -> None:
    """The same, of whoever these contacts belong to."""
    wanted = asked(viewer, contact_ids)
    if wanted["ids"]:
        settle(conn, viewer, conn.execute(_WHOSE, wanted).scalars().all())
