"""When a mail was sent and when it arrived, from header fields that may be missing, wrong or absurd.

Speaks RFC 5322 §3.3 and §4.3 (obsolete zones, two-digit years), the date of an mbox separator, and ISO 8601 for the senders who
prefer it. A Date that cannot be true gives way to the arrival: Kith orders by what happened, not by what was claimed. Never
looks at the clock, so that the same mail has the same date at every import.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeGuard

UNDATED = datetime(1970, 1, 1, tzinfo=UTC)  # what a mail gets that bears no date at all
EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)  # before it there was no Internet mail to speak of
LATEST = datetime(2038, 1, 19, tzinfo=UTC)  # where broken 32-bit clocks end up; a claim beyond needs an arrival beyond
TOLERANCE = timedelta(hours=48)  # a Date this far from the arrival is still believed

_MONTHS = {
    name: number
    for number, name in enumerate(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)
}
_USUAL = re.compile(
    r"\s*(?:\w{3},?\s+)?(\d{1,2})\s+([A-Za-z]{3})\w*\s+(\d{4})\s+(\d\d):(\d\d)(?::(\d\d))?\s*([+-])(\d\d)(\d\d)\b"
)
_ISO = re.compile(r"\s*(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?", re.I)
# asctime (C), as mbox separators have it, with the zone where some writers put it
_ASCTIME = re.compile(
    r"(?:\w{3},?\s+)?([A-Za-z]{3})\s+(\d{1,2})\s+(\d\d):(\d\d)(?::(\d\d))?\s+(?:([A-Z]{1,5}|[+-]\d{4})\s+)?(\d{4})(?:\s+([+-]\d{4}))?"
)


def parsed(text: str) -> datetime | None:
    """A date in UTC as a header writes it, or None. Without a zone it is taken as UTC."""
    text = text[:200]
    if match := _USUAL.match(text):
        day, name, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
        month = _MONTHS.get(name.lower())
        offset = (int(zone_hours) * 60 + int(zone_minutes)) * (1 if sign == "+" else -1)
        return _instant(int(year), month, int(day), int(hour), int(minute), int(second or 0), offset) if month else None
    if match := _ISO.match(text):
        zone = (match[3] or "Z").upper()
        try:
            found = datetime.fromisoformat(f"{match[1]}T{match[2]}{'+00:00' if zone == 'Z' else zone}")
            return found.astimezone(UTC)
        except (ValueError, OverflowError):
            return None
    try:
        fields = email.utils.parsedate_tz(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    if fields is None:
        return asctime(text)
    year, month, day, hour, minute, second = fields[:6]
    return _instant(year, month, day, hour, minute, second, (fields[9] or 0) // 60)


def asctime(text: str) -> datetime | None:
    """The date in an mbox separator: `Mon Jan  1 00:00:00 2024`, with a zone or not."""
    match = _ASCTIME.search(text[:200])
    if match is None:
        return None
    name, day, hour, minute, second, before, year, after = match.groups()
    zone = after or (before if before and before[0] in "+-" else None)
    offset = (int(zone[1:3]) * 60 + int(zone[3:5])) * (1 if zone[0] == "+" else -1) if zone else 0
    month = _MONTHS.get(name.lower())
    return _instant(int(year), month, int(day), int(hour), int(minute), int(second or 0), offset) if month else None


def _instant(year: int, month: int, day: int, hour: int, minute: int, second: int, offset: int) -> datetime | None:
    """Offset in minutes; a leap second is the second before it."""
    if year < 100:  # RFC 5322 §4.3
        year += 2000 if year < 50 else 1900
    if abs(offset) >= 24 * 60:
        offset = 0
    try:
        there = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        return there - timedelta(minutes=offset) if offset else there
    except (ValueError, OverflowError):
        return None


def received(fields: Sequence[str]) -> tuple[datetime | None, datetime | None]:
    """Arrival and first hop from the Received fields (RFC 5321 §4.4), which stand newest first."""
    if not fields:
        return None, None
    last = next((found for value in fields[:20] if (found := _after_semicolon(value))), None)
    if len(fields) == 1:
        return last, last
    first = next((found for value in reversed(fields[-20:]) if (found := _after_semicolon(value))), None)
    return last, first


def _after_semicolon(value: str) -> datetime | None:
    found = parsed(value.rpartition(";")[2]) if ";" in value else None
    return found if plausible(found) else None


def sent(
    claimed: datetime | None, arrival: datetime | None, first_hop: datetime | None, envelope: datetime | None = None
) -> datetime:
    """When a mail was sent: the claim unless it is missing or absurd, else the arrival, else the envelope's date, else UNDATED.

    Absurd is: before EARLIEST, more than TOLERANCE after the arrival (after LATEST when that is unknown), or more than
    TOLERANCE before the first server that took it. Mail fetched or moved years later keeps its date: only the first hop counts.
    An mbox separator's date (`envelope`) is never held against the claim: converters write any date there.
    """
    if plausible(claimed):
        too_late = claimed > arrival + TOLERANCE if arrival else claimed > LATEST
        too_early = first_hop is not None and claimed < first_hop - TOLERANCE
        if not too_late and not too_early:
            return claimed
    return arrival or first_hop or (envelope if plausible(envelope) else UNDATED)


def arrived(claimed: datetime | None, arrival: datetime | None, envelope: datetime | None) -> datetime | None:
    """When a mail arrived, where somebody said so; an mbox separator is believed when the mail's own date is near, or absent."""
    if arrival is not None or not plausible(envelope):
        return arrival
    return envelope if not plausible(claimed) or abs(claimed - envelope) <= TOLERANCE else None


def plausible(moment: datetime | None) -> TypeGuard[datetime]:
    """Whether a moment can be one of Internet mail."""
    return moment is not None and moment >= EARLIEST
