"""What is reckoned behind the answers, by processes that are killed after one commit or within one transaction: who looks like whom, who is
together and how much is heard, and where people stand in lists.

Each job is run to its end once, undisturbed, on a copy of one database, which tells its commits. Then, for each of these, on a copy of its own:
a process dies there (SIGKILL), another one does the job again, and what is stored in the end has to be the same.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from sqlalchemy import Connection

from providers import records
from resolvers.identity import pairing
from resolvers.identity.resolve import resolve
from resolvers.influence import drawing
from resolvers.relationship import placing
from resolvers.relationship.tallying import tally
from store import places
from store.database import Database
from tests.chaos.report import Report
from tests.household import ME, NOW, Household, card, open_sqlite

VIEWER: Final = "u_robin"
SMALL: Final = 5  # people that one transaction takes on, so that few people make many
LATER: Final = NOW + timedelta(days=1)
NAMES: Final = ("Ada Byron", "Ada Byron", "Bob Ray", "Bob Roy", "Grace Hopper", "Grace Hoper", "Ida Bay", "Kay Fox")
#: What is to be the same, with whatever a job may choose anew left out.
STORED: Final = {
    "pair": (
        "select left_id, right_id, kind, manner from look_alike",
        "select left_id, right_id, round(score, 9), decision from suggestion",
        "select key, person_id from clue",
        "select person_id from unpaired",
    ),
    "draw": (
        "select id, name, commonality, version from circle",
        "select circle_id, person_id, round(centrality, 9) from circle_member",
        "select person_id, score, round(percentile, 9) from standing join standing_run using (viewer_id, run)",
        "select person_id, other_id, round(strength, 9) from acquaintance join standing_run using (viewer_id, run)",
        "select count(*) from standing",
        "select id, influence from person",
        "select node_id, op, node_version from feed where kind = 'CIRCLE'",
    ),
    "place": ("select id, relationship, trend from person", "select person_id from unplaced"),
}
JOBS: Final[dict[str, Callable[[Database], Awaitable[object]]]] = {
    "pair": lambda database: pairing.pair(database, VIEWER, LATER, step=SMALL),
    "draw": lambda database: drawing.draw(database, VIEWER, LATER),
    "place": lambda database: placing.place_everybody(database, VIEWER, LATER),
}


class Dying(Database):
    """A database whose process dies at a write: within its transaction, when all is written, or right after its commit."""

    def __init__(self, url: str, at: int, *, within: bool) -> None:
        super().__init__(url)
        self.writes, self._at, self._within = 0, at, within

    async def write_behind(self, viewer: str, f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.writes += 1
        here = self.writes == self._at

        def written(conn: Connection, viewer: str) -> Any:
            done = f(conn, viewer, *args, **kwargs)
            if here and self._within:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        done = await super().write_behind(viewer, written)
        if here:
            os.kill(os.getpid(), signal.SIGKILL)
        return done


async def reckon(home: Path) -> Report:
    """Kill each job at each of its commits and within each of its transactions."""
    report = Report()
    async with open_sqlite(home) as database:
        await _settle(database)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    for job, stored in STORED.items():
        whole = _copy(home, "whole")
        commits = await asyncio.to_thread(_worked, context, whole, job, 0, False)
        wanted = _read(whole, stored)
        report.figures[f"{job}: commits"] = commits
        report.hold(f"{job} has work for several transactions", commits > 2)
        report.hold(f"{job} does something", wanted != _read(home / "kith.db", stored))
        for at in range(1, commits + 1):
            within = at % 2 == 0  # the one after a commit, the next one in the middle
            cut = _copy(home, "cut")
            died = await asyncio.to_thread(_worked, context, cut, job, at, within)
            report.expect(f"{job} dies at {at}", died, -signal.SIGKILL)
            await asyncio.to_thread(_worked, context, cut, job, 0, False)
            report.expect(f"{job}, killed {'within' if within else 'after'} {at}", _read(cut, stored), wanted)
    return report


#: How much one transaction of each job does: as little, in the process that dies, as makes several of them.
STEPS: Final[dict[ModuleType, str]] = {pairing: "KEYED", drawing: "PEOPLE", placing: "STEP", places: "MARKED"}


def _worked(context: Any, path: Path, job: str, at: int, within: bool) -> int:
    """Do the job in a process of its own; how many commits it made, or how it died."""
    process = context.Process(target=_work, args=(str(path), job, at, within))
    process.start()
    process.join(60)
    return int(process.exitcode)


def _work(path: str, job: str, at: int, within: bool) -> None:
    for module, size in STEPS.items():
        setattr(module, size, SMALL)

    async def work() -> int:
        database = Dying(f"sqlite:///{path}", at, within=within)
        await JOBS[job](database)
        await database.close()
        return database.writes

    os._exit(asyncio.run(work()))


def _copy(home: Path, name: str) -> Path:
    for old in home.glob(f"{name}.db*"):
        old.unlink()
    return Path(shutil.copy(home / "kith.db", home / f"{name}.db"))


def _read(path: Path, queries: tuple[str, ...]) -> list[list[tuple[Any, ...]]]:
    with sqlite3.connect(path) as database:
        return [sorted(database.execute(query).fetchall()) for query in queries]


async def _settle(database: Database) -> None:
    """A few people who write to each other, some of whom are called alike."""
    household = await Household.open(database, VIEWER)
    box = await household.account("imap", ME, own=[ME])
    book = await household.account("vcard", "cards")
    addresses = [f"person{n}@{'mill' if n < 4 else 'mail'}.example" for n in range(len(NAMES))]
    await household.take(book, *(card(str(n), name, addresses[n]) for n, name in enumerate(NAMES)))
    together = [_letter(n, addresses[:4] if n % 2 else addresses[4:]) for n in range(1, 13)]
    alone = [_letter(n, [addresses[n % 3]]) for n in range(20, 32)]
    await household.take(box, *together, *alone)
    await resolve(database, VIEWER, LATER)
    await tally(database, VIEWER)


def _letter(number: int, addresses: list[str]) -> records.Message:
    sender, *others = addresses[number % len(addresses) :] + addresses[: number % len(addresses)]
    return records.Message(
        key=f"key-{number}", internet_message_id=f"{number}@mail.example", sent_at=NOW - timedelta(days=number), subject=f"Matter {number}",
        text="Hello.",
        participants=(
            records.Participant(role="FROM", address=sender),
            *(records.Participant(role="TO", address=one) for one in (ME, *others)),
        ),
    )  # fmt: skip
