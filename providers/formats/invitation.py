"""Invitations in mail: what its calendar part says of meetings, as records.

Speaks iCalendar (RFC 5545), iTIP (RFC 5546: PUBLISH, REQUEST, REPLY, CANCEL, COUNTER) and iMIP (RFC 6047), as strangers write them: size,
lines, people and repetitions are bounded, and what cannot be read is left out. What is said is a claim: who really sent it, and what it may
change, is judged by whoever knows the mail. Times without a zone are in the calendar's (X-WR-TIMEZONE), else in UTC. A day without a time
begins at midnight in UTC. Knows no mail but its calendar part, and nothing of what was said before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, NamedTuple, get_args

from providers import records
from providers.formats import calendar_zone, charset, email_address, recurrence

MAX_LINES: Final = 5_000  # of one calendar; files and alarms in it do not count
MAX_LINE: Final = 20_000  # characters
MAX_EVENTS: Final = 50
MAX_SERIES: Final = 10  # whose days are reckoned
MAX_ZONES: Final = 3  # that a calendar brings
MAX_INVITED: Final = 500  # of whom more is kept than that they are
MAX_UID: Final = 1_000
MAX_TITLE: Final = 500
MAX_DESCRIPTION: Final = 10_000
MAX_PLACE: Final = 500
MAX_URL: Final = 2_000
LONGEST: Final = timedelta(days=366)
YEARS: Final = range(1970, 2200)

_METHODS: Final[Mapping[str, records.MeetingMethod]] = {name: name for name in get_args(records.MeetingMethod)}
_RESPONSES: Final[Mapping[str, records.MeetingResponse]] = {
    "ACCEPTED": "ACCEPTED", "DECLINED": "DECLINED", "TENTATIVE": "TENTATIVE", "DELEGATED": "DELEGATED",
}  # fmt: skip
_ONCE: Final = frozenset(
    {
        "UID", "SEQUENCE", "DTSTAMP", "DTSTART", "DTEND", "DURATION", "RECURRENCE-ID", "RRULE", "SUMMARY", "DESCRIPTION", "LOCATION", "STATUS",
        "ORGANIZER", "URL", "CONFERENCE", "X-GOOGLE-CONFERENCE", "X-MICROSOFT-SKYPETEAMSMEETINGURL",
    }
)  # fmt: skip
_OFTEN: Final = frozenset({"ATTENDEE", "EXDATE", "RDATE"})
_ZONE: Final = frozenset({"TZID", "DTSTART", "TZOFFSETTO", "RRULE"})
_CONFERENCES: Final = ("CONFERENCE", "X-GOOGLE-CONFERENCE", "X-MICROSOFT-SKYPETEAMSMEETINGURL")
_FOLD: Final = re.compile(rb"\r?\n[ \t]")
_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}(?=[;:])")
_DAY: Final = re.compile(r"(\d{4})(\d\d)(\d\d)\Z")


class _Line(NamedTuple):
    parameters: Mapping[str, str | Sequence[str]]
    value: str

    def parameter(self, name: str) -> str:
        found = self.parameters.get(name, "")
        return found if isinstance(found, str) else ",".join(found)


_Event = dict[str, list[_Line]]


class _Moment(NamedTuple):
    """A time as written: a day, or a time on the wall of a zone (None where neither it nor its name is known)."""

    wall: datetime
    zone: tzinfo
    day: bool

    def instant(self, wall: datetime | None = None) -> datetime:
        return (wall or self.wall).replace(tzinfo=self.zone).astimezone(UTC)


def read(data: bytes, encoding: str | None = None, method: str | None = None) -> tuple[records.Invitation, ...]:
    """What a calendar part says, in its order. `encoding` and `method` are what the mail says of the part. Never raises."""
    calendar = _Calendar()
    # bytes are unfolded before they are decoded: a fold may stand inside a character (RFC 5545 §3.1)
    calendar.take(charset.decode(_FOLD.sub(b"", data), encoding).split("\n"))
    said = _METHODS.get((calendar.method or method or "").strip().upper())
    if said is None:
        return ()
    found = []
    for event in calendar.events:
        try:
            one = _invitation(said, event, calendar)
        except (ValueError, OverflowError, KeyError):
            continue  # one that nobody can read leaves the others as they are
        if one is not None:
            found.append(one)
    return tuple(found)


class _Calendar:
    """The lines of a calendar that are looked at, by component."""

    def __init__(self) -> None:
        self.method: str | None = None
        self.default: tzinfo | None = None
        self.events: list[_Event] = []
        self.series = 0  # reckoned so far
        self._brought: dict[str, list[calendar_zone.Observance]] = {}
        self._zones: dict[str, tzinfo | None] = {}

    def take(self, lines: Iterable[str]) -> None:
        within: list[str] = []
        event: _Event = {}
        zone, observance = "", dict[str, str]()
        looked_at = 0
        for written in lines:
            text = written.rstrip("\r").lstrip("\ufeff")
            name = _NAME.match(text)
            if name is None or len(text) > MAX_LINE:
                continue  # files within a calendar are lines, too
            word = name[0].upper()
            if word == "BEGIN":
                within.append(text[6:].strip().upper())
                if within[-1] == "VEVENT":
                    event = {}
                elif within[-1] in ("STANDARD", "DAYLIGHT"):
                    observance = {}
                if len(within) > 10:
                    return
            elif word == "END":
                ended = within.pop() if within else ""
                if ended == "VEVENT" and len(self.events) < MAX_EVENTS:
                    self.events.append(event)
                elif ended in ("STANDARD", "DAYLIGHT") and (zone in self._brought or len(self._brought) < MAX_ZONES):
                    self._brought.setdefault(zone, []).append(
                        calendar_zone.Observance(
                            start=observance.get("DTSTART", ""), offset=observance.get("TZOFFSETTO", ""),
                            rule=observance.get("RRULE", ""),
                        )
                    )  # fmt: skip
            elif within[-1:] == ["VEVENT"] and (word in _OFTEN or (word in _ONCE and word not in event)):
                looked_at += 1
                if looked_at > MAX_LINES:
                    return
                if (line := _line(text)) is not None:
                    event.setdefault(word, []).append(line)
            elif within[-1:] == ["VCALENDAR"] and word in ("METHOD", "X-WR-TIMEZONE"):
                value = text.partition(":")[2].strip()
                if word == "METHOD":
                    self.method = self.method or value
                else:
                    self.default = self.default or calendar_zone.named(value)
            elif "VTIMEZONE" in within and word in _ZONE:
                value = text.partition(":")[2].strip()
                if word == "TZID":
                    zone = value
                else:
                    observance.setdefault(word, value)

    def moment(self, line: _Line, value: str | None = None) -> _Moment | None:
        """A DATE or DATE-TIME with its zone; None where it is none, or lies outside of YEARS."""
        text = (line.value if value is None else value).strip()
        day = _DAY.match(text)
        if day is not None:
            wall: datetime | None = datetime.combine(date(int(day[1]), int(day[2]), int(day[3])), time())
        else:
            wall = calendar_zone.wall(text)
        if wall is None or wall.year not in YEARS:
            return None
        if day is not None or text.endswith("Z"):
            return _Moment(wall, UTC, day is not None)
        return _Moment(wall, self._zone(line.parameter("TZID")) or self.default or UTC, False)

    def _zone(self, name: str) -> tzinfo | None:
        if name and name not in self._zones:
            known: tzinfo | None = calendar_zone.named(name)
            if known is None and name in self._brought:
                brought = calendar_zone.Brought(self._brought[name])
                known = brought if brought.known else None
            self._zones[name] = known
        return self._zones.get(name)


def _line(text: str) -> _Line | None:
    from icalendar.parser import Contentline  # only for mail that has a calendar in it

    try:
        _, parameters, value = Contentline(text).parts()
    except (ValueError, IndexError):
        return None
    return _Line({str(name).upper(): found for name, found in parameters.items()}, str(value))


def _invitation(method: records.MeetingMethod, event: _Event, calendar: _Calendar) -> records.Invitation | None:
    uid = _text(event, "UID", MAX_UID)
    if not uid:
        return None  # RFC 5545 §3.8.4.7: without it nobody knows which meeting is meant
    start = _first(event, "DTSTART", calendar)
    again = _first(event, "RECURRENCE-ID", calendar)
    stamp = _first(event, "DTSTAMP", calendar)
    status = _text(event, "STATUS", 20).upper()
    rule = "" if again is not None else _raw(event, "RRULE").strip()
    invited, count = _invited(event)
    organizer = next(iter(_people(event.get("ORGANIZER", ()))), None)
    sequence = _raw(event, "SEQUENCE").strip()
    return records.Invitation(
        method=method,
        uid=uid,
        sequence=int(sequence) if sequence.isdecimal() and len(sequence) < 10 else 0,
        stamped_at=None if stamp is None else stamp.instant(),
        recurrence_id=None if again is None else again.instant(),
        following=again is not None and event["RECURRENCE-ID"][0].parameter("RANGE").upper() == "THISANDFUTURE",
        starts=() if start is None else _starts(start, rule, event, calendar),
        seconds=0 if start is None else int(_length(start, event, calendar).total_seconds()),
        all_day=start is not None and start.day,
        zone=None if start is None or start.day else getattr(start.zone, "key", None),
        rule=rule or None,
        title=_text(event, "SUMMARY", MAX_TITLE),
        description=_raw(event, "DESCRIPTION").strip()[:MAX_DESCRIPTION],
        location=_text(event, "LOCATION", MAX_PLACE),
        url=_link(_raw(event, "URL")),
        conference_url=next((url for name in _CONFERENCES if (url := _link(_raw(event, name)))), None),
        cancelled=status == "CANCELLED",
        tentative=status == "TENTATIVE",
        organizer=organizer,
        invited=invited,
        count=count,
    )


def _starts(start: _Moment, rule: str, event: _Event, calendar: _Calendar) -> tuple[datetime, ...]:
    """The beginnings in UTC, in order: the rule's and further dates, without the dates that are excepted."""
    calendar.series += bool(rule)
    walls = recurrence.expanded(rule, start.wall) if rule and calendar.series <= MAX_SERIES else [start.wall]
    found = {start.instant(wall) for wall in walls}
    if rule and (until := recurrence.parts(rule).get("UNTIL")):
        last = calendar.moment(_Line({}, until))
        if last is not None:  # a day includes its evening, however it is written (RFC 5545 §3.3.10 wants the start's own kind)
            end = start.instant(datetime.combine(last.wall, time.max)) if last.day else last.instant()
            found = {at for at in found if at <= end}
    found |= set(_dates(event.get("RDATE", ()), start, calendar))
    found -= set(_dates(event.get("EXDATE", ()), start, calendar))
    return tuple(sorted(found)[: recurrence.MAX_OCCURRENCES])


