"""Writing notes, tags and reminders: add, change, remove."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry import Parent

from resolvers import nodes, notes, tags
from resolvers.writing import Payload
from schema.annotation import Annotatable, Annotation
from schema.declare import UNSET, Info, argument, asked, field, input_type, object_type
from schema.lists import plain
from schema.mutations.payload import KEY, WHAT, Written
from schema.scalars import DateTime


async def _annotation(parent: Parent[Payload], info: Info) -> Any:
    return None if parent.annotation_id is None else await nodes.get(info.context.operation, parent.annotation_id)


async def _about(parent: Parent[Payload], info: Info) -> Any:
    if parent.node_ids is not None:
        return None if parent.node_ids[0] is None else await nodes.get(info.context.operation, parent.node_ids[0])
    found = await _annotation(parent, info)
    return None if found is None else await nodes.get(info.context.operation, found.about_id)


@input_type("A note.")
class NoteInput:
    body: str = asked("Markdown.")
    occurred_at: DateTime | None = asked("The moment it tells of; now by default.", default=UNSET)


@input_type("A tag.")
class TagInput:
    name: str = asked("Name.")
    color: str | None = asked("Colour, #rrggbb.", default=UNSET)


@input_type("A reminder.")
class ReminderInput:
    body: str = asked("What to do.")
    due_at: DateTime = asked("When.")
    done_at: DateTime | None = asked("When it was done.", default=UNSET)


@input_type("Exactly one annotation.", one_of=True)
class AnnotationInput:
    note: NoteInput | None = asked("A note.", default=UNSET)
    tag: TagInput | None = asked("A tag.", default=UNSET)
    reminder: ReminderInput | None = asked("A reminder.", default=UNSET)


@input_type("Input of annotate.")
class AnnotateInput:
    about_id: strawberry.ID = asked("Person or conversation.")
    add: AnnotationInput = asked("What to add.")
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of annotate.")
class AnnotatePayload(Written):
    annotation: Annotation | None = field("What was added.", _annotation)
    about: Annotatable | None = field("What it is on.", _about)


@input_type("Input of updateAnnotation.")
class UpdateAnnotationInput:
    annotation_id: strawberry.ID = asked("The annotation.")
    change: AnnotationInput = asked("The new content; null fields of a reminder are cleared.")
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of updateAnnotation.")
class UpdateAnnotationPayload(Written):
    annotation: Annotation | None = field("The annotation.", _annotation)


@input_type("Input of removeAnnotation.")
class RemoveAnnotationInput:
    annotation_id: strawberry.ID = asked("The annotation.")
    about_id: strawberry.ID | None = asked("What to take a tag off; without it the tag goes everywhere.", default=UNSET)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of removeAnnotation.")
class RemoveAnnotationPayload(Written):
    annotation_id: strawberry.ID | None = field("The annotation that is gone.")
    about: Annotatable | None = field("What it was on.", _about)


def _draft(given: AnnotationInput) -> notes.Draft | tags.Draft:
    """What is given: exactly one of them (@oneOf)."""
    if (note := plain(given.note)) is not None:
        return notes.Draft(kind="NOTE", body=note.body, at=plain(note.occurred_at))
    if (tag := plain(given.tag)) is not None:
        return tags.Draft(name=tag.name, color=plain(tag.color), colored=tag.color is not UNSET)
    reminder: ReminderInput = plain(given.reminder)
    return notes.Draft(kind="REMINDER", body=reminder.body, at=reminder.due_at, done_at=plain(reminder.done_at))


async def annotate(info: Info, input: Annotated[AnnotateInput, argument(description=WHAT)]) -> Payload:
    """Adds a note, tag or reminder."""
    operation, draft, key = info.context.operation, _draft(input.add), plain(input.idempotency_key)
    if isinstance(draft, tags.Draft):
        return await tags.add(operation, input.about_id, draft, key)
    return await notes.add(operation, input.about_id, draft, key)


async def update_annotation(info: Info, input: Annotated[UpdateAnnotationInput, argument(description=WHAT)]) -> Payload:
    """Changes a note, tag or reminder."""
    operation, draft, key = info.context.operation, _draft(input.change), plain(input.idempotency_key)
    if isinstance(draft, tags.Draft):
        return await tags.change(operation, input.annotation_id, draft, key)
    return await notes.change(operation, input.annotation_id, draft, key)


async def remove_annotation(info: Info, input: Annotated[RemoveAnnotationInput, argument(description=WHAT)]) -> Payload:
    """Removes a note, tag or reminder."""
    operation, key = info.context.operation, plain(input.idempotency_key)
    if tags.is_tag(input.annotation_id):
        return await tags.remove(operation, input.annotation_id, plain(input.about_id), key)
    return await notes.remove(operation, input.annotation_id, key)
