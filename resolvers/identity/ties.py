"""Who hangs together by what the open web proves: contacts at whose addresses links begin and end that are returned or vouched for.

    Ada's card ── ada.example ═══ social.example/@ada ── the profile that the viewer follows

A link that both sides make, or that somebody vouches for, ties two addresses; a chain of such links, no longer than MAX_STEPS, ties those
to whom its two ends belong. What one side alone says ties nobody, so a ring of sites that all name somebody stays a ring. An address
through which several people go (a company's page, a team's) proves nothing and leads nowhere: one with accounts of more than two at one
host, or with more neighbours than one person has. Which names let contacts be one person is `proof.py`'s. Pure: the same in any order.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

import msgspec

from resolvers.identity import addresses
from resolvers.identity.cards import Address, Facts

MAX_STEPS: Final = 4  # links between two addresses of one person
MAX_NEIGHBOURS: Final = 25  # addresses that one address is tied to before it is nobody's own
MAX_ACCOUNTS: Final = 2  # of one host, tied to one address: a third is a colleague's
MAX_CONTACTS: Final = 25  # contacts that hang together: more are nobody's own
MAX_KEY: Final = 400  # bytes of an address that is kept as a reason: databases index reasons


class Tie(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Two addresses, by key and in order, that are proven to be one person's. `alias`: two names of one thing; `vouched`: a third party or
    their own host says so, and not both of them."""

    left: str
    right: str
    alias: bool
    vouched: bool
    seen_at: datetime


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """The shortest chain of ties from one contact to another: the addresses, whose the first and the last are, and when it was last
    seen whole."""

    keys: tuple[str, ...]
    ends: tuple[Address, Address]
    vouched: bool
    seen_at: datetime


class Ring(msgspec.Struct, frozen=True, kw_only=True):
    """Contacts that hang together by ties, and the chain between any two that are near enough, by their ids in order."""

    users: tuple[Facts, ...]
    paths: Mapping[tuple[str, str], Path]


def rings(facts: Mapping[str, Facts], ties: Iterable[Tie]) -> list[Ring]:
    """All who hang together."""
    known = _once(ties)
    if not known:
        return []
    open_ways = _ways(known.values(), frozenset(_crowded(known.values())))
    at: dict[str, list[str]] = defaultdict(list)  # key of an address → the contacts whose it is
    for contact_id in sorted(facts):
        for address in facts[contact_id].addresses:
            if address.key in open_ways and not facts[contact_id].nobody:
                at[address.key].append(contact_id)
    found = []
    left = set(at)
    for start in sorted(at):
        if start not in left:
            continue
        reached = _reached(open_ways, start)
        left -= reached
        users = sorted({contact_id for key in reached & at.keys() for contact_id in at[key]})
        if 1 < len(users) <= MAX_CONTACTS:
            paths = {
                (one, other): path
                for n, other in enumerate(users)
                for one in users[:n]
                if (path := _between(facts[one], facts[other], open_ways, known)) is not None
            }
            found.append(Ring(users=tuple(facts[c] for c in users), paths=paths))
    return found


def _once(ties: Iterable[Tie]) -> dict[tuple[str, str], Tie]:
    """Each two addresses once: that both say so goes before that somebody vouches for it, and what was seen later before what was earlier."""
    known: dict[tuple[str, str], Tie] = {}
    for tie in sorted(ties, key=lambda t: (t.vouched, t.alias, -t.seen_at.timestamp())):
        if max(len(tie.left.encode()), len(tie.right.encode())) <= MAX_KEY and tie.left != tie.right:
            known.setdefault((tie.left, tie.right), tie)
    return known


def _crowded(ties: Iterable[Tie]) -> Iterator[str]:
    """The addresses that are several people's, under all names of theirs."""
    together = list(ties)
    name = _names(together)
    near: dict[str, set[str]] = defaultdict(set)
    spelled: dict[str, set[str]] = defaultdict(set)
    for tie in together:
        one, other = name.get(tie.left, tie.left), name.get(tie.right, tie.right)
        spelled[one].add(tie.left)
        spelled[other].add(tie.right)
        if one != other:
            near[one].add(other)
            near[other].add(one)
    for address, others in near.items():
        hosts = Counter(
            host for other in others for host in {addresses.host(k) for k in spelled[other] if addresses.is_account(k)}
        )
        del hosts[""]  # of addresses that no host answers for
        if len(others) > MAX_NEIGHBOURS or max(hosts.values(), default=0) > MAX_ACCOUNTS:
            yield from spelled[address]


def _names(ties: Iterable[Tie]) -> dict[str, str]:
    """For each address that is another name of something the first of its names."""
    ways = _ways([tie for tie in ties if tie.alias], frozenset())
    found: dict[str, str] = {}
    for start in sorted(ways):
        if start not in found:
            found.update(dict.fromkeys(_reached(ways, start), start))
    return found


def _ways(ties: Iterable[Tie], closed: frozenset[str]) -> dict[str, list[str]]:
    """Where each address leads, in order, around those that are closed."""
    ways: dict[str, set[str]] = defaultdict(set)
    for tie in ties:
        if tie.left not in closed and tie.right not in closed:
            ways[tie.left].add(tie.right)
            ways[tie.right].add(tie.left)
    return {key: sorted(others) for key, others in ways.items()}


def _reached(ways: Mapping[str, Sequence[str]], start: str) -> set[str]:
    reached, queue = {start}, [start]
    while queue:
        for there in ways.get(queue.pop(), ()):
            if there not in reached:
                reached.add(there)
                queue.append(there)
    return reached


def _between(one: Facts, other: Facts, ways: Mapping[str, Sequence[str]], ties: Mapping[tuple[str, str], Tie]) -> Path | None:
    """The chain between two contacts: from what is surest theirs, then the shortest, then the first. None where there is none, or they
    only have an address in common: that is for others to weigh."""
    theirs = {address.key: address for address in other.addresses}
    best: tuple[tuple[int, int, tuple[str, ...]], Path] | None = None
    for address in one.addresses:
        for keys in _chains(ways, address.key, theirs.keys()):
            ends = address, theirs[keys[-1]]
            rank = sum(end.doubt for end in ends), len(keys), keys
            if best is None or rank < best[0]:
                steps = [ties[min(pair), max(pair)] for pair in pairwise(keys)]
                told = [tie for tie in steps if not tie.alias] or steps
                seen = min(tie.seen_at for tie in steps)
                best = rank, Path(keys=keys, ends=ends, vouched=any(tie.vouched for tie in told), seen_at=seen)
    return None if best is None else best[1]


def _chains(ways: Mapping[str, Sequence[str]], start: str, ends: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """The shortest chain to each of these addresses that is near enough, the first of several in order."""
    wanted = set(ends)
    came: dict[str, tuple[str, ...]] = {start: (start,)}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        if len(came[here]) > MAX_STEPS:
            continue
        for there in ways.get(here, ()):
            if there not in came:
                came[there] = (*came[here], there)
                queue.append(there)
                if there in wanted:
                    yield came[there]
