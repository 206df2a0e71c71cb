"""Usual pages are there before they are asked for: when that is likely, at little cost, while nobody waits, and for nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2 as httpx
import orjson
import pytest
import sqlalchemy as sa

from gateway.execution.documents import digest_of
from gateway.execution.request import GraphQLRequest
from gateway.habits import Asking, Habits, pack, unpack
from gateway.installation import Installation
from gateway.people import named
from gateway.prewarming import FAIR, START, SURE, Allowance, Prewarming
from gateway.signin.principal import Principal
from providers import records
from store import accounts
from store import habits as store
from store.tables import job
from tests.chaos.clients import CHANGES
from tests.chaos.habitual_days import Clock
from tests.gateway.running import asking, key_of, opened
from tests.household import Household, card, mail
from tests.patience import PATIENCE

PEOPLE = "query People { viewer { people(first: 20) { edges { node { id name emails { address } } } } } }"
THREADS = "query Threads { viewer { conversations(first: 5) { edges { node { id subject } } } } }"
OTHER = "query Other { viewer { people(first: 3) { edges { node { name } } } } }"
START_OF_DAY = datetime(2026, 6, 1, 8, 30, tzinfo=UTC)


class Processor:
    """A processor clock by which whatever is done takes the same time on any machine: it goes on a little with each look at it."""

    STEP = 0.003  # seconds

    def __init__(self) -> None:
        self.spent = 0.0

    def __call__(self) -> float:
        self.spent += self.STEP
        return self.spent


@dataclass
class Desk:
    """A viewer's program: it follows changes, and asks again for its page when one is told."""

    installation: Installation
    clock: Clock
    household: Household
    book: str
    box: str
    client: httpx.AsyncClient
    principal: Principal
    cards: int = 0

    @property
    def prewarming(self) -> Prewarming:
        found = self.installation.prewarming
        assert found is not None
        return found

    async def look(self, name: str = "people") -> Any:
        answer = await self.client.get("/graphql", params={"documentId": name})
        return answer.json()

    async def looks_again(self) -> bool:
        """Whether the page came from the cache."""
        return bool((await self.look())["extensions"]["kith"]["cacheHits"])

    async def change(self) -> None:
        """Something comes in, is told, and the moment after is over."""
        self.cards += 1
        await self.household.take(
            self.book, card(f"card-{self.cards}", f"Person {self.cards:03}", f"p{self.cards}@people.example")
        )
        await self.household.resolve()
        self.prewarming.told(self.household.viewer)
        await self.passes(seconds=0.2)

    async def passes(self, **duration: float) -> None:
        await self.settle()
        await self.clock.go(self.clock.now() + timedelta(**duration), self.settle)

    async def settle(self) -> None:
        for _ in range(8):
            await asyncio.sleep(0)
        if self.installation.prewarming is not None:
            await self.installation.prewarming.settled()

    async def place(self) -> str:
        """The end of the feed: who follows it from there is told of all that happens from now on, however late they begin."""
        answer = await self.installation.execution.execute(GraphQLRequest(query="{ viewer { feed { head } } }"), self.principal)
        assert answer.data is not None, answer.errors
        return str(answer.data["viewer"]["feed"]["head"])

    async def becomes_usual(self) -> None:
        for _ in range(6):
            await self.change()
            await self.look()
            await self.passes(minutes=3)

    def counted(self, name: str) -> float:
        text = self.installation.telemetry.text().decode()
        return next((float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name)), 0.0)


@asynccontextmanager
async def at_a_desk(
    home: Path, clock: Clock | None = None, documents: dict[str, str] | None = None, **settings: Any
) -> AsyncIterator[Desk]:
    clock = clock or Clock(START_OF_DAY)
    manifest = home / "documents.json"
    manifest.write_bytes(orjson.dumps(documents or {"people": PEOPLE, "threads": THREADS}))
    async with opened(home, clock=clock, schema=None, documents=str(manifest), **settings) as installation:
        if installation.prewarming is not None:
            installation.prewarming._cpu = Processor()
            share = installation.settings.prewarm_share
            installation.prewarming.allowance = Allowance(share, installation.prewarming._cpu)
        whose = await named(installation, None)
        household = Household(installation.database, whose.id)
        book = await household.account("vcard", "cards")
        box = await household.account("mbox", "robin@example.org")
        now = clock.now()

        def synced(conn: sa.Connection, viewer: str) -> None:
            for account in (book, box):
                accounts.change(conn, viewer, account, None, last_synced_at=now)

        await installation.database.write(whose.id, synced)
        key, row = await key_of(installation)
        principal = Principal(whose.id, "", frozenset({"READ", "WRITE"}), row.id, "test", "KEY")
        async with asking(installation, key) as client, installation.prewarmed():
            desk = Desk(installation, clock, household, book, box, client, principal)
            if installation.prewarming is not None:
                desk.prewarming.opened(whose.id)
                await desk.settle()
            yield desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with at_a_desk(tmp_path) as desk:
        yield desk


