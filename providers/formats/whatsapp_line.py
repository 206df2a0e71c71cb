"""Lines of WhatsApp's chat exports: where a message begins, when it was written, and by whom.

There is no specification. What is read here is what phones write in their languages: `1/4/23, 7:02 PM - Name: text` on Android,
`[04.01.23, 19:02:33] Name: text` on iPhones, with the separators, digits, marks of direction and words for the half of the day of the
phone's locale. Which number is the day is for the whole file to say (`Order`). Knows no messages, files or time zones.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Final, Literal

import msgspec

Order = Literal["DMY", "MDY", "YMD"]

#: Marks that turn the direction of writing or join nothing; they stand anywhere in a line's head.
MARKS: Final = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
#: Words for the halves of the day, without dots and blanks. Any other word is none of them ("klo", "às").
AFTERNOON: Final = frozenset({
    "pm", "p", "nachm", "pomeridiane", "nm", "م", "مساء", "مساءً", "بظ", "بعدازظهر", "下午", "晚上", "中午", "午後", "오후", "μμ", "ös",
    "du", "odp", "pop", "popoldne", "дп", "пп", "หลังเที่ยง", "ch", "em", "ip", "md", "pasdite", "अपराह्न", "ptg", "petang", "malam", "popiet",
    "אחהצ", "אחה״צ",
})  # fmt: skip
MORNING: Final = frozenset({
    "am", "a", "vorm", "antimeridiane", "vm", "ص", "صباحا", "قظ", "قبلازظهر", "上午", "凌晨", "早上", "清晨", "午前", "오전", "πμ", "öö", "de",
    "dop", "dopoldne", "ก่อนเที่ยง", "sa", "fm", "ap", "pd", "paradite", "पूर्वाह्न", "pg", "pagi", "priešpiet", "לפנהצ", "לפנה״צ",
})  # fmt: skip
_BUDDHIST: Final = 543  # years that the Thai calendar is ahead
_EARLIEST: Final = 2009  # WhatsApp's first year
_LATEST: Final = 2100
_G: Final = rf"[\s{MARKS}]*"
_DATE: Final = r"(\d{1,4})(?:\W|[年년]){1,3}?(\d{1,2})(?:\W|[月월]){1,3}?(\d{1,4})"
_TIME: Final = (
    rf"(?:\W|[日일]){{1,5}}?([^\W\d_]{{1,10}}(?:\.{_G}[^\W\d_]\.)?)?\W{{0,3}}?(\d{{1,2}})[:.](\d{{2}})(?:[:.](\d{{2}}))?"
)
_HALF: Final = rf"{_G}([^\W\d_](?:[^\d\]:\n\[-]{{0,14}}?[^\s\d\]:\n\[{MARKS}-])?)?{_G}"
_BRACKETS: Final = re.compile(rf"{_G}\[{_G}{_DATE}{_TIME}{_HALF}\]")
_DASH: Final = re.compile(rf"{_G}{_DATE}{_TIME}{_HALF}(?:[–-]{_G}|,\s(?=[^:]+\s:\s))")
_NUMBER: Final = re.compile(r"\+?\(?\d[\d\s().\u2011-]{4,24}\d\Z")
_LONGEST_NAME: Final = 100


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a message begins with: the three numbers of its date as they stand, its time, and where its text begins."""

    date: tuple[int, int, int]
    hour: int
    minute: int
    second: int
    half: str  # word for the half of the day, folded; empty for 24 hours
    slashes: bool  # between the numbers of the date
    body: int


def head(line: str, *, brackets: bool) -> Head | None:
    """How a message begins in this line, in the style of its file; None when it goes on with the one before."""
    match = (_BRACKETS if brackets else _DASH).match(line[:120])
    if match is None:
        return None
    first, second, third, before, hour, minute, seconds, after = match.groups()
    if int(hour) > 24 or int(minute) > 59 or (not brackets and seconds):  # Android writes no seconds, programs' logs do
        return None
    half = re.sub(rf"[\s.{MARKS}]", "", after or before or "").casefold()
    return Head(
        date=(int(first), int(second), int(third)), hour=int(hour), minute=int(minute), second=int(seconds or 0), half=half,
        slashes="/" in match[0], body=match.end(),
    )  # fmt: skip


