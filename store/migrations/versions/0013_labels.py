"""Folders and labels of accounts, and which messages and conversations bear them

Revision ID: 0013
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

OWNED: Final = ["label", "conversation_label"]


def upgrade() -> None:
    op.add_column("message_source", sa.Column("label_keys", sa.Text()))
    op.create_table(
        "label",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("folder", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("writable", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "id"),
    )
    op.create_index("label_by_account_id", "label", ["viewer_id", "account_id"])
    op.create_table(
        "conversation_label",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("label_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("unread", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "label_id", "conversation_id"),
    )
    op.create_index("conversation_label_by_conversation_id", "conversation_label", ["viewer_id", "conversation_id"])
    op.create_index("conversation_label_by_label_id_unread", "conversation_label", ["viewer_id", "label_id", "unread"])
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(OWNED)
