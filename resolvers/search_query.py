"""What somebody typed into a search box, read: words, quoted phrases and operators, each of which `-` turns round.

    boathouse "see you soon" from:ada -to:bob in:work has:attachment is:unread after:2026-01 before:2026-03-15

All of it has to hold. The last word may be unfinished. Days are UTC; `before:` leaves its day out, `after:` begins with it. What
cannot be understood is said in a warning and left out, never searched for as something else. Knows no index.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final

import msgspec

from store.search_index import MAX_TERMS, Column, Term, facet
from store.words import fold

MAX_QUERY: Final = 1_000  # characters
MAX_WARNINGS: Final = 20
STATES: Final = {"unread": "UNREAD", "read": "READ", "flagged": "FLAGGED", "starred": "FLAGGED", "answered": "ANSWERED", "replied": "ANSWERED",
                 "draft": "DRAFT"}  # fmt: skip
THINGS: Final = {"attachment": "ATTACHMENT", "attachments": "ATTACHMENT", "file": "ATTACHMENT"}
PEOPLE: Final[dict[str, Column]] = {"from": "sender", "to": "receivers", "with": "people", "subject": "title"}
MOMENTS: Final = ("before", "after")
PLACED: Final = frozenset({("in",), ("at",), ("on",)})  # after "met": where somebody was met
ARTICLES: Final = frozenset({"the", "a", "an"})
OPERATORS: Final = (*PEOPLE, "in", "label", *MOMENTS, "has", "is")
_PIECE: Final = re.compile(
    rf'(?<!\S)(?P<minus>-)?(?:(?P<operator>{"|".join(OPERATORS)}):)?(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"]\S*)|(?<=:))(?!\S)|\S+',
    re.IGNORECASE,
)
_DAY: Final = re.compile(r"(\d{4})(?:[-/](\d{1,2})(?:[-/](\d{1,2}))?)?")


class TextSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a text in UTF-16 code units; line and column from 1."""

    start: int
    end: int
    line: int
    column: int


class SearchWarning(msgspec.Struct, frozen=True, kw_only=True):
    """Something in the query that was ignored."""

    message: str
    span: TextSpan


