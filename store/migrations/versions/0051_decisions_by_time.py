"""Decisions by their moment, as timelines show them

Revision ID: 0051
"""

from __future__ import annotations

from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("decision_by_at_id", "decision", ["viewer_id", "at", "id"])
