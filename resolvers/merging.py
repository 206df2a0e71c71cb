"""Deciding who is who: people are joined, parted or kept apart for good, and every decision can be taken back.

A decision is about the contacts that the people are made of at that moment, and is carried out in the transaction that says it:
decisions take turns, among themselves and with the job that applies the rules, so that each sees what the one before has made.
Nothing else is stored: who is one person follows again from facts and decisions (`identity/resolve.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers.identity import decisions
from resolvers.identity.decisions import By, New
from resolvers.identity.resolve import MAX_TRIES, carry_out, lock
from resolvers.identity.verdicts import pairs
from resolvers.mistakes import Mistake, NodeMistake, not_found
from resolvers.operation import Operation
from resolvers.writing import Answer, Mistaken, Payload, payload, perform
from store import ids, locks, suggestions
from store.feed import Recorder
from store.suggestions import VISIBLE
from store.tables import contact, decision, decision_contact, person, suggestion

MAX_PEOPLE: Final = 20  # of one decision
MAX_RECORDS: Final = 500  # that one decision takes out
_d, _c = decision.c, decision_contact.c
Sides = tuple[tuple[str, ...], ...]


# --- joining --------------------------------------------------------------------------------------------------------------


async def merge(
    operation: Operation, person_ids: Sequence[str] | None, suggestion_id: str | None, override: bool, key: str | None
) -> Payload:
    """Join people, or those of a suggestion; the first keeps its id."""

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        named = _named(conn, viewer, person_ids, suggestion_id)
        people, sides = _held(conn, viewer, named, "personIds" if suggestion_id is None else "suggestionId")
        if not override:
            _check_allowed(conn, viewer, people, sides)
        new = New(id=ids.mint("MERGE"), action="MERGED", person_id=people[0], sides=sides, before=_before(people, sides),
                  credential=operation.credential)  # fmt: skip
        _decide(conn, viewer, new, recorder, operation.now())
        suggestions.decide(conn, viewer, people, "ACCEPTED", recorder)
        survivor = _people_of(conn, viewer, sides[0])[0]
        absorbed = tuple(p for p in people if p != survivor)
        return Answer(node_id=survivor, node_ids=absorbed, merge_id=new.id, suggestion_id=suggestion_id)

    given = [person_ids, override] if suggestion_id is None else [person_ids, override, suggestion_id]
    done = await perform(operation, "mergePeople", key, given, write)
    return payload(operation, done, person_id="node_id", node_ids="node_ids", merge_id="merge_id", suggestion_id="suggestion_id")


def _named(conn: Connection, viewer: str, person_ids: Sequence[str] | None, suggestion_id: str | None) -> Sequence[str] | None:
    """The people that are meant: those named, or those of an open suggestion, the older first."""
    if suggestion_id is None:
        return person_ids
    if person_ids is not None:
        text = "Name either people or a suggestion."
        raise Mistaken(Mistake(code="INVALID", message=text, field=("suggestionId",)))
    locks.people(conn, viewer)
    row = conn.execute(
        select(suggestion).where(
            suggestion.c.viewer_id == viewer, suggestion.c.id == suggestion_id, suggestion.c.decision.in_(VISIBLE)
        )
    ).one_or_none()
    if row is None:
        raise Mistaken(_strange(suggestion_id, "SUGGESTION", "not the id of a suggestion", "suggestionId"))
    if row.decision != "OPEN":
        code, text = ("TOO_LATE", "What this suggestion rested on has changed.")
        if row.decision != "OUTDATED":
            code, text = ("ALREADY_DONE", "This suggestion was decided already; take that back with unmerge.")
        raise Mistaken(NodeMistake(code=code, message=text, field=("suggestionId",), node_id=suggestion_id))
    born = select(person.c.id).where(person.c.viewer_id == viewer, person.c.id.in_([row.left_id, row.right_id]))
    return list(conn.execute(born.order_by(person.c.born, person.c.id)).scalars())


def _check_allowed(conn: Connection, viewer: str, people: Sequence[str], sides: Sides) -> None:
    never = decisions.said_of(conn, viewer, [c for side in sides for c in side]).decisions.never
    for n, ours in enumerate(sides):
        for m, theirs in enumerate(sides[:n]):
            if not never.isdisjoint(pairs((ours, theirs))):
                text = "You said that these are different people; merge with override, or take that decision back with unmerge."
                field = ("personIds", str(n))
                raise Mistaken(NodeMistake(code="NEVER_MERGE", message=text, field=field, node_id=people[max(n, m)]))


# --- parting --------------------------------------------------------------------------------------------------------------


async def unmerge(
    operation: Operation, decision_id: str | None, person_id: str | None, contact_ids: Sequence[str] | None, key: str | None
) -> Payload:
    """Take a decision back, or contacts out of a person; what is parted so is never joined again by itself."""
    given = [decision_id, person_id, contact_ids]

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        if (decision_id is None) == (person_id is None):
            text = "Name either the decision to take back, or the person and the records to take out."
            raise Mistaken(Mistake(code="REQUIRED" if decision_id is None else "INVALID", message=text, field=("mergeId",)))
        if decision_id is not None:
            return _take_back(conn, viewer, decision_id, operation.credential, recorder, operation.now())
        return _take_out(conn, viewer, person_id or "", contact_ids or (), operation.credential, recorder, operation.now())

    done = await perform(operation, "unmerge", key, given, write)
    return payload(operation, done, node_ids="node_ids", merge_id="merge_id")


def _take_out(
    conn: Connection, viewer: str, person_id: str, contact_ids: Sequence[str], credential: str, recorder: Recorder, now: datetime
) -> Answer:
    (owner,), (members,) = _held(conn, viewer, [person_id], "personId", least=1)
    if not contact_ids or len(contact_ids) > MAX_RECORDS:
        text = f"Name 1 to {MAX_RECORDS} records to take out."
        raise Mistaken(Mistake(code="TOO_LONG" if contact_ids else "REQUIRED", message=text, field=("contactIds",)))
    for n, contact_id in enumerate(contact_ids):
        if contact_id not in members:
            raise Mistaken(_strange(contact_id, "CONTACT", "no record of this person", "contactIds", str(n)))
    taken = tuple(sorted(set(contact_ids)))
    rest = tuple(c for c in members if c not in taken)
    if not rest:
        text = "These are all records of this person; leave at least one."
        raise Mistaken(Mistake(code="INVALID", message=text, field=("contactIds",)))
    before = dict.fromkeys(members, owner)
    new = New(id=ids.mint("MERGE"), action="UNMERGED", person_id=owner, sides=(rest, taken), before=before, credential=credential)
    decisions.put(conn, viewer, [new], recorder, now)
    decisions.take_back(conn, viewer, _undone(conn, viewer, members), new.id, recorder)
    carry_out(conn, viewer, members, recorder, now, By(new.id, new.contacts))
    return Answer(node_ids=_after(conn, viewer, owner, members), merge_id=new.id)


def _undone(conn: Connection, viewer: str, contact_ids: Collection[str]) -> list[str]:
    """Joins of which nothing holds any more, as all that they brought together was parted again."""
    about = select(_c.decision_id).where(_c.viewer_id == viewer, _c.contact_id.in_(sorted(contact_ids)))
    found = conn.execute(
        select(_d.id).where(_d.viewer_id == viewer, _d.id.in_(about), _d.action == "MERGED", _d.undone_by.is_(None))
    ).scalars()
    sides = _sides(conn, viewer, found.all())
    there = _there(conn, viewer, [c for each in sides.values() for side in each for c in side])
    known = {i: tuple(tuple(c for c in side if c in there) for side in each) for i, each in sides.items()}
    never = decisions.said_of(conn, viewer, there).decisions.never
    return [i for i, each in known.items() if (brought := set(pairs(each))) and brought <= never]


def _take_back(conn: Connection, viewer: str, decision_id: str, credential: str, recorder: Recorder, now: datetime) -> Answer:
    row, sides, there = _decision(conn, viewer, decision_id)
    if row.undone_by is not None:
        text = "This decision was taken back already."
        raise Mistaken(NodeMistake(code="ALREADY_DONE", message=text, field=("mergeId",), node_id=decision_id))
    if row.action == "FELL_APART" or sum(not there.isdisjoint(side) for side in sides) < 2:
        text = (
            "Records fell apart as nothing held them together; merge the people if they are one."
            if row.action == "FELL_APART"
            else "The records of this decision are gone."
        )
        raise Mistaken(NodeMistake(code="TOO_LATE", message=text, field=("mergeId",), node_id=decision_id))
    first = _people_of(conn, viewer, [c for side in sides for c in side if c in there])
    owner = row.person_id if row.person_id in first else first[0]
    if row.action == "MERGED":
        before = _owners(conn, viewer, there)
        new = New(id=ids.mint("MERGE"), action="UNMERGED", person_id=owner, sides=sides, before=before, credential=credential)
        decisions.take_back(conn, viewer, [decision_id], new.id, recorder)
        _decide(conn, viewer, new, recorder, now)
        decided = new.id
    else:
        again = conn.execute(select(_d.id).where(_d.viewer_id == viewer, _d.undone_by == decision_id)).scalars().all()
        decisions.take_back(conn, viewer, again, None, recorder)
        decisions.take_back(conn, viewer, [decision_id], decision_id, recorder)
        carry_out(conn, viewer, there, recorder, now, By(decision_id, frozenset(there)))
        decided = decision_id
    return Answer(node_ids=_after(conn, viewer, owner, [c for side in sides for c in side if c in there]), merge_id=decided)


# --- keeping apart --------------------------------------------------------------------------------------------------------


async def reject(operation: Operation, person_ids: Sequence[str] | None, suggestion_id: str | None, key: str | None) -> Payload:
    """Say that people, or those of a suggestion, are different for good."""

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        named = _named(conn, viewer, person_ids, suggestion_id)
        people, sides = _held(conn, viewer, named, "personIds" if suggestion_id is None else "suggestionId")
        never = decisions.said_of(conn, viewer, [c for side in sides for c in side]).decisions.never
        if set(pairs(sides)) <= never:
            raise Mistaken(Mistake(code="ALREADY_DONE", message="You have said so before.", field=("personIds",)))
        new = New(id=ids.mint("MERGE"), action="REJECTED", person_id=people[0], sides=sides, before=_before(people, sides),
                  credential=operation.credential)  # fmt: skip
        _decide(conn, viewer, new, recorder, operation.now())
        suggestions.decide(conn, viewer, people, "REJECTED", recorder)
        return Answer(merge_id=new.id, suggestion_id=suggestion_id)

    given = [person_ids] if suggestion_id is None else [person_ids, suggestion_id]
    done = await perform(operation, "rejectSuggestion", key, given, write)
    return payload(operation, done, merge_id="merge_id", suggestion_id="suggestion_id")


# --- what all have in common ------------------------------------------------------------------------------------------------


def _decide(conn: Connection, viewer: str, new: New, recorder: Recorder, now: datetime) -> None:
    decisions.put(conn, viewer, [new], recorder, now)
    carry_out(conn, viewer, new.contacts, recorder, now, By(new.id, new.contacts))


def _held(
    conn: Connection, viewer: str, person_ids: Sequence[str] | None, field: str, *, least: int = 2
) -> tuple[list[str], Sides]:
    """People by ids, former ones too, with their contacts, which nobody else changes until the transaction ends."""
    if not person_ids or len(person_ids) < least or len(person_ids) > MAX_PEOPLE:
        many = person_ids is not None and len(person_ids) > MAX_PEOPLE
        text = f"Name 2 to {MAX_PEOPLE} people."
        raise Mistaken(Mistake(code="TOO_LONG" if many else "REQUIRED", message=text, field=(field,)))

    def found() -> tuple[list[str], Sides]:
        people = _present(conn, viewer, person_ids, field, listed=least > 1)
        if len(people) < least:
            text = "These ids lead to one person: there is nothing to join or to keep apart."
            raise Mistaken(Mistake(code="ALREADY_DONE", message=text, field=(field,)))
        return people, tuple(_members(conn, viewer, p) for p in people)

    return _stable(conn, viewer, found)


def _stable(conn: Connection, viewer: str, found: Callable[[], tuple[list[str], Sides]]) -> tuple[list[str], Sides]:
    """What `found` says once its contacts are locked: until then others may have written."""
    locks.people(conn, viewer)
    people, sides = found()
    for _ in range(MAX_TRIES):
        lock(conn, viewer, {c for side in sides for c in side})
        again = found()
        if again == (people, sides):
            break
        people, sides = again
    return people, sides


def _present(conn: Connection, viewer: str, person_ids: Sequence[str], field: str, *, listed: bool) -> list[str]:
    rows = conn.execute(
        select(person.c.id, person.c.redirect_to).where(person.c.viewer_id == viewer, person.c.id.in_(person_ids))
    )
    led = {row.id: row.redirect_to or row.id for row in rows}
    for n, person_id in enumerate(person_ids):
        if person_id not in led:
            raise Mistaken(_strange(person_id, "PERSON", "not the id of a person", field, *([str(n)] if listed else [])))
    return list(dict.fromkeys(led[person_id] for person_id in person_ids))


def _strange(node_id: str, kind: ids.Kind, what: str, *field: str) -> NodeMistake:
    if ids.kind_of(node_id) not in (kind, None):
        return NodeMistake(code="WRONG_KIND", message=f"This is {what}.", field=field, node_id=node_id)
    return not_found(node_id, *field)


def _members(conn: Connection, viewer: str, person_id: str) -> tuple[str, ...]:
    mine = contact.c
    rows = conn.execute(select(mine.id).where(mine.viewer_id == viewer, mine.person_id == person_id).order_by(mine.id))
    return tuple(rows.scalars())


def _before(people: Sequence[str], sides: Sides) -> dict[str, str]:
    return {c: person_id for person_id, side in zip(people, sides, strict=True) for c in side}


def _owners(conn: Connection, viewer: str, contact_ids: Collection[str]) -> dict[str, str]:
    """The person of each of these contacts that is there and somebody's."""
    mine = contact.c
    rows = conn.execute(
        select(mine.id, mine.person_id).where(
            mine.viewer_id == viewer, mine.id.in_(sorted(contact_ids)), mine.person_id.is_not(None)
        )
    )
    return {row.id: row.person_id for row in rows}


