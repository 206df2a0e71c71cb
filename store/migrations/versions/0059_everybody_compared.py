"""Whoever was known before people were compared is compared on PostgreSQL too: 0048 and 0052 were shown nobody's rows there

Revision ID: 0059
"""

from __future__ import annotations

from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None
TABLES = ("person", "unpaired")


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in TABLES:  # the owner migrates, and is shown no viewer's rows otherwise
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "INSERT INTO unpaired (viewer_id, person_id) SELECT viewer_id, id FROM person WHERE redirect_to IS NULL ON CONFLICT DO NOTHING"
    )
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        "INSERT INTO job (id, viewer_id, kind, subject, dedupe_key, due, created_at)"
        " SELECT 'j_compare_' || id, id, 'identity', id, id, created_at, created_at FROM viewer WHERE true ON CONFLICT DO NOTHING"
    )
