"""How much people are heard, and whom they know

Revision ID: 0038
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0038"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "standing_run",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("computed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "run"),
    )
    op.create_table(
        "standing",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("percentile", sa.Float(), nullable=False),
        sa.Column("parts", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "run", "person_id"),
    )
    op.create_table(
        "acquaintance",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("other_id", sa.Text(), nullable=False),
        sa.Column("strength", sa.Float(), nullable=False),
        sa.Column("sights", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "run", "person_id", "other_id"),
    )
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(["standing_run", "standing", "acquaintance"])
