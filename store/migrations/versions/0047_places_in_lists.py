"""Where people stand in lists by closeness, influence, last contact and age; those who are there already are placed in the background

Revision ID: 0047
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("person", sa.Column("relationship", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("person", sa.Column("trend", sa.Text(), nullable=False, server_default="NEW"))
    op.add_column("person", sa.Column("influence", sa.Integer(), nullable=False, server_default="0"))
    for column in ("created_at", "relationship", "influence"):
        op.create_index(f"person_by_{column}_id", "person", ["viewer_id", column, "id"])
    op.create_index("person_by_contact", "person", ["viewer_id", sa.text("coalesce(last_contact_at, 0)"), "id"])
    leads = sa.text("redirect_to IS NOT NULL")
    op.create_index("person_by_redirect", "person", ["viewer_id", "redirect_to"], sqlite_where=leads, postgresql_where=leads)
    op.drop_index("person_by_redirect_to", "person")
    op.create_table(
        "unplaced",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "person_id"),
    )
    op.execute(
        "INSERT INTO job (id, viewer_id, kind, subject, dedupe_key, due, created_at)"
        " SELECT 'j_place_' || id, id, 'place', id, id, created_at, created_at FROM viewer"
    )
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(["unplaced"])
