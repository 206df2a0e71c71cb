"""Look-ups: what the open web says about addresses, for one viewer, many addresses side by side, each with its own outcome.

A document is read once: who asks for it while it is under way waits for the same reading, and for as long as it is good the viewer's cache
has it. What is read for one viewer is never shown to another, not even by coming faster. Until the deadline everything is asked that the
hosts' paces allow; what was not reached is said, and asking again goes on from there. Third parties learn of an address only when the viewer
names them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import structlog

from providers.lookup import documents, resources, walk
from providers.lookup.crawl import Web
from providers.lookup.directories import THIRD_PARTIES
from providers.lookup.graph import Link
from providers.lookup.reading import Ask, Profile, Reading, trouble
from providers.lookup.resources import Resource
from resolvers import identities, people, web, web_claims
from resolvers.disclosures import Ledger
from resolvers.identity import addresses
from resolvers.loaders import batched, load
from resolvers.operation import Operation
from resolvers.refusals import Refusal
from store.cache import REST
from store.disclosures import LOOKUP

MAX_RESOURCES: Final = 1_000
MAX_NODES: Final = 200
MAX_LINKS: Final = 500
MAX_SOURCES: Final = 100
#: Seconds kept for putting the answer together, and that a reading under way may go on after the deadline.
MARGIN: Final = 0.1
LINGER: Final = 5.0
#: Readings that are put into the cache at a time.
KEPT_AT_ONCE: Final = 50
_encode = msgspec.msgpack.Encoder().encode
_reading = msgspec.msgpack.Decoder(Reading).decode
log = structlog.get_logger()


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """An address, with what is shown at it."""

    uri: str
    kind: str
    name: str | None = None
    bio: str | None = None


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """How one place answered."""

    url: str
    protocol: str
    state: str
    message: str | None = None


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """What the open web says about a resource."""

    resource: str
    subject: Node
    nodes: list[Node]
    links: list[Link]
    sources: list[Source]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One item of a batch."""

    resource: str
    state: str
    lookup: Lookup | None = None
    message: str | None = None


async def one(operation: Operation, text: str, third_parties: Sequence[str] | None) -> Lookup | None:
    """What is said about one resource. Raises Refusal for what cannot be looked up."""
    consented = _consented(third_parties)
    try:
        resource = resources.read(text)
    except ValueError as error:
        raise Refusal("BAD_ARGUMENTS", str(error)) from None
    shelf = _Shelf(operation)
    found = await walk.look_up(resource, shelf.read, consented=consented)
    await shelf.settled()
    await web_claims.keep(operation.services, operation.viewer, [found])
    return _result(found, text).lookup


async def many(operation: Operation, texts: Sequence[str], third_parties: Sequence[str] | None) -> list[Result]:
    """What is said about each, in the order in which they were asked; the same resource is looked up once."""
    if len(texts) > MAX_RESOURCES:
        raise Refusal("TOO_MANY_IDS", f"ask for at most {MAX_RESOURCES} resources at once")
    consented = _consented(third_parties)
    shelf = _Shelf(operation)
    flights: dict[Resource, asyncio.Task[walk.Found]] = {}
    found: list[asyncio.Task[walk.Found] | Result] = []
    async with asyncio.TaskGroup() as group:
        for text in texts:
            try:
                resource = resources.read(text)
            except ValueError as error:
                found.append(Result(resource=text, state="INVALID", message=str(error)))
                continue
            if resource not in flights:
                looking = walk.look_up(resource, shelf.read, consented=consented, crawled=len(texts) > 1)
                flights[resource] = group.create_task(looking)
            found.append(flights[resource])
    await shelf.settled()
    await web_claims.keep(operation.services, operation.viewer, [each.result() for each in flights.values()])
    return [each if isinstance(each, Result) else _result(each.result(), text) for each, text in zip(found, texts, strict=True)]


async def person(operation: Operation, node: Node) -> people.Person | None:
    """The person in the viewer's data who is known by an address."""
    key = addresses.known_by(node.uri)
    person_id = None if key is None else await load(operation, people.owners, key)
    return None if person_id is None else await people.get(operation, person_id)


