"""What is to be found of people: their documents of the search index, of what their sources say of them, what the viewer noted, the tags that
they bear, what they speak about and at which meetings they are.

Notes and tags are found under whoever their person is now: those of ids that lead to a person are among that person's words. Where somebody
was met are words by themselves too, by which "met in Lisbon" finds them and not who lives there. Knows no query.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any, Final

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
_WHOSE: Final = select(contact.c.person_id).where(among(contact.c.id), contact.c.person_id.is_not(None)).distinct()
_ADDRESSES: Final = ("https://", "http://")  # of a conference, in place of a place
_projection: Final = msgspec.msgpack.Decoder(Projection).decode
_PROJECTIONS: Final = select(person.c.id, person.c.projection).where(
    among(person.c.id), person.c.redirect_to.is_(None), person.c.projection.is_not(None)
)
_NOTES, _TOPICS, _MET, _FILED, _PUT_ON, _PARTS = range(6)
_A, _T, _G, _I, _E = annotation.c, tagged.c, tag.c, attendee.c, meeting_event.c


def _saying(
    part: int, whose: sa.ColumnElement[Any], said: sa.ColumnElement[Any], *order: sa.ColumnElement[Any]
) -> sa.Select[Any]:
    """What is said in one place of people: whose it is, the words, and by what these are ordered."""
    at, name, node_id = order or (sa.null(), sa.null(), sa.null())
    return select(
        sa.literal_column(str(part)).label("part"), whose.label("whose"), said.label("said"),
        at.label("at"), name.label("name"), node_id.label("id"),
    )  # fmt: skip


def _all_that_is_said() -> sa.CompoundSelect[Any]:
    """Of people, and of ids that lead to them."""
    leading = among(person.c.redirect_to)
    noted = sa.and_(_A.viewer_id == person.c.viewer_id, _A.about_id == person.c.id, _A.kind == "NOTE")
    put_on = sa.and_(_T.viewer_id == person.c.viewer_id, _T.about_id == person.c.id)
    called = sa.and_(_G.viewer_id == _T.viewer_id, _G.id == _T.tag_id)
    # a meeting that is called off, or that they declined, is not where they are met
    invited = sa.and_(_I.viewer_id == contact.c.viewer_id, _I.contact_id == contact.c.id, _I.response != "DECLINED")
    planned = sa.and_(_E.viewer_id == _I.viewer_id, _E.id == _I.event_id)
    m = meeting.c
    held = select(sa.literal(1)).where(m.viewer_id == _E.viewer_id, m.event_id == _E.id, sa.not_(m.cancelled)).exists()
    filed = sa.and_(category.c.viewer_id == contact.c.viewer_id, category.c.contact_id == contact.c.id)
    filed_as = sa.and_(_G.viewer_id == category.c.viewer_id, _G.id == category.c.tag_id)
    note = (_A.at, sa.null(), _A.id)
    # `at` is read along: of what the primary key has by itself SQLite would walk through all that is tagged
    tag_of = (_T.at, _G.folded, _G.id)
    # outer joins: from people and contacts to what is said of them, never through all that anything is said in
    return sa.union_all(
        _saying(_NOTES, _A.about_id, _A.body, *note).where(among(_A.about_id), _A.kind == "NOTE"),
        _saying(_NOTES, person.c.redirect_to, _A.body, *note).select_from(person).outerjoin(annotation, noted).where(leading),
        _saying(_PUT_ON, _T.about_id, _G.name, *tag_of).select_from(tagged).join(tag, called).where(among(_T.about_id)),
        _saying(_PUT_ON, person.c.redirect_to, _G.name, *tag_of).select_from(person).outerjoin(tagged, put_on)
        .outerjoin(tag, called).where(leading),
        _saying(_FILED, contact.c.person_id, _G.name, sa.null(), _G.folded, _G.id).select_from(contact).outerjoin(category, filed)
        .outerjoin(tag, filed_as).where(among(contact.c.person_id)),
        _saying(_MET, contact.c.person_id, sa.case((held, _E.title)), sa.null(), _E.location, _E.id).select_from(contact)
        .outerjoin(attendee, invited).outerjoin(meeting_event, planned).where(among(contact.c.person_id)),
        _saying(_TOPICS, person.c.id, person.c.topics).where(among(person.c.id), person.c.topics != ""),
    )  # fmt: skip


_SAID: Final = _all_that_is_said()
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
    told = conn.execute(_TOLD, asked(viewer, heirs)).scalars().all() if heirs else ()
    if told:
        renew(conn, viewer, {heirs[person_id] for person_id in told})


def renew_of(conn: Connection, viewer: str, contact_ids: Collection[str]) -> None:
    """Write the documents of the people whose contacts these are."""
    renew(conn, viewer, set(conn.execute(_WHOSE, asked(viewer, contact_ids)).scalars()) if contact_ids else ())


def _said(conn: Connection, viewer: str, person_ids: Collection[str]) -> dict[str, _Said]:
    """What is found of each person besides what their sources say: topics, meetings, tags, and notes, the latest first. One statement."""
    said = {person_id: _Said(words=[], met=set()) for person_id in person_ids}
    found = {person_id: one.words for person_id, one in said.items()}
    rows: tuple[list[Any], ...] = tuple([] for _ in range(_PARTS))
    for row in conn.execute(_SAID, asked(viewer, person_ids)):
        if row.said is not None:
            rows[row.part].append(row)
    for row in rows[_TOPICS]:
        found[row.whose].append(row.said)
    for row in rows[_MET]:
        said[row.whose].met.update(text for text in (row.name, row.said) if text and not text.startswith(_ADDRESSES))
    for one in said.values():
        if one.met:
            one.words.append(BREAK.join(sorted(one.met))[:MAX_MET])
    for part in (_FILED, _PUT_ON):
        for row in sorted(rows[part], key=lambda row: (row.name, row.id)):
            found[row.whose].append(row.said)
    notes: dict[str, list[str]] = defaultdict(list)
    for row in sorted(rows[_NOTES], key=lambda row: (row.at, row.id), reverse=True):
        notes[row.whose].append(row.said)
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
