"""The kinds of writes that this release can carry out (gateway/writes.py), by name."""

from __future__ import annotations

from gateway.contact_writes import ContactWrites
from gateway.writes import Kind
from resolvers.ingest import edits
from store.database import Database


def kinds(database: Database) -> dict[str, Kind]:
    """Every kind, wired."""
    return {edits.KIND: ContactWrites(database)}
