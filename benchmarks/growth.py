"""`make bench`, Kith's own pages: what they cost as more is stored, made for the first time, made again, given again, and not sent again.

    python -m benchmarks.growth [CURVE …] [--most N] [--requests N] [--no-record]

- *cold*: the first request after a start: nothing is parsed, planned or kept (the kernel's file cache stays warm).
- *warm*: made from the store each time (`KITH_ANSWERS_MEMORY=0`).
- *cached*: an answer that is still true is given again.
- *not modified*: the client has it, and says so (RFC 9110 §13.1.2).

Each is asked for by HTTP and signed in, as a persisted document, one request after the other on a connection that stays open. CPU is that of
the serving process, all its threads; statements are counted where the same page is made in this process; calls to networks are the
metrics' count. Rows are put into the store by `filling.py`. Sizes are parameters: a curve ends with `--most`.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks import figures, lines
from benchmarks.filling import fill, synced
from benchmarks.people_page import QUERY
from benchmarks.processes import load, rss_mib, run_seconds
from gateway.signin import keys
from store.database import Database
from tests import fresh
from tests.asking import Desk, statements
from tests.gateway_process import Gateway
from tests.household import Household, card, mail
from tests.ports import free_port

VIEWER: Final = "u_robin"
ASKING: Final = 20  # viewers who ask in turn, where there are many
STARTS: Final = 3  # of cold pages
PICTURE: Final = figures.ROOT / "docs" / "growth.svg"
PAGES: Final[dict[str, str]] = {
    "people": QUERY,
    "person": """query Person { viewer { people(first: 1) { edges { node { id name emails { address }
        conversations(first: 20) { edges { node { id subject lastActivityAt lastMessage { id snippet sentAt } } } } } } } } }""",
    "timeline": """query Timeline { viewer { timeline(first: 50) { edges { node { __typename occurredAt
        ... on Message { id snippet sentAt } } } } } }""",
}
Row = dict[str, object]


@dataclass(frozen=True)
class Curve:
    """What grows, through which sizes, and how so much of it is put into a store."""

    about: str
    sizes: tuple[int, ...]
    fill: Callable[[Database, str, int], Awaitable[None]]
    pages: tuple[str, ...] = ("people",)


async def _people(database: Database, viewer: str, people: int) -> None:
    await fill(database, viewer, people=people, messages=5 * people)


async def _messages(database: Database, viewer: str, messages: int) -> None:
    await fill(database, viewer, people=min(1_000, max(1, messages // 5)), messages=messages)


async def _accounts(database: Database, viewer: str, accounts: int) -> None:
    """A hundred people with five mails each, in so many mailboxes in turn."""
    household = Household(database, viewer)
    boxes = [await household.account("mbox", f"robin{n}@example.org", own=[f"robin{n}@example.org"]) for n in range(accounts)]
    book = await household.account("vcard", "cards")
    addresses = [f"person{n:03}@people.example" for n in range(100)]
    await household.take(book, *(card(f"card-{n}", f"Person Number {n:03}", one) for n, one in enumerate(addresses)))
    for n, box in enumerate(boxes):
        mails = [
            mail(500 * k + n, one, f"robin{n}@example.org", name=f"Person Number {k:03}", subject=f"About {k} and {m}", key=f"{k}-{m}")
            for k, one in enumerate(addresses)
            for m in range(5)
            if (5 * k + m) % accounts == n
        ]  # fmt: skip
        if mails:
            await household.take(box, *mails)
    for account in (book, *boxes):
        await database.write(viewer, synced, account, household.now)
    await household.resolve()


async def _viewers(database: Database, viewer: str, count: int) -> None:
    await fill(database, viewer, people=20, messages=100)
    for n in range(1, count):
        await Household.open(database, _other(n))
        await fill(database, _other(n), people=20, messages=100)


def _other(number: int) -> str:
    return f"u_other{number:04}"


CURVES: Final[dict[str, Curve]] = {
    "pages": Curve("1,000 people, 10,000 messages", (10_000,), _messages, tuple(PAGES)),
    "people": Curve("people, with five messages each", (100, 1_000, 10_000, 100_000), _people),
    "messages": Curve("messages with 1,000 people at most", (1_000, 10_000, 100_000, 1_000_000), _messages),
    "accounts": Curve("mailboxes with 500 messages together", (1, 10, 50), _accounts),
    "viewers": Curve("viewers with 100 messages each, twenty of whom ask in turn", (1, 10, 100, 1_000), _viewers),
}


def main(words: list[str] | None = None) -> None:
    """Measure, print, record."""
    arguments = argparse.ArgumentParser(
        prog="python -m benchmarks.growth", description="Kith's own pages as what is stored grows."
    )
    arguments.add_argument("curves", nargs="*", choices=[*CURVES, []], help="all by default")
    arguments.add_argument("--most", type=int, default=10**9, help="the largest size")
    arguments.add_argument(
        "--requests", type=int, default=100, help="that are made from the store; ten times as many that are not"
    )
    arguments.add_argument("--no-record", action="store_true", help="leave docs alone")
    given = arguments.parse_args(words)
    for name in given.curves or CURVES:
        curve = CURVES[name]
        with tempfile.TemporaryDirectory(prefix="kith-growth-") as folder:
            rows = run(Path(folder), curve, [size for size in curve.sizes if size <= given.most], given.requests)
        figures.show(_title(name), rows)
        if not given.no_record:
            figures.record(_title(name), rows, note(curve, given.requests))
            PICTURE.write_text(picture(), encoding="utf-8")


def picture(file: Path = figures.FILE) -> str:
    """What is recorded of every curve that has more than one size, whenever it was measured."""
    kept = {curve.about: figures.recorded(_title(name), file) for name, curve in CURVES.items()}
    drawn = {about: points(rows) for about, rows in kept.items() if len({row["size"] for row in rows}) > 1}
    return lines.svg(drawn, "CPU, ms a request")


def _title(name: str) -> str:
    return f"Kith's own pages: {name}"


def run(folder: Path, curve: Curve, sizes: Sequence[int], requests: int, starts: int = STARTS) -> list[Row]:
    """A row for each size, page and way. Raises AssertionError when a way gives another answer than the others."""
    rows = [row for size in sizes for row in _at(folder / str(size), curve, size, requests, starts)]
    first = {(row["page"], row["way"]): row["CPU, ms"] for row in reversed(rows)}
    for row in rows:
        least = first[row["page"], row["way"]]
        row["times the smallest"] = round(float(str(row["CPU, ms"])) / float(str(least)), 2) if least else None
    return rows


def note(curve: Curve, requests: int) -> str:
    """How it was measured."""
    return (
        f"Size: {curve.about}. {requests:,} requests made from the store, {10 * requests:,} given again or not sent again, {STARTS} cold "
        f"starts, one request after another by HTTP, signed in; SQLite, no worker. CPU in ms of the serving process a request, p50 and p99 in ms at "
        f"the client, memory of the web process in MiB afterwards, load at the time of the row. ([picture](growth.svg))"
    )


def points(rows: Sequence[Mapping[str, object]]) -> dict[str, list[tuple[float, float]]]:
    """Size and CPU by way, for the picture."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        found.setdefault(str(row["way"]), []).append((_number(row["size"]), _number(row["CPU, ms"])))
    return found


