"""Placing people in lists by how close they are: whoever is marked is reckoned again, in small steps.

A step is one transaction, and takes its marks before it reads: what is committed meanwhile has set them again. Whoever takes the work up
after a crash finds every mark that was not worked off. A place is of the moment at which it was reckoned; since scores age, everybody is
marked once a day.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from resolvers.relationship import reading
from resolvers.relationship.closeness import SEEN_BACK, Exchanged, closeness
from store import places
from store.database import Database
from store.places import Place

STEP: Final = 50  # people


async def place(database: Database, viewer: str, now: datetime) -> None:
    """Place whoever is marked."""
    while await database.write_behind(viewer, step, now):
        pass


async def place_everybody(database: Database, viewer: str, now: datetime) -> None:
    """Mark everybody, and place them."""
    after: str | None = ""
    while after is not None:
        after = await database.write_behind(viewer, places.mark_next, after)
        await place(database, viewer, now)


def step(conn: Connection, viewer: str, now: datetime) -> bool:
    """Place some of those who are marked; False when there are none that can be taken."""
    taken = places.take(conn, viewer, STEP)
    if not taken:
        return False
    found = reading.exchanged(conn, viewer, taken, now - SEEN_BACK)
    close = {person_id: closeness(found.get(person_id, Exchanged()), now) for person_id in taken}
    places.put(conn, viewer, {person_id: Place(one.score, one.trend) for person_id, one in close.items()})
    return True
