"""Search by column: sender, receivers, states and places beside the words, documents in the order of time

The index is derived: it is emptied here and filled again by a job of each viewer.

Revision ID: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations import postgresql, sqlite

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    if not on_sqlite:
        op.execute("TRUNCATE search_doc")
    for name in ("sender", "receivers", "facets", "pairs"):
        op.add_column("search_doc", sa.Column(name, sa.Text(), server_default="", nullable=False))
    op.add_column("search_doc", sa.Column("place", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index("search_doc_by_place_node_id", "search_doc", ["viewer_id", "place", "node_id"])
    if on_sqlite:
        sqlite.search_by_column()
    else:
        postgresql.search_by_column()
    op.execute(
        "INSERT INTO job (id, viewer_id, kind, subject, dedupe_key, due, created_at)"
        " SELECT 'j_reindex_' || id, id, 'reindex', id, id, created_at, created_at FROM viewer"
    )
