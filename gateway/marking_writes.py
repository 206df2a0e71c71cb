"""Marks and moves written back: the kind `mark` of the outbox.

Doing it twice is doing it once, so nothing has to be noted: what a crash interrupted is done again. A refused one is taken back
wherever the message still shows it. Where a move has put the messages is kept, so that the sync has nothing new to tell of it.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import Connection

from gateway.writes import DONE, NOT_DONE, Note, Outcome
from providers import records
from providers.base import Adapter, Marker, Reader
from providers.errors import Refused
from resolvers.ingest import markings, put_marks, put_moved
from store.database import Database
from store.feed import Recorder
from store.outbox import Write


class MarkingWrites:
    """Sets read and flagged at the source, and moves messages there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def carry_out(self, adapter: Adapter, viewer: str, write: Write, note: Note) -> Outcome:
        """The messages of one account. Raises ProviderError."""
        marked = markings.decoded(write.request or b"")
        keys, marking = sorted(marked.before), marked.marking
        if isinstance(adapter, Reader) and marking == records.Marking(unread=False):
            await adapter.read_up_to(await self._database.read(viewer, markings.latest_read, write.account_id, keys))
            return DONE
        if not isinstance(adapter, Marker):
            raise Refused("Messages of this account cannot be marked so.", provider_code="read-only")
        if marking.unread is not None or marking.flagged is not None:
            await adapter.mark(keys, marking)
        again = write.attempts > 1
        if marking.filed:
            moved = await adapter.file(keys, marking.added, marking.removed, again=again)
        elif marking.role is not None:
            moved = await adapter.move(keys, marking.role, again=again)
        else:
            return DONE
        return Outcome(verdict="DONE", told=msgspec.msgpack.encode(moved))

    async def check(self, adapter: Adapter, viewer: str, write: Write) -> Outcome:
        """Doing it again is doing it once."""
        return NOT_DONE

    def moved(self, conn: Connection, viewer: str, write: Write, recorder: Recorder, now: datetime) -> None:
        """What was refused is undone; what was moved is known by its new place."""
        if write.state == "DONE" and write.step is not None:
            put_moved(conn, viewer, write.account_id, markings.moves(write.step), recorder, now)
        if write.state in ("REFUSED", "CANCELLED", "UNCONFIRMED") and write.request is not None:
            marked = markings.decoded(write.request)
            put_marks(conn, viewer, write.account_id, marked.before, recorder, now, instead_of=marked.marking)
