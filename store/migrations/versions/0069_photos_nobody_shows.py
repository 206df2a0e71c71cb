"""Photos that no contact shows any more are erased, those of before at once: they had stayed when their contacts went

Revision ID: 0069
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0069"
down_revision = "0068"
branch_labels = None
depends_on = None
TABLES = ("contact", "photo", "photo_look")


def upgrade() -> None:
    shown = sa.text("photo_hash IS NOT NULL")
    op.create_index("contact_by_photo", "contact", ["viewer_id", "photo_hash"], sqlite_where=shown, postgresql_where=shown)
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    for table in TABLES if on_postgresql else ():  # the owner migrates, and is shown no viewer's rows otherwise
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    contact = sa.table("contact", sa.column("viewer_id"), sa.column("photo_hash"))
    for name in TABLES[1:]:
        of = sa.table(name, sa.column("viewer_id"), sa.column("hash"))
        holds = sa.select(sa.literal(1)).where(contact.c.viewer_id == of.c.viewer_id, contact.c.photo_hash == of.c.hash).exists()
        op.execute(sa.delete(of).where(sa.not_(holds)))
    for table in TABLES if on_postgresql else ():
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
