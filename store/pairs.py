"""Which people look like which others, as it was found last, and whose likenesses are to be looked for again.

A pair is written once, the smaller id first. What is found of it is told as a change of both people. Knows nothing of what likeness is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from store import ids, suggestions
from store.among import VIEWER, among, asked, each
from store.feed import Recorder
from store.rows import insert
from store.tables import clue, look_alike, person, unpaired
from store.upserts import insert_into

JOB: Final = "pair"  # looks at whoever is marked, once long syncs are through
SAMPLE: Final = 1_000  # people that are counted one by one
CROWD: Final = 40  # people who share a key: more of them, and it says nothing of any
_L: Final = look_alike.c
_NEXT: Final = (
    select(unpaired.c.person_id)
    .where(unpaired.c.viewer_id == VIEWER, unpaired.c.met == sa.bindparam("met", type_=sa.Boolean))
    .order_by(unpaired.c.person_id)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_BOTH: Final = (
    select(unpaired.c.met, unpaired.c.person_id)
    .where(unpaired.c.viewer_id == VIEWER)
    .order_by(unpaired.c.met, unpaired.c.person_id)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_WAITING: Final = select(unpaired.c.person_id).where(among(unpaired.c.person_id))
_LIVES: Final = sa.and_(person.c.viewer_id == VIEWER, person.c.redirect_to.is_(None))
_LIVING: Final = select(sa.func.count()).select_from(person).where(_LIVES)
_LAST_OF_SAMPLE: Final = (
    select(person.c.id).where(_LIVES).order_by(person.c.id).offset(sa.bindparam("before", type_=sa.Integer)).limit(1)
)
FEW: Final = 64  # people with one key who are counted one by one; more than a CROWD


def _having(listed: sa.TableValuedAlias) -> sa.Select[Any]:
    return select(clue.c.person_id).where(clue.c.viewer_id == VIEWER, clue.c.key == listed.c.value).correlate(listed)


def _counting(listed: sa.TableValuedAlias) -> sa.Select[Any]:
    """Of each key how many have it, no more than FEW are counted, and the last of that many: a crowd is not walked through."""
    having = _having(listed)
    few = having.limit(FEW).subquery("few")
    number = select(sa.func.count()).select_from(few).scalar_subquery()
    last = having.order_by(clue.c.person_id).offset(FEW - 1).limit(1).scalar_subquery()
    return select(listed.c.value.label("key"), number.label("n"), last.label("last"))


def _counting_at_once(listed: sa.TableValuedAlias) -> sa.Select[Any]:
    """The same in one walk, and who has a key that is no crowd's: PostgreSQL has arrays."""
    first = _having(listed).order_by(clue.c.person_id).limit(FEW).subquery("first")
    n, p = sa.func.count(), first.c.person_id
    whose = sa.case((n.between(2, CROWD), sa.func.array_agg(p)))
    few = (
        select(n.label("n"), sa.case((n == FEW, sa.func.max(p))).label("last"), whose.label("whose"))
        .select_from(first)
        .lateral("few")
    )
    return select(listed.c.value.label("key"), few.c.n, few.c.last, few.c.whose).select_from(sa.join(listed, few, sa.true()))


_COUNTED: Final = {
    dialect: (_counting_at_once if dialect == "postgresql" else _counting)(listed)
    for dialect, listed in each(sa.BigInteger()).items()
}
_HAVING: Final = select(clue.c.key, clue.c.person_id).where(among(clue.c.key))
_DONE: Final = sa.delete(unpaired).where(among(unpaired.c.person_id))
_DROP: Final = sa.delete(look_alike).where(
    _L.viewer_id == VIEWER, _L.left_id == sa.bindparam("one"), _L.right_id == sa.bindparam("other")
)
_DROP_CLUES: Final = sa.delete(clue).where(among(clue.c.person_id))
_DROP_CLUE: Final = sa.delete(clue).where(
    clue.c.viewer_id == VIEWER, clue.c.key == sa.bindparam("which"), clue.c.person_id == sa.bindparam("whose")
)
_theirs: Final = clue.alias("theirs")
# on SQLite by their rows: of what the primary key has by itself it would walk through all of a viewer's
_CLUES: Final = {
    "sqlite": select(clue.c.person_id, clue.c.key).where(
        sa.literal_column("clue.rowid").in_(
            select(sa.literal_column("theirs.rowid")).select_from(_theirs).where(among(_theirs.c.person_id))
        )
    ),
    "postgresql": select(clue.c.person_id, clue.c.key).where(among(clue.c.person_id)),
}
# each side by its index: of both at once SQLite walks through all that the viewer has
_TOUCHING: Final = sa.union(*(select(look_alike).where(among(side)) for side in (_L.left_id, _L.right_id)))
_SHOW: Final = (
    sa.update(person)
    .where(among(person.c.id), person.c.redirect_to.is_(None))
    .values(version=person.c.version + 1)
    .returning(person.c.id, person.c.version)
)
FIELDS: Final = ("impersonates", "lookAlikes")


