"""Uploads: files that are put up to be sent, and the writes that need them

Revision ID: 0011
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

OWNED: Final = ["upload", "upload_use"]


def upgrade() -> None:
    op.create_table(
        "upload",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text()),
        sa.Column("received", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("completed_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("viewer_id", "id"),
    )
    op.create_index("upload_by_expires_at", "upload", ["viewer_id", "expires_at"])
    op.create_table(
        "upload_use",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("write_id", sa.Text(), nullable=False),
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "write_id", "upload_id"),
    )
    op.create_index("upload_use_by_upload_id", "upload_use", ["viewer_id", "upload_id"])
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(OWNED)
