"""A row of an address book table to a card: cells by what their columns mean, with the habits of the programs that wrote them.

Google puts several values into one cell (` ::: `) and stars its own words; Outlook writes `0/0/00` for no date and EX for addresses
that only Exchange knows; spreadsheets damage numbers. What a cell says is kept whether or not it is understood; nothing is
invented: a number that a spreadsheet has rounded is not a number any more, and a year of two digits is no year. Knows no files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

from providers.formats.card_draft import TYPES, Draft
from providers.formats.contact_columns import Column, Dialect
from providers.formats.email_address import normalised
from providers.formats.vcard_syntax import Card

Order = Literal["DAY", "MONTH", "YEAR", "UNKNOWN"]

_MULTIPLE: Final = " ::: "
_MAX_LISTED: Final = 4_000  # characters of a cell that is looked at for several values
_LEAST_DIGITS: Final = 7  # of a number that stands in a list; what is shorter behind a comma is dialled after a pause
_ROUNDED: Final = re.compile(r"[+-]?\d[.,]\d+E\+?\d+\Z", re.I)
_TEXT_FORMULA: Final = re.compile(r'="(.*)"\Z', re.S)
_NO_DATE: Final = re.compile(r"[0\s./-]*\Z")
_NUMBERS: Final = re.compile(r"\s*(\d{1,4})\s*[./\u5e74-]\s*(\d{1,2})\s*[./\u6708-]\s*(\d{1,4})\s*\u65e5?\.?(?:[ T].*)?\Z", re.S)
_NO_YEAR: Final = re.compile(r"\s*--(\d\d)-?(\d\d)\Z")
_WORDED: Final = re.compile(r"(?:(\d{1,2})\.? +([A-Za-z]{3,9})|([A-Za-z]{3,9}) +(\d{1,2})),? +(\d{4})\Z")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LABELS: Final = {
    "mobile": "cell",
    "home fax": "home fax",
    "work fax": "work fax",
    "workfax": "work fax",
    "homefax": "home fax",
    "custom": "other",
}
_GOOGLE_EVENTS: Final = {"birthday": "BDAY", "anniversary": "ANNIVERSARY"}
_ADDRESS: Final = ("box", "extended", "street", "city", "region", "code", "country")  # RFC 6350 §6.3.1
_FILLERS: Final = frozenset(
    {"", "0", "normal", "false", "none", "unspecified", "keine angabe", "falsch", "non spécifié", "faux", "falso", "onwaar", "偽"}
)


def date_orders(rows: Iterable[Sequence[str]], dialect: Dialect) -> dict[int, Order]:
    """How each column of dates counts: the first row in which a number over 12 stands tells. UNKNOWN where none does."""
    columns = [n for n, column in enumerate(dialect.columns) if column and column.means in ("birthday", "anniversary", "event")]
    found: dict[int, Order] = {}
    for row in rows if columns else ():
        for n in columns:
            match = _NUMBERS.match(row[n]) if n < len(row) else None
            if match is None or found.get(n, "UNKNOWN") != "UNKNOWN":
                continue
            first, second = int(match[1]), int(match[2])
            if len(match[1]) == 4 or not (first and second):
                continue
            found[n] = "DAY" if first > 12 else "MONTH" if second > 12 else "UNKNOWN"
    return found


def date(text: str, order: Order, *, month_first: bool = False) -> str | None:
    """A date as vCard writes it (RFC 6350 §4.3.1); empty for the programs' ways to write none, None when it is not understood."""
    if _NO_DATE.match(text):
        return ""
    if match := _NO_YEAR.match(text):
        return f"--{match[1]}{match[2]}"
    if match := _NUMBERS.match(text):
        if len(match[1]) == 4:
            year, month, day = match[1], int(match[2]), int(match[3])
        else:
            first, second, year = int(match[1]), int(match[2]), match[3]
            turned = order == "MONTH" or (order == "UNKNOWN" and month_first and "." not in text)
            month, day = (first, second) if turned else (second, first)
            if month > 12 >= day:
                month, day = day, month
        if not (1 <= month <= 12 and 1 <= day <= 31):
            return None
        return f"{year}-{month:02}-{day:02}" if len(year) == 4 else f"--{month:02}{day:02}" if len(year) == 2 else None
    if match := _WORDED.match(text.strip()):
        name = (match[2] or match[3]).lower()[:3]
        if name in _MONTHS:
            return f"{match[5]}-{_MONTHS.index(name) + 1:02}-{int(match[1] or match[4]):02}"
    return text.strip() if re.match(r"\d{8}\Z|\d{4}\Z|\d{4}-\d\d\Z", text.strip()) else None


