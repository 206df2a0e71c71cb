"""People are found by the sound of their names: their documents are written again, by a job of each viewer

Revision ID: 0044
"""

from __future__ import annotations

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM search_doc WHERE kind = 'PERSON'")
    op.execute(
        "INSERT INTO job (id, viewer_id, kind, subject, dedupe_key, due, created_at)"
        " SELECT 'j_sounds_' || id, id, 'reindex', id, id, created_at, created_at FROM viewer WHERE true ON CONFLICT DO NOTHING"
    )
