"""How the photos of contacts look: by which people are asked about as one who show the same picture in two sizes.

Each is looked at once, when whoever shows it is compared first, a few at a time, outside any transaction; one that is too large, damaged or
plain has no look. Knows not what a look means (`looks.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers.formats import picture
from store import photos
from store.among import among, asked
from store.database import Database
from store.rows import insert
from store.tables import photo, photo_look

STEP: Final = 8  # photos that are read at a time
MAX_BYTES: Final = 4 << 20
_DATA: Final = select(photo.c.hash, photo.c.data).where(among(photo.c.hash), sa.func.length(photo.c.data) <= MAX_BYTES)
_WRITTEN: Final = select(photo_look.c.hash).where(among(photo_look.c.hash))


async def look_at(database: Database, viewer: str, hashes: Collection[str]) -> None:
    """Keep how these photos of a viewer look. Raises nothing but the database's errors."""
    waiting = sorted(hashes)
    for start in range(0, len(waiting), STEP):
        some = waiting[start : start + STEP]
        data = await database.read(viewer, _read, some)
        seen = await asyncio.to_thread(_looks, data)
        await database.write_behind(viewer, _write, {hashed: seen.get(hashed) for hashed in some})


def _read(conn: Connection, viewer: str, hashes: Collection[str]) -> dict[str, bytes]:
    return {row.hash: bytes(row.data) for row in conn.execute(_DATA, asked(viewer, hashes))}


def _looks(data: Mapping[str, bytes]) -> dict[str, str | None]:
    return {hashed: _look(one) for hashed, one in data.items()}


def _look(data: bytes) -> str | None:
    try:
        return picture.look(data)
    except picture.NoPicture:
        return None


def _write(conn: Connection, viewer: str, looks: Mapping[str, str | None]) -> None:
    photos.take_turn(conn, viewer, looks)
    known = set(conn.execute(_WRITTEN, asked(viewer, looks)).scalars())
    rows = [{"viewer_id": viewer, "hash": hashed, "look": look} for hashed, look in looks.items() if hashed not in known]
    insert(conn, photo_look, rows)
    photos.forget_looks(conn, viewer, looks)  # a photo may have been replaced while it was looked at
