"""What changes with every commit that answers could show

Revision ID: 0036
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "revision",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id"),
    )
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(["revision"])
