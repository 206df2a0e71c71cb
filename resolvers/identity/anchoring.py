"""Where the ids of people lead whose own record goes: to whoever the record belongs to that has been together with it the longest.

Every record mints an id, which leads to its person while it is there. Ids are handed out for ever, records go. What followed a record
that goes follows another one of the same person: of all that are left the one with which it was joined first, by the history of
decisions, so that an id does not stay with people who were only joined with it later and are parted again. Where nobody is left an
id leads nowhere, and leads there again once its record comes back, or the one that it followed last. Runs inside somebody's transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers.identity import documents
from store import anchors
from store.among import among, asked
from store.feed import Recorder
from store.tables import contact, decision, decision_contact, person

MAX_LEFT: Final = 100  # records of one person among which the next to follow is looked for, the oldest
_mine, _other = decision_contact.alias("mine"), decision_contact.alias("other")
_LEFT: Final = select(contact.c.id, contact.c.person_id).where(among(contact.c.person_id)).order_by(contact.c.born, contact.c.id)
_HISTORY: Final = (
    select(
        _mine.c.contact_id, _other.c.contact_id.label("other_id"), decision.c.number, decision.c.action,
        (_mine.c.person_id == _other.c.person_id).label("together"),
    )
    .join(_other, sa.and_(_other.c.viewer_id == _mine.c.viewer_id, _other.c.decision_id == _mine.c.decision_id))
    .join(decision, sa.and_(decision.c.viewer_id == _mine.c.viewer_id, decision.c.id == _mine.c.decision_id))
    .where(among(_mine.c.contact_id), among(_other.c.contact_id, "left"))
    .where(_mine.c.person_id.is_not(None), _other.c.person_id.is_not(None))
)  # fmt: skip
_ROWS: Final = select(person.c.id, person.c.redirect_to).where(among(person.c.id))
_LIVE: Final = sa.update(person).where(among(person.c.id)).values(redirect_to=None)
_SHOW: Final = (
    sa.update(person).where(among(person.c.id)).values(version=person.c.version + 1).returning(person.c.id, person.c.version)
)


def let_go(conn: Connection, viewer: str, gone: Mapping[str, tuple[str, str]]) -> None:
    """Records are about to go, or to be nobody's: what follows them follows others. `gone` gives the person and the minted id of each."""
    left: dict[str, list[str]] = defaultdict(list)
    for row in conn.execute(_LEFT, asked(viewer, {person_id for person_id, _ in gone.values()})):
        if row.id not in gone and len(left[row.person_id]) < MAX_LEFT:
            left[row.person_id].append(row.id)
    leaving = {c: left[person_id] for c, (person_id, _) in gone.items() if person_id in left}
    if not leaving:
        return
    next_of = _together_longest(conn, viewer, leaving)
    followed = {minted: next_of[c] for c, (_, minted) in gone.items() if c in next_of}
    followed |= {person_id: next_of[c] for person_id, c in anchors.at(conn, viewer, leaving).items()}
    anchors.put(conn, viewer, followed)


def _together_longest(conn: Connection, viewer: str, leaving: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Of each record the one among these others, oldest first, that was joined with it before all others."""
    chosen = {c: others[0] for c, others in leaving.items()}
    open_to = {c for c, others in leaving.items() if len(others) > 1}
    if not open_to:
        return chosen
    joined: dict[tuple[str, str], float] = {}  # when last
    together: dict[tuple[str, str], float] = {}  # since when at least, of those of whose joining nothing is kept
    for row in conn.execute(_HISTORY, asked(viewer, open_to, left={o for c in open_to for o in leaving[c]})):
        both = (row.contact_id, row.other_id)
        if row.together:
            together[both] = min(row.number, together.get(both, row.number))
        elif row.action == "MERGED":
            joined[both] = max(row.number, joined.get(both, row.number))

    def since(one: str, other: str) -> float:
        return joined.get((one, other), together.get((one, other), float("inf")) - 0.5)  # before what tells of it

    return chosen | {c: min(leaving[c], key=lambda other: since(c, other)) for c in sorted(open_to)}


def come_back(conn: Connection, viewer: str, minted: Mapping[str, str], recorder: Recorder) -> tuple[set[str], dict[str, str]]:
    """Records are there, or somebody's, for the first time or again: `minted` gives the id of each, which leads to them from here on.

    Returns which of these ids were known, and the ids that followed these records until nobody was left, each with whom it is to lead to
    again; the caller writes them and rebuilds the people.
    """
    anchors.free(conn, viewer, minted.values())
    led = {row.id: row.redirect_to for row in conn.execute(_ROWS, asked(viewer, minted.values()))}
    parted: dict[str, list[str]] = defaultdict(list)
    for person_id, origin in sorted(led.items()):
        if origin is not None:
            parted[origin].append(person_id)
    if parted:
        conn.execute(_LIVE, asked(viewer, {p for parts in parted.values() for p in parts}))
        for origin, parts in parted.items():
            recorder.split("PERSON", origin, [origin, *parts])
        for row in conn.execute(_SHOW, asked(viewer, parted)).all():
            recorder.upsert("PERSON", row.id, row.version)
        documents.renew(conn, viewer, parted)
    again: dict[str, list[str]] = defaultdict(list)
    for person_id, contact_id in anchors.at(conn, viewer, minted).items():
        again[minted[contact_id]].append(person_id)
    for survivor, followers in again.items():
        recorder.merge("PERSON", survivor, followers)
    return set(led), {person_id: survivor for survivor, followers in again.items() for person_id in followers}
