"""Push routes: where networks call us

Revision ID: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "push_route",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
        sa.UniqueConstraint("viewer_id", "account_id", name="push_route_once"),
    )
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers([])  # the application's role may work on it
