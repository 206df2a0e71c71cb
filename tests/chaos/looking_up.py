"""Look-ups in bulk: a planted web found as its book has it, which joins whom the book proves one; and a
thousand addresses at sixty hosts of which some hang, in one query.

    desk ──lookups──▶ walk ──▶ guard ──▶ loopback servers ──▶ what each was asked, and when

The way to the network is that of every installation, but for a DNS that knows the planted hosts alone and TLS that ends before them.
"""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, select

from gateway.clock import SystemClock
from providers import records
from providers.lookup import resources
from providers.lookup.crawl import PACE, SECONDS, Web
from providers.quota import Quota
from resolvers.identity.resolve import resolve
from resolvers.operation import Clock
from store.tables import contact
from tests.asking import Desk
from tests.chaos.report import Report
from tests.household import Household, card, open_sqlite
from tests.planted_web import PlantedWeb
from tests.sites import CLAIMED, RECIPROCAL, VERIFIED, Sites, page

ONE: Final = "query One($resource: String!) { lookup(resource: $resource) { links { from to relation claim } } }"
MANY: Final = """query Many($resources: [String!]!) { lookups(resources: $resources) {
  resource state lookup { links { from to relation claim } } } }"""
#: The ways of a claim; one that is stronger than what was planted is false, one that is weaker has not been followed to its end.
RANK: Final = {CLAIMED: 0, RECIPROCAL: 1, VERIFIED: 2}
#: By how much of its pace two calls may be nearer to each other than they were allowed.
JITTER: Final = 0.2

#: Seconds after which a reading is given up in which nothing hangs: none takes as long, however busy the machine is.
PATIENCE: Final = 600.0
#: Seconds that one query may take.
DEADLINE: Final = 100.0

#: Given names of the people of a planted web; no two of them are one person's.
NAMES: Final = (
    "Ada", "Boris", "Carmen", "Dmitri", "Edith", "Farouk", "Greta", "Hiroshi", "Ingrid", "Jamal", "Katrin", "Lorenzo", "Magnus", "Noor",
    "Olga", "Pedro", "Quentin", "Rosa",
)  # fmt: skip

Edges = dict[tuple[str, str, str], str]


async def find_what_was_planted(home: Path, *, seeds: int) -> Report:
    """The planted webs of so many seeds, each found from all its addresses, edge for edge and claim for claim; and who is one person by it."""
    report = Report()
    planted_edges = found_edges = true = stronger = strangers = people = 0
    wrong: set[frozenset[str]] = set()
    for seed in range(seeds):
        planted = PlantedWeb(seed)
        found: Edges = {}
        async with open_sqlite(_folder(home, f"seed-{seed}")) as database, planted.serving() as transport:
            desk = Desk(await Household.open(database))
            addresses = await _meet(desk.household, planted)
            desk.services.max_deadline_ms = int(PATIENCE * 1000)
            desk.services.web = Web(transport, desk.clock, seconds=PATIENCE)
            for start in planted.starts:
                for edge, claim in _edges((await desk.ask(ONE, resource=start))["lookup"]).items():
                    stronger += edge in planted.edges and RANK[claim] > RANK[planted.edges[edge]]
                    found[edge] = max(found.get(edge, CLAIMED), claim, key=RANK.__getitem__)
            await resolve(database, desk.household.viewer, desk.household.now)
            joined = await database.read(desk.household.viewer, _people)
        proven = _proven(addresses, planted.edges)
        people += len(proven)
        wrong |= joined ^ proven
        strangers += sum(
            claim != CLAIMED
            for (speaker, target, _), claim in found.items()
            if speaker in planted.ring and target == planted.victim
        )
        planted_edges += len(planted.edges)
        found_edges += len(found)
        true += len(found.items() & planted.edges.items())
        report.hold(f"seed {seed}: something was asked twice", max(planted.asked.values()) == 1)
    report.figures["webs, edges planted"] = f"{seeds}, {planted_edges}"
    report.expect("precision", true / found_edges, 1.0)
    report.expect("recall", true / planted_edges, 1.0)
    report.expect("claims held for more than they are", stronger, 0)
    report.expect("impostors tied to whom they name", strangers, 0)
    report.figures["people that the books prove"] = people
    report.expect("people that are others than the book proves", len(wrong), 0)
    return report


async def _meet(household: Household, planted: PlantedWeb) -> dict[str, str]:
    """The viewer knows everybody by their site, and follows their accounts and profiles, those of the impostors too; the address of each."""
    book, network = await household.account("vcard", "cards"), await household.account("mastodon", "robin")
    addresses: dict[str, str] = {}
    cards, profiles = [], []
    for n, site in enumerate(planted.sites):
        addresses[f"card-{n}"] = site
        cards.append(card(f"card-{n}", f"{NAMES[n]} {NAMES[n]}son", urls=[site]))
    for url in sorted(planted.pages.keys() - set(planted.sites)):
        addresses[url] = url
        digits = re.findall(r"(?<=person)[0-9]+", url)
        name = f"{NAMES[0]} {NAMES[0]}son" if url in planted.ring else NAMES[int(digits[0])] if digits else ""
        names = (records.Name(full=name),) if name else ()
        profiles.append(records.Contact(key=url, relation="FOLLOWING", names=names, url=url))
    await household.take(book, *cards)
    await household.take(network, *profiles)
    await resolve(household.database, household.viewer, household.now)
    return addresses


