"""Who lives in the order of ids: how many people there are is told by a sample of the first, whenever a contact changes

Without it each of the sample is looked up in the table, and stands on another page. The release before finds the same rows by it.

Revision ID: 0065
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None


def upgrade() -> None:
    living = sa.text("redirect_to IS NULL")
    op.create_index("person_living", "person", ["viewer_id", "id"], sqlite_where=living, postgresql_where=living)