def card(row: Sequence[str], headers: Sequence[str], dialect: Dialect, orders: dict[int, Order]) -> Card:
    """The card of a row. `row` may be shorter than the headers, never longer by a cell that says something."""
    reading = _Row(row, headers, dialect, orders)
    return reading.card()


class _Row:
    def __init__(self, row: Sequence[str], headers: Sequence[str], dialect: Dialect, orders: dict[int, Order]) -> None:
        self._headers, self._dialect, self._orders = headers, dialect, orders
        self._cells = [(n, column, text) for n, (column, text) in enumerate(zip(dialect.columns, row, strict=False)) if text]
        self._draft = Draft()

    def card(self) -> Card:
        self._names()
        self._emails()
        self._phones()
        self._addresses()
        self._organizations()
        self._days()
        self._others()
        return self._draft.card()

    def _all(self, *means: str) -> list[tuple[int, Column, str]]:
        return [(n, column, text) for n, column, text in self._cells if column is not None and column.means in means]

    def _first(self, means: str, part: str = "") -> str:
        return next((text for _, column, text in self._all(means) if column.part == part), "")

    def _beside(self, means: str, number: int) -> str:
        return next((text for _, column, text in self._all(means) if column.number == number), "")

    def _keep(self, n: int, text: str) -> None:
        self._draft.kept(self._headers[n] if n < len(self._headers) else str(n + 1), text)

    def _names(self) -> None:
        full = self._first("full")
        parts = [self._first(means) for means in ("family", "given", "middle", "prefix", "suffix")]
        if full:
            self._draft.add("FN", full)
        if any(parts):
            self._draft.structure("N", parts)
        if nickname := self._first("nickname"):
            self._draft.add("NICKNAME", nickname)
        for part, name in (
            ("given", "X-PHONETIC-FIRST-NAME"),
            ("middle", "X-PHONETIC-MIDDLE-NAME"),
            ("family", "X-PHONETIC-LAST-NAME"),
        ):
            if text := self._first("phonetic", part):
                self._draft.add(name, text)

    def _emails(self) -> None:
        for n, column, text in self._all("email"):
            kind = self._beside("email kind", column.number).upper()
            if kind in ("EX", "X400", "X500") or text.lower().startswith(("/o=", "/o\u003d")):
                self._keep(n, text)
                continue
            label, starred = _label(self._beside("email label", column.number))
            for value in _values(text, _is_address):
                self._draft.add("EMAIL", value, label or column.label, preferred=starred)

    def _phones(self) -> None:
        for n, column, text in self._all("tel"):
            label, starred = _label(self._beside("tel label", column.number))
            for value in _values(text, _is_number):
                value = _undamaged(value)
                if _ROUNDED.match(value):
                    self._keep(n, value)
                elif value:
                    self._draft.add("TEL", value, label or column.label, preferred=starred)

    def _addresses(self) -> None:
        found: dict[tuple[str, int], dict[str, list[str]]] = {}
        for _, column, text in self._all("adr"):
            # Outlook's Street, Street 2, Street 3 are lines of one address; Google numbers whole addresses
            place = (
                (column.label, 1)
                if column.label or (column.part == "street" and self._dialect.name != "Google")
                else (column.label, column.number)
            )
            found.setdefault(place, {}).setdefault(column.part, []).append(text)
        for (label, number), parts in found.items():
            named, _ = _label(self._beside("adr label", number)) if not label else (label, False)
            several = [_values(next(iter(parts.get(part, [])), "")) for part in ("formatted", *_ADDRESS)]
            if self._dialect.name == "Google" and any(len(values) > 1 for values in several):
                for values in _transposed(several):
                    self._address(values[1:], named, values[0])
                continue
            self._address(["\n".join(parts.get(part, [])) for part in _ADDRESS], named, "\n".join(parts.get("formatted", [])))

    def _address(self, parts: Sequence[str], label: str, printed: str) -> None:
        if any(parts):
            self._draft.structure("ADR", parts, label)
        elif printed:
            self._draft.structure("ADR", ("",) * 7, label, printed=printed)

    def _organizations(self) -> None:
        numbers = dict.fromkeys(column.number for _, column, _ in self._all("org", "department", "title"))
        for number in numbers:
            name, department, title = (self._beside(means, number) for means in ("org", "department", "title"))
            if name or department:
                self._draft.structure("ORG", (name, department) if department else (name,))
            if title:
                self._draft.add("TITLE", title)

    def _days(self) -> None:
        born = {column.part: text for _, column, text in self._all("birth")}
        if all(born.get(part, "").isdecimal() for part in ("month", "day")):
            year = born.get("year", "")
            day = f"{int(born['month']):02}{int(born['day']):02}"
            self._draft.add("BDAY", f"{int(year):04}{day}" if year.isdecimal() and len(year) == 4 else f"--{day}")
        for n, column, text in self._all("birthday", "anniversary", "event"):
            label, _ = _label(self._beside("event label", column.number)) if column.means == "event" else (column.means, False)
            for value in _values(text):
                day_ = date(value, self._orders.get(n, "UNKNOWN"), month_first=self._dialect.month_first)
                if day_:
                    name = _GOOGLE_EVENTS.get(label.lower())
                    self._draft.add(name or "X-ABDATE", day_, "" if name else label or "other")
                if day_ is None or _two_digits(value):
                    self._keep(n, value)

    def _others(self) -> None:
        groups: list[str] = []
        for n, column, text in self._cells:
            match column.means if column is not None else "":
                case "url":
                    label, _ = _label(self._beside("url label", column.number if column else 1))
                    for value in _values(text):
                        self._draft.add("URL", value, label or (column.label if column else ""))
                case "im":
                    network = (column.label if column else "") or self._beside("im label", column.number if column else 1) or "im"
                    for value, service in zip(_values(text), _repeated(_values(network)), strict=False):
                        self._draft.add("IMPP", f"{_scheme(service)}:{value}")
                case "note":
                    self._draft.add("NOTE", text)
                case "groups":
                    groups += [star for item in re.split(r" ::: |[;,\n]", text) if (star := item.strip().removeprefix("* "))]
                case "photo":
                    self._draft.add("PHOTO", text)
                case "uid":
                    self._draft.add("UID", text)
                case "language":
                    self._draft.add("LANG", text)
                case "":
                    if says(text):
                        self._keep(n, text)
        if groups:
            self._draft.listed("CATEGORIES", groups)


