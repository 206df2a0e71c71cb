"""Marks written back: the kind `mark` of the outbox.

Marking twice is marking once, so nothing has to be noted: what a crash interrupted is done again. A refused marking is taken back
wherever the message still shows it.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from gateway.writes import DONE, NOT_DONE, Note, Outcome
from providers.base import Adapter, Marker
from providers.errors import Refused
from resolvers.ingest import markings, put_marks
from store.feed import Recorder
from store.outbox import Write


class MarkingWrites:
    """Sets read and flagged at the source."""

    async def carry_out(self, adapter: Adapter, viewer: str, write: Write, note: Note) -> Outcome:
        """The messages of one account. Raises ProviderError."""
        if not isinstance(adapter, Marker):
            raise Refused("Messages of this account cannot be marked.", provider_code="read-only")
        marked = markings.decoded(write.request or b"")
        await adapter.mark(sorted(marked.before), marked.marking)
        return DONE

    async def check(self, adapter: Adapter, viewer: str, write: Write) -> Outcome:
        """Doing it again is doing it once."""
        return NOT_DONE

    def moved(self, conn: Connection, viewer: str, write: Write, recorder: Recorder, now: datetime) -> None:
        """What was refused is undone."""
        if write.state in ("REFUSED", "CANCELLED", "UNCONFIRMED") and write.request is not None:
            marked = markings.decoded(write.request)
            put_marks(conn, viewer, write.account_id, marked.before, recorder, now, instead_of=marked.marking)
