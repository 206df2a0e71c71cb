"""Suggestions: people who may be one, why, and what they would make. What becomes of one is said by mergePeople and rejectSuggestion."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import disagreeing, merges, paging
from resolvers.disagreeing import Conflict
from resolvers.evidence import Evidence
from resolvers.identity.decisions import snapshot
from resolvers.identity.grounds import Ground
from resolvers.identity.people import members_of
from resolvers.identity.scoring import probability
from resolvers.loaders import load
from resolvers.merges import PersonPreview
from resolvers.operation import Operation
from resolvers.paging import Ask, Listing, Order
from resolvers.projection import project
from store.among import among, asked
from store.suggestions import VISIBLE
from store.tables import contact, person, suggestion

MAX_OF_PERSON: Final = 20
_S: Final = suggestion.c
_ORDER: Final = Order((_S.score, _S.id), True)
_OF: Final = sa.union(
    *(select(suggestion).where(among(side), _S.decision == "OPEN") for side in (_S.left_id, _S.right_id))
).order_by(sa.desc("score"), sa.desc("id"))
_BORN: Final = select(person.c.id, person.c.born).where(among(person.c.id))
_RECORDS: Final = select(contact.c.person_id, contact.c.id, contact.c.record).where(among(contact.c.person_id))
_grounds = msgspec.msgpack.Decoder(tuple[Ground, ...]).decode


class LikenessEvidence(Evidence, frozen=True, kw_only=True):
    """A likeness of two people, or a difference, that two values do not tell."""


class NameEvidence(Evidence, frozen=True, kw_only=True):
    """Two names that agree, or do not."""

    left: str
    right: str
    agreement: str


class AttributeEvidence(Evidence, frozen=True, kw_only=True):
    """Two values of one field of a person that agree, or do not."""

    field: str
    left: str
    right: str
    agrees: bool


class MergeSuggestion(msgspec.Struct, frozen=True, kw_only=True):
    """Two people who may be one."""

    id: str
    version: int
    left_id: str
    right_id: str
    score: float
    decision: str
    grounds: tuple[Ground, ...]
    created_at: datetime

    @property
    def probability(self) -> float:
        return round(probability(self.score), 4)

    @property
    def evidence_for(self) -> list[Evidence]:
        return [_evidence(self, one) for one in self.grounds if one.weight > 0]

    @property
    def evidence_against(self) -> list[Evidence]:
        return [_evidence(self, one) for one in self.grounds if one.weight < 0]


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What a suggestion would make: of whom, the one that keeps its id first."""

    candidates: tuple[str, ...]
    preview: PersonPreview
    conflicts: tuple[Conflict, ...]


def _evidence(of: MergeSuggestion, one: Ground) -> Evidence:
    told: dict[str, Any] = {
        "strength": "HINT", "weight": one.weight, "sentence": one.sentence, "contact_ids": (), "observed_at": of.created_at,
    }  # fmt: skip
    if one.about == "NAME":
        return NameEvidence(**told, left=one.left, right=one.right, agreement=one.agreement)
    if one.about:
        return AttributeEvidence(**told, field=one.about, left=one.left, right=one.right, agrees=one.agreement == "AGREES")
    return LikenessEvidence(**told)


def of_row(row: Any) -> MergeSuggestion:
    """The suggestion of a row."""
    return MergeSuggestion(
        id=row.id, version=row.version, left_id=row.left_id, right_id=row.right_id, score=row.score, decision=row.decision,
        grounds=_grounds(row.grounds) if row.grounds else (), created_at=row.created_at,
    )  # fmt: skip


def by_id(conn: Connection, viewer: str, suggestion_ids: Sequence[str]) -> dict[str, MergeSuggestion]:
    """Suggestions by id."""
    rows = conn.execute(select(suggestion).where(among(_S.id), _S.decision.in_(VISIBLE)), asked(viewer, suggestion_ids))
    return {row.id: of_row(row) for row in rows}


async def get(operation: Operation, suggestion_id: str | None) -> MergeSuggestion | None:
    """One suggestion."""
    return None if suggestion_id is None else await load(operation, by_id, suggestion_id)


async def page(operation: Operation, ask: Ask, decision: str) -> Listing:
    """The viewer's suggestions of which this has become, most likely first."""

    def wanted(viewer: str) -> sa.Select[Any]:
        return select(suggestion).where(_S.viewer_id == viewer, _S.decision == decision)

    return await paging.rows(
        operation, paging.bound("mergeSuggestions", decision), ask, _ORDER, tuple[float, str], wanted, of_row
    )


async def of_person(operation: Operation, person_id: str) -> list[MergeSuggestion]:
    """The open suggestions that involve somebody, read together with the others that the operation asks for."""
    return await load(operation, of_people, person_id) or []


def of_people(conn: Connection, viewer: str, person_ids: Sequence[str]) -> dict[str, list[MergeSuggestion]]:
    """The open suggestions that involve each person, most likely first; one statement."""
    found: dict[str, list[MergeSuggestion]] = {person_id: [] for person_id in person_ids}
    for row in conn.execute(_OF, asked(viewer, person_ids)):
        for person_id in (row.left_id, row.right_id):
            if person_id in found and len(found[person_id]) < MAX_OF_PERSON:
                found[person_id].append(of_row(row))
    return found


async def made(operation: Operation, of: MergeSuggestion) -> Made:
    """Whom a suggestion is about, and the person that it would make."""
    found = await load(operation, all_made, (of.left_id, of.right_id))
    return found or Made(candidates=(), preview=merges.preview(None, ()), conflicts=())


def all_made(conn: Connection, viewer: str, couples: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Made]:
    """What couples of people would make; three statements however many."""
    everybody = {p for two in couples for p in two}
    born = {row.id: row.born for row in conn.execute(_BORN, asked(viewer, everybody))}
    members = members_of(conn, viewer, everybody)
    seen: dict[str, list[tuple[str, Any]]] = {}
    for row in conn.execute(_RECORDS, asked(viewer, everybody)):
        seen.setdefault(row.person_id, []).append((row.id, snapshot(row.record)))
    found: dict[tuple[str, str], Made] = {}
    for two in couples:
        candidates = tuple(sorted((p for p in two if p in born), key=lambda p: (born[p], p)))
        found[two] = Made(
            candidates=candidates,
            preview=merges.preview(next(iter(candidates), None), [one for p in candidates for one in seen.get(p, ())]),
            conflicts=tuple(disagreeing.conflicts(project([m for p in candidates for m in members.get(p, ())]))),
        )
    return found
