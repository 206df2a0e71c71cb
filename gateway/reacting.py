"""Reactions written back: the kind `react` of the outbox.

Doing it twice is doing it once, so nothing has to be noted: what a crash interrupted is done again.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from gateway.writes import NOT_DONE, Note, Outcome
from providers.base import Adapter, Reactor
from providers.errors import Refused
from resolvers import reacting
from store.database import Database
from store.feed import Recorder
from store.outbox import Write


class Reacting:
    """Adds reactions at the network, and takes them back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def carry_out(self, adapter: Adapter, viewer: str, write: Write, note: Note) -> Outcome:
        """One reaction. Raises ProviderError."""
        if not isinstance(adapter, Reactor):
            raise Refused("This account takes no reactions.", provider_code="unsupported")
        request = reacting.decoded(write)
        key = await adapter.react(request.outgoing)
        # before it is settled, which ends the request; a crash in between does both again
        await self._database.write(viewer, reacting.named, write.account_id, request, key)
        return Outcome(verdict="DONE")

    async def check(self, adapter: Adapter, viewer: str, write: Write) -> Outcome:
        """Doing it again is doing it once."""
        return NOT_DONE

    def moved(self, conn: Connection, viewer: str, write: Write, recorder: Recorder, now: datetime) -> None:
        """What was refused is undone."""
        reacting.settled(conn, viewer, write, recorder)
