"""Search by stretches of time on PostgreSQL: the latest hits of a frequent word without fetching them all

The index is derived: it is emptied here and filled again by a job of each viewer. SQLite's needs nothing.

Revision ID: 0012
"""

from __future__ import annotations

from alembic import op

from store.migrations import postgresql_stretches

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        return
    postgresql_stretches.search_by_stretch()
    op.execute(
        "INSERT INTO job (id, viewer_id, kind, subject, dedupe_key, due, created_at)"
        " SELECT 'j_reindex_' || id, id, 'reindex', id, id, created_at, created_at FROM viewer"
        " ON CONFLICT (viewer_id, kind, dedupe_key) DO UPDATE SET again = true"
    )
