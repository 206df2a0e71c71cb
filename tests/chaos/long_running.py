"""One web process that runs for long: as large after many requests as after few, and many open subscriptions beside them.

Requests come one after the other over a connection that stays open: the people page given again, and pages of other sizes, most of which have
to be made. Subscriptions are event streams, each on a connection of its own, which is what they cost most as. Memory is what Linux says
is resident (VmRSS); what a stream costs is the difference that all of them make, shared out.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import time
import urllib.request
from contextlib import aclosing
from pathlib import Path
from typing import Final
from urllib.parse import quote

from benchmarks.people_page import QUERY
from benchmarks.processes import cpu_seconds, rss_mib
from tests.chaos import processes
from tests.chaos.clients import ask, by_event_stream
from tests.chaos.repeated_pages import VIEWER, filled
from tests.chaos.report import Report
from tests.gateway_process import Gateway
from tests.patience import PATIENCE
from tests.ports import free_port

WARM_UP: Final = 500  # requests until everything that is kept is there
NOTE: Final = """mutation ($person: ID!) {
  annotate(input: { aboutId: $person, add: { note: { body: "Call back" } } }) { errors { message } } }"""
FIRST: Final = "{ viewer { feed { head } people(first: 1) { edges { node { id } } } } }"


def run(home: Path, *, requests: int, subscriptions: int, people: int = 1_000, messages: int = 20_000) -> Report:
    """Ask so often, with a look at the memory after each tenth; then open so many subscriptions and write once."""
    report = Report()
    home.mkdir(parents=True)
    manifest = home / "documents.json"
    manifest.write_text(json.dumps({"people": QUERY}))
    gateway = Gateway(home, free_port(), {"KITH_DOCUMENTS": str(manifest), "KITH_RATE_COST": "0"}, ("--no-worker",))
    gateway.kith("migrate")
    key = gateway.token(VIEWER)
    asyncio.run(filled(home, people, messages))
    gateway.start()
    try:
        assert gateway.process is not None
        pid = gateway.process.pid
        page = _Page(gateway, key)
        sizes = page.ask_often(pid, requests)
        report.figures["requests"] = page.count
        report.figures["memory after the first, MiB"] = round(sizes[0], 1)
        report.figures["memory after the last, MiB"] = round(sizes[-1], 1)
        report.figures["growth from the first tenth to the last, MiB"] = round(sizes[-1] - sizes[1], 1)
        asyncio.run(_subscribe(report, gateway, key, pid, subscriptions))
    finally:
        gateway.stop()
    return report


async def _subscribe(report: Report, gateway: Gateway, key: str, pid: int, subscriptions: int) -> None:
    found = (await asyncio.to_thread(ask, gateway, key, FIRST))["data"]["viewer"]
    person, head = found["people"]["edges"][0]["node"]["id"], found["feed"]["head"]
    before = rss_mib(pid)
    arrived: list[float] = []
    waiting = [asyncio.create_task(_next(gateway, key, head, arrived)) for _ in range(subscriptions)]
    try:
        await asyncio.to_thread(processes.wait_until, "all subscriptions to be open", lambda: _open(gateway) >= subscriptions)
        report.figures["open subscriptions"] = subscriptions
        report.figures["a subscription, KiB"] = round((rss_mib(pid) - before) * 1024 / subscriptions, 1)
        used, wrote = cpu_seconds(pid), time.monotonic()
        await asyncio.to_thread(ask, gateway, key, NOTE, {"person": person})
        done, late = await asyncio.wait(waiting, timeout=PATIENCE)
        report.expect("subscriptions that the event did not reach", len(late), 0)
        report.expect("subscriptions that broke", sum(one.exception() is not None for one in done), 0)
        report.figures["until the event had reached all, s"] = round(max(arrived, default=wrote + PATIENCE) - wrote, 2)
        report.figures["for all of them together, processor ms"] = round((cpu_seconds(pid) - used) * 1000)
    finally:
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _next(gateway: Gateway, key: str, since: str, arrived: list[float]) -> None:
    """The first change after `since`, and when it came."""
    async with aclosing(by_event_stream(gateway, key, since)) as events:
        await anext(events)
        arrived.append(time.monotonic())


def _open(gateway: Gateway) -> int:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{gateway.url}/metrics", timeout=PATIENCE) as answer:
        text = answer.read().decode()
    found = re.search(r'^kith_subscriptions_open\{transport="sse"\} (\S+)$', text, re.MULTILINE)
    return 0 if found is None else int(float(found[1]))


class _Page:
    """Pages at named addresses, on one connection."""

    def __init__(self, gateway: Gateway, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
        self._headers = {"authorization": f"Bearer {key}", "accept": "application/graphql-response+json"}
        self.count = 0

    def ask_often(self, pid: int, requests: int) -> list[float]:
        """Memory in MiB after the first requests, and after each tenth of the others."""
        for _ in range(min(WARM_UP, requests)):
            self._ask()
        sizes = [rss_mib(pid)]
        for tenth in range(10):
            for _ in range(requests * (tenth + 1) // 10 - requests * tenth // 10):
                self._ask()
            sizes.append(rss_mib(pid))
        return sizes

    def _ask(self) -> None:
        # every tenth is of another size, and so many are they that none is at hand when it comes again
        size = 50 if self.count % 10 else 1 + self.count // 10 % 50
        depth = 3 if self.count % 10 else 1 + self.count // 500 % 40
        variables = quote(json.dumps({"people": size, "conversations": depth}))
        self._connection.request("GET", f"/graphql?documentId=people&variables={variables}", headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body[:300]
        self.count += 1
