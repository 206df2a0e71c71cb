"""Decisions on who is who as they are shown: what was done, by whom or which rule, why in words, and what it looked like before.

A `Merge` is what its row says; what is read with many rows (`Told`) is loaded for all that an operation asks for at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers import evidence, keys, paging
from resolvers.evidence import Evidence
from resolvers.identity.decisions import Snapshot, snapshot
from resolvers.loaders import load
from resolvers.operation import Operation
from resolvers.paging import Ask, Listing
from resolvers.projection import Member, project
from store import ids
from store.tables import Instant, contact, decision, decision_contact, decision_evidence

MAX_BEFORE: Final = 20
MAX_RECORDS: Final = 500
MAX_VALUES: Final = 20
RULES: Final = {
    "EMAIL": "same private e-mail address", "PHONE": "same mobile number", "HANDLE": "same profile", "URL": "linked profile",
    "LINKS": "profiles that name each other", "LINKED": "addresses that link to each other", "VOUCHED": "addresses that are vouched for",
    "DECISION": "what you said before", "EVIDENCE_GONE": "nothing holds them together",
}  # fmt: skip
_GONE: Final = "somebody who is erased since"
_d, _c, _e = decision.c, decision_contact.c, decision_evidence.c
#: What was proof of a decision: of people who fell apart it is no more.
_STRENGTH: Final = sa.case((_d.action == "FELL_APART", "HINT"), else_="PROOF").label("strength")
_SEEN: Final = sa.func.coalesce(_e.seen_at, _d.at, type_=Instant()).label("observed_at")


class Merge(msgspec.Struct, frozen=True, kw_only=True):
    """A decision. `credential` is what the viewer came with; `number` orders them."""

    id: str
    version: int
    number: int
    action: str
    rule: str | None
    credential: str
    person_id: str
    undone: bool
    occurred_at: datetime

    @property
    def rule_name(self) -> str | None:
        return None if self.rule is None else RULES.get(self.rule, self.rule)


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who decided."""

    kind: str
    name: str


