"""Which time zone a calendar means by a name (RFC 5545 §3.2.19): an IANA name, Windows' name, a vendor's path to one, or the rules that the
calendar brings itself (VTIMEZONE, §3.6.5).

Rules that are brought hold for that calendar alone and are read only where the name says nothing: nothing is remembered of one for another.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Final

import msgspec

from providers.formats import recurrence

MAX_OBSERVANCES: Final = 20  # of one zone
_OFFSET: Final = re.compile(r"([+-])([01]\d|2[0-3])([0-5]\d)(?:[0-5]\d)?\Z")
_TIME: Final = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z?\Z")


class Observance(msgspec.Struct, frozen=True, kw_only=True):
    """STANDARD or DAYLIGHT of a zone: since when, which offset from UTC, and when again. All as written."""

    start: str
    offset: str
    rule: str = ""


def named(name: str) -> zoneinfo.ZoneInfo | None:
    """The zone of a name; None when it names none that is known."""
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON  # only for mail that has a calendar in it

    name = name.strip().strip('"')
    known = WINDOWS_TO_OLSON.get(name, name)
    words = [word for word in known.split("/") if word]
    for candidate in (known, "/".join(words[-2:]), "/".join(words[-3:])):  # /freeassociation.sourceforge.net/Europe/Berlin
        try:
            return zoneinfo.ZoneInfo(candidate)
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
            continue
    return None


class Brought(tzinfo):
    """A zone by the rules that a calendar brings."""

    def __init__(self, observances: Sequence[Observance]) -> None:
        self._read: list[tuple[datetime, timedelta, str]] = []
        for one in observances[:MAX_OBSERVANCES]:
            start, offset = wall(one.start), _offset(one.offset)
            if start is not None and offset is not None:
                self._read.append((start, offset, one.rule))
        self._years: dict[int, list[tuple[datetime, timedelta]]] = {}

    @property
    def known(self) -> bool:
        return bool(self._read)

    def utcoffset(self, when: datetime | None) -> timedelta:
        if when is None or not self._read:
            return timedelta()
        moment = when.replace(tzinfo=None)
        changes = [change for change in self._changes(moment.year) if change[0] <= moment]
        return max(changes, key=lambda change: change[0])[1] if changes else min(self._read, key=lambda one: one[0])[1]

    def dst(self, when: datetime | None) -> timedelta | None:
        return None

    def tzname(self, when: datetime | None) -> str | None:
        return None

    def _changes(self, year: int) -> list[tuple[datetime, timedelta]]:
        """The changes of a year and the one before, and what held before them."""
        found = [(start, offset) for start, offset, _ in self._read]
        for which in (year - 1, year):
            if which not in self._years:
                self._years[which] = [
                    (at, offset)
                    for start, offset, rule in self._read
                    if which > start.year and recurrence.parts(rule).get("FREQ") == "YEARLY"
                    for at in _within(start, rule, which)
                ]
            found += self._years[which]
        return found


def _within(start: datetime, rule: str, year: int) -> list[datetime]:
    """When a rule of every year applies in one: these rules begin in 1601, and nobody counts on from there."""
    until = wall(recurrence.parts(rule).get("UNTIL", ""))
    plain = ";".join(part for part in rule.upper().split(";") if not part.startswith(("UNTIL=", "COUNT=", "INTERVAL=")))
    begins = start.replace(year=year, month=1, day=1)
    if "BYMONTH=" not in plain:
        plain += f";BYMONTH={start.month}"
    if "BYDAY=" not in plain and "BYMONTHDAY=" not in plain:
        plain += f";BYMONTHDAY={start.day}"
    found = [at for at in recurrence.expanded(plain, begins, 3) if at.month != 1 or at.day != 1]
    return [at for at in found if at.year == year and (until is None or at <= until)]


def wall(text: str) -> datetime | None:
    """A DATE-TIME as it stands on the wall (RFC 5545 §3.3.5), without its zone; None where it is none."""
    read = _TIME.match(text.strip())
    if read is None:
        return None
    year, month, day, hour, minute, second = (int(figure) for figure in read.groups())
    try:
        return datetime(year, month, day, hour, minute, min(second, 59))  # a leap second is the one before
    except ValueError:
        return None


def _offset(text: str) -> timedelta | None:
    read = _OFFSET.match(text.strip())
    if read is None:
        return None
    sign = -1 if read[1] == "-" else 1
    return sign * timedelta(hours=int(read[2]), minutes=int(read[3]))
