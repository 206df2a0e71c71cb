"""Communities among a viewer's people

Revision ID: 0049
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "circle",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("viewer_id", "id", "name")),
        sa.Column("commonality", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.PrimaryKeyConstraint("viewer_id", "id"),
    )
    op.create_table(
        "circle_member",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("viewer_id", "circle_id", "person_id")),
        sa.Column("centrality", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "circle_id", "person_id"),
    )
    op.create_index("circle_member_by_person_id", "circle_member", ["viewer_id", "person_id"])
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(["circle", "circle_member"])
