"""Groups of contacts that are one person, from facts alone: the same facts in any order give the same groups.

A value is proof only while those who carry it can be one person: as soon as two of them have full names without a common
word, or too many carry it, it is a shared mailbox or a switchboard, joins nobody, and what it had joined falls apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from resolvers.identity.keys import Key, meet
from store.words import fold

MAX_CARRIERS: Final = 25  # more contacts than this with one value: nobody's own
# log-odds that two contacts with this in common are one person; frozen with the release
WEIGHTS: Final[dict[str, float]] = {"EMAIL": 9.2, "PHONE": 8.1, "HANDLE": 11.5, "URL": 7.6}
SHARED_WEIGHT: Final = 0.4


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """What identity may know of a contact. `born` orders contacts by arrival, ties by id."""

    contact_id: str
    born: int
    names: tuple[str, ...]
    keys: tuple[Key, ...]


class Edge(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Why two contacts belong together (or why that is not enough, when `shared`)."""

    left: str
    right: str
    kind: str
    value: str
    shared: bool
    weight: float


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """Groups of contact ids, each in order of birth, and the edges within groups."""

    groups: tuple[tuple[str, ...], ...]
    edges: tuple[Edge, ...]


def partition(facts: Iterable[Fact]) -> Partition:
    """The groups that follow from `facts`, oldest group first."""
    ordered = sorted(facts, key=lambda f: (f.born, f.contact_id))
    carriers: dict[tuple[str, str], list[tuple[Fact, Key]]] = defaultdict(list)
    for fact in ordered:
        for key in fact.keys:
            if key.strong:
                carriers[key.kind, key.value].append((fact, key))
    parent = {f.contact_id: f.contact_id for f in ordered}
    order = {f.contact_id: n for n, f in enumerate(ordered)}

    def root(contact_id: str) -> str:
        while parent[contact_id] != contact_id:
            parent[contact_id] = parent[parent[contact_id]]
            contact_id = parent[contact_id]
        return contact_id

    edges: list[Edge] = []
    for (kind, value), users in sorted(carriers.items()):
        if len(users) < 2:
            continue
        shared = is_shared([fact for fact, _ in users])
        for n, (right, right_key) in enumerate(users[1:], 1):
            # the oldest that this one meets: a star, not every pair
            left = next((fact for fact, key in users[:n] if meet(key, right_key)), None)
            if left is None:
                continue
            edges.append(
                Edge(left=left.contact_id, right=right.contact_id, kind=kind, value=value, shared=shared,
                     weight=SHARED_WEIGHT if shared else WEIGHTS[kind])
            )  # fmt: skip
            if not shared:
                a, b = root(left.contact_id), root(right.contact_id)
                if a != b:
                    first, second = sorted((a, b), key=order.__getitem__)
                    parent[second] = first
    groups: dict[str, list[str]] = defaultdict(list)
    for fact in ordered:
        groups[root(fact.contact_id)].append(fact.contact_id)
    kept = tuple(sorted(e for e in edges if root(e.left) == root(e.right)))
    return Partition(groups=tuple(tuple(g) for g in groups.values()), edges=kept)


def is_shared(users: Sequence[Fact]) -> bool:
    """Whether those who carry one value cannot all be one person."""
    if len(users) > MAX_CARRIERS:
        return True
    full = [
        words
        for fact in users
        for name in fact.names
        if len(words := frozenset(w for w in fold(name).split() if len(w) > 1)) >= 2
    ]
    return any(not (a & b) for n, a in enumerate(full) for b in full[:n])
