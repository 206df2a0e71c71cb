"""Locks that a transaction takes before it reads what it is going to write, and holds until its end.

SQLite has one writer, and needs none. On PostgreSQL an advisory lock (§13.3.5 of its manual) orders those who would otherwise take
the same rows in different orders, having learnt only under way which ones.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

_PEOPLE = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('people ' || :viewer, 0))")


def people(conn: Connection, viewer: str) -> None:
    """Nobody else says meanwhile which contacts of the viewer are one person. Take it first."""
    if conn.dialect.name == "postgresql":
        conn.execute(_PEOPLE, {"viewer": viewer})
