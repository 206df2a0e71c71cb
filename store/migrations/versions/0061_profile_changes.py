"""What sources said of people, and what they say since

Revision ID: 0061
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "profile_change",
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("viewer_id", "id", "contact_id", "account_id", "field", "name")
        ),
        sa.Column("old", sa.Text()),
        sa.Column("new", sa.Text()),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "id"),
    )
    op.create_index("profile_change_by_at_id", "profile_change", ["viewer_id", "at", "id"])
    op.create_index("profile_change_by_contact_id_at_id", "profile_change", ["viewer_id", "contact_id", "at", "id"])
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(["profile_change"])