# --- what is made ahead ---------------------------------------------------------------------------------------------------


async def test_a_page_that_is_looked_at_after_each_change_is_there_when_it_is_looked_at_after_the_next(desk: Desk) -> None:
    await desk.becomes_usual()
    await desk.change()
    ahead = await desk.look()
    assert ahead["extensions"]["kith"]["cacheHits"] == 1
    made = await desk.installation.execution.execute(GraphQLRequest(query=PEOPLE), desk.principal)
    assert ahead["data"] == made.data
    assert len(ahead["data"]["viewer"]["people"]["edges"]) == desk.cards
    assert desk.counted('kith_prewarm_looks_total{found="ahead"}') >= 1
    assert desk.counted('kith_prewarmed_total{outcome="used"}') >= 1
    assert desk.counted('kith_prewarm_seconds_total{for="answers"}') > 0


async def test_who_asks_the_moment_they_are_told_finds_the_page_there_and_what_comes_right_after_is_seen_too(desk: Desk) -> None:
    await desk.becomes_usual()
    for number in (101, 102):
        await desk.household.take(desk.book, card(f"card-{number}", f"Person {number}", f"p{number}@people.example"))
        desk.prewarming.told(desk.household.viewer)
        if number == 101:
            await desk.settle()
            assert await desk.looks_again()
    await desk.passes(seconds=0.2)
    assert await desk.looks_again()


async def test_what_was_made_ahead_waits_through_changes_that_it_does_not_show(desk: Desk) -> None:
    await desk.household.take(desk.box, mail(1, "p1@letters.example", sent_at=desk.clock.now()))
    await desk.becomes_usual()
    await desk.change()
    made = desk.counted('kith_prewarmed_total{outcome="made"}')
    for unread in (True, False):
        await desk.household.take(desk.box, records.MessageState(key="key-1", unread=unread))
        desk.prewarming.told(desk.household.viewer)
        await desk.passes(seconds=0.2)
    assert desk.counted('kith_prewarmed_total{outcome="made"}') == made
    used = desk.counted('kith_prewarmed_total{outcome="used"}')
    assert await desk.looks_again()
    assert desk.counted('kith_prewarmed_total{outcome="used"}') == used + 1


async def test_nothing_is_made_ahead_that_nobody_looked_at(desk: Desk) -> None:
    for _ in range(8):
        await desk.change()
        await desk.passes(minutes=3)
    assert desk.counted('kith_prewarmed_total{outcome="made"}') == 0


async def test_a_page_that_is_not_looked_at_any_more_is_soon_not_made_any_more(desk: Desk) -> None:
    await desk.becomes_usual()
    for _ in range(12):
        await desk.change()
        await desk.passes(minutes=3)
    made = desk.counted('kith_prewarmed_total{outcome="made"}')
    assert desk.counted('kith_prewarmed_total{outcome="unused"}') > 0
    for _ in range(4):
        await desk.change()
        await desk.passes(minutes=3)
    assert desk.counted('kith_prewarmed_total{outcome="made"}') == made


async def test_nothing_is_made_while_somebody_waits_for_an_answer(desk: Desk) -> None:
    await desk.becomes_usual()
    before = desk.counted('kith_prewarmed_total{outcome="made"}')
    desk.prewarming.began()
    await desk.household.take(desk.book, card("late", "Late Person", "late@people.example"))
    desk.prewarming.told(desk.household.viewer)
    going = asyncio.create_task(desk.passes(seconds=0.2))
    await asyncio.wait([going], timeout=0.2)
    assert desk.counted('kith_prewarmed_total{outcome="made"}') == before
    desk.prewarming.ended()
    await going
    assert desk.counted('kith_prewarmed_total{outcome="made"}') == before + 1


