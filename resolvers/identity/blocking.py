"""Which groups are worth comparing: those that share one of many keys, each key's block no larger than grows with the data.

A common name fills its block beyond any fixed cap, and dropping such blocks loses a tenth of the true pairs of a large address
book. Here a block that is too large is not dropped but asked for a second thing in common (employer, town, user name, a second
word), and only what shares both is compared; what shares nothing else could not be told apart from its namesakes anyway.

Some keys tell only whoever says no more: of all Bergs those are compared who are "Berg" and no more with all the others, not Ada Berg with
Karl Berg. Such a block has members who ask and members who are only found by them.

A made-up or real million shares a few thousand names, so that what shares a key grows faster than the people do. What is compared in
full is therefore a number of pairs that grows as n log n: those that at a first glance (`glances.py`) are the likeliest (the pruning of
edges by their weight and number of Papadakis et al., "Meta-Blocking", IEEE TKDE 26 (2014), §4). Of more than that many that look equally
likely none is likelier than another, and none is taken. Likelihoods are whole numbers, so that neither the order of keys nor that of
contacts changes what is kept; keys are kept as their hashes, and everything in arrays.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, overload

import msgspec

from resolvers.identity.glances import Glances, first_worth, key_worth
from resolvers.identity.meeting_keys import ASKED, asked_by, keys_of
from resolvers.identity.wholes import Whole

NAMES_CAP: Final = 40  # groups in a block of one name, at 10,000 groups; grows with the fourth root
VALUES_CAP: Final = 60  # groups with one value, or of whom only some ask for the others
PARTS_CAP: Final = 20  # groups that share a part of a name, which says little
COMPARED: Final = 0.36  # pairs compared for a group, times the binary logarithm of how many groups there are
PLENTY: Final = 250_000  # pairs that are compared even where the groups are few
LOTS: Final = 4  # parts in which the keys of a kind are sorted out, one after the other


class Pairs(Sequence[tuple[int, int]]):
    """Pairs of positions, in order, eight bytes each: there are several times as many as people."""

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


class Blocks(msgspec.Struct, frozen=True):
    """Groups by what they share: the members of all blocks one after the other, where each begins, and what its key is worth.

    In each block stand first those who ask, and both they and the others in order.
    """

    members: array[int]
    starts: array[int]
    asking: array[int]  # how many of a block ask
    worth: array[int]  # what a pair gains by meeting here

    def add(self, block: Sequence[int], worth: int) -> None:
        """Add a block of positions, those who do not ask as ~position, in order of positions; without one who asks it is none."""
        asking = [n for n in block if n >= 0]
        if not asking:
            return
        self.members.extend(asking)
        self.members.extend(~n for n in block if n < 0)
        self.starts.append(len(self.members))
        self.asking.append(len(asking))
        self.worth.append(worth)

    def size(self, block: int) -> int:
        """How many are in a block."""
        return self.starts[block + 1] - self.starts[block]

    def met(self, mark: int, n: int) -> array[int]:
        """Whom n meets in a block of those that stand behind n: who asks (not ~block) everybody, who does not only those who do."""
        block = mark if mark >= 0 else ~mark
        start, end = self.starts[block], self.starts[block + 1]
        asked = start + self.asking[block]
        found = self.members[bisect_right(self.members, n, start, asked) : asked]
        if mark >= 0:
            found.extend(self.members[bisect_right(self.members, n, asked, end) : end])
        return found

    def by_member(self, size: int) -> list[array[int]]:
        """The blocks of each group, as ~block where it does not ask, the smallest first."""
        by_size: dict[int, array[int]] = defaultdict(lambda: array("i"))
        for block in range(len(self.asking)):
            by_size[self.size(block)].append(block)
        found = [array("i") for _ in range(size)]
        for _, blocks in sorted(by_size.items()):
            for block in blocks:
                start, asked = self.starts[block], self.starts[block] + self.asking[block]
                for k in range(start, asked):
                    found[self.members[k]].append(block)
                for k in range(asked, self.starts[block + 1]):
                    found[self.members[k]].append(~block)
        return found


def candidates(wholes: Sequence[Whole], plenty: int = PLENTY) -> Pairs:
    """Pairs of positions in `wholes` that may be one person, in order, each once; more than `plenty` only if the groups are many."""
    size = len(wholes)
    most = max(plenty, int(COMPARED * size * math.log2(size + 1)))
    blocks, glances = blocks_of(wholes), Glances(wholes)
    packed, likely, least = array("q"), array("h"), _NEVER
    for n, mine in enumerate(blocks.by_member(size)):
        shared: dict[int, int] = {}
        for mark in mine:
            block = mark if mark >= 0 else ~mark
            worth = blocks.worth[block]
            first = first_worth(blocks.size(block)) + worth  # the smallest block that two share comes first
            for other in blocks.met(mark, n):
                shared[other] = shared[other] + worth if other in shared else first
        for other, worth in sorted(shared.items()):
            worth = max(_NEVER, min(-_NEVER, worth + glances.against(n, other)))
            if worth >= least:
                packed.append(n * size + other)
                likely.append(worth)
        if len(packed) > 2 * most:
            packed, likely, least = _likeliest(packed, likely, most)
    return Pairs(_likeliest(packed, likely, most)[0], max(size, 1))


_NEVER: Final = -32_767


def _likeliest(packed: array[int], likely: array[int], most: int) -> tuple[array[int], array[int], int]:
    """`most` of the pairs at most, the likeliest, how likely these are, and how likely the least likely are; of equals all or none."""
    counts = Counter(likely)
    kept, least = 0, _NEVER
    for worth in sorted(counts, reverse=True):
        kept += counts[worth]
        if kept > most:
            least = worth + 1
            break
    if least == _NEVER:
        return packed, likely, least
    two = [(pair, worth) for pair, worth in zip(packed, likely, strict=True) if worth >= least]
    return array("q", (pair for pair, _ in two)), array("h", (worth for _, worth in two)), least


def _growth(size: int) -> float:
    return float(max(1.0, (size / 10_000) ** 0.25))


def blocks_of(wholes: Sequence[Whole]) -> Blocks:
    """The blocks that are worth comparing."""
    growth = _growth(len(wholes))
    found = Blocks(members=array("i"), starts=array("i", [0]), asking=array("i"), worth=array("i"))
    for kind, keys, owners in _sorted_out(wholes):
        most = int(_cap(kind) * growth)
        worth = key_worth(kind)
        shared: dict[int, int | list[int]] = {}  # most keys are one group's alone: no list for them
        for key, n in zip(keys, owners, strict=True):
            block = shared.setdefault(key, n)
            if isinstance(block, list):
                block.append(n)
            elif block != n:
                shared[key] = [block, n]
        for block in shared.values():
            if not isinstance(block, list):
                continue
            for part in [block] if len(block) <= most else _split(block, wholes, most):
                found.add(part, worth)
    return found


def _sorted_out(wholes: Sequence[Whole]) -> Iterator[tuple[str, array[int], array[int]]]:
    """The keys of all groups as hashes, and whose they are (~position of who does not ask), in lots that hold all of a key: with its kind."""
    lots: dict[tuple[str, int], tuple[array[int], array[int]]] = {}
    for n, one in enumerate(wholes):
        asks = set(asked_by(one))
        for key in set(keys_of(one)):
            kind, mark = key[0], hash(key)
            lot = kind, mark % LOTS
            if lot not in lots:
                lots[lot] = array("q"), array("i")
            keys, owners = lots[lot]
            keys.append(mark)
            owners.append(n if kind not in ASKED or key in asks else ~n)
    for kind, part in sorted(lots):
        yield kind, *lots.pop((kind, part))


def _cap(kind: str) -> int:
    return VALUES_CAP if kind in _VALUES else PARTS_CAP if kind in _PARTS else NAMES_CAP


_PARTS: Final = frozenset({"prefix", "start"})
_VALUES: Final = frozenset({"EMAIL", "PHONE", "PROFILE", "stem", "street", "day", "single", "initial"})


def _split(block: Sequence[int], wholes: Sequence[Whole], cap: int) -> Iterator[list[int]]:
    """A block that is too large, by what else its groups share."""
    parts: dict[tuple[str, str], list[int]] = defaultdict(list)
    for n in block:
        one = wholes[n if n >= 0 else ~n]
        seconds = {("e", e) for e in one.employers} | {("c", c) for c in one.cities} | {("p", p) for p in one.photos | one.looks}
        seconds |= {("s", s[:6]) for s in one.stems} | {("d", d[-5:]) for d in one.birthdays} | {("k", key) for key in one.keys}
        for second in seconds:
            parts[second].append(n)
    for _, part in sorted(parts.items()):
        if 1 < len(part) <= cap:
            yield part
