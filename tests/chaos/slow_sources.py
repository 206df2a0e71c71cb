"""A source that hangs beside eleven that answer, and what it costs everybody: its own page until the deadline, and nobody else anything.

Sources are real servers in processes of their own, linked live. What is compared is measured in turns, so that whatever else the machine
does falls on both sides: with the source hung and without it, one right after the other, many times. CPU is that of the serving process by
the scheduler's count. So is how long whoever asks and whoever answers was ready to run and had no processor: a busy machine adds that to a
few pages of a hundred, whatever their sources do, so that their time is told with it and without.
"""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import math
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from benchmarks.people_page import QUERY as PEOPLE
from benchmarks.processes import run_seconds, wait_seconds
from gateway.signin import keys
from store.database import Database
from tests import servers
from tests.chaos.linking import link_mastodon
from tests.chaos.repeated_pages import VIEWER, filled
from tests.chaos.report import Report
from tests.chaos.troubled_sources import talk
from tests.gateway_process import Gateway, kith_serve
from tests.household import Household

DEADLINE: Final = 1.5  # seconds
HUNG: Final = 20.0  # seconds until a hung source answers: after everything has been given up
SLOW: Final = 3.0  # seconds until a slow one does: after the deadline, and before a breaker counts it as hung
SETTLING: Final = 0.3  # seconds between a change at the source and what is measured
PAGE: Final = """query Page($size: Int!, $deadline: Int!, $accounts: [ID!]) {
  viewer { conversations(first: $size, filter: { accountIds: $accounts }, freshness: { maxAgeSeconds: 0, deadlineMs: $deadline }) {
    complete sources { account { id } state servedFrom }
    edges { node { id subject accounts { id } lastMessage { snippet } } } } } }"""
SCOPES: Final = ("read", "write", "admin")
EACH: Final = 1.6  # seconds from one question of a client that waits for the slow source to its next: more than its deadline
OTHERS: Final = ("another viewer's, from the store", "the same viewer's, from another source")
ASKED: Final = 25  # pages in a turn at most, two calls each: a network allows each of ten accounts 300 in five minutes
UNDISTURBED: Final = " without waiting for a processor"
COUNTED: Final = {"whole": "", "alone": UNDISTURBED}
_sizes: Final = itertools.count()


def ask_beside_a_hung_one(home: Path, *, sources: int, rounds: int) -> Report:
    """The first page that a viewer asks of so many sources of which the last hangs, and another viewer's of the others alone, in turn.

    In each round both are new, so that nothing of theirs is known; a first round more is not counted, in which the process is new too.
    """
    with _started(home, sources) as (gateway, mastodons):
        return _beside_a_hung_one(gateway, mastodons, rounds)


def ask_others_meanwhile(home: Path, *, turns: int, seconds: float, accounts: int) -> Report:
    """Two pages that do not touch a source, asked for without a pause while others wait for it: `turns` with it well, as many with it slow.

    It has so many `accounts`, as the other source has, of which each has a client that asks for its page. One page is another viewer's, made
    from the store; the other is the same viewer's, from another live source.
    """
    with _started(home, 2) as (gateway, mastodons):
        return _others_meanwhile(gateway, mastodons, turns, seconds, accounts)


def in_small(home: Path) -> list[str]:
    """What does not hold of either, tried once with two sources."""
    with _started(home, 2) as (gateway, mastodons):
        return [*_beside_a_hung_one(gateway, mastodons, 0).broken, *_others_meanwhile(gateway, mastodons, 1, 0.2, 2).broken]


def _beside_a_hung_one(gateway: Gateway, mastodons: list[servers.Mastodon], rounds: int) -> Report:
    report, sources = Report(), len(mastodons)
    took: list[float] = []
    used: dict[bool, list[float]] = {True: [], False: []}
    given = asyncio.run(_keys(gateway.home, [f"viewer-{number}" for number in range(2 * rounds + 2)]))
    for number in range(rounds + 1):
        asking = {}
        for hung in (False, True):
            key = given.pop()
            asking[hung] = Client(gateway, key), [link_mastodon(gateway, key, m) for m in mastodons[: sources if hung else -1]]
        mastodons[-1].fault({"type": "latency", "delay_ms": int(HUNG * 1000)}, path="/api/*")
        for hung in (False, True) if number % 2 else (True, False):
            client, accounts = asking[hung]
            began, before = time.monotonic(), client.used()
            page = client.page(accounts)
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
        "deadline, s": DEADLINE,
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


