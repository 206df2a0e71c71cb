"""The viewer says that an address is theirs, or is not: every message that names it is looked at again.

Own addresses decide the direction of messages and are nobody's contact. Works in steps of STEP messages, each one transaction.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers.ingest import meetings
from resolvers.ingest.contacts import Correspondent, put_correspondents
from resolvers.ingest.removal import remove_contacts
from resolvers.ingest.tallies import mark_messages
from resolvers.ingest.target import Target
from store import ids
from store.accounts import own_values
from store.feed import Recorder
from store.tables import conversation_member, message, message_participant, message_source, own_address

STEP: Final = 200


def reassign(conn: Connection, viewer: str, address_id: str, now: datetime) -> bool:
    """One step for one own address row; True while there is more to do."""
    row = conn.execute(select(own_address).where(own_address.c.viewer_id == viewer, own_address.c.id == address_id)).one_or_none()
    if row is None:
        return False
    value = row.value.casefold()
    recorder = Recorder(now, origin="CLIENT")
    if row.mine:
        _drop_contacts(conn, viewer, row.kind, value, recorder, now)
    else:
        _mint_contacts(conn, viewer, row.kind, value, recorder, now)
    more = _directions(conn, viewer, row.kind, value, recorder)
    more = meetings.turn(conn, viewer, value, row.mine, recorder, now) or more
    recorder.flush(conn, viewer)
    return more


def _named(viewer: str, kind: str, value: str) -> sa.ColumnElement[bool]:
    p = message_participant.c
    return sa.and_(p.viewer_id == viewer, p.kind == kind, sa.func.lower(p.address) == value)


def _drop_contacts(conn: Connection, viewer: str, kind: str, value: str, recorder: Recorder, now: datetime) -> None:
    p = message_participant.c
    held = (
        conn.execute(select(p.contact_id).where(_named(viewer, kind, value), p.contact_id.is_not(None)).distinct())
        .scalars()
        .all()
    )
    conn.execute(sa.update(message_participant).where(_named(viewer, kind, value)).values(contact_id=None))
    m = conversation_member.c
    conn.execute(sa.delete(conversation_member).where(m.viewer_id == viewer, m.kind == kind, sa.func.lower(m.address) == value))
    remove_contacts(conn, viewer, sorted({*held, *meetings.contacts_of(conn, viewer, value)}), recorder, now)


def _mint_contacts(conn: Connection, viewer: str, kind: str, value: str, recorder: Recorder, now: datetime) -> None:
    p = message_participant.c
    rows = conn.execute(
        select(message_source.c.account_id, p.address, p.kind, sa.func.max(p.name).label("name"))
        .join(message_source, sa.and_(message_source.c.viewer_id == p.viewer_id, message_source.c.message_id == p.message_id))
        .where(_named(viewer, kind, value), p.contact_id.is_(None))
        .group_by(message_source.c.account_id, p.address, p.kind)
    ).all()
    for row in rows:
        target = Target(account_id=row.account_id, own=own_values(conn, viewer))
        one = Correspondent(kind=row.kind, address=row.address, name=row.name or "", written_to=True)
        found = put_correspondents(conn, viewer, target, [one], recorder, now)
        contact_id = found.get((row.kind, row.address), ids.derive("CONTACT", row.account_id, f"{kind.lower()}:{value}"))
        conn.execute(
            sa.update(message_participant)
            .where(_named(viewer, kind, value), p.contact_id.is_(None), p.address == row.address)
            .values(contact_id=contact_id)
        )


def _directions(conn: Connection, viewer: str, kind: str, value: str, recorder: Recorder) -> bool:
    """Set the direction of messages that name the address and have another one than they should."""
    p = message_participant.c
    own = sa.func.lower(p.address).in_(sorted(own_values(conn, viewer)) or [""])
    mine = select(p.message_id).where(p.viewer_id == viewer, p.role.in_(("FROM", "SENDER")), own)
    named = select(p.message_id).where(_named(viewer, kind, value))
    wanted = sa.case(
        (message.c.id.in_(mine), "OUTBOUND"), (message.c.direction == "OUTBOUND", "INBOUND"), else_=message.c.direction
    )
    rows = conn.execute(
        select(message.c.id, message.c.version, wanted.label("wanted"))
        .where(message.c.viewer_id == viewer, message.c.id.in_(named), message.c.direction != wanted)
        .limit(STEP)
    ).all()
    for row in rows:
        version = None if row.version is None else row.version + 1
        conn.execute(
            sa.update(message)
            .where(message.c.viewer_id == viewer, message.c.id == row.id)
            .values(direction=row.wanted, version=version)
        )
        if version is not None:
            recorder.upsert("MESSAGE", row.id, version, fields=("direction",))
    mark_messages(conn, viewer, [row.id for row in rows])
    return len(rows) == STEP
