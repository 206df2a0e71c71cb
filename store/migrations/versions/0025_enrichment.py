"""What viewers let outside sources be asked about people, what was asked and answered, and the log of what left

Revision ID: 0025
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0025"
down_revision = "0023"
branch_labels = None
depends_on = None

OWNED: Final = [
    "enrichment_consent", "enrichment_answer", "enrichment_spending", "disclosure", "enrichment_run", "enrichment_item",
]  # fmt: skip


def _text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _whole(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable, autoincrement=False)


def upgrade() -> None:
    op.create_table(
        "enrichment_consent",
        _text("viewer_id"),
        _text("source"),
        sa.Column("granted", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("fields", sa.Text(), nullable=False, server_default=""),
        _whole("changed_at"),
        _whole("paused_until", nullable=True),
        _text("paused_outcome", nullable=True),
        _text("paused_message", nullable=True),
        sa.PrimaryKeyConstraint("viewer_id", "source"),
    )
    op.create_table(
        "enrichment_answer",
        _text("viewer_id"),
        _text("source"),
        _text("kind"),
        _text("value"),
        _text("outcome"),
        _text("message", nullable=True),
        _whole("price"),
        sa.Column("facts", sa.LargeBinary()),
        _whole("asked_at"),
        _whole("answered_at", nullable=True),
        _whole("again_at", nullable=True),
        sa.Column("holder", sa.Text(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("viewer_id", "source", "kind", "value"),
    )
    op.create_index("enrichment_answer_by_kind_value", "enrichment_answer", ["viewer_id", "kind", "value"])
    op.create_table(
        "enrichment_spending",
        _text("viewer_id"),
        _text("month"),
        _whole("spent"),
        _whole("allowed", nullable=True),
        sa.PrimaryKeyConstraint("viewer_id", "month"),
    )
    op.create_table(
        "disclosure",
        _text("viewer_id"),
        _text("id"),
        _text("source"),
        _text("purpose"),
        _whole("consented_at", nullable=True),
        _text("kind"),
        _text("value"),
        _text("recipient"),
        _text("method"),
        _text("url"),
        sa.Column("body", sa.LargeBinary()),
        _text("sent"),
        _whole("price"),
        _text("outcome"),
        sa.Column("http_status", sa.Integer()),
        _whole("sent_at"),
        _whole("answered_at", nullable=True),
        sa.PrimaryKeyConstraint("viewer_id", "id"),
    )
    op.create_index("disclosure_by_sent_at_id", "disclosure", ["viewer_id", "sent_at", "id"])
    op.create_index("disclosure_by_source_kind_value_sent_at", "disclosure", ["viewer_id", "source", "kind", "value", "sent_at"])
    op.create_table(
        "enrichment_run",
        _text("viewer_id"),
        _text("id"),
        _text("sources"),
        sa.Column("again", sa.Boolean(), nullable=False, server_default=sa.false()),
        _text("state"),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("found", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("unconfirmed", sa.Integer(), nullable=False, server_default="0"),
        _whole("created_at"),
        _whole("finished_at", nullable=True),
        sa.PrimaryKeyConstraint("viewer_id", "id"),
    )
    op.create_index("enrichment_run_by_created_at_id", "enrichment_run", ["viewer_id", "created_at", "id"])
    op.create_table(
        "enrichment_item",
        _text("viewer_id"),
        _text("run_id"),
        sa.Column("position", sa.Integer(), nullable=False),
        _text("person_id"),
        _text("state"),
        _text("message", nullable=True),
        sa.PrimaryKeyConstraint("viewer_id", "run_id", "position"),
    )
    op.create_index("enrichment_item_by_run_id_state_position", "enrichment_item", ["viewer_id", "run_id", "state", "position"])
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(OWNED)
