"""Ten thousand people are looked for as people look: by a part of a name, its sound, a short name, the employer, with a letter amiss.
And as nobody looks: by one letter, by nothing but signs, by ten thousand letters.

Each operation is timed whole, in this process, against databases that the product's own ingest filled; who has to be among the
results is known from whom was put in.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.universe import Person, Universe
from providers import records
from store.database import Database
from tests import servers
from tests.asking import Desk, nodes
from tests.chaos.report import Report
from tests.household import Household, card, open_postgresql, open_sqlite

SEARCH: Final = """query($query: String!) { viewer { search(query: $query, scopes: [PEOPLE], first: 25) {
  edges { score node { ... on Person { id name organizations { name } } } } } } }"""
MOST_MS: Final = 50.0
BATCH: Final = 500
SHORT: Final = {"Robert": "Bob", "William": "Bill", "Margaret": "Peggy", "Katherine": "Kate", "Михаил": "Misha"}
# what fits many or nothing; whoever is found will do
HOSTILE: Final = {
    "one letter": "a", "two letters": "a b", "a given name": "ada", "signs alone": "%_*-\"(" * 1_600, "10 kB of letters": "q" * 10_000,
    "10 kB of words": "ada berg " * 1_100,
}  # fmt: skip
EMPLOYERS: Final = ("Harbour Works", "Lantern Labs", "Quay Brothers", "Nordlicht")


def _asked(person: Person, n: int) -> dict[str, str]:
    """What somebody types who means this person, by kind."""
    family = person.family.lower()
    middle = max(2, len(family) // 2)
    without, mistaken = family[:middle] + family[middle + 1 :], f"{family[:middle]}q{family[middle + 1 :]}"
    return {
        "whole name": person.name, "family name begun": f"{person.given} {person.family[:4]}", "turned round": f"{person.family} {person.given}",
        "sound": f"{person.given} {family.replace('v', 'w').replace('f', 'ph')}", "letter left out": f"{person.given} {without}",
        "letter mistaken": f"{person.given} {mistaken}", "with employer": f"{family} {EMPLOYERS[n % 4].split()[0]}",
        "nobody": f"xq{n}zzvr",
    } | HOSTILE  # fmt: skip


async def find_people(home: Path, *, people: int, asked: int) -> Report:
    """Fill both databases with `people`, look for `asked` of them in each way, and for those with short names."""
    report = Report()
    async with open_sqlite(_room(home)) as database:
        await _measure(report, "SQLite", database, people, asked)
    with servers.postgres() as server:
        async with open_postgresql(server) as database:
            await _measure(report, "PostgreSQL", database, people, asked)
    return report


def _room(home: Path) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    return home


async def _measure(report: Report, name: str, database: Database, people: int, asked: int) -> None:
    household = await Household.open(database)
    book = await household.account("vcard", "cards")
    universe = Universe(people, 0)
    every = [universe.person(n) for n in range(people)]
    cards = [
        card(f"c{n}", p.name, p.email, organizations=(records.Organization(name=EMPLOYERS[n % 4]),)) for n, p in enumerate(every)
    ]
    cards += [card(f"s{n}", f"{full} Quincunx", f"s{n}@example.org") for n, full in enumerate(SHORT)]
    for n in range(0, len(cards), BATCH):
        await household.take(book, *cards[n : n + BATCH])
    desk = Desk(household)
    took: dict[str, list[float]] = {}
    missed: dict[str, int] = {}

    async def ask(kind: str, query: str, wanted: str) -> None:
        began = time.perf_counter()
        data = await desk.ask(SEARCH, query=query)
        took.setdefault(kind, []).append((time.perf_counter() - began) * 1_000)
        names = [node["name"] for node in nodes(data["viewer"]["search"])]
        if kind not in HOSTILE:
            missed[kind] = missed.get(kind, 0) + (wanted not in names if wanted else bool(names))

    for n in range(0, people, max(1, people // asked)):
        for kind, query in _asked(every[n], n).items():
            await ask(kind, query, "" if kind == "nobody" else every[n].name)
    for full, short in SHORT.items():
        await ask("short name", f"{short} quincunx", f"{full} Quincunx")
    for kind, taken in took.items():
        report.figures[f"{name}: {kind}, ms p50 / p95"] = f"{_share(taken, 50):.1f} / {_share(taken, 95):.1f}"
        if kind in missed:
            report.expect(f"{name}: not found by {kind}", missed[kind], 0)
    whole = [one for taken in took.values() for one in taken]
    report.figures[f"{name}: all kinds, ms p95"] = round(_share(whole, 95), 1)


def _share(taken: Sequence[float], percent: int) -> float:
    return sorted(taken)[min(len(taken) - 1, len(taken) * percent // 100)]


def judge(report: Report) -> None:
    """What one search may take."""
    for name, value in report.figures.items():
        if name.endswith("all kinds, ms p95"):
            report.hold(f"{name}: {value}, not less than {MOST_MS}", isinstance(value, int | float) and value < MOST_MS)
