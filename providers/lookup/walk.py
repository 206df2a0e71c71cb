"""One look-up: from an address to what it says of itself, and on to whoever says the same back, within a budget of documents, bytes and steps.

    address ──asks──▶ documents ──statements──▶ graph ──proven, and their claims──▶ asks …

An address is read when somebody proven says that it is theirs: the address that was asked about, or one that is tied to it by claims that are
returned or vouched for, no more than `steps` of them away. Of who is named and does not name them back a few addresses are looked at, since
one of them may lead here for good. Who only names them leads nowhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from providers.lookup import directories, documents, webfinger
from providers.lookup.graph import Graph
from providers.lookup.reading import MAX_NEXT, Ask, Reading
from providers.lookup.resources import Resource, key, known

#: Reads a document, once for everybody who asks for it now; gives its reading whatever happens.
Library = Callable[[Ask], Awaitable[Reading]]


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What one look-up may cost. `steps`: how many proven claims away from the start somebody's claims are still looked at."""

    documents: int = 40
    bytes: int = 8 * 1024 * 1024
    steps: int = 3


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: `subject` is where the resource leads for good, `readings` are all places in the order in which they were asked."""

    resource: Resource
    subject: str
    graph: Graph
    readings: tuple[Reading, ...]
    within_budget: bool = True

    def heard(self) -> frozenset[str]:
        """The keys of the addresses that were listened to: something of theirs was there, and none of the places where they say that it
        goes on was silent. That another of theirs is silent says nothing of one."""
        by_ask = {reading.ask: reading for reading in self.readings}
        by_place = {(reading.ask.protocol, reading.ask.url): reading for reading in self.readings}
        spoke, unheard = set[str](), set[str]()
        for reading in self.readings:
            keys = {key(reading.ask.subject), *(key(each.speaker) for each in reading.statements)}
            if not _whole(reading, by_ask, by_place, self.within_budget):
                unheard |= keys
            elif reading.found:
                spoke |= keys
        return frozenset(spoke - unheard)


BUDGET: Final = Budget()
#: What somebody names who was named and did not name back: so many of their addresses are looked at, since one may lead back.
RETURNS: Final = 3


async def look_up(
    resource: Resource,
    library: Library,
    *,
    consented: frozenset[str] = frozenset(),
    budget: Budget = BUDGET,
    crawled: bool = False,
    only: frozenset[str] | None = None,
) -> Found:
    """Everything that the open web says about a resource. `crawled`: it is one of many, so its page too is read as robots are asked to.
    `only`: of those whom it names these alone are looked at, by their keys."""
    graph = Graph()
    readings: list[Reading] = []
    asked: set[Ask] = set()
    answered: set[Ask] = set()  # by the answer to another one
    asks = list(documents.asks(resource, consented, crawled=crawled))
    size, whole = 0, True
    while asks:
        room = budget.documents - len(asked) if size <= budget.bytes else 0
        if len(asks) > room:
            asks, whole = asks[:room], False
        asked.update(asks)
        came = await asyncio.gather(*(library(ask) for ask in asks))
        for reading in came:
            graph.add(reading)
            size += reading.size
            if reading.read_as:
                answered.add(Ask(reading.read_as, reading.ask.url, reading.ask.subject))
        readings += came
        asks = _next(resource, graph, came, asked | answered, consented, budget, only) if whole else []
    return Found(resource=resource, subject=graph.led(resource.uri), graph=graph, readings=tuple(readings), within_budget=whole)


def starts(resource: Resource, graph: Graph) -> list[str]:
    """The addresses whose own word is followed from the beginning: what is shown there, of a mailbox also the account of its spelling."""
    found = [resource.uri, graph.shown(resource.uri)]
    if resource.kind == "mailto":
        found.append(f"acct:{resource.name}")
    return found


def _next(
    resource: Resource,
    graph: Graph,
    came: list[Reading],
    asked: set[Ask],
    consented: frozenset[str],
    budget: Budget,
    only: frozenset[str] | None,
) -> list[Ask]:
    """What is to be read after a round: where the same is said, then whom the proven name."""
    wanted: dict[Ask, None] = {}
    for reading in came:
        for ask in reading.next:
            if not (ask.protocol == webfinger.PROTOCOL and graph.has_account(ask.subject)):
                wanted[ask] = None
    subjects = {key(one.subject) for one in asked}
    near = graph.distances(starts(resource, graph))
    further = consented - directories.OF_THE_ASKED
    for uri in graph.uris():
        if near.get(key(uri), budget.steps) >= budget.steps:
            continue
        claims = [one for one in graph.identities(uri) if only is None or key(one[0]) in only]
        for target, statement in claims[:MAX_NEXT]:
            named = [(target, statement.protocol)]
            if key(target) in subjects and key(target) not in near:
                # it has not named them back, or has done so by an address that leads here
                returns = [(each, other.protocol) for each, other in graph.identities(graph.shown(target))[:RETURNS]]
                named = [one for one in returns if one[0].startswith(("https:", "http:"))]  # nothing else leads anywhere
            for each, said in named:
                there = known(each)
                if there is not None and key(each) not in subjects:
                    wanted.update(dict.fromkeys(documents.asks(there, further, crawled=True, said=said)))
    return [ask for ask in wanted if ask not in asked]


def _whole(
    reading: Reading, by_ask: Mapping[Ask, Reading], by_place: Mapping[tuple[str, str], Reading], within_budget: bool
) -> bool:
    """Whether a place, and every one where it says that it goes on, has answered."""
    seen, queue = {reading.ask}, [reading]
    while queue:
        here = queue.pop()
        if here.state != "FRESH":
            return False
        for ask in here.next:
            there = by_ask.get(ask) or by_place.get((ask.protocol, ask.url))
            if there is None and not within_budget:
                return False
            if there is not None and there.ask not in seen:
                seen.add(there.ask)
                queue.append(there)
    return True
