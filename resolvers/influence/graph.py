"""Who is near the viewer in a graph of attention: personalised PageRank.

Page, Brin, Motwani and Winograd, "The PageRank citation ranking" (1999), §6: all random jumps lead back to one node, here the viewer.
Whoever nobody near the viewer pays attention to has no rank, whatever links they make among themselves: accounts made to follow
somebody give away what they do not have. Knows no person, only names of nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import mul
from typing import Final

DAMPING: Final = 0.85
CLOSE: Final = 1e-9  # how far two rounds may lie apart, all nodes together
ROUNDS: Final = 200


def ranks(edges: Iterable[tuple[str, str, float]], seed: str) -> dict[str, float]:
    """The rank of each node that `seed` reaches over edges (from, to, weight > 0); together 1.

    A node without edges of its own hands its rank back to the seed. Equal pairs add up.
    """
    out: dict[str, dict[str, float]] = {}
    for source, target, weight in edges:
        mine = out.setdefault(source, {})
        mine[target] = mine.get(target, 0.0) + weight
    names = _reached(out, seed)
    place = {name: number for number, name in enumerate(names)}
    into: list[list[int]] = [[] for _ in names]
    shares: list[list[float]] = [[] for _ in names]
    dangling = []
    for source in names:
        mine = out.get(source, {})
        whole = sum(mine.values())
        if not mine:
            dangling.append(place[source])
        for target, weight in mine.items():
            into[place[target]].append(place[source])
            shares[place[target]].append(DAMPING * weight / whole)
    rank = [0.0] * len(names)
    rank[0] = 1.0
    for _ in range(ROUNDS):
        back = DAMPING * sum(rank[node] for node in dangling)
        after = [sum(map(mul, map(rank.__getitem__, of), by)) for of, by in zip(into, shares, strict=True)]
        after[0] += 1.0 - DAMPING + back
        apart = sum(abs(new - old) for new, old in zip(after, rank, strict=True))
        rank = after
        if apart < CLOSE:
            break
    return dict(zip(names, rank, strict=True))


def _reached(out: Mapping[str, Mapping[str, float]], seed: str) -> list[str]:
    """The seed, then every node it leads to; the others have no rank and need no work."""
    seen = {seed: None}
    frontier = [seed]
    while frontier:
        beyond = dict.fromkeys(target for source in frontier for target in out.get(source, ()) if target not in seen)
        seen |= beyond
        frontier = list(beyond)
    return list(seen)
