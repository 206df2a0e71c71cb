"""Messages edited and deleted at their network: the kind `correct` of the outbox.

Doing it twice is doing it once, so that after a crash or a cut it is done again: the answer to that tells what became of it. What a sync
has shown meanwhile needs no other proof. A write that got no answer at all for days stays in doubt.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from gateway.writes import NOT_DONE, Note, Outcome
from providers.base import Adapter, Deleter, Editor
from providers.errors import Malformed, Refused, Unavailable
from resolvers.ingest import corrections
from resolvers.ingest.corrections import Correction, Told
from store.feed import Recorder
from store.outbox import Write

_LEFT: Final = b"left"  # the step: from here on the network may have done it


class Correcting:
    """Puts other texts in the place of messages, and deletes them."""

    async def carry_out(self, adapter: Adapter, viewer: str, write: Write, note: Note) -> Outcome:
        """One message. Raises ProviderError when it certainly was not taken."""
        correction = _request(write)
        await note(_LEFT)
        try:
            return await _done(adapter, correction, again=write.attempts > 1)
        except (Unavailable, Malformed) as error:
            return Outcome(verdict="DOUBT", evidence=f"The network did not say whether it took this. ({error.message})")

    async def check(self, adapter: Adapter, viewer: str, write: Write) -> Outcome:
        """Asks by doing it again. Raises ProviderError while there is no answer."""
        correction = _request(write)
        if correction.seen is not None:
            return _outcome(correction, Told(edited_at=correction.seen))
        try:
            return await _done(adapter, correction, again=True)
        except Refused:
            return NOT_DONE  # carried out once more it is refused for good, with the reason

    def moved(self, conn: Connection, viewer: str, write: Write, recorder: Recorder, now: datetime) -> None:
        """What was refused is taken back; what is done is as the network says."""
        corrections.settled(conn, viewer, write, recorder, now)


async def _done(adapter: Adapter, correction: Correction, *, again: bool) -> Outcome:
    if correction.edit is not None:
        if not isinstance(adapter, Editor):
            raise Refused("Messages of this account cannot be edited.", provider_code="unsupported")
        return _outcome(correction, Told(edited_at=await adapter.edit(correction.edit, again=again)))
    if correction.deletion is None or not isinstance(adapter, Deleter):
        raise Refused("Messages of this account cannot be deleted.", provider_code="unsupported")
    gone = await adapter.delete(correction.deletion)
    return _outcome(correction, Told(removed=gone.deleted_at is None))


def _outcome(correction: Correction, told: Told) -> Outcome:
    return Outcome(verdict="DONE", told=corrections.report(correction, told))


def _request(write: Write) -> Correction:
    if write.request is None:
        raise Refused("What was to be changed is gone.", provider_code="request-gone")
    return corrections.decoded(write.request)
