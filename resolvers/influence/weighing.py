"""How much people are heard: four parts between 0 and 1, each told in words, and a score of 0 to 100 made of them.

After the parts that Klout (Rao et al., "Klout Score", 2015, arXiv:1510.08487) and PeerIndex gave: who listens, who answers, where
somebody stands, what about. What a hearer counts depends on how near the viewer they are (`graph.ranks`) and on how many others they
hear: a thousand who follow everybody count for nothing, and so does whoever nobody near the viewer hears. No part ever falls because
somebody was heard once more. Pure: knows neither database nor clock.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from resolvers.influence import graph
from resolvers.influence.topics import Speech, Term, Topic
from store import ids

VIEWER: Final = ""  # the viewer's own node: no id is empty
WEIGHTS: Final[Mapping[str, float]] = {"REACH": 0.25, "ENGAGEMENT": 0.30, "POSITION": 0.35, "TOPIC": 0.10}
#: What an act of attention weighs.
ATTENTION: Final[Mapping[str, float]] = {"FOLLOW": 1.0, "LIKE": 1.0, "WROTE": 1.0, "MENTION": 1.0, "SHARE": 2.0, "REPLY": 3.0}
HEARD_AT_ONCE: Final = 50  # people whom somebody can hear; attention to more is divided among them
HALF_REACH: Final = 10.0  # hearers at which the part is 0.5
HALF_ENGAGEMENT: Final = 5.0  # h at which the part is 0.5
LATEST_POSTS: Final = 200
PRECISE: Final = 6  # decimals of a part: sums of the same acts in another order are the same
MAX_TRACED: Final = 20  # messages that are kept of a part
FADES: Final = 180.0  # days in which an act of attention comes down to 1/e


class Act(msgspec.Struct, frozen=True, array_like=True):
    """`source` gave `target` attention once, so many days ago; `item` is what it was given to, None for a person as a whole.

    `message_id` is the message that did it, where one did.
    """

    source: str
    target: str
    kind: str
    days: float
    item: str | None = None
    message_id: str | None = None


class Item(msgspec.Struct, frozen=True, array_like=True):
    """Something that was said: `key` is what acts call it, `node_id` where to read it. A message is no post."""

    author: str
    key: str
    node_id: str
    days: float
    said: tuple[Term, ...]
    post: bool = True


class Part(msgspec.Struct, frozen=True, array_like=True):
    """One part of a score: what it measures, 0 to 1, its share in the score, the words, and messages it was read from, latest first."""

    factor: str
    value: float
    weight: float
    sentence: str
    message_ids: tuple[str, ...] = ()


class Standing(msgspec.Struct, frozen=True):
    """How much somebody is heard. `percentile` is the share of the people weighed who have a lower score, 0 to 100."""

    score: int
    percentile: float
    parts: tuple[Part, ...]
    topics: tuple[Topic, ...]


def weigh(people: Iterable[str], acts: Iterable[Act], items: Iterable[Item]) -> dict[str, Standing]:
    """The standing of each of `people` (node names), who are weighed among each other."""
    acts = list(acts)
    ties = _ties(acts)
    rank = graph.ranks(((source, target, weight) for (source, target), weight in ties.items()), VIEWER)
    credit = _credit(rank, ties)
    hearing = _hearing(ties, credit)
    engaged = _engaged(acts, credit)
    speech = Speech()
    posts: dict[str, list[tuple[float, float]]] = {}
    for item in items:
        heard = sum(engaged.get(item.key, {}).values())
        speech.add(item.author, item.node_id, math.exp(-item.days / (2 * FADES)) * (1.0 + heard), item.said)
        if item.post:
            posts.setdefault(item.author, []).append((item.days, heard))
    topics = speech.topics()
    traced = _traced(acts, credit)
    people = sorted(people)
    rank = {node: round(value, 2 * PRECISE) for node, value in rank.items()}
    places = sorted(rank.get(person, 0.0) for person in people)
    parts = {
        person: (
            _reach(hearing.get(person, ()), traced.get(person, ())),
            _engagement(posts.get(person, ())),
            _position(rank.get(person, 0.0), places, traced.get(person, ())),
            _topic(topics.get(person, ())),
        )
        for person in people
    }
    scores = {person: round(100 * sum(part.value * part.weight for part in mine)) for person, mine in parts.items()}
    below = sorted(scores.values())
    return {
        person: Standing(
            scores[person],
            round(100 * bisect_left(below, scores[person]) / len(below), 1),
            parts[person],
            topics.get(person, ()),
        )
        for person in people
    }


def sentence(standing: Standing) -> str:
    """The score in words: the part that makes the most of it."""
    first = max(standing.parts, key=lambda part: part.value * part.weight)
    return f"Heard more than {standing.percentile:.0f} % of your people. {first.sentence}" if standing.score else first.sentence


def _ties(acts: Sequence[Act]) -> dict[tuple[str, str], float]:
    """How much attention goes from one to another: many acts count, each less than the one before."""
    sums: dict[tuple[str, str], float] = {}
    for act in acts:
        if act.source != act.target:
            pair = act.source, act.target
            sums[pair] = sums.get(pair, 0.0) + ATTENTION[act.kind] * math.exp(-act.days / FADES)
    return {pair: math.log1p(weight) for pair, weight in sums.items()}


def _credit(rank: Mapping[str, float], ties: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """What the hearing of each node is worth, 0 to 1: two thirds for whom the viewer hears as much as is usual, 0 without a rank."""
    heard = sorted(rank[target] for (source, target) in ties if source == VIEWER)
    if not heard:
        return {VIEWER: 1.0}
    usual = heard[len(heard) // 2]
    return {node: 1.0 if node == VIEWER else value / (value + usual / 2) for node, value in rank.items()}


def _hearing(ties: Mapping[tuple[str, str], float], credit: Mapping[str, float]) -> dict[str, list[float]]:
    """What each hearer of somebody counts. Whoever hears more than HEARD_AT_ONCE divides themselves among them."""
    heard: dict[str, int] = {}
    for source, _ in ties:
        heard[source] = heard.get(source, 0) + 1
    found: dict[str, list[float]] = {}
    for source, target in ties:
        if source != VIEWER and (worth := credit.get(source, 0.0)):
            found.setdefault(target, []).append(worth * min(1.0, HEARD_AT_ONCE / heard[source]))
    return found


def _engaged(acts: Sequence[Act], credit: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """What each item earned, by who gave it: of several acts of one person on one item the weightiest."""
    found: dict[str, dict[str, float]] = {}
    for act in acts:
        if act.item is not None and act.source != act.target and (worth := credit.get(act.source, 0.0)):
            mine = found.setdefault(act.item, {})
            mine[act.source] = max(mine.get(act.source, 0.0), worth * ATTENTION[act.kind])
    return found


def _traced(acts: Sequence[Act], credit: Mapping[str, float]) -> dict[str, tuple[str, ...]]:
    """The latest messages in which others gave somebody attention that counts."""
    found: dict[str, list[tuple[float, str]]] = {}
    for act in acts:
        if act.message_id is not None and act.source not in (VIEWER, act.target) and credit.get(act.source):
            found.setdefault(act.target, []).append((act.days, act.message_id))
    return {
        person: tuple(dict.fromkeys(message for _, message in sorted(mine)))[:MAX_TRACED] for person, mine in found.items()
    }  # fmt: skip


def _reach(hearers: Sequence[float], traced: tuple[str, ...]) -> Part:
    reach = sum(hearers)
    count = sum(1 for hearer in hearers if hearer >= 0.1)
    words = "Nobody near you is known to hear them." if not count else f"{_people(count)} near you {_s('hear', count)} them."
    return Part("REACH", _saturated(reach, HALF_REACH), WEIGHTS["REACH"], words, traced)


def _engagement(posts: Sequence[tuple[float, float]]) -> Part:
    """h-index of Hirsch (2005) with fractions: so many posts have earned so much, of the latest."""
    latest = sorted(posts)[:LATEST_POSTS]
    earned = sorted((heard for _, heard in latest), reverse=True)
    h = max((min(float(place), heard) for place, heard in enumerate(earned, 1)), default=0.0)
    answered = sum(1 for heard in earned if heard >= 0.1)
    if not posts:
        words = "No posts of theirs are stored."
    else:
        words = f"{answered} of their latest {_count(len(latest), 'post')} found an answer among people near you."
    return Part("ENGAGEMENT", _saturated(h, HALF_ENGAGEMENT), WEIGHTS["ENGAGEMENT"], words)


def _position(rank: float, places: Sequence[float], traced: tuple[str, ...]) -> Part:
    if not rank:
        return Part("POSITION", 0.0, WEIGHTS["POSITION"], "Nobody you listen to listens to them.")
    share = round(min(1.0, bisect_left(places, rank) / max(1, len(places) - 1)), PRECISE)
    words = f"Nearer the middle of your people than {100 * share:.0f} % of them."
    return Part("POSITION", share, WEIGHTS["POSITION"], words, traced)


def _topic(topics: Sequence[Topic]) -> Part:
    if not topics:
        return Part("TOPIC", 0.0, WEIGHTS["TOPIC"], "Nothing that they speak of stands out.")
    best = max(topics, key=lambda topic: topic.score)
    said = tuple(node for node in best.evidence if ids.kind_of(node) == "MESSAGE")
    return Part("TOPIC", best.score / 100, WEIGHTS["TOPIC"], f"They often speak of {best.name}.", said)


def _saturated(value: float, half: float) -> float:
    return round(value / (value + half), PRECISE)


def _people(count: int) -> str:
    return "One person" if count == 1 else f"{count} people"


def _s(verb: str, count: int) -> str:
    return f"{verb}s" if count == 1 else verb


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
