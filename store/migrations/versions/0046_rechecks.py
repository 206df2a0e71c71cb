"""Until when what a look-up read holds, and since when nobody could confirm it

Revision ID: 0046
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("due_at", "checked_at", "failing_since", "lapsed_at"):
        op.add_column("web_link", sa.Column(name, sa.BigInteger()))
    op.add_column("web_link", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("web_link_by_due_at", "web_link", ["viewer_id", "due_at"])
    # what was read before there were lifetimes is looked at again once it is allowed, the longest ago first
    op.execute("update web_link set due_at = read_at where claim <> 'REVOKED' and protocols not in ('gravatar', 'github-search')")
