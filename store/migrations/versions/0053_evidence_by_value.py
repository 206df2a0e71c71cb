"""Whom a value has joined is found by the value: it must part them as soon as too many carry it

Revision ID: 0053
"""

from __future__ import annotations

from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("value", "detail"):
        op.create_index(f"evidence_by_{column}", "evidence", ["viewer_id", column])
