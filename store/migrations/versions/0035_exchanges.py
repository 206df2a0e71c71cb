"""What was exchanged with whom, counted; what is stored already is counted in the background

Revision ID: 0035
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0035"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exchange",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("inbound", "outbound")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("heard", "said")),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("begun", "opened")),
        sa.Column("days", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_inbound_at", sa.BigInteger()),
        sa.Column("last_outbound_at", sa.BigInteger()),
        sa.Column("answers", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("viewer_id", "contact_id", "period", "conversation_id"),
    )
    op.create_index("exchange_by_conversation_id_period", "exchange", ["viewer_id", "conversation_id", "period"])
    op.create_table(
        "untallied",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "conversation_id", "period"),
    )
    op.execute(
        "INSERT INTO job (id, viewer_id, kind, subject, dedupe_key, due, created_at)"
        " SELECT 'j_retally_' || id, id, 'retally', id, id, created_at, created_at FROM viewer"
    )
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(["exchange", "untallied"])