async def identity(operation: Operation, node: Node) -> identities.Identity | None:
    """The identity in the viewer's data that an address is."""
    return await identities.get(operation, identities.id_of(operation.viewer, node.uri))


# --- one look-up ------------------------------------------------------------------------------------------------------------


def _result(found: walk.Found, text: str) -> Result:
    """A look-up as it is shown."""
    links = found.graph.links()
    shown = {uri for uri in found.graph.uris() if _is_said(found.graph.profile(uri))}
    nodes = [uri for uri in found.graph.uris() if uri in shown or any(uri in (link.from_, link.to) for link in links)]
    subject = _node(found.graph.profile(found.subject))
    sources = [
        Source(url=reading.ask.url, protocol=reading.ask.protocol, state=reading.state, message=reading.message)
        for reading in found.readings
    ]
    lookup = Lookup(
        resource=found.resource.uri,
        subject=subject,
        nodes=[_node(found.graph.profile(uri)) for uri in nodes[:MAX_NODES]],
        links=links[:MAX_LINKS],
        sources=sources[:MAX_SOURCES],
    )
    state, message = _outcome(found, anything=bool(links or shown))
    return Result(resource=text, state=state, lookup=None if state == "BUDGET_SPENT" else lookup, message=message)


def _outcome(found: walk.Found, *, anything: bool) -> tuple[str, str | None]:
    """The state of a look-up: what its places came to."""
    silent = [reading for reading in found.readings if reading.state not in ("FRESH", "UNSUPPORTED")]
    if anything:
        complete = found.within_budget and not silent
        return (
            ("FOUND", None) if complete else ("PARTIAL", silent[0].message if silent else "There is more than one look-up reads.")
        )
    if any(reading.state == "BUDGET_SPENT" for reading in silent):
        return "BUDGET_SPENT", documents.SPENT
    if silent:
        return "UNAVAILABLE", silent[0].message
    return "NOT_FOUND", None


def _node(profile: Profile) -> Node:
    resource = resources.read(profile.uri)
    return Node(uri=profile.uri, kind=addresses.KINDS[resource.kind], name=profile.name, bio=profile.bio)


def _is_said(profile: Profile) -> bool:
    return bool(profile.name or profile.photo or profile.bio)


def _consented(third_parties: Sequence[str] | None) -> frozenset[str]:
    named = frozenset(one.strip().lower() for one in third_parties or ())
    known = {one.key for one in THIRD_PARTIES}
    if unknown := sorted(named - known):
        raise Refusal("BAD_ARGUMENTS", f"there is no third party {unknown[0]!r} to ask: {', '.join(sorted(known))} may be named")
    return named


# --- documents --------------------------------------------------------------------------------------------------------------


_Place = tuple[str, str, str, str]