class PersonPreview(msgspec.Struct, frozen=True, kw_only=True):
    """A person as they were or would be."""

    person_id: str | None
    name: str
    photo_hash: str | None
    contact_ids: tuple[str, ...]
    emails: tuple[str, ...]
    phones: tuple[str, ...]
    organization: str | None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision says with all its records."""

    sentence: str
    before: tuple[PersonPreview, ...]
    evidence: tuple[Evidence, ...]
    undoable: bool


def of_row(row: Any) -> Merge:
    """The decision of a row."""
    return Merge(
        id=row.id, version=row.version, number=row.number, action=row.action, rule=row.rule, credential=row.credential,
        person_id=row.person_id, undone=row.undone_by is not None, occurred_at=row.at,
    )  # fmt: skip


def by_id(conn: Connection, viewer: str, decision_ids: Sequence[str]) -> dict[str, Merge]:
    """Decisions by id."""
    rows = conn.execute(select(decision).where(_d.viewer_id == viewer, _d.id.in_(decision_ids)))
    return {row.id: of_row(row) for row in rows}


async def get(operation: Operation, decision_id: str | None) -> Merge | None:
    """One decision."""
    return None if decision_id is None else await load(operation, by_id, decision_id)


async def of_person(operation: Operation, person_id: str, ask: Ask) -> Listing:
    """Every decision about the contacts of a person, latest first. All people of a page are read at once."""
    scope = paging.bound("person.merges", person_id)
    found = await load(operation, of_people, person_id) or []
    size = ask.size
    rest = found
    if ask.after is not None:
        (last,) = paging.position(operation, scope, ask.after, tuple[int])
        rest = [one for one in found if one.number < last]

    async def count() -> int:
        return len(found)

    cut = paging.Cut(rest[:size], has_next=len(rest) > size, has_previous=ask.after is not None)
    return paging.listing(operation, scope, cut, key=lambda one: (one.number,), node=lambda one: one, count=count)


def of_people(conn: Connection, viewer: str, person_ids: Sequence[str]) -> dict[str, list[Merge]]:
    """The decisions about the contacts of each person, latest first; one statement."""
    rows = conn.execute(
        select(decision, contact.c.person_id.label("about"))
        .join(decision_contact, sa.and_(_c.viewer_id == _d.viewer_id, _c.decision_id == _d.id))
        .join(contact, sa.and_(contact.c.viewer_id == _c.viewer_id, contact.c.id == _c.contact_id))
        .where(_d.viewer_id == viewer, contact.c.person_id.in_(person_ids))
        .distinct()
        .order_by(_d.number.desc())
    )
    found: dict[str, list[Merge]] = {person_id: [] for person_id in person_ids}
    for row in rows:
        found[row.about].append(of_row(row))
    return found


async def actor(operation: Operation, merge: Merge) -> Actor:
    """Who or which rule decided."""
    if merge.rule_name is not None:
        return Actor(kind="RULE", name=merge.rule_name)
    if ids.kind_of(merge.credential) == "API_KEY":
        key = await load(operation, keys.by_id, merge.credential)
        return Actor(kind="API_KEY", name=key.name if key is not None else "a key that is gone")
    return Actor(kind="VIEWER", name="You")


async def said(operation: Operation, merge: Merge) -> Told:
    """What a decision says with all its records."""
    found = await load(operation, told, merge.id)
    return found or Told(sentence="", before=(), evidence=(), undoable=False)


def told(conn: Connection, viewer: str, decision_ids: Sequence[str]) -> dict[str, Told]:
    """Decisions in words; five statements however many."""
    merges = by_id(conn, viewer, decision_ids)
    rows = conn.execute(
        select(decision_contact, contact.c.person_id.label("now_of"))
        .outerjoin(contact, sa.and_(contact.c.viewer_id == _c.viewer_id, contact.c.id == _c.contact_id))
        .where(_c.viewer_id == viewer, _c.decision_id.in_(decision_ids))
        .order_by(_c.decision_id, _c.side, _c.contact_id)
    )
    members: dict[str, list[Any]] = {decision_id: [] for decision_id in merges}
    for row in rows:
        members[row.decision_id].append(row)
    edges: dict[str, list[Any]] = {decision_id: [] for decision_id in merges}
    held = (
        select(decision_evidence, _STRENGTH, sa.false().label("shared"), _SEEN)
        .join(decision, sa.and_(_d.viewer_id == _e.viewer_id, _d.id == _e.decision_id))
        .where(_e.viewer_id == viewer, _e.decision_id.in_(decision_ids))
        .order_by(_e.weight.desc(), _e.left_id, _e.right_id, _e.kind, _e.value)
    )
    for row in conn.execute(held):
        edges[row.decision_id].append(row)
    proofs = evidence.told(conn, viewer, edges)
    return {decision_id: _told(merge, members[decision_id], proofs[decision_id]) for decision_id, merge in merges.items()}


def _told(merge: Merge, members: Sequence[Any], proofs: Sequence[Evidence]) -> Told:
    if merge.rule is None:
        verdict = "SAME" if merge.action == "MERGED" else "DIFFERENT"
        proofs = [evidence.by_hand(verdict, merge.id, [row.contact_id for row in members], merge.occurred_at)]
    people: dict[str, list[Any]] = {}
    sides: dict[int, list[Any]] = {}
    for row in members:
        people.setdefault(row.person_id or f"side {row.side}", []).append(row)
        sides.setdefault(row.side, []).append(row)
    names = [preview(None, _seen(side)).name for side in sides.values()]
    return Told(
        sentence=_sentence(merge, names, proofs),
        before=tuple(preview(rows[0].person_id, _seen(rows)) for rows in list(people.values())[:MAX_BEFORE]),
        evidence=tuple(proofs),
        undoable=not merge.undone and _undoable(merge.action, list(sides.values())),
    )


def _undoable(action: str, sides: Sequence[Sequence[Any]]) -> bool:
    """Whether taking it back would do anything: what was joined is still one, or what was kept apart still is there."""
    now = [{row.now_of for row in side if row.now_of is not None} for side in sides]
    there = [people for people in now if people]
    if action == "MERGED":
        return any(not ours.isdisjoint(theirs) for n, ours in enumerate(there) for theirs in there[:n])
    return action in ("UNMERGED", "REJECTED") and len(there) > 1


def _seen(rows: Sequence[Any]) -> list[tuple[str, Snapshot | None]]:
    return [(row.contact_id, snapshot(row.record)) for row in rows]


def preview(person_id: str | None, seen: Sequence[tuple[str, Snapshot | None]]) -> PersonPreview:
    """The person that contacts made or would make, of those that are not gone."""
    members = [
        Member(
            contact_id=contact_id, account_id="", born=one.born, updated_at=datetime.min, photo_hash=one.photo_hash,
            record=records.Contact(
                key=contact_id, relation=one.relation, nature=one.nature, names=one.names, emails=one.emails, phones=one.phones,
                organizations=one.organizations, handles=one.handles,
            ),
        )
        for contact_id, one in seen if one is not None
    ]  # fmt: skip
    shown = project(members)
    return PersonPreview(
        person_id=person_id,
        name=shown.name if members else _GONE,
        photo_hash=shown.photo_hash,
        contact_ids=tuple(contact_id for contact_id, _ in seen[:MAX_RECORDS]),
        emails=tuple(e.address or e.raw for e in shown.emails[:MAX_VALUES]),
        phones=tuple(p.number or p.raw for p in shown.phones[:MAX_VALUES]),
        organization=next((o.name for o in shown.organizations), None),
    )


def _sentence(merge: Merge, names: Sequence[str], proofs: Sequence[Evidence]) -> str:
    them = listed(names)
    match merge.action:
        case "MERGED" if merge.rule is None:
            return f"You said that {them} are one person."
        case "MERGED" if merge.rule == "DECISION" or not proofs:
            return (
                f"{them} became one person, as you had said before." if merge.rule == "DECISION" else f"{them} became one person."
            )
        case "MERGED":
            return f"{them} became one person. {proofs[0].sentence}"
        case "UNMERGED":
            return f"You said that {listed(names)} are different people after they had been one."
        case "REJECTED":
            return f"You said that {them} are different people."
        case _ if proofs:
            return f"{them} fell apart, as what had joined them is no proof any more: {proofs[0].sentence}"
        case _:
            return f"{them} fell apart, as nothing holds them together any more."


def listed(names: Sequence[str]) -> str:
    """Names in a sentence; of many the first."""
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3} others"
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else (names[0] if names else _GONE)
