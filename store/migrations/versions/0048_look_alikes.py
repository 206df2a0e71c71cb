"""Who looks like whom; people known already are looked at by the job that says who is who

Revision ID: 0048
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

OWNED: Final = ["clue", "look_alike", "unpaired"]


def upgrade() -> None:
    op.create_table(
        "clue",
        sa.Column("viewer_id", sa.Text(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "key", "person_id"),
    )
    op.create_index("clue_by_person_id", "clue", ["viewer_id", "person_id"])
    op.create_table(
        "look_alike",
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("viewer_id", "left_id", "right_id", "kind", "manner", "left", "right")
        ),
        sa.PrimaryKeyConstraint("viewer_id", "left_id", "right_id"),
    )
    op.create_index("look_alike_by_right_id", "look_alike", ["viewer_id", "right_id"])
    op.create_table(
        "unpaired",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("viewer_id", "person_id")),
        sa.PrimaryKeyConstraint("viewer_id", "person_id"),
    )
    op.execute("INSERT INTO unpaired (viewer_id, person_id) SELECT viewer_id, id FROM person WHERE redirect_to IS NULL")
    op.execute(
        "INSERT INTO job (id, viewer_id, kind, subject, dedupe_key, due, created_at)"
        " SELECT 'j_pairs_' || id, id, 'identity', id, id, created_at, created_at FROM viewer WHERE true ON CONFLICT DO NOTHING"
    )
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(OWNED)
