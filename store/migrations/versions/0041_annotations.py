"""Notes and reminders

Revision ID: 0041
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0041"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "annotation",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("id", "kind", "about_id", "body")),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger()),
        sa.Column("edited_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.PrimaryKeyConstraint("viewer_id", "id"),
    )
    op.create_index("annotation_by_about_id_kind_at", "annotation", ["viewer_id", "about_id", "kind", "at"])
    op.create_index("annotation_by_kind_at_id", "annotation", ["viewer_id", "kind", "at", "id"])
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(["annotation"])
