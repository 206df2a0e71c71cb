"""Decisions on who is who as rows: what the viewer said, which binds the engine, and what it did by itself, which is history.

A decision names contacts, in sides, so that it holds whatever people they belong to meanwhile, and again when an account is linked
again. What the contacts said at that moment is kept beside (`Snapshot`) and goes with them; the ids stay where the viewer decided.
Runs inside somebody's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.identity.clusters import Edge
from resolvers.identity.verdicts import Decisions, Saying, Verdict, read
from store import feed, ids
from store.among import Those, among, asked, those
from store.feed import Recorder
from store.rows import insert
from store.tables import contact, decision, decision_contact, decision_evidence

Action = Literal["MERGED", "UNMERGED", "REJECTED", "FELL_APART"]
MAX_EVIDENCE: Final = 50  # edges kept of one decision
_VERDICTS: Final[dict[str, Verdict]] = {"MERGED": "SAME", "UNMERGED": "DIFFERENT", "REJECTED": "DIFFERENT"}
_d, _c, _e = decision.c, decision_contact.c, decision_evidence.c
_OF: Final = sa.and_(_d.viewer_id == _c.viewer_id, _d.id == _c.decision_id)
_STANDS: Final = sa.and_(_d.rule.is_(None), sa.or_(_d.undone_by.is_(None), _d.undone_by != _d.id))


def _touched(them: Those) -> sa.Select[Any]:
    # a value, not a join: looked up by its key for each row that is about the contacts, and for no other
    c = them.of.c
    stands = select(sa.literal(1)).where(_d.viewer_id == c.viewer_id, _d.id == c.decision_id, _STANDS)
    return select(c.decision_id).select_from(them.rows).where(them.are, stands.scalar_subquery().is_not(None))


_TOUCHED: Final = {dialect: _touched(them) for dialect, them in those(_c.contact_id).items()}
_SAID: Final = (
    select(_d.id, _d.number, _d.action, _d.person_id, _d.undone_by, _c.contact_id, _c.side)
    .join(decision, _OF)
    .where(among(_c.decision_id))
)
_RECORDS: Final = select(contact.c.id, contact.c.born, contact.c.photo_hash, contact.c.record).where(among(contact.c.id))


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the viewer said that is about some contacts. `leads` are the people whose id a join keeps: the later the number, the more."""

    sayings: tuple[Saying, ...] = ()
    leads: tuple[tuple[str, int], ...] = ()

    @property
    def decisions(self) -> Decisions:
        return read(self.sayings)

    def joined(self) -> set[str]:
        """The contacts of all that was said to be one person."""
        return {c for saying in self.sayings if saying.verdict == "SAME" for side in saying.sides for c in side}


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a contact said when it was decided on: enough to show the person that it was."""

    relation: records.Relation
    nature: records.Nature = "INDIVIDUAL"
    names: tuple[records.Name, ...] = ()
    emails: tuple[records.Email, ...] = ()
    phones: tuple[records.Phone, ...] = ()
    organizations: tuple[records.Organization, ...] = ()
    handles: tuple[records.Handle, ...] = ()
    born: int = 0
    photo_hash: str | None = None


class New(msgspec.Struct, frozen=True, kw_only=True):
    """A decision to be written. The first side is that of the person it leads to."""

    id: str
    action: Action
    person_id: str
    sides: tuple[tuple[str, ...], ...]
    before: Mapping[str, str]  # contact → whose it was
    rule: str | None = None
    credential: str = ""
    edges: tuple[Edge, ...] = ()

    @property
    def contacts(self) -> frozenset[str]:
        return frozenset(c for side in self.sides for c in side)


class By(msgspec.Struct, frozen=True):
    """The viewer's decision that is being carried out, and whom it is about."""

    id: str
    contacts: frozenset[str]


class Plan(msgspec.Struct):
    """The decisions that a regrouping makes, and which decision joined the person (by id after), parted the person (by id before)."""

    news: list[New] = []
    merged: dict[str, str] = {}
    parted: dict[str, str] = {}


_snapshot = msgspec.msgpack.Decoder(Snapshot).decode
_encode = msgspec.msgpack.Encoder().encode


