"""Photos of contacts, by the digest of their bytes: erased with the last contact that shows them, and how they look with them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from store.among import among, asked
from store.tables import contact, photo, photo_look


def _unshown(table: sa.Table) -> sa.ColumnElement[bool]:
    shown = select(sa.literal(1)).where(contact.c.viewer_id == table.c.viewer_id, contact.c.photo_hash == table.c.hash).exists()
    return sa.and_(among(table.c.hash), sa.not_(shown))


_UNSHOWN: Final = select(photo.c.hash).where(_unshown(photo)).order_by(photo.c.hash).with_for_update()
_ERASE: Final = tuple(sa.delete(table).where(_unshown(table)) for table in (photo_look, photo))


def let_go(conn: Connection, viewer: str, hashes: Collection[str]) -> None:
    """Contacts that showed these photos show them no more: those that nobody shows are erased."""
    if not hashes:
        return
    conn.execute(_UNSHOWN, asked(viewer, hashes)).all()  # whoever puts one of them meanwhile is waited for, and seen then
    for statement in _ERASE:
        conn.execute(statement, asked(viewer, hashes))
