"""What contacts are filed under at their sources, as tags

Revision ID: 0060
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "category",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("viewer_id", "contact_id", "folded")),
        sa.Column("tag_id", sa.Text()),
        sa.PrimaryKeyConstraint("viewer_id", "contact_id", "folded"),
    )
    op.create_index("category_by_folded", "category", ["viewer_id", "folded"])
    op.create_index("category_by_tag_id", "category", ["viewer_id", "tag_id"])
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(["category"])
    op.execute(  # contacts that were there before are read once more
        "INSERT INTO job (id, viewer_id, kind, subject, dedupe_key, due, created_at)"
        " SELECT 'j_categories_' || id, id, 'categories', id, id, created_at, created_at FROM viewer"
    )
