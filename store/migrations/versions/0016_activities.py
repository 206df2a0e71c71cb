"""Activities: what people did on their networks

Revision ID: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "activity",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("container", sa.Text(), server_default="", nullable=False),
        sa.Column("contact_id", sa.Text()),
        sa.Column("actor_uri", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("object_kind", sa.Text()),
        sa.Column("uri", sa.Text()),
        sa.Column("same_key", sa.Text()),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("edited_at", sa.BigInteger()),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("original", sa.LargeBinary()),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "id"),
    )
    for columns in (
        ["account_id", "container", "key"],
        ["occurred_at", "id"],
        ["contact_id", "occurred_at", "id"],
        ["same_key", "occurred_at"],
    ):
        op.create_index(f"activity_by_{'_'.join(columns)}", "activity", ["viewer_id", *columns])
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(["activity"])