def in_brackets(line: str) -> bool:
    """Whether a line is in the style of iPhones."""
    return line.lstrip(MARKS + " ").startswith("[")


def moment(found: Head, order: Order) -> datetime | None:
    """The local time of a message; None for one that no calendar has, or that another one has."""
    first, second, third = found.date
    if first > 31 or order == "YMD":
        year, month, day = found.date
    else:
        year = third
        day, month = (first, second) if order == "DMY" else (second, first)
    if year < 100:
        year += 2000
    if year > 2400:
        year -= _BUDDHIST
    if not _EARLIEST <= year < _LATEST:
        return None
    hour = found.hour % 24
    if hour <= 12 and found.half in AFTERNOON:
        hour = hour % 12 + 12
    elif hour == 12 and found.half in MORNING:
        hour = 0
    try:
        return datetime(year, month, day, hour, found.minute, found.second)
    except ValueError:
        return None


class Orders:
    """Which number of a file's dates is the day: what all of its messages allow, else under which they go forward."""

    def __init__(self) -> None:
        self._left: dict[Order, int] = {"DMY": 0, "MDY": 0}  # reading → times that it goes back
        self._latest: dict[Order, datetime] = {}
        self._heads = self._years = 0  # messages, and those whose date can only begin with a year
        self._half = False
        self._slashes = False

    def feed(self, found: Head) -> None:
        """Takes one message into account."""
        self._heads += 1
        self._years += found.date[0] > 31 and moment(found, "YMD") is not None
        self._half = self._half or found.half in AFTERNOON or found.half in MORNING
        self._slashes = self._slashes or found.slashes
        for order in tuple(self._left):
            at = moment(found, order)
            if at is None:
                if moment(found, "MDY" if order == "DMY" else "DMY") is not None:
                    self._left.pop(order)
                    if not self._left:
                        self._left = {order: 0}
                continue
            latest = self._latest.get(order)
            if latest is not None and at.date() < latest.date():
                self._left[order] += 1
            self._latest[order] = at

    def decided(self, region: str | None) -> tuple[Order, bool]:
        """The order, and whether the file itself says so. Where it does not, the region does, or how the times are written."""
        if self._years * 2 > self._heads:  # not where a single broken line, or one that is quoted, looks so
            return "YMD", True
        if len(self._left) == 1:
            return next(iter(self._left)), True
        if self._left["DMY"] != self._left["MDY"]:
            return min(self._left, key=lambda order: self._left[order]), True
        american = region == "US" if region else self._half
        return ("MDY" if american and self._slashes else "DMY"), False


def plain(text: str) -> str:
    """Text without marks of direction at its edges, with plain blanks."""
    return text.strip(MARKS + " \t\r\u00a0\u202f\u2009")


def named(body: str, known: frozenset[str] = frozenset(), *, brackets: bool) -> tuple[str, str] | None:
    """Who wrote a message and what; None for a notice. Of several names before a colon it is the longest that is `known`, without
    any known one the first.
    """
    first = longest = None
    cut = body.find(":")
    while 0 < cut <= _LONGEST_NAME and "\n" not in body[:cut]:
        rest = body[cut + 1 :]
        name = sender(body[:cut])
        if name in known:
            longest = (name, rest.removeprefix(" "))
        elif name and first is None and (brackets or not rest or rest[0] in " \n"):
            first = (name, rest.removeprefix(" "))
        cut = body.find(":", cut + 1)
    return longest if known else first


def sender(name: str) -> str:
    """A sender as the phone knows them; WhatsApp puts `~` before names that people gave themselves."""
    return plain(plain(name).removeprefix("~"))


def is_number(name: str) -> bool:
    """Whether a sender is a telephone number, for want of a name."""
    bare = "".join(c for c in name if unicodedata.category(c) != "Cf").replace("\u00a0", " ").replace("\u202f", " ")
    return _NUMBER.match(bare) is not None
