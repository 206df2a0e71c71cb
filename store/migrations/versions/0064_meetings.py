"""Meetings, and what mails say of them

Revision ID: 0064
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.migrations.postgresql import bind_viewers

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _flags(*names: str) -> list[sa.Column[bool]]:
    return [sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()) for name in names]


def upgrade() -> None:
    op.create_table(
        "invitation",
        *_texts("viewer_id", "message_id"),
        sa.Column("position", sa.Integer(), nullable=False),
        *_texts("series_id", "organizer", "sender", "name"),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "message_id", "position"),
    )
    op.create_index("invitation_by_series_id", "invitation", ["viewer_id", "series_id"])
    op.create_table(
        "meeting_event",
        *_texts("viewer_id", "id", "series_id", "organizer", "direction", "title", "description", "location"),
        *(sa.Column(name, sa.Text()) for name in ("conference_url", "url", "time_zone", "rule")),
        *_flags("all_day", "tentative", "recurring"),
        sa.Column("attendee_count", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Text()),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("viewer_id", "id"),
    )
    op.create_index("meeting_event_by_series_id", "meeting_event", ["viewer_id", "series_id"])
    op.create_index("meeting_event_by_organizer_direction", "meeting_event", ["viewer_id", "organizer", "direction"])
    op.create_table(
        "meeting",
        *_texts("viewer_id", "id", "event_id"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        *_flags("cancelled"),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.PrimaryKeyConstraint("viewer_id", "id"),
    )
    op.create_index("meeting_by_at_id", "meeting", ["viewer_id", "at", "id"])
    op.create_index("meeting_by_event_id_at_id", "meeting", ["viewer_id", "event_id", "at", "id"])
    op.create_table(
        "attendee",
        *_texts("viewer_id", "event_id"),
        sa.Column("position", sa.Integer(), nullable=False),
        *_texts("role", "kind", "address", "name", "response"),
        sa.Column("contact_id", sa.Text()),
        sa.PrimaryKeyConstraint("viewer_id", "event_id", "position"),
    )
    op.create_index("attendee_by_contact_id_event_id", "attendee", ["viewer_id", "contact_id", "event_id"])
    if op.get_bind().dialect.name == "postgresql":
        bind_viewers(["invitation", "meeting_event", "meeting", "attendee"])
