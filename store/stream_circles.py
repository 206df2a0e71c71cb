"""Who is of the circles that rules of streams name, as activities were matched last; and whose are to be asked again since that changed.

Kept by contacts, since these are what activities are of: joined and parted people, a circle that is drawn anew or dissolved, a contact that is
gone are all the same, namely contacts that came or went. Whoever did has their activities asked again, in the order from the latest back;
places agree with the matches as those of the feed do. While no circles are shown (store/circles.py) those of before count. Knows no rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Final, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store import leases, streams
from store.circles import memberships, shown
from store.feed import STREAM_JOB, Head, Recorder
from store.rows import insert
from store.streams import Match, Reader
from store.tables import activity, circle, circle_member, contact, feed, stream, stream_again, stream_circle, stream_reader
from store.upserts import insert_into

_S, _A, _F = stream_circle.c, stream_again.c, feed.c
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(frozenset[str]).decode
#: Contacts of a circle; None where there is no such circle.
Contacts = frozenset[str] | None


class Moved(NamedTuple):
    """Who is of the circles that rules name, before and by now, as of the feed's `head`."""

    seen: Reader
    head: int
    before: dict[str, Contacts]
    now: dict[str, Contacts]
    fresh: frozenset[str]  # circles of which nobody's activities were asked yet: all are still to be


class Waiting(NamedTuple):
    """Whose activities are asked again next, from the one after (`at`, `id`) back."""

    contact_id: str
    at: datetime | None
    id: str | None


def there(conn: Connection, viewer: str) -> bool:
    """Whether circles are shown."""
    return bool(conn.execute(select(shown(viewer))).scalar_one())


def present(conn: Connection, viewer: str, circle_ids: Iterable[str]) -> dict[str, Contacts]:
    """Whose contacts are of each circle by now."""
    wanted = sorted(circle_ids)
    found: dict[str, Contacts] = dict.fromkeys(wanted)
    alive = conn.execute(select(circle.c.id).where(circle.c.viewer_id == viewer, circle.c.id.in_(wanted))).scalars().all()
    people = memberships(viewer).where(circle_member.c.circle_id.in_(alive)).subquery("people")
    whose = sa.and_(contact.c.viewer_id == viewer, contact.c.person_id == people.c.person_id)
    members: dict[str, set[str]] = {one: set() for one in alive}
    for row in conn.execute(select(people.c.circle_id, contact.c.id).join(people, whose)):
        members[row.circle_id].add(row.id)
    return {**found, **{circle_id: frozenset(ids) for circle_id, ids in members.items()}}


def kept(conn: Connection, viewer: str) -> dict[str, Contacts]:
    """Whose contacts were of each circle when activities were matched last."""
    rows = conn.execute(select(_S.circle_id, _S.contacts).where(_S.viewer_id == viewer))
    return {row.circle_id: None if row.contacts is None else _decode(row.contacts) for row in rows}


def by_contact(circles: Mapping[str, Contacts]) -> dict[str, tuple[str, ...]]:
    """The circles of each contact."""
    found: dict[str, list[str]] = {}
    for circle_id, contacts in sorted(circles.items()):
        for contact_id in contacts or ():
            found.setdefault(contact_id, []).append(circle_id)
    return {contact_id: tuple(ids) for contact_id, ids in found.items()}


def unsure(conn: Connection, viewer: str, seen: Reader, head: Head, *, naming: bool | None) -> bool:
    """Whether somebody may be of other circles than was known, or other circles are named than were. `naming` says whether any are, where it
    is known that it is still the same ones.
    """
    if naming is None:
        named, before = {*_named(conn, viewer)}, {*conn.execute(select(_S.circle_id).where(_S.viewer_id == viewer)).scalars()}
        if named != before:
            return True
        naming = bool(named)
    if not naming or not there(conn, viewer):
        return False
    return seen.circles_at < head.horizon or concerned(conn, viewer, seen.circles_at, head.position)


def concerned(conn: Connection, viewer: str, after: int, head: int) -> bool:
    """Whether the feed tells of something after a position by which people may have come into circles or left them."""
    moving = sa.or_(
        _F.kind == "CIRCLE",
        _F.op.in_(("MERGE", "SPLIT")),
        sa.and_(_F.kind == "CONTACT", sa.or_(_F.op == "DELETE", _F.created)),
    )
    rows = select(_F.position).where(_F.viewer_id == viewer, _F.position > after, _F.position <= head, moving)
    return conn.execute(rows.limit(1)).first() is not None


def moved(conn: Connection, viewer: str, head: int) -> Moved | None:
    """Who came into circles and left them; None while nobody wants to know."""
    seen = streams.reader(conn, viewer)
    if seen is None:
        return None
    named, before = _named(conn, viewer), kept(conn, viewer)
    if there(conn, viewer):
        now = present(conn, viewer, named)
    else:
        now = {circle_id: before.get(circle_id) for circle_id in named}
        head = seen.circles_at
    fresh = frozenset(one for one, untouched in named.items() if untouched and one not in before)
    return Moved(seen, head, before, now, fresh)


