"""The people page of somebody who knows many, asked for again and again: made from the store, given again, and not sent again.

Figures are processor time of the serving process (user and system, all its threads) for each request, one after the other on a connection
that stays open, by HTTP and signed in: the median of some batches.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import statistics
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from benchmarks.filling import fill
from benchmarks.people_page import QUERY
from benchmarks.processes import rss_mib, run_seconds
from store import viewers
from store.database import Database
from tests.chaos.report import Report
from tests.gateway_process import Gateway
from tests.patience import PATIENCE
from tests.ports import free_port

VIEWER: Final = "robin"
BATCHES: Final = 7


def ask_again(home: Path, *, people: int, messages: int, requests: int) -> Report:
    """`requests` a batch of what is given again, a tenth as many of what is made. A `home` that is there is one that was filled before."""
    report = Report()
    there = home.exists()
    home.mkdir(parents=True, exist_ok=True)
    manifest = home / "documents.json"
    manifest.write_text(json.dumps({"people": QUERY}))
    settings = {"KITH_DOCUMENTS": str(manifest), "KITH_RATE_COST": "0"}
    gateway = Gateway(home, free_port(), settings, ("--no-worker",))
    gateway.kith("migrate")
    key = gateway.token(VIEWER)
    if not there:
        asyncio.run(filled(home, people, messages))
    try:
        gateway.settings["KITH_ANSWERS_MEMORY"] = "0"
        gateway.start()
        warm = _Page(gateway, key)
        made = warm.ask()
        report.hold("every person of the page has what was asked for", _whole(made, people))
        report.figures["warm: processor ms"] = warm.measured(max(3, requests // 10))
        gateway.stop()
        del gateway.settings["KITH_ANSWERS_MEMORY"]
        gateway.start()
        page = _Page(gateway, key)
        first = page.ask()
        report.hold("what is given again is what was made", page.ask()["data"] == first["data"] == made["data"])
        report.figures["given again: processor ms"] = page.measured(requests)
        page.headers["if-none-match"] = page.tag
        page.ask()
        report.expect("status when nothing has changed", page.status, 304)
        report.figures["not modified: processor ms"] = page.measured(requests)
        assert gateway.process is not None
        report.figures["bytes of the page"] = len(json.dumps(made["data"], separators=(",", ":")))
        report.figures["requests"] = page.count
        report.figures["memory of the web process, MiB"] = round(rss_mib(gateway.process.pid), 1)
    finally:
        gateway.stop()
    return report


async def filled(home: Path, people: int, messages: int) -> None:
    """Give the viewer of an installation so many people and messages."""
    database = Database(f"sqlite:///{home / 'kith.db'}")
    try:
        whose = await database.system_read(viewers.find, VIEWER)
        assert whose is not None
        await fill(database, whose.id, people=people, messages=messages)
    finally:
        await database.close()


def _whole(answer: dict[str, Any], people: int) -> bool:
    shown = [edge["node"] for edge in answer["data"]["viewer"]["people"]["edges"]]
    each = all(
        one["emails"] and all(c["node"]["lastMessage"] for c in one["conversations"]["edges"]) and one["conversations"]["edges"]
        for one in shown
    )
    return len(shown) == min(50, people) and each


class _Page:
    """The page at one address, on one connection."""

    def __init__(self, gateway: Gateway, key: str) -> None:
        assert gateway.process is not None
        self._pid = gateway.process.pid
        self._connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
        self._path = f"/graphql?documentId=people&operationName={quote('PeoplePage')}"
        self.headers = {"authorization": f"Bearer {key}", "accept": "application/graphql-response+json"}
        self.status, self.tag, self.count = 0, "", 0

    def ask(self) -> dict[str, Any]:
        body = self._ask()
        return json.loads(body) if body else {}

    def measured(self, requests: int) -> float:
        """Milliseconds of processor time a request."""
        found = []
        for _ in range(BATCHES):
            before = run_seconds(self._pid)
            for _ in range(requests):
                self._ask()
            found.append((run_seconds(self._pid) - before) / requests * 1000)
        return round(statistics.median(found), 3)

    def _ask(self) -> bytes:
        self._connection.request("GET", self._path, headers=self.headers)
        answer = self._connection.getresponse()
        body = answer.read()
        self.status, self.tag = answer.status, answer.getheader("etag", "")
        self.count += 1
        return body
