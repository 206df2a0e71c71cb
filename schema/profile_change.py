"""What somebody said of themselves, and says now."""

from __future__ import annotations

import strawberry

from resolvers import profile_changes
from schema import loads
from schema.declare import field as _field
from schema.declare import object_type
from schema.interfaces import Node
from schema.references import ContactRef, PersonRef
from schema.scalars import DateTime
from schema.timeline import TimelineItem
from schema.vocabulary import PersonField


@object_type("A change of what a person says about themselves.", of=profile_changes.ProfileChange)
class ProfileChange(Node, TimelineItem):
    id: strawberry.ID = _field("Opaque global id.")
    person: PersonRef | None = _field("Whose.", loads.person)
    contact: ContactRef | None = _field("The record that changed; null when erased since.", loads.contact)
    field: PersonField = _field("What changed.")
    old_value: str | None = _field("What it was.")
    new_value: str | None = _field("What it is.")
    sentence: str = _field("The change in words.")
    occurred_at: DateTime = _field("When it was noticed.")
