"""Who is who is asked again about everybody: lists, teams, parents, clubs and cards of two are known better than when they were joined

What is decided about a contact stands until it, or somebody who may be the same, changes; a release that judges otherwise has to say so.
What viewers have said stands.

Revision ID: 0070
"""

from __future__ import annotations

from alembic import op

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None
TABLES = ("contact", "dirty", "person", "unpaired")


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    for table in TABLES if on_postgresql else ():  # the owner migrates, and is shown no viewer's rows otherwise
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "INSERT INTO dirty (viewer_id, contact_id) SELECT viewer_id, id FROM contact WHERE person_id IS NOT NULL ON CONFLICT DO NOTHING"
    )
    # with `met` false, as whoever is new: what they are found by is written again too
    op.execute(
        "INSERT INTO unpaired (viewer_id, person_id, met) SELECT viewer_id, id, false FROM person WHERE redirect_to IS NULL"
        " ON CONFLICT (viewer_id, person_id) DO UPDATE SET met = excluded.met"
    )
    for table in TABLES if on_postgresql else ():
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        "INSERT INTO job (id, viewer_id, kind, subject, dedupe_key, due, created_at)"
        " SELECT 'j_again_' || id, id, 'identity', id, id, created_at, created_at FROM viewer WHERE true ON CONFLICT DO NOTHING"
    )