def _dates(lines: Iterable[_Line], start: _Moment, calendar: _Calendar) -> list[datetime]:
    """Lists of dates; a day among times means that day's time (RFC 5545 wants the start's own kind, and not all obey)."""
    found = []
    for line in lines:
        for value in line.value.split(",")[: recurrence.MAX_OCCURRENCES]:
            at = calendar.moment(line, value.partition("/")[0])  # a period counts by its beginning
            if at is None:
                continue
            if at.day and not start.day:
                found.append(start.instant(datetime.combine(at.wall, start.wall.time())))
            elif start.day:
                found.append(datetime.combine(at.wall, time(), UTC))
            else:
                found.append(at.instant())
    return found


def _length(start: _Moment, event: _Event, calendar: _Calendar) -> timedelta:
    """How long it takes: DTEND, DURATION, a day, or no time (RFC 5545 §3.6.1). An end before the beginning is none."""
    from icalendar.prop import vDuration

    end = _first(event, "DTEND", calendar)
    if end is not None:
        length = end.wall - start.wall if start.day else end.instant() - start.instant()
    else:
        try:
            length = vDuration.from_ical(_raw(event, "DURATION").strip())
        except ValueError:
            length = timedelta()
    if length <= timedelta():
        return timedelta(days=1) if start.day else timedelta()
    return min(length, LONGEST)