def _number(cell: object) -> float:
    return float(str(cell).replace(",", ""))


def _at(home: Path, curve: Curve, size: int, requests: int, starts: int) -> Iterator[Row]:
    home.mkdir(parents=True)
    manifest = home / "documents.json"
    manifest.write_text(json.dumps(PAGES))
    settings = {"KITH_DOCUMENTS": str(manifest), "KITH_RATE_COST": "0", "KITH_DRAIN_SECONDS": "0"}
    gateway = Gateway(home, free_port(), settings, ("--no-worker",))
    counted, tokens = asyncio.run(_filled(home, curve, size))
    for page, way, found in _ways(gateway, curve.pages, tokens, requests, starts):
        asked = counted[page] if way in ("cold", "warm") else None  # the others read the feed's position
        yield {"size": size, "page": page, "way": way, **found, "SQL statements": asked, "load": load()}


async def _filled(home: Path, curve: Curve, size: int) -> tuple[dict[str, int], list[str]]:
    """Statements of each page, and the keys of those who will ask."""
    await fresh.sqlite(home / "kith.db")
    database = Database(f"sqlite:///{home / 'kith.db'}")
    try:
        household = await Household.open(database, VIEWER)
        await curve.fill(database, VIEWER, size)
        counted = {}
        for page in curve.pages:
            desk = Desk(household)
            await desk.ask(PAGES[page])
            with statements() as seen:
                await desk.ask(PAGES[page])
            counted[page] = len(seen)
        asking = [VIEWER, *(_other(n) for n in range(1, min(ASKING, size)) if curve.fill is _viewers)]
        made = [await database.system(keys.create, viewer, "bench", ("read",), datetime.now(UTC)) for viewer in asking]
        return counted, [token for token, _ in made]
    finally:
        await database.close()


