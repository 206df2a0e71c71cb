"""Which groups are worth comparing: those that share one of many keys, each key's block no larger than grows with the data.

A common name fills its block beyond any fixed cap, and dropping such blocks loses a tenth of the true pairs of a large address
book. Here a block that is too large is not dropped but asked for a second thing in common (employer, town, user name, a second
word), and only what shares both is compared; what shares nothing else could not be told apart from its namesakes anyway.

Some keys tell only whoever says no more: of all Bergs those are compared who are "Berg" and no more with all the others, not Ada Berg with
Karl Berg. Such a block has members who ask and members who are only found by them.

A made-up or real million shares a few thousand names, so that what shares a key grows faster than the people do. Of all who share
something with a group only the nearest are therefore compared: those with whom it shares the most and the rarest keys (the pruning
of edges by node of Papadakis et al., "Meta-Blocking", IEEE TKDE 26 (2014), §4). Of more than that many who share the same with it, none
is nearer than another, and none is taken. Pairs are counted in whole numbers, so that neither the order
of keys nor that of contacts changes what is kept; keys are kept as their hashes, and everything in arrays.
"""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, overload

import msgspec

from resolvers.identity.meeting_keys import ASKED, asked_by, keys_of
from resolvers.identity.wholes import Whole

NAMES_CAP: Final = 40  # groups in a block of one name, at 10,000 groups; grows with the fourth root
VALUES_CAP: Final = 60  # groups with one value, or of whom only some ask for the others
PARTS_CAP: Final = 20  # groups that share a part of a name, which says little
NEAREST: Final = 60  # others that a group is compared with from its own side, however many groups there are
LOTS: Final = 16  # parts in which keys are sorted out, one after the other
STRETCHES: Final = 64  # parts in which pairs are put in order


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


class Blocks(msgspec.Struct, frozen=True):
    """Groups by what they share: the members of all blocks one after the other, where each begins, and how rare its key is.

    In each block stand first those who ask.
    """

    members: array[int]
    starts: array[int]
    asking: array[int]  # how many of a block ask
    rarity: array[int]  # thousandths of the log of one in how many groups has the key

    def add(self, block: Sequence[int], size: int) -> None:
        """Add a block of `size` groups' positions, those who do not ask as ~position; without one who asks it is none."""
        asking = [n for n in block if n >= 0]
        if not asking:
            return
        self.members.extend(asking)
        self.members.extend(~n for n in block if n < 0)
        self.starts.append(len(self.members))
        self.asking.append(len(asking))
        self.rarity.append(round(1_000 * math.log(size / len(block))) + 1)

    def of(self, block: int) -> array[int]:
        """The positions in one block."""
        return self.members[self.starts[block] : self.starts[block + 1]]

    def met(self, mark: int) -> array[int]:
        """Whom somebody meets in a block: everybody who asks, and whoever asks does not (`mark` is ~block) only those who do."""
        if mark >= 0:
            return self.of(mark)
        start = self.starts[~mark]
        return self.members[start : start + self.asking[~mark]]

    def by_member(self, size: int) -> list[array[int]]:
        """The blocks of each group, as ~block where it does not ask."""
        found = [array("i") for _ in range(size)]
        for block, asking in enumerate(self.asking):
            for k, n in enumerate(self.of(block)):
                found[n].append(block if k < asking else ~block)
        return found


def candidates(wholes: Sequence[Whole]) -> Pairs:
    """Pairs of positions in `wholes` that may be one person, in order, each once."""
    size = len(wholes)
    blocks = blocks_of(wholes)
    stretches = [array("q") for _ in range(STRETCHES)]
    for n, mine in enumerate(blocks.by_member(size)):
        shared: dict[int, int] = {}
        for mark in mine:
            rare = blocks.rarity[mark if mark >= 0 else ~mark]
            for other in blocks.met(mark):
                shared[other] = shared.get(other, 0) + rare
        shared.pop(n, None)
        for other in _nearest(shared):
            first, second = (n, other) if n < other else (other, n)
            stretches[first * STRETCHES // size].append(first * size + second)
    packed = array("q")
    for stretch in stretches:  # each pair may have been chosen from both sides
        packed.extend(sorted(set(stretch)))
    return Pairs(packed, max(size, 1))


def _nearest(shared: Mapping[int, int]) -> Iterable[int]:
    """The NEAREST who share the most, by how much each shares; of several who share as much all or none."""
    if len(shared) <= NEAREST:
        return shared
    much = sorted(shared.values(), reverse=True)
    least = much[NEAREST]  # who shares no more than the first that is left out is left out too
    return [other for other, rare in shared.items() if rare > least]


def _growth(size: int) -> float:
    return float(max(1.0, (size / 10_000) ** 0.25))


def blocks_of(wholes: Sequence[Whole]) -> Blocks:
    """The blocks that are worth comparing."""
    size, growth = len(wholes), _growth(len(wholes))
    found = Blocks(members=array("i"), starts=array("i", [0]), asking=array("i"), rarity=array("i"))
    for cap, keys, owners in _sorted_out(wholes):
        most = int(cap * growth)
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
                found.add(part, size)
    return found


def _sorted_out(wholes: Sequence[Whole]) -> Iterator[tuple[int, array[int], array[int]]]:
    """The keys of all groups as hashes, and whose they are (~position of who does not ask), in lots that hold all of a key: with the cap
    of their kind."""
    lots = {(cap, n): (array("q"), array("i")) for cap in (NAMES_CAP, VALUES_CAP, PARTS_CAP) for n in range(LOTS)}
    for n, one in enumerate(wholes):
        asks = set(asked_by(one))
        for key in set(keys_of(one)):
            kind, mark = key[0], hash(key)
            cap = VALUES_CAP if kind in _VALUES else PARTS_CAP if kind in _PARTS else NAMES_CAP
            keys, owners = lots[cap, mark % LOTS]
            keys.append(mark)
            owners.append(n if kind not in ASKED or key in asks else ~n)
    for cap, lot in sorted(lots):
        yield cap, *lots.pop((cap, lot))


_PARTS: Final = frozenset({"prefix", "start"})
_VALUES: Final = frozenset({"EMAIL", "PHONE", "PROFILE", "stem", "street", "day", "single", "initial"})


def _split(block: Sequence[int], wholes: Sequence[Whole], cap: int) -> Iterator[list[int]]:
    """A block that is too large, by what else its groups share."""
    parts: dict[tuple[str, str], list[int]] = defaultdict(list)
    for n in block:
        one = wholes[n if n >= 0 else ~n]
        seconds = {("e", e) for e in one.employers} | {("c", c) for c in one.cities} | {("p", p) for p in one.photos}
        seconds |= {("s", s[:6]) for s in one.stems} | {("d", d[-5:]) for d in one.birthdays} | {("k", key) for key in one.keys}
        for second in seconds:
            parts[second].append(n)
    for _, part in sorted(parts.items()):
        if 1 < len(part) <= cap:
            yield part
