"""Push routes by several names: an account may stand for several things that its network calls by

Revision ID: 0019
"""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("push_route") as route:
        route.drop_constraint("push_route_once", type_="unique")
    op.create_index("push_route_by_account", "push_route", ["viewer_id", "account_id"])
