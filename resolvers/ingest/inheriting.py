"""A mail that two accounts hold names the contacts of the account that saw it first. When that one is unlinked, whoever is on it becomes a
contact of the other, as if it had been the first.

Only mails are held by two accounts: what other networks carry is known by the account's own keys. Knows not why contacts go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers.identity.resolve import carry_out
from resolvers.ingest import conversations, tallies
from resolvers.ingest.contacts import Correspondent, put_correspondents
from resolvers.ingest.messages import NOT_PEOPLE
from resolvers.ingest.target import Target
from store import locks
from store.accounts import own_values
from store.among import VIEWER, among, asked
from store.feed import Recorder
from store.tables import account, contact, conversation_member, message, message_participant, message_source

_P, _S, _M, _C = message_participant.c, message_source.c, message.c, conversation_member.c
_BULK: Final = sa.and_(_M.category.in_(sorted(NOT_PEOPLE - {"LIST"})), _P.role.in_(("FROM", "SENDER")))
_WRITTEN: Final = sa.and_(_M.direction == "OUTBOUND", _P.role.in_(("TO", "CC", "BCC")))
_HELD: Final = (
    select(
        _S.account_id, account.c.mode, _P.address, _P.contact_id, _P.name,
        sa.func.max(sa.case((_WRITTEN, 1), else_=0)).label("written_to"), sa.func.min(sa.case((_BULK, 1), else_=0)).label("bulk"),
    )
    .join(message_source, sa.and_(_S.viewer_id == _P.viewer_id, _S.message_id == _P.message_id))
    .join(message, sa.and_(_M.viewer_id == _P.viewer_id, _M.id == _P.message_id))
    .join(account, sa.and_(account.c.viewer_id == _S.viewer_id, account.c.id == _S.account_id))
    .where(among(_P.contact_id), _P.kind == "EMAIL")
    .group_by(_S.account_id, account.c.mode, _P.address, _P.contact_id, _P.name)
    .order_by(sa.func.min(_S.seen_at), _S.account_id, sa.func.min(_P.sent_at), _P.name)
)  # fmt: skip
_THEIRS: Final = select(_S.message_id).where(_S.viewer_id == VIEWER, _S.account_id == sa.bindparam("account"))
_HAND_OVER: Final = (
    sa.update(message_participant)
    .where(
        _P.viewer_id == VIEWER, _P.contact_id == sa.bindparam("old"), _P.kind == "EMAIL", _P.address == sa.bindparam("by"),
        _P.message_id.in_(_THEIRS),
    )
    .values(contact_id=sa.bindparam("new"))
)  # fmt: skip
_BOTS: Final = select(contact.c.id).where(among(contact.c.id), contact.c.nature == "AUTOMATED")
_HOMES: Final = select(_C.conversation_id, _C.kind, _C.address, _C.contact_id).where(among(_C.contact_id), _C.kind == "EMAIL")


def inherit(
    conn: Connection, viewer: str, account_id: str, contact_ids: Sequence[str], recorder: Recorder, now: datetime
) -> bool:
    """These contacts of an account are about to go: on mails that other accounts hold, these accounts' own stand in their place, and are who
    they were, so that ids, notes and decisions stay with them. Whether there was any; a transaction of its own.
    """
    rows = [row for row in conn.execute(_HELD, asked(viewer, contact_ids)).all() if row.account_id != account_id]
    if not rows:
        return False
    locks.people(conn, viewer)
    own = own_values(conn, viewer)
    bots = set(conn.execute(_BOTS, asked(viewer, contact_ids)).scalars())
    held: dict[str, list[Any]] = {}
    for row in rows:
        held.setdefault(row.account_id, []).append(row)
    heirs: set[str] = set()
    for other_id, theirs in held.items():
        seen = [
            Correspondent(
                kind="EMAIL", address=row.address, name=row.name, written_to=bool(row.written_to),
                automated=bool(row.bulk) or row.contact_id in bots,
            )
            for row in theirs
        ]  # fmt: skip
        target = Target(account_id=other_id, live=theirs[0].mode == "LIVE", own=own)
        found = put_correspondents(conn, viewer, target, seen, recorder, now)
        heirs.update(found.values())
        over = sorted({(row.contact_id, row.address) for row in theirs})
        conn.execute(
            _HAND_OVER,
            [{"viewer": viewer, "account": other_id, "old": old, "by": by, "new": found["EMAIL", by]} for old, by in over],
        )
    homes = conn.execute(_HOMES, asked(viewer, contact_ids)).all()
    conversations.rebuild_members(conn, viewer, {row.conversation_id for row in homes}, homes)
    tallies.drop_contacts(conn, viewer, contact_ids)
    carry_out(conn, viewer, heirs, recorder, now)
    return True
