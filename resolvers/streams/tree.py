"""What a rule of a stream is once it is read: its leaves, and how they are put together with AND, OR and NOT.

Rules are equal when they look for the same, wherever in the text that was typed each part stood. Knows no text, no activity, no index.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

Column = Literal["text", "from", "to", "about", "url"]
CIRCLE: Final = "circle="  # what the key of a circle begins with
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
    """Something that holds for an activity or does not: `has:links`, `lang:en`, `#kith`, `from:https://…`, `in-circle:family`."""

    key: str
    shown: str
    value: str = field(default="", compare=False, repr=False)  # of a circle: the name as it was typed
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


def circles_of(rule: Node) -> dict[str, str]:
    """The circles that a rule names: names as they were typed → ids."""
    if isinstance(rule, Not):
        return circles_of(rule.part)
    if isinstance(rule, Every | Some):
        return {name: circle_id for part in rule.parts for name, circle_id in circles_of(part).items()}
    named = isinstance(rule, Fact) and rule.key.startswith(CIRCLE)
    return {rule.value: rule.key[len(CIRCLE) :]} if named and isinstance(rule, Fact) else {}


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
