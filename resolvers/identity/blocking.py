"""Which groups are worth comparing: those that share one of many keys, each key's block no larger than grows with the data.

A common name fills its block beyond any fixed cap, and dropping such blocks loses a tenth of the true pairs of a large address
book. Here a block that is too large is not dropped but asked for a second thing in common (employer, town, user name, a second
word), and only what shares both is compared; what shares nothing else could not be told apart from its namesakes anyway.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, overload

from resolvers.identity.names import Word
from resolvers.identity.wholes import Whole

NAMES_CAP: Final = 40  # groups in a block of one name, at 10,000 groups; grows with the fourth root
VALUES_CAP: Final = 60  # groups with one value
PARTS_CAP: Final = 20  # groups that share a part of a name, which says little


class Pairs(Sequence[tuple[int, int]]):
    """Pairs of positions, in order, eight bytes each: there are twenty times as many as people."""

    def __init__(self, packed: Iterable[int], size: int) -> None:
        self._packed = array("q", packed)
        self._size = size

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return (divmod(pair, self._size) for pair in self._packed)

    @overload
    def __getitem__(self, at: int) -> tuple[int, int]: ...

    @overload
    def __getitem__(self, at: slice) -> Pairs: ...

    def __getitem__(self, at: int | slice) -> tuple[int, int] | Pairs:
        if isinstance(at, slice):
            return Pairs(self._packed[at], self._size)
        return divmod(self._packed[at], self._size)


def candidates(wholes: Sequence[Whole]) -> Pairs:
    """Pairs of positions in `wholes` that may be one person, in order, each once."""
    blocks: dict[str, int | list[int]] = {}  # most keys are one group's alone: no list for them
    for n, one in enumerate(wholes):
        for key in {f"{kind} {value}" for kind, value in keys_of(one)}:
            block = blocks.setdefault(key, n)
            if isinstance(block, list):
                block.append(n)
            elif block != n:
                blocks[key] = [block, n]
    growth = max(1.0, (len(wholes) / 10_000) ** 0.25)
    found: set[int] = set()
    size = len(wholes)
    for key, block in blocks.items():
        if not isinstance(block, list):
            continue
        kind = key.partition(" ")[0]
        cap = int((VALUES_CAP if kind in _VALUES else PARTS_CAP if kind in _PARTS else NAMES_CAP) * growth)
        for part in [block] if len(block) <= cap else _split(block, wholes, cap):
            for n, b in enumerate(part):
                for a in part[:n]:
                    found.add(a * size + b)
    return Pairs(sorted(found), max(size, 1))


_PARTS: Final = frozenset({"single", "initial", "prefix"})
_VALUES: Final = frozenset({"EMAIL", "PHONE", "PROFILE", "stem", "street", "day"})


def keys_of(one: Whole) -> Iterator[tuple[str, str]]:
    """The keys of a group."""
    for kind, key in (*one.private, *one.common, *one.claims):
        yield kind, key
    for photo in one.photos:
        yield "photo", photo
    for stem in one.stems:
        yield "stem", stem
        if len(stem) > 7:
            yield "start", stem[:7]
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
        for n, word in enumerate(words[:4]):
            if word.initial:
                continue
            yield "single", word.forms[0]
            for other in (*words[:n], *words[n + 1 :]):
                yield "initial", f"{word.forms[0]} {other.text[:1]}"
                if not other.initial:
                    yield "prefix", f"{word.text[:4]} {other.text[:2]}"
        for stem in _spelled(words):
            yield "stem", stem


def _spelled(words: Sequence[Word]) -> Iterable[str]:
    """The user names that a name makes."""
    if len(words) < 2:
        return ()
    first, last = words[0].text, words[-1].text
    made = (first + last, last + first, first[:1] + last, last + first[:1], first + last[:1])
    return (stem for stem in dict.fromkeys(made) if len(stem) > 3)


def _split(block: Sequence[int], wholes: Sequence[Whole], cap: int) -> Iterator[list[int]]:
    """A block that is too large, by what else its groups share."""
    parts: dict[tuple[str, str], list[int]] = defaultdict(list)
    for n in block:
        one = wholes[n]
        seconds = {("e", e) for e in one.employers} | {("c", c) for c in one.cities} | {("p", p) for p in one.photos}
        seconds |= {("s", s[:6]) for s in one.stems} | {("d", d[-5:]) for d in one.birthdays} | {("k", key) for key in one.keys}
        for second in seconds:
            parts[second].append(n)
    for _, part in sorted(parts.items()):
        if 1 < len(part) <= cap:
            yield part
