"""The outbox: writes that a network has still to take, and the nodes that they change

Revision ID: 0005
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

OWNED: Final = ["outbox", "outbox_node"]


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("mutation", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text()),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("request", sa.LargeBinary()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("step", sa.LargeBinary()),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("checks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("error_code", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("provider_code", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("doubted_at", sa.BigInteger()),
        sa.Column("settled_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("viewer_id", "id"),
    )
    op.create_index("outbox_by_account_id_state_due", "outbox", ["viewer_id", "account_id", "state", "due"])
    op.create_index("outbox_by_account_id_position_id", "outbox", ["viewer_id", "account_id", "position", "id"])
    op.create_table(
        "outbox_node",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("write_id", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "write_id", "node_id"),
    )
    op.create_index("outbox_node_by_node_id", "outbox_node", ["viewer_id", "node_id"])
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(OWNED)
