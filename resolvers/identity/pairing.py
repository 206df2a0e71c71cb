"""Look for whom people look like and who may be one: people marked since they changed, and whoever meets them by a key; nobody else.

First the keys of all marked people are written (of a few by whoever grouped them), so that it does not matter who came first; then a
step reads some of them with all whom they meet, compares outside any transaction, and writes only if the records that it read are still
the records. A key that a crowd shares leads to nobody. How rare a name or an employer is was counted when a pair was last looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.identity import decisions, disguises, meeting_keys, memory, pictures
from resolvers.identity.carding import facts_of
from resolvers.identity.cards import Facts
from resolvers.identity.disguises import Bearing, Disguise
from resolvers.identity.features import NAMES, Frequencies, features
from resolvers.identity.grounds import grounds
from resolvers.identity.scoring import at_best, dot, rival_score, weights
from resolvers.identity.verdicts import Pair
from resolvers.identity.wholes import Whole, whole
from store import locks, pairs, suggestions
from store.among import Those, among, asked, those
from store.database import Database
from store.feed import Recorder
from store.suggestions import SHOWN, Weighed
from store.tables import account, contact, photo_look

STEP: Final = 50  # people a step looks at
FEW: Final = 8  # people whose keys are written by whoever says who they are
KEYED: Final = 200  # people whose keys one transaction writes
MAX_RECORDS: Final = 60  # of one person
MAX_TRIES: Final = 20
KEPT: Final = -6.0  # log-odds of a pair by itself below which it is nobody's rival
#: Keys of suggestions by which too many meet, or that the others bring along.
UNASKED: Final = frozenset({"single", "prefix", "start", "bones", "pet"})
_encode = msgspec.msgpack.Encoder().encode
_record = msgspec.msgpack.Decoder(records.Contact).decode


def _records(them: Those) -> sa.Select[Any]:
    c = them.of.c
    return (
        select(c.person_id, c.id, c.account_id, c.fingerprint, c.photo_hash, c.record, account.c.provider,
               photo_look.c.hash.label("looked_at"), photo_look.c.look)
        .select_from(them.rows)
        .join(account, sa.and_(account.c.viewer_id == c.viewer_id, account.c.id == c.account_id))
        .outerjoin(photo_look, sa.and_(photo_look.c.viewer_id == c.viewer_id, photo_look.c.hash == c.photo_hash))
        .where(them.are)
        .order_by(c.born, c.id)
    )  # fmt: skip


_RECORDS: Final = {dialect: _records(them) for dialect, them in those(contact.c.person_id).items()}
_PRINTS: Final = select(contact.c.person_id, contact.c.id, contact.c.fingerprint).where(among(contact.c.person_id))
Prints = Mapping[str, frozenset[tuple[str, bytes]]]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """People as they are compared, the records that this rests on, and which of their photos nobody has looked at."""

    bearings: Mapping[str, Bearing]
    wholes: Mapping[str, Whole]
    prints: Prints
    unseen: frozenset[str] = frozenset()


class Neighbourhood(msgspec.Struct, frozen=True, kw_only=True):
    """Marked people and whom they meet (the smaller id first), with what counts for all of them.

    `later` are pairs whose greater one is marked as well and has its turn in a step to come: they are compared then, and once.
    """

    marked: tuple[str, ...]
    known: Known
    meeting: Collection[Pair]
    later: frozenset[Pair]
    seen: Frequencies
    never: frozenset[Pair]

    def alike(self) -> list[tuple[str, str, Disguise]]:
        """Who looks like whom."""
        of = self.known.bearings
        found = ((a, b, disguises.disguise(of[a], of[b])) for a, b in sorted(self.meeting))
        return [(a, b, seen) for a, b, seen in found if seen is not None]

    def weighed(self, alike: Iterable[tuple[str, str, Disguise]]) -> dict[Pair, Weighed]:
        """Who may be one person: whoever seems to pose as another is not asked about."""
        posing = {(a, b) for a, b, seen in alike if seen.strong}
        learnt = weights()
        found: dict[Pair, Weighed] = {}
        for two in sorted(set(self.meeting) - posing):
            a, b = (self.known.wholes[p] for p in two)
            values = features(a, b, self.seen)
            own = dot(learnt.pair, NAMES, values)
            if own > KEPT:
                never = any(pair in self.never for pair in _across(a, b))
                # what is never shown, however weak its rivals are, needs no reasons: they are most of what is kept
                said = _encode(grounds(a, b, values, self.seen, learnt)) if never or at_best(own, learnt) >= SHOWN else b""
                found[two] = Weighed(own=round(own, 6), grounds=said, never=never)
        return found


def _across(a: Whole, b: Whole) -> Iterable[Pair]:
    return (((x, y) if x < y else (y, x)) for x in a.members for y in b.members)


def look_again(conn: Connection, viewer: str, person_ids: Collection[str]) -> None:
    """Have these people's likenesses looked for again; of few of them the keys are written at once, by what their records say now."""
    known = _known(conn, viewer, person_ids) if len(person_ids) <= FEW else None
    if known is None or known.unseen:  # photos are looked at outside any transaction
        pairs.mark(conn, viewer, person_ids)
    else:
        pairs.meet(conn, viewer, {p: keys_of(known, p) for p in person_ids})


