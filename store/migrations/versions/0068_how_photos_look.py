"""How photos look, by which the same picture is known in another size; whoever has one is compared again

Revision ID: 0068
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None
TABLES = ("contact", "unpaired")


def upgrade() -> None:
    op.create_table(
        "photo_look",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("look", sa.Text()),
        sa.PrimaryKeyConstraint("viewer_id", "hash"),
    )
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    if on_postgresql:
        bind_viewers(["photo_look"])
    for table in TABLES if on_postgresql else ():  # the owner migrates, and is shown no viewer's rows otherwise
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "INSERT INTO unpaired (viewer_id, person_id) SELECT DISTINCT viewer_id, person_id FROM contact"
        " WHERE photo_hash IS NOT NULL AND person_id IS NOT NULL ON CONFLICT (viewer_id, person_id) DO UPDATE SET met = false"
    )
    for table in TABLES if on_postgresql else ():
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        "INSERT INTO job (id, viewer_id, kind, subject, dedupe_key, due, created_at)"
        " SELECT 'j_looks_' || id, id, 'identity', id, id, created_at, created_at FROM viewer WHERE true ON CONFLICT DO NOTHING"
    )
