"""Decisions on who is who: what was done, by whom, why, and what it looked like before."""

from __future__ import annotations

import strawberry
from strawberry import Parent

from resolvers import evidence, merges, photos
from schema import loads
from schema.declare import Info, field, object_type
from schema.interfaces import Versioned
from schema.lists import ITEMS, NODE, Connection, Edge
from schema.references import EvidenceRef, ImageRef, PersonRef
from schema.scalars import DateTime
from schema.timeline import TimelineItem
from schema.vocabulary import AuditActorKind, MergeAction


async def _actor(parent: Parent[merges.Merge], info: Info) -> merges.Actor:
    return await merges.actor(info.context.operation, parent)


async def _before(parent: Parent[merges.Merge], info: Info) -> tuple[merges.PersonPreview, ...]:
    return (await merges.said(info.context.operation, parent)).before


async def _evidence(parent: Parent[merges.Merge], info: Info) -> tuple[evidence.Evidence, ...]:
    return (await merges.said(info.context.operation, parent)).evidence


async def _sentence(parent: Parent[merges.Merge], info: Info) -> str:
    return (await merges.said(info.context.operation, parent)).sentence


async def _undoable(parent: Parent[merges.Merge], info: Info) -> bool:
    return (await merges.said(info.context.operation, parent)).undoable


async def _photo(parent: Parent[merges.PersonPreview], info: Info) -> photos.Image | None:
    return await photos.get(info.context.operation, parent.photo_hash, parent.name)


@object_type("Who did something.")
class Actor:
    kind: AuditActorKind = field("What they are.")
    name: str = field("Name of the key, session or rule.")


@object_type("A person as they were or would be; carries no id, so that no cache takes it for the person.")
class PersonPreview:
    person_id: strawberry.ID | None = field("Id at that time, which may lead elsewhere now.")
    name: str = field("Name.")
    photo: ImageRef | None = field("Photo.", _photo)
    contact_ids: list[strawberry.ID] = field("Records it was made of; at most 500.")
    emails: list[str] = field("E-mail addresses; at most 20.")
    phones: list[str] = field("Phone numbers; at most 20.")
    organization: str | None = field("Employer.")


@object_type("A decision that joined or parted records.", of=merges.Merge)
class Merge(Versioned, TimelineItem):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field("Grows with each change.")
    action: MergeAction = field("What was done.")
    decided_by: Actor = field("Who or which rule.", _actor)
    rule_name: str | None = field("Name of the rule, for automatic ones.")
    survivor: PersonRef | None = field("The person it led to; null when erased since.", loads.person)
    before: list[PersonPreview] = field("The people as they were before; at most 20.", _before)
    evidence: list[EvidenceRef] = field("What it rested on; at most 50.", _evidence)
    sentence: str = field("The decision in words.", _sentence)
    undone: bool = field("Whether it was taken back.")
    undoable: bool = field("Whether it can be taken back now.", _undoable)
    occurred_at: DateTime = field("When it was made.")


@object_type("Merge decisions.")
class MergeConnection(Connection):
    edges: list[MergeEdge] = field(ITEMS)


@object_type("An item of MergeConnection.")
class MergeEdge(Edge):
    node: Merge | None = field(NODE, semantic=True)
