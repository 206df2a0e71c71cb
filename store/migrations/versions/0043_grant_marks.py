"""Which accounts live from one grant

Revision ID: 0043
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "grant_mark",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash", "viewer_id", "account_id"),
    )
    op.create_index("grant_mark_by_account", "grant_mark", ["viewer_id", "account_id"])
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers([])  # the application's role may work on it
