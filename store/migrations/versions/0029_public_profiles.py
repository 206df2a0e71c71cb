"""What viewers show of themselves to everybody, and the names by which they are found

Revision ID: 0029
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0029"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "public_name",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index("ix_public_name_viewer_id", "public_name", ["viewer_id"])
    op.create_table(
        "public_profile",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("name", sa.Text()),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id"),
    )
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(["public_profile"])
