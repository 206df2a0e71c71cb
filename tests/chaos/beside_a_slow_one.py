"""Pages that do not touch a slow source, while others wait for it: what they take beside it, and beside the same source when it is well.

Sources are real servers in processes of their own, linked live; answers of the slow one are held on the line to it (held_line.py). It is asked
as often, and does as much, when it is well. Turns of a second are taken in blocks, mirrored so that what grows steadily falls on both sides:
the source well, the source well once more, and the source slow, in an order that chance decides. The second kind is told apart from the
first by nothing but its name: by how much it differs is what a machine does by itself. Between states nothing is counted until everybody waits,
or nobody does, and a few pages more.

A page's time is that from the request to the last byte of its answer, at the client. Beside it stand the time without that for which whoever
asked and whoever answered was ready to run and had no processor, and the processor time of the serving process, both by the scheduler's count.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.people_page import QUERY as PEOPLE
from benchmarks.processes import run_seconds, wait_seconds
from benchmarks.ratios import change, quantile_of
from tests import servers
from tests.chaos.linking import link_mastodon
from tests.chaos.repeated_pages import VIEWER, filled
from tests.chaos.report import Report
from tests.chaos.slow_sources import PAGE, Client, asking, beside_a_hung_one, given_keys, read, started
from tests.gateway_process import Gateway
from tests.ports import free_port

SLOW: Final = 3.0  # seconds until an answer comes: after the deadline, and before a breaker counts it as hung
NEVER: Final = 3_600.0
EACH: Final = 1.6  # seconds from one question of a client that waits for the slow source to its next: more than its deadline
PATIENCE: Final = 15.0  # seconds that a page of the other source may take: the most that the product allows
LATE: Final = frozenset(
    ("TIMED_OUT", "STALE")
)  # what is said of a source that is not heard: nothing is known of it, or what was known
KINDS: Final = ("well", "again", "slow")
OTHERS: Final = ("another viewer's, from the store", "the same viewer's, from another source")
PEOPLE_KNOWN: Final = 60
LEAD: Final = 8  # pages after a change that are not counted
SEED: Final = 8
SHARES: Final = (0.5, 0.9, 0.99)
CHANGES: Final = "p99 changes by, %"


class Took(NamedTuple):
    """Milliseconds of a page: all, those in which a processor was there for whoever worked at it, and of the serving process' processor."""

    whole: float
    alone: float
    worked: float


MEASURES: Final = {"whole": "", "alone": " without waiting for a processor", "worked": " of the server's processor"}


def ask_others_meanwhile(home: Path, *, blocks: int, pages: int, waiting: int, accounts: int) -> Report:
    """So many `pages` of both kinds in each of the six turns of a block.

    `waiting` clients ask for the slow source, each for an account of its own. One page is another viewer's, made from the store; the
    other is the same viewer's, from another live source, of which it has so many `accounts` as are enough to be asked for one after the other: a
    network lets each be asked so often and no more (providers/mastodon).
    """
    line = free_port()
    with started(home, 2, line) as (gateway, mastodons):
        return _Beside(gateway, mastodons, line, waiting, accounts, SLOW).measured(blocks, pages)


def in_small(home: Path) -> list[str]:
    """What does not hold of a page beside a hung source and of others' pages meanwhile, with two sources and a page or two of each kind."""
    line = free_port()
    with started(home, 2, line) as (gateway, mastodons):
        hung = beside_a_hung_one(gateway, mastodons, 0, deadline=10.0)
        return [*hung.broken, *_Beside(gateway, mastodons, line, 2, 2, NEVER).tried()]


