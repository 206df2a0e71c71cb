"""FTS5 merges what it wrote sixteen pieces at a time, not four: each word of a long sync is written half as often

A level's pieces are merged in small steps as they come (`automerge`); all at once only where steps were too few (`crisismerge`, which has
to be the larger one). The release before reads and writes such an index as it did. PostgreSQL has no such thing.

Revision ID: 0066
"""

from __future__ import annotations

from alembic import op

from store.migrations.sqlite import merged_together

revision = "0066"
down_revision = "0065"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        merged_together()
