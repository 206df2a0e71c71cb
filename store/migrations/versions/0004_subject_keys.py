"""Messages are found by what their subjects are about, for answers that lost their references

Revision ID: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("message", sa.Column("subject_key", sa.Text()))
    op.create_index("message_by_subject_key_sent_at", "message", ["viewer_id", "subject_key", "sent_at"])