class _Beside:
    """An installation with two sources, of which the second is reached by a line."""

    def __init__(
        self, gateway: Gateway, mastodons: Sequence[servers.Mastodon], line: int, waiting: int, accounts: int, seconds: float
    ) -> None:
        well, slow = mastodons
        assert gateway.process is not None and well.server.process is not None
        key, neighbour = asyncio.run(given_keys(gateway.home, ["ada", VIEWER]))
        asyncio.run(filled(gateway.home, PEOPLE_KNOWN, 10 * PEOPLE_KNOWN))
        self._gateway, self._key, self._line, self._slow, self._seconds = gateway, key, line, slow, seconds
        self._waiting = waiting
        self._others = itertools.cycle([link_mastodon(gateway, key, well, token=token) for token in _talking(well, accounts)])
        self._clients = {OTHERS[0]: Client(gateway, neighbour), OTHERS[1]: Client(gateway, key)}
        self._server = gateway.process.pid
        self._at_work = {OTHERS[0]: (self._server,), OTHERS[1]: (self._server, well.server.process.pid)}
        self._said: set[str] = set()
        self._shown: set[int] = set()

    def measured(self, blocks: int, pages: int) -> Report:
        report = Report()
        found: dict[tuple[str, str], list[list[Took]]] = {(page, kind): [] for page in OTHERS for kind in KINDS}
        heard: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
        chance = random.Random(SEED)
        with self._held() as command:
            slow = False
            self._turn(LEAD)
            for _ in range(blocks):
                for of in found.values():
                    of.append([])
                order = chance.sample(KINDS, len(KINDS))
                for kind in (*order, *reversed(order)):
                    if slow is not (kind == "slow"):
                        heard[slow].update(command(**({"release": True} if slow else {"hold": self._seconds})))
                        slow = not slow
                        self._turn(LEAD)
                    for page, took in self._turn(pages).items():
                        found[page, kind][-1] += took
            heard[slow].update(command(release=True))
        report.expect("what is said of the other source", self._said, {"FRESH"})
        report.expect("people of the page from the store", self._shown, {min(50, PEOPLE_KNOWN)})
        report.figures["what those hear who wait for the slow source"] = _counts(heard[True])
        report.figures["what they hear when it is well"] = _counts(heard[False])
        report.hold("the slow source answers nobody in time", bool(heard[True]) and LATE.issuperset(heard[True]))
        report.hold("it answers most when it is well", 2 * heard[False]["FRESH"] > heard[False].total())
        report.figures["turns of each kind"] = 2 * blocks
        for page in OTHERS:
            _compared(report, page, {kind: found[page, kind] for kind in KINDS})
        return report

    def tried(self) -> list[str]:
        """What does not hold of a page each with the source well, slow, and well again: no time is looked at."""
        report = Report()
        with self._held() as command:
            self._turn(1)
            command(hold=self._seconds)
            self._turn(2)
            heard = command(hear=True)
            report.hold(f"those who wait for the slow source hear {dict(heard)}", bool(heard) and LATE.issuperset(heard))
            command(release=True)
            self._turn(1)
        report.expect("what is said of the other source", self._said, {"FRESH"})
        report.expect("people of the page from the store", self._shown, {min(50, PEOPLE_KNOWN)})
        return report.broken

    def _turn(self, pages: int) -> dict[str, list[Took]]:
        took: dict[str, list[Took]] = {page: [] for page in OTHERS}
        for _ in range(pages):
            people = self._timed(OTHERS[0], PEOPLE, {}, took)
            page = self._timed(OTHERS[1], PAGE, asking([next(self._others)], PATIENCE), took)["conversations"]
            self._shown.add(len(people["people"]["edges"]))
            self._said.update(source["state"] for source in page["sources"])
        return took

    def _timed(self, page: str, query: str, variables: dict[str, Any], took: dict[str, list[Took]]) -> Any:
        client = self._clients[page]
        worked, waited, began = run_seconds(self._server), _waited(self._at_work[page]), time.monotonic()
        answer = client.sent(query, variables)
        whole = time.monotonic() - began
        waited = _waited(self._at_work[page]) - waited
        worked = run_seconds(self._server) - worked
        took[page].append(Took(*(1000 * seconds for seconds in (whole, max(0.0, whole - waited), worked))))
        return read(answer)

    @contextmanager
    def _held(self) -> Iterator[Callable[..., Counter[str]]]:
        """The line, and the clients that ask by it; gives what to command it with, which says what they have heard."""
        target = self._slow.server.port
        arguments = [sys.executable, "-m", "tests.chaos.held_line", str(self._line), str(target)]
        held = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert held.stdin is not None and held.stdout is not None
        said, heard = held.stdin, held.stdout

        def command(**what: Any) -> Counter[str]:
            said.write(json.dumps(what) + "\n")
            said.flush()
            return Counter(_line(heard).get("heard", {}))

        try:
            _line(heard)
            far = replace(self._slow, url=f"http://127.0.0.1:{self._line}")
            accounts = [link_mastodon(self._gateway, self._key, far, token=token) for token in _talking(far, self._waiting)]
            asked = [{"query": PAGE, "variables": {**asking([account]), "size": "%d"}} for account in accounts]
            bodies = [json.dumps(one).replace('"%d"', "%d") for one in asked]
            headers = {"Host": "localhost", "Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
            command(ask={"port": self._gateway.port, "headers": headers, "bodies": bodies, "each": EACH})
            yield command
        finally:
            held.kill()
            held.wait()
            said.close()
            heard.close()


def _compared(report: Report, page: str, found: dict[str, list[list[Took]]]) -> None:
    report.figures[f"{page}: asked for, well, well again, slow"] = ", ".join(f"{sum(map(len, found[kind])):,}" for kind in KINDS)
    for field, of in MEASURES.items():
        blocks = {kind: [[getattr(one, field) for one in block] for block in found[kind]] for kind in KINDS}
        well = [[*one, *other] for one, other in zip(blocks["well"], blocks["again"], strict=True)]
        for kind, of_kind in (("well", well), ("slow", blocks["slow"])):
            values = ", ".join(f"{quantile_of(of_kind, share):.2f}" for share in SHARES)
            report.figures[f"{page}: p50, p90, p99 ms{of} beside the source {kind}"] = values
        middle = change(well, blocks["slow"], 0.5)
        report.figures[f"{page}: p50{of} changes by, % (19 of 20 times)"] = str(middle)
        worst = change(well, blocks["slow"], 0.99)
        report.figures[f"{page}: p99{of} changes by, % (19 of 20 times)"] = str(worst)
        itself = change(blocks["well"], blocks["again"], 0.99)
        report.figures[f"{page}: p99{of} differs by itself by, % (19 of 20 times)"] = str(itself)
        if field == "whole":
            report.figures[f"{page}: {CHANGES}"] = round(worst.percent, 1)


def _talking(server: servers.Mastodon, count: int) -> list[str]:
    """The tokens of so many users of a server, each of whom somebody has written to."""
    users = sorted(server.tokens().items())[: count + 1]
    for (name, _), (_, token) in itertools.pairwise(users):
        server.post("/api/v1/statuses", {"status": f"@{name} hello", "visibility": "direct"}, token=token)
    return [token for _, token in users[:count]]


def _waited(pids: Sequence[int]) -> float:
    """Seconds for which the loops of these processes and the thread that asks were ready to run and had no processor, so far: at most one of
    them at a time, since each waits for the next. Other threads may wait while one of these works.
    """
    own = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text().split()[1]
    return sum(map(wait_seconds, pids)) + int(own) / 1e9


def _line(said: Any) -> Any:
    """What the line says next. Raises RuntimeError when it is gone."""
    line = said.readline()
    if not line:
        raise RuntimeError("the line to the slow source is gone")
    return json.loads(line)


def _counts(heard: Counter[str]) -> str:
    return ", ".join(f"{state} {count:,}" for state, count in sorted(heard.items())) or "nothing"
