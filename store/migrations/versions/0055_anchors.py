"""What the ids of people follow whose own record is gone; those that lead to somebody already follow that person's oldest record

Revision ID: 0055
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "anchor",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("viewer_id", "person_id", "contact_id")),
        sa.PrimaryKeyConstraint("viewer_id", "person_id"),
    )
    op.create_index("anchor_by_contact_id", "anchor", ["viewer_id", "contact_id"])
    postgresql = op.get_bind().dialect.name == "postgresql"
    for table in ("person", "contact") if postgresql else ():  # the owner migrates, and is shown no viewer's rows otherwise
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "INSERT INTO anchor (viewer_id, person_id, contact_id) SELECT viewer_id, id, oldest FROM (SELECT p.viewer_id, p.id, "
        "(SELECT o.id FROM contact o WHERE o.viewer_id = p.viewer_id AND o.person_id = coalesce(p.redirect_to, p.id)"
        " ORDER BY o.born, o.id LIMIT 1) AS oldest FROM person p LEFT JOIN contact c ON c.viewer_id = p.viewer_id"
        " AND c.minted_id = p.id AND c.person_id IS NOT NULL WHERE c.id IS NULL) AS lost WHERE oldest IS NOT NULL"
    )
    for table in ("person", "contact") if postgresql else ():
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    if postgresql:
        bind_viewers(["anchor"])
