"""Sources of conversations are found by their account alone: nobody looks for one by its key

With the key, which is a hash for mail, each entry had a page of its own; without, they stand in the order in which they came. The release
before finds the same rows by the new index.

Revision ID: 0050
"""

from __future__ import annotations

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("conversation_source_by_account_id", "conversation_source", ["viewer_id", "account_id"])
    op.drop_index("conversation_source_by_account_id_key", "conversation_source")
