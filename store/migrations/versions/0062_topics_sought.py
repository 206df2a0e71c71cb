"""People are found by what they speak about

Revision ID: 0062
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("person", sa.Column("topics", sa.Text(), nullable=False, server_default=""))
