"""By how much a quantile differs between two kinds of turns that were taken in blocks, and within what that would come out again.

Whatever a machine does by itself goes on for longer than an answer takes, so that neighbours are alike and single answers prove less than their
number says. Whole blocks are therefore drawn again, with replacement, each with its turns of both kinds (a paired block bootstrap: Künsch 1989,
Efron and Tibshirani 1993, ch. 8): the interval holds what nineteen of twenty such draws give. Knows nothing of what was measured.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Final, NamedTuple

DRAWS: Final = 1_000
SHARE: Final = 0.95  # of the draws lie within the interval
Blocks = Sequence[Sequence[float]]


class Change(NamedTuple):
    """Per cent, and the least and the most of the interval."""

    percent: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.percent:+.1f} ({self.least:+.1f} to {self.most:+.1f})"


def quantile(ordered: Sequence[float], share: float) -> float:
    """Of values in order, without anything between two of them."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def quantile_of(blocks: Blocks, share: float) -> float:
    """Of all values of all blocks."""
    return quantile(sorted(value for block in blocks for value in block), share)


def change(before: Blocks, after: Blocks, share: float, *, draws: int = DRAWS, seed: int = 1) -> Change:
    """By how much the quantile is higher `after`; the n-th blocks of both were taken together. Raises ValueError without a value in each."""
    if len(before) != len(after) or not all(map(len, before)) or not all(map(len, after)) or not before:
        raise ValueError("blocks of both kinds, with something in each, are compared in pairs")
    chance, blocks = random.Random(seed), range(len(before))
    sides = [_Side(before), _Side(after)]
    found = []
    for _ in range(draws):
        weights = [0] * len(before)
        for block in chance.choices(blocks, k=len(before)):
            weights[block] += 1
        found.append(_percent(*(side.quantile(weights, share) for side in sides)))
    found.sort()
    once = _percent(*(side.quantile([1] * len(before), share) for side in sides))
    return Change(once, quantile(found, (1 - SHARE) / 2), quantile(found, (1 + SHARE) / 2))


class _Side:
    """The values of one kind, the largest first, each with its block."""

    def __init__(self, blocks: Blocks) -> None:
        self._sizes = [len(block) for block in blocks]
        self._values = sorted(((value, number) for number, block in enumerate(blocks) for value in block), reverse=True)

    def quantile(self, weights: Sequence[int], share: float) -> float:
        """As if each block were there so many times."""
        count = sum(weight * size for weight, size in zip(weights, self._sizes, strict=True))
        left = count - min(count - 1, int(count * share))
        for value, number in self._values:
            left -= weights[number]
            if left <= 0:
                return value
        return self._values[-1][0]


def _percent(before: float, after: float) -> float:
    return 100 * (after / before - 1) if before else math.inf if after else 0.0
