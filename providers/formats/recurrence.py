"""The days on which something happens again: RRULE of iCalendar (RFC 5545 §3.3.10), expanded within bounds.

Expanding is python-dateutil's; a stranger's rule must not keep it busy. It looks for the next day until the last year that Python knows, so
that a 30 February is sought for eight thousand years: hence rules are expanded where that year is near, in years whose days of the week are
the same, and the days are brought back. Rules finer than a day are no meetings. Knows no time zones: times are those on the wall.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import islice
from typing import Final

MAX_RULE: Final = 300  # characters
MAX_OCCURRENCES: Final = 366
HORIZON: Final = timedelta(days=3652)  # ten years after the first
MAX_INTERVAL: Final = 1000
FREQUENCIES: Final = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_KEPT: Final = frozenset(
    {"FREQ", "INTERVAL", "COUNT", "BYDAY", "BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS", "WKST"}
)
# Between these years and until the year 9999 every fourth year is a leap year, so that 28 years begin on every day of the week in both.
_EARLIEST, _LATEST = 1902, 2088
_NEAR_THE_END: Final = range(9961, 9989)


def parts(rule: str) -> dict[str, str]:
    """The parts of a rule by name, both in capitals; empty where it is none that is expanded here."""
    if len(rule) > MAX_RULE:
        return {}
    found = {name.strip(): value.strip() for name, _, value in (one.partition("=") for one in rule.upper().split(";"))}
    return found if found.get("FREQ") in FREQUENCIES else {}


def expanded(rule: str, first: datetime, limit: int = MAX_OCCURRENCES) -> list[datetime]:
    """When it happens, in order, `first` always among them; UNTIL is the caller's to obey, who knows its time zone. Never raises."""
    from dateutil.rrule import rrulestr  # only for mail that has a calendar in it

    known = parts(rule)
    if not known or not _EARLIEST <= first.year <= _LATEST:
        return [first]
    interval = known.get("INTERVAL", "1")
    if not interval.isdecimal() or not 1 <= int(interval[:9]) <= MAX_INTERVAL:
        return [first]
    text = ";".join(f"{name}={value}" for name, value in known.items() if name in _KEPT)
    shift = _shift(first.year)
    try:
        days = rrulestr(text, dtstart=first + shift)
        found = [day - shift for day in islice(days, limit)]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError):
        return [first]  # what nobody can read says nothing of further days
    return [day for day in sorted({first, *found}) if day - first <= HORIZON][:limit]


def _shift(year: int) -> timedelta:
    """By how much a year's calendar is moved to a year near the end that has the same one, as the years after it have."""
    begins = date(year, 1, 1)
    same = next(later for later in _NEAR_THE_END if later % 4 == year % 4 and date(later, 1, 1).weekday() == begins.weekday())
    return date(same, 1, 1) - begins
