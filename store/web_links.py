"""What look-ups have read of who is whom on the open web, for one viewer: claims with their worth, where they were read and when.

A claim that its speaker no longer makes is REVOKED, not forgotten. A look-up that saw one side alone says nothing about what both once
said. Until when a claim holds, and what becomes of it then, is `web_checks.py`'s. Knows no protocol.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store.among import among, asked
from store.tables import contact, identity, web_link
from store.upserts import insert_into

REVOKED: Final = "REVOKED"
CLAIMED: Final = "CLAIMED"
#: Worths that prove that two addresses are one person's, and relations that say so at all.
PROVEN: Final = frozenset({"RECIPROCAL", "VERIFIED"})
SAME: Final = frozenset({"ME", "MOVED_TO", "ALIAS"})
_L: Final = web_link.c
#: Whose claim it is: (speaker, target, relation).
Place = tuple[str, str, str]
_OF_SPEAKERS: Final = select(web_link).where(among(_L.speaker))
_OF_TARGETS: Final = select(web_link).where(among(_L.target))
_IS_PROOF: Final = sa.and_(_L.claim.in_(sorted(PROVEN)), _L.relation.in_(sorted(SAME)))
_ANY_PROOF: Final = select(sa.literal(1)).where(_L.viewer_id == sa.bindparam("viewer"), _IS_PROOF).limit(1)


class WebLink(msgspec.Struct, frozen=True, kw_only=True):
    """A claim; `speaker` and `target` are keys, `protocols` are separated by spaces. `verifier`: who vouches, or has seen it returned.

    `due_at`: until when it holds, None where nobody can be asked about it again; `checked_at`: when that was last tried; `failures`: how
    often in vain since `failing_since`; `lapsed_at`: when it therefore stopped counting as proof.
    """

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
    due_at: datetime | None = None
    checked_at: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    lapsed_at: datetime | None = None

    @property
    def place(self) -> Place:
        return self.speaker, self.target, self.relation


def put(
    conn: Connection,
    viewer: str,
    speakers: Collection[str],
    links: Collection[WebLink],
    urls: frozenset[str],
    heard: frozenset[str],
) -> list[WebLink]:
    """Keeps what a look-up found `speakers` to say; what is worth more, less or nothing since, as it is now. `urls` are the documents that
    it read, `heard` the addresses that it listened to: that others say nothing in return says nothing."""
    known = {one.place: one for one in said_by(conn, viewer, speakers)}
    fresh = {link.place: link for link in links}
    gone = [one for place, one in known.items() if place not in fresh and one.url in urls and one.claim != REVOKED]
    kept = [link for place, link in fresh.items() if _counts(link, known.get(place), heard)]
    if kept:
        _upsert(conn, viewer, kept)
    for one in gone:
        conn.execute(web_link.update().where(at(viewer, one.place)).values(claim=REVOKED, due_at=None))
    worth = {place: one.claim for place, one in known.items()}
    changed = [link for link in kept if worth.get(link.place) != link.claim]
    return changed + [msgspec.structs.replace(one, claim=REVOKED, due_at=None) for one in gone]


def _counts(link: WebLink, known: WebLink | None, heard: frozenset[str]) -> bool:
    """Whether what was read now says more than what is kept: a claim without an answer does only where there was none, or was listened for."""
    if known is None or link.claim != CLAIMED or link.target in heard:
        return True
    return known.claim in (CLAIMED, REVOKED) and known.lapsed_at is None


def said_by(conn: Connection, viewer: str, speakers: Iterable[str]) -> list[WebLink]:
    """What these addresses say, by key."""
    return _read(conn, viewer, _OF_SPEAKERS, speakers)


def said_of(conn: Connection, viewer: str, targets: Iterable[str]) -> list[WebLink]:
    """What is said of these addresses, by key."""
    return _read(conn, viewer, _OF_TARGETS, targets)


def proven(conn: Connection, viewer: str, keys: Iterable[str]) -> list[WebLink]:
    """What proves, by now, that any of these addresses, by key, is one person's with another; in one order whatever was asked."""
    wanted = frozenset(keys)
    found = {
        one.place: one
        for statement in (_OF_SPEAKERS, _OF_TARGETS)
        for one in _read(conn, viewer, statement.where(_IS_PROOF), wanted)
    }
    return [found[place] for place in sorted(found)]


def any_proven(conn: Connection, viewer: str) -> bool:
    """Whether anything at all is proven by what this viewer has looked up."""
    return conn.execute(_ANY_PROOF, {"viewer": viewer}).first() is not None


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


def of_row(row: Any) -> WebLink:
    """The claim of a row."""
    return WebLink(**{name: getattr(row, name) for name in WebLink.__struct_fields__})


def at(viewer: str, place: Place) -> sa.ColumnElement[bool]:
    """The row of a claim."""
    speaker, target, relation = place
    return sa.and_(_L.viewer_id == viewer, _L.speaker == speaker, _L.target == target, _L.relation == relation)


def _read(conn: Connection, viewer: str, statement: sa.Select[tuple[object, ...]], keys: Iterable[str]) -> list[WebLink]:
    rows = conn.execute(statement, asked(viewer, keys)).all()
    return [of_row(row) for row in rows]


def _upsert(conn: Connection, viewer: str, links: Sequence[WebLink]) -> None:
    """Keeps claims as they are now, be it that somebody else keeps the same at this moment."""
    insert = insert_into(web_link, conn.dialect.name)
    others = [column.name for column in web_link.columns if not column.primary_key]
    newest = insert.on_conflict_do_update(
        index_elements=[column.name for column in web_link.primary_key.columns],
        set_={name: insert.excluded[name] for name in others},
    )
    conn.execute(newest, [{"viewer_id": viewer, **msgspec.structs.asdict(link)} for link in links])
