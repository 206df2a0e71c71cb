"""Who has seen a claim returned, and when

Revision ID: 0032
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("web_link", sa.Column("verifier", sa.Text()))
    op.add_column("web_link", sa.Column("verified_at", sa.BigInteger()))
