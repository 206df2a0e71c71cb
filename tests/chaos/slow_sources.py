"""A source that hangs beside eleven that answer, and what it costs its own page: until the deadline, and next to no processor time.

Sources are real servers in processes of their own, linked live. What is compared is measured in turns, so that whatever else the machine
does falls on both sides: with the source hung and without it, one right after the other, many times. CPU is that of the serving process by
the scheduler's count. What it costs others is measured in beside_a_slow_one.py.
"""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks.processes import run_seconds
from gateway.signin import keys
from store.database import Database
from tests import servers
from tests.chaos.linking import link_mastodon
from tests.chaos.report import Report
from tests.chaos.troubled_sources import talk
from tests.gateway_process import Gateway, kith_serve
from tests.household import Household
from tests.patience import PATIENCE

DEADLINE: Final = 1.5  # seconds
HUNG: Final = 30.0  # seconds until a hung source answers: after everything has been given up
PAGE: Final = """query Page($size: Int!, $deadline: Int!, $accounts: [ID!]) {
  viewer { conversations(first: $size, filter: { accountIds: $accounts }, freshness: { maxAgeSeconds: 0, deadlineMs: $deadline }) {
    complete sources { account { id } state servedFrom }
    edges { node { id subject accounts { id } lastMessage { snippet } } } } } }"""
SCOPES: Final = ("read", "write", "admin")
_sizes: Final = itertools.count()


def ask_beside_a_hung_one(home: Path, *, sources: int, rounds: int) -> Report:
    """The first page that a viewer asks of so many sources of which the last hangs, and another viewer's of the others alone, in turn.

    In each round both are new, so that nothing of theirs is known; a first round more is not counted, in which the process is new too.
    """
    with started(home, sources) as (gateway, mastodons):
        return beside_a_hung_one(gateway, mastodons, rounds)


def beside_a_hung_one(gateway: Gateway, mastodons: list[servers.Mastodon], rounds: int, deadline: float = DEADLINE) -> Report:
    """The same at an installation that is there, within so many seconds: on a busy machine well sources take longer than it is worth to wait."""
    report, sources = Report(), len(mastodons)
    took: list[float] = []
    used: dict[bool, list[float]] = {True: [], False: []}
    given = asyncio.run(given_keys(gateway.home, [f"viewer-{number}" for number in range(2 * rounds + 2)]))
    for number in range(rounds + 1):
        asking = {}
        for hung in (False, True):
            key = given.pop()
            asking[hung] = Client(gateway, key), [link_mastodon(gateway, key, m) for m in mastodons[: sources if hung else -1]]
        mastodons[-1].fault({"type": "latency", "delay_ms": int(HUNG * 1000)}, path="/api/*")
        for hung in (False, True) if number % 2 else (True, False):
            client, accounts = asking[hung]
            began, before = time.monotonic(), client.used()
            page = client.page(accounts, deadline)
            if number or not rounds:
                used[hung].append((client.used() - before) * 1000)
                took += [time.monotonic() - began] * hung
            told = [source["state"] for source in sorted(page["sources"], key=lambda s: accounts.index(s["account"]["id"]))]
            wanted = ["FRESH"] * (sources - 1) + ["TIMED_OUT"] * hung
            report.hold(f"hung {hung}: the sources are said to be {told}", told == wanted)
            shown = {account["id"] for edge in page["edges"] for account in edge["node"]["accounts"]}
            report.hold(f"hung {hung}: the page has what the others have", shown == set(accounts[: sources - 1]))
            report.hold(f"hung {hung}: complete is {page['complete']}", page["complete"] is not hung)
        mastodons[-1].clear_faults()  # to be linked by the next two, which closes the breaker again
    report.figures |= {
        "sources": sources,
        "asked of each kind": rounds,
        "deadline, s": deadline,
        "with one hung: fastest, s": round(min(took), 3),
        "with one hung: p50, s": round(statistics.median(took), 3),
        "with one hung: slowest, s": round(max(took), 3),
    }
    for hung, name in ((True, "with one hung"), (False, "without it")):
        report.figures[f"{name}: processor ms, p50"] = round(statistics.median(used[hung]), 2)
        report.figures[f"{name}: processor ms, least"] = round(min(used[hung]), 2)
    times = statistics.median(used[True]) / statistics.median(used[False])
    report.figures["times the processor time of the page without it"] = round(times, 2)
    return report


class Client:
    """One viewer at one connection that stays open."""

    def __init__(self, gateway: Gateway, key: str) -> None:
        assert gateway.process is not None
        self._pid = gateway.process.pid
        self._connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}

    def ask(self, query: str, variables: dict[str, Any]) -> Any:
        """`viewer` of the answer. Raises RuntimeError when the answer has errors."""
        return read(self.sent(query, variables))

    def sent(self, query: str, variables: dict[str, Any]) -> bytes:
        """The answer as it comes."""
        self._connection.request("POST", "/graphql", json.dumps({"query": query, "variables": variables}), self._headers)
        return self._connection.getresponse().read()

    def page(self, accounts: Sequence[str], deadline: float = DEADLINE) -> Any:
        """The conversations of these accounts, asked of their networks now."""
        return self.ask(PAGE, asking(accounts, deadline))["conversations"]

    def used(self) -> float:
        """Seconds of processor time that the serving process has taken so far."""
        return run_seconds(self._pid)


def asking(accounts: Sequence[str], seconds: float = DEADLINE) -> dict[str, Any]:
    """The variables of PAGE. No two ask for the same number, so that none is answered by what another one asked for."""
    return {"size": 50 + next(_sizes) % 100, "deadline": int(seconds * 1000), "accounts": list(accounts)}


def read(answer: bytes) -> Any:
    """`viewer` of it. Raises RuntimeError when it has errors."""
    found = json.loads(answer)
    if found.get("errors"):
        raise RuntimeError(f"the query failed: {found['errors']}")
    return found["data"]["viewer"]


@contextmanager
def started(home: Path, sources: int, *lines: int) -> Iterator[tuple[Gateway, list[servers.Mastodon]]]:
    """An installation, and so many servers with a conversation each; it may connect to these ports besides."""
    with ExitStack() as stack:
        mastodons = [stack.enter_context(servers.mastodon()) for _ in range(sources)]
        for number, mastodon in enumerate(mastodons):
            talk(mastodon, number)
        places = ",".join(f"127.0.0.1/32:{port}" for port in (*(urlsplit(m.url).port for m in mastodons), *lines))
        settings = {
            "KITH_ALLOW_PRIVATE_HOSTS": places,
            "KITH_RATE_COST": "0",
            "KITH_ANSWERS_MEMORY": "0",
            "KITH_DRAIN_SECONDS": "0",
        }
        yield stack.enter_context(kith_serve(home, "--no-worker", **settings)), mastodons
        for mastodon in mastodons:
            mastodon.server.kill()  # it would wait for those who still wait for it


async def given_keys(home: Path, names: Sequence[str]) -> list[str]:
    """A key for each of these new viewers."""
    database = Database(f"sqlite:///{home / 'kith.db'}")
    try:
        for name in names:
            await Household.open(database, f"u_{name}")
        made = [await database.system(keys.create, f"u_{name}", "chaos", SCOPES, datetime.now(UTC)) for name in names]
        return [token for token, _ in made]
    finally:
        await database.close()
