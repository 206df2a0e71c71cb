"""Stories of contacts that come and go while their viewer decides who is who (tests/worlds.py), told at random on both databases."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from store.database import Database
from tests import servers
from tests.chaos.report import Report
from tests.household import open_postgresql, open_sqlite
from tests.worlds import WORDS, Step, World

SHORTEST: Final = 4


async def tell(home: Path, *, stories: int, steps: int, seed: int = 0) -> Report:
    """So many stories of at most so many steps on SQLite, a fifth of them on PostgreSQL; after each, what has to hold is looked at."""
    report = Report()
    async with open_sqlite(home) as database:
        await _tell(report, "SQLite", database, stories, steps, seed)
    with servers.postgres() as cluster:
        async with open_postgresql(cluster) as database:
            await _tell(report, "PostgreSQL", database, max(1, stories // 5), steps, seed)
    return report


async def _tell(report: Report, name: str, database: Database, stories: int, steps: int, seed: int) -> None:
    said, broken = 0, []
    for story in range(stories):
        dice = random.Random(f"{seed} {story}")
        told: list[Step] = [
            (dice.choice(WORDS), dice.randrange(64), dice.randrange(256)) for _ in range(dice.randint(SHORTEST, steps))
        ]
        world = await World.open(database)
        try:
            await world.live(told)
            await world.check()
        except AssertionError as wrong:
            broken.append(f"{wrong} after {told}")
        said += len(world.said)
    report.figures[f"{name}: stories"] = stories
    report.figures[f"{name}: decisions in them that stood at the end"] = said
    report.expect(f"{name}: stories in which something did not hold", broken, [])
