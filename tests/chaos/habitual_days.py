"""Days of several people with their pages: what is answered before it is asked for, and what that costs the process that answers.

Two installations live through the same days, event by event in turn: one makes usual pages ahead, the other does not. Each is a web process
of its own (`python -m tests.chaos.habitual_days`) whose clock is moved by the scenario, so that a day takes a minute; what it does, it does
by the product's own code, over HTTP. Syncs are written beside it, as a worker does. The first days are for learning, the last is measured.

The people: four of six work at a desk, with their conversations at the side and another page beside them; it follows changes, and asks
again for what it shows when one is told, two of the four at once and two after a moment. Everybody looks at their phone in the morning,
at noon and in the evening, and now and then at any hour; one has a widget that asks every few minutes; all of them open the page of
somebody at times. Hours, delays and order are drawn anew each day. Mail comes by the clock of a working day and is found by the
network's poll. A look counts when it is the first at its page since something of the viewer's has changed; nobody's look is left out.

It was answered from the cache when the whole answer was there: who joins one that is just being made counts as one who waits. Some changes leave
a page as it was, and its answer true (store/revision.py): how many looks found one of those is told, and the share of the others as well. On the
scenario's clock nothing takes time, so an answer is there the moment it is begun; how long one takes stands in the figures of the pages.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import json
import random
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp
import uvloop

from benchmarks.filling import fill
from benchmarks.people_page import QUERY
from benchmarks.processes import cpu_seconds
from gateway.app import open_installation
from gateway.settings import load
from gateway.sync import LONG_QUIET, PATIENCE
from providers import records
from resolvers.relationship import placing, tallying
from resolvers.wake import Waker
from store import accounts, viewers
from store.database import Database
from tests import patience
from tests.chaos.clients import CHANGES
from tests.chaos.report import Report
from tests.gateway.running import listening
from tests.gateway_process import Gateway
from tests.household import Household, mail
from tests.ports import free_port

MONDAY: Final = datetime(2027, 1, 4, tzinfo=UTC)
POLL: Final = 120  # seconds, Gmail's (providers/gmail/adapter.py)
TALLY: Final = timedelta(seconds=5)  # store/feed.py: how long what was exchanged is not counted yet
TURNS: Final = 8  # of the event loop, until whoever was woken is at work
HELD: Final = 0.8  # of the looks
EXTRA: Final = 0.1  # of the processor time
DOCUMENTS: Final = {
    "people": QUERY,
    "conversations": """query Conversations($first: Int = 30) { viewer { conversations(first: $first) { edges { node {
        id subject unreadCount lastActivityAt messageCount lastMessage { id snippet sentAt } } } } } }""",
    "agenda": "query Agenda { viewer { agenda { date items { key reason sentence person { id name } } } } }",
    "person": """query Person($id: ID!) { node(id: $id) { ... on Person {
        id name emails { address } conversations(first: 10) { edges { node { id subject lastMessage { snippet } } } } } } }""",
}
NAMED: Final = re.compile(rb'"(id|key)":"[^"]*"|,"extensions".*')  # each installation gives its own
SIDE: Final = "conversations"  # what a desk shows at the side of every page
USUAL: Final = ("people", "conversations", "agenda")
# mail an hour, by the hour (UTC) of a working day: about seventy
RATE: Final = (
    0.4, 0.2, 0.2, 0.2, 0.3, 0.8, 2.0, 4.0, 6.5, 7.5, 7.0, 5.5, 4.0, 5.5, 6.5, 6.0, 4.5, 3.0, 2.0, 1.5, 1.2, 1.0, 0.8, 0.6
)  # fmt: skip
AT_ONCE: Final = (0.02, 0.1)  # seconds from what a desk is told to what it asks: the way there and back
IN_A_MOMENT: Final = (0.3, 0.9)  # where it waits for more that may come
JOINED: Final = 'kith_answers_total{from="shared"}'
USED: Final = 'kith_prewarmed_total{outcome="used"}'
Act = Callable[[], Coroutine[Any, Any, None]]


async def live(
    home: Path, *, people: int, contacts: int, messages: int, learning: int, seed: int, hours: range = range(24)
) -> Report:
    """So many people with so much in their store, during these hours of each day; the day after those of learning is measured."""
    report = Report()
    async with contextlib.AsyncExitStack() as stack:
        arms = {}
        for name, given in (("with", None), ("without", "0")):
            arm = arms[name] = _Arm(home / name, given, seed, hours)
            await stack.enter_async_context(arm.open(people, contacts, messages))
        spent: dict[str, float] = defaultdict(float)
        for day in range(learning + 1):
            for arm in arms.values():
                arm.plan(day)
                if day == learning:
                    await arm.begin_counting()
            for hour in hours:  # in turn, so that a busy machine is busy for both
                for name, arm in arms.items():
                    before = arm.cpu()
                    await arm.until(MONDAY + timedelta(days=day, hours=hour + 1))
                    if day == learning:
                        spent[name] += arm.cpu() - before
        ahead, plain = arms["with"], arms["without"]
        for arm in arms.values():
            await arm.end_counting()
        share, alone = ahead.share(), plain.share()
        extra = spent["with"] / spent["without"] - 1
        figures = report.figures
        figures["people"], figures["days of learning"] = people, learning
        figures["syncs that brought something, measured day"] = ahead.news
        figures["changes of what pages show"] = ahead.changes
        figures["first looks since a change"] = sum(ahead.looks.values())
        figures["of these from the cache, %"] = round(share * 100, 1)
        figures["joined what was just being made, not among these"] = ahead.joined
        late = sum(n for (_, hit), n in ahead.looks.items() if not hit) + ahead.joined
        used = min(ahead.used, sum(ahead.looks.values()) - late)
        figures["answers that were true still, among these"] = sum(ahead.looks.values()) - late - used
        figures["of all others from the cache, %"] = round(100 * used / max(1, used + late), 1)
        figures["without making ahead, %"] = round(alone * 100, 1)
        for kind in sorted({kind for kind, _ in ahead.looks}):
            hits, late = ahead.looks[kind, True], ahead.looks[kind, False]
            figures[f"{kind}: from the cache, of all"] = f"{hits} of {hits + late}"
        figures["processor s of the web process, with"] = round(spent["with"], 2)
        figures["processor s of the web process, without"] = round(spent["without"], 2)
        figures["extra, %"] = round(extra * 100, 1)
        figures["beside it, for the syncs, processor s"] = round(plain.syncing, 2)
        figures |= await ahead.counted()
        report.expect("answers that differ", sum(a != b for a, b in zip(ahead.answers, plain.answers, strict=True)), 0)
    return report


def judge(report: Report) -> None:
    """80 % from the cache, for less than 10 % of processor time."""
    for which in ("of these from the cache, %", "of all others from the cache, %"):
        found = float(str(report.figures[which]))
        report.hold(f"{found} % {which[:-3]}, not {HELD:.0%} at least", found >= HELD * 100)
    extra = float(str(report.figures["extra, %"]))
    report.hold(f"{extra} % more processor time, not less than {EXTRA:.0%}", extra < EXTRA * 100)


@dataclass
class _Somebody:
    """One viewer of an installation."""

    number: int
    key: str
    household: Household
    box: str
    folks: list[str]
    desk: bool
    widget: bool
    prompt: bool
    arrived: list[records.Message] = field(default_factory=list)
    stale: set[str] = field(default_factory=set)  # pages not looked at since something has changed
    showing: str = "people"
    stream: asyncio.Task[None] | None = None
    told: asyncio.Event = field(default_factory=asyncio.Event)
    asks_again: bool = False
    quiet: int = 0


class _Arm:
    """An installation whose days go by when it is told."""

    def __init__(self, home: Path, share: str | None, seed: int, hours: range) -> None:
        home.mkdir(parents=True)
        (home / "documents.json").write_text(json.dumps(DOCUMENTS))
        settings = {"KITH_DOCUMENTS": str(home / "documents.json"), "KITH_RATE_COST": "0"}
        self._gateway = Gateway(home, free_port(), settings | ({"KITH_PREWARM_SHARE": share} if share else {}))
        self._seed = seed
        self._hours = hours
        self._queue: list[tuple[datetime, int, Act]] = []
        self._order = itertools.count()
        self._now = MONDAY
        self._people: list[_Somebody] = []
        self._number = itertools.count(1)
        self.looks: Counter[tuple[str, bool]] = Counter()
        self.answers: list[int] = []
        self.news = self.changes = self.joined = self.used = 0
        self.syncing = 0.0

    @contextlib.asynccontextmanager
    async def open(self, people: int, contacts: int, messages: int) -> AsyncIterator[None]:
        """Fill it, and start its process."""
        self._gateway.kith("migrate")
        keys = [self._gateway.token(f"person{n}") for n in range(people)]
        self._database = Database(f"sqlite:///{self._gateway.home / 'kith.db'}")
        environment = self._gateway._environment()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.chaos.habitual_days", str(MONDAY.timestamp()), env=environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as self._session:
                self._url = f"http://{(await self._heard()).strip()}/graphql"
                for n, key in enumerate(keys):
                    self._people.append(await self._furnished(n, key, contacts, messages))
                yield
                for one in self._people:
                    await self._leave(one)
        finally:
            if self._process.stdin is not None:
                self._process.stdin.close()
            await self._process.wait()
            await self._database.close()

    async def _furnished(self, n: int, key: str, contacts: int, messages: int) -> _Somebody:
        whose = await self._database.system_read(viewers.find, f"person{n}")
        assert whose is not None
        await fill(self._database, whose.id, people=contacts, messages=messages)
        household = Household(self._database, whose.id)
        household.now = MONDAY
        box = await household.account("gmail", f"person{n}@example.org", own=[f"person{n}@example.org"])
        one = _Somebody(n, key, household, box, [], desk=n % 6 not in (3, 5), widget=n % 6 == 5, prompt=n % 6 in (1, 4))
        await self._synced(one)
        answer = json.loads(await self._get(one, "people"))
        one.folks = [edge["node"]["id"] for edge in answer["data"]["viewer"]["people"]["edges"]]
        return one

    # --- a day ------------------------------------------------------------------------------------------------------------

    def plan(self, day: int) -> None:
        """What everybody does on a day; what follows from what happens is added then."""
        begins = MONDAY + timedelta(days=day)
        for one in self._people:
            draw = random.Random(f"{self._seed} {one.number} {day}")
            for hour, rate in enumerate(RATE):
                self._at(begins + timedelta(hours=hour), partial(self._mail, one, rate, draw))
            self._at(begins + timedelta(hours=self._hours.start, seconds=draw.uniform(0, POLL)), partial(self._poll, one, day))
            if one.desk:
                self._at_a_desk(one, begins, draw)
            if one.widget:
                for n in range(24 * 20):
                    self._look(one, begins + timedelta(minutes=3 * n, seconds=draw.uniform(0, 2)), "conversations", "widget")
            for centre, width in ((7.3, 0.4), (12.5, 0.3), (20.5, 0.8)):
                self._on_the_phone(one, begins + timedelta(hours=draw.gauss(centre, width)), draw)
            for _ in range(draw.randint(0, 3)):
                when = begins + timedelta(hours=draw.uniform(7, 23))
                self._look(one, when, draw.choice(USUAL), "at any hour")
            for _ in range(draw.randint(2, 8)):
                when = begins + timedelta(hours=draw.uniform(8, 22))
                self._look(one, when, "person", "somebody's page", id=draw.choice(one.folks))

    def _at_a_desk(self, one: _Somebody, begins: datetime, draw: random.Random) -> None:
        """Mornings and afternoons with the page open; every now and then another page is turned to."""
        noon = draw.gauss(12.2, 0.15)
        for start, end in ((draw.gauss(8.8, 0.3), noon), (noon + draw.uniform(0.6, 1.1), draw.gauss(17.3, 0.4))):
            at = begins + timedelta(hours=start)
            self._at(at, partial(self._arrive, one))
            while True:
                page = draw.choice(("people", "people", "agenda"))
                self._at(at, partial(self._turn, one, page))
                at += timedelta(minutes=draw.uniform(4, 70))
                if at > begins + timedelta(hours=end):
                    break
            self._at(begins + timedelta(hours=end), partial(self._leave, one))

    def _on_the_phone(self, one: _Somebody, at: datetime, draw: random.Random) -> None:
        for page, chance in (("conversations", 1.0), ("agenda", 0.9), ("people", 0.6)):
            if draw.random() < chance:
                self._look(one, at, page, "phone")
                at += timedelta(seconds=draw.uniform(4, 60))

    def _look(self, one: _Somebody, at: datetime, page: str, kind: str, **variables: str) -> None:
        self._at(at, partial(self._see, one, page, kind, variables))

    def _at(self, when: datetime, act: Act) -> None:
        if when.hour in self._hours:
            heapq.heappush(self._queue, (when, next(self._order), act))

    async def until(self, end: datetime) -> None:
        """Let everything happen that is due by then."""
        while self._queue and self._queue[0][0] < end:
            when, _, act = heapq.heappop(self._queue)
            await self._advance(max(when, self._now))
            await act()
        await self._advance(end)

    # --- what people do ---------------------------------------------------------------------------------------------------

    async def _arrive(self, one: _Somebody) -> None:
        await self._leave(one)  # who was left sitting at the end of the hours that are looked at
        await self._see(one, SIDE, "desk, arrived", {})
        opened = asyncio.Event()
        one.stream = asyncio.create_task(self._follow(one, opened))
        await asyncio.wait_for(opened.wait(), patience.PATIENCE)

    async def _leave(self, one: _Somebody) -> None:
        stream, one.stream = one.stream, None
        if stream is not None:
            stream.cancel()
            await asyncio.gather(stream, return_exceptions=True)

    async def _turn(self, one: _Somebody, page: str) -> None:
        one.showing = page
        await self._see(one, page, "desk, turned to", {})

    async def _see(self, one: _Somebody, page: str, kind: str, variables: dict[str, str]) -> None:
        body = await self._get(one, page, variables)
        answer = json.loads(body)
        self.answers.append(hash(NAMED.sub(b"", body)))
        first = page in one.stale
        one.stale.discard(page)
        if first:
            self.looks[kind, answer["extensions"]["kith"]["cacheHits"] == 1] += 1

    async def _follow(self, one: _Somebody, opened: asyncio.Event) -> None:
        headers = {"accept": "text/event-stream", "authorization": f"Bearer {one.key}"}
        async with self._session.post(self._url, json={"query": CHANGES}, headers=headers) as response:
            assert response.status == 200
            opened.set()
            while line := await response.content.readuntil(b"\n"):
                if line.startswith(b"data:") and b"nodeId" in line:
                    one.told.set()

    async def _heard_of(self, one: _Somebody) -> None:
        """The page that is open asks again, once, after it was told; the time is the way there and what it waits for more."""
        await asyncio.wait_for(one.told.wait(), patience.PATIENCE)
        if not one.asks_again:
            one.asks_again = True
            draw = random.Random(f"{self._seed} {one.number} {self._now}")
            delay = draw.uniform(*(AT_ONCE if one.prompt else IN_A_MOMENT))
            self._at(self._now + timedelta(seconds=delay), partial(self._ask_again, one))

    async def _ask_again(self, one: _Somebody) -> None:
        one.asks_again = False
        if one.stream is not None:
            for page in (SIDE, one.showing):
                await self._see(one, page, "desk, told", {})

    async def _get(self, one: _Somebody, page: str, variables: dict[str, str] | None = None) -> bytes:
        given = {"documentId": page, "variables": json.dumps(variables or {})}
        async with self._session.get(self._url, params=given, headers={"authorization": f"Bearer {one.key}"}) as answer:
            body = await answer.read()
            assert answer.status == 200, body
            return body

    # --- what comes in ----------------------------------------------------------------------------------------------------

    async def _mail(self, one: _Somebody, rate: float, draw: random.Random) -> None:
        """An hour's mail arrives at its network, in its time."""
        at = self._now
        while (at := at + timedelta(hours=draw.expovariate(rate))) < self._now + timedelta(hours=1):
            number, known = next(self._number), draw.random() < 0.8
            sender = f"p{draw.randrange(200):06d}@people.example" if known else f"news{draw.randrange(10_000)}@letters.example"
            thread = draw.randrange(40)
            answers = (thread + 5_000_000,) if draw.random() < 0.5 else ()
            letter = mail(
                number, sender, f"person{one.number}@example.org", name=sender.split("@")[0], answers=answers, sent_at=at
            )

            async def arrive(letter: records.Message = letter) -> None:
                one.arrived.append(letter)

            self._at(at, arrive)

    async def _poll(self, one: _Somebody, day: int) -> None:
        """The worker looks at the network, as often as the provider and the account's quiet say; more often while somebody looks on."""
        letters, one.arrived = one.arrived, []
        one.quiet = 0 if letters else min(one.quiet + 1, LONG_QUIET)
        interval = POLL / 2 if one.stream is not None else POLL * (1 + (PATIENCE - 1) * one.quiet / LONG_QUIET)
        if self._now + timedelta(seconds=interval) < MONDAY + timedelta(days=day + 1):
            self._at(self._now + timedelta(seconds=interval), partial(self._poll, one, day))
        if not letters:
            await self._synced(one)
            return
        self.news += 1

        async def take() -> None:
            one.household.now = self._now
            await one.household.take(one.box, *letters)
            await self._synced(one)

        async def known() -> None:
            one.household.now = self._now
            await one.household.resolve()

        async def tallied() -> None:
            await tallying.tally(self._database, one.household.viewer)
            await placing.place(self._database, one.household.viewer, self._now)

        await self._changing(one, take)
        self._at(self._now + timedelta(seconds=1), partial(self._changing, one, known))
        self._at(self._now + TALLY, partial(self._changing, one, tallied))

    async def _synced(self, one: _Somebody) -> None:
        now = self._now
        await self._database.write(
            one.household.viewer, lambda conn, viewer: accounts.change(conn, viewer, one.box, None, last_synced_at=now)
        )

    async def _changing(self, one: _Somebody, write: Act) -> None:
        viewer, began = one.household.viewer, time.process_time()
        one.told.clear()
        revision, head = await self._database.revision(viewer), await one.household.head()
        await write()
        changed = await self._database.revision(viewer) != revision
        told = await one.household.head() != head
        self.syncing += time.process_time() - began
        if changed:
            self.changes += 1
            one.stale |= set(USUAL)
        await self._say(wake=True)
        if told and one.stream is not None:
            await self._heard_of(one)

    # --- its process ------------------------------------------------------------------------------------------------------

    async def _advance(self, to: datetime) -> None:
        self._now = to
        await self._say(wake=False)

    async def _say(self, *, wake: bool) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{self._now.timestamp()!r} {int(wake)}\n".encode())
        await self._heard()

    async def _heard(self) -> str:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the process has ended"
        return line.decode()

    def cpu(self) -> float:
        return cpu_seconds(self._process.pid)

    async def begin_counting(self) -> None:
        self.joined, self.used = await self._so_far()
        self.looks.clear()
        self.news = self.changes = 0
        self.syncing = 0.0

    async def end_counting(self) -> None:
        joined, used = await self._so_far()
        self.joined, self.used = joined - self.joined, used - self.used

    def share(self) -> float:
        """Of all first looks at usual pages, how many were answered from the cache."""
        hits = sum(n for (_, hit), n in self.looks.items() if hit)
        return (hits - self.joined) / max(1, sum(self.looks.values()))

    async def counted(self) -> dict[str, object]:
        """What the process says of itself, since its start."""
        said = await self._metrics()
        return {f"its own count, all days: {name}": round(n, 2) for name, n in said.items() if name.startswith("kith_prewarm")}

    async def _so_far(self) -> tuple[int, int]:
        """How many answers so far were given to whoever asked while they were being made, be it the first look at a page or not, and how many
        had been made ahead.
        """
        said = await self._metrics()
        return int(said.get(JOINED, 0.0)), int(said.get(USED, 0.0))

    async def _metrics(self) -> dict[str, float]:
        async with self._session.get(self._url.replace("/graphql", "/metrics")) as answer:
            lines = (await answer.text()).splitlines()
        return {name: float(n) for name, _, n in (line.rpartition(" ") for line in lines if line and line[0] != "#")}


