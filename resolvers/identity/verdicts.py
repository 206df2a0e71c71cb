"""What the viewer said of two contacts, as the engine takes it: pairs that are one person, pairs that never are.

The hardest evidence there is, and the last word on a pair counts: `read` goes through what was said from the latest back. A
join counts between any two of its sides and not within one, so that what held a side together still does, or lets go of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Literal

import msgspec

Pair = tuple[str, str]
Verdict = Literal["SAME", "DIFFERENT"]


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """Pairs of contact ids, each in order. `always` is applied as it stands, the latest word first, unless `never` forbids it."""

    never: frozenset[Pair] = frozenset()
    always: tuple[Pair, ...] = ()

    def forbidden(self) -> Mapping[str, frozenset[str]]:
        """For each contact those that are never one with it."""
        found: dict[str, set[str]] = {}
        for one, other in self.never:
            found.setdefault(one, set()).add(other)
            found.setdefault(other, set()).add(one)
        return {contact_id: frozenset(others) for contact_id, others in found.items()}


class Saying(msgspec.Struct, frozen=True, kw_only=True):
    """One thing said: the contacts of each side are, or never are, one with those of the others. A later `number` was said later."""

    number: int
    verdict: Verdict
    sides: tuple[tuple[str, ...], ...]


def read(sayings: Iterable[Saying]) -> Decisions:
    """What holds of each pair after all that was said, in any order."""
    last: dict[Pair, Verdict] = {}
    for saying in sorted(sayings, key=lambda s: -s.number):
        for pair in pairs(saying.sides):
            last.setdefault(pair, saying.verdict)
    return Decisions(
        never=frozenset(pair for pair, verdict in last.items() if verdict == "DIFFERENT"),
        always=tuple(pair for pair, verdict in last.items() if verdict == "SAME"),
    )


def pairs(sides: Sequence[Sequence[str]]) -> Iterator[Pair]:
    """Every contact of one side with every contact of another, each pair in order."""
    for ours, theirs in combinations(sides, 2):
        for one in ours:
            for other in theirs:
                if one != other:
                    yield (one, other) if one < other else (other, one)
