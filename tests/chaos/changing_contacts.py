"""One contact that changes among thousands of people, through the store: taken in, decided anew with whom it hangs together, compared, written.

Timed from the record's arrival to the commit of the identity job, once for each change: a card that says something new of a person,
a card that joins somebody by an address, and the same card with another address, by which it leaves them.

Everybody is taken in, grouped and keyed by the product, in large slices. Compared are then those who are going to change, whomever these
meet and whomever those meet: a change reads and ranks no further, so that it finds what it would find if all had been compared, which
takes a hundred thousand people five minutes. PostgreSQL has its statistics then, which autovacuum gathers within a minute of such a
filling: without them it reads tables through from end to end to find a person.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from benchmarks.universe import CODAS, GIVEN, HOSTS, MIDDLES, ONSETS
from providers import records
from resolvers.identity import pairing
from resolvers.identity.resolve import resolve
from store import pairs
from store.among import among, asked
from store.database import Database
from store.tables import clue, person, unpaired
from tests import fresh, servers
from tests.chaos.report import Report
from tests.household import Household, card, open_sqlite

MOST_MS: Final = 20.0
BATCH: Final = 2_000
_KEYS: Final = select(clue.c.key).where(among(clue.c.person_id)).distinct()


async def change_contacts(home: Path, *, people: Sequence[int], changes: int, postgresql: Sequence[int]) -> Report:
    """Fill a database with so many people, then change `changes` of them, one at a time; for each number anew, on SQLite and PostgreSQL."""
    report = Report()
    for count in people:
        async with open_sqlite(_room(home / str(count))) as database:
            await _measure(report, f"{count:,} people, SQLite", database, count, changes)
    if postgresql:
        with servers.postgres() as server:
            for count in postgresql:
                place = await fresh.postgresql(server)
                database = Database(place.app_url)
                try:
                    await _measure(
                        report, f"{count:,} people, PostgreSQL", database, count, changes, partial(place.sql, "analyze")
                    )
                finally:
                    await database.close()
                    place.drop()
    return report


def _room(home: Path) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    return home


def somebody(number: int) -> tuple[str, str]:
    """Name and address of a person. Common names are common: of a hundred thousand people every third shares theirs with others."""
    chance = random.Random(number)
    given = GIVEN[int(len(GIVEN) * chance.random() ** 2)]
    onset, middle, coda = (parts[int(len(parts) * chance.random() ** 1.5)] for parts in (ONSETS, MIDDLES, CODAS))
    return f"{given} {onset}{middle}{coda}", f"{given}.{onset}{middle}{coda}{number}@{HOSTS[number % len(HOSTS)]}".lower()


async def _measure(
    report: Report, name: str, database: Database, people: int, changes: int, settle: Callable[[], object] = lambda: None
) -> None:
    household = await Household.open(database)
    book, other = await household.account("vcard", "cards"), await household.account("vcard", "other cards")
    changing = range(0, people, max(1, people // changes))
    began = time.process_time()
    await _fill(household, book, people, changing)
    settle()
    filled = time.process_time() - began
    took: dict[str, list[float]] = {}
    wrong: dict[str, int] = {}
    cost: list[float] = []

    async def change(kind: str, account: str, item: records.Contact, left: int) -> None:
        began, spent = time.perf_counter(), time.process_time()
        await household.take(account, item)
        await household.resolve()
        cost.append((time.process_time() - spent) * 1_000)
        took.setdefault(kind, []).append((time.perf_counter() - began) * 1_000)
        wrong[kind] = wrong.get(kind, 0) + (await _people(database, household.viewer) != left)

    for n in changing:
        called, address = somebody(n)
        work = (records.Organization(name="Harbour Works", title=f"Keeper {n}"),)
        await change("says something new", book, card(f"c{n}", called, address, organizations=work), people + (n > 0))
        await change("joins", other, card("guest", called, address), people)
        await change("leaves", other, card("guest", called, f"{n}.elsewhere@example.org"), people + 1)
    for kind, each in took.items():
        ordered = sorted(each)
        middle, late = ordered[len(ordered) // 2], ordered[len(ordered) * 95 // 100]
        report.figures[f"{name}: {kind}, ms p50 / p95"] = f"{middle:.1f} / {late:.1f}"
        report.expect(f"{name}: {kind}: other people than it should leave", wrong[kind], 0)
    whole = sorted(one for each in took.values() for one in each)
    cost.sort()
    report.figures[f"{name}: one changed contact, ms p50"] = round(whole[len(whole) // 2], 1)
    report.figures[f"{name}: one changed contact, processor ms p50"] = round(cost[len(cost) // 2], 1)
    report.figures[f"{name}: one changed contact, processor ms p95"] = round(cost[len(cost) * 95 // 100], 1)
    report.figures[f"{name}: filling, processor s"] = round(filled, 1)


async def _fill(household: Household, book: str, people: int, changing: Sequence[int]) -> None:
    """Take everybody in, say who is who, and compare those about to change with whomever they meet, and these with theirs."""
    database, viewer = household.database, household.viewer
    for n in range(0, people, BATCH):
        batch = range(n, min(people, n + BATCH))
        await household.take(book, *(card(f"c{k}", *somebody(k)) for k in batch))
    await resolve(database, viewer, household.now, step=BATCH)
    while unmet := await database.read(viewer, pairing.read_unmet):
        person_ids, known = unmet
        if not person_ids:
            break
        await database.write_behind(viewer, pairing.write_keys, {p: pairing.keys_of(known, p) for p in person_ids}, known.prints)
    await database.write(viewer, _unmark_others, [somebody(n)[0] for n in changing])
    await household.resolve()


def _unmark_others(conn: Connection, viewer: str, names: Sequence[str]) -> None:
    mine = select(person.c.id).where(person.c.viewer_id == viewer, person.c.name.in_(names))
    near = set(conn.execute(mine).scalars())
    for _step in range(2):
        keys = list(conn.execute(_KEYS, asked(viewer, near)).scalars())
        near |= {p for each in pairs.meeting(conn, viewer, pairs.counted(conn, viewer, keys)).values() for p in each}
    conn.execute(
        sa.delete(unpaired).where(unpaired.c.viewer_id == viewer, sa.not_(among(unpaired.c.person_id))), asked(viewer, near)
    )


async def _people(database: Database, viewer: str) -> int:
    def count(conn: Connection, viewer: str) -> int:
        mine = sa.select(sa.func.count()).where(person.c.viewer_id == viewer, person.c.redirect_to.is_(None))
        return int(conn.execute(mine).scalar_one())

    return await database.read(viewer, count)


def judge(report: Report) -> None:
    """What one change may take."""
    for name, value in report.figures.items():
        if name.endswith("processor ms p50"):
            report.hold(f"{name}: {value}, not less than {MOST_MS}", isinstance(value, int | float) and value < MOST_MS)
