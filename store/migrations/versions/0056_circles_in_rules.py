"""Rules of streams name circles: which they mean, who was counted to be of them, and whose activities are to be asked again

Revision ID: 0056
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("stream", sa.Column("circles", sa.LargeBinary()))
    op.add_column("stream_reader", sa.Column("circles_at", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "stream_circle",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("viewer_id", "circle_id")),
        sa.Column("contacts", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("viewer_id", "circle_id"),
    )
    op.create_table(
        "stream_again",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("viewer_id", "contact_id")),
        sa.Column("reached_at", sa.BigInteger()),
        sa.Column("reached_id", sa.Text()),
        sa.PrimaryKeyConstraint("viewer_id", "contact_id"),
    )
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(["stream_circle", "stream_again"])
