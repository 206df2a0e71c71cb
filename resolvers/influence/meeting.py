"""Who knows whom among the viewer's people: what two of them were seen doing with each other.

A message among n people says of each pair 1/(n-1), so that a letter to two counts more than one to ten, and less the older it is. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

FADES: Final = 365.0  # days in which what was seen comes down to 1/e
HALF: Final = 3.0  # weight at which the strength is 0.5
MAX_KNOWN: Final = 50  # acquaintances that are kept of a person
#: What each kind of sight weighs besides.
WEIGHTS: Final[dict[str, float]] = {"TALK": 1.0, "FOLLOW": 1.0, "REPLY": 1.0, "MENTION": 0.5}
WORDS: Final[dict[str, tuple[str, str]]] = {
    "TALK": ("They are together in one message.", "They are together in {count} messages."),
    "FOLLOW": ("One of them follows the other.", "They follow each other."),
    "REPLY": ("One of them answered the other in public.", "They answered each other in public {count} times."),
    "MENTION": ("One of them named the other in a post.", "They named each other in {count} posts."),
}


class Sight(NamedTuple):
    """What was seen of two people: what it weighs, how often it was, how many days ago last, where."""

    kind: str
    weight: float
    times: int
    days: float
    node_id: str

    @property
    def sentence(self) -> str:
        once, often = WORDS[self.kind]
        return once if self.times == 1 else often.format(count=self.times)


class Acquaintance(NamedTuple):
    """Somebody a person knows; strength 0 to 1."""

    other: str
    strength: float
    sights: tuple[Sight, ...]


class Meetings:
    """Everything that was seen of two people, whoever they are."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], dict[str, Sight]] = {}

    def add(self, one: str, other: str, kind: str, days: float, node_id: str, share: float = 1.0) -> None:
        """The two were seen once; `share` is what of it is theirs. Nothing is said of the viewer, who knows everybody here."""
        if not one or not other or one == other:
            return
        kinds = self._seen.setdefault((one, other) if one < other else (other, one), {})
        weight = share * WEIGHTS[kind] * math.exp(-days / FADES)
        known = kinds.get(kind, Sight(kind, 0.0, 0, days, node_id))
        last = min((known.days, known.node_id), (days, node_id))
        kinds[kind] = Sight(kind, known.weight + weight, known.times + 1, *last)

    def among(self, names: Sequence[str], days: float, node_id: str) -> None:
        """All of these were seen in one message."""
        share = 1.0 / max(1, len(names) - 1)
        for place, one in enumerate(names):
            for other in names[place + 1 :]:
                self.add(one, other, "TALK", days, node_id, share)

    def weights(self, people: set[str]) -> dict[tuple[str, str], float]:
        """How much was seen of each two of `people`, by their names in order."""
        return {
            pair: sum(sight.weight for sight in kinds.values())
            for pair, kinds in self._seen.items()
            if pair[0] in people and pair[1] in people
        }

    def of(self, people: set[str]) -> dict[str, list[Acquaintance]]:
        """Whom each of `people` knows among them, strongest first, at most MAX_KNOWN."""
        found: dict[str, list[Acquaintance]] = {}
        for (one, other), kinds in self._seen.items():
            if one in people and other in people:
                sights = tuple(sorted(kinds.values(), key=lambda sight: (-sight.weight, sight.kind)))
                weight = sum(sight.weight for sight in sights)
                strength = round(weight / (weight + HALF), 4)
                found.setdefault(one, []).append(Acquaintance(other, strength, sights))
                found.setdefault(other, []).append(Acquaintance(one, strength, sights))
        return {name: sorted(known, key=lambda each: (-each.strength, each.other))[:MAX_KNOWN] for name, known in found.items()}
