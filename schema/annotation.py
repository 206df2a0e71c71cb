"""Notes and reminders: what the viewer writes down about people and conversations."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry import Parent

from resolvers import nodes, notes
from schema.declare import Info, field, interface_type, object_type
from schema.interfaces import Node, Versioned
from schema.lists import ITEMS, NODE, Connection, Edge
from schema.references import NoteRef, ReminderRef
from schema.scalars import DateTime
from schema.timeline import TimelineItem


async def _notes(parent: Parent[Any], info: Info) -> list[notes.Note]:
    """The notes of whatever has an id."""
    found = await notes.of_thing(info.context.operation, parent.id, "NOTE")
    return [one for one in found if isinstance(one, notes.Note)]


async def _reminders(parent: Parent[Any], info: Info) -> list[notes.Reminder]:
    """The open reminders of whatever has an id."""
    found = await notes.of_thing(info.context.operation, parent.id, "REMINDER")
    return [one for one in found if isinstance(one, notes.Reminder)]


async def _about(parent: Parent[Any], info: Info) -> Any:
    return await nodes.get(info.context.operation, parent.about_id)


@interface_type("What notes, tags and reminders can be put on.")
class Annotatable(Node):
    id: strawberry.ID = field("Opaque global id.")
    notes: list[NoteRef] | None = field("The viewer's notes, latest first; at most 200.", _notes, semantic=True)
    reminders: list[ReminderRef] | None = field("Open reminders by due date; at most 100.", _reminders, semantic=True)


@object_type("A note of the viewer.", of=notes.Note)
class Note(Versioned, TimelineItem):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field("Grows with each change.")
    about: Annotatable | None = field("What it is on; null when erased.", _about)
    body: str = field("The note, Markdown.")
    occurred_at: DateTime = field("When it was written, or the moment it tells of.")
    edited_at: DateTime | None = field("Last change; null when never changed.")


@object_type("A reminder of the viewer.", of=notes.Reminder)
class Reminder(Versioned):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field("Grows with each change.")
    about: Annotatable | None = field("What it is on; null when erased.", _about)
    body: str = field("What to do.")
    due_at: DateTime = field("When.")
    done_at: DateTime | None = field("When it was done.")


@object_type("Reminders.")
class ReminderConnection(Connection):
    edges: list[ReminderEdge] = field(ITEMS)


@object_type("An item of ReminderConnection.")
class ReminderEdge(Edge):
    node: Reminder | None = field(NODE, semantic=True)


Annotation = Annotated[Note | Reminder, strawberry.union("Annotation", description="A note, tag or reminder.")]
