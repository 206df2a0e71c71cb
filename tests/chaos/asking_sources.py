"""Many people put to paid sources while the worker is killed with -9 again and again: nothing is paid for twice, and the log is what arrived.

    people ──enrichPeople──▶ job ──begin──▶ log ──▶ stub ──▶ end
                              ▲                │ SIGKILL
                              └────── lease ◀──┘

Before anything is allowed, everything is asked for once, and nothing may arrive. Afterwards the stub's own book of what it received is
compared with the log as GraphQL tells it, and with what the month is said to have cost.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx2 as httpx

from gateway.settings import Hidden
from tests.chaos import processes, raw
from tests.chaos.report import Report
from tests.gateway import running as here
from tests.gateway_process import Gateway
from tests.household import Household, card
from tests.patience import PATIENCE
from tests.providers.enrichment_stub import KEY, Sources
from tests.providers.stub_http import Answer, Request, running

SOURCES: Final = ("FULLCONTACT", "PEOPLE_DATA_LABS")
PRICE: Final = 280_000
BATCH: Final = 1_000
LEFT: Final = 3  # people that nobody is through with before the last kill
PEOPLE: Final = """query ($after: Cursor) { viewer { people(first: 200, after: $after) { edges { node { id } }
  pageInfo { hasNextPage endCursor } } } }"""
EVERYTHING: Final = """query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Person { name enrichment { facts { value } } enrichmentPreview { sent }
  contacts(first: 3) { edges { node { completions { value } } } } } } }"""
CONSENT: Final = """mutation ($source: EnrichmentSource!, $granted: Boolean!) { setEnrichmentConsent(input: {
  source: $source, granted: $granted, monthlyBudget: "100000"}) { erasedCount errors { message } } }"""
ENRICH: Final = "mutation ($ids: [ID!]!) { enrichPeople(input: {personIds: $ids}) { run { id } errors { message } } }"
LOG: Final = """query ($after: Cursor) { viewer { disclosures(first: 200, after: $after) { edges { node { request body purpose outcome price } }
  pageInfo { hasNextPage endCursor } } } }"""
RUNS: Final = "{ viewer { enrichmentRuns { edges { node { state total done found unconfirmed } } } enrichmentMoney { spent } } }"
HELD: Final = "select count(*) from job where kind = 'enrich' and lease_owner like ?"
DONE: Final = "select coalesce(sum(done), 0) from enrichment_run"


class Holding(Sources):
    """Keeps whoever asks waiting from so many requests on: they are killed before they are through."""

    holds_from: int | None = None

    def answer(self, request: Request) -> Answer:
        found = super().answer(request)
        if self.holds_from is not None and len(self.received) > self.holds_from:
            found.after = PATIENCE
        return found


async def ask_through_kills(home: Path, *, people: int, kills: int, after: float = 0.02) -> Report:
    """So many people at both paid sources, one half of them known; the worker, a process of its own, is killed so often while it asks."""
    report = Report()
    stub = Holding()
    stub.after = after
    for n in range(0, people, 2):
        stub.knows(_address(n), name=f"Person {n}", organization="Example Works")
    async with running(stub) as url:
        place = f"127.0.0.1/32:{url.rpartition(':')[2]}"
        given: dict[str, Any] = {"allow_private_hosts": (place,), "enrichment_budget": Decimal(100_000)}
        for source in map(str.lower, SOURCES):
            given |= {f"{source}_key": Hidden(KEY), f"{source}_price": Decimal("0.28"), f"{source}_url": url}
        async with here.opened(home, schema=None, **given) as installation:
            key, kept = await here.key_of(installation, scopes=("read", "write", "admin"))
            await _people(Household(installation.database, kept.viewer_id), people)
            async with here.asking(installation, key) as client:
                settings = {f"KITH_{name.upper()}": _written(value) for name, value in given.items()}
                gateway = Gateway(installation.settings.home, installation.settings.port, settings)
                await _live_through(report, gateway, client, stub, people, kills)
    report.expect("requests that the contracts do not allow", stub.violations[:5], [])
    return report


async def _people(household: Household, people: int) -> None:
    book = await household.account("vcard", "cards")
    for n in range(0, people, 100):
        cards = [card(f"c-{k}", f"Person {k}", _address(k)) for k in range(n, min(people, n + 100))]
        await household.take(book, *cards)
    await household.resolve()


async def _live_through(
    report: Report, gateway: Gateway, client: httpx.AsyncClient, stub: Holding, people: int, kills: int
) -> None:
    home = gateway.home
    ids = [row["id"] for row in await _all(client, PEOPLE, "people")]
    report.expect("people", len(ids), people)
    await _everything(client, ids)
    report.expect("requests before anything was allowed", len(stub.received), 0)
    for source in SOURCES:
        await _ask(client, CONSENT, source=source, granted=True)
    began = time.monotonic()
    for n in range(0, len(ids), BATCH):
        await _ask(client, ENRICH, ids=ids[n : n + BATCH])
    report.expect("workers killed while they asked", await asyncio.to_thread(_kill, gateway, stub, people, kills), kills)
    report.figures["seconds"] = round(time.monotonic() - began, 1)
    await _count(report, home, client, stub, people)

    received = len(stub.received)
    erased = [(await _ask(client, CONSENT, source=s, granted=False))["setEnrichmentConsent"]["erasedCount"] for s in SOURCES]
    await _everything(client, ids)
    report.figures["facts erased with the consent"] = sum(erased)
    report.hold("nothing was erased with the consent", sum(erased) > 0)
    report.expect("facts kept without consent", raw.count(home, "select count(facts) from enrichment_answer"), 0)
    report.expect("requests after consent was withdrawn", len(stub.received) - received, 0)


def _kill(gateway: Gateway, stub: Holding, people: int, kills: int) -> int:
    """Start a worker and kill it when so many more people are through, again and again, then let one finish; how many were at it."""
    hit = 0
    stub.holds_from = len(SOURCES) * (people - LEFT)
    worker = gateway.begin("worker")
    try:
        for n in range(kills):
            _through(gateway.home, people * (n + 1) // (kills + 2))
            hit += raw.count(gateway.home, HELD, f"%/{worker.pid}/%")
            worker.kill()
            worker.wait()
            if n + 1 == kills:
                stub.holds_from = None
            worker = gateway.begin("worker")
        processes.wait_until("the end of all runs", lambda: not raw.open_jobs(gateway.home, "enrich"))
    finally:
        worker.terminate()
        worker.wait()
    return hit


def _through(home: Path, wanted: int) -> None:
    processes.wait_until(f"{wanted} people through", lambda: raw.count(home, DONE) >= wanted)


async def _everything(client: httpx.AsyncClient, ids: list[str]) -> None:
    for n in range(0, len(ids), 50):
        await _ask(client, EVERYTHING, ids=ids[n : n + 50])


async def _ask(client: httpx.AsyncClient, query: str, **variables: Any) -> dict[str, Any]:
    answer = (await here.ask(client, query, variables=variables)).json()
    if answer.get("errors"):
        raise RuntimeError(f"the query failed: {answer['errors']}")
    found: dict[str, Any] = answer["data"]
    return found


async def _count(report: Report, home: Path, client: httpx.AsyncClient, stub: Sources, people: int) -> None:
    """What the stub received, what the log tells, and what it is said to have cost."""
    told = await _all(client, LOG, "disclosures")
    received = Counter((f"{method} {url}", body.decode()) for method, url, body in stub.received)
    logged = Counter((row["request"], row["body"] or "") for row in told if row["outcome"] != "NOT_SENT")
    report.figures["requests received"] = sum(received.values())
    report.expect("requests that arrived and are not in the log", sum((received - logged).values()), 0)
    # a process that is killed between the row and the first byte has told of what never left: it says that it does not know
    unsent = logged - received
    unknown = Counter((row["request"], row["body"] or "") for row in told if row["outcome"] == "UNCONFIRMED")
    report.expect("rows of the log that did not arrive and do not say so", sum((unsent - unknown).values()), 0)
    report.figures["rows that a kill left between log and wire"] = sum(unsent.values())
    report.expect("questions put more than once", sum(count > 1 for count in stub.asked.values()), 0)
    report.expect("rows that are not by consent", sum(row["purpose"] != "CONSENT" for row in told), 0)
    answer = (await _ask(client, RUNS))["viewer"]
    runs = [edge["node"] for edge in answer["enrichmentRuns"]["edges"]]
    report.expect("people through", sum(run["done"] for run in runs), people)
    report.expect("runs by state", dict(Counter(run["state"] for run in runs)), {"DONE": -(-people // BATCH)})
    unconfirmed = sum(run["unconfirmed"] for run in runs)
    report.figures["questions left unconfirmed by kills"] = unconfirmed
    found = raw.count(home, "select count(*) from enrichment_answer where outcome = 'FOUND'")
    asked = raw.count(home, "select count(*) from enrichment_answer")
    report.expect("questions without an end", raw.count(home, "select count(*) from enrichment_answer where outcome = 'OPEN'"), 0)
    report.expect("questions", asked, 2 * people)
    report.hold(
        f"{found} + {unconfirmed} known or in doubt, not {people} or a little more",
        people <= found + unconfirmed <= people + unconfirmed,
    )
    cost = (found + unconfirmed) * PRICE / 1_000_000
    report.expect("the month's money, USD", float(answer["enrichmentMoney"]["spent"].split()[0]), round(cost, 2))
    report.expect(
        "what the log says they have cost, USD", round(sum(float(row["price"].split()[0]) for row in told), 2), round(cost, 2)
    )


async def _all(client: httpx.AsyncClient, query: str, name: str) -> list[dict[str, Any]]:
    """Every node of one of the viewer's lists."""
    found: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page = (await _ask(client, query, after=after))["viewer"][name]
        found += [edge["node"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return found


def _address(n: int) -> str:
    return f"p{n}@example.org"


def _written(value: object) -> str:
    """A setting as it stands in the environment."""
    if isinstance(value, Hidden):
        return value.reveal()
    return ",".join(value) if isinstance(value, tuple) else str(value)