def _invited(event: _Event) -> tuple[tuple[records.Invited, ...], int]:
    """Who is invited, each once, and how many; rooms and devices are told apart, and are nobody."""
    found: dict[str, records.Invited] = {}
    for one in _people(event.get("ATTENDEE", ())):
        found.setdefault(one.address, one)
    return tuple(found.values())[:MAX_INVITED], len(found)


def _people(lines: Iterable[_Line]) -> Iterable[records.Invited]:
    for line in lines:
        # RFC 7986 §6.2: EMAIL where the address of the calendar user is none of mail
        address = email_address.normalised(line.value) or email_address.normalised(line.parameter("EMAIL"))
        if address is None:
            continue
        kind, role = line.parameter("CUTYPE").upper(), line.parameter("ROLE").upper()
        part: records.MeetingRole = "OPTIONAL" if role in ("OPT-PARTICIPANT", "NON-PARTICIPANT") else "REQUIRED"
        yield records.Invited(
            address=address.lower(),
            name=charset.line(line.parameter("CN"), 200),
            role="RESOURCE" if kind in ("ROOM", "RESOURCE") else part,
            response=_RESPONSES.get(line.parameter("PARTSTAT").upper(), "NEEDS_ACTION"),
        )


def _first(event: _Event, name: str, calendar: _Calendar) -> _Moment | None:
    return calendar.moment(event[name][0]) if name in event else None


def _raw(event: _Event, name: str) -> str:
    return event[name][0].value if name in event else ""


def _text(event: _Event, name: str, limit: int) -> str:
    return charset.line(_raw(event, name), limit)


def _link(value: str) -> str | None:
    value = value.strip()
    return value if value.lower().startswith(("https://", "http://")) and len(value) <= MAX_URL and " " not in value else None
