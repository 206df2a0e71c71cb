"""The words of a stream's rule: leaves, signs and parentheses with their places, and what can be none of these.

Whoever types with an input method for Chinese or Japanese gets wide signs: parentheses, colon, minus and # mean the same wide. A dash that a
writing program made of a hyphen excludes nothing, and is refused rather than passed over. Knows not how they are put together.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Mapping
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

from resolvers.streams.tree import CIRCLE, Address, Column, Fact, Leaf, Words, host_of
from store.words import fold

MAX_ERRORS: Final = 20
MAX_EXPECTED: Final = 20
MAX_CITED: Final = 60  # characters of a rule that a message repeats
#: What `has:` knows: the word that is shown, and those that mean the same.
THINGS: Final[dict[str, tuple[str, ...]]] = {
    "links": ("link",), "mentions": ("mention",), "hashtags": ("hashtag",), "media": (), "images": ("image",), "videos": ("video",),
    "audio": (), "location": (), "title": (), "language": ("lang",),
}  # fmt: skip
OPERATORS: Final[dict[str, str]] = {
    "from": "who did it", "to": "who is named", "about": "a topic or who it is about", "has": "what is with it",
    "lang": "its language", "on": "the network", "in-circle": "one of your circles", "url": "an address in it",
}  # fmt: skip
#: Operators that people know from elsewhere, and what to write here.
ELSEWHERE: Final[dict[str, str]] = {
    "contains": "Words are matched whole; write the word itself.",
    "is": "What somebody did is asked of the list of activities, by its filter verbs.",
    "http": "An address is looked for with url:, without http:// before it.",
    "https": "An address is looked for with url:, without https:// before it.",
}
_KEYWORDS: Final = ("AND", "OR", "NOT")
_QUOTES: Final = '"\u201c\u201d\u201e'  # typed, and as writing programs turn them
_OPENING: Final = "(\uff08"
_CLOSING: Final = ")\uff09"
_EXCLUDING: Final = "-\uff0d\u2212"  # hyphen-minus, wide, and the minus of mathematics
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015"
_TAGS: Final = "#\uff03"
_RUN: Final = re.compile(rf"[^\s{_OPENING}{_CLOSING}{_QUOTES}]+")
_OPERATOR: Final = re.compile(r"([A-Za-z\uff21-\uff3a\uff41-\uff5a][A-Za-z\uff21-\uff3a\uff41-\uff5a_\uff0d-]*)[:\uff1a](?=\S|$)")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")  # RFC 5646 §2.1, without its irregular tags


class Circles(NamedTuple):
    """The circles that `in-circle:` may name."""

    names: Mapping[str, str]  # id → name
    bound: Mapping[str, str]  # what names stand for in a rule that is saved, whatever the circles are called by now
    drawn: bool = True  # False while none are shown because they are drawn anew

    def ids(self, value: str) -> list[str]:
        """The circles that a value stands for: by what it was bound to, its id, or its name as words are folded."""
        if value in self.bound:
            return [self.bound[value]]
        if value in self.names:
            return [value]
        wanted = _called(value)
        return [circle_id for circle_id, name in self.names.items() if _called(name) == wanted]


class RuleError(NamedTuple):
    """A mistake: what is wrong in words, the characters it concerns, and what could stand there."""

    message: str
    start: int
    end: int
    expected: tuple[str, ...] = ()


class BadRule(Exception):
    """A rule that cannot be understood; `errors` are in the order of their places, at most MAX_ERRORS."""

    def __init__(self, errors: Collection[RuleError]) -> None:
        self.errors = sorted(errors, key=lambda one: (one.start, one.end))[:MAX_ERRORS]
        super().__init__(self.errors[0].message)


class Token(NamedTuple):
    kind: Literal["(", ")", "NOT", "AND", "OR", "LEAF"]
    start: int
    end: int
    leaf: Leaf | None = None


class Reader:
    """Takes a rule apart into tokens, and gathers what cannot be one."""

    def __init__(self, text: str, networks: Collection[str] | None, circles: Circles | None) -> None:
        self.text = text
        self.networks = networks
        self.circles = circles
        self.tokens: list[Token] = []
        self.errors: list[RuleError] = []

    def read(self) -> None:
        at = 0
        while at < len(self.text) and len(self.errors) < MAX_ERRORS:
            sign = self.text[at]
            if sign.isspace():
                at += 1
            elif sign in _OPENING or sign in _CLOSING:
                self.tokens.append(Token("(" if sign in _OPENING else ")", at, at + 1))
                at += 1
            elif sign in _EXCLUDING:
                at = self._minus(at)
            elif sign in _QUOTES:
                at = self._phrase(at)
            else:
                at = self._run(at)

    def _minus(self, at: int) -> int:
        after = self.text[at + 1 : at + 2]
        if not after or after.isspace() or after in _CLOSING:
            self._wrong("A - stands right before what it excludes: -word, without a blank.", at, at + 1)
        else:
            self.tokens.append(Token("NOT", at, at + 1))
        return at + 1

    def _phrase(self, at: int) -> int:
        value, end = self._quoted(at)
        if value is not None:
            self._words("text", value, _in_quotes(value), at, end)
        return end

    def _run(self, at: int) -> int:
        found = _RUN.match(self.text, at)
        assert found is not None  # a sign that is no blank, quote or parenthesis
        run, end = found.group(), found.end()
        if (n := next((n for n, sign in enumerate(run) if unicodedata.category(sign) == "Cc"), None)) is not None:
            self._wrong(
                f"This is a control character (U+{ord(run[n]):04X}), which nobody can see: delete it.", at + n, at + n + 1
            )
            return end
        if run[0] in _DASHES and (after := run.lstrip(_DASHES)):
            text = f'This dash excludes nothing. To exclude write -{_cited(after)}, to look for the words "{_cited(after)}".'
            self._wrong(text, at, at + 1, ("-", '"'))
            return end
        if run in _KEYWORDS:
            self.tokens.append(Token("AND" if run == "AND" else "OR" if run == "OR" else "NOT", at, end))
            return end
        operator = _OPERATOR.match(run)
        if operator is not None:
            name = unicodedata.normalize("NFKC", operator[1]).lower()
            return self._operator(name, run[operator.end() :], at, end)
        if run[0] in _TAGS:
            self._fact("#" + "".join(fold(run[1:]).split()), f"#{run[1:]}", at, end, empty="#")
            return end
        if "*" in run:
            self._wrong("Words are matched whole: a * stands for nothing here.", at, end)
            return end
        self._words("text", run, run if run.upper() not in _KEYWORDS else _in_quotes(run), at, end)
        return end

    def _operator(self, name: str, value: str, start: int, end: int) -> int:
        """An operator with its value, which may be quoted; where it ends."""
        place = start + len(name) + 1
        quoted = not value and self.text[end : end + 1] in tuple(_QUOTES)
        if quoted:
            inner, end = self._quoted(end)
            if inner is None:
                return end
            value = inner
        if name not in OPERATORS:
            self._unknown(name, self.text[start:end], start, place)
        elif not value.strip():
            self._wrong(f"{name}: needs {OPERATORS[name]}, right behind the colon.", start, end, self._values(name))
        else:
            self._value(name, value, start, end)
        return end

    def _value(self, name: str, value: str, start: int, end: int) -> None:
        known = self._values(name)
        shown = f"{name}:{value if _is_bare(value) else _in_quotes(value)}"
        if name == "has":
            plain = value.lower()
            thing = next((word for word, others in THINGS.items() if plain in (word, *others)), None)
            if thing is None:
                self._wrong(f"has: does not know {_cited(value)}.{_meant(plain, known)}", start, end, known)
            else:
                self._fact(f"has:{thing}", f"has:{thing}", start, end)
        elif name == "on":
            plain = value.lower()
            if self.networks is not None and plain not in self.networks:
                text = f"No network is called {_cited(value)} here.{_meant(plain, sorted(self.networks))}"
                self._wrong(text, start, end, known)
            else:
                self._fact(f"on:{plain}", shown.lower(), start, end)
        elif name == "lang":
            if _LANGUAGE.fullmatch(value) is None:
                self._wrong("lang: needs a language tag such as en or pt-BR, or und where none is told.", start, end)
            else:
                self._fact(f"lang:{value.lower()}", f"lang:{value.lower()}", start, end)
        elif name == "in-circle":
            self._circle(value, shown, start, end)
        elif name == "url":
            self._address(value, shown, start, end)
        elif name == "from" and value.startswith(("https://", "http://", "did:")):
            self._fact(f"from={value}", shown, start, end)
        else:
            self._words("from" if name == "from" else "to" if name == "to" else "about", value, shown, start, end)

    def _circle(self, value: str, shown: str, start: int, end: int) -> None:
        found = [_called(value)] if self.circles is None else self.circles.ids(value)
        if len(found) == 1:
            self._add(Fact(key=f"{CIRCLE}{found[0]}", shown=shown, value=value, at=(start, end)), start, end)
        elif found:
            ids = tuple(f"in-circle:{one}" for one in found)
            self._wrong(f"Several of your circles are called {_cited(value)}: write the id of one.", start, end, ids)
        elif self.circles is not None and not self.circles.drawn:
            self._wrong("Your circles are being drawn anew: save the rule again in some minutes.", start, end)
        else:
            known = self._values("in-circle")
            hint = _meant(value, known) if known else " There are none yet: they are drawn from who is together in what is said."
            self._wrong(f"You have no circle called {_cited(value)}.{hint}", start, end, known)

    def _address(self, value: str, shown: str, start: int, end: int) -> None:
        """`url:` with a host is an address, with anything else words of one."""
        rest = re.sub(r"^[a-z]+://", "", value, flags=re.IGNORECASE)
        if rest.strip("/") and "." not in rest.partition("/")[0]:
            self._words("url", value, shown, start, end)
            return
        try:
            parts = urlsplit(f"//{rest}")
            host = host_of(parts.hostname or "")
        except ValueError:
            host = ""
        if not host.strip("."):
            self._wrong("url: needs an address such as example.org/blog.", start, end)
            return
        path = parts.path.rstrip("/") + (f"?{parts.query}" if parts.query else "")
        self._add(Address(host=host, path=path, shown=shown, at=(start, end)), start, end)

    def _words(self, column: Column, value: str, shown: str, start: int, end: int) -> None:
        words = tuple(fold(value).split())
        if words:
            self._add(Words(column=column, words=words, shown=shown, at=(start, end)), start, end)
        else:
            self._wrong("There is no letter or digit to look for here: other signs, emoji too, are no words.", start, end)

    def _fact(self, key: str, shown: str, start: int, end: int, *, empty: str | None = None) -> None:
        if key == empty:
            self._wrong("A # stands right before its word: #word.", start, end)
        else:
            self._add(Fact(key=key, shown=shown, at=(start, end)), start, end)

    def _add(self, leaf: Leaf, start: int, end: int) -> None:
        self.tokens.append(Token("LEAF", start, end, leaf))

    def _quoted(self, at: int) -> tuple[str | None, int]:
        """What stands in quotes from `at` on, on one line, and where it ends; None where they are never closed."""
        said: list[str] = []
        n = at + 1
        while n < len(self.text):
            sign = self.text[n]
            if sign in _QUOTES:
                return " ".join("".join(said).split()), n + 1
            if unicodedata.category(sign) == "Cc" and not sign.isspace():
                self._wrong(f"This is a control character (U+{ord(sign):04X}), which nobody can see: delete it.", n, n + 1)
            if sign == "\\" and self.text[n + 1 : n + 2] in ('"', "\\"):
                n += 1
                sign = self.text[n]
            said.append(sign)
            n += 1
        self._wrong('This quote is never closed: put a " behind its last word.', at, len(self.text), ('"',))
        return None, len(self.text)

    def _unknown(self, name: str, written: str, start: int, end: int) -> None:
        close = difflib.get_close_matches(name[:MAX_CITED], OPERATORS, n=3, cutoff=0.5)
        hint = (
            ELSEWHERE.get(name)
            or (f"Did you mean {close[0]}:? " if close else "") + f'For the words themselves, quote them: "{_cited(written)}".'
        )
        expected = tuple(f"{one}:" for one in dict.fromkeys([*close, *OPERATORS]))
        self._wrong(f"There is no operator {_cited(name)}: here. {hint}", start, end, expected)

    def _values(self, name: str) -> tuple[str, ...]:
        if name == "has":
            return tuple(THINGS)
        if name == "in-circle" and self.circles is not None:
            return tuple(sorted({*self.circles.names.values()}))
        return tuple(sorted(self.networks)) if name == "on" and self.networks is not None else ()

    def _wrong(self, message: str, start: int, end: int, expected: tuple[str, ...] = ()) -> None:
        self.errors.append(RuleError(message, start, end, expected[:MAX_EXPECTED]))


def _meant(word: str, among: Collection[str]) -> str:
    close = difflib.get_close_matches(word[:MAX_CITED], among, n=1, cutoff=0.5)
    return f" Did you mean {close[0]}?" if close else ""


def _called(name: str) -> str:
    """A name of a circle as it is compared."""
    return fold(name) or name.casefold().strip()


def _cited(text: str) -> str:
    """A stretch of the rule as a message repeats it."""
    return text if len(text) <= MAX_CITED else f"{text[: MAX_CITED - 1]}\u2026"


def _in_quotes(value: str) -> str:
    inner = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'


def _is_bare(value: str) -> bool:
    return _RUN.fullmatch(value) is not None