async def test_a_document_that_only_a_hash_would_be_left_of_is_no_habit(desk: Desk) -> None:
    for _ in range(6):
        await desk.change()
        await desk.client.post("/graphql", json={"query": OTHER})
    await desk.change()
    assert desk.counted('kith_prewarmed_total{outcome="made"}') == 0


async def test_where_it_is_turned_off_nothing_is_learnt(tmp_path: Path) -> None:
    async with at_a_desk(tmp_path, prewarm_share=0.0) as desk:
        assert desk.installation.prewarming is None
        assert desk.installation.execution.observer is None
        assert (await desk.look())["data"]["viewer"]["people"]["edges"] == []


async def test_what_goes_out_on_a_stream_is_heard_of(desk: Desk) -> None:
    await desk.becomes_usual()
    request = GraphQLRequest(query=CHANGES, variables={"since": await desk.place()})
    stream = desk.installation.execution.stream(request, desk.principal)
    async with aclosing(stream):
        waiting = asyncio.ensure_future(anext(stream))
        await desk.passes(seconds=1)
        await desk.household.take(desk.book, card("told", "Told Person", "told@people.example"))
        await asyncio.wait_for(waiting, PATIENCE)
        await desk.passes(seconds=0.2)
    assert await desk.looks_again()


async def test_a_program_that_asks_every_few_minutes_without_being_told_finds_its_page_there(desk: Desk) -> None:
    desk.prewarming.closed(desk.household.viewer)
    ahead = 0
    for n in range(8):
        await desk.household.take(desk.book, card(f"poll-{n}", f"Polled {n}", f"poll{n}@people.example"))
        await desk.passes(minutes=3)
        ahead += await desk.looks_again()
    assert ahead >= 4


async def test_a_database_that_was_away_for_a_while_is_looked_at_again(desk: Desk) -> None:
    desk.prewarming.closed(desk.household.viewer)
    database = desk.installation.database
    ahead = []
    for n in range(12):
        await desk.household.take(desk.book, card(f"poll-{n}", f"Polled {n}", f"poll{n}@people.example"))
        if n == 3:
            await database.system(lambda conn: conn.execute(sa.text("ALTER TABLE revision RENAME TO elsewhere")))
        await desk.passes(minutes=(1, 4, 2, 3)[n % 4])
        if n == 3:
            await database.system(lambda conn: conn.execute(sa.text("ALTER TABLE elsewhere RENAME TO revision")))
        ahead.append(await desk.looks_again())
    assert sum(ahead[6:]) >= 3


async def test_a_program_that_asks_by_the_clock_finds_what_came_in_shortly_before(desk: Desk) -> None:
    desk.prewarming.closed(desk.household.viewer)
    ahead = []
    for n in range(12):
        await desk.passes(seconds=170)
        await desk.household.take(desk.book, card(f"clock-{n}", f"Clocked {n}", f"clock{n}@people.example"))
        await desk.passes(seconds=10 + n % 3)
        ahead.append(await desk.looks_again())
    assert sum(ahead[6:]) >= 5


async def test_a_program_by_the_clock_that_ends_is_not_waited_for_any_more(desk: Desk) -> None:
    desk.prewarming.closed(desk.household.viewer)
    for _ in range(6):
        await desk.look()
        await desk.passes(seconds=180)
    assert desk.prewarming._expecting
    await desk.passes(minutes=4)
    assert not desk.prewarming._expecting


# --- for whom -------------------------------------------------------------------------------------------------------------


async def test_the_habits_of_one_make_nothing_for_another(desk: Desk) -> None:
    await desk.becomes_usual()
    key, row = await key_of(desk.installation, "kim")
    kim = Household(desk.installation.database, row.viewer_id)
    book = await kim.account("vcard", "cards")
    await kim.take(book, card("kims", "Only Kim Knows", "kims@people.example"))
    desk.prewarming.opened(kim.viewer)
    made = desk.counted('kith_prewarmed_total{outcome="made"}')
    desk.prewarming.told(kim.viewer)
    await desk.passes(seconds=0.2)
    assert desk.counted('kith_prewarmed_total{outcome="made"}') == made
    await desk.change()
    async with asking(desk.installation, key) as client:
        hers = (await client.get("/graphql", params={"documentId": "people"})).json()
    his = await desk.look()
    assert (hers["extensions"]["kith"]["cacheHits"], his["extensions"]["kith"]["cacheHits"]) == (0, 1)
    assert "Only Kim Knows" not in str(his) and "Person 001" not in str(hers)


