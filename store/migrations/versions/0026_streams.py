"""Streams: saved rules over activities, what met them, and how far they were matched

Revision ID: 0026
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

OWNED: Final = ["stream", "stream_match", "stream_past", "stream_reader"]


def upgrade() -> None:
    op.create_table(
        "stream",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("replayed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("replay_total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("replay_at", sa.BigInteger()),
        sa.Column("replay_id", sa.Text()),
        sa.Column("replayed_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "id"),
    )
    op.create_index("stream_by_created_at_id", "stream", ["viewer_id", "created_at", "id"])
    op.create_table(
        "stream_match",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("stream_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("activity_id", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "stream_id", "revision", "activity_id"),
    )
    for columns in (("stream_id", "revision", "occurred_at", "activity_id"), ("activity_id",)):
        op.create_index(f"stream_match_by_{'_'.join(columns)}", "stream_match", ["viewer_id", *columns])
    op.create_table(
        "stream_past",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("stream_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "stream_id", "revision"),
    )
    op.create_table(
        "stream_reader",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("rules", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("viewer_id"),
    )
    op.add_column("webhook", sa.Column("stream_id", sa.Text()))
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(OWNED)
