"""What a viewer's programs usually ask for, so that it can be answered before they do

Revision ID: 0063
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "habit",
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("viewer_id", "id", "document", "operation", "variables", "scopes")
        ),
        sa.Column("odds", sa.LargeBinary(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "id"),
    )
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(["habit"])
