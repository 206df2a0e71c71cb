"""Archives of Mastodon belong to the provider that also links it, as revision 0022 did with exports of Slack; people have their keys there

Revision ID: 0023
"""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TABLES = ("account", "contact")


def upgrade() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    for table in TABLES if postgresql else ():  # the owner migrates, and is shown no viewer's rows otherwise
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        """UPDATE contact SET key = lower(key) WHERE key <> lower(key)
        AND EXISTS (SELECT 1 FROM account WHERE account.viewer_id = contact.viewer_id AND account.id = contact.account_id
                    AND account.provider = 'mastodon_archive')
        AND NOT EXISTS (SELECT 1 FROM contact AS other WHERE other.viewer_id = contact.viewer_id AND other.account_id = contact.account_id
                        AND other.id <> contact.id AND lower(other.key) = lower(contact.key))"""
    )
    op.execute("UPDATE account SET provider = 'mastodon', version = version + 1 WHERE provider = 'mastodon_archive'")
    for table in TABLES if postgresql else ():
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
