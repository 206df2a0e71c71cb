"""Tags

Revision ID: 0057
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    plain = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "tag",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("viewer_id", "id", "name")),
        sa.Column("folded", plain, nullable=False),
        sa.Column("color", sa.Text()),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.PrimaryKeyConstraint("viewer_id", "id"),
    )
    op.create_index("tag_by_folded_id", "tag", ["viewer_id", "folded", "id"])
    op.create_table(
        "tagged",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("viewer_id", "tag_id", "about_id")),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "tag_id", "about_id"),
    )
    op.create_index("tagged_by_about_id", "tagged", ["viewer_id", "about_id"])
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(["tag", "tagged"])