class _Shelf:
    """The documents of one operation: from the viewer's cache, or read once by whoever of the viewer's comes first."""

    def __init__(self, operation: Operation) -> None:
        services = operation.services
        if services.web is None:
            raise Refusal("NOT_AVAILABLE", "this installation looks nothing up")
        self._operation = operation
        self._web: Web = services.web
        self._ledger = Ledger(services.database, services.clock, operation.viewer)
        seconds = max(operation.remaining(), services.max_deadline_ms / 1000 - operation.elapsed()) - MARGIN
        self._until = services.clock.now() + timedelta(seconds=max(0.0, seconds))
        self._ends = asyncio.get_running_loop().time() + seconds

        self._read: dict[_Place, asyncio.Task[Reading]] = {}
        self._to_keep: dict[_Place, Reading] = {}
        self._keeping: asyncio.Task[None] | None = None

    async def read(self, ask: Ask) -> Reading:
        """The reading of a document; what is not there by the deadline is said to be so, and goes on for those who ask again."""
        place = _place(ask)
        if place not in self._read:
            self._read[place] = asyncio.create_task(self._found(ask, place))
        return await asyncio.shield(self._read[place])

    async def settled(self) -> None:
        """Returns when the log says of everything that has ended how it did."""
        await self._ledger.settled()

    async def _found(self, ask: Ask, place: _Place) -> Reading:
        operation = self._operation
        flights = operation.services.flights
        operation.spending.planned += 1
        key = (operation.viewer, *place)
        if key not in flights:
            known = await batched(operation, ("web",), self._cached, place)
            if known is not None:
                operation.spending.avoided += 1
                operation.spending.cache_hits += 1
                return known
        flight: asyncio.Task[Reading] | None = flights.get(key)
        if flight is None:
            flight = flights[key] = asyncio.create_task(self._fly(ask, place), name="flight:web")
            flight.add_done_callback(lambda _: flights.pop(key, None))
            flight.add_done_callback(_note)
            operation.spending.made += 1
        else:
            operation.spending.avoided += 1
        try:
            left = max(0.0, self._ends - asyncio.get_running_loop().time())
            return await asyncio.wait_for(asyncio.shield(flight), left)
        except TimeoutError:
            return trouble(ask, operation.now(), "BUDGET_SPENT", documents.SPENT)
        except asyncio.CancelledError:
            if not flight.cancelled():
                raise
            return trouble(ask, operation.now(), "BUDGET_SPENT", documents.SPENT)

    async def _cached(self, places: list[_Place]) -> dict[_Place, Reading]:
        """What the viewer's cache has; one round trip for all that are wanted at a time."""
        found = await self._operation.cache.get_many(places)
        now = self._operation.now()
        known = {place: _known(value, now) for place, value in zip(places, found, strict=True) if value is not None}
        return {place: reading for place, reading in known.items() if reading is not None}

    async def _fly(self, ask: Ask, place: _Place) -> Reading:
        web = self._web.logged(self._ledger.about(web_claims.told(ask, LOOKUP)))
        reading = await documents.read(ask, web, self._until + timedelta(seconds=LINGER))
        # what robots may not read somebody may ask for in person, and what was not asked can be asked
        if reading.state not in ("BUDGET_SPENT", "UNSUPPORTED"):
            self._to_keep[place] = reading
            if self._keeping is None or self._keeping.done():
                self._keeping = asyncio.create_task(self._keep())
        return reading

    async def _keep(self) -> None:
        """Puts readings into the cache, all that have come meanwhile together: a thousand calls at a time would be more than it answers."""
        while self._to_keep:
            kept, self._to_keep = self._to_keep, {}
            by_lifetime: dict[float, dict[tuple[str, ...], bytes]] = {}
            for place, reading in kept.items():
                seconds = (reading.expires_at - reading.read_at).total_seconds()
                by_lifetime.setdefault(seconds, {})[place] = _encode(reading)
            for seconds, values in by_lifetime.items():
                places = list(values)
                for n in range(0, len(places), KEPT_AT_ONCE):
                    await self._put({place: values[place] for place in places[n : n + KEPT_AT_ONCE]}, seconds)

    async def _put(self, values: dict[tuple[str, ...], bytes], seconds: float) -> None:
        """A cache that was too busy to answer is asked once more: what it does not keep would be asked of strangers again."""
        for _ in range(2):
            await self._operation.cache.set_many(values, seconds)
            if await self._operation.cache.get(*next(iter(values))) is not None:
                return
            await asyncio.sleep(REST + 0.1)


def _place(ask: Ask) -> _Place:
    """What a reading is kept under."""
    return "web", ask.protocol, ask.url, ask.subject


def _known(cached: bytes, now: datetime) -> Reading | None:
    """A reading that is still good; what a release before this one wrote may be none."""
    try:
        reading = _reading(cached)
    except msgspec.MsgspecError:
        return None
    return reading if now < reading.expires_at else None


def _note(flight: asyncio.Task[Any]) -> None:
    """Look at every outcome, so that no exception is lost."""
    if not flight.cancelled() and (error := flight.exception()) is not None:
        log.error("a document of the open web was more than its reader could take", exc_info=error)


def shown_url(link: Link) -> str | None:
    """Where a link was read, as an address that may be followed."""
    return web.safe(link.url)
