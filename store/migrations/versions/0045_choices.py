"""What the viewer chose to see first of people

Revision ID: 0045
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "choice",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("viewer_id", "person_id", "field", "contact_id")),
        sa.Column("pinned", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("value", sa.LargeBinary()),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "person_id", "field"),
    )
    op.create_index("choice_by_contact_id", "choice", ["viewer_id", "contact_id"])
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(["choice"])