async def test_a_page_that_was_asked_for_with_one_set_of_scopes_is_not_made_for_another(desk: Desk) -> None:
    await desk.becomes_usual()
    key, _ = await key_of(desk.installation, scopes=("read",))
    await desk.change()
    async with asking(desk.installation, key) as client:
        other = (await client.get("/graphql", params={"documentId": "people"})).json()
    assert other["extensions"]["kith"]["cacheHits"] == 0


# --- from the store alone -------------------------------------------------------------------------------------------------


async def test_what_would_ask_a_network_or_queue_a_look_at_one_is_not_made(desk: Desk) -> None:
    box = await desk.household.account("imap", "robin@example.org")
    long_ago = desk.clock.now() - timedelta(hours=1)
    database, viewer = desk.installation.database, desk.household.viewer
    await database.write(viewer, lambda c, v: accounts.change(c, v, box, None, last_synced_at=long_ago))
    request = GraphQLRequest(query=THREADS)
    assert await desk.installation.execution.ahead(desk.principal, request) is False
    queued = await database.system_read(lambda conn: conn.execute(sa.select(job.c.kind).where(job.c.kind == "sync")).all())
    assert queued == []
    await desk.look("threads")  # who asks for it has it looked at
    assert await database.system_read(lambda conn: conn.execute(sa.select(job.c.kind).where(job.c.kind == "sync")).all())


async def test_a_mutation_is_never_made_ahead(desk: Desk) -> None:
    request = GraphQLRequest(query='mutation { createApiKey(input: { name: "x", scopes: [READ] }) { errors { message } } }')
    assert await desk.installation.execution.ahead(desk.principal, request) is False


# --- between two lives of the process -------------------------------------------------------------------------------------


async def test_what_was_learnt_is_known_after_a_restart_but_for_documents_that_are_gone(tmp_path: Path) -> None:
    clock = Clock(START_OF_DAY)
    async with at_a_desk(tmp_path, clock) as desk:
        await desk.becomes_usual()
    async with at_a_desk(tmp_path, clock, {"threads": THREADS}) as desk:
        assert desk.prewarming._viewers[desk.household.viewer].pages == {}
    async with at_a_desk(tmp_path, clock) as desk:
        desk.cards = 100
        await desk.settle()
        await desk.change()
        assert await desk.looks_again()


async def test_a_row_that_another_release_wrote_is_left_alone(tmp_path: Path) -> None:
    clock = Clock(START_OF_DAY)
    broken = store.Habit(
        id="x",
        document=digest_of(PEOPLE),
        operation="",
        variables="{",
        scopes="READ",
        odds=b"",
        weight=9.0,
        asked_at=START_OF_DAY,
    )
    async with at_a_desk(tmp_path, clock) as desk:
        await desk.installation.database.write(desk.household.viewer, store.put, [broken], before=START_OF_DAY)
    async with at_a_desk(tmp_path, clock) as desk:
        await desk.settle()
        assert not desk.prewarming._viewers[desk.household.viewer].pages


# --- what it may cost -----------------------------------------------------------------------------------------------------


def test_no_more_is_lost_than_the_share_of_what_the_process_does_besides() -> None:
    spent = 0.0
    allowance = Allowance(0.08, lambda: spent)
    lost = 0.0
    for n in range(2_000):
        spent += 0.005  # an answer that somebody asked for
        allowance.earn(START_OF_DAY + timedelta(seconds=n))
        if allowance.left >= 0.004:
            spent += 0.004
            allowance.spend(0.004)
            lost += 0.004
    assert lost <= 0.08 * 0.005 * 2_000 + START
    assert lost > 0.04 * 0.005 * 2_000


def test_what_was_used_earns_as_all_does_that_is_done_for_others() -> None:
    allowance = Allowance(0.08, lambda: 0.0)
    for _ in range(200):  # an answer each that is asked for: half of a second of work for others
        allowance.spend(0.005)
        allowance.back(0.005)
    assert allowance.left == pytest.approx(0.08 * 0.005 * 200)


def test_what_was_used_is_given_back_and_the_less_there_is_left_the_surer_it_has_to_be() -> None:
    allowance = Allowance(0.08, lambda: 0.0)
    assert allowance.bar() == pytest.approx(FAIR)
    allowance.spend(START)
    assert allowance.bar() == pytest.approx(SURE)
    allowance.back(START)
    assert allowance.bar() == pytest.approx(FAIR)


