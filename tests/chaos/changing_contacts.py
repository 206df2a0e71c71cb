"""One contact that changes among ten thousand people, through the store: taken in, decided anew with whom it hangs together, written.

Timed from the record's arrival to the commit of the identity job, once for each change: a card that says something new of a person,
a card that joins somebody by an address, and the same card with another address, by which it leaves them.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from benchmarks.universe import Universe
from providers import records
from store.database import Database
from store.tables import person
from tests.chaos.report import Report
from tests.household import Household, card, open_sqlite

MOST_MS: Final = 20.0
BATCH: Final = 500


async def change_contacts(home: Path, *, people: int, changes: int) -> Report:
    """Fill a database with `people`, then change `changes` of them, one at a time."""
    report = Report()
    async with open_sqlite(_room(home)) as database:
        household = await Household.open(database)
        book, other = await household.account("vcard", "cards"), await household.account("vcard", "other cards")
        universe = Universe(people, 0)
        every = [universe.person(n) for n in range(people)]
        for n in range(0, people, BATCH):
            await household.take(book, *(card(f"c{n + k}", p.name, p.email) for k, p in enumerate(every[n : n + BATCH])))
        await household.resolve()
        took: dict[str, list[float]] = {}
        wrong: dict[str, int] = {}
        cost: list[float] = []

        async def change(kind: str, account: str, item: records.Contact, left: int) -> None:
            began, spent = time.perf_counter(), time.process_time()
            await household.take(account, item)
            await household.resolve()
            took.setdefault(kind, []).append((time.perf_counter() - began) * 1_000)
            cost.append((time.process_time() - spent) * 1_000)
            wrong[kind] = wrong.get(kind, 0) + (await _people(database, household.viewer) != left)

        for n in range(0, people, max(1, people // changes)):
            one = every[n]
            work = (records.Organization(name="Harbour Works", title=f"Keeper {n}"),)
            await change("says something new", book, card(f"c{n}", one.name, one.email, organizations=work), people + (n > 0))
            await change("joins", other, card("guest", one.name, one.email), people)
            await change("leaves", other, card("guest", one.name, f"{n}.elsewhere@example.org"), people + 1)
    for kind, each in took.items():
        ordered = sorted(each)
        report.figures[f"{kind}, ms p50 / p95"] = f"{ordered[len(ordered) // 2]:.1f} / {ordered[len(ordered) * 95 // 100]:.1f}"
        report.expect(f"{kind}: other people than it should leave", wrong[kind], 0)
    whole = sorted(one for each in took.values() for one in each)
    report.figures["one changed contact, ms p50"] = round(whole[len(whole) // 2], 1)
    report.figures["one changed contact, processor ms p50"] = round(sorted(cost)[len(cost) // 2], 1)
    return report


def _room(home: Path) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    return home


async def _people(database: Database, viewer: str) -> int:
    def count(conn: Connection, viewer: str) -> int:
        mine = sa.select(sa.func.count()).where(person.c.viewer_id == viewer, person.c.redirect_to.is_(None))
        return int(conn.execute(mine).scalar_one())

    return await database.read(viewer, count)


def judge(report: Report) -> None:
    """What one change may take."""
    value = report.figures["one changed contact, ms p50"]
    report.hold(f"one changed contact: {value} ms, not less than {MOST_MS}", isinstance(value, int | float) and value < MOST_MS)
