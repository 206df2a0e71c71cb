"""What keeps two contacts apart whatever they share: names that contradict, birthdays, generations, and nobody's cards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from resolvers.identity.cards import Facts
from resolvers.identity.mailboxes import said_name
from resolvers.identity.names import Likeness, Name, compare
from resolvers.identity.spelled_alike import slips

SLIPS: Final = 2  # digits mistyped in one birthday


def likeness(a: Facts, b: Facts) -> Likeness:
    """How the names of two contacts stand to each other: the best of their names decides, as people have several."""
    found = of_names(spoken(a), spoken(b))
    if found == Likeness.SILENT and a.relations and b.relations and set(a.relations).isdisjoint(b.relations):
        return Likeness.UNSURE  # "Mum" and "Dad", "Boss" and "Plumber"
    return found


def of_names(ours: tuple[Name, ...], theirs: tuple[Name, ...]) -> Likeness:
    """The best likeness of two sets of names; SILENT when one is empty."""
    if not ours or not theirs:
        return Likeness.SILENT
    return max(compare(x, y) for x in ours for y in theirs)


def spoken(facts: Facts) -> tuple[Name, ...]:
    """The names a contact goes by; for an address without a name in full what its local part spells (where dots count)."""
    if facts.names and any(name.full for name in facts.names):
        return facts.names
    said = tuple(n for box in facts.mailboxes if box.domain != "gmail.com" and (n := said_name(box.local)) is not None)
    if not facts.names:
        return said
    # J. Byron <julia.byron@…>: the address has written out what the name has not
    return tuple(n for n in said if all(compare(n, name) >= Likeness.COMPATIBLE for name in facts.names)) or facts.names


def birthdays_differ(a: str, b: str) -> bool:
    """Whether two birthdays (YYYY-MM-DD or --MM-DD) cannot be one; a year that only one of them knows decides nothing."""
    if not a or not b:
        return False
    return a[-5:] != b[-5:] or (len(a) == len(b) == 10 and a[:4] != b[:4])


def birthdays_far(a: str, b: str) -> bool:
    """Whether two birthdays differ by more than a slip of the hand in a full date."""
    return birthdays_differ(a, b) and not (len(a) == len(b) == 10 and slips(a, b) <= SLIPS)


def generations(names: Iterable[Name]) -> set[str]:
    """Whether names say Jr or Sr."""
    return {n.generation for n in names if n.generation}


def apart(a: Facts, b: Facts) -> str:
    """Why two contacts cannot be one person, in one word; empty when nothing speaks against it."""
    if a.nobody or b.nobody:
        return a.nobody or b.nobody
    if birthdays_differ(a.birthday, b.birthday):
        return "BIRTHDAY"
    if len(generations((*a.names, *b.names))) > 1:
        return "GENERATION"
    if a.names and b.names and likeness(a, b) == Likeness.CONTRADICTS:
        return "NAMES"
    return ""
