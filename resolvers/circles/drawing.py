"""Circles drawn anew: found, named, given the ids that they had, and written where they differ, each in one transaction.

A circle keeps its id as long as most of its members stay: the new one with more than half of an old one's people is that one, the largest
share first. What an account held together goes with it: nothing is written once one of the accounts is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers.circles import communities, naming
from resolvers.circles.communities import Circle
from resolvers.circles.naming import Trait
from resolvers.identity.mailboxes import mailbox
from resolvers.influence.meeting import HALF
from resolvers.influence.reading import Facts
from resolvers.influence.weighing import Standing
from resolvers.projection import Projection
from store import circles, ids
from store.among import among, asked
from store.circles import Kept
from store.database import Database
from store.feed import Recorder
from store.tables import account, person
from store.words import fold

SLICE: Final = 500  # people that are read at once
TOPICS: Final = 3  # of a person
_PEOPLE: Final = select(person.c.id, person.c.name, person.c.projection).where(among(person.c.id))
_projection: Final = msgspec.msgpack.Decoder(Projection).decode


async def draw(
    database: Database, viewer: str, facts: Facts, standing: Mapping[str, Standing], accounts: Collection[str], now: datetime
) -> bool:
    """Find the circles of these facts and keep them; False when one of the accounts is gone, and with it what was found."""
    found = await asyncio.to_thread(_found, facts)
    people: dict[str, naming.Person] = {}
    members = sorted({name for one in found for name in one.members})
    for first in range(0, len(members), SLICE):
        people |= await database.read(viewer, _read, members[first : first + SLICE])
    besides = _besides(facts, standing)
    people = {name: one._replace(traits=(*one.traits, *besides.get(name, ()))) for name, one in people.items()}
    called = naming.call([list(one.members) for one in found], people)
    known = await database.read(viewer, circles.known)
    new = _identified(viewer, found, called, known)
    before = {one.id: one for one in known}
    for one in new:
        old = before.pop(one.id, None)
        if one != old and not await database.write_behind(viewer, _put, one, old, accounts, now):
            return False
    for circle_id in before:
        await database.write_behind(viewer, _drop, circle_id, now)
    return True


def _found(facts: Facts) -> list[Circle]:
    """Ties as acquaintances have them (meeting.py), who is together in a group included."""
    weights = facts.meetings.weights(facts.people)
    for room in facts.rooms:
        mine = [name for name in room.people if name in facts.people]
        for place, one in enumerate(mine):
            for other in mine[place + 1 :]:
                weights[one, other] = weights.get((one, other), 0.0) + room.weight
    return communities.circles({pair: weight / (weight + HALF) for pair, weight in weights.items() if weight > 0})


def _read(conn: Connection, viewer: str, person_ids: Sequence[str]) -> dict[str, naming.Person]:
    found = {}
    for row in conn.execute(_PEOPLE, asked(viewer, person_ids)):
        try:
            shown = _projection(row.projection) if row.projection is not None else None
        except msgspec.MsgspecError:
            shown = None  # a page shows it as damaged; it can be a member all the same
        found[row.id] = naming.Person(row.name, () if shown is None else tuple(_traits(shown)))
    return found


def _traits(shown: Projection) -> list[Trait]:
    found = [Trait("ORGANIZATION", fold(one.name), one.name) for one in shown.organizations if fold(one.name)]
    for email in shown.emails:
        owner = mailbox(email.address or email.raw)
        if owner is not None and not owner.free:
            found.append(Trait("DOMAIN", owner.domain, owner.domain))
    return found + [Trait("PLACE", fold(one.locality), one.locality) for one in shown.addresses if one.locality]


def _besides(facts: Facts, standing: Mapping[str, Standing]) -> dict[str, list[Trait]]:
    """What is known of people beyond their own cards: the groups they are in, what they speak of."""
    found: dict[str, list[Trait]] = {}
    for room in facts.rooms:
        for name in room.people if room.name else ():
            found.setdefault(name, []).append(Trait("ROOM", room.id, room.name))
    for name, one in standing.items():
        topics = sorted(one.topics, key=lambda topic: (-topic.score, topic.name))[:TOPICS]
        found.setdefault(name, []).extend(Trait("TOPIC", topic.name, topic.name) for topic in topics)
    return found


def _identified(viewer: str, found: Sequence[Circle], called: Sequence[naming.Called], known: Sequence[Kept]) -> list[Kept]:
    """The circles as they are to be kept, with the ids and versions that follow from what was."""
    shares: list[tuple[int, str, int]] = []
    for number, one in enumerate(found):
        for old in known:
            common = len(one.members.keys() & old.members.keys())
            if 2 * common > len(old.members):
                shares.append((-common, old.id, number))
    had: dict[int, str] = {}
    for _, circle_id, number in sorted(shares):
        if number not in had and circle_id not in had.values():
            had[number] = circle_id
    before = {old.id: old for old in known}
    taken = {*before}
    kept = []
    for number, (one, name) in enumerate(zip(found, called, strict=True)):
        circle_id = had.get(number) or _new_id(viewer, one, taken)
        taken.add(circle_id)
        was = before.get(circle_id)
        same = was is not None and (was.name, was.commonality, was.members.keys()) == (*name, one.members.keys())
        version = 1 if was is None else was.version if same else was.version + 1
        kept.append(Kept(circle_id, name.name, name.commonality, version, one.members))
    return kept


def _new_id(viewer: str, one: Circle, taken: Collection[str]) -> str:
    """The id of a circle that was not there before: it follows from who founds it."""
    again: list[str] = []
    while (circle_id := ids.derive("CIRCLE", viewer, *sorted(one.members), *again)) in taken:
        again.append("")
    return circle_id


def _put(conn: Connection, viewer: str, new: Kept, old: Kept | None, accounts: Collection[str], now: datetime) -> bool:
    there = conn.execute(select(sa.func.count()).where(account.c.viewer_id == viewer, account.c.id.in_(accounts))).scalar_one()
    if there != len(accounts):
        return False
    recorder = Recorder(now, origin="SYSTEM")
    told = old is None or old.version != new.version  # who is more central than whom ages, and clients need not know
    circles.put(conn, viewer, new, recorder if told else None)
    recorder.flush(conn, viewer)
    return True


def _drop(conn: Connection, viewer: str, circle_id: str, now: datetime) -> None:
    recorder = Recorder(now, origin="SYSTEM")
    circles.drop(conn, viewer, circle_id, recorder)
    recorder.flush(conn, viewer)
