"""Groups of an address book that are cards of their own, as their members show them.

Most address books keep a group as a word on each member's record; Apple's and those of vCard 4 keep a card that names its members by UID.
Both are groups to whoever reads. The card is written by nobody here: a contact that is to leave such a group is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from providers import records
from resolvers.loaders import load
from resolvers.mistakes import Mistake
from resolvers.operation import Operation
from resolvers.writing import Mistaken
from store.tables import contact

MAX_GROUPS: Final = 1_000  # cards of one account that are looked through
_decode = msgspec.msgpack.Decoder(records.Contact).decode


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


async def of(operation: Operation, account_id: str, uid: str | None) -> list[Card]:
    """The groups that a contact of an account is in."""
    if uid is None:
        return []
    return [card for card in await load(operation, by_account, account_id) or () if uid in card.members]


def apart(conn: Connection, viewer: str, account_id: str, shown: records.Contact, wanted: Sequence[str], at: str) -> list[str]:
    """Of the groups that a contact is to be in those that stand on its own record. Raises Mistaken when it is to leave another one."""
    cards = [card.name for card in by_account(conn, viewer, [account_id]).get(account_id, ()) if shown.uid in card.members]
    if missing := next((name for name in cards if name not in wanted), None):
        text = f"The group {missing} is a card of its own at this address book: take the contact out of it there."
        raise Mistaken(Mistake(code="UNSUPPORTED", message=text, field=(at, "groups")))
    return [name for name in wanted if name not in cards or name in shown.groups]
