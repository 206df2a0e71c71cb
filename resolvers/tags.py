"""The viewer's tags: words with a colour that they put on people and conversations, to find these by.

What a contact is filed under at its source is a tag of its person too (resolvers/ingest/categories.py), until it is taken off here.
A tag is kept under the id that its person or conversation had when it was put on, as notes are: an id that was absorbed leads to the
survivor, which bears it then; parted again, each bears its own. A tag is there as long as it is on something, be it somebody who is gone
meanwhile and may come back. Names are one without regard to case (Unicode's case folding) and to spaces around and between their words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import paging, people
from resolvers.identity import documents
from resolvers.loaders import batched, load
from resolvers.mistakes import Mistake, NodeMistake, not_found
from resolvers.notes import thing_of
from resolvers.operation import Operation
from resolvers.paging import Ask, Cut, Listing, Order
from resolvers.writing import Answer, Mistaken, Payload, payload, perform
from store import ids, locks
from store.among import among, asked
from store.feed import NodeKind, Recorder
from store.tables import category, contact, person, tag, tagged
from store.tags import ABOUT, MAX_NAME, MAX_OF_ONE, MAX_TAGS, bearing, by_hand, folded, is_name, make, spelled, unborne

_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_T, _ON, _OF = tag.c, tagged.c, category.c


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """A tag; `color` as #rrggbb."""

    id: str
    version: int
    name: str
    color: str | None


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What a tag is to be called; `colored` says whether `color` counts, which may then be None."""

    name: str
    color: str | None = None
    colored: bool = False


def is_tag(node_id: str) -> bool:
    """Whether an id claims to be a tag's."""
    return ids.kind_of(node_id) == "TAG"


def of_row(row: Any) -> Tag:
    """The tag of a row."""
    return Tag(id=row.id, version=row.version, name=row.name, color=row.color)


def by_id(conn: Connection, viewer: str, tag_ids: Sequence[str]) -> dict[str, Tag]:
    """Tags by id."""
    return {row.id: of_row(row) for row in conn.execute(select(tag).where(among(_T.id)), asked(viewer, tag_ids))}


async def of_viewer(operation: Operation) -> list[Tag]:
    """All tags, by name."""

    def read(conn: Connection, viewer: str) -> list[Tag]:
        rows = conn.execute(select(tag).where(_T.viewer_id == viewer).order_by(_T.folded, _T.id).limit(MAX_TAGS))
        return [of_row(row) for row in rows]

    return await operation.read(read)


def of_things(conn: Connection, viewer: str, about_ids: Sequence[str], about: str) -> dict[str, list[Tag]]:
    """The tags of people, or of conversations, by name."""
    mine = bearing(viewer, about, whose=about_ids)
    rows = conn.execute(
        select(tag, mine.c.whose).join(mine, sa.and_(_T.viewer_id == viewer, _T.id == mine.c.tag_id)).order_by(_T.folded, _T.id)
    )
    found: dict[str, list[Tag]] = {about_id: [] for about_id in about_ids}
    for row in rows:
        if len(found[row.whose]) < MAX_OF_ONE:
            found[row.whose].append(of_row(row))
    return found


async def of_thing(operation: Operation, about_id: str) -> list[Tag]:
    """The tags of a person or conversation, read together with those of others that the operation asks for."""
    return await load(operation, of_things, about_id, ids.kind_of(about_id) or "") or []


# --- the people of a tag --------------------------------------------------------------------------------------------------


def _people(viewer: str, tag_ids: Sequence[str]) -> tuple[sa.Select[Any], sa.ColumnElement[str], Order]:
    """The people of tags, whose each one is of, and their order."""
    mine = bearing(viewer, tag_ids=tag_ids)
    query = (
        select(person, mine.c.tag_id)
        .join(mine, sa.and_(person.c.viewer_id == viewer, person.c.id == mine.c.whose))
        .where(person.c.projection.is_not(None))
    )
    return query, mine.c.tag_id, Order((person.c.sort_name, person.c.id))


def _firsts(conn: Connection, viewer: str, tag_ids: Sequence[str], size: int, after: tuple[str, str] | None) -> dict[str, Cut]:
    query, group, order = _people(viewer, tag_ids)
    beyond = [] if after is None else [paging.beyond(order, after, forwards=True)]
    return paging.tops(conn, query.where(*beyond), group, order, size)


