"""What the viewer writes down about a person or a conversation: notes, and reminders of what is to be done when.

An annotation is kept under the id that its person or conversation had when it was written. An id that was absorbed leads to the survivor,
which shows it then; parted again, each shows its own. Of what is erased, or comes back with its account, the annotation stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import conversations, paging, people
from resolvers.identity import documents
from resolvers.loaders import load
from resolvers.mistakes import Mistake, NodeMistake, not_found
from resolvers.operation import Operation
from resolvers.paging import Ask, Listing, Order
from resolvers.writing import Answer, Mistaken, Payload, payload, perform
from store import ids
from store.feed import NodeKind, Recorder
from store.tables import annotation, conversation, person

MAX_NOTE: Final = 20_000  # characters
MAX_REMINDER: Final = 2_000
MAX_OF_ONE: Final = 1_000  # annotations of one person or conversation
SHOWN: Final[dict[str, int]] = {"NOTE": 200, "REMINDER": 100}
_ORDER: Final = Order((annotation.c.at, annotation.c.id))
_ABOUT: Final[dict[str, sa.Table]] = {"PERSON": person, "CONVERSATION": conversation}


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A note; `occurred_at` is the moment that it tells of."""

    id: str
    version: int
    about_id: str
    body: str
    occurred_at: datetime
    edited_at: datetime | None


class Reminder(msgspec.Struct, frozen=True, kw_only=True):
    """Something to do, and when."""

    id: str
    version: int
    about_id: str
    body: str
    due_at: datetime
    done_at: datetime | None


Annotation = Note | Reminder


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written: a note of `at`, or a reminder due then."""

    kind: NodeKind
    body: str
    at: datetime | None = None  # of a note: now
    done_at: datetime | None = None


def of_row(row: Any) -> Annotation:
    """The annotation of a row."""
    if row.kind == "NOTE":
        return Note(
            id=row.id, version=row.version, about_id=row.about_id, body=row.body, occurred_at=row.at, edited_at=row.edited_at
        )
    return Reminder(id=row.id, version=row.version, about_id=row.about_id, body=row.body, due_at=row.at, done_at=row.done_at)


def by_id(conn: Connection, viewer: str, annotation_ids: Sequence[str]) -> dict[str, Annotation]:
    """Annotations by id."""
    rows = conn.execute(select(annotation).where(annotation.c.viewer_id == viewer, annotation.c.id.in_(annotation_ids)))
    return {row.id: of_row(row) for row in rows}


def of_things(conn: Connection, viewer: str, about_ids: Sequence[str], about: str, kind: str) -> dict[str, list[Annotation]]:
    """The annotations of people, or of conversations, those of ids that lead to them included: notes latest first, what is open by its
    due date."""
    thing = _ABOUT[about].c
    whose = sa.func.coalesce(thing.redirect_to, thing.id)
    query = (
        select(annotation, whose.label("whose"))
        .join(_ABOUT[about], sa.and_(thing.viewer_id == annotation.c.viewer_id, thing.id == annotation.c.about_id))
        .where(annotation.c.viewer_id == viewer, annotation.c.kind == kind)
        .where(sa.or_(thing.id.in_(about_ids), thing.redirect_to.in_(about_ids)))
    )
    if kind == "REMINDER":
        query = query.where(annotation.c.done_at.is_(None)).order_by(annotation.c.at, annotation.c.id)
    else:
        query = query.order_by(annotation.c.at.desc(), annotation.c.id.desc())
    found: dict[str, list[Annotation]] = {about_id: [] for about_id in about_ids}
    for row in conn.execute(query):
        if row.whose in found and len(found[row.whose]) < SHOWN[kind]:
            found[row.whose].append(of_row(row))
    return found


async def of_thing(operation: Operation, about_id: str, kind: str) -> list[Annotation]:
    """The notes or the open reminders of a person or conversation, read together with the others that the operation asks for."""
    about = ids.kind_of(about_id) or ""
    return await load(operation, of_things, about_id, about, kind) or []


async def reminders(operation: Operation, ask: Ask, due_before: datetime | None, done: bool) -> Listing:
    """The viewer's reminders, by due date."""

    def wanted(viewer: str) -> sa.Select[Any]:
        query = select(annotation).where(annotation.c.viewer_id == viewer, annotation.c.kind == "REMINDER")
        query = query.where(annotation.c.done_at.is_not(None) if done else annotation.c.done_at.is_(None))
        return query if due_before is None else query.where(annotation.c.at < due_before)

    return await paging.rows(
        operation, paging.bound("reminders", due_before, done), ask, _ORDER, tuple[datetime, str], wanted, of_row
    )


# --- writing --------------------------------------------------------------------------------------------------------------


