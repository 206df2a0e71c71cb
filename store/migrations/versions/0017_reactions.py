"""Reactions to messages, and messages that their authors took back

Revision ID: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("message", sa.Column("deleted_at", sa.BigInteger()))
    op.create_table(
        "reaction",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("message_key", sa.Text(), nullable=False),
        sa.Column("emoji", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text()),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("contact_key", sa.Text()),
        sa.Column("count", sa.Integer(), server_default="1", nullable=False),
        sa.Column("at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("viewer_id", "account_id", "key"),
    )
    op.create_index("reaction_by_account_id_message_key", "reaction", ["viewer_id", "account_id", "message_key"])
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(["reaction"])