@cache
def _marking(dialect: str) -> Any:
    new = insert_into(unpaired, dialect)
    return new.on_conflict_do_update(index_elements=["viewer_id", "person_id"], set_={"met": new.excluded.met})


def mark(conn: Connection, viewer: str, person_ids: Collection[str]) -> None:
    """Have these people's likenesses looked for again."""
    _mark(conn, viewer, person_ids, met=False)


def _mark(conn: Connection, viewer: str, person_ids: Collection[str], *, met: bool) -> None:
    insert(conn, _marking(conn.dialect.name), [{"viewer_id": viewer, "person_id": p, "met": met} for p in sorted(person_ids)])


def marked(conn: Connection, viewer: str, limit: int, *, met: bool) -> list[str]:
    """The next people to be looked at, of those whose keys are known, or are not."""
    return list(conn.execute(_NEXT, {"viewer": viewer, "met": met, "most": limit}).scalars())


def next_marked(conn: Connection, viewer: str, limit: int) -> tuple[list[str], list[str]]:
    """The next people to be looked at: those whose keys are not known yet, and, as far as there is room behind them, the others."""
    found: tuple[list[str], list[str]] = ([], [])
    for row in conn.execute(_BOTH, {"viewer": viewer, "most": limit}):
        found[row.met].append(row.person_id)
    return found


def waiting(conn: Connection, viewer: str, person_ids: Collection[str]) -> set[str]:
    """Who of these is still to be looked at."""
    return set(conn.execute(_WAITING, asked(viewer, person_ids)).scalars())


def meet(conn: Connection, viewer: str, keys: Mapping[str, Collection[int]]) -> None:
    """The keys by which people meet (none for whoever is no more), in place of those that were known of them; they are looked at next."""
    known = {(row.person_id, row.key) for row in conn.execute(_CLUES[conn.dialect.name], asked(viewer, keys))}
    wanted = {(p, key) for p, each in keys.items() for key in each}
    if gone := sorted(known - wanted):
        conn.execute(_DROP_CLUE, [{"viewer": viewer, "which": key, "whose": p} for p, key in gone])
    insert(conn, clue, [{"viewer_id": viewer, "key": key, "person_id": p} for p, key in sorted(wanted - known)])
    _mark(conn, viewer, keys, met=True)


def counted(conn: Connection, viewer: str, keys: Collection[int]) -> dict[int, int]:
    """How many people have each of these keys; of FEW or more about how many, as `total` does: one in eight more or less.

    One changed contact asks this of every word of its name, and of a common one half of all people would be counted.
    """
    return {row.key: _about(row) for row in _counted(conn, viewer, keys)}


def around(
    conn: Connection, viewer: str, keys: Collection[int], by: Collection[int]
) -> tuple[dict[int, int], dict[int, list[str]]]:
    """`counted`, and of those keys `by` which people meet who has them (`meeting`); on PostgreSQL one statement."""
    rows = _counted(conn, viewer, keys)
    counts = {row.key: _about(row) for row in rows}
    if conn.dialect.name == "postgresql":
        return counts, {row.key: row.whose for row in rows if row.whose is not None and row.key in by}
    return counts, meeting(conn, viewer, {key: count for key, count in counts.items() if key in by})