def wrong_email(row: Sequence[str], dialect: Dialect) -> bool:
    """Whether the only thing a row says is an e-mail address that is none."""
    said = [
        (column, text)
        for column, text in zip(dialect.columns, row, strict=False)
        if column and text and "label" not in column.means
    ]
    return bool(said) and all(column.means == "email" and normalised(text) is None for column, text in said)


def _values(text: str, whole: Callable[[str], bool] | None = None) -> list[str]:
    """The values of a cell. Commas and semicolons part them only where each part is a whole value by itself."""
    parts = [value.strip() for value in text.split(_MULTIPLE) if value.strip()]
    if whole is None:
        return parts
    listed = [[one.strip() for one in re.split(r"[;,\n]", part[:_MAX_LISTED]) if one.strip()] for part in parts]
    return [
        value
        for part, ones in zip(parts, listed, strict=True)
        for value in (ones if len(ones) > 1 and len(part) <= _MAX_LISTED and all(map(whole, ones)) else [part])
    ]


def _is_address(text: str) -> bool:
    return normalised(text) is not None


def _is_number(text: str) -> bool:
    return sum(letter.isdigit() for letter in text) >= _LEAST_DIGITS


def _repeated(values: list[str]) -> list[str]:
    return [*values, *(values[-1:] * 50)]


def _transposed(columns: list[list[str]]) -> list[list[str]]:
    return [[column[n] if n < len(column) else "" for column in columns] for n in range(max(map(len, columns)))]


def _label(text: str) -> tuple[str, bool]:
    """A label of Google's in our words, and whether it is starred, which marks the preferred value."""
    starred = text.startswith("* ")
    plain = text.removeprefix("* ").strip()
    lower = re.sub(r"(?i)(home|work)(fax)\Z", r"\1 \2", plain).lower()
    lower = _LABELS.get(lower, lower)
    return (lower if all(word in TYPES for word in lower.split()) else plain), starred


def _undamaged(number: str) -> str:
    """A number without what spreadsheets put around it to keep it one."""
    match = _TEXT_FORMULA.match(number)
    return (match[1] if match else number).removeprefix("'").strip()


def _two_digits(text: str) -> bool:
    match = _NUMBERS.match(text)
    return match is not None and len(match[1]) < 3 and len(match[3]) == 2


def _scheme(network: str) -> str:
    word = re.sub(r"[^a-z0-9+.-]", "-", network.strip().lower())
    return word if re.match(r"[a-z]", word) else f"x-{word}"


def says(text: str) -> bool:
    """Whether a cell that is not understood says something: Outlook fills some in every row (no gender, normal priority)."""
    return text.strip().lower() not in _FILLERS
