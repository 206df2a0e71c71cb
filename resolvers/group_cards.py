"""Groups of an address book that are cards of their own, as their members show them.

Most address books keep a group as a word on each member's record; Apple's and those of vCard 4 keep a card that names its members by UID.
Both are groups to whoever reads. The card is written by nobody here: a contact that is to leave such a group is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from providers import records
from resolvers.ingest.groups import Card, by_account
from resolvers.loaders import load
from resolvers.mistakes import Mistake
from resolvers.operation import Operation
from resolvers.writing import Mistaken


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
