"""Uploads whose time is over: row first, then file, and whatever file no row knows.

One leased job a viewer, due when an upload's time is over. What a message that has still to leave takes along stays until it has left. A
process that dies between row and file leaves a file that the next run finds: runs follow each other as long as there are uploads, and
once a day besides.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from store import uploads
from store.blobs import Blobs
from store.database import Database

log = structlog.get_logger("kith.uploads")

AGAIN: Final = timedelta(hours=1)  # when an upload's time is over and a message needs it


class Clock(Protocol):
    def now(self) -> datetime: ...


async def run(database: Database, blobs: Blobs, clock: Clock, viewer: str) -> timedelta | None:
    """Erase what is over. Returns when to look again; None without any upload left."""
    now = clock.now()
    while gone := await database.write_behind(viewer, uploads.forget_over, now):
        for upload_id in gone:
            await asyncio.to_thread(blobs.drop, viewer, upload_id)
        log.info("uploads are over", count=len(gone))
    # listed before the rows are read: a file is made after its row
    names = await asyncio.to_thread(blobs.names, viewer)
    known = await database.read(viewer, uploads.known, names)
    for name in names:
        if name not in known:
            await asyncio.to_thread(blobs.drop, viewer, name)
    due = await database.read(viewer, uploads.next_over)
    if due is None:
        return None
    return due - now if due > now else AGAIN
