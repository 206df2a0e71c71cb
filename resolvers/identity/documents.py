"""What is to be found of people: their documents of the search index, of what their sources say of them, what the viewer noted, the tags that
they bear and what they speak about.

Notes and tags are found under whoever their person is now: those of ids that lead to a person are among that person's words. Knows no query.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import sounding
from resolvers.projection import Projection
from store import search_index
from store.among import among, asked
from store.tables import annotation, category, contact, person, tag, tagged
from store.words import BREAK

MAX_NOTED: Final = 20_000  # characters of one person's notes that are to be found, the latest
_TOPICS: Final = select(person.c.id, person.c.topics).where(among(person.c.id), person.c.topics != "")
# `at` is read along: of what the primary key has by itself SQLite would walk through all that is tagged
_PUT_ON: Final = (
    select(tagged.c.about_id, tag.c.name, tagged.c.at)
    .join(tag, sa.and_(tag.c.viewer_id == tagged.c.viewer_id, tag.c.id == tagged.c.tag_id))
    .where(among(tagged.c.about_id))
    .order_by(tag.c.folded, tag.c.id)
)
# outer joins: from contacts to what they are filed under, never through all that anything is filed under
_FILED: Final = (
    select(contact.c.person_id, tag.c.name)
    .outerjoin(category, sa.and_(category.c.viewer_id == contact.c.viewer_id, category.c.contact_id == contact.c.id))
    .outerjoin(tag, sa.and_(tag.c.viewer_id == category.c.viewer_id, tag.c.id == category.c.tag_id))
    .where(among(contact.c.person_id))
    .order_by(tag.c.folded, tag.c.id)
)
_projection: Final = msgspec.msgpack.Decoder(Projection).decode
_PROJECTIONS: Final = select(person.c.id, person.c.projection).where(
    among(person.c.id), person.c.redirect_to.is_(None), person.c.projection.is_not(None)
)
_LEADING: Final = select(person.c.id, person.c.redirect_to).where(among(person.c.redirect_to))
_NOTES: Final = (
    select(annotation.c.about_id, annotation.c.body)
    .where(among(annotation.c.about_id), annotation.c.kind == "NOTE")
    .order_by(annotation.c.at.desc(), annotation.c.id.desc())
)
_TOLD: Final = sa.union(
    select(annotation.c.about_id).where(among(annotation.c.about_id), annotation.c.kind == "NOTE"),
    select(tagged.c.about_id).where(among(tagged.c.about_id)),
)


def put(conn: Connection, viewer: str, projections: Mapping[str, Projection]) -> None:
    """Write the documents of people by id, for what is shown of them."""
    if not projections:
        return
    said = _said(conn, viewer, projections)
    search_index.put(conn, viewer, [_document(person_id, one, said[person_id]) for person_id, one in projections.items()])


def renew(conn: Connection, viewer: str, person_ids: Collection[str]) -> None:
    """Write the documents of those of these people who are shown, from what is stored."""
    rows = conn.execute(_PROJECTIONS, asked(viewer, person_ids)).all()
    put(conn, viewer, {row.id: _projection(row.projection) for row in rows})


def follow_notes(conn: Connection, viewer: str, heirs: Mapping[str, str]) -> None:
    """People (keys) lead to others since, or stand for themselves: their notes and tags are found under whom they belong to now."""
    told = conn.execute(_TOLD, asked(viewer, heirs)).scalars().all()
    if told:
        renew(conn, viewer, {heirs[person_id] for person_id in told})


def _said(conn: Connection, viewer: str, person_ids: Collection[str]) -> dict[str, list[str]]:
    """What is found of each person besides what their sources say: topics, tags, and notes, the latest first."""
    found: dict[str, list[str]] = {person_id: [] for person_id in person_ids}
    for row in conn.execute(_TOPICS, asked(viewer, person_ids)):
        found[row.id].append(row.topics)
    for row in conn.execute(_FILED, asked(viewer, person_ids)):
        if row.name is not None:
            found[row.person_id].append(row.name)
    whose = {row.id: row.redirect_to for row in conn.execute(_LEADING, asked(viewer, person_ids))}
    about = {*person_ids, *whose}
    for borne in conn.execute(_PUT_ON, asked(viewer, about)):
        found[whose.get(borne.about_id, borne.about_id)].append(borne.name)
    notes: dict[str, list[str]] = defaultdict(list)
    for row in conn.execute(_NOTES, asked(viewer, about)):
        notes[whose.get(row.about_id, row.about_id)].append(row.body)
    for person_id, bodies in notes.items():
        found[person_id].append(BREAK.join(bodies)[:MAX_NOTED])
    return found


def _document(person_id: str, projection: Projection, said: Collection[str]) -> search_index.Doc:
    names = [n.full + (f" {n.nickname}" if n.nickname else "") for n in projection.names] or [projection.name]
    other = [e.raw for e in projection.emails] + [p.raw for p in projection.phones] + [p.number or "" for p in projection.phones]
    other += [f"{o.name} {o.title or ''}" for o in projection.organizations] + [u.url for u in projection.urls]
    other += [" ".join(filter(None, (a.locality, a.region, a.country))) or a.formatted for a in projection.addresses]
    other += [projection.bio.value] if projection.bio else []
    other += said
    places = [a.locality for a in projection.addresses if a.locality]
    alike = sounding.of_person(names, [*(o.name for o in projection.organizations), *places])
    return search_index.Doc(node_id=person_id, kind="PERSON", title=BREAK.join(names), body=BREAK.join(other), facets=alike)
