"""Communities of a graph of ties: Louvain's method, then cut where nothing holds a community together.

Blondel, Guillaume, Lambiotte and Lefebvre, "Fast unfolding of communities in large networks", J. Stat. Mech. (2008) P10008: each node goes
where modularity (Newman and Girvan, 2004) grows most, until none does; then communities become nodes and it begins again. Nodes are visited in
the order of their names and equals decided by it, so that the same ties give the same communities; a community that is in pieces, which
Traag, Waltman and van Eck ("From Louvain to Leiden", 2019) found in a quarter of Louvain's, becomes its pieces. Knows no person, only names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

LEAST: Final = 3  # of whom a circle is made
MOST: Final = 200  # circles
ALSO: Final = 0.3  # share of somebody's ties from which on they are of another circle besides their own
ALSO_TO: Final = 2  # and to how many of its members at least
ROUNDS: Final = 50
_GAIN: Final = 1e-12
Ties = Mapping[tuple[str, str], float]


class Circle(msgspec.Struct, frozen=True):
    """A community: `core` is hers alone, `members` have besides who is of it too; each with how central they are, 0 to 1."""

    core: frozenset[str]
    members: dict[str, float]


def circles(ties: Ties) -> list[Circle]:
    """The circles that these ties (of two different names, weight > 0) make, largest first."""
    near = _near(ties)
    cores = [frozenset(one) for one in communities(ties) if len(one) >= LEAST]
    cores = sorted(cores, key=lambda core: (-len(core), min(core)))[:MOST]
    home = {name: number for number, core in enumerate(cores) for name in core}
    weights: list[dict[str, float]] = [
        {name: sum(w for other, w in near[name].items() if other in core) for name in core} for core in cores
    ]
    for name, known in near.items():
        whole = sum(known.values())
        into: dict[int, list[float]] = {}
        for other, weight in known.items():
            if other in home and home[other] != home.get(name):
                into.setdefault(home[other], []).append(weight)
        for number, found in into.items():
            if len(found) >= ALSO_TO and sum(found) >= ALSO * whole:
                weights[number][name] = sum(found)
    return [Circle(core, _central(found)) for core, found in zip(cores, weights, strict=True)]


def communities(ties: Ties) -> list[list[str]]:
    """A partition of all names that have ties; each community sorted, in the order of their first names."""
    near = _near(ties)
    names = list(near)
    place = {name: number for number, name in enumerate(names)}
    links = [{place[other]: weight for other, weight in near[name].items()} for name in names]
    loops = [0.0] * len(names)
    inside = [[number] for number in range(len(names))]
    while True:
        where = _settle(links, loops)
        if len({*where}) == len(links):
            break
        links, loops, inside = _joined(links, loops, inside, where)
    found = [piece for group in inside for piece in _pieces([names[number] for number in group], near)]
    return sorted(found)


def _near(ties: Ties) -> dict[str, dict[str, float]]:
    """Whom each name is tied to, in the order of names."""
    near: dict[str, dict[str, float]] = {name: {} for name in sorted({name for pair in ties for name in pair})}
    for (one, other), weight in sorted(ties.items()):
        near[one][other] = near[one].get(other, 0.0) + weight
        near[other][one] = near[other].get(one, 0.0) + weight
    return near


def _settle(links: list[dict[int, float]], loops: list[float]) -> list[int]:
    """In which community each node is when no move of one node makes modularity grow."""
    degree = [sum(mine.values()) + 2 * loop for mine, loop in zip(links, loops, strict=True)]
    whole = sum(degree)
    where = list(range(len(links)))
    total = degree.copy()
    for _ in range(ROUNDS):
        moved = False
        for node, mine in enumerate(links):
            home = where[node]
            total[home] -= degree[node]
            into: dict[int, float] = {home: 0.0}
            for other, weight in mine.items():
                into[where[other]] = into.get(where[other], 0.0) + weight
            gain = {at: weight - degree[node] * total[at] / whole for at, weight in into.items()}
            best = min(gain, key=lambda at: (-gain[at], at))
            if gain[best] <= gain[home] + _GAIN:
                best = home
            total[best] += degree[node]
            where[node] = best
            moved = moved or best != home
        if not moved:
            break
    return where


def _joined(
    links: list[dict[int, float]], loops: list[float], inside: list[list[int]], where: list[int]
) -> tuple[list[dict[int, float]], list[float], list[list[int]]]:
    """The communities as nodes: ties within one become its loop."""
    number = {at: n for n, at in enumerate(dict.fromkeys(where))}
    joined: list[dict[int, float]] = [{} for _ in number]
    looped, held = [0.0] * len(number), [list[int]() for _ in number]
    for node, mine in enumerate(links):
        at = number[where[node]]
        held[at] += inside[node]
        looped[at] += loops[node]
        for other, weight in mine.items():
            there = number[where[other]]
            if there == at:
                looped[at] += weight / 2  # each tie is met from both its ends
            else:
                joined[at][there] = joined[at].get(there, 0.0) + weight
    return joined, looped, held


def _pieces(names: Iterable[str], near: Mapping[str, Mapping[str, float]]) -> list[list[str]]:
    """The parts of a community that ties within it hold together."""
    left = dict.fromkeys(sorted(names))
    found = []
    while left:
        frontier = [next(iter(left))]
        piece = {frontier[0]}
        del left[frontier[0]]
        while frontier:
            beyond = [other for name in frontier for other in near[name] if other in left and other not in piece]
            frontier = list(dict.fromkeys(beyond))
            piece.update(frontier)
            for name in frontier:
                del left[name]
        found.append(sorted(piece))
    return found


def _central(weights: Mapping[str, float]) -> dict[str, float]:
    """How central each is: 1 for whom most holds them."""
    most = max(weights.values(), default=0.0) or 1.0
    found = {name: round(weight / most, 3) for name, weight in weights.items()}
    return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))