async def pair(
    database: Database, viewer: str, now: datetime, *, step: int = STEP, later: Callable[[Connection, str], bool] | None = None
) -> int:
    """Work off all people that are marked; returns how many were looked at. Raises nothing but the database's errors.

    `later` is asked before each step: what is left waits then for another time.
    """
    seen = tries = 0
    while tries < MAX_TRIES:
        if later is not None and await database.read(viewer, later):
            break
        near = await database.read(viewer, read_next, step)
        if not isinstance(near, Neighbourhood):
            person_ids, known = near
            if known.unseen:
                await pictures.look_at(database, viewer, known.unseen)
                continue
            memory.compared(len(person_ids))
            keys = {p: keys_of(known, p) for p in person_ids}
            tries = 0 if await database.write_behind(viewer, write_keys, keys, known.prints) else tries + 1
            continue
        if not near.marked:
            break
        memory.compared(len(near.marked))
        alike = near.alike()
        if await database.write_behind(viewer, write_pairs, near, alike, near.weighed(alike), now):
            seen += len(near.marked)
            tries = 0
            if len(near.marked) < step:
                break  # those were all; whoever marks others meanwhile asks for another run
        else:
            tries += 1  # somebody wrote meanwhile: read again
    memory.rest()
    return seen


def read_next(conn: Connection, viewer: str, step: int) -> tuple[list[str], Known] | Neighbourhood:
    """The next people whose keys are not known, with their records; when there are none, the next to be compared."""
    unmet, met = pairs.next_marked(conn, viewer, max(KEYED, step))
    return (unmet[:KEYED], _known(conn, viewer, unmet[:KEYED])) if unmet else _neighbourhood(conn, viewer, met[:step], step)


def read_unmet(conn: Connection, viewer: str) -> tuple[list[str], Known]:
    """The next people whose keys are not known, with their records."""
    marked = pairs.marked(conn, viewer, KEYED, met=False)
    return marked, _known(conn, viewer, marked)


def write_keys(conn: Connection, viewer: str, keys: Mapping[str, Collection[int]], prints: Prints) -> bool:
    """Write the keys of people if what they rest on is still so; False when it is not."""
    locks.people(conn, viewer)
    if not _still(conn, viewer, keys, prints):
        return False
    pairs.meet(conn, viewer, keys)
    return True


def read_neighbourhood(conn: Connection, viewer: str, step: int) -> Neighbourhood:
    """The next marked people with whomever they meet, in one snapshot."""
    return _neighbourhood(conn, viewer, pairs.marked(conn, viewer, step, met=True), step)


def _neighbourhood(conn: Connection, viewer: str, marked: Sequence[str], step: int) -> Neighbourhood:
    if not marked:
        nobody = Known(bearings={}, wholes={}, prints={})
        return Neighbourhood(marked=(), known=nobody, meeting=(), later=frozenset(), seen=Frequencies(()), never=frozenset())
    mine = _known(conn, viewer, marked)  # whoever is no more has no records
    keys = {p: frozenset(map(_key, _clues(mine, p))) for p in mine.wholes}
    asked_by = {key for each in keys.values() for key in each}
    counts, by_key = pairs.around(conn, viewer, asked_by | _weighing(mine.wholes.values()).keys(), asked_by)
    met = {(min(a, b), max(a, b)) for a, each in keys.items() for key in each for b in by_key.get(key, ()) if a != b}
    # fewer than a step takes are all that are marked
    waiting = pairs.waiting(conn, viewer, {b for _, b in met} - set(marked)) if len(marked) == step else set()
    later = frozenset(two for two in met if two[1] in waiting)
    met -= later
    others = _known(conn, viewer, {p for two in met for p in two} - set(marked))
    known = Known(
        bearings={**mine.bearings, **others.bearings},
        wholes={**mine.wholes, **others.wholes},
        prints={**mine.prints, **others.prints},
    )
    meeting = [two for two in met if known.wholes.keys() >= set(two)]
    contacts = {c for two in meeting for p in two for c in known.wholes[p].members}
    never = decisions.said_of(conn, viewer, contacts).decisions.never if contacts else frozenset()
    everybody = {p: known.wholes[p] for two in meeting for p in two}.values()
    seen = _frequencies(conn, viewer, mine.wholes.values(), everybody, counts)
    return Neighbourhood(marked=tuple(marked), known=known, meeting=meeting, later=later, seen=seen, never=never)


