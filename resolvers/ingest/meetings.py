"""What mails say of meetings becomes meetings: kept as it was said, and put together anew with each word (`itip.py`).

Who wrote a mail binds what it says. An invitation, an update or a cancellation is its sender's (From), whoever it names as ORGANIZER: with
another sender it is another meeting, and changes nothing of the one that it pretends to be (RFC 6047 §2.2.2, §3). An answer counts for its
sender alone. Mail that failed authentication, junk and drafts say nothing. What was said goes with its mail, and what is known of the
meeting is put together again from the rest. Meetings of LIVE accounts are not kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.identity import documents
from resolvers.ingest import itip
from resolvers.ingest.contacts import Correspondent, correspondent_key, put_correspondents, upsert
from resolvers.ingest.itip import Event, Said
from resolvers.ingest.target import Result, Target
from store import ids
from store.accounts import own_values
from store.among import among, asked
from store.feed import Recorder
from store.rows import insert
from store.tables import attendee, contact, invitation, meeting, meeting_event, message_source

MAX_KEPT: Final = 1_000  # words on the meetings of one UID
MAX_ACQUAINTED: Final = 50  # invited; a larger meeting makes nobody an acquaintance but who organizes it
STEP: Final = 200
#: Categories of mail whose invited nobody is acquainted with for that.
_CROWDS: Final = frozenset({"LIST", "NEWSLETTER", "BOUNCE", "SYSTEM"})
_ANSWERS: Final = frozenset({"REPLY", "COUNTER"})
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(records.Invitation).decode
_KNOWN: Final = select(invitation.c.message_id).where(among(invitation.c.message_id)).distinct()
_SERIES: Final = select(invitation.c.series_id).where(among(invitation.c.message_id)).distinct()
_SAID: Final = select(invitation).where(among(invitation.c.series_id))
_EVENTS: Final = select(meeting_event.c.id, meeting_event.c.series_id, meeting_event.c.fingerprint).where(
    among(meeting_event.c.series_id)
)
_THERE_BEFORE: Final = (
    select(attendee.c.contact_id).where(among(attendee.c.event_id), attendee.c.contact_id.is_not(None)).distinct()
)
_MEETINGS: Final = select(meeting).where(among(meeting.c.event_id))
_THROUGH: Final = (
    select(invitation.c.series_id, message_source.c.account_id)
    .join(message_source, sa.and_(message_source.c.viewer_id == invitation.c.viewer_id,
                                  message_source.c.message_id == invitation.c.message_id))
    .where(among(invitation.c.series_id)).distinct()
)  # fmt: skip
_THERE: Final = select(contact.c.id).where(among(contact.c.id))


def take(
    conn: Connection,
    viewer: str,
    target: Target,
    told: Sequence[tuple[records.Message, Result]],
    recorder: Recorder,
    now: datetime,
) -> None:
    """Keep what mails with a calendar part say, those that became new rows of their account or of which nothing is kept yet."""
    items = {result.node_id: item for item, result in told if result.node_id is not None and _speaks(item)}
    if not items:
        return
    kept = set(conn.execute(_KNOWN, asked(viewer, items)).scalars())
    again = {result.node_id for _, result in told if result.outcome == "UNCHANGED"}
    said = {m: found for m, item in items.items() if m not in kept or m not in again if (found := _said(item, target.own))}
    rows = [
        {
            "viewer_id": viewer, "message_id": message_id, "position": position, "series_id": _series_id(viewer, organizer, one.uid),
            "organizer": organizer, "sender": sender.address.lower(), "name": sender.name, "sent_at": items[message_id].sent_at,
            "record": _encode(one),
        }
        for message_id, found in said.items()
        for position, (organizer, sender, one) in enumerate(found)
    ]  # fmt: skip
    upsert(conn, invitation, rows, ["message_id", "position"])
    _acquaint(conn, viewer, target, [(items[m], one) for m, found in said.items() for _, _, one in found], recorder, now)
    rebuild(conn, viewer, {str(row["series_id"]) for row in rows}, recorder)


def forget(conn: Connection, viewer: str, message_ids: Collection[str], recorder: Recorder) -> None:
    """Mails are gone, and what they said."""
    series = set(conn.execute(_SERIES, asked(viewer, message_ids)).scalars()) if message_ids else set()
    if series:
        mine = invitation.c
        conn.execute(sa.delete(invitation).where(mine.viewer_id == viewer, mine.message_id.in_(sorted(message_ids))))
        rebuild(conn, viewer, series, recorder)


def part_with(conn: Connection, viewer: str, contact_ids: Collection[str], recorder: Recorder) -> None:
    """Contacts are gone: those at meetings are known through another account, or no more."""
    a, e = attendee.c, meeting_event.c
    theirs = (
        select(e.series_id)
        .join(attendee, sa.and_(a.viewer_id == e.viewer_id, a.event_id == e.id))
        .where(a.viewer_id == viewer, a.contact_id.in_(sorted(contact_ids)))
        .distinct()
    )
    rebuild(conn, viewer, set(conn.execute(theirs).scalars()), recorder)


def turn(conn: Connection, viewer: str, address: str, mine: bool, recorder: Recorder, now: datetime) -> bool:
    """An address is the viewer's, or is not: a step of at most STEP meetings that it organizes, or is invited to as somebody who is nobody
    yet. True while there is more to do."""
    e, a = meeting_event.c, attendee.c
    organizes = sa.and_(e.organizer == address, e.direction != ("OUTBOUND" if mine else "INBOUND"))
    nobody = sa.and_(a.address == address, a.contact_id.is_(None), a.role != "RESOURCE", e.attendee_count <= MAX_ACQUAINTED)
    query = select(e.series_id).where(e.viewer_id == viewer)
    if mine:  # their contacts go, and are parted with
        query = query.where(organizes)
    else:
        query = query.join(attendee, sa.and_(a.viewer_id == e.viewer_id, a.event_id == e.id)).where(sa.or_(organizes, nobody))
    found = set(conn.execute(query.distinct().limit(STEP)).scalars())
    if found and not mine:
        own = own_values(conn, viewer)
        one = Correspondent(kind="EMAIL", address=address, name="")
        for account_id in sorted({row.account_id for row in conn.execute(_THROUGH, asked(viewer, found))}):
            put_correspondents(conn, viewer, Target(account_id=account_id, own=own), [one], recorder, now)
    rebuild(conn, viewer, found, recorder)
    return len(found) == STEP


def contacts_of(conn: Connection, viewer: str, address: str) -> list[str]:
    """As which contacts an address is at meetings."""
    a = attendee.c
    known = select(a.contact_id).where(a.viewer_id == viewer, a.address == address, a.contact_id.is_not(None)).distinct()
    return list(conn.execute(known).scalars())


def rebuild(conn: Connection, viewer: str, series_ids: Collection[str], recorder: Recorder) -> None:
    """Put together what is known of these from all that was said; what is as it was stays, and tells nobody."""
    if not series_ids:
        return
    own = frozenset(value.lower() for value in own_values(conn, viewer))
    words: dict[str, tuple[str, list[Said]]] = {}
    for row in conn.execute(_SAID, asked(viewer, series_ids)):
        try:
            one = Said(
                message_id=row.message_id, position=row.position, sent_at=row.sent_at, sender=row.sender, name=row.name,
                invitation=_decode(row.record),
            )  # fmt: skip
        except msgspec.MsgspecError:
            continue  # stored damaged: what it said cannot be known
        words.setdefault(row.series_id, (row.organizer, []))[1].append(one)
    for _, said in words.values():
        _bound(conn, viewer, said)
    found = {series: itip.events(organizer, said, own) for series, (organizer, said) in words.items()}
    people = _people(conn, viewer, found, own)
    events: list[dict[str, Any]] = []
    attendees: list[dict[str, Any]] = []
    times: dict[str, dict[str, Any]] = {}
    for series, known in found.items():
        recurring = len(known) > 1 or any(event.details.rule or len(event.details.starts) > 1 or event.key for event in known)
        for event in known:
            event_id = ids.derive("MEETING", series, "event", event.key)
            theirs = _attendees(viewer, event_id, event, people.get(series, {}))
            shown = _event_row(viewer, event_id, series, event, own, recurring)
            shown["fingerprint"] = _fingerprint(shown, theirs)
            events.append(shown)
            attendees += theirs
            for time in event.times:
                meeting_id = ids.derive("MEETING", series, time.key)
                times[meeting_id] = {
                    "viewer_id": viewer, "id": meeting_id, "event_id": event_id, "at": time.starts_at,
                    "ends_at": time.starts_at + event.length, "cancelled": time.cancelled,
                }  # fmt: skip
    _write(conn, viewer, series_ids, events, attendees, times, recorder)


def _write(
    conn: Connection,
    viewer: str,
    series_ids: Collection[str],
    events: Sequence[dict[str, Any]],
    attendees: Sequence[dict[str, Any]],
    times: Mapping[str, dict[str, Any]],
    recorder: Recorder,
) -> None:
    old = {row.id: row.fingerprint for row in conn.execute(_EVENTS, asked(viewer, series_ids))}
    before = {row.id: row._asdict() for row in conn.execute(_MEETINGS, asked(viewer, old))}
    new = {str(row["id"]): row["fingerprint"] for row in events}
    changed = {event_id for event_id in old.keys() | new.keys() if old.get(event_id) != new.get(event_id)}
    was_off, is_off = _called_off(before.values()), _called_off(times.values())
    met = changed | {event_id for event_id in new if was_off.get(event_id) != is_off.get(event_id)}
    people = set(conn.execute(_THERE_BEFORE, asked(viewer, met & old.keys())).scalars()) if met & old.keys() else set()
    people.update(row["contact_id"] for row in attendees if row["event_id"] in met and row["contact_id"] is not None)
    if changed:
        for table, column in ((meeting_event, meeting_event.c.id), (attendee, attendee.c.event_id)):
            conn.execute(sa.delete(table).where(table.c.viewer_id == viewer, column.in_(sorted(changed & old.keys()))))
        insert(conn, meeting_event.insert(), [row for row in events if row["id"] in changed])
        insert(conn, attendee.insert(), [row for row in attendees if row["event_id"] in changed])
    put: list[dict[str, Any]] = []
    for meeting_id, row in times.items():
        was = before.get(meeting_id)
        if was is not None and row["event_id"] not in changed and all(was[name] == value for name, value in row.items()):
            continue
        version = 1 if was is None else was["version"] + 1
        put.append({**row, "version": version})
        recorder.upsert("MEETING", meeting_id, version, created=was is None)
    upsert(conn, meeting, put, ["id"], ["event_id", "at", "ends_at", "cancelled", "version"])
    gone = sorted(before.keys() - times.keys())
    if gone:
        conn.execute(sa.delete(meeting).where(meeting.c.viewer_id == viewer, meeting.c.id.in_(gone)))
        for meeting_id in gone:
            recorder.delete("MEETING", meeting_id)
    documents.renew_of(conn, viewer, people)


def _called_off(rows: Iterable[Mapping[str, Any]]) -> dict[str, bool]:
    """Of each event whether all of its times are called off."""
    found: dict[str, bool] = {}
    for row in rows:
        found[row["event_id"]] = found.get(row["event_id"], True) and row["cancelled"]
    return found


def _speaks(item: records.Message) -> bool:
    return bool(item.invitations) and item.authentication != "FAILED" and item.category != "SPAM" and not item.draft


def _said(item: records.Message, own: Collection[str]) -> list[tuple[str, records.Participant, records.Invitation]]:
    """What a mail says, each with whose meeting it is about and who says it; without what its sender has no say in."""
    sender = next((p for p in item.participants if p.role == "FROM" and p.kind == "EMAIL"), None)
    if sender is None:
        return []
    address = sender.address.lower()
    found = []
    for one in item.invitations:
        claimed = None if one.organizer is None else one.organizer.address
        if one.method in _ANSWERS:
            theirs = tuple(p for p in one.invited if p.address == address) or (
                tuple(p for p in one.invited if p.address in own) if address in own else ()
            )
            if claimed is None or not theirs:
                continue
            found.append((claimed, sender, msgspec.structs.replace(one, invited=theirs[:1], count=1)))
        else:
            mine = address in own and claimed is not None and claimed in own  # one of their addresses for another
            found.append((claimed if mine and claimed is not None else address, sender, one))
    return found


def _series_id(viewer: str, organizer: str, uid: str) -> str:
    return ids.derive("MEETING", viewer, "series", organizer, uid)


def _acquaint(
    conn: Connection,
    viewer: str,
    target: Target,
    said: Sequence[tuple[records.Message, records.Invitation]],
    recorder: Recorder,
    now: datetime,
) -> None:
    """Those who are invited beside the viewer are people that they know of, as who is written to beside them."""
    seen = [
        Correspondent(kind="EMAIL", address=one.address, name=one.name)
        for item, what in said
        if item.category not in _CROWDS and what.count <= MAX_ACQUAINTED and what.method not in _ANSWERS
        for one in what.invited
        if one.role != "RESOURCE" and one.address not in target.own
    ]
    put_correspondents(conn, viewer, target, seen, recorder, now)


def _bound(conn: Connection, viewer: str, said: list[Said]) -> None:
    """Let go of what counts least where more is said of one UID than anybody says."""
    if len(said) <= MAX_KEPT:
        return
    said.sort(key=lambda one: one.rank, reverse=True)
    mine = invitation.c
    for one in said[MAX_KEPT:]:
        conn.execute(
            sa.delete(invitation).where(
                mine.viewer_id == viewer, mine.message_id == one.message_id, mine.position == one.position
            )
        )  # fmt: skip
    del said[MAX_KEPT:]


def _people(
    conn: Connection, viewer: str, found: Mapping[str, Sequence[Event]], own: Collection[str]
) -> dict[str, dict[str, str]]:
    """Of each series the contacts of its people by address: through the first account that has one."""
    through: dict[str, list[str]] = {}
    for row in conn.execute(_THROUGH, asked(viewer, found)):
        through.setdefault(row.series_id, []).append(row.account_id)
    wanted: dict[str, dict[str, list[str]]] = {}
    for series, known in found.items():
        for event in known:
            large = event.count > MAX_ACQUAINTED
            for one in (event.organizer, *(() if large else event.invited)):
                if one.role != "RESOURCE" and one.address not in own:
                    key = correspondent_key("EMAIL", one.address, None)
                    wanted.setdefault(series, {})[one.address] = [
                        ids.derive_again("CONTACT", account_id, key) for account_id in sorted(through.get(series, ()))
                    ]
    candidates = {contact_id for theirs in wanted.values() for listed in theirs.values() for contact_id in listed}
    there = set(conn.execute(_THERE, asked(viewer, candidates)).scalars()) if candidates else set()
    return {
        series: {
            address: first for address, listed in theirs.items() if (first := next(filter(there.__contains__, listed), None))
        }
        for series, theirs in wanted.items()
    }


def _attendees(viewer: str, event_id: str, event: Event, contacts: Mapping[str, str]) -> list[dict[str, Any]]:
    people: Iterable[records.Invited] = (event.organizer, *event.invited)
    return [
        {
            "viewer_id": viewer, "event_id": event_id, "position": position, "role": one.role, "kind": "EMAIL", "address": one.address,
            "name": one.name, "response": one.response, "contact_id": contacts.get(one.address) if one.role != "RESOURCE" else None,
        }
        for position, one in enumerate(people)
    ]  # fmt: skip


def _event_row(viewer: str, event_id: str, series: str, event: Event, own: Collection[str], recurring: bool) -> dict[str, Any]:
    details = event.details
    return {
        "viewer_id": viewer, "id": event_id, "series_id": series, "organizer": event.organizer.address,
        "direction": "OUTBOUND" if event.organizer.address in own else "INBOUND", "title": details.title,
        "description": details.description, "location": details.location, "conference_url": details.conference_url, "url": details.url,
        "time_zone": details.zone, "rule": details.rule, "all_day": details.all_day, "tentative": details.tentative,
        "recurring": recurring, "attendee_count": event.count, "message_id": event.told,
    }  # fmt: skip


def _fingerprint(row: Mapping[str, Any], people: Sequence[Mapping[str, Any]]) -> bytes:
    return hashlib.blake2b(_encode([sorted(row.items()), [sorted(one.items()) for one in people]]), digest_size=16).digest()
