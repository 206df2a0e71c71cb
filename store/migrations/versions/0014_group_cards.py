"""Group cards: contacts by UID, and the groups of an account

Revision ID: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contact", sa.Column("uid", sa.Text()))
    op.create_index("contact_by_account_id_uid", "contact", ["viewer_id", "account_id", "uid"])
    op.create_index("contact_by_account_id_nature", "contact", ["viewer_id", "account_id", "nature"])
