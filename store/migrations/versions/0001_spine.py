"""The spine: accounts, people, conversations, feed, jobs, search

Revision ID: 0001
"""

from __future__ import annotations

from alembic import op

from store.migrations.postgresql import bind_viewers
from store.migrations.postgresql import create_search as create_search_postgresql
from store.migrations.sqlite import create_search as create_search_sqlite
from store.tables import OWNED, metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    bind = op.get_bind()
    metadata.create_all(bind)
    if bind.dialect.name == "sqlite":
        create_search_sqlite()
    else:
        create_search_postgresql()
        bind_viewers([t.name for t in OWNED])