class Clock:
    """Stands still until it is told to go on; who sleeps wakes in order."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        waiting = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + timedelta(seconds=seconds), next(self._order), waiting))
        await waiting

    async def go(self, to: datetime, settle: Act) -> None:
        while self._sleepers and self._sleepers[0][0] <= to:
            self._now, _, waiting = heapq.heappop(self._sleepers)
            if not waiting.done():
                waiting.set_result(None)
                await settle()
        self._now = max(to, self._now)


async def _serve(start: float) -> None:
    """The process of an installation: listens, and lets its clock go on as it is told on its standard input."""
    clock = Clock(datetime.fromtimestamp(start, UTC))
    async with (
        open_installation(load(), clock=clock) as installation,
        listening(installation) as place,
        installation.prewarmed(),
    ):
        prewarming, waker = installation.prewarming, installation.services.wake
        assert isinstance(waker, Waker)

        async def settle() -> None:
            for _ in range(TURNS):
                await asyncio.sleep(0)
            if prewarming is not None:
                await prewarming.settled()

        told = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told), sys.stdin)
        answers = sys.stdout
        print(place, file=answers, flush=True)
        with contextlib.redirect_stdout(sys.stderr):  # what else is said is no answer: each takes the scenario a step further
            while line := await told.readline():
                moment, wake = line.split()
                if int(wake):
                    waker.wake(None)
                    await settle()
                await settle()  # time goes on when all is dealt with that was told meanwhile
                await clock.go(datetime.fromtimestamp(float(moment), UTC), settle)
                print("there", file=answers, flush=True)


if __name__ == "__main__":
    uvloop.run(_serve(float(sys.argv[1])))
