"""Circles: communities found among the viewer's people."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry import Parent

from resolvers import people
from resolvers.circles import answers
from resolvers.paging import Ask, Listing
from schema.declare import UNSET, Info, field, object_type
from schema.interfaces import Versioned
from schema.lists import After, First, plain
from schema.references import PersonConnectionRef


async def circles_of(parent: Parent[people.Person], info: Info) -> list[Any]:
    """The circles of a person."""
    return await answers.of_person(info.context.operation, parent.id)


async def _people(parent: Parent[answers.Circle], info: Info, first: First = 50, after: After = UNSET) -> Listing:
    return await answers.members(info.context.operation, parent.id, Ask(first=first, after=plain(after)))


@object_type("A community found among the viewer's people.", of=answers.Circle)
class Circle(Versioned):
    id: strawberry.ID = field("Opaque global id; kept as long as most members stay.")
    version: int | None = field("Grows with each change.")
    name: str = field("What its members have in common, or the viewer's name for it.")
    commonality: list[str] = field("What they have in common; at most 10.")
    people: PersonConnectionRef | None = field("Members, most central first.", _people, semantic=True)
