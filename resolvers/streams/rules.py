"""The rule language of streams: words, phrases and operators, put together with AND, OR, NOT and parentheses.

    rule    = all *( "OR" all )                 ; OR binds loosest
    all     = one *( [ "AND" ] one )            ; a blank is AND
    one     = *( "-" / "NOT" ) ( "(" rule ")" / operator ":" value / "#" tag / value )
    value   = word / DQUOTE *char DQUOTE        ; in quotes \" and \\ stand for themselves

A rule that is pasted from Gnip's PowerTrack reads as it did there, as far as it uses what there is here; what there is not is a mistake with
its place, never a word to look for. Words are folded as the search folds them (store/words.py). A rule names something that has to be there
in each of its alternatives: what only excludes would match nearly everything. Knows no activity, no index, no database.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

from store.words import fold

MAX_RULE: Final = 2_048  # characters, as in PowerTrack
MAX_DEPTH: Final = 16  # parentheses within parentheses
MAX_PARTS: Final = 128  # words, phrases and operators
MAX_ERRORS: Final = 20
MAX_EXPECTED: Final = 20
Column = Literal["text", "from", "to", "about", "url"]
#: What `has:` knows: the word that is shown, and those that mean the same.
THINGS: Final[dict[str, tuple[str, ...]]] = {
    "links": ("link",), "mentions": ("mention",), "hashtags": ("hashtag",), "media": (), "images": ("image",), "videos": ("video",),
    "audio": (), "location": (), "title": (), "language": ("lang",),
}  # fmt: skip
OPERATORS: Final[dict[str, str]] = {
    "from": "who did it", "to": "who is named", "about": "a topic or who it is about", "has": "what is with it",
    "lang": "its language", "on": "the network", "url": "an address in it",
}  # fmt: skip
#: Operators that people know from elsewhere, and what to write here.
ELSEWHERE: Final[dict[str, str]] = {
    "contains": "Words are matched whole; write the word itself.",
    "is": "What somebody did is asked of the list of activities, by its filter verbs.",
    "http": "An address is looked for with url:, without http:// before it.",
    "https": "An address is looked for with url:, without https:// before it.",
    "in-circle": "Circles change with who writes to whom, and a stream does not; name the people with from: instead.",
}
_KEYWORDS: Final = ("AND", "OR", "NOT")
_QUOTES: Final = '"\u201c\u201d\u201e'  # typed, and as writing programs turn them
_RUN: Final = re.compile(rf"[^\s(){_QUOTES}]+")
_OPERATOR: Final = re.compile(r"([A-Za-z][A-Za-z_-]*):(?=\S|$)")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")  # RFC 5646 §2.1, without its irregular tags
_CJK: Final = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")


@dataclass(frozen=True, slots=True)
class Words:
    """Words that stand side by side in a column. `shown` is how the rule writes it."""

    column: Column
    words: tuple[str, ...]
    shown: str
    at: tuple[int, int] = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that holds for an activity or does not: `has:links`, `lang:en`, `#kith`, `from:https://…`."""

    key: str
    shown: str
    at: tuple[int, int] = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Address:
    """A link to a host or one beneath it, under a path; `path` is empty or begins with a slash."""

    host: str
    path: str
    shown: str
    at: tuple[int, int] = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Not:
    part: Node
    at: tuple[int, int] = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Every:
    """All of the parts hold; at least two."""

    parts: tuple[Node, ...]
    at: tuple[int, int] = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of the parts holds; at least two."""

    parts: tuple[Node, ...]
    at: tuple[int, int] = field(default=(0, 0), compare=False, repr=False)


Leaf = Words | Fact | Address
Node = Words | Fact | Address | Not | Every | Some


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


class _Token(NamedTuple):
    kind: Literal["(", ")", "NOT", "AND", "OR", "LEAF"]
    start: int
    end: int
    leaf: Leaf | None = None


def parse(text: str, networks: Collection[str] | None = None) -> Node:
    """The rule that `text` says. `networks` are those that `on:` may name, any without. Raises BadRule."""
    if len(text) > MAX_RULE:
        raise BadRule(
            [RuleError(f"A rule has at most {MAX_RULE:,} characters; this one has {len(text):,}.", MAX_RULE, len(text))]
        )
    reader = _Reader(text, networks)
    reader.read()
    tokens = reader.tokens
    if reader.errors:
        raise BadRule(reader.errors)
    leaves = [token for token in tokens if token.leaf is not None]
    if len(leaves) > MAX_PARTS:
        raise BadRule(
            [RuleError(f"A rule has at most {MAX_PARTS} words, phrases and operators.", leaves[MAX_PARTS].start, len(text))]
        )
    rule = _Parser(text, tokens).rule()
    if (loose := _loose(rule, negated=False)) is not None:
        raise BadRule([_only_excludes(rule, loose)])
    return rule


def canonical(rule: Node) -> str:
    """The rule in normal form: blanks for AND, `-` for NOT, no parentheses that change nothing. Reading it gives the same rule."""
    if isinstance(rule, Not):
        inner = canonical(rule.part)
        return f"-({inner})" if isinstance(rule.part, Every | Some) else f"-{inner}"
    if isinstance(rule, Every):
        return " ".join(f"({canonical(part)})" if isinstance(part, Some) else canonical(part) for part in rule.parts)
    if isinstance(rule, Some):
        return " OR ".join(canonical(part) for part in rule.parts)
    return rule.shown


def wanted(rule: Node) -> Iterator[Leaf]:
    """Those that are looked for, not excluded."""
    return _wanted(rule, negated=False)


def _wanted(rule: Node, *, negated: bool) -> Iterator[Leaf]:
    if isinstance(rule, Not):
        yield from _wanted(rule.part, negated=not negated)
    elif isinstance(rule, Every | Some):
        for part in rule.parts:
            yield from _wanted(part, negated=negated)
    elif not negated:
        yield rule


def is_letter(word: str) -> bool:
    """Whether a folded word is one letter of a script without blanks: it is found within runs, whose words are pairs of letters."""
    return len(word) == 1 and _CJK.match(word) is not None


def host_of(name: str) -> str:
    """A host name as it is compared: lower case, in the letters of IDNA (RFC 3490) where it has others than ASCII's."""
    plain = name.lower().rstrip(".")
    try:
        return plain if plain.isascii() else plain.encode("idna").decode()
    except UnicodeError:
        return plain


