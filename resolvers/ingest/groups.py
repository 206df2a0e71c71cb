"""Groups that are cards themselves (RFC 6350 §6.1.4, §6.6.5; Apple's in cards of 3.0): whose members learn that they are in one.

Such a card names its members by their UIDs. It stays a contact without a person; what it says of others is shown with them
(`resolvers/group_cards.py`), so that they are newer when it changes. Members that come later find the group there already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from store.among import among, asked
from store.feed import Recorder
from store.tables import contact

MAX_GROUPS: Final = 1_000  # cards of one account that are looked through
_decode = msgspec.msgpack.Decoder(records.Contact).decode
Change = tuple[records.Contact | None, records.Contact | None]
_NEWER: Final = (
    sa.update(contact)
    .where(among(contact.c.uid), contact.c.account_id == sa.bindparam("account"), contact.c.version.is_not(None))
    .values(version=contact.c.version + 1, updated_at=sa.bindparam("now"))
    .returning(contact.c.id, contact.c.version)
)


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A group: its contact's key in the account, its name, the UIDs in it."""

    key: str
    name: str
    members: frozenset[str]


def by_account(conn: Connection, viewer: str, account_ids: Sequence[str]) -> dict[str, list[Card]]:
    """The groups of each account that are cards, by name."""
    c = contact.c
    query = select(c.account_id, c.key, c.record).where(
        c.viewer_id == viewer, c.account_id.in_(account_ids), c.nature == "GROUP", c.relation == "ADDRESS_BOOK"
    )
    found: dict[str, list[Card]] = {}
    for row in conn.execute(query.order_by(c.sort_name, c.id).limit(MAX_GROUPS)):
        try:
            record = _decode(row.record)
        except msgspec.MsgspecError:
            continue  # told where the group itself is read
        if record.members and record.names:
            card = Card(key=row.key, name=record.names[0].full, members=frozenset(record.members))
            found.setdefault(row.account_id, []).append(card)
    return found


def read(row: Any) -> records.Contact | None:
    """The record of a row (`nature`, `record`) that is a group; None for anything else, and for one that is damaged."""
    if row is None or row.nature != "GROUP":
        return None
    try:
        return _decode(row.record)
    except msgspec.MsgspecError:
        return None


def tell(
    conn: Connection, viewer: str, account_id: str, changes: Mapping[str, Change], recorder: Recorder, now: datetime
) -> None:
    """Contacts changed from one record to another, by id: whom groups among them name now or named before are newer."""
    touched: set[str] = set()
    for before, after in changes.values():
        were, are = _members(before), _members(after)
        renamed = before is not None and after is not None and before.names != after.names
        touched |= were | are if renamed else were ^ are
    if touched:
        for row in conn.execute(_NEWER, asked(viewer, touched, account=account_id, now=now)):
            recorder.upsert("CONTACT", row.id, row.version, fields=("groups",))


def _members(record: records.Contact | None) -> frozenset[str]:
    return frozenset(record.members) if record is not None and record.nature == "GROUP" else frozenset()
