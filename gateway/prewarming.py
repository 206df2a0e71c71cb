"""Usual pages are made before they are asked for: after a change, within an allowance of processor time, while nobody waits.

What is usual, and how likely it is to be asked for before the next change, gateway/habits.py learns from what is asked. Here it is decided
what that is worth. An answer that is made ahead and then asked for costs nothing more than the same answer made later; one that is
not is lost. So the account is kept in what is *lost*: it grows by a share of the processor time that the process spends on everything
else, pays for each answer in full, and has that back once the answer is asked for. It is never overdrawn, so what this costs stays below
that share whatever the traffic is. The emptier it is, the surer an answer has to be (`bar`).

Changes are noticed where that costs little: when an open stream of the viewer's tells one, a moment before a page is asked for by the clock,
and by a look at the revision once a minute, less often while nothing changes, of those who may well ask by themselves before long. Whoever
asks first after an unnoticed one shows it to us. One answer is made at a time, the likeliest first, and only while no request is in flight.

Documents are those of the installation's manifests: of others nothing is left after a restart but a hash. Knows of a viewer what they ask
for and with which scopes; answers are made and kept by those who make and keep them for everybody (execute.py, answers.py), under keys that
begin with the viewer.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

import msgspec
import orjson
import structlog
from sqlalchemy.exc import SQLAlchemyError

from gateway import habits
from gateway.execution.answers import Found
from gateway.execution.documents import digest_of
from gateway.execution.request import GraphQLRequest
from gateway.habits import Asking, Habit, Habits, Occasion
from gateway.signin.principal import Principal
from resolvers.operation import Clock
from store import habits as store
from store import viewers
from store.database import Database, DatabaseUnavailable
from store.revision import ALL, Revision, changed

QUIET: Final = 0.1  # seconds in which nothing more is told until a change is over
BURST: Final = 20  # of these at most, until a change that goes on is taken as it is
TICK: Final = 60.0  # seconds between looks at those whose programs ask without being told
LONGEST: Final = 480.0  # between these while nothing changes
WATCHED: Final = 200  # viewers without a stream that one tick looks at
KNOWN: Final = 2_000  # viewers whose habits a process has in memory
LEAD: Final = 2.0  # seconds before a page is asked for by the clock, at which it is looked whether it has to be made
HOUR: Final = 3_600.0
USUAL: Final = 1.5  # weight from which a page is written down: once is no habit
DAY: Final = 86_400.0  # seconds over which the allowance looks back
START: Final = 0.05  # seconds of processor time that may be lost before anything was earned
SURE: Final = 0.8  # how likely it has to be that an answer is asked for, with nothing left
FAIR: Final = 0.3  # and with all
GLANCE: Final = 0.0005  # seconds that noticing something takes at most
GUESS: Final = 0.01  # seconds that an answer is taken to cost before one was made
GROWS: Final = 1.25  # of what it was taken to cost before, at most, when the last one cost more
log = structlog.get_logger("kith.prewarming")


class Makes(Protocol):
    """Makes an answer that nobody has asked for (Execution.ahead)."""

    async def ahead(self, principal: Principal, request: GraphQLRequest) -> bool | None: ...


class Counts(Protocol):
    """Counts (gateway/telemetry.py)."""

    def looked(self, found: str) -> None: ...
    def ahead(self, outcome: str) -> None: ...
    def ahead_took(self, what: str, seconds: float) -> None: ...


class Allowance:
    """Processor time that may be lost: a share of what the process spends besides, looked at over a day. `cpu` is that of the process."""

    def __init__(self, share: float, cpu: Callable[[], float]) -> None:
        self._share = share
        self._cpu = cpu
        self._seen = cpu()
        self._recent = 0.0
        self._at: datetime | None = None
        self.left = START
        self.ours = 0.0  # spent here

    def earn(self, now: datetime) -> None:
        """Add what the process has done for others since the last time."""
        others = self._cpu() - self.ours
        done, self._seen = max(0.0, others - self._seen), max(others, self._seen)
        if self._at is not None:
            self._recent *= math.exp(-max(0.0, (now - self._at).total_seconds()) / DAY)
        self._recent, self._at = self._recent + done, now
        self.left = min(self.most, self.left + self._share * done)

    @property
    def most(self) -> float:
        return max(START, self._share * self._recent)

    def bar(self) -> float:
        """How likely it has to be that an answer is asked for."""
        return FAIR + (SURE - FAIR) * (1.0 - max(0.0, min(1.0, self.left / self.most)))

    def spend(self, seconds: float) -> None:
        self.ours += seconds
        self.left -= seconds

    def back(self, seconds: float) -> None:
        """What was spent on an answer was not lost: it was done for others, if earlier, and earns as much as all of that."""
        self._recent += seconds
        self.left = min(self.most, self.left + (1.0 + self._share) * seconds)


class _Plan(NamedTuple):
    likely: float
    habit: Habit


class Prewarming:
    """One per web process; `running` while it serves."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        makes: Makes,
        counts: Counts,
        documents: Iterable[str],
        *,
        share: float,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._database = database
        self._clock = clock
        self._makes = makes
        self._counts = counts
        self._cpu = cpu
        self._texts = {digest_of(text): text for text in documents}
        self._viewers: OrderedDict[str, Habits] = OrderedDict()
        self._plans: dict[tuple[str, str], _Plan] = {}
        self._costs: dict[str, float] = {}  # what a document's answers are taken to cost
        self._hearing: dict[str, asyncio.Task[None]] = {}  # viewers who are being told something
        self._watching: asyncio.Task[None] | None = None
        self._expecting: dict[tuple[str, str], asyncio.Task[None]] = {}  # pages that are asked for by the clock
        self._told_again: set[str] = set()  # those of them who were told something more
        self._making: Habit | None = None
        self._joined = False  # whether somebody asked for what is being made
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._due = asyncio.Event()
        self._busy = 0
        self._calm = asyncio.Event()
        self._calm.set()
        self.allowance = Allowance(share, cpu)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take up what was learnt, work beside the block, and write down at its end what is known by then."""
        work = [asyncio.create_task(self._work(), name="prewarm"), asyncio.create_task(self._hours(), name="prewarm-hours")]
        try:
            yield
        finally:
            work += [
                *self._hearing.values(),
                *self._expecting.values(),
                *([self._watching] if self._watching is not None else []),
            ]
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            await self._write_down()

    async def settled(self) -> None:
        """Until all that has been noticed is dealt with; a change that is not over yet has not been noticed."""
        await self._calm.wait()

    # --- what is asked (gateway/execution/execute.py) ---------------------------------------------------------------------

    def began(self) -> None:
        """A request is in flight."""
        self._in_flight += 1
        self._idle.clear()

    def ended(self) -> None:
        """It is not any more."""
        self._in_flight -= 1
        if not self._in_flight:
            self._idle.set()

    def asked(self, principal: Principal, document: str, request: GraphQLRequest, found: Found) -> None:
        """Somebody has the answer to an operation whose answers can be kept."""
        now = self._clock.now()
        who = self._viewer(principal.viewer)
        arrives = not who.present(now)
        who.seen = now
        if document not in self._texts:
            return  # nothing would be left of it after a restart
        if found.kept is None and not found.unchanged:
            who.last = now  # it is what is looked at, and cannot be made ahead
            return
        if found.revision is not None and found.revision not in (who.revision, who.before):
            self._changed(who, found.revision, now, "noticed")  # who asks has heard of it before us
        asking = Asking(
            viewer=principal.viewer, document=document, operation=request.operation_name or "", variables=request.variables,
            scopes=principal.scopes,
        )  # fmt: skip
        known = asking.id in who.pages
        habit = who.ask(asking, now)
        if found.kept is not None:
            habit.parts = found.kept.parts
        if found.ahead:
            self._used(habit)
        if known and (found.ahead or found.how in ("made", "shared")):
            self._counts.looked("late" if not found.ahead else "shared" if found.how == "shared" else "ahead")
        name = (principal.viewer, asking.id)
        if habit.every is not None and name not in self._expecting and len(self._expecting) < WATCHED:
            self._expecting[name] = asyncio.create_task(self._expect(name, who, habit), name="prewarm-expect")
        if arrives:
            self._reconsider(who, who.occur("arrival", now, besides=habit))

    def opened(self, viewer: str) -> None:
        """A stream was opened."""
        now = self._clock.now()
        who = self._viewer(viewer)
        arrives = not who.present(now)
        who.streams += 1
        who.seen = now
        if arrives:
            self._reconsider(who, who.occur("arrival", now))

    def closed(self, viewer: str) -> None:
        """One was closed."""
        who = self._viewer(viewer)
        who.streams = max(0, who.streams - 1)
        who.seen = self._clock.now()

    def told(self, viewer: str) -> None:
        """An event goes out on a stream: whoever follows it may ask for what has changed."""
        if viewer in self._hearing:
            self._told_again.add(viewer)
        elif (who := self._viewers.get(viewer)) is not None and who.pages:
            self._hearing[viewer] = asyncio.create_task(self._hear(viewer, who), name="prewarm-hear")

    def _viewer(self, viewer: str) -> Habits:
        who = self._viewers.get(viewer)
        if who is None:
            who = self._viewers[viewer] = Habits(store.MOST)
            if len(self._viewers) > KNOWN and (gone := next((v for v, w in self._viewers.items() if not w.streams), None)):
                del self._viewers[gone]
        else:
            self._viewers.move_to_end(viewer)
        return who

    def _used(self, habit: Habit) -> None:
        """An answer that was made ahead was asked for: what it took is not lost."""
        self._counts.ahead("used")
        if habit is self._making:
            self._joined = True
        else:
            self.allowance.back(habit.made)
            habit.made = 0.0

    # --- what changes -----------------------------------------------------------------------------------------------------

    async def _hours(self) -> None:
        """Each hour has odds of its own."""
        with self._looking():
            await self._remember()
        while True:
            now = self._clock.now()
            await self._clock.sleep(HOUR - (now.timestamp() % HOUR) + 1.0)
            with self._looking():
                now = self._clock.now()
                for who in self._viewers.values():
                    if who.pages and not who.streams and who.hour != habits.hour(now):  # who follows is told
                        self._reconsider(who, who.occur("hour", now))
            await self._write_down()

    def _awaited(self) -> list[tuple[str, Habits]]:
        """Who may well ask before long though no stream of theirs will tell us of a change, and no clock when they will."""
        by_the_clock = {viewer for viewer, _ in self._expecting}
        return [(viewer, who) for viewer, who in self._viewers.items() if viewer not in by_the_clock and self._awaits(who)]

    def _awaits(self, who: Habits) -> bool:
        """Looking is lost where nothing is found, so half of the allowance is left to answers."""
        if who.streams or self.allowance.left < self.allowance.most / 2:
            return False
        return who.awaited(self.allowance.bar(), self._clock.now())

    async def _watch(self) -> None:
        """What has changed of those, for as long as there is anybody: once a minute, less often while nothing does."""
        pause = TICK
        while awaited := self._awaited():
            await self._clock.sleep(pause)
            self.allowance.earn(self._clock.now())
            found = [await self._notice(viewer, who) for viewer, who in awaited[-WATCHED:]]
            pause = TICK if any(found) else min(2 * pause, LONGEST)
        self._watching = None

    async def _expect(self, name: tuple[str, str], who: Habits, habit: Habit) -> None:
        """As long as a page is asked for by the clock: see shortly before it is what has changed, and have it made."""
        try:
            while (every := habit.every) is not None:
                asked_at = habit.asked_at
                await self._until(asked_at + timedelta(seconds=every[0] - LEAD))
                if habit.asked_at != asked_at:
                    continue
                self.allowance.earn(self._clock.now())
                if self.allowance.left > GLANCE:
                    await self._notice(name[0], who)
                    if not habit.asked and not habit.made:
                        habit.expect()
                        self._reconsider(who, [habit])
                await self._until(asked_at + timedelta(seconds=every[1]))
                if habit.asked_at == asked_at:
                    return
        finally:
            del self._expecting[name]

    async def _until(self, moment: datetime) -> None:
        await self._clock.sleep(max(0.0, (moment - self._clock.now()).total_seconds()))

    async def _hear(self, viewer: str, who: Habits) -> None:
        """Something was told on a stream of the viewer's: see what that is at once, as who is told may ask at once, and again when it is quiet,
        since what is told is often followed by what is not.
        """
        self._told_again.discard(viewer)
        await self._notice(viewer, who)
        for _ in range(BURST):
            await self._clock.sleep(QUIET)
            if viewer not in self._told_again:
                break
            self._told_again.discard(viewer)
        del self._hearing[viewer]
        await self._notice(viewer, who)

    async def _notice(self, viewer: str, who: Habits) -> bool:
        """See whether the viewer's revision is another one; of a database that is away whoever asks is told."""
        with self._looking():
            try:
                revision = await self._database.revision(viewer)
            except (SQLAlchemyError, DatabaseUnavailable):
                return False
            if who.revision is None:
                who.revision = revision
            news = revision not in (who.revision, who.before)
            if news:
                self._changed(who, revision, self._clock.now())
        return news

    def _changed(self, who: Habits, revision: Revision, now: datetime, occasion: Occasion = "change") -> None:
        parts = ALL if who.revision is None else changed(who.revision, revision)
        for habit in who.pages.values():
            if habit.parts & parts:
                self._unused(habit)
        who.before, who.revision = who.revision, revision
        self._reconsider(who, who.occur(occasion, now, parts=parts))

    def _unused(self, habit: Habit) -> None:
        if habit.made:
            self._counts.ahead("unused")
            habit.made = 0.0

    def _reconsider(self, who: Habits, opened: Iterable[Habit]) -> None:
        """Questions were opened: plan what is likely enough at best."""
        for habit in opened:
            if (likely := habit.likely(who.odds)) >= FAIR:
                self._plans[habit.asking.viewer, habit.asking.id] = _Plan(likely, habit)
                self._due.set()
                if self._watching is None and self._awaits(who):
                    self._watching = asyncio.create_task(self._watch(), name="prewarm-watch")
        self._judge()

    # --- making -----------------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Make what is planned, one at a time, the likeliest first, and nothing while somebody waits for an answer."""
        while True:
            await self._due.wait()
            await self._idle.wait()
            if self._in_flight:
                continue
            plan = self._plans.pop(max(self._plans, key=lambda name: self._plans[name].likely))
            if not self._plans:
                self._due.clear()
            self._busy += 1
            try:
                await self._make(plan)
            except Exception as error:  # such as a database that is away: those who ask are told
                log.info("nothing was made ahead", exc_info=error)
            finally:
                self._busy -= 1
                self._judge()

    async def _make(self, plan: _Plan) -> None:
        habit, asking = plan.habit, plan.habit.asking
        self.allowance.earn(self._clock.now())
        if habit.asked or plan.likely < self.allowance.bar() or self.allowance.left < self._costs.get(asking.document, GUESS):
            return
        principal = Principal(
            viewer=asking.viewer, name="", scopes=asking.scopes, credential="", client="prewarming", kind="KEY"
        )  # fmt: skip
        request = GraphQLRequest(
            query=self._texts[asking.document], operation_name=asking.operation or None, variables=dict(asking.variables)
        )
        before, self._making, self._joined = self._cpu(), habit, False
        try:
            made = await self._makes.ahead(principal, request)
        finally:
            took, self._making = self._cpu() - before, None
            self.allowance.spend(took)
            self._counts.ahead_took("answers", took)
        if made is None:
            return
        self._counts.ahead("made" if made else "passing")
        if made:
            known = self._costs.get(asking.document, GUESS)
            self._costs[asking.document] = min(took, known * GROWS)  # one that took long once is not too dear for ever
            self._unused(habit)  # one that ended with the hour
            if self._joined:
                self.allowance.back(took)
            else:
                habit.made = took

    @contextlib.contextmanager
    def _looking(self) -> Iterator[None]:
        """Something is being noticed: what that takes is lost in any case."""
        self._busy += 1
        self._judge()
        before = self._cpu()
        try:
            yield
        finally:
            took = min(self._cpu() - before, GLANCE)  # others may have worked meanwhile
            self.allowance.spend(took)
            self._counts.ahead_took("looking", took)
            self._busy -= 1
            self._judge()

    def _judge(self) -> None:
        if self._busy or self._plans:
            self._calm.clear()
        else:
            self._calm.set()

    # --- between two lives of the process ---------------------------------------------------------------------------------

    async def _remember(self) -> None:
        """Take up what was written down, of those documents that there still are."""
        with contextlib.suppress(SQLAlchemyError, DatabaseUnavailable):
            for viewer in (await self._database.system_read(viewers.listed))[:KNOWN]:
                rows = await self._database.read(viewer.id, store.of)
                if not rows:
                    continue
                who = self._viewer(viewer.id)
                who.remember(
                    habit for row in rows if row.document in self._texts and (habit := _read(viewer.id, row)) is not None
                )
                if who.revision is None:
                    who.revision = await self._database.revision(viewer.id)

    async def _write_down(self) -> None:
        now = self._clock.now()
        for viewer, who in list(self._viewers.items()):
            if not who.unwritten:
                continue
            who.unwritten = False
            rows = [_row(habit) for habit in who.pages.values() if habit.weighs(now) >= USUAL]
            if rows:
                with contextlib.suppress(SQLAlchemyError, DatabaseUnavailable):
                    await self._database.write_behind(viewer, store.put, rows, before=now - habits.FORGOTTEN)


def _row(habit: Habit) -> store.Habit:
    asking = habit.asking
    return store.Habit(
        id=asking.id, document=asking.document, operation=asking.operation, variables=asking.written,
        scopes=" ".join(sorted(asking.scopes)), odds=habits.pack(habit.odds), weight=habit.weight, asked_at=habit.asked_at,
    )  # fmt: skip


def _read(viewer: str, row: store.Habit) -> Habit | None:
    try:
        variables = orjson.loads(row.variables) if row.variables else {}
        asking = Asking(
            viewer=viewer,
            document=row.document,
            operation=row.operation,
            variables=variables,
            scopes=frozenset(row.scopes.split()),
        )
        return Habit(asking, row.asked_at, habits.unpack(row.odds), row.weight)
    except (orjson.JSONDecodeError, msgspec.MsgspecError):  # written by another release
        return None
