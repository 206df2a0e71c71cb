"""Reactions as they are shown: one entry a sign, the most used first, with whoever used it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.loaders import load
from resolvers.messages import Message, Participant, content, own_values, participant
from resolvers.operation import Operation
from store.tables import contact, message_source, reaction

MAX_SIGNS: Final = 50  # of a message, as the contract says
MAX_PEOPLE: Final = 100  # who are named of each


class Reaction(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of reaction to a message."""

    emoji: str
    count: int
    viewer: bool
    people: Sequence[Participant]


async def of_message(operation: Operation, shown: Message) -> Sequence[Reaction]:
    """The reactions to a message, wherever they are kept."""
    if not shown.live:
        return await load(operation, of_messages, shown.id) or ()
    found = await content(operation, shown.id)
    if found is None or not found.reactions:
        return ()
    own = await operation.read(own_values)
    return _grouped((_told(each, own), each.count) for each in found.reactions)


def of_messages(conn: Connection, viewer: str, message_ids: Sequence[str]) -> dict[str, list[Reaction]]:
    """The reactions to each message."""
    r, s = reaction.c, message_source.c
    own = own_values(conn, viewer)
    rows = conn.execute(
        select(s.message_id, r.emoji, r.kind, r.address, r.name, r.count.label("number"), contact.c.id.label("contact_id"), contact.c.person_id,
               sa.literal("MEMBER").label("role"))
        .join(reaction, sa.and_(r.viewer_id == s.viewer_id, r.account_id == s.account_id, r.message_key == s.key))
        .outerjoin(contact, sa.and_(contact.c.viewer_id == r.viewer_id, contact.c.account_id == r.account_id,
                                    contact.c.key == r.contact_key))
        .where(s.viewer_id == viewer, s.message_id.in_(message_ids))
        .order_by(s.message_id, r.at, r.key)
    )  # fmt: skip
    given: dict[str, list[tuple[tuple[str, Participant | None], int]]] = {}
    for row in rows:
        who = participant(row, own) if row.kind is not None else None
        given.setdefault(row.message_id, []).append(((row.emoji, who), row.number))
    return {message_id: _grouped(each) for message_id, each in given.items()}


def _told(given: records.Reaction, own: frozenset[tuple[str, str]]) -> tuple[str, Participant | None]:
    who = given.participant
    if who is None:
        return given.emoji, None
    mine = (who.kind, who.address.casefold()) in own
    shown = Participant(
        name=who.name or who.address, address=who.address, kind=who.kind, role="MEMBER", viewer=mine, person_id=None
    )
    return given.emoji, shown


def _grouped(given: Iterable[tuple[tuple[str, Participant | None], int]]) -> list[Reaction]:
    people: dict[str, dict[str, Participant]] = {}
    counted: dict[str, int] = {}
    for (emoji, who), count in given:
        named = people.setdefault(emoji, {})
        if who is None:
            counted[emoji] = counted.get(emoji, 0) + count
        else:
            named.setdefault(who.address, who)
    found = [
        Reaction(
            emoji=emoji, count=len(named) + counted.get(emoji, 0), viewer=any(who.viewer for who in named.values()),
            people=tuple(named.values())[:MAX_PEOPLE],
        )
        for emoji, named in people.items()
    ]  # fmt: skip
    return sorted(found, key=lambda each: -each.count)[:MAX_SIGNS]