async def test_an_answer_that_took_long_once_is_not_too_dear_for_ever(tmp_path: Path) -> None:
    async with at_a_desk(tmp_path) as desk:
        await desk.becomes_usual()
        took, desk.prewarming._cpu = desk.prewarming._cpu, _Slow(desk.prewarming._cpu)
        await desk.change()
        assert await desk.looks_again()
        desk.prewarming._cpu = took
        await desk.change()
        assert await desk.looks_again()


class _Slow:
    """A processor clock that goes on by more than there is to lose with each look at it."""

    def __init__(self, cpu: Callable[[], float]) -> None:
        self._cpu = cpu
        self._more = 0.0

    def __call__(self) -> float:
        self._more += 2 * START
        return self._cpu() + self._more


# --- what is usual --------------------------------------------------------------------------------------------------------


def page(number: int = 1) -> Asking:
    return Asking(viewer="u_robin", document="d1", operation="", variables={"n": number}, scopes=frozenset({"READ"}))


def test_an_hour_at_which_a_page_is_asked_for_every_day_makes_it_likely_at_that_hour_and_at_no_other() -> None:
    who, now = Habits(16), START_OF_DAY
    for _ in range(5):
        list(who.occur("hour", now))
        who.ask(page(), now)
        now += timedelta(hours=5)
        list(who.occur("hour", now))
        now += timedelta(hours=19)
    habit = who.pages[page().id]
    list(who.occur("hour", START_OF_DAY + timedelta(days=7)))
    morning = habit.likely(who.odds)
    list(who.occur("hour", START_OF_DAY + timedelta(days=7, hours=5)))
    assert habit.likely(who.odds) < FAIR < morning


def test_what_was_asked_for_while_there_was_no_question_answers_no_later_one() -> None:
    who, now = Habits(16), START_OF_DAY
    who.streams = 1
    habit = who.ask(page(), now)
    list(who.occur("noticed", now))
    who.again(habit, now)
    list(who.occur("change", now))
    assert not habit.asked


def test_an_hour_that_begins_does_not_make_a_page_forgotten_that_is_shown() -> None:
    who, now = Habits(16), START_OF_DAY
    who.streams = 1
    habit = who.ask(page(), now)
    list(who.occur("change", now))
    who.again(habit, now)
    list(who.occur("hour", now + timedelta(minutes=1)))
    list(who.occur("change", now + timedelta(minutes=2)))
    assert habit.context == "stream change last"


def test_what_is_asked_for_after_an_arrival_depends_on_the_page_that_it_began_with() -> None:
    who, now = Habits(16), START_OF_DAY
    first, other, next_one = (
        Asking(viewer="u_robin", document=name * 8, operation="", variables={}, scopes=frozenset({"READ"})) for name in "abc"
    )
    for _ in range(6):
        for begins in (first, other):
            now += timedelta(hours=1)
            who.seen = now
            list(who.occur("arrival", now, besides=who.ask(begins, now)))
            if begins is first:
                who.ask(next_one, now)
    habit = who.pages[next_one.id]
    assert habit.odds_of("arrival aaaaaaaa", who.odds) > 0.7 > FAIR > habit.odds_of("arrival bbbbbbbb", who.odds)


def test_a_page_is_asked_for_by_the_clock_when_most_pauses_are_alike() -> None:
    who, now = Habits(16), START_OF_DAY
    for seconds in (0, 180, 178, 30, 150, 181):
        now += timedelta(seconds=seconds)
        habit = who.ask(page(), now)
    assert habit.every == pytest.approx((178, 178 * 1.1))
    for seconds in (40, 400, 1000):
        now += timedelta(seconds=seconds)
        who.ask(page(), now)
    assert habit.every is None


def test_of_too_many_pages_the_one_that_is_asked_for_least_goes() -> None:
    who, now = Habits(3), START_OF_DAY
    for _ in range(3):
        for number in (1, 2):
            who.ask(page(number), now)
        list(who.occur("change", now))
    for number in (3, 4, 5):
        who.ask(page(number), now + timedelta(seconds=number))
    assert {habit.asking.variables["n"] for habit in who.pages.values()} == {1, 2, 5}


def test_odds_are_the_same_when_they_come_back_from_the_store() -> None:
    odds = {"stream change last": [3.25, 4.0], "w08": [1.0, 2.0]}
    assert unpack(pack(odds)) == odds
