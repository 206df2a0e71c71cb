"""What an answer was read from decides when it is over: a number for each part of what a viewer has

The release before writes the one number alone; `parted` tells by then being another one (store/revision.py).

Revision ID: 0067
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for part in ("parted", "mail", "people", "doubts", "exchanges", "words", "feed", "rest"):
        op.add_column("revision", sa.Column(part, sa.BigInteger(), nullable=False, server_default="0"))
