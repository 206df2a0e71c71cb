"""What people speak about: words that are theirs rather than everybody's, with the posts and messages they stand in.

A term weighs what its items weigh (how late, how much they were heard) times its inverse author frequency, Spärck Jones, "A statistical
interpretation of term specificity" (1972), with authors for documents: a word that one person repeats is no rarer for it. Knows no
language: words that many use are left out because many use them.
"""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from store.words import fold

HASHTAG: Final = 3.0  # what a term counts where its author marked it as what this is about
LEAST: Final = 3  # items that speak of a topic, below which it is none
COMMON: Final = 0.15  # share of authors from which on a word says nothing of any of them
MANY: Final = 20  # authors from which on that share means something; below it only hashtags are topics
SHORT: Final = 4  # letters of the shortest word that is a topic; hashtags may be shorter
HALF: Final = 10.0  # weight at which a topic's score is 50
MAX_TOPICS: Final = 10  # that are kept of a person
MAX_EVIDENCE: Final = 10  # items that are kept of a topic
MAX_TERMS: Final = 60  # of one item that are looked at
_NUMBER: Final = re.compile(r"\d+")


class Term(NamedTuple):
    """A word as it is compared, and whether it was a hashtag."""

    word: str
    marked: bool


_term: Final = lru_cache(50_000)(Term)  # the same words come again and again


class Topic(NamedTuple):
    """What somebody speaks about; score 0 to 100, node ids of where, weightiest first."""

    name: str
    score: int
    evidence: tuple[str, ...]


@dataclass(slots=True)
class _Said:
    """What one author said of one term."""

    weight: float = 0.0
    items: int = 0
    marked: int = 0
    best: list[tuple[float, str]] = field(default_factory=list)  # heap of (weight, node)


def terms(text: str, hashtags: Iterable[str] = ()) -> tuple[Term, ...]:
    """The terms of an item, each once."""
    found: dict[str, Term] = {}
    for tag in hashtags:
        word = fold(tag).replace(" ", "")
        if word:
            found[word] = _term(word, True)
    for word in fold(text).split()[:MAX_TERMS]:
        if len(word) >= SHORT and not _NUMBER.fullmatch(word):
            found.setdefault(word, _term(word, False))
    return tuple(found.values())


class Speech:
    """What everybody said, item by item."""

    def __init__(self) -> None:
        self._said: dict[str, dict[str, _Said]] = {}  # by author, by word

    def add(self, author: str, node_id: str, weight: float, said: Sequence[Term]) -> None:
        """`author` spoke of these terms in a node, whose weight is above 0."""
        mine = self._said.setdefault(author, {})
        for term in said:
            known = mine.setdefault(term.word, _Said())
            known.weight += weight * (HASHTAG if term.marked else 1.0)
            known.items += 1
            known.marked += term.marked
            heapq.heappush(known.best, (weight, node_id))
            if len(known.best) > MAX_EVIDENCE:
                heapq.heappop(known.best)

    def topics(self) -> Mapping[str, tuple[Topic, ...]]:
        """The topics of each author who has any, strongest first."""
        users: dict[str, int] = {}
        for mine in self._said.values():
            for word in mine:
                users[word] = users.get(word, 0) + 1
        authors = len(self._said)
        found = {}
        for author, mine in self._said.items():
            rated = heapq.nsmallest(
                MAX_TOPICS,
                (
                    (-said.weight * math.log(1.0 + authors / users[word]), word, said)
                    for word, said in mine.items()
                    if said.items >= LEAST and (said.marked >= LEAST or (authors >= MANY and users[word] <= COMMON * authors))
                ),
                key=lambda rating: rating[:2],
            )
            if rated:
                found[author] = tuple(_topic(word, said) for _, word, said in rated)
        return found


def _topic(word: str, said: _Said) -> Topic:
    evidence = tuple(node_id for _, node_id in sorted(said.best, key=lambda kept: (-kept[0], kept[1])))
    return Topic(word, round(100 * said.weight / (said.weight + HALF)), evidence)