def _counts(conn: Connection, viewer: str, tag_ids: Sequence[str]) -> dict[str, int]:
    query, group, _ = _people(viewer, tag_ids)
    rows = conn.execute(query.with_only_columns(group.label("tag_id"), sa.func.count().label("n")).group_by(group))
    return {row.tag_id: row.n for row in rows}


async def people_of(operation: Operation, tag_id: str, ask: Ask) -> Listing:
    """The people who bear a tag, by name; pages and counts of many tags are read in one statement each."""
    scope = paging.bound("tag", tag_id)
    size = ask.size
    after = None if ask.after is None else paging.position(operation, scope, ask.after, tuple[str, str])

    async def batch(tag_ids: list[str]) -> Mapping[str, Cut]:
        return await operation.read(_firsts, tag_ids, size, after)

    async def count() -> int:
        return (await load(operation, _counts, tag_id)) or 0

    cut = await batched(operation, ("tag", size, after), batch, tag_id) or paging.EMPTY
    if after is not None:
        cut = Cut(cut.rows, has_next=cut.has_next, has_previous=True)
    return paging.listing(operation, scope, cut, key=lambda row: (row.sort_name, row.id), node=people.of_row, count=count)


# --- writing --------------------------------------------------------------------------------------------------------------


async def add(operation: Operation, about_id: str, draft: Draft, key: str | None) -> Payload:
    """Put a tag on a person or conversation; it is made where there is none of this name."""
    now = operation.now()

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        name, color = _checked(draft)
        locks.people(conn, viewer)  # of two that make the same tag at once one finds it there
        thing = thing_of(conn, viewer, about_id)
        row = conn.execute(select(tag).where(_T.viewer_id == viewer, _T.folded == folded(name))).one_or_none()
        if row is None:
            row = _made(conn, viewer, name, color, recorder)
        elif draft.colored and row.color != color:
            _write(conn, viewer, row, recorder, color=color)
        _put_on(conn, viewer, row.id, thing, recorder, now)
        return Answer(node_id=row.id, node_ids=(thing,))

    done = await perform(operation, "annotate", key, [about_id, draft], write)
    return payload(operation, done, annotation_id="node_id", node_ids="node_ids")


async def change(operation: Operation, tag_id: str, draft: Draft, key: str | None) -> Payload:
    """Call a tag otherwise, or give it another colour, wherever it is."""

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        name, color = _checked(draft)
        locks.people(conn, viewer)
        row = _writable(conn, viewer, tag_id)
        other = select(_T.id).where(_T.viewer_id == viewer, _T.folded == folded(name), _T.id != tag_id)
        if conn.execute(other).first() is not None:
            text = "Another tag has this name: put that one on instead."
            raise Mistaken(Mistake(code="INVALID", message=text, field=("change", "tag", "name")))
        values = {"name": name, "folded": folded(name), "color": color if draft.colored else row.color}
        if any(getattr(row, column) != value for column, value in values.items()):
            _write(conn, viewer, row, recorder, **values)
            documents.renew(conn, viewer, _bearers(conn, viewer, tag_id))
        return Answer(node_id=tag_id)

    done = await perform(operation, "updateAnnotation", key, [tag_id, draft], write)
    return payload(operation, done, annotation_id="node_id")


async def remove(operation: Operation, tag_id: str, about_id: str | None, key: str | None) -> Payload:
    """Take a tag off a person or conversation, or off everything; what is on nothing any more is gone."""

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        locks.people(conn, viewer)
        _writable(conn, viewer, tag_id)
        thing = None if about_id is None else thing_of(conn, viewer, about_id)
        off = sa.delete(tagged).where(_ON.viewer_id == viewer, _ON.tag_id == tag_id)
        # what the contact is filed under is kept in mind: it does not put the tag on again with each sync
        unfile = sa.update(category).where(_OF.viewer_id == viewer, _OF.tag_id == tag_id).values(tag_id=None)
        if thing is not None:
            known = ABOUT[ids.kind_of(thing) or ""].c
            led = select(known.id).where(known.viewer_id == viewer, known.redirect_to == thing)
            taken = conn.execute(off.where(sa.or_(_ON.about_id == thing, _ON.about_id.in_(led)))).rowcount
            theirs = select(contact.c.id).where(contact.c.viewer_id == viewer, contact.c.person_id == thing)
            taken += conn.execute(unfile.where(_OF.contact_id.in_(theirs))).rowcount
            if taken:
                newer(conn, viewer, thing, recorder)
        else:
            bearers = _bearers(conn, viewer, tag_id)
            conn.execute(off)
            conn.execute(unfile)
            documents.renew(conn, viewer, bearers)
        if conn.execute(unborne(viewer, [tag_id])).first() is not None:
            conn.execute(sa.delete(tag).where(_T.viewer_id == viewer, _T.id == tag_id))
            recorder.delete("TAG", tag_id)
        return Answer(node_id=tag_id, node_ids=(thing,))

    done = await perform(operation, "removeAnnotation", key, [tag_id, about_id], write)
    return payload(operation, done, annotation_id="node_id", node_ids="node_ids")