def _proven(addresses: dict[str, str], edges: Edges) -> set[frozenset[str]]:
    """Who is one person by the book: whoever hangs together by links that are returned or vouched for."""
    whose = {resources.key(address): contact for contact, address in addresses.items()}
    reached = {key: {key} for key in whose}
    near: defaultdict[str, set[str]] = defaultdict(set)
    for (speaker, target, relation), claim in edges.items():
        if claim != CLAIMED and relation in ("ME", "MOVED_TO", "ALIAS"):
            near[resources.key(speaker)].add(resources.key(target))
            near[resources.key(target)].add(resources.key(speaker))
    for seen in reached.values():
        queue = list(seen)
        while queue:
            fresh = near[queue.pop()] - seen
            seen |= fresh
            queue += fresh
    return {frozenset(whose[key] for key in seen & whose.keys()) for seen in reached.values()}


def _people(conn: Connection, viewer: str) -> set[frozenset[str]]:
    """The people of a viewer, by the keys of their contacts."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for row in conn.execute(select(contact.c.person_id, contact.c.key).where(contact.c.viewer_id == viewer)):
        found[row.person_id].add(row.key)
    return {frozenset(keys) for keys in found.values()}


async def ask_a_thousand(
    home: Path,
    *,
    resources: int,
    hosts: int = 60,
    hanging: int = 10,
    pace: Quota = PACE,
    seconds: float = SECONDS,
    deadline: float = DEADLINE,
    clock: Clock | None = None,
) -> Report:
    """So many accounts in one query, spread over all hosts; each has a page, and another elsewhere that links back.

    Its pace is judged by the clock and where calls are sent: a busy machine would hand them on in bunches.
    """
    report = Report()
    sites, wanted = _accounts(resources, hosts, hanging)
    async with open_sqlite(_folder(home, "many")) as database, sites.serving() as transport:
        desk = Desk(await Household.open(database))
        desk.services.clock = transport.clock = clock or SystemClock()
        desk.services.max_deadline_ms = int(deadline * 1000)
        desk.services.web = Web(transport, desk.services.clock, pace=pace, seconds=seconds)
        began = time.monotonic()
        results = (await desk.ask(MANY, resources=list(wanted)))["lookups"]
        took = time.monotonic() - began
        asked = sites.asked.total()
        again = (await desk.ask(MANY, resources=list(wanted)))["lookups"]
    states = Counter(one["state"] for one in results)
    report.figures["look-ups, hosts, of which hang"] = f"{len(results)}, {hosts}, {hanging}"
    report.figures["took, all look-ups, s"] = round(took, 1)
    report.figures["calls that arrived"] = asked
    report.expect("found", states["FOUND"], sum(edges is not None for edges in wanted.values()))
    report.expect("at hosts that hang", states["UNAVAILABLE"], sum(edges is None for edges in wanted.values()))
    wrong = [one["resource"] for one in results if one["state"] == "FOUND" and _edges(one["lookup"]) != wanted[one["resource"]]]
    report.expect("with another graph than was planted", len(wrong), 0)
    report.expect("asked twice", sum(count > 1 for count in sites.asked.values()), 0)
    report.expect("asked faster than its pace", sum(_hurried(when, pace) for when in transport.sent.values()), 0)
    report.expect("calls of the same question again", sites.asked.total() - asked, 0)
    report.hold("the second answer is another one", [one["state"] for one in again] == [one["state"] for one in results])
    return report


def _accounts(resources: int, hosts: int, hanging: int) -> tuple[Sites, dict[str, Edges | None]]:
    """The sites, and what is to be found of each account; None at a host that hangs."""
    away = tuple(f"h{n}.example" for n in range(hanging))
    live = hosts - hanging
    sites = Sites(hanging=away)
    wanted: dict[str, Edges | None] = {}
    for n in range(resources):
        if n % hosts >= live:
            wanted[f"acct:u{n}@{away[n % hosts - live]}"] = None
            continue
        host, other = f"s{n % hosts}.example", f"https://s{(n + 1) % live}.example/u/{n}"
        acct, here = f"acct:u{n}@{host}", f"https://{host}/@u{n}"
        sites.finger(host, acct, links=[{"rel": "http://webfinger.net/rel/profile-page", "href": here}])
        sites.put(here, page(("me", other)))
        sites.put(other, page(("me", here)))
        wanted[acct] = {(acct, here, "ALIAS"): VERIFIED, (here, other, "ME"): RECIPROCAL, (other, here, "ME"): RECIPROCAL}
    return sites, wanted


def _edges(found: dict[str, Any]) -> Edges:
    return {(link["from"], link["to"], link["relation"]): link["claim"] for link in found["links"]}


def _hurried(when: list[float], pace: Quota) -> bool:
    """Whether a host saw more calls than its pace allows: a few at once, then evenly."""
    each = pace.seconds / pace.calls
    return any(later - sooner < each * (1 - JITTER) for sooner, later in zip(when, when[pace.calls :], strict=False))


def _folder(home: Path, name: str) -> Path:
    folder = home / name
    folder.mkdir(parents=True)
    return folder