def said_of(conn: Connection, viewer: str, contact_ids: Collection[str]) -> Said:
    """What the viewer said about any of these contacts; one statement where nothing is, as of most, otherwise two."""
    touched = conn.execute(_TOUCHED[conn.dialect.name], asked(viewer, contact_ids)).scalars().all()
    rows: dict[str, list[Any]] = {}
    for row in conn.execute(_SAID, asked(viewer, touched)) if touched else ():
        rows.setdefault(row.id, []).append(row)
    sayings: list[Saying] = []
    leads: dict[str, int] = {}
    for found in rows.values():
        first = found[0]
        sides: dict[int, list[str]] = {}
        for row in found:
            sides.setdefault(row.side, []).append(row.contact_id)
        sayings.append(
            Saying(
                number=first.number,
                verdict=_VERDICTS[first.action],
                sides=tuple(tuple(sorted(sides[side])) for side in sorted(sides)),
            )
        )
        if first.action == "MERGED" and first.undone_by is None:
            leads[first.person_id] = max(first.number, leads.get(first.person_id, 0))
    return Said(sayings=tuple(sorted(sayings, key=lambda s: -s.number)), leads=tuple(sorted(leads.items())))


def both(one: Said, other: Said) -> Said:
    """What either says, each once."""
    if not one.sayings:
        return other
    sayings = {saying.number: saying for saying in (*one.sayings, *other.sayings)}
    leads = dict(one.leads)
    for person_id, number in other.leads:
        leads[person_id] = max(number, leads.get(person_id, 0))
    return Said(sayings=tuple(sayings[n] for n in sorted(sayings, reverse=True)), leads=tuple(sorted(leads.items())))


def put(conn: Connection, viewer: str, news: Sequence[New], recorder: Recorder, now: datetime) -> None:
    """Write decisions, in order, with what their contacts say now."""
    if not news:
        return
    number = feed.birth(conn, viewer, len(news))
    seen = {r.id: r for r in conn.execute(_RECORDS, asked(viewer, [c for one in news for c in one.contacts]))}
    snapshots = {contact_id: _taken(row) for contact_id, row in seen.items()}
    insert(
        conn,
        decision,
        [
            {"viewer_id": viewer, "id": one.id, "number": number + n, "action": one.action, "rule": one.rule,
             "credential": one.credential, "person_id": one.person_id, "at": now, "version": 1}
            for n, one in enumerate(news)
        ],
    )  # fmt: skip
    insert(
        conn,
        decision_contact,
        [
            {"viewer_id": viewer, "decision_id": one.id, "contact_id": contact_id, "side": n, "person_id": one.before.get(contact_id),
             "record": snapshots.get(contact_id)}
            for one in news
            for n, side in enumerate(one.sides)
            for contact_id in side
        ],
    )  # fmt: skip
    insert(
        conn,
        decision_evidence,
        [
            {"viewer_id": viewer, "decision_id": one.id, "left_id": e.left, "right_id": e.right, "kind": e.kind, "value": e.value,
             "weight": e.weight, "detail": e.detail, "seen_at": e.seen_at}
            for one in news
            for e in one.edges[:MAX_EVIDENCE]
        ],
    )  # fmt: skip
    for one in news:
        recorder.upsert("MERGE", one.id, 1, created=True)


def _taken(row: Any) -> bytes | None:
    try:
        said = _snapshot(row.record)
    except msgspec.MsgspecError:
        return None  # the contact itself says that it is damaged
    return _encode(msgspec.structs.replace(said, born=row.born, photo_hash=row.photo_hash))


def snapshot(stored: bytes | None) -> Snapshot | None:
    """What a contact said then; None when it is gone since."""
    try:
        return None if stored is None else _snapshot(stored)
    except msgspec.MsgspecError:
        return None


def take_back(conn: Connection, viewer: str, decision_ids: Collection[str], by: str | None, recorder: Recorder) -> None:
    """Mark decisions as taken back by another one; with `by` None as standing again."""
    if not decision_ids:
        return
    mine = sa.and_(_d.viewer_id == viewer, _d.id.in_(sorted(decision_ids)))
    changed = sa.update(decision).where(mine).values(undone_by=by, version=_d.version + 1).returning(_d.id, _d.version)
    for row in conn.execute(changed).all():
        recorder.upsert("MERGE", row.id, row.version, fields=("undone", "undoable"))