# --- words of the rule --------------------------------------------------------------------------------------------------


class _Reader:
    """Takes a rule apart into tokens, and gathers what cannot be one."""

    def __init__(self, text: str, networks: Collection[str] | None) -> None:
        self.text = text
        self.networks = networks
        self.tokens: list[_Token] = []
        self.errors: list[RuleError] = []

    def read(self) -> None:
        at = 0
        while at < len(self.text):
            sign = self.text[at]
            if sign.isspace():
                at += 1
            elif sign in "()":
                self.tokens.append(_Token("(" if sign == "(" else ")", at, at + 1))
                at += 1
            elif sign == "-":
                at = self._minus(at)
            elif sign in _QUOTES:
                at = self._phrase(at)
            else:
                at = self._run(at)

    def _minus(self, at: int) -> int:
        after = self.text[at + 1 : at + 2]
        if not after or after.isspace() or after == ")":
            self._wrong("A - stands right before what it excludes: -word, without a blank.", at, at + 1)
        else:
            self.tokens.append(_Token("NOT", at, at + 1))
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
        if run in _KEYWORDS:
            self.tokens.append(_Token("AND" if run == "AND" else "OR" if run == "OR" else "NOT", at, end))
            return end
        operator = _OPERATOR.match(run)
        if operator is not None:
            return self._operator(operator[1].lower(), run[operator.end() :], at, end)
        if run.startswith("#"):
            self._fact("#" + "".join(fold(run[1:]).split()), run, at, end, empty="#")
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
                self._wrong(f"has: does not know {value}.{_meant(plain, known)}", start, end, known)
            else:
                self._fact(f"has:{thing}", f"has:{thing}", start, end)
        elif name == "on":
            plain = value.lower()
            if self.networks is not None and plain not in self.networks:
                text = f"No network is called {value} here.{_meant(plain, sorted(self.networks))}"
                self._wrong(text, start, end, known)
            else:
                self._fact(f"on:{plain}", shown.lower(), start, end)
        elif name == "lang":
            if _LANGUAGE.fullmatch(value) is None:
                self._wrong("lang: needs a language tag such as en or pt-BR, or und where none is told.", start, end)
            else:
                self._fact(f"lang:{value.lower()}", f"lang:{value.lower()}", start, end)
        elif name == "url":
            self._address(value, shown, start, end)
        elif name == "from" and value.startswith(("https://", "http://", "did:")):
            self._fact(f"from={value}", shown, start, end)
        else:
            self._words("from" if name == "from" else "to" if name == "to" else "about", value, shown, start, end)

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
            self._wrong("There is no letter or digit to look for here.", start, end)

    def _fact(self, key: str, shown: str, start: int, end: int, *, empty: str | None = None) -> None:
        if key == empty:
            self._wrong("A # stands right before its word: #word.", start, end)
        else:
            self._add(Fact(key=key, shown=shown, at=(start, end)), start, end)

    def _add(self, leaf: Leaf, start: int, end: int) -> None:
        self.tokens.append(_Token("LEAF", start, end, leaf))

    def _quoted(self, at: int) -> tuple[str | None, int]:
        """What stands in quotes from `at` on, on one line, and where it ends; None where they are never closed."""
        said: list[str] = []
        n = at + 1
        while n < len(self.text):
            sign = self.text[n]
            if sign in _QUOTES:
                return " ".join("".join(said).split()), n + 1
            if sign == "\\" and self.text[n + 1 : n + 2] in ('"', "\\"):
                n += 1
                sign = self.text[n]
            said.append(sign)
            n += 1
        self._wrong('This quote is never closed: put a " behind its last word.', at, len(self.text), ('"',))
        return None, len(self.text)

    def _unknown(self, name: str, written: str, start: int, end: int) -> None:
        close = difflib.get_close_matches(name, OPERATORS, n=3, cutoff=0.5)
        hint = (
            ELSEWHERE.get(name)
            or (f"Did you mean {close[0]}:? " if close else "") + f'For the words themselves, quote them: "{written}".'
        )
        expected = tuple(f"{one}:" for one in dict.fromkeys([*close, *OPERATORS]))
        self._wrong(f"There is no operator {name}: here. {hint}", start, end, expected)

    def _values(self, name: str) -> tuple[str, ...]:
        if name == "has":
            return tuple(THINGS)
        return tuple(sorted(self.networks)) if name == "on" and self.networks is not None else ()

    def _wrong(self, message: str, start: int, end: int, expected: tuple[str, ...] = ()) -> None:
        self.errors.append(RuleError(message, start, end, expected[:MAX_EXPECTED]))


