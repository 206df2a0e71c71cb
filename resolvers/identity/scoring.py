"""Suggestions: candidate pairs ranked by log-odds, first each pair for itself, then against its rivals.

A person is missed once, not many times: when a group has one good counterpart and ten weak ones, the ten are worth less than
they look alone. The weights of both steps are learnt on generated universes (`python -m benchmarks.identity_weights`) and frozen
in `data/weights.json` with their version, so that what is suggested does not drift from one release to the next.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Final

import msgspec

from resolvers.identity.blocking import Pairs, candidates
from resolvers.identity.disguises import MAX_TEXTS, Bearing, disguise
from resolvers.identity.features import NAMES, Frequencies, features
from resolvers.identity.mailboxes import mailbox
from resolvers.identity.tables import text
from resolvers.identity.wholes import Whole

FLOOR: Final = -5.5  # log-odds below which a pair is not worth showing
NO_RIVAL: Final = -9.0  # log-odds of the next best where there is none
MARGIN: Final = 8.0  # by how much one may be ahead of another or behind
RIVAL_NAMES: Final = ("bias", "score", "best_of_one", "best_of_both", "margin", "margin_worst", "near", "score_high")


class Weights(msgspec.Struct, frozen=True):
    """What was learnt: each weight by its name, and the log-odds above which `--accept` joins at its default."""

    version: str
    pair: dict[str, float]
    rivals: dict[str, float]


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """Two groups, by their labels, that may be one person."""

    left: str
    right: str
    score: float  # log-odds

    @property
    def probability(self) -> float:
        """The chance that they are one person."""
        return probability(self.score)


def probability(score: float) -> float:
    """The chance that log-odds stand for."""
    return 1 / (1 + math.exp(-score))


@cache
def weights() -> Weights:
    """The frozen weights."""
    return msgspec.json.decode(text("weights.json"), type=Weights)


def suggest(wholes: Sequence[Whole], learnt: Weights | None = None, pairs: Pairs | None = None) -> list[Suggestion]:
    """All pairs worth showing, best first, ties by label; of those that are given, or of all candidates."""
    used = learnt or weights()
    seen = Frequencies(wholes)
    pairs = candidates(wholes) if pairs is None else pairs
    first = array("d", (dot(used.pair, NAMES, features(wholes[a], wholes[b], seen)) for a, b in pairs))
    second = rank(pairs, first, used)
    found = [
        Suggestion(left=min(wholes[a].label, wholes[b].label), right=max(wholes[a].label, wholes[b].label), score=score)
        for (a, b), score in zip(pairs, second, strict=True)
        if score > FLOOR and not posing(wholes[a], wholes[b])
    ]
    return sorted(found, key=lambda s: (-s.score, s.left, s.right))


def posing(one: Whole, other: Whole) -> bool:
    """Whether one of them seems to pose as the other, who is then not asked about as the same person."""
    seen = disguise(_bearing(one), _bearing(other))
    return seen is not None and seen.strong


def _bearing(one: Whole) -> Bearing:
    boxes = (mailbox(f"{local}@{domain}") for local, domain in sorted(one.addresses)[:MAX_TEXTS])
    return Bearing(
        names=one.names[:MAX_TEXTS],
        boxes=tuple(box for box in boxes if box is not None),
        handles=tuple(sorted(one.users)[:MAX_TEXTS]),
    )


def dot(learnt: Mapping[str, float], names: Sequence[str], values: Sequence[float]) -> float:
    """Log-odds: each value times its weight."""
    return sum(learnt.get(name, 0.0) * value for name, value in zip(names, values, strict=True) if value)


def rank(pairs: Sequence[tuple[int, int]], scores: Sequence[float], learnt: Weights) -> array[float]:
    """The log-odds of each pair in view of its rivals."""
    return array("d", (dot(learnt.rivals, RIVAL_NAMES, row) for row in rival_features(pairs, scores)))


def rival_score(
    learnt: Weights, own: Mapping[tuple[str, str], float], of: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], float]:
    """`rank` for pairs of names instead of positions, but only `of` some of them: the others are just their rivals."""
    place: dict[str, int] = {}
    pairs = [(place.setdefault(a, len(place)), place.setdefault(b, len(place))) for a, b in own]
    wanted = [two for two in of if two in own]
    asked = [(place[a], place[b], own[a, b]) for a, b in wanted]
    rows = _standing(pairs, list(own.values()), asked)
    return {two: dot(learnt.rivals, RIVAL_NAMES, row) for two, row in zip(wanted, rows, strict=True)}


def at_best(own: float, learnt: Weights) -> float:
    """The log-odds that a pair of this worth by itself has if its rivals are as weak as they can be: `rank` never gives it more."""
    margin = max(-MARGIN, min(MARGIN, own - NO_RIVAL)) / 4
    rows = ([1.0, own, float(leads >= 1), float(leads == 2), margin, margin, 0.0, max(0.0, own)] for leads in range(3))
    return max(dot(learnt.rivals, RIVAL_NAMES, row) for row in rows)


def rival_features(pairs: Sequence[tuple[int, int]], scores: Sequence[float]) -> Iterator[list[float]]:
    """Each pair's own log-odds, and how they stand to the best others of the same two groups."""
    return _standing(pairs, scores, ((a, b, score) for (a, b), score in zip(pairs, scores, strict=True)))


def _standing(
    pairs: Sequence[tuple[int, int]], scores: Sequence[float], asked: Iterable[tuple[int, int, float]]
) -> Iterator[list[float]]:
    size = 1 + max((max(pair) for pair in pairs), default=-1)
    best, second, near = array("d", [NO_RIVAL]) * size, array("d", [NO_RIVAL]) * size, array("i", [0]) * size
    for (a, b), score in zip(pairs, scores, strict=True):
        for n in (a, b):
            if score > best[n]:
                best[n], second[n] = score, best[n]
            elif score > second[n]:
                second[n] = score
    for (a, b), score in zip(pairs, scores, strict=True):
        for n in (a, b):
            if score > best[n] - 1.5:
                near[n] += 1
    for a, b, score in asked:
        others = [second[n] if score >= best[n] else best[n] for n in (a, b)]
        margins = sorted(max(-MARGIN, min(MARGIN, score - other)) for other in others)
        leads = sum(score >= best[n] for n in (a, b))
        crowd = math.log(max(near[a], near[b], 1))
        yield [1.0, score, float(leads >= 1), float(leads == 2), margins[1] / 4, margins[0] / 4, crowd, max(0.0, score)]
