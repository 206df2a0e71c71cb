"""What look-ups have read of who is whom on the open web, for one viewer: claims with their worth, where they were read and when.

A claim that its speaker no longer makes is REVOKED, not forgotten. A look-up that saw one side alone says nothing about what both once
said. Knows no protocol.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store.among import among, asked
from store.tables import contact, identity, web_link

REVOKED: Final = "REVOKED"
CLAIMED: Final = "CLAIMED"
_L: Final = web_link.c
_OF_SPEAKERS: Final = select(web_link).where(among(_L.speaker))
_OF_TARGETS: Final = select(web_link).where(among(_L.target))


class WebLink(msgspec.Struct, frozen=True, kw_only=True):
    """A claim; `speaker` and `target` are keys, `protocols` are separated by spaces. `verifier`: who vouches, or has seen it returned."""

    speaker: str
    target: str
    relation: str
    claim: str
    protocols: str
    speaker_uri: str
    target_uri: str
    url: str
    read_at: datetime
    verifier: str | None = None
    verified_at: datetime | None = None


def put(
    conn: Connection,
    viewer: str,
    speakers: Collection[str],
    links: Collection[WebLink],
    urls: frozenset[str],
    read: frozenset[str],
) -> None:
    """Keeps what a look-up found `speakers` to say. `urls` are the documents that it read, `read` the addresses that it listened to."""
    known = {(one.speaker, one.target, one.relation): one for one in said_by(conn, viewer, speakers)}
    fresh = {(link.speaker, link.target, link.relation): link for link in links}
    gone = [place for place, one in known.items() if place not in fresh and one.url in urls and one.claim != REVOKED]
    kept = [
        link
        for place, link in fresh.items()
        if (old := known.get(place)) is None or old.claim in (CLAIMED, REVOKED) or link.claim != CLAIMED or link.target in read
    ]
    _delete(conn, viewer, [place for link in kept if (place := (link.speaker, link.target, link.relation)) in known])
    if kept:
        conn.execute(web_link.insert(), [{"viewer_id": viewer, **msgspec.structs.asdict(link)} for link in kept])
    for speaker, target, relation in gone:
        where = sa.and_(_L.viewer_id == viewer, _L.speaker == speaker, _L.target == target, _L.relation == relation)
        conn.execute(web_link.update().where(where).values(claim=REVOKED))


def said_by(conn: Connection, viewer: str, speakers: Iterable[str]) -> list[WebLink]:
    """What these addresses say, by key."""
    return _read(conn, viewer, _OF_SPEAKERS, speakers)


def said_of(conn: Connection, viewer: str, targets: Iterable[str]) -> list[WebLink]:
    """What is said of these addresses, by key."""
    return _read(conn, viewer, _OF_TARGETS, targets)


def shown_through(conn: Connection, viewer: str, identity_ids: Sequence[str]) -> dict[str, str]:
    """Through which contact each identity was shown, as far as there still is one."""
    still = sa.and_(contact.c.viewer_id == identity.c.viewer_id, contact.c.id == identity.c.contact_id)
    rows = conn.execute(select(identity).join(contact, still).where(among(identity.c.id)), asked(viewer, identity_ids))
    return {row.id: row.contact_id for row in rows}


def show(conn: Connection, viewer: str, through: dict[str, str]) -> None:
    """Remembers that clients know these identities by their ids."""
    known = shown_through(conn, viewer, list(through))
    fresh = {i: c for i, c in sorted(through.items()) if i not in known}
    if fresh:
        conn.execute(identity.delete().where(among(identity.c.id)), asked(viewer, fresh))
        conn.execute(identity.insert(), [{"viewer_id": viewer, "id": i, "contact_id": c} for i, c in fresh.items()])


def _read(conn: Connection, viewer: str, statement: sa.Select[tuple[object, ...]], keys: Iterable[str]) -> list[WebLink]:
    rows = conn.execute(statement, asked(viewer, keys)).all()
    return [WebLink(**{name: getattr(row, name) for name in WebLink.__struct_fields__}) for row in rows]


def _delete(conn: Connection, viewer: str, places: Sequence[tuple[str, str, str]]) -> None:
    for speaker, target, relation in places:
        conn.execute(
            web_link.delete().where(_L.viewer_id == viewer, _L.speaker == speaker, _L.target == target, _L.relation == relation)
        )