def _ways(
    gateway: Gateway, pages: Sequence[str], tokens: list[str], requests: int, starts: int
) -> Iterator[tuple[str, str, Row]]:
    gateway.settings["KITH_ANSWERS_MEMORY"] = "0"
    made = {}
    for page in pages:
        cold = []
        for _ in range(starts):
            with _started(gateway) as client:
                cold.append(client.measured(page, tokens[:1], 1))
                if len(cold) < starts:
                    continue
                yield page, "cold", {name: statistics.median(float(str(one[name])) for one in cold) for name in cold[0]}
                made[page] = client.ask(page, tokens[0])["data"]
                for token in tokens[1:]:
                    client.ask(page, token)
                yield page, "warm", client.measured(page, tokens, requests)
    del gateway.settings["KITH_ANSWERS_MEMORY"]
    with _started(gateway) as client:
        for page in pages:
            for token in tokens:
                client.ask(page, token)
            assert client.ask(page, tokens[0])["data"] == made[page], f"{page}: what is given again is not what was made"
            yield page, "cached", client.measured(page, tokens, 10 * requests)
            yield page, "not modified", client.measured(page, tokens, 10 * requests, unchanged=True)


@contextmanager
def _started(gateway: Gateway) -> Iterator[_Client]:
    gateway.start()
    try:
        yield _Client(gateway)
    finally:
        gateway.stop()


class _Client:
    """One connection, and what the process behind it spends."""

    def __init__(self, gateway: Gateway) -> None:
        assert gateway.process is not None
        self._pid = gateway.process.pid
        self._connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
        self._connection.connect()
        self._tags: dict[str, str] = {}

    def ask(self, page: str, token: str) -> dict[str, Any]:
        status, body = self._ask(page, token, unchanged=False)
        answer: dict[str, Any] = json.loads(body)
        assert status == 200 and not answer.get("errors"), f"{page} is answered with {status}: {body[:300]!r}"
        return answer

    def measured(self, page: str, tokens: list[str], requests: int, *, unchanged: bool = False) -> Row:
        calls, before, took = self._calls(), run_seconds(self._pid), []
        for n in range(requests):
            began = time.perf_counter()
            status, _ = self._ask(page, tokens[n % len(tokens)], unchanged=unchanged)
            took.append((time.perf_counter() - began) * 1000)
            assert status == (304 if unchanged else 200), f"{page} is answered with {status}"
        used = (run_seconds(self._pid) - before) / requests * 1000
        took.sort()
        return {
            "CPU, ms": round(used, 3),
            "p50, ms": round(took[len(took) // 2], 3),
            "p99, ms": round(took[min(len(took) - 1, int(len(took) * 0.99))], 3),
            "RSS, MiB": round(rss_mib(self._pid), 1),
            "calls to networks": self._calls() - calls,
        }

    def _ask(self, page: str, token: str, *, unchanged: bool) -> tuple[int, bytes]:
        headers = {"authorization": f"Bearer {token}", "accept": "application/graphql-response+json"}
        if unchanged:
            headers["if-none-match"] = self._tags[token]
        self._connection.request("GET", f"/graphql?documentId={page}", headers=headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if not unchanged:
            self._tags[token] = answer.getheader("etag", "")
        return answer.status, body

    def _calls(self) -> int:
        self._connection.request("GET", "/metrics")
        text = self._connection.getresponse().read().decode()
        return round(sum(float(count) for count in re.findall(r"^kith_provider_calls_total\{.*\} (\S+)$", text, re.MULTILINE)))


if __name__ == "__main__":
    os.chdir(figures.ROOT)
    main()
