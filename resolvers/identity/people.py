"""The people of a viewer as rows: projections rebuilt from their contacts, and groups written with what the feed must say.

Everything here runs inside somebody's transaction. A person row is minted with each contact and stays as an id: it either lives
(`redirect_to` null) or leads to the person that its contact belongs to now, or the one that it follows since its own is gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers.identity import decisions, documents
from resolvers.identity.clusters import Edge, Partition
from resolvers.projection import VALUES, Choice, Member, Projection, Sourced, member_of, project
from store import anchors, choices, last_contact, pairs, places, search_index
from store.among import VIEWER, among, asked
from store.feed import Recorder
from store.rows import insert
from store.tables import contact, evidence, person

_encode = msgspec.msgpack.Encoder().encode
_projection = msgspec.msgpack.Decoder(Projection).decode
_CONTACTS: Final = select(
    contact.c.id, contact.c.account_id, contact.c.person_id, contact.c.born, contact.c.updated_at, contact.c.photo_hash, contact.c.record
).where(among(contact.c.person_id))  # fmt: skip
_TIED: Final = (
    select(evidence).where(among(evidence.c.left_id), evidence.c.kind.in_(("LINKED", "VOUCHED")))
    .order_by(evidence.c.left_id, evidence.c.right_id, evidence.c.kind, evidence.c.value)
)  # fmt: skip
_E: Final = evidence.c
# each side by its index: of both at once SQLite walks through all that the viewer has
_EVIDENCE: Final = sa.union_all(*(select(evidence).where(among(side)) for side in (_E.left_id, _E.right_id)))
_NO_EVIDENCE: Final = sa.delete(evidence).where(
    _E.viewer_id == VIEWER, _E.left_id == sa.bindparam("one"), _E.right_id == sa.bindparam("other"), _E.kind == sa.bindparam("as"),
    _E.value == sa.bindparam("by"),
)  # fmt: skip
# an outer join: from people to their contacts, and who has none
_PEOPLE: Final = (
    select(
        person.c.id.label("whose"), person.c.redirect_to, person.c.version, person.c.projection, contact.c.id, contact.c.account_id,
        contact.c.born, contact.c.updated_at, contact.c.photo_hash, contact.c.record,
    )
    .outerjoin(contact, sa.and_(contact.c.viewer_id == person.c.viewer_id, contact.c.person_id == person.c.id))
    .where(among(person.c.id))
)  # fmt: skip
_MOVE: Final = (
    sa.update(contact).where(contact.c.viewer_id == VIEWER, contact.c.id == sa.bindparam("which"))
    .values(person_id=sa.bindparam("whose"))
)  # fmt: skip
# the survivor's upsert follows its merge, whether or not its values changed
_REVIVE: Final = (
    sa.update(person).where(among(person.c.id))
    .values(redirect_to=None, version=person.c.version + 1, last_contact_at=last_contact.OF_PERSON)
)  # fmt: skip
# one after the other: of both at once SQLite walks through everybody
_LEAD: Final = tuple(
    sa.update(person).where(among(side), person.c.id != sa.bindparam("survivor"))
    .values(redirect_to=sa.bindparam("survivor"), projection=None)
    for side in (person.c.id, person.c.redirect_to)
)  # fmt: skip
_SHOW: Final = (
    sa.update(person).where(person.c.viewer_id == VIEWER, person.c.id == sa.bindparam("whose"))
    .values({name: sa.bindparam(f"new_{name}") for name in ("projection", "name", "sort_name", "nature", "photo_hash", "version")})
)  # fmt: skip


def members_of(conn: Connection, viewer: str, person_ids: Iterable[str]) -> dict[str, list[Member]]:
    """The contacts of each person."""
    found: dict[str, list[Member]] = defaultdict(list)
    for row in conn.execute(_CONTACTS, asked(viewer, person_ids)):
        found[row.person_id].append(member_of(row))
    return found


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """The versions of people who live, and of whom it was written anew what is found of them."""

    versions: Mapping[str, int]
    written: Collection[str]


def reproject(
    conn: Connection,
    viewer: str,
    person_ids: Collection[str],
    recorder: Recorder,
    now: datetime,
    *,
    created: Collection[str] = (),
) -> Rebuilt:
    """Rebuild these people from their contacts. Who changed gets a feed row; who has no contact left is deleted."""
    if not person_ids:
        return Rebuilt(versions={}, written=frozenset())
    members: dict[str, list[Member]] = defaultdict(list)
    known: dict[str, Any] = {}
    for one in conn.execute(_PEOPLE, asked(viewer, person_ids)):
        known[one.whose] = one
        if one.id is not None:
            members[one.whose].append(member_of(one))
    chosen = choices_of(conn, viewer, person_ids)
    found: dict[str, Projection] = {}
    versions: dict[str, int] = {}
    shown: list[dict[str, Any]] = []
    for person_id in sorted(person_ids):
        row = known.get(person_id)
        if row is None or row.redirect_to is not None:
            continue
        if person_id not in members:
            choices.erase(conn, viewer, person_id)
            pairs.forget(conn, viewer, person_id, recorder)
            conn.execute(sa.delete(person).where(person.c.viewer_id == viewer, person.c.id == person_id))
            conn.execute(sa.delete(person).where(person.c.viewer_id == viewer, person.c.redirect_to == person_id))
            search_index.drop(conn, viewer, [person_id])
            recorder.delete("PERSON", person_id)
            continue
        projection = project(members[person_id], chosen.get(person_id, {}))
        encoded = _encode(projection)
        versions[person_id] = row.version
        if row.projection == encoded and person_id not in created:
            continue
        version = versions[person_id] = row.version if person_id in created else row.version + 1
        shown.append(
            {"viewer": viewer, "whose": person_id, "new_projection": encoded, "new_name": projection.name,
             "new_sort_name": projection.sort_name, "new_nature": projection.nature, "new_photo_hash": projection.photo_hash,
             "new_version": version}
        )  # fmt: skip
        fields = () if person_id in created or row.projection is None else changed_fields(_projection(row.projection), projection)
        recorder.upsert("PERSON", person_id, version, created=person_id in created, fields=fields)
        found[person_id] = projection
    if shown:
        conn.execute(_SHOW, shown)
    documents.put(conn, viewer, found)
    return Rebuilt(versions=versions, written=found.keys())


def choices_of(conn: Connection, viewer: str, person_ids: Collection[str]) -> dict[str, dict[str, Choice]]:
    """What the viewer chose to see first of each person, by field; one statement."""
    found: dict[str, dict[str, Choice]] = {}
    for owner, rows in choices.of_people(conn, viewer, person_ids).items():
        found[owner] = {row.field: Choice(contact_id=row.contact_id, pinned=row.pinned, value=_value(row)) for row in rows}
    return found


def _value(row: Any) -> Sourced | None:
    if row.value is None or row.field not in VALUES:
        return None
    return msgspec.msgpack.decode(row.value, type=VALUES[row.field])


def changed_fields(old: Projection, new: Projection) -> tuple[str, ...]:
    """Names of Person's schema fields that differ; empty (all may have changed) when something else did."""
    names = {"name": "name", "sort_name": "sortName", "initials": "initials", "nature": "nature", "names": "names", "emails": "emails",
             "phones": "phones", "urls": "urls", "organizations": "organizations", "addresses": "addresses", "dates": "birthday",
             "bio": "bio"}  # fmt: skip
    changed = {schema for ours, schema in names.items() if getattr(old, ours) != getattr(new, ours)}
    disputed = not changed.isdisjoint({"names", "birthday", "organizations", "addresses"})
    return tuple(sorted({*changed, "conflicts"} if disputed else changed))


