"""Meetings of a day for the agenda: whom the viewer meets, and which invitations wait for their word.

What was called off or declined is no appointment. Knows what mails tell (`meetings.py`) and says it in words; who is close enough to be
told of is the agenda's to decide.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import meetings, messages
from resolvers.meetings import Meeting
from store.tables import attendee, contact, meeting, meeting_event

LONGEST: Final = timedelta(days=14)  # of a meeting that is still told of after it has begun
AHEAD: Final = timedelta(days=14)  # for which an invitation is told of before it begins
MAX_READ: Final = 100  # meetings of a day, and invitations
NAMED: Final = 3  # people of a meeting who are told by name
AGREED: Final = frozenset({"ACCEPTED", "TENTATIVE"})
REFUSED: Final = frozenset({"DECLINED", "DELEGATED"})
_M, _E, _A = meeting.c, meeting_event.c, attendee.c
_DAY: Final = timedelta(days=1)


class Appointment(msgspec.Struct, frozen=True, kw_only=True):
    """A meeting with who is there, who organizes it first, without the viewer; `response` is the viewer's, None when they are not invited."""

    meeting: Meeting
    organizer: str | None
    person_ids: tuple[str, ...]
    response: str | None

    @property
    def agreed(self) -> bool:
        """Whether the viewer said that they come, or invites."""
        return self.response in AGREED or self.meeting.direction == "OUTBOUND"


class Appointments(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of a day, and what is to be answered, each by its beginning."""

    of_day: tuple[Appointment, ...]
    unanswered: tuple[Appointment, ...]


def read(conn: Connection, viewer: str, day: date, begins: datetime, moment: datetime, ends: datetime) -> Appointments:
    """The meetings with people between `begins` and `ends` of a day, and invitations to what begins after `moment`; of a series the first."""
    own = sorted(value for kind, value in messages.own_values(conn, viewer) if kind == "EMAIL")
    held = meetings.all_of(viewer).where(sa.not_(_M.cancelled))
    # a whole day begins at its midnight in UTC, wherever it is
    near = held.where(_M.at > begins - LONGEST, _M.at <= ends, _M.ends_at > begins - _DAY).order_by(_M.at, _M.id).limit(MAX_READ)
    waits = (
        select(sa.literal(1))
        .where(_A.viewer_id == _E.viewer_id, _A.event_id == _E.id, _A.position > 0, _A.address.in_(own), _A.response == "NEEDS_ACTION")
        .exists()
    )  # fmt: skip
    ahead = held.where(_M.at > moment, _M.at <= moment + AHEAD, _E.direction == "INBOUND", waits)
    today = [one for row in conn.execute(near) if _is_of(one := meetings.of_row(row), day, begins)]
    asked: dict[str, Meeting] = {}
    for row in conn.execute(ahead.order_by(_M.at, _M.id).limit(MAX_READ)):
        asked.setdefault(row.series_id, meetings.of_row(row))
    people = _people(conn, viewer, {one.event_id for one in (*today, *asked.values())}, own)
    said = {one.id: _appointment(one, people.get(one.event_id, ()), own) for one in (*today, *asked.values())}
    unanswered = [said[one.id] for one in asked.values() if said[one.id].response == "NEEDS_ACTION"]
    invited = {one.meeting.id for one in unanswered}
    of_day = [said[one.id] for one in today if one.id not in invited]
    return Appointments(
        of_day=tuple(one for one in of_day if one.person_ids and one.response not in REFUSED), unanswered=tuple(unanswered)
    )  # fmt: skip


def meets(one: Appointment, day: date, zone: ZoneInfo, names: Mapping[str, str], owed: Collection[str]) -> str:
    """Whom the viewer meets when and where, and who of them waits for an answer."""
    about = f": {one.meeting.title}" if one.meeting.title else ""
    place = f" ({one.meeting.location})" if one.meeting.location else ""
    waiting = [person_id for person_id in one.person_ids if person_id in owed]
    debt = f" You have not answered {_listed(waiting, names)}." if waiting else ""
    return f"You meet {_listed(one.person_ids, names)} {_time(one.meeting, day, zone)}{place}{about}.{debt}"


def invites(one: Appointment, zone: ZoneInfo, names: Mapping[str, str]) -> str:
    """Who invites to what, and when that is."""
    starts = one.meeting.starts_on or one.meeting.starts_at.astimezone(zone).date()
    when = f"{starts:%A}, {starts.day} {starts:%B}" + ("" if one.meeting.all_day else f" {_time(one.meeting, starts, zone)}")
    what = f"to “{one.meeting.title}”" if one.meeting.title else "to meet"
    return f"{names.get(one.organizer or '', '')} invites you {what} on {when}, and you have not answered."


def _is_of(one: Meeting, day: date, begins: datetime) -> bool:
    """Whether it is on this day, and not over."""
    if one.all_day:
        return one.starts_at.date() <= day < max(one.ends_at.date(), one.starts_at.date() + _DAY)
    return one.ends_at > begins or one.starts_at >= begins


def _people(conn: Connection, viewer: str, event_ids: Collection[str], own: Sequence[str]) -> dict[str, list[Any]]:
    """Who organizes each and who is invited, rooms left out."""
    found: dict[str, list[Any]] = {}
    if not event_ids:
        return found
    whose = sa.and_(contact.c.viewer_id == _A.viewer_id, contact.c.id == _A.contact_id)
    query = (
        select(_A.event_id, _A.position, _A.address, _A.response, contact.c.person_id).outerjoin(contact, whose)
        .where(_A.viewer_id == viewer, _A.event_id.in_(sorted(event_ids)), sa.or_(_A.contact_id.is_not(None), _A.address.in_(own)))
        .order_by(_A.event_id, _A.position)
    )  # fmt: skip
    for row in conn.execute(query):
        found.setdefault(row.event_id, []).append(row)
    return found


def _appointment(one: Meeting, people: Sequence[Any], own: Collection[str]) -> Appointment:
    known = [row for row in people if row.person_id is not None]
    mine = (row.response for row in people if row.position > 0 and row.address in own)
    return Appointment(
        meeting=one, organizer=next((row.person_id for row in known if row.position == 0), None), response=next(mine, None),
        person_ids=tuple(dict.fromkeys(row.person_id for row in known)),
    )  # fmt: skip


def _time(one: Meeting, day: date, zone: ZoneInfo) -> str:
    if one.all_day:
        return "all day"
    starts = one.starts_at.astimezone(zone)
    return f"at {starts:%H:%M}" if starts.date() == day else "since before today"


def _listed(person_ids: Sequence[str], names: Mapping[str, str]) -> str:
    """A, B, C and 4 more."""
    shown = [names.get(person_id, "") for person_id in person_ids[:NAMED]]
    more = len(person_ids) - len(shown)
    shown += [f"{more} more"] if more else []
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
