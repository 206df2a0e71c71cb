"""Look for whom people look like: those marked since they changed, and whoever meets them by a key; nobody else.

A step reads some marked people with all whom they meet, compares outside any transaction, and writes only if the records that it read
are still the records. A key that a crowd shares leads to nobody. What two people are alike in follows from the two alone, so the order
of steps does not matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from providers import records
from resolvers.identity import disguises
from resolvers.identity.disguises import Bearing, Disguise
from store import locks, pairs
from store.among import among, asked
from store.database import Database
from store.feed import Recorder
from store.tables import contact, person

STEP: Final = 50  # people a step looks at
MAX_RECORDS: Final = 60  # of one person
MAX_TRIES: Final = 20
_record = msgspec.msgpack.Decoder(records.Contact).decode
_LIVING: Final = select(person.c.id).where(among(person.c.id), person.c.redirect_to.is_(None))
_RECORDS: Final = (
    select(contact.c.person_id, contact.c.id, contact.c.fingerprint, contact.c.record)
    .where(among(contact.c.person_id))
    .order_by(contact.c.born, contact.c.id)
)
_PRINTS: Final = select(contact.c.person_id, contact.c.id, contact.c.fingerprint).where(among(contact.c.person_id))


class Neighbourhood(msgspec.Struct, frozen=True, kw_only=True):
    """Marked people, the keys of each (of those that are no more none), whom they meet, and the records that this rests on."""

    marked: tuple[str, ...]
    keys: Mapping[str, frozenset[int]]
    bearings: Mapping[str, Bearing]
    meeting: Collection[tuple[str, str]]  # the smaller id first
    prints: Mapping[str, frozenset[tuple[str, bytes]]]

    def alike(self) -> list[tuple[str, str, Disguise]]:
        """Who looks like whom."""
        found = ((a, b, disguises.disguise(self.bearings[a], self.bearings[b])) for a, b in sorted(self.meeting))
        return [(a, b, seen) for a, b, seen in found if seen is not None]


async def pair(database: Database, viewer: str, now: datetime, *, step: int = STEP) -> int:
    """Work off all people that are marked; returns how many were looked at. Raises nothing but the database's errors."""
    seen = tries = 0
    while tries < MAX_TRIES:
        near = await database.read(viewer, read_neighbourhood, step)
        if not near.marked:
            break
        if await database.write_behind(viewer, write_alike, near, near.alike(), now):
            seen += len(near.marked)
            tries = 0
        else:
            tries += 1  # somebody wrote meanwhile: read again
    return seen


def read_neighbourhood(conn: Connection, viewer: str, step: int) -> Neighbourhood:
    """The next marked people with whomever they meet, in one snapshot."""
    marked = pairs.marked(conn, viewer, step)
    living = set(conn.execute(_LIVING, asked(viewer, marked)).scalars())
    bearings, prints = _bearings(conn, viewer, living)
    keys = {p: frozenset(map(_key, disguises.clues(bearings[p]))) if p in bearings else frozenset() for p in marked}
    stored = pairs.meeting(conn, viewer, {key for each in keys.values() for key in each}, marked)
    met = _met(keys, stored)
    others, their_prints = _bearings(conn, viewer, {p for two in met for p in two} - set(marked))
    bearings |= others
    return Neighbourhood(
        marked=tuple(marked), keys=keys, bearings=bearings, meeting=[two for two in met if bearings.keys() >= set(two)],
        prints=prints | their_prints,
    )  # fmt: skip


def _met(keys: Mapping[str, Collection[int]], stored: Mapping[int, Sequence[str]]) -> set[tuple[str, str]]:
    """The pairs with a key in common of which one at least is marked; a key of too many, old and new together, makes none."""
    by_key: dict[int, list[str]] = {}
    for person_id, each in keys.items():
        for key in each:
            by_key.setdefault(key, []).append(person_id)
    met: set[tuple[str, str]] = set()
    for key, mine in by_key.items():
        all_ = [*mine, *stored.get(key, ())]
        if len(all_) <= pairs.CROWD:
            met |= {(min(a, b), max(a, b)) for a in mine for b in all_ if a != b}
    return met


def _bearings(
    conn: Connection, viewer: str, person_ids: Collection[str]
) -> tuple[dict[str, Bearing], dict[str, frozenset[tuple[str, bytes]]]]:
    cards: dict[str, list[records.Contact]] = {}
    prints: dict[str, set[tuple[str, bytes]]] = {}
    for row in conn.execute(_RECORDS, asked(viewer, person_ids)) if person_ids else ():
        prints.setdefault(row.person_id, set()).add((row.id, row.fingerprint))
        mine = cards.setdefault(row.person_id, [])
        if len(mine) < MAX_RECORDS and (card := _readable(row)) is not None:
            mine.append(card)
    return {p: disguises.bearing(mine) for p, mine in cards.items()}, {p: frozenset(mine) for p, mine in prints.items()}


def _readable(row: Any) -> records.Contact | None:
    try:
        return _record(row.record)
    except msgspec.MsgspecError:
        return None  # the contact itself says that it is damaged


def _key(clue: str) -> int:
    """A clue as it is kept: 8 bytes of it."""
    return int.from_bytes(hashlib.blake2b(clue.encode("utf-8", "surrogatepass"), digest_size=8).digest(), signed=True)


def write_alike(
    conn: Connection, viewer: str, near: Neighbourhood, alike: Sequence[tuple[str, str, Disguise]], now: datetime
) -> bool:
    """Write what was found if what it rests on is still so; False when it is not."""
    locks.people(conn, viewer)
    everybody = [*near.marked, *(p for two in near.meeting for p in two)]
    present: dict[str, set[tuple[str, bytes]]] = {}
    for row in conn.execute(_PRINTS, asked(viewer, everybody)):
        present.setdefault(row.person_id, set()).add((row.id, row.fingerprint))
    if {p: frozenset(mine) for p, mine in present.items()} != {p: near.prints[p] for p in set(everybody) if p in near.prints}:
        return False
    rows = [
        {"left_id": a, "right_id": b, "kind": seen.kind, "manner": seen.manner, "left": seen.left, "right": seen.right}
        for a, b, seen in alike
    ]
    recorder = Recorder(now, origin="IDENTITY")
    pairs.write(conn, viewer, near.keys, rows, recorder)
    recorder.flush(conn, viewer)
    return True
