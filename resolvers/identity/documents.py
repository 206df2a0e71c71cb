"""What is to be found of people: their documents of the search index, of what their sources say of them, what the viewer noted, the tags that
they bear, what they speak about and at which meetings they are.

Notes and tags are found under whoever their person is now: those of ids that lead to a person are among that person's words. Where somebody
was met are words by themselves too, by which "met in Lisbon" finds them and not who lives there. Knows no query.
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
from store.search_index import facet
from store.tables import annotation, attendee, category, contact, meeting, meeting_event, person, tag, tagged
from store.words import BREAK, fold

MAX_NOTED: Final = 20_000  # characters of one person's notes that are to be found, the latest
MAX_MET: Final = 10_000  # characters of titles and places of one person's meetings
MAX_MET_WORDS: Final = 400
MET: Final = "met"  # the kind of facet
_A, _E = attendee.c, meeting_event.c
# one statement for both: each change of a person asks it. A meeting that is called off, or that they declined, is not where they are met;
# outer joins as below
_TOPICS: Final = sa.union_all(
    select(person.c.id, person.c.topics, sa.null().label("place"), sa.literal(True).label("held"))
    .where(among(person.c.id), person.c.topics != ""),
    select(
        contact.c.person_id, _E.title, _E.location,
        select(sa.literal(1)).where(meeting.c.viewer_id == _E.viewer_id, meeting.c.event_id == _E.id, sa.not_(meeting.c.cancelled)).exists()
    )
    .outerjoin(attendee, sa.and_(_A.viewer_id == contact.c.viewer_id, _A.contact_id == contact.c.id, _A.response != "DECLINED"))
    .outerjoin(meeting_event, sa.and_(_E.viewer_id == _A.viewer_id, _E.id == _A.event_id))
    .where(among(contact.c.person_id)),
)  # fmt: skip
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
_WHOSE: Final = select(contact.c.person_id).where(among(contact.c.id), contact.c.person_id.is_not(None)).distinct()
_ADDRESSES: Final = ("https://", "http://")  # of a conference, in place of a place
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


class _Said(msgspec.Struct):
    """What is found of a person besides what their sources say, and of that the titles and places of their meetings."""

    words: list[str]
    met: set[str]


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


def renew_of(conn: Connection, viewer: str, contact_ids: Collection[str]) -> None:
    """Write the documents of the people whose contacts these are."""
    renew(conn, viewer, set(conn.execute(_WHOSE, asked(viewer, contact_ids)).scalars()) if contact_ids else ())


def _said(conn: Connection, viewer: str, person_ids: Collection[str]) -> dict[str, _Said]:
    """What is found of each person besides what their sources say: topics, meetings, tags, and notes, the latest first."""
    said = {person_id: _Said(words=[], met=set()) for person_id in person_ids}
    found = {person_id: one.words for person_id, one in said.items()}
    for row in conn.execute(_TOPICS, asked(viewer, person_ids)):
        if row.place is None and row.topics:
            found[row.id].append(row.topics)
        elif row.place is not None and row.held:
            said[row.id].met.update(text for text in (row.place, row.topics) if text and not text.startswith(_ADDRESSES))
    for one in said.values():
        if one.met:
            one.words.append(BREAK.join(sorted(one.met))[:MAX_MET])
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
    return said


def _document(person_id: str, projection: Projection, said: _Said) -> search_index.Doc:
    names = [n.full + (f" {n.nickname}" if n.nickname else "") for n in projection.names] or [projection.name]
    other = [e.raw for e in projection.emails] + [p.raw for p in projection.phones] + [p.number or "" for p in projection.phones]
    other += [f"{o.name} {o.title or ''}" for o in projection.organizations] + [u.url for u in projection.urls]
    other += [" ".join(filter(None, (a.locality, a.region, a.country))) or a.formatted for a in projection.addresses]
    other += [projection.bio.value] if projection.bio else []
    other += said.words
    places = [a.locality for a in projection.addresses if a.locality]
    alike = sounding.of_person(names, [*(o.name for o in projection.organizations), *places])
    met = sorted(set(fold(BREAK.join(sorted(said.met))[:MAX_MET]).split()))[:MAX_MET_WORDS]
    facets = alike.union(facet(MET, word) for word in met)
    return search_index.Doc(node_id=person_id, kind="PERSON", title=BREAK.join(names), body=BREAK.join(other), facets=facets)