def regroup(
    conn: Connection,
    viewer: str,
    partition: Partition,
    minted: Mapping[str, str],
    current: Mapping[str, str],
    recorder: Recorder,
    now: datetime,
    by: decisions.By | None = None,
) -> set[str]:
    """Write the groups: each answers with the id its first contact minted, the others redirect, split ones live again.

    An id whose own contact is gone goes with the one that it follows since (anchoring.py). `minted` and `current` give each contact's own
    and present person id; every contact of every person in `current` must be in the partition. What was joined or parted is kept as
    decisions, but for what `by` did. Returns whose likenesses are to be looked for again.
    """
    before: dict[str, set[str]] = defaultdict(set)
    for contact_id, person_id in current.items():
        before[person_id].add(contact_id)
    anchored = anchors.at(conn, viewer, current)
    survivors = {group: minted[group[0]] for group in partition.groups}
    living = list(survivors.values())
    belongs = {contact_id: survivor for group, survivor in survivors.items() for contact_id in group}
    lost = _lost(conn, viewer, partition, current)
    plan = decisions.planned(((survivors[g], g) for g in partition.groups), current, partition.edges, by, lost)
    touched: set[str] = set()
    moved: list[tuple[str, str]] = []
    heirs: dict[str, list[str]] = {
        origin: [] for origin in before
    }  # whom the contacts of each former person belong to, oldest first
    for group in partition.groups:
        survivor = survivors[group]
        former = {current[c] for c in group if c in current}
        if former == {survivor} and before[survivor] == set(group):
            heirs[survivor].append(survivor)
            continue
        touched.add(survivor)
        moved += [(c, survivor) for c in group if current.get(c) != survivor]
        for origin in former:
            heirs[origin].append(survivor)
    merges: dict[str, list[str]] = defaultdict(list)
    splits: list[tuple[str, list[str], str | None]] = []
    for origin, parts in sorted(heirs.items()):
        if not parts:
            continue
        # who is there no more under this id goes where its own record does, or the one that it follows
        stays = origin if origin in living else belongs.get(anchored.get(origin, ""))
        main = stays or next((p for p in parts if p in before), parts[0])
        if main != origin:
            merges[main].append(origin)
        fresh = [p for p in parts if p != main and p not in before]
        if fresh:
            splits.append((main, [main, *fresh], plan.parted.get(origin)))
    for survivor, absorbed in sorted(merges.items()):
        recorder.merge("PERSON", survivor, absorbed, decision_id=plan.merged.get(survivor))
    for main, parts, decision_id in splits:
        recorder.split("PERSON", main, parts, decision_id=decision_id)
        touched.update(parts)
    if moved:
        conn.execute(_MOVE, [{"viewer": viewer, "which": contact_id, "whose": person_id} for contact_id, person_id in moved])
    revived = sorted(set(living) & touched)
    if revived:
        conn.execute(_REVIVE, asked(viewer, revived))
    led: dict[str, str] = {}
    for survivor, absorbed in merges.items():
        _lead(conn, viewer, absorbed, survivor, led)
    for group, survivor in survivors.items():
        if survivor in touched:
            _lead(conn, viewer, [minted[c] for c in group if minted[c] != survivor], survivor, led)
    for person_id, contact_id in anchored.items():
        if belongs[contact_id] in touched:
            _lead(conn, viewer, [person_id], belongs[contact_id], led)
    last_contact.settle(conn, viewer, sorted(touched.difference(revived)))
    _write_evidence(conn, viewer, partition, now)
    rebuilt = reproject(conn, viewer, touched, recorder, now)
    heir = {absorbed: survivor for survivor, others in merges.items() for absorbed in others}
    heir |= {part: part for _, parts, _ in splits for part in parts}
    documents.follow_notes(conn, viewer, {origin: whose for origin, whose in heir.items() if whose not in rebuilt.written})
    for person_id in revived:
        recorder.upsert("PERSON", person_id, rebuilt.versions[person_id])
    decisions.put(conn, viewer, plan.news, recorder, now)
    places.mark(conn, viewer, touched)  # what they exchanged is another sum now
    return {*touched, *(origin for absorbed in merges.values() for origin in absorbed)}


