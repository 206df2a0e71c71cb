"""By what groups meet: the keys that each has, values, names in many forms, user names, employers, days.

Some keys tell only whoever says no more of a name (a word, an initial, a user name that may spell it): whoever has more is found by them
and does not ask by them. Knows nothing of how many share a key (`blocking.py`, `pairing.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Final

from resolvers.identity import spelling
from resolvers.identity.looks import bands
from resolvers.identity.mailboxes import parts
from resolvers.identity.names import Word
from resolvers.identity.tables import pet_forms
from resolvers.identity.wholes import Whole, bare

ASKED: Final = frozenset({"single", "initial", "stem"})  # kinds of keys by which not everybody asks who has them
PETS: Final = 12  # names for which one is short, beyond which it says nothing
CUT: Final = 15  # letters that a user name has at most where they are few (X)


def asked_by(one: Whole) -> Iterator[tuple[str, str]]:
    """Of the keys whose blocks have members who are only found those by which this group asks: it says no more than this of a name."""
    for stem in one.stems:
        yield "stem", stem
    for name in one.names:
        words = [w for w in name.words if w.forms]
        if len(words) == 1:
            yield "single", words[0].forms[0]
        elif any(w.initial for w in words):
            yield from _initials(words)
    if not one.names:
        yield from _called(one)


def keys_of(one: Whole) -> Iterator[tuple[str, str]]:
    """The keys of a group."""
    for kind, key in (*one.private, *one.common, *one.claims):
        yield kind, key
    for photo in (*one.photos, *one.looks):
        yield "photo", photo
    for look in one.looks:
        for band in bands(look):
            yield "look", band
    for stem in one.stems:
        yield "stem", stem
        if len(stem) > 7:
            yield "start", stem[:7]
        if CUT - 1 <= len(stem) <= CUT:
            yield "cut", stem[: CUT - 1]
    for key in one.keys:
        yield "full", key
    for street in one.streets:
        yield "street", street
    for day in one.birthdays:
        for token in one.tokens:
            yield "day", f"{day[-5:]} {token}"
    for employer in one.employers:
        for token in one.tokens:
            yield "work", f"{employer} {token}"
        for local in one.locals:
            yield "work", f"{employer} {local[:3]}"
        for name in one.names:
            for word in name.words:
                if word.text:
                    yield "work", f"{employer} {word.text[:3]}"
    for name in one.names:
        words = [w for w in name.words if w.forms]
        if len(words) == 1:
            yield "single", words[0].forms[0]
            continue
        yield from _initials(words)
        for n, word in enumerate(words[:4]):
            if word.initial:
                continue
            yield "single", word.forms[0]
            for other in (*words[:n], *words[n + 1 :]):
                if not other.initial:
                    yield "prefix", f"{word.text[:4]} {other.text[:2]}"
                    yield from (("pet", f"{pet} {other.forms[0]}") for pet in _pets(word.text))
        for bones in _bones(words):
            yield "bones", bones
        for stem in _spelled(words):
            yield "stem", stem
            yield "stem", bare(stem)
            if len(stem) > CUT - 2:
                yield "cut", stem[: CUT - 1]
    if not one.names:
        yield from _called(one)


def _initials(words: Sequence[Word]) -> Iterator[tuple[str, str]]:
    """Each word with the first letter of each other."""
    for n, word in enumerate(words[:4]):
        if not word.initial:
            for other in (*words[:n], *words[n + 1 :]):
                yield "initial", f"{word.forms[0]} {other.text[:1]}"


def _called(one: Whole) -> Iterator[tuple[str, str]]:
    """What the addresses and user names of somebody without a name may be called after."""
    for text in (*one.locals, *(user for _, user in one.users)):
        yield from (("single", spelling.sound(part)) for part in parts(text) if len(part) > 3)


def _pets(name: str) -> Iterable[str]:
    """A name and those that it is short for or that are short for it, unless they are too many to say anything."""
    others = pet_forms().get(name, frozenset())
    return (name, *others) if 0 < len(others) <= PETS else ()


def _bones(words: Sequence[Word]) -> Iterator[str]:
    """Two words by their consonants, which transliterations have in common where their sounds differ."""
    written = [spelling.bones(word.text) for word in words[:3] if not word.initial]
    for one, other in combinations(sorted(written), 2):
        if one and len(one) + len(other) > 3:
            yield f"{one} {other}"


def _spelled(words: Sequence[Word]) -> Iterable[str]:
    """The user names that a name makes."""
    if len(words) < 2:
        return ()
    first, last = words[0].text, words[-1].text
    made = (first + last, last + first, first[:1] + last, last + first[:1], first + last[:1])
    return (stem for stem in dict.fromkeys(made) if len(stem) > 3)
