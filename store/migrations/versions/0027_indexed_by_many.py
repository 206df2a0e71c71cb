"""The search index on SQLite is written many documents at a time (store/search_entries.py); its triggers see to what others write

Documents are ordered by place through their row ids there: the index by place, which PostgreSQL walks, has no reader.

Revision ID: 0027
"""

from __future__ import annotations

from alembic import op

from store.migrations import sqlite

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    sqlite.indexed_by_many()
    op.drop_index("search_doc_by_place_node_id", "search_doc")
