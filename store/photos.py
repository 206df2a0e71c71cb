"""Photos of contacts, by the digest of their bytes: erased with the last contact that shows them, and how they look with them.

A photo can also be held for a contact that may still come back: whoever lets photos go says which these are. Their rows are taken after those
of contacts and people, in the order of their digests.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from store.among import VIEWER, among, asked
from store.tables import contact, photo, photo_look

STEP: Final = 500  # photos of one transaction of a sweep
Held = Callable[[Collection[str]], Collection[str]]  # of these photos those that are not to go, though no contact shows them


def _unshown(table: sa.Table) -> sa.ColumnElement[bool]:
    shown = select(sa.literal(1)).where(contact.c.viewer_id == table.c.viewer_id, contact.c.photo_hash == table.c.hash).exists()
    return sa.not_(shown)


_TURN: Final = select(photo.c.hash).where(among(photo.c.hash)).order_by(photo.c.hash).with_for_update()
_LOOKS, _PHOTOS = (sa.delete(table).where(among(table.c.hash), _unshown(table)) for table in (photo_look, photo))
_NEXT: Final = tuple(
    select(table.c.hash).where(table.c.viewer_id == VIEWER, table.c.hash > sa.bindparam("after"), _unshown(table))
    .order_by(table.c.hash).limit(STEP)
    for table in (photo, photo_look)
)  # fmt: skip


def take_turn(conn: Connection, viewer: str, hashes: Collection[str]) -> None:
    """Nobody else puts one of these photos or lets it go until this transaction ends. Take it once, for all that it touches."""
    conn.execute(_TURN, asked(viewer, hashes)).all()


def let_go(conn: Connection, viewer: str, hashes: Collection[str], held: Held) -> None:
    """Contacts that showed these photos show them no more: those that nobody shows are erased, but for what is held.

    `held` is asked in this transaction's turn: of two that let the same one go at once, the second sees that it is the last.
    """
    if not hashes:
        return
    take_turn(conn, viewer, hashes)
    if gone := set(hashes) - set(held(hashes)):
        conn.execute(_LOOKS, asked(viewer, gone))
        conn.execute(_PHOTOS, asked(viewer, gone))


def forget_looks(conn: Connection, viewer: str, hashes: Collection[str]) -> None:
    """Of photos that nobody shows any more it is not known either how they look. Take the turn first."""
    conn.execute(_LOOKS, asked(viewer, hashes))


def sweep(conn: Connection, viewer: str, after: str, held: Held) -> str | None:
    """Let go what nobody shows of STEP photos after a digest, whatever had left them. The last one of these; None when there is none."""
    found = sorted(
        {hashed for statement in _NEXT for hashed in conn.execute(statement, {"viewer": viewer, "after": after}).scalars()}
    )
    let_go(conn, viewer, found[:STEP], held)
    return found[:STEP][-1] if found else None
