"""When the open web last said what joined two contacts, or parted them

Revision ID: 0054
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decision_evidence", sa.Column("seen_at", sa.BigInteger()))
