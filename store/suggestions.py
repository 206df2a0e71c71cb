"""Pairs of people who may be one, as they were weighed last, and what became of each.

A pair is written once, the smaller id first; its id derives from the two, so that it is the same whenever the pair comes up again. `own` is
what the two say by themselves, `score` how that stands to their rivals: pairs below what is shown are kept as rivals only (BELOW) and are
no nodes. Knows nothing of what is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store import ids
from store.among import VIEWER, among, asked
from store.feed import Recorder
from store.rows import insert
from store.tables import person, suggestion

SHOWN: Final = -2.0  # log-odds from which a pair is worth asking about: one in eight
VISIBLE: Final = frozenset({"OPEN", "ACCEPTED", "REJECTED", "OUTDATED"})
_S: Final = suggestion.c
# each side by its index: of both at once SQLite walks through all that the viewer has; who is on both sides comes twice
_TOUCHING: Final = sa.union_all(
    *(
        select(_S.id, _S.left_id, _S.right_id, _S.own, _S.score, _S.decision, _S.grounds, _S.version).where(among(side))
        for side in (_S.left_id, _S.right_id)
    )
)
_RIVALS: Final = sa.union_all(
    *(select(_S.left_id, _S.right_id, _S.own).where(among(side), _S.own.is_not(None)) for side in (_S.left_id, _S.right_id))
)
_DROP: Final = sa.delete(suggestion).where(among(_S.id))
_CHANGE: Final = (
    sa.update(suggestion)
    .where(_S.viewer_id == VIEWER, _S.id == sa.bindparam("node"))
    .values({name: sa.bindparam(f"new_{name}") for name in ("own", "score", "decision", "grounds", "version")})
)
_LIVING: Final = select(person.c.id).where(among(person.c.id), person.c.redirect_to.is_(None))
Pair = tuple[str, str]
#: Of each pair what it is worth by itself, and of which it is asked how that stands to the others.
Rank = Callable[[Mapping[Pair, float], Iterable[Pair]], Mapping[Pair, float]]


class Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """What a pair is worth by itself, why (as it is kept), and whether the viewer has said that they are two."""

    own: float
    grounds: bytes
    never: bool


def write(
    conn: Connection,
    viewer: str,
    marked: Collection[str],
    later: Collection[Pair],
    found: Mapping[Pair, Weighed],
    rank: Rank,
    recorder: Recorder,
    now: datetime,
) -> None:
    """Put what was found of marked people in place of what was known of them, and rank what they are rivals of anew.

    Pairs that are compared `later` stay what they are until then.
    """
    before = {(r.left_id, r.right_id): r for r in conn.execute(_TOUCHING, asked(viewer, marked))}
    near = {*marked, *(p for two in (*before, *found) for p in two)}
    rivals = {(r.left_id, r.right_id): r for r in conn.execute(_TOUCHING, asked(viewer, near))}
    around: dict[Pair, float] = {
        (left, right): worth for left, right, worth in conn.execute(_RIVALS, asked(viewer, near.union(*rivals)))
    }
    living = set(conn.execute(_LIVING, asked(viewer, near.union(*rivals, *around))).scalars())
    touched = set(marked)
    mine = {two for two in (*rivals, *found) if not touched.isdisjoint(two)}.difference(later)
    own = {two: worth for two, worth in around.items() if two not in mine and living.issuperset(two)}
    own |= {two: one.own for two, one in found.items()}
    settling = sorted({*found, *rivals})
    scores = rank(own, settling)
    settled = _Settled()
    for two in settling:
        row, new = rivals.get(two), found.get(two)
        never = new.never if new is not None else row is not None and row.decision == "REJECTED" and two not in mine
        lives = living.issuperset(two)
        _settle(settled, viewer, two, row, new, two in mine, own.get(two), scores.get(two), lives, never, recorder, now)
    settled.write(conn, viewer)


class _Settled:
    """What is to be written of pairs, by statement: one changed contact settles dozens of them."""

    def __init__(self) -> None:
        self.added: list[dict[str, Any]] = []
        self.changed: list[dict[str, Any]] = []
        self.gone: list[str] = []

    def write(self, conn: Connection, viewer: str) -> None:
        if self.gone:
            conn.execute(_DROP, asked(viewer, self.gone))
        if self.changed:
            conn.execute(_CHANGE, self.changed)
        insert(conn, suggestion, self.added)


def _settle(
    settled: _Settled, viewer: str, two: Pair, row: Any, new: Weighed | None, mine: bool, own: float | None, score: float | None,
    living: bool, never: bool, recorder: Recorder, now: datetime,
) -> None:  # fmt: skip
    """How one pair stands now."""
    shown = row is not None and row.decision in VISIBLE
    if not living:
        decision = row.decision if row is not None and row.decision == "ACCEPTED" else "OUTDATED" if shown else None
    elif never:
        decision = "REJECTED" if shown else "BELOW"
    elif score is not None and score >= SHOWN:
        decision = "OPEN"
    else:
        decision = "OUTDATED" if shown else "BELOW" if own is not None else None
    if decision is None:
        if row is not None:
            settled.gone.append(row.id)
        return
    grounds = (new.grounds if new is not None else b"" if mine else row.grounds) if living and decision != "OUTDATED" else b""
    values = {"own": own, "score": round(SHOWN if score is None else score, 6), "decision": decision, "grounds": grounds}
    if row is None:
        node_id = ids.derive("SUGGESTION", viewer, *two)
        version = 1
        settled.added.append(
            {"viewer_id": viewer, "id": node_id, "left_id": two[0], "right_id": two[1], "created_at": now, "version": 1, **values}
        )
    elif (row.own, row.score, row.decision, row.grounds) == tuple(values.values()):
        return
    else:
        node_id, version = row.id, row.version + 1
        settled.changed.append(
            {"viewer": viewer, "node": node_id, "new_version": version, **{f"new_{k}": v for k, v in values.items()}}
        )
    if decision in VISIBLE:
        recorder.upsert("MERGE_SUGGESTION", node_id, version, created=not shown)


def decide(conn: Connection, viewer: str, person_ids: Collection[str], decision: str, recorder: Recorder) -> None:
    """The viewer has said of all these people at once what they are: what was asked about any two of them is answered."""
    both = sa.and_(among(_S.left_id), among(_S.right_id), _S.decision.in_(VISIBLE), _S.decision != decision)
    said = sa.update(suggestion).where(both).values(decision=decision, version=_S.version + 1).returning(_S.id, _S.version)
    for row in conn.execute(said, asked(viewer, person_ids)).all():
        recorder.upsert("MERGE_SUGGESTION", row.id, row.version, fields=("decision",))


def forget(conn: Connection, viewer: str, person_id: str, recorder: Recorder) -> None:
    """A person is gone, and every question about them."""
    rows = conn.execute(_TOUCHING, asked(viewer, [person_id])).all()
    if not rows:
        return
    conn.execute(sa.delete(suggestion).where(_S.viewer_id == viewer, _S.id.in_([row.id for row in rows])))
    for row in rows:
        if row.decision in VISIBLE:
            recorder.delete("MERGE_SUGGESTION", row.id)


def doubt(conn: Connection, viewer: str, person_ids: Collection[str]) -> None:
    """Records of these people are gone: what was said by them is forgotten at once."""
    for side in (_S.left_id, _S.right_id):
        conn.execute(sa.update(suggestion).where(among(side)).values(grounds=b""), asked(viewer, person_ids))
