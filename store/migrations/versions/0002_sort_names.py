"""Sort names compare as plain text on PostgreSQL too, whatever the database's own collation

Revision ID: 0002
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SORTED: Final = ("contact", "person")


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return  # SQLite compares bytes unless told otherwise
    for table in SORTED:
        op.execute(f'ALTER TABLE {table} ALTER COLUMN sort_name TYPE text COLLATE "C"')
