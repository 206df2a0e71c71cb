"""The kinds of writes that this release can carry out (gateway/writes.py), by name."""

from __future__ import annotations

from gateway.accounts import Accounts
from gateway.contact_writes import ContactWrites
from gateway.correcting import Correcting
from gateway.marking_writes import MarkingWrites
from gateway.reacting import Reacting
from gateway.sending import Sending
from gateway.writes import Kind
from resolvers import reacting, sending
from resolvers.ingest import corrections, edits, markings
from store.blobs import Blobs


def kinds(accounts: Accounts, blobs: Blobs) -> dict[str, Kind]:
    """Every kind, wired."""
    return {
        corrections.KIND: Correcting(),
        edits.KIND: ContactWrites(accounts.database),
        markings.KIND: MarkingWrites(accounts.database),
        reacting.KIND: Reacting(accounts.database),
        sending.KIND: Sending(accounts, blobs),
    }