def write_pairs(
    conn: Connection, viewer: str, near: Neighbourhood, alike: Sequence[tuple[str, str, Disguise]], weighed: Mapping[Pair, Weighed],
    now: datetime,
) -> bool:  # fmt: skip
    """Write what was found if what it rests on is still so; False when it is not."""
    locks.people(conn, viewer)
    everybody = {*near.marked, *(p for two in near.meeting for p in two)}
    if not _still(conn, viewer, everybody, near.known.prints):
        return False
    rows = [
        {"left_id": a, "right_id": b, "kind": seen.kind, "manner": seen.manner, "left": seen.left, "right": seen.right}
        for a, b, seen in alike
    ]
    recorder = Recorder(now, origin="IDENTITY")
    suggestions.write(conn, viewer, near.marked, near.later, weighed, partial(rival_score, weights()), recorder, now)
    pairs.write(conn, viewer, near.marked, near.later, rows, recorder)
    recorder.flush(conn, viewer)
    return True


# --- what is read -----------------------------------------------------------------------------------------------------------------


def _known(conn: Connection, viewer: str, person_ids: Collection[str]) -> Known:
    cards: dict[str, list[tuple[records.Contact, Facts]]] = {}
    prints: dict[str, set[tuple[str, bytes]]] = {}
    unseen: set[str] = set()
    for row in conn.execute(_RECORDS[conn.dialect.name], asked(viewer, person_ids)) if person_ids else ():
        prints.setdefault(row.person_id, set()).add((row.id, row.fingerprint))
        if row.photo_hash is not None and row.looked_at is None:
            unseen.add(row.photo_hash)
        mine = cards.setdefault(row.person_id, [])
        if len(mine) < MAX_RECORDS and (card := _readable(row)) is not None:
            mine.append((card, facts_of(row, card)))
    told = {p: mine for p, mine in cards.items() if mine}
    return Known(
        bearings={p: disguises.bearing(card for card, _ in mine) for p, mine in told.items()},
        wholes={p: whole(facts for _, facts in mine) for p, mine in told.items()},
        prints={p: frozenset(mine) for p, mine in prints.items()},
        unseen=frozenset(unseen),
    )


def _readable(row: Any) -> records.Contact | None:
    try:
        return _record(row.record)
    except msgspec.MsgspecError:
        return None  # the contact itself says that it is damaged


def _still(conn: Connection, viewer: str, person_ids: Collection[str], prints: Prints) -> bool:
    """Whether these people have the records that were read, kept so until the transaction ends by whoever groups people."""
    present: dict[str, set[tuple[str, bytes]]] = {}
    for row in conn.execute(_PRINTS, asked(viewer, person_ids)):
        present.setdefault(row.person_id, set()).add((row.id, row.fingerprint))
    return {p: frozenset(mine) for p, mine in present.items()} == {p: prints[p] for p in set(person_ids) if p in prints}


# --- keys -------------------------------------------------------------------------------------------------------------------------


def _clues(known: Known, person_id: str) -> set[str]:
    """By what somebody meets others."""
    asked_by = (f"{kind} {value}" for kind, value in meeting_keys.keys_of(known.wholes[person_id]) if kind not in UNASKED)
    return {*disguises.clues(known.bearings[person_id]), *(f"likely {key}" for key in asked_by)}


def keys_of(known: Known, person_id: str) -> frozenset[int]:
    """All keys that are kept of somebody: by what they meet others, and what is counted; none for whoever is no more."""
    if person_id not in known.wholes:
        return frozenset()
    return frozenset(map(_key, {*_clues(known, person_id), *_counted(known.wholes[person_id])}))


def _counted(one: Whole) -> Iterable[str]:
    for kind, values in _kinds(one):
        yield from (f"{kind} {value}" for value in values)


def _kinds(one: Whole) -> tuple[tuple[str, Collection[str]], ...]:
    return (
        ("tokens", one.tokens), ("full", one.keys), ("employers", one.employers), ("stems", one.stems), ("photos", one.photos), ("looks", one.looks),
    )  # fmt: skip


def _weighing(marked: Iterable[Whole]) -> dict[int, str]:
    """What marked people have of which it counts how rare it is, by key."""
    return {_key(text): text for one in marked for text in _counted(one)}


def _frequencies(
    conn: Connection, viewer: str, marked: Iterable[Whole], everybody: Iterable[Whole], counts: Mapping[int, int]
) -> Frequencies:
    """How often what marked people have (`counts`) occurs among all. What only those have whom they meet is not weighed, but for a full
    name and a picture."""
    seen = Frequencies(())
    seen.total = pairs.total(conn, viewer)
    wanted = _weighing(marked)
    everybodys = ((("full", one.keys), ("looks", one.looks)) for one in everybody)
    others = {
        _key(text): text for kinds in everybodys for kind, values in kinds for text in (f"{kind} {value}" for value in values)
    }
    more = pairs.counted(conn, viewer, others.keys() - wanted.keys())
    wanted |= others
    for key, text in wanted.items():
        if count := more.get(key) or counts.get(key):
            kind, _, value = text.partition(" ")
            getattr(seen, kind)[value] = count
    return seen


def _key(clue: str) -> int:
    """A clue as it is kept: 8 bytes of it."""
    return int.from_bytes(hashlib.blake2b(clue.encode("utf-8", "surrogatepass"), digest_size=8).digest(), signed=True)
