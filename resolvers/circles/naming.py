"""What the members of a circle have in common, and the name that it gets from that.

Something is common to a circle the more of its members have it, and the fewer others do: the harmonic mean of both shares (van Rijsbergen's
F, 1979). The best of it that at least half of them have is the name; where there is none, the most central members are. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

MOST: Final = 10  # things in common that are told
SHARED: Final = 0.3  # share of the members that have what is told
NAMING: Final = 0.5  # and of those after which a circle is called
Kind = Literal["ROOM", "ORGANIZATION", "DOMAIN", "PLACE", "TOPIC"]
#: How each is told, the first one first among equals: "4 of 5 are in the group Climbing."
WORDS: Final[dict[Kind, str]] = {
    "ROOM": "{n} of {all} are in the group {what}.",
    "ORGANIZATION": "{n} of {all} are with {what}.",
    "DOMAIN": "{n} of {all} have an address at {what}.",
    "PLACE": "{n} of {all} have an address in {what}.",
    "TOPIC": "{n} of {all} speak of {what}.",
}
_RANK: Final = {kind: place for place, kind in enumerate(WORDS)}


class Trait(NamedTuple):
    """Something that people may have in common; `key` says that it is the same, `what` how it is written."""

    kind: Kind
    key: str
    what: str


class Person(NamedTuple):
    """How somebody is called, and what they may have in common with others."""

    name: str
    traits: tuple[Trait, ...] = ()


class Called(NamedTuple):
    """A circle's name, and what its members have in common, in words."""

    name: str
    commonality: tuple[str, ...]


def call(circles: Sequence[Sequence[str]], people: Mapping[str, Person]) -> list[Called]:
    """The name of each circle (its members, most central first); no two are called the same."""
    everywhere: dict[tuple[Kind, str], int] = {}
    for person in people.values():
        for key in {(trait.kind, trait.key) for trait in person.traits}:
            everywhere[key] = everywhere.get(key, 0) + 1
    found: list[Called] = []
    used: set[str] = set()
    for members in circles:
        common = _common(members, people, everywhere)
        size = len(members)
        named = next((trait.what for trait, n in common if n >= NAMING * size), None)
        names = [people[member].name for member in members if member in people]
        name = named or _listed(names)
        for one in names:
            if name.casefold() not in used:
                break
            name = f"{named or _listed(names)}, with {one}"
        used.add(name.casefold())
        told = tuple(WORDS[trait.kind].format(n=n, all=size, what=trait.what) for trait, n in common[:MOST])
        found.append(Called(name, told))
    return found


def _common(
    members: Sequence[str], people: Mapping[str, Person], everywhere: Mapping[tuple[Kind, str], int]
) -> list[tuple[Trait, int]]:
    """What is common, most of it first, with how many have it."""
    held: dict[tuple[Kind, str], list[str]] = {}
    for member in members:
        mine = people.get(member)
        for had, what in {(trait.kind, trait.key): trait.what for trait in (mine.traits if mine else ())}.items():
            held.setdefault(had, []).append(what)
    found = []
    for (kind, key), written in held.items():
        n = len(written)
        if n >= 2 and n >= SHARED * len(members):
            worth = round(2 * n / (len(members) + everywhere.get((kind, key), n)), 6)
            what = min(written, key=lambda one: (-written.count(one), one))
            found.append((-worth, _RANK[kind], key, Trait(kind, key, what), n))
    return [(trait, n) for *_, trait, n in sorted(found, key=lambda one: one[:3])]


def _listed(names: Sequence[str]) -> str:
    first = list(names[:2])
    more = len(names) - len(first)
    return f"{', '.join(first)} and {more} more" if more else " and ".join(first)