async def add(operation: Operation, about_id: str, draft: Draft, key: str | None) -> Payload:
    """Write a note or reminder on a person or conversation."""
    now = operation.now()

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        thing = thing_of(conn, viewer, about_id)
        body = _body(draft)
        mine = annotation.c
        held = select(sa.func.count()).select_from(annotation).where(mine.viewer_id == viewer, mine.about_id == thing)
        if conn.execute(held).scalar_one() >= MAX_OF_ONE:
            text = f"There are {MAX_OF_ONE:,} notes and reminders on this already; remove some first."
            raise Mistaken(Mistake(code="LIMIT_REACHED", message=text, field=("aboutId",)))
        new_id = ids.mint("ANNOTATION")
        conn.execute(
            annotation.insert().values(viewer_id=viewer, id=new_id, kind=draft.kind, about_id=thing, body=body, at=draft.at or now,
                                       done_at=draft.done_at, created_at=now, version=1)
        )  # fmt: skip
        recorder.upsert(draft.kind, new_id, 1, created=True)
        _find(conn, viewer, draft.kind, thing)
        return Answer(node_id=new_id)

    done = await perform(operation, "annotate", key, [about_id, draft], write)
    return payload(operation, done, annotation_id="node_id")


async def change(operation: Operation, annotation_id: str, draft: Draft, key: str | None) -> Payload:
    """Write a note or reminder anew."""
    now = operation.now()

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        row = _writable(conn, viewer, annotation_id)
        if row.kind != draft.kind:
            text = f"This is a {row.kind.lower()}: say what it is to be as one."
            raise Mistaken(NodeMistake(code="WRONG_KIND", message=text, field=("change",), node_id=annotation_id))
        values = {"body": _body(draft), "at": draft.at or row.at, "done_at": draft.done_at}
        if any(getattr(row, name) != value for name, value in values.items()):
            mine = annotation.c
            conn.execute(
                sa.update(annotation)
                .where(mine.viewer_id == viewer, mine.id == annotation_id)
                .values(**values, edited_at=now, version=row.version + 1)
            )
            recorder.upsert(draft.kind, annotation_id, row.version + 1)
            _find(conn, viewer, draft.kind, row.about_id)
        return Answer(node_id=annotation_id)

    done = await perform(operation, "updateAnnotation", key, [annotation_id, draft], write)
    return payload(operation, done, annotation_id="node_id")


async def remove(operation: Operation, annotation_id: str, key: str | None) -> Payload:
    """Remove a note or reminder; the payload leads to what it was on."""

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        row = _writable(conn, viewer, annotation_id)
        mine = annotation.c
        conn.execute(sa.delete(annotation).where(mine.viewer_id == viewer, mine.id == annotation_id))
        recorder.delete(row.kind, annotation_id, parent_id=row.about_id)
        _find(conn, viewer, row.kind, row.about_id)
        return Answer(node_id=annotation_id, node_ids=(row.about_id,))

    done = await perform(operation, "removeAnnotation", key, [annotation_id], write)
    return payload(operation, done, annotation_id="node_id", node_ids="node_ids")


def thing_of(conn: Connection, viewer: str, about_id: str) -> str:
    """The id, as it is now, of the person or conversation that an id leads to."""
    readers = {"PERSON": people.by_id, "CONVERSATION": conversations.by_id}
    kind = ids.kind_of(about_id)
    if kind not in readers:
        if kind is None:
            raise Mistaken(not_found(about_id, "aboutId"))
        text = "Notes, tags and reminders are put on people and conversations."
        raise Mistaken(NodeMistake(code="WRONG_KIND", message=text, field=("aboutId",), node_id=about_id))
    found: Any = readers[kind](conn, viewer, [about_id]).get(about_id)
    if found is None or isinstance(found, Exception):
        raise Mistaken(not_found(about_id, "aboutId"))
    return str(found.id)


def _find(conn: Connection, viewer: str, kind: str, about_id: str) -> None:
    """A person is found by the words of the notes on them."""
    if kind == "NOTE" and ids.kind_of(about_id) == "PERSON":
        now = select(sa.func.coalesce(person.c.redirect_to, person.c.id)).where(
            person.c.viewer_id == viewer, person.c.id == about_id
        )
        documents.renew(conn, viewer, list(conn.execute(now).scalars()))


def _writable(conn: Connection, viewer: str, annotation_id: str) -> Any:
    mine = annotation.c
    row = conn.execute(
        select(annotation).where(mine.viewer_id == viewer, mine.id == annotation_id).with_for_update()
    ).one_or_none()  # fmt: skip
    if row is None:
        if ids.kind_of(annotation_id) == "TAG":
            text = "This is a tag: say what it is to be as one."
            raise Mistaken(NodeMistake(code="WRONG_KIND", message=text, field=("annotationId",), node_id=annotation_id))
        raise Mistaken(not_found(annotation_id, "annotationId"))
    return row


def _body(draft: Draft) -> str:
    most = MAX_NOTE if draft.kind == "NOTE" else MAX_REMINDER
    body = draft.body.strip()
    if not 0 < len(body) <= most:
        code = "TOO_LONG" if body else "REQUIRED"
        raise Mistaken(Mistake(code=code, message=f"It has 1 to {most:,} characters.", field=("body",)))
    return body
