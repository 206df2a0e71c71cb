"""Indexes without the rows that nobody looks for by them: the feed's first ones of messages and conversations, and what leads nowhere

They are two of three rows of a first sync, and keys are hashes: each one touched a page of its own. The release before finds its rows
without them, more slowly.

Revision ID: 0042
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    false = "0" if op.get_bind().dialect.name == "sqlite" else "false"
    again = sa.text(f"created = {false} OR (kind NOT IN ('MESSAGE', 'CONVERSATION'))")
    op.create_index("feed_again_by_node_id_position", "feed", ["viewer_id", "node_id", "position"],
                    sqlite_where=again, postgresql_where=again)  # fmt: skip
    op.drop_index("feed_by_node_id_position", "feed")
    leads = sa.text("redirect_to IS NOT NULL")
    op.create_index("conversation_by_redirect", "conversation", ["viewer_id", "redirect_to"],
                    sqlite_where=leads, postgresql_where=leads)  # fmt: skip
    op.drop_index("conversation_by_redirect_to", "conversation")
