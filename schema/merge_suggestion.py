"""Suggestions: who may be one person, why, and what they would make."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import strawberry
from strawberry import Parent

from resolvers import disagreeing, merges, people, suggestions
from schema.declare import Info, field, object_type
from schema.interfaces import Versioned
from schema.lists import ITEMS, NODE, Connection, Edge
from schema.references import EvidenceRef, FieldConflictRef, PersonPreviewRef, PersonRef
from schema.scalars import DateTime
from schema.vocabulary import SuggestionDecision


async def _candidates(parent: Parent[suggestions.MergeSuggestion], info: Info) -> list[people.Person]:
    operation = info.context.operation
    made = await suggestions.made(operation, parent)
    found = await asyncio.gather(*(people.get(operation, person_id) for person_id in made.candidates))
    return list({one.id: one for one in found if one is not None}.values())


async def _preview(parent: Parent[suggestions.MergeSuggestion], info: Info) -> merges.PersonPreview:
    return (await suggestions.made(info.context.operation, parent)).preview


async def _conflicts(parent: Parent[suggestions.MergeSuggestion], info: Info) -> Sequence[disagreeing.Conflict]:
    return (await suggestions.made(info.context.operation, parent)).conflicts


@object_type("People who may be one.", of=suggestions.MergeSuggestion)
class MergeSuggestion(Versioned):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field("Grows with each change.")
    decision: SuggestionDecision = field("Where it stands.")
    candidates: list[PersonRef] = field("Two or more people, the proposed survivor first; at most 20.", _candidates)
    probability: float = field("0 to 1.")
    evidence_for: list[EvidenceRef] = field("What speaks for it, strongest first; at most 20.")
    evidence_against: list[EvidenceRef] = field("What speaks against it, strongest first; at most 20.")
    preview: PersonPreviewRef = field("The person it would make.", _preview)
    conflicts: list[FieldConflictRef] = field("Fields where they disagree.", _conflicts)
    created_at: DateTime = field("When it was first made.")


@object_type("Merge suggestions.")
class MergeSuggestionConnection(Connection):
    edges: list[MergeSuggestionEdge] = field(ITEMS)


@object_type("An item of MergeSuggestionConnection.")
class MergeSuggestionEdge(Edge):
    node: MergeSuggestion | None = field(NODE, semantic=True)