def forget(conn: Connection, viewer: str, contact_ids: Collection[str], recorder: Recorder) -> None:
    """Contacts are gone: what was kept of them goes too. What the viewer said of them holds again if they come back."""
    asked_for = asked(viewer, contact_ids)
    touched = conn.execute(
        select(_d.id, _d.rule).join(decision_contact, _OF).where(among(_c.contact_id)).distinct(), asked_for
    ).all()
    if not touched:
        return
    conn.execute(sa.update(decision_contact).where(among(_c.contact_id)).values(record=None), asked_for)
    for column in (_e.left_id, _e.right_id):
        conn.execute(sa.delete(decision_evidence).where(among(column)), asked_for)
    automatic = [row.id for row in touched if row.rule is not None]
    conn.execute(
        sa.delete(decision_contact).where(among(_c.contact_id), among(_c.decision_id, "decisions")),
        asked_for | {"decisions": automatic},
    )
    left = set(conn.execute(select(_c.decision_id).where(among(_c.decision_id)).distinct(), asked(viewer, automatic)).scalars())
    gone = sorted(set(automatic) - left)
    conn.execute(sa.delete(decision).where(among(_d.id)), asked(viewer, gone))
    for decision_id in gone:
        recorder.delete("MERGE", decision_id)


def planned(
    groups: Iterable[tuple[str, Sequence[str]]],
    current: Mapping[str, str],
    edges: Iterable[Edge],
    by: By | None = None,
    lost: Sequence[Edge] = (),
) -> Plan:
    """What becomes of people when contacts that were `current` people's become these `groups` (person id, contacts): who is joined,
    by which rule, and who falls apart, by which of the `lost`. What concerns the contacts of `by` is by that decision."""
    parts: dict[str, dict[str, list[str]]] = {}  # former person → their contacts by the person they are now of
    plan = Plan()
    across: dict[str, list[Edge]] = {}
    for edge in edges:
        if not edge.shared and current[edge.left] != current[edge.right]:
            across.setdefault(edge.left, []).append(edge)
    for person_id, members in groups:
        former: dict[str, list[str]] = {}
        for contact_id in members:
            former.setdefault(current[contact_id], []).append(contact_id)
            parts.setdefault(current[contact_id], {}).setdefault(person_id, []).append(contact_id)
        if len(former) < 2:
            continue
        if by is not None and not by.contacts.isdisjoint(members):
            plan.merged[person_id] = by.id
            continue
        sides = [former.pop(person_id), *former.values()] if person_id in former else list(former.values())
        held = sorted((e for c in members for e in across.get(c, ())), key=lambda e: (-e.weight, e))
        new = New(
            id=ids.mint("MERGE"), action="MERGED", person_id=person_id, sides=tuple(map(tuple, sides)),
            before={c: current[c] for c in members}, rule=rule_of(held[0]) if held else "DECISION", edges=tuple(held),
        )  # fmt: skip
        plan.merged[person_id] = new.id
        plan.news.append(new)
    for origin, now_of in parts.items():
        if len(now_of) < 2:
            continue
        if by is not None and any(not by.contacts.isdisjoint(part) for part in now_of.values()):
            plan.parted[origin] = by.id
            continue
        stays = origin if origin in now_of else next(iter(now_of))
        sides = [now_of.pop(stays), *now_of.values()]
        before = {c: origin for side in sides for c in side}
        new = New(
            id=ids.mint("MERGE"), action="FELL_APART", person_id=stays, sides=tuple(map(tuple, sides)), before=before,
            rule="EVIDENCE_GONE", edges=tuple(e for e in lost if e.left in before),
        )  # fmt: skip
        plan.parted[origin] = new.id
        plan.news.append(new)
    return plan


def rule_of(edge: Edge) -> str:
    """The rule by which an edge joins."""
    return "LINKS" if edge.kind == "URL" and edge.detail is not None else edge.kind