def _checked(draft: Draft) -> tuple[str, str | None]:
    """The name and colour as they are kept."""
    name = spelled(draft.name)
    if not is_name(name):
        code = "TOO_LONG" if len(name) > MAX_NAME else "INVALID" if name else "REQUIRED"
        text = f"A tag has 1 to {MAX_NAME} characters, none of them a control character."
        raise Mistaken(Mistake(code=code, message=text, field=("tag", "name")))
    if draft.color is not None and not _COLOR.fullmatch(draft.color):
        raise Mistaken(Mistake(code="INVALID", message="A colour is #rrggbb.", field=("tag", "color")))
    return name, draft.color and draft.color.lower()


def _made(conn: Connection, viewer: str, name: str, color: str | None, recorder: Recorder) -> Any:
    count = select(sa.func.count()).select_from(tag).where(_T.viewer_id == viewer)
    if conn.execute(count).scalar_one() >= MAX_TAGS:
        text = f"There are {MAX_TAGS:,} tags already; use one of them, or remove some first."
        raise Mistaken(Mistake(code="LIMIT_REACHED", message=text, field=("add", "tag")))
    new_id, created = make(conn, viewer, name, color)
    if created:
        recorder.upsert("TAG", new_id, 1, created=True)
    return conn.execute(select(tag).where(_T.viewer_id == viewer, _T.id == new_id)).one()


def _put_on(conn: Connection, viewer: str, tag_id: str, thing: str, recorder: Recorder, now: datetime) -> None:
    borne_by_it = of_things(conn, viewer, [thing], ids.kind_of(thing) or "")[thing]
    borne_already = any(one.id == tag_id for one in borne_by_it)
    if borne_already and conn.execute(by_hand(viewer, ids.kind_of(thing) or "", [tag_id], [thing])).first() is not None:
        return
    if not borne_already and len(borne_by_it) >= MAX_OF_ONE:
        text = f"There are {MAX_OF_ONE} tags on this already; take some off first."
        raise Mistaken(Mistake(code="LIMIT_REACHED", message=text, field=("aboutId",)))
    conn.execute(tagged.insert().values(viewer_id=viewer, tag_id=tag_id, about_id=thing, at=now))
    if not borne_already:
        newer(conn, viewer, thing, recorder)


def _bearers(conn: Connection, viewer: str, tag_id: str) -> list[str]:
    """Who bears a tag, so that they are found by it."""
    return list(conn.execute(select(bearing(viewer, tag_ids=[tag_id]).c.whose)).scalars())


def newer(conn: Connection, viewer: str, thing: str, recorder: Recorder) -> None:
    """What bears other tags is newer."""
    kind: NodeKind = "CONVERSATION" if ids.kind_of(thing) == "CONVERSATION" else "PERSON"
    table = ABOUT[kind]
    mine = sa.update(table).where(table.c.viewer_id == viewer, table.c.id == thing)
    for row in conn.execute(mine.values(version=table.c.version + 1).returning(table.c.id, table.c.version)).all():
        if row.version is not None:  # of a conversation that is only looked at live nothing is told
            recorder.upsert(kind, row.id, row.version, fields=("tags",))
    if kind == "PERSON":
        documents.renew(conn, viewer, [thing])


def _write(conn: Connection, viewer: str, row: Any, recorder: Recorder, **values: Any) -> None:
    conn.execute(sa.update(tag).where(_T.viewer_id == viewer, _T.id == row.id).values(**values, version=row.version + 1))
    recorder.upsert("TAG", row.id, row.version + 1)


def _writable(conn: Connection, viewer: str, tag_id: str) -> Any:
    row = conn.execute(select(tag).where(_T.viewer_id == viewer, _T.id == tag_id).with_for_update()).one_or_none()
    if row is None:
        if ids.kind_of(tag_id) == "ANNOTATION":
            text = "This is a note or a reminder, not a tag."
            raise Mistaken(NodeMistake(code="WRONG_KIND", message=text, field=("annotationId",), node_id=tag_id))
        raise Mistaken(not_found(tag_id, "annotationId"))
    return row
