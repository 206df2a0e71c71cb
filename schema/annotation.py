"""Notes, tags and reminders: what the viewer writes down about people and conversations."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry import Parent

from resolvers import nodes, notes, tags
from resolvers.paging import Ask, Listing
from schema.declare import UNSET, Info, field, interface_type, object_type
from schema.interfaces import Node, Versioned
from schema.lists import ITEMS, NODE, After, Connection, Edge, First, plain
from schema.references import NoteRef, PersonConnectionRef, ReminderRef, TagRef
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


async def _tags(parent: Parent[Any], info: Info) -> list[tags.Tag]:
    """The tags of whatever has an id."""
    return await tags.of_thing(info.context.operation, parent.id)


async def _people(parent: Parent[tags.Tag], info: Info, first: First = 50, after: After = UNSET) -> Listing:
    return await tags.people_of(info.context.operation, parent.id, Ask(first=first, after=plain(after)))


async def _about(parent: Parent[Any], info: Info) -> Any:
    return await nodes.get(info.context.operation, parent.about_id)


@interface_type("What notes, tags and reminders can be put on.")
class Annotatable(Node):
    id: strawberry.ID = field("Opaque global id.")
    notes: list[NoteRef] | None = field("The viewer's notes, latest first; at most 200.", _notes, semantic=True)
    tags: list[TagRef] | None = field("The viewer's tags; at most 100.", _tags, semantic=True)
    reminders: list[ReminderRef] | None = field("Open reminders by due date; at most 100.", _reminders, semantic=True)


@object_type("A note of the viewer.", of=notes.Note)
class Note(Versioned, TimelineItem):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field("Grows with each change.")
    about: Annotatable | None = field("What it is on; null when erased.", _about)
    body: str = field("The note, Markdown.")
    occurred_at: DateTime = field("When it was written, or the moment it tells of.")
    edited_at: DateTime | None = field("Last change; null when never changed.")


@object_type("A tag of the viewer.", of=tags.Tag)
class Tag(Versioned):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field("Grows with each change.")
    name: str = field("Name, unique without regard to case.")
    color: str | None = field("Colour, #rrggbb.")
    people: PersonConnectionRef | None = field("People with it.", _people, semantic=True)


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


Annotation = Annotated[Note | Tag | Reminder, strawberry.union("Annotation", description="A note, tag or reminder.")]
