"""Exports of Slack belong to the provider that also links it: accounts that files alone made get its key, and keep their ids

Revision ID: 0022
"""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    if postgresql:  # the owner migrates, and is shown no viewer's rows otherwise
        op.execute("ALTER TABLE account NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE account SET provider = 'slack', version = version + 1 WHERE provider = 'slack_archive'")
    if postgresql:
        op.execute("ALTER TABLE account FORCE ROW LEVEL SECURITY")