def _others_meanwhile(gateway: Gateway, mastodons: list[servers.Mastodon], turns: int, seconds: float, accounts: int) -> Report:
    report = Report()
    found: dict[tuple[str, str], list[list[Took]]] = {(page, kind): [] for page in OTHERS for kind in ("well", "slow")}
    key, neighbour = asyncio.run(_keys(gateway.home, ["ada", VIEWER]))
    # a network lets an account ask so often and no more: many accounts ask in turn
    well, slow = ([link_mastodon(gateway, key, m, token=token) for token in _tokens(m, accounts)] for m in mastodons)
    asyncio.run(filled(gateway.home, 60, 600))
    asked = {OTHERS[0]: Client(gateway, neighbour), OTHERS[1]: Client(gateway, key)}
    whose, said, shown = itertools.cycle(well), set[str](), set[int]()
    source = mastodons[0].server.process
    assert gateway.process is not None and source is not None
    at_work = {OTHERS[0]: (gateway.process.pid,), OTHERS[1]: (gateway.process.pid, source.pid)}

    def timed(page: str, ask: Callable[[], Any], took: dict[str, list[Took]]) -> Any:
        before, began = _waited(at_work[page]), time.monotonic()
        answer = ask()
        whole = time.monotonic() - began
        waited = _waited(at_work[page]) - before
        took[page].append(Took(whole * 1000, max(0.0, whole - waited) * 1000))
        return answer

    def turn() -> dict[str, list[Took]]:
        took: dict[str, list[Took]] = {page: [] for page in OTHERS}
        until = time.monotonic() + seconds
        while time.monotonic() < until and len(took[OTHERS[0]]) < ASKED:
            people = timed(OTHERS[0], lambda: asked[OTHERS[0]].ask(PEOPLE, {}), took)
            page = timed(OTHERS[1], lambda: asked[OTHERS[1]].page([next(whose)]), took)
            shown.add(len(people["people"]["edges"]))
            said.update(source["state"] for source in page["sources"])
        return took

    turn()  # warm
    with _waiting(gateway, key, slow) as heard:
        for _ in range(turns):
            for kind in ("well", "slow"):
                if kind == "slow":
                    mastodons[-1].fault({"type": "latency", "delay_ms": int(SLOW * 1000)}, path="/api/*")
                time.sleep(SLOW + SETTLING)  # until whoever waits waits for this kind
                heard.clear()
                for page, took in turn().items():
                    found[page, kind].append(took)
                # on a busy machine somebody may not have waited long enough for it when it is well
                held = not heard or ("FRESH" in heard) is (kind == "well")
                report.hold(f"those who wait for the {kind} source hear {set(heard)}", held)
                mastodons[-1].clear_faults()
    report.expect("what is said of the other source", said, {"FRESH"})
    report.expect("people of the page from the store", shown, {50})
    report.figures |= {"turns of each kind": turns, "accounts at the slow source, each asked by a client": len(slow)}
    for page, (field, of) in itertools.product(OTHERS, COUNTED.items()):
        turns_of = {
            kind: [sorted(getattr(one, field) for one in turn) for turn in found[page, kind] if turn] for kind in ("well", "slow")
        }
        every = {kind: sorted(itertools.chain(*turns_of[kind])) for kind in turns_of}
        for share, name in ((0.5, "p50"), (0.99, "p99")):
            before, after = (quantile(every[kind], share) for kind in ("well", "slow"))
            report.figures[f"{page}: {name} ms{of} beside the source well, slow"] = f"{before:.2f}, {after:.2f}"
            report.figures[f"{page}: {name}{of} changes by, %"] = _changes(before, after)
        before, after = (statistics.median(quantile(turn, 0.99) for turn in turns_of[kind]) for kind in ("well", "slow"))
        report.figures[f"{page}: p99 ms{of} of a turn, median beside the source well, slow"] = f"{before:.2f}, {after:.2f}"
        # what the machine does by itself: every other turn against the others, the source being well in all of them
        odd, even = (sorted(itertools.chain(*turns_of["well"][n::2])) for n in (0, 1))
        if odd and even:
            report.figures[f"{page}: p99{of} differs by itself by, %"] = _changes(quantile(even, 0.99), quantile(odd, 0.99))
    for page in OTHERS:
        counts = (sum(map(len, found[page, kind])) for kind in ("well", "slow"))
        report.figures[f"{page}: asked for beside the source well, slow"] = ", ".join(f"{count:,}" for count in counts)
    return report