def _lead(conn: Connection, viewer: str, others: Sequence[str], survivor: str, led: dict[str, str]) -> None:
    """Let `others`, and whoever led to them, lead to the survivor: one hop, never a chain. `led` is what was done so before, and now."""
    fresh = [person_id for person_id in others if led.get(person_id) != survivor]
    if not fresh:
        return
    led.update(dict.fromkeys(fresh, survivor))
    for statement in _LEAD:
        conn.execute(statement, asked(viewer, fresh, survivor=survivor))
    search_index.drop(conn, viewer, fresh)


def _lost(conn: Connection, viewer: str, partition: Partition, current: Mapping[str, str]) -> list[Edge]:
    """What the open web had proven of contacts that are one person's no more: why they fall apart."""
    whose = {contact_id: group for group in partition.groups for contact_id in group}
    now_of: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for contact_id, group in whose.items():
        if contact_id in current:
            now_of[current[contact_id]].add(group)
    parted = [contact_id for contact_id, origin in current.items() if len(now_of[origin]) > 1]
    if not parted:
        return []
    rows = conn.execute(_TIED, asked(viewer, parted)).all()
    return [
        Edge(left=row.left_id, right=row.right_id, kind=row.kind, value=row.value, shared=False, weight=row.weight, detail=row.detail,
             seen_at=row.observed_at)
        for row in rows
        if row.right_id in whose and row.left_id in whose and whose[row.left_id] != whose[row.right_id]
    ]  # fmt: skip


def _write_evidence(conn: Connection, viewer: str, partition: Partition, now: datetime) -> None:
    """Write where evidence differs: what was noticed before keeps its time, whatever is decided beside it."""
    contacts = {contact_id for group in partition.groups for contact_id in group}
    found = conn.execute(_EVIDENCE, asked(viewer, contacts))
    known = {(row.left_id, row.right_id, row.kind, row.value): row for row in found}
    rows = []
    for e in partition.edges:
        row = known.get((e.left, e.right, e.kind, e.value))
        new = {
            "viewer_id": viewer, "left_id": e.left, "right_id": e.right, "kind": e.kind, "value": e.value,
            "strength": "HINT" if e.shared else "PROOF", "weight": e.weight, "shared": e.shared, "detail": e.detail,
            "observed_at": e.seen_at or (now if row is None else row.observed_at),
        }  # fmt: skip
        if row is not None and all(getattr(row, name) == value for name, value in new.items()):
            del known[e.left, e.right, e.kind, e.value]
        else:
            rows.append(new)
    if known:
        gone = [{"viewer": viewer, "one": left, "other": right, "as": kind, "by": value} for left, right, kind, value in known]
        conn.execute(_NO_EVIDENCE, gone)
    insert(conn, evidence, rows)