def adopt(conn: Connection, viewer: str, what: Moved, now: datetime) -> bool:
    """Count from here on as people are counted now, and have asked again what whoever came or went did. False as `streams.settle`."""
    if streams.reader(conn, viewer) != what.seen:
        return False
    changed = {one: contacts for one, contacts in what.now.items() if one not in what.before or what.before[one] != contacts}
    gone = what.before.keys() - what.now.keys()
    if gone or changed:
        conn.execute(sa.delete(stream_circle).where(_S.viewer_id == viewer, _S.circle_id.in_([*gone, *changed])))
        streams.moved(conn, viewer)
    rows = [
        {"viewer_id": viewer, "circle_id": one, "contacts": None if contacts is None else _encode(sorted(contacts))}
        for one, contacts in sorted(changed.items())
    ]
    insert(conn, stream_circle, rows)
    whose = set[str]()
    for one, contacts in changed.items():
        if one not in what.fresh:
            whose |= (contacts or frozenset()) ^ (what.before.get(one) or frozenset())
    insert(conn, _again(conn.dialect.name), [{"viewer_id": viewer, "contact_id": one} for one in sorted(whose)])
    mine = sa.update(stream_reader).where(stream_reader.c.viewer_id == viewer)
    conn.execute(mine.values(circles_at=max(what.head, what.seen.circles_at)))
    recorder = Recorder(now, origin="SYSTEM")
    turned = {one for one, contacts in changed.items() if one in what.before and (contacts is None) != (what.before[one] is None)}
    for found in streams.listed(conn, viewer) if turned else ():
        if not turned.isdisjoint(found.circles.values()):
            streams.change(conn, viewer, found.id, version=found.version + 1)
            recorder.upsert("STREAM", found.id, found.version + 1, fields=("namedCircles",))
    recorder.flush(conn, viewer)
    return True


def waiting(conn: Connection, viewer: str) -> Waiting | None:
    """Whose activities are to be asked again; None when nobody's are."""
    query = select(_A.contact_id, _A.reached_at, _A.reached_id).where(_A.viewer_id == viewer).order_by(_A.contact_id).limit(1)
    row = conn.execute(query).one_or_none()
    return None if row is None else Waiting(row.contact_id, row.reached_at, row.reached_id)


def asked_again(
    conn: Connection, viewer: str, seen: Reader, of: Waiting, met: Sequence[Match], looked_at: Sequence[str],
    revisions: Mapping[str, int], last: tuple[datetime, str] | None, now: datetime,
) -> bool:  # fmt: skip
    """Write what a stretch of somebody's activities meets by now, down to `last`, None at the end; clients are told of those that come and
    go. False as `streams.settle`.
    """
    if streams.reader(conn, viewer) != seen or waiting(conn, viewer) != of:
        return False
    _, turned = streams.put_met(conn, viewer, met, looked_at, revisions)
    mine = sa.and_(_A.viewer_id == viewer, _A.contact_id == of.contact_id)
    if last is None:
        conn.execute(sa.delete(stream_again).where(mine))
    else:
        conn.execute(sa.update(stream_again).where(mine).values(reached_at=last[0], reached_id=last[1]))
    leases.got_on(conn, viewer, STREAM_JOB, viewer)
    recorder = Recorder(now, origin="SYSTEM")
    for activity_id in sorted(turned):
        this = sa.update(activity).where(activity.c.viewer_id == viewer, activity.c.id == activity_id)
        version = conn.execute(this.values(version=activity.c.version + 1).returning(activity.c.version)).scalar_one_or_none()
        if version is not None:
            recorder.upsert("ACTIVITY", activity_id, version, fields=("streams",))
    recorder.flush(conn, viewer)
    return True


def _named(conn: Connection, viewer: str) -> dict[str, bool]:
    """The circles that rules which are on name; whether no activity was matched with any of these rules yet."""
    s = stream.c
    found: dict[str, bool] = {}
    naming = select(s.circles, s.replayed, s.replayed_at).where(s.viewer_id == viewer, s.enabled, s.circles.is_not(None))
    for row in conn.execute(naming):
        for circle_id in streams.read_circles(row.circles).values():
            found[circle_id] = found.get(circle_id, True) and row.replayed == 0 and row.replayed_at is None
    return found


@cache
def _again(dialect: str) -> sa.Insert:
    statement = insert_into(stream_again, dialect)
    whole: sa.Insert = statement.on_conflict_do_update(
        index_elements=["viewer_id", "contact_id"], set_={"reached_at": sa.null(), "reached_id": sa.null()}
    )
    return whole