def _there(conn: Connection, viewer: str, contact_ids: Collection[str]) -> set[str]:
    return set(_owners(conn, viewer, contact_ids))


def _people_of(conn: Connection, viewer: str, contact_ids: Sequence[str]) -> list[str]:
    """The people of these contacts, in their order, each once."""
    owners = _owners(conn, viewer, contact_ids)
    return list(dict.fromkeys(owners[c] for c in contact_ids if c in owners))


def _after(conn: Connection, viewer: str, owner: str, contact_ids: Sequence[str]) -> tuple[str, ...]:
    """The people that these contacts make now, the one that kept the id first."""
    return tuple(sorted(_people_of(conn, viewer, contact_ids), key=lambda p: p != owner))


def _decision(conn: Connection, viewer: str, decision_id: str) -> tuple[Any, Sides, set[str]]:
    """A decision with its sides, and those of its contacts that are there; these are locked."""
    locks.people(conn, viewer)
    sides = _sides(conn, viewer, [decision_id]).get(decision_id, ())
    lock(conn, viewer, _there(conn, viewer, [c for side in sides for c in side]))
    row = conn.execute(select(decision).where(_d.viewer_id == viewer, _d.id == decision_id)).one_or_none()
    if row is None:
        raise Mistaken(_strange(decision_id, "MERGE", "not the id of a decision", "mergeId"))
    return row, sides, _there(conn, viewer, [c for side in sides for c in side])


def _sides(conn: Connection, viewer: str, decision_ids: Sequence[str]) -> dict[str, Sides]:
    rows = conn.execute(
        select(_c.decision_id, _c.side, _c.contact_id)
        .where(sa.and_(_c.viewer_id == viewer, _c.decision_id.in_(decision_ids)))
        .order_by(_c.side, _c.contact_id)
    )
    found: dict[str, dict[int, list[str]]] = {}
    for row in rows:
        found.setdefault(row.decision_id, {}).setdefault(row.side, []).append(row.contact_id)
    return {i: tuple(tuple(side) for side in sides.values()) for i, sides in found.items()}
