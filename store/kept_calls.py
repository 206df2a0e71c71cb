"""Calls of networks that tell nothing twice: kept as they came, in their order, until their account has taken them in.

A position is given once and never again, also after all is forgotten: the last one stays, empty. Knows no network and no HTTP.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers.session import Kept
from store.tables import account, kept_call

#: Calls of an account that wait: more than that, nobody has read for a while, and the network is to come again.
MOST: Final = 50_000
_k = kept_call.c


def keep(conn: Connection, viewer: str, account_id: str, body: bytes, now: datetime) -> bool:
    """Keep a call behind all others; False when there is no room, or no such account any more."""
    # the account's row is its turn: of two that come at once the second one sees the first
    mine = select(account.c.id).where(account.c.viewer_id == viewer, account.c.id == account_id)
    if conn.execute(mine.with_for_update()).one_or_none() is None:
        return False
    last, count = conn.execute(
        select(sa.func.coalesce(sa.func.max(_k.position), 0), sa.func.count()).where(*_of(viewer, account_id))
    ).one()
    if count >= MOST:
        return False
    conn.execute(
        kept_call.insert().values(viewer_id=viewer, account_id=account_id, position=int(last) + 1, body=body, received_at=now)
    )
    return True


def after(conn: Connection, viewer: str, account_id: str, position: int, limit: int) -> list[Kept]:
    """The calls behind a position."""
    query = select(_k.position, _k.body).where(*_of(viewer, account_id), _k.position > position, _k.body != b"")
    return [Kept(position=row.position, body=row.body) for row in conn.execute(query.order_by(_k.position).limit(limit))]


def forget(conn: Connection, viewer: str, account_id: str, position: int) -> None:
    """What is up to a position is stored elsewhere."""
    conn.execute(sa.delete(kept_call).where(*_of(viewer, account_id), _k.position < position))
    conn.execute(sa.update(kept_call).where(*_of(viewer, account_id), _k.position == position).values(body=b""))


def _of(viewer: str, account_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (_k.viewer_id == viewer, _k.account_id == account_id)
