"""Which people may be one; those known already are weighed by the job that says who is who

Revision ID: 0052
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("unpaired", sa.Column("met", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "suggestion",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("viewer_id", "id", "left_id", "right_id")),
        sa.Column("own", sa.Float()),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("grounds", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.PrimaryKeyConstraint("viewer_id", "id"),
    )
    op.create_index("suggestion_by_left_id", "suggestion", ["viewer_id", "left_id"])
    op.create_index("suggestion_by_right_id", "suggestion", ["viewer_id", "right_id"])
    op.create_index("suggestion_by_decision_score_id", "suggestion", ["viewer_id", "decision", "score", "id"])
    op.execute(
        "INSERT INTO unpaired (viewer_id, person_id) SELECT viewer_id, id FROM person WHERE redirect_to IS NULL ON CONFLICT DO NOTHING"
    )
    op.execute(
        "INSERT INTO job (id, viewer_id, kind, subject, dedupe_key, due, created_at)"
        " SELECT 'j_suggest_' || id, id, 'identity', id, id, created_at, created_at FROM viewer WHERE true ON CONFLICT DO NOTHING"
    )
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(["suggestion"])
