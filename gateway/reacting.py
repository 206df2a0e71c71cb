"""Reactions written back: the kind `react` of the outbox.

Doing it twice is doing it once: what a crash or a cut interrupted is done again, and the answer to that tells what became of it. One that got
no answer at all for days stays in doubt.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from gateway.writes import DONE, NOT_DONE, Note, Outcome
from providers.base import Adapter, Reactor
from providers.errors import Malformed, Refused, Unavailable
from resolvers import reacting
from store.database import Database
from store.feed import Recorder
from store.outbox import Write

_LEFT: Final = b"left"  # the step: from here on the network may have done it


class Reacting:
    """Adds reactions at the network, and takes them back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def carry_out(self, adapter: Adapter, viewer: str, write: Write, note: Note) -> Outcome:
        """One reaction. Raises ProviderError when it certainly was not taken."""
        await note(_LEFT)
        try:
            return await self._done(adapter, viewer, write)
        except (Unavailable, Malformed) as error:
            return Outcome(verdict="DOUBT", evidence=f"The network did not say whether it took this. ({error.message})")

    async def check(self, adapter: Adapter, viewer: str, write: Write) -> Outcome:
        """Asks by doing it again. Raises ProviderError while there is no answer."""
        try:
            return await self._done(adapter, viewer, write)
        except Refused:
            return NOT_DONE  # carried out once more it is refused for good, with the reason

    async def _done(self, adapter: Adapter, viewer: str, write: Write) -> Outcome:
        if not isinstance(adapter, Reactor):
            raise Refused("This account takes no reactions.", provider_code="unsupported")
        request = reacting.decoded(write)
        key = await adapter.react(request.outgoing)
        # before it is settled, which ends the request; a crash in between does both again
        await self._database.write(viewer, reacting.named, write.account_id, request, key)
        return DONE

    def moved(self, conn: Connection, viewer: str, write: Write, recorder: Recorder, now: datetime) -> None:
        """What was refused, or got no answer at all, is undone."""
        reacting.settled(conn, viewer, write, recorder)
