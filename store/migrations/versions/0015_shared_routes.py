"""Push routes that several accounts may share: networks that call one address for all of them, and name the account

Revision ID: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("push_route", sa.Column("name", sa.LargeBinary()))
    op.create_index("push_route_by_name", "push_route", ["name"])
