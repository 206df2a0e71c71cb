"""Webhooks: receivers of the change feed and what was sent to them

Revision ID: 0008
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

OWNED: Final = ["webhook", "webhook_delivery"]


def upgrade() -> None:
    op.create_table(
        "webhook",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("target_url", sa.Text(), nullable=False),
        sa.Column("kinds", sa.Text()),
        sa.Column("account_ids", sa.Text()),
        sa.Column("messages_after", sa.BigInteger()),
        sa.Column("health", sa.Text(), nullable=False),
        sa.Column("health_reason", sa.Text()),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("began", sa.BigInteger(), nullable=False),
        sa.Column("failing_since", sa.BigInteger()),
        sa.Column("retry_at", sa.BigInteger()),
        sa.Column("former_until", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "id"),
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("began", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.LargeBinary()),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("http_status", sa.Integer()),
        sa.Column("message", sa.Text()),
        sa.Column("next_attempt_at", sa.BigInteger()),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "id"),
    )
    for columns in (("webhook_id", "occurred_at", "id"), ("webhook_id", "outcome", "position")):
        op.create_index(f"webhook_delivery_by_{'_'.join(columns)}", "webhook_delivery", ["viewer_id", *columns])
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(OWNED)
