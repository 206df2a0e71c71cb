"""Participants are found by their contact, where they have one, and by their address, where they wrote: nobody looks for the others

An entry that nobody looks for had a page of its own to be written with every mail. The release before finds the same rows by the new
indexes.

Revision ID: 0058
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table, known, wrote = "message_participant", sa.text("contact_id IS NOT NULL"), sa.text("role = 'FROM'")
    op.create_index("message_participant_of_contact", table, ["viewer_id", "contact_id", "sent_at", "message_id"],
                    sqlite_where=known, postgresql_where=known)  # fmt: skip
    op.create_index("message_participant_by_writer", table, ["viewer_id", "kind", "address", "sent_at"],
                    sqlite_where=wrote, postgresql_where=wrote)  # fmt: skip
    op.drop_index("message_participant_by_contact_id_sent_at_message_id", table)
    op.drop_index("message_participant_by_kind_address", table)
