"""Mail: flags and labels of each place a message is at, its HTML, its attachments

Revision ID: 0003
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OWNED: Final = ["attachment", "message_html"]


def upgrade() -> None:
    for name in ("flags", "labels"):
        op.add_column("message_source", sa.Column(name, sa.Text(), server_default="", nullable=False))
    op.create_index(
        "message_source_by_account_id_container_key", "message_source", ["viewer_id", "account_id", "container", "key"]
    )
    op.create_table(
        "message_html",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("html", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "message_id"),
    )
    op.create_table(
        "attachment",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger()),
        sa.Column("content_id", sa.Text()),
        sa.Column("inline", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("sha256", sa.Text()),
        sa.PrimaryKeyConstraint("viewer_id", "id"),
    )
    op.create_index("attachment_by_message_id_position", "attachment", ["viewer_id", "message_id", "position"])
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(OWNED)
