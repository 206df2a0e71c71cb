"""A thousand sends with a crash between every two steps of ours, and every cut of the line: none is delivered twice.

    row ─▶ begin ─▶ files ─▶ EHLO … DATA ─▶ note ─▶ dot ─▶ 250 ─▶ settle        a crash (✝) or a cut (✂) at each ─▶

Steps are what leaves the process: each transaction, before and after it is committed, and each point of the conversation with the
server. What was delivered is counted at the server alone, which is never asked by us; what we say of each message has to agree with it.
Every other message goes through aiosmtpd, the rest through a server that can be cut at any point.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import Connection

from providers.formats import mime
from store.database import Database
from tests import fresh
from tests.chaos.report import Report
from tests.household import Household
from tests.letterbox import PostOffice, post_office
from tests.ports import free_port
from tests.submission import POINTS, Letter, Point, Submission, submission

T = TypeVar("T")
NOBODY = "nobody@example.org"  # whom the servers refuse


class Killed(BaseException):
    """The process ends here; nothing that follows in it happens."""


class Mortal(Database):
    """A database whose process dies at a transaction: before it, or after it is committed."""

    dies_at: int | None = None
    committed = False
    steps = 0

    async def _run(self, viewer: str, body: Callable[[Connection], T], *, write: bool, background: bool) -> T:
        self.steps += 1
        here = self.dies_at is not None and self.steps > self.dies_at
        if here and not self.committed:
            self.dies_at = None
            raise Killed
        result = await super()._run(viewer, body, write=write, background=background)
        if here:
            self.dies_at = None
            raise Killed
        return result


@dataclass(frozen=True)
class Plan:
    """What happens to one message: a crash at a transaction, a crash or a cut at a point of the line, or nothing."""

    step: int | None = None
    committed: bool = False
    crash: Point | None = None
    cut: Point | None = None

    @property
    def for_any_server(self) -> bool:
        return self.crash is None and self.cut is None


class _Kept:
    """What aiosmtpd does with a message: it is kept where the other server keeps its own."""

    def __init__(self, server: Submission) -> None:
        self._server = server

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if address == NOBODY:
            return "550 5.1.1 nobody"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self._server.take(Letter(envelope.mail_from or "", list(envelope.rcpt_tos), envelope.content))
        return "250 2.0.0 kept"


async def send_through_crashes(home: Path, *, messages: int) -> Report:
    """Send so many messages, each with the next crash or cut of all there are; count what arrived and what we say of it."""
    report = Report()
    async with _office(home) as (office, database, other):
        plans = _plans(await _steps(office, database))
        scripted, kept = office.server.port, itertools.cycle(plans)
        told: dict[str, str] = {}
        crashes = cuts = 0
        for n in range(messages):
            plan = next(kept)
            office.server.port = other if n % 2 and plan.for_any_server else scripted
            office.server.files = n % 3 > 0  # servers that file what they send, and some that do not
            to = NOBODY if n % 50 == 49 else f"p{n}@example.org"
            message = await office.write(to, f"Message {n}", key=f"k-{n}")
            crashed = await _carry_out(office, database, plan)
            crashes += crashed
            cuts += plan.cut is not None
            told[message["id"]] = await office.state(message["id"])
            assert (await office.write(to, f"Message {n}", key=f"k-{n}"))["id"] == message["id"]  # a client that tries again
            await office.work_to_the_end()
        await _judge(report, office, told)
    report.figures |= {"steps that can be crashed or cut": len(plans), "crashes": crashes, "cuts": cuts}
    report.hold("most plans crashed", crashes > messages // 2)
    return report


async def _judge(report: Report, office: PostOffice, told: dict[str, str]) -> None:
    delivered = Counter(mime.message(letter.data).internet_message_id for letter in office.server.taken)
    query = "query($id: ID!) { node(id: $id) { ... on Message { internetMessageId } } }"
    outcomes: Counter[tuple[str, int]] = Counter()
    for message_id, state in told.items():
        shown = (await office.desk.ask(query, id=message_id))["node"]["internetMessageId"]
        outcomes[state, delivered.pop(shown, 0)] += 1
    states = Counter(state for state, count in outcomes.elements())
    report.figures["messages"] = sum(outcomes.values())
    report.expect("delivered twice", sum(n for (_, count), n in outcomes.items() if count > 1), 0)
    report.expect("said to be sent and not delivered", outcomes["SENT", 0], 0)
    report.expect("said to have failed and delivered", outcomes["FAILED", 1], 0)
    report.expect("delivered that nobody sent", sum(delivered.values()), 0)
    report.figures |= {"sent": states["SENT"], "failed": states["FAILED"], "unconfirmed": states["UNCONFIRMED"]}
    report.figures["unconfirmed and delivered"] = outcomes["UNCONFIRMED", 1]
    report.figures["unconfirmed and not delivered"] = outcomes["UNCONFIRMED", 0]
    settled = states["SENT"] + states["FAILED"] + states["UNCONFIRMED"]
    report.expect("neither sent, failed nor unconfirmed", sum(outcomes.values()) - settled, 0)


async def _carry_out(office: PostOffice, database: Mortal, plan: Plan) -> bool:
    """Work with what the plan has in store, and then, as a new process would, to the end. Whether it crashed."""
    task = asyncio.current_task()
    assert task is not None
    crashed = False
    working: asyncio.Task[object] | None = None

    def at(point: Point) -> None:
        nonlocal crashed
        if point == plan.crash and not crashed and working is not None:
            crashed = True
            working.cancel()

    database.steps, database.dies_at, database.committed = 0, plan.step, plan.committed
    office.server.cut = [plan.cut] if plan.cut else []
    office.server.at = at
    working = asyncio.create_task(office.work())
    try:
        await working
    except Killed:
        crashed = True
    except asyncio.CancelledError:
        if not crashed:
            raise
    database.dies_at = None
    office.server.at = lambda point: None
    await office.work_to_the_end()
    office.server.cut = []
    return crashed


def _plans(steps: int) -> list[Plan]:
    crashes = [Plan(step=n, committed=committed) for n in range(steps) for committed in (False, True)]
    return [Plan(), *crashes, *(Plan(crash=point) for point in POINTS), *(Plan(cut=point) for point in POINTS)]


async def _steps(office: PostOffice, database: Mortal) -> int:
    """How many transactions it takes to carry a message out."""
    await office.write("first@example.org", key="first")
    database.steps = 0
    await office.work_to_the_end()
    office.server.taken.clear()
    return database.steps


@contextlib.asynccontextmanager
async def _office(home: Path) -> AsyncIterator[tuple[PostOffice, Mortal, int]]:
    await fresh.sqlite(home / "kith.db")
    database = Mortal(f"sqlite:///{home / 'kith.db'}")
    loop = asyncio.get_running_loop()
    try:
        household = await Household.open(database)
        async with submission() as server:
            server.said = {f"RCPT {NOBODY}": ["550 5.1.1 nobody"]}
            listening = await loop.create_server(lambda: SMTP(_Kept(server), loop=loop), "127.0.0.1", free_port())
            async with listening, post_office(household, home, server) as office:
                yield office, database, listening.sockets[0].getsockname()[1]
    finally:
        await database.close()
