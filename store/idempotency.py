"""Keys of clients that try again: the first answer to a key is given to every later one, for 30 days.

The answer is kept sealed by the caller, since it may hold what is shown only once. Rows are written in the transaction of the
write they stand for.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store.tables import idempotency

KEPT: Final = timedelta(days=30)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered to a key."""

    mutation: str
    input_hash: bytes
    answer: bytes


def recall(conn: Connection, viewer: str, key: str, now: datetime) -> Kept | None:
    """What was answered to the key in the last 30 days."""
    row = conn.execute(
        select(idempotency).where(idempotency.c.viewer_id == viewer, idempotency.c.key == key, idempotency.c.at > now - KEPT)
    ).one_or_none()
    return None if row is None else Kept(mutation=row.mutation, input_hash=row.input_hash, answer=row.answer)


def keep(conn: Connection, viewer: str, key: str, kept: Kept, now: datetime) -> None:
    """Remember an answer; what is older than 30 days goes."""
    conn.execute(
        sa.delete(idempotency).where(
            idempotency.c.viewer_id == viewer, sa.or_(idempotency.c.at <= now - KEPT, idempotency.c.key == key)
        )
    )
    conn.execute(
        idempotency.insert().values(
            viewer_id=viewer, key=key, mutation=kept.mutation, input_hash=kept.input_hash, answer=kept.answer, at=now
        )
    )