def _meant(word: str, among: Collection[str]) -> str:
    close = difflib.get_close_matches(word, among, n=1, cutoff=0.5)
    return f" Did you mean {close[0]}?" if close else ""


def _in_quotes(value: str) -> str:
    inner = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'


def _is_bare(value: str) -> bool:
    return _RUN.fullmatch(value) is not None


# --- how they are put together -------------------------------------------------------------------------------------------


class _Parser:
    """Recursive descent over the tokens; the first mistake ends it."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self.text = text
        self.tokens = tokens
        self.n = 0
        self.depth = 0

    def rule(self) -> Node:
        if not self.tokens:
            raise BadRule([RuleError("A rule needs at least one word, phrase or operator.", 0, len(self.text), _expected())])
        found = self._some()
        if (token := self._next()) is not None:
            raise BadRule([RuleError("This ) closes nothing: there is no ( before it.", token.start, token.end)])
        return found

    def _next(self) -> _Token | None:
        return self.tokens[self.n] if self.n < len(self.tokens) else None

    def _some(self) -> Node:
        parts = [self._every()]
        while (token := self._next()) is not None and token.kind == "OR":
            self.n += 1
            parts.append(self._every())
        return parts[0] if len(parts) == 1 else Some(tuple(_flat(parts, Some)), (parts[0].at[0], parts[-1].at[1]))

    def _every(self) -> Node:
        parts = [self._one()]
        while (token := self._next()) is not None and token.kind not in (")", "OR"):
            if token.kind == "AND":
                self.n += 1
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Every(tuple(_flat(parts, Every)), (parts[0].at[0], parts[-1].at[1]))

    def _one(self) -> Node:
        start, negated = None, False
        while (token := self._next()) is not None and token.kind == "NOT":
            start = token.start if start is None else start
            negated = not negated
            self.n += 1
        if token is None or token.kind not in ("LEAF", "("):
            raise BadRule([self._missing(token)])
        self.n += 1
        inner = self._group(token) if token.leaf is None else token.leaf
        if not negated:
            return inner
        return inner.part if isinstance(inner, Not) else Not(inner, (inner.at[0] if start is None else start, inner.at[1]))

    def _group(self, opening: _Token) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise BadRule([RuleError(f"Parentheses stand at most {MAX_DEPTH} within each other.", opening.start, opening.end)])
        inner = self._some()
        if self._next() is None:
            raise BadRule(
                [RuleError("This ( is never closed: put a ) where its group ends.", opening.start, len(self.text), (")",))]
            )
        self.n += 1
        self.depth -= 1
        return inner

    def _missing(self, token: _Token | None) -> RuleError:
        before = self.tokens[self.n - 1] if self.n else None
        what = "the beginning" if before is None else self.text[before.start : before.end]
        if token is None:
            assert before is not None  # an empty rule is another mistake
            return RuleError(f"Something has to follow {what}.", before.start, before.end, _expected())
        written = self.text[token.start : token.end]
        if token.kind == ")" and before is not None and before.kind == "(":
            return RuleError("There is nothing in these parentheses.", before.start, token.end, _expected())
        return RuleError(f"Between {what} and {written} something is missing.", token.start, token.end, _expected())


def _expected() -> tuple[str, ...]:
    return (*(f"{name}:" for name in OPERATORS), "(", '"')


def _flat(parts: list[Node], kind: type[Every] | type[Some]) -> Iterator[Node]:
    """The parts, with those of groups that parentheses made for nothing in place of these."""
    for part in parts:
        if isinstance(part, kind):
            yield from part.parts
        else:
            yield part


def _loose(rule: Node, *, negated: bool) -> Node | None:
    """A part in which nothing has to be there; None when every alternative names something."""
    if isinstance(rule, Not):
        return _loose(rule.part, negated=not negated)
    if isinstance(rule, Every | Some):
        found = [_loose(part, negated=negated) for part in rule.parts]
        if isinstance(rule, Every) != negated:  # one part that names something is enough
            return rule if all(one is not None for one in found) else None
        return next((part for part, one in zip(rule.parts, found, strict=True) if one is not None), None)
    return rule if negated else None


def _only_excludes(rule: Node, loose: Node) -> RuleError:
    start, end = loose.at
    if isinstance(rule, Some) and loose is not rule:
        text = "This alternative only excludes, so that nearly everything would meet the rule. Put what has to be there beside it"
    else:
        start, end = rule.at
        text = "This only excludes, so that nearly everything would meet the rule. Add a word or operator that has to be there"
    return RuleError(f"{text}; to exclude several things, write: word -(a OR b).", start, end, _expected())
