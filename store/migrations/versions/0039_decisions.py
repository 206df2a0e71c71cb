"""Decisions on who is who: by whom or which rule, about whom, on what, and what it looked like before

Revision ID: 0039
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

OWNED: Final = ["decision", "decision_contact", "decision_evidence"]


def upgrade() -> None:
    op.create_table(
        "decision",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text()),
        sa.Column("credential", sa.Text(), server_default="", nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("undone_by", sa.Text()),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "id"),
    )
    op.create_index("decision_by_number", "decision", ["viewer_id", "number"])
    op.create_table(
        "decision_contact",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("side", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Text()),
        sa.Column("record", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("viewer_id", "decision_id", "contact_id"),
    )
    op.create_index("decision_contact_by_contact_id_decision_id", "decision_contact", ["viewer_id", "contact_id", "decision_id"])
    op.create_table(
        "decision_evidence",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("left_id", sa.Text(), nullable=False),
        sa.Column("right_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("detail", sa.Text()),
        sa.PrimaryKeyConstraint("viewer_id", "decision_id", "left_id", "right_id", "kind", "value"),
    )
    for column in ("left_id", "right_id"):
        op.create_index(f"decision_evidence_by_{column}", "decision_evidence", ["viewer_id", column])
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(OWNED)