def _counted(conn: Connection, viewer: str, keys: Collection[int]) -> list[Any]:
    rows = conn.execute(_COUNTED[conn.dialect.name], asked(viewer, keys)) if keys else ()
    return [row for row in rows if row.n]


def _about(row: Any) -> int:
    return int(row.n if row.last is None else max(row.n, round((FEW - 1) / ids.place(row.last))))


def total(conn: Connection, viewer: str, sample: int = SAMPLE) -> int:
    """How many people there are; of more than `sample` about how many, as that many say by where the last of them stands.

    One changed contact asks this, and a count walks through everybody. Ids stand evenly, so that the k-th of them tells the number to one in the root
    of k (Bar-Yossef et al., "Counting Distinct Elements in a Data Stream", RANDOM 2002, §2): 3 per cent, where its logarithm is asked for.
    """
    last = conn.execute(_LAST_OF_SAMPLE, {"viewer": viewer, "before": sample - 1}).scalar()
    return int(conn.execute(_LIVING, {"viewer": viewer}).scalar_one()) if last is None else round((sample - 1) / ids.place(last))


def meeting(conn: Connection, viewer: str, counts: Mapping[int, int]) -> dict[int, list[str]]:
    """Who has each of these keys, of which one knows how many have it; a crowd is nobody."""
    few = [key for key, count in counts.items() if 1 < count <= CROWD]
    found: dict[int, list[str]] = {}
    for row in conn.execute(_HAVING, asked(viewer, few)) if few else ():
        found.setdefault(row.key, []).append(row.person_id)
    return found


def write(
    conn: Connection,
    viewer: str,
    seen: Collection[str],
    later: Collection[tuple[str, str]],
    found: Sequence[dict[str, Any]],
    recorder: Recorder,
) -> None:
    """What was found of people in place of what was known of them; of pairs that are compared `later` it is known until then."""
    known = {(row.left_id, row.right_id): row._mapping for row in conn.execute(_TOUCHING, asked(viewer, seen))}
    old = {pair: row for pair, row in known.items() if pair not in later}
    new = {(row["left_id"], row["right_id"]): {"viewer_id": viewer, **row} for row in found}
    gone = [pair for pair in old if pair not in new or dict(old[pair]) != new[pair]]
    fresh = [pair for pair in new if pair not in old or dict(old[pair]) != new[pair]]
    _drop(conn, viewer, gone)
    insert(conn, look_alike, [new[pair] for pair in fresh])
    _tell(conn, viewer, {person_id for pair in (*gone, *fresh) for person_id in pair}, recorder)
    conn.execute(_DONE, asked(viewer, seen))


def forget(conn: Connection, viewer: str, person_id: str, recorder: Recorder) -> None:
    """A person is gone, and whatever was kept of whom they look like."""
    asked_for = asked(viewer, [person_id])
    pairs = [(row.left_id, row.right_id) for row in conn.execute(_TOUCHING, asked_for)]
    _drop(conn, viewer, pairs)
    for statement in (_DROP_CLUES, _DONE):
        conn.execute(statement, asked_for)
    suggestions.forget(conn, viewer, person_id, recorder)
    _tell(conn, viewer, {other for pair in pairs for other in pair} - {person_id}, recorder)


def doubt(conn: Connection, viewer: str, person_ids: Collection[str], recorder: Recorder) -> None:
    """Records of these people are gone: what was found by them is forgotten at once, and looked for again."""
    pairs = [(row.left_id, row.right_id) for row in conn.execute(_TOUCHING, asked(viewer, person_ids))]
    _drop(conn, viewer, pairs)
    _tell(conn, viewer, {person_id for two in pairs for person_id in two}, recorder)
    suggestions.doubt(conn, viewer, person_ids)
    mark(conn, viewer, person_ids)


def _drop(conn: Connection, viewer: str, pairs: Collection[tuple[str, str]]) -> None:
    if pairs:
        conn.execute(_DROP, [{"viewer": viewer, "one": left, "other": right} for left, right in pairs])


def _tell(conn: Connection, viewer: str, person_ids: Collection[str], recorder: Recorder) -> None:
    if person_ids:
        for row in conn.execute(_SHOW, asked(viewer, person_ids)).all():
            recorder.upsert("PERSON", row.id, row.version, fields=FIELDS)