class SearchInterpretation(msgspec.Struct, frozen=True, kw_only=True):
    """How the query was read."""

    canonical: str
    warnings: list[SearchWarning]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """`in:`, which means a folder, a label or an account: which accounts there are is known only when it is asked."""

    value: str
    negated: bool


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A query taken apart. `since` is inclusive, `until` exclusive."""

    terms: tuple[Term, ...] = ()
    places: tuple[Place, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    interpretation: SearchInterpretation

    @property
    def empty(self) -> bool:
        """Whether nothing is asked for."""
        return not self.terms and not self.places and self.since is None and self.until is None

    @property
    def words(self) -> tuple[Term, ...]:
        """The terms that may stand anywhere, which are what is shown in the results."""
        return tuple(term for term in self.terms if term.column == "any" and not term.negated)

    @property
    def met(self) -> tuple[tuple[Term, ...], tuple[Term, ...]] | None:
        """Of "ada met in lisbon" what is said of the person and where they were met, word by word; None where nothing is said of that."""
        words = [term.words for term in self.terms]
        at = next((n for n, word in enumerate(words[:-2]) if word == ("met",) and words[n + 1] in PLACED), None)
        if at is None or self.words != self.terms or self.places or self.since is not None or self.until is not None:
            return None
        last = self.terms[-1]
        places = [
            Term(words=(word,), prefix=term.prefix and term is last and n == len(term.words) - 1)
            for term in self.terms[at + 2 :]
            for n, word in enumerate(term.words)
            if word not in ARTICLES or (term is last and term.prefix)
        ]
        return (self.terms[:at], tuple(places)) if places else None


def read(text: str) -> Query:
    """The query that a user typed."""
    reader = _Reader(text[:MAX_QUERY])
    if len(text) > MAX_QUERY:
        reader.warn(MAX_QUERY - 1, MAX_QUERY, f"a query has at most {MAX_QUERY} characters; the rest was left out")
    return reader.query()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.terms: list[Term] = []
        self.places: list[Place] = []
        self.bounds: dict[str, datetime] = {}
        self.said: list[str] = []
        self.warnings: list[SearchWarning] = []
        self._unfinished = False  # whether the last term may go on

    def query(self) -> Query:
        for found in _PIECE.finditer(self.text):
            self._unfinished = False
            if len(self.terms) + len(self.places) >= MAX_TERMS:
                self.warn(found.start(), len(self.text), f"a query has at most {MAX_TERMS} parts; the rest was left out")
                break
            self._piece(found)
        terms = self.terms
        if terms and self._unfinished:
            terms = [*terms[:-1], msgspec.structs.replace(terms[-1], prefix=True)]
        return Query(
            terms=tuple(terms), places=tuple(self.places), since=self.bounds.get("after"), until=self.bounds.get("before"),
            interpretation=SearchInterpretation(canonical=" ".join(self.said), warnings=self.warnings[:MAX_WARNINGS]),
        )  # fmt: skip

    def warn(self, start: int, end: int, message: str) -> None:
        self.warnings.append(SearchWarning(message=f"{message}.", span=span(self.text, start, end)))

    def _piece(self, found: re.Match[str]) -> None:
        operator, negated = found["operator"], found["minus"] is not None
        quoted, value = found["quoted"], found["quoted"] or found["plain"] or ""
        if operator is None:
            self._words(found.group() if found["plain"] is None and quoted is None else value, quoted is not None, negated)
            return
        name = operator.lower()
        wrong = self._operator(name, value, negated)
        if wrong:
            self.warn(found.start(), found.end(), f"{name}: {wrong} and was left out")
        else:
            shown = f'"{value}"' if quoted is not None and " " in value else value
            self.said.append(f"{'-' if negated else ''}{name}:{shown}")

    def _words(self, value: str, quoted: bool, negated: bool) -> None:
        words = tuple(fold(value).split())
        if not words:
            return
        self.terms.append(Term(words=words, negated=negated))
        self._unfinished = not quoted and not negated
        self.said.append(f"{'-' if negated else ''}" + (f'"{" ".join(value.split())}"' if quoted else value))

    def _operator(self, name: str, value: str, negated: bool) -> str | None:
        """Take an operator in; what is wrong with it."""
        words = tuple(fold(value).split())
        if not words:
            return "needs a value"
        if name in PEOPLE:
            self.terms.append(Term(column=PEOPLE[name], words=words, negated=negated))
        elif name == "in":
            self.places.append(Place(value=value, negated=negated))
        elif name == "label":
            self.terms.append(Term(column="facets", words=(facet("in", value),), negated=negated))
        elif name in MOMENTS:
            return self._moment(name, value, negated)
        else:
            known = STATES if name == "is" else THINGS
            state = known.get(value.lower())
            if state is None:
                return f"knows {', '.join(known)}, not {value}"
            self.terms.append(Term(column="facets", words=(facet("is", state),), negated=negated))
        return None

    def _moment(self, name: str, value: str, negated: bool) -> str | None:
        moment = _day(value)
        if moment is None:
            return "needs a day, such as 2026-01-31"
        if negated:
            name = "after" if name == "before" else "before"
        tighter: Callable[[datetime, datetime], datetime] = max if name == "after" else min
        self.bounds[name] = tighter(moment, self.bounds.get(name, moment))
        return None


def _day(value: str) -> datetime | None:
    """The beginning of a year, month or day."""
    found = _DAY.fullmatch(value)
    if found is None:
        return None
    try:
        day = date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    except ValueError:
        return None


def span(text: str, start: int, end: int) -> TextSpan:
    """A stretch of characters as editors count it: UTF-16 code units, lines and columns from 1."""
    before = text[:start]
    line_start = before.rfind("\n") + 1
    return TextSpan(
        start=_units(before), end=_units(text[:end]), line=before.count("\n") + 1, column=_units(before[line_start:]) + 1
    )


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
