"""The picture drawn anew: read, reckoned, written in slices, shown when all of it is there."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from resolvers.circles import drawing as circles
from resolvers.influence import finding, reading, weighing
from resolvers.influence.meeting import Acquaintance
from resolvers.influence.weighing import Standing
from store import leases, places, standings
from store.database import Database
from store.tables import account

SOON: Final = timedelta(minutes=2)
EVERY: Final = timedelta(hours=1)
PEOPLE: Final = 100  # whose rows one transaction writes, with up to fifty acquaintances each
_encode: Final = msgspec.msgpack.Encoder().encode


def ask(conn: Connection, viewer: str, now: datetime) -> None:
    """Have a picture drawn once what arrives has come to rest: the first soon, later ones EVERY so often."""
    last = standings.computed_at(conn, viewer)
    due = now + SOON if last is None else max(now + SOON, last + EVERY)
    leases.enqueue(conn, viewer, standings.JOB, viewer, now, due=due)


async def draw(database: Database, viewer: str, now: datetime) -> int:
    """Weigh everybody of a viewer's; how many there were. Whoever dies in between has changed nothing that is shown."""
    accounts = await database.read(viewer, linked)
    facts = await reading.read(database, viewer, now)
    standing, known = await asyncio.to_thread(_reckoned, facts)
    run = await database.read(viewer, standings.begin)
    people = sorted(standing)
    for first in range(0, len(people), PEOPLE):
        part = people[first : first + PEOPLE]
        rows = [_standing(person, standing[person]) for person in part]
        others = [_known(person, one) for person in part for one in known.get(person, ())]
        await database.write_behind(viewer, standings.write, run, rows, others)
    drawn = await circles.draw(database, viewer, facts, standing, accounts, now)
    if not drawn or not await database.write_behind(viewer, show, run, accounts, now):
        await database.write_behind(viewer, ask, now)
    await place(database, viewer)
    while await database.write_behind(viewer, standings.forget_others):
        pass
    return len(people)


async def place(database: Database, viewer: str) -> None:
    """Have the picture that is shown, or that none is, decide where people stand in lists by influence, and by which topics they are found."""
    for follow in (places.follow_picture, finding.follow_picture):
        after: str | None = ""
        while after is not None:
            after = await database.write_behind(viewer, follow, after)


def linked(conn: Connection, viewer: str) -> frozenset[str]:
    """The ids of a viewer's accounts."""
    return frozenset(conn.execute(select(account.c.id).where(account.c.viewer_id == viewer)).scalars())


def show(conn: Connection, viewer: str, run: int, accounts: frozenset[str], now: datetime) -> bool:
    """Show a picture, unless one of the accounts that it was drawn from is gone by now; whether it is shown."""
    if accounts - linked(conn, viewer):
        return False
    standings.show(conn, viewer, run, now)
    return True


def _reckoned(facts: reading.Facts) -> tuple[dict[str, Standing], dict[str, list[Acquaintance]]]:
    return weighing.weigh(facts.people, facts.acts, facts.items.values()), facts.meetings.of(facts.people)


def _standing(person: str, standing: Standing) -> dict[str, Any]:
    return {"person_id": person, "score": standing.score, "percentile": standing.percentile, "parts": _encode(standing)}


def _known(person: str, one: Acquaintance) -> dict[str, Any]:
    return {"person_id": person, "other_id": one.other, "strength": one.strength, "sights": _encode(one.sights)}