class Took(NamedTuple):
    """Milliseconds of a page, and those in which a processor was there for whoever worked at it."""

    whole: float
    alone: float


class Client:
    """One viewer at one connection that stays open."""

    def __init__(self, gateway: Gateway, key: str) -> None:
        assert gateway.process is not None
        self._pid = gateway.process.pid
        self._connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}

    def ask(self, query: str, variables: dict[str, Any]) -> Any:
        """`viewer` of the answer. Raises RuntimeError when the answer has errors."""
        body = json.dumps({"query": query, "variables": variables})
        self._connection.request("POST", "/graphql", body, self._headers)
        answer = json.loads(self._connection.getresponse().read())
        if answer.get("errors"):
            raise RuntimeError(f"the query failed: {answer['errors']}")
        return answer["data"]["viewer"]

    def page(self, accounts: Sequence[str]) -> Any:
        """The conversations of these accounts, asked of their networks now."""
        size = 50 + next(_sizes) % 100
        return self.ask(PAGE, {"size": size, "deadline": int(DEADLINE * 1000), "accounts": list(accounts)})["conversations"]

    def used(self) -> float:
        """Seconds of processor time that the serving process has taken so far."""
        return run_seconds(self._pid)


def _waited(pids: Sequence[int]) -> float:
    """Seconds for which the loops of these processes and the thread that asks were ready to run and had no processor, so far: at most one of
    them at a time, since each waits for the next. Other threads may wait while one of these works.
    """
    own = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text().split()[1]
    return sum(map(wait_seconds, pids)) + int(own) / 1e9


def _changes(before: float, after: float) -> float:
    """By how many per cent."""
    return round(100 * (after / before - 1), 1) if before else math.inf if after else 0.0


def quantile(ordered: Sequence[float], share: float) -> float:
    """Of values in order."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@contextmanager
def _started(home: Path, sources: int) -> Iterator[tuple[Gateway, list[servers.Mastodon]]]:
    """An installation, and so many servers with a conversation each."""
    with ExitStack() as stack:
        mastodons = [stack.enter_context(servers.mastodon()) for _ in range(sources)]
        for number, mastodon in enumerate(mastodons):
            talk(mastodon, number)
        places = ",".join(f"127.0.0.1/32:{urlsplit(m.url).port}" for m in mastodons)
        settings = {
            "KITH_ALLOW_PRIVATE_HOSTS": places,
            "KITH_RATE_COST": "0",
            "KITH_ANSWERS_MEMORY": "0",
            "KITH_DRAIN_SECONDS": "0",
        }
        yield stack.enter_context(kith_serve(home, "--no-worker", **settings)), mastodons
        for mastodon in mastodons:
            mastodon.server.kill()  # it would wait for those who still wait for it


async def _keys(home: Path, names: Sequence[str]) -> list[str]:
    """A key for each of these new viewers."""
    database = Database(f"sqlite:///{home / 'kith.db'}")
    try:
        for name in names:
            await Household.open(database, f"u_{name}")
        made = [await database.system(keys.create, f"u_{name}", "chaos", SCOPES, datetime.now(UTC)) for name in names]
        return [token for token, _ in made]
    finally:
        await database.close()


def _tokens(server: servers.Mastodon, count: int) -> list[str]:
    """Of so many users of a server."""
    return sorted(server.tokens().values())[:count]


@contextmanager
def _waiting(gateway: Gateway, key: str, account_ids: Sequence[str]) -> Iterator[list[str]]:
    """A client for each account that asks for its page, each at its own fixed times; gives the states that they hear."""
    heard: list[str] = []
    enough = threading.Event()

    def wait(account_id: str, due: float) -> None:
        client = Client(gateway, key)
        while not enough.wait(max(0.0, due - time.monotonic())):
            heard.extend(source["state"] for source in client.page([account_id])["sources"])
            due += EACH

    began = time.monotonic()
    threads = [
        threading.Thread(target=wait, args=(account_id, began + EACH * number / len(account_ids)))
        for number, account_id in enumerate(account_ids)
    ]
    for thread in threads:
        thread.start()
    try:
        yield heard
    finally:
        enough.set()
        for thread in threads:
            thread.join()
