"""A town with planted experts, and a farm of accounts that all follow one boaster: who is heard, in both and for how much work.

town ──ingest──▶ store ──draw──▶ standings ──GraphQL──▶ who is on top, beside who was planted
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.processes import rss_mib
from resolvers.influence.drawing import draw
from tests.asking import Desk, nodes
from tests.chaos.report import Report
from tests.household import Household, open_sqlite
from tests.influence.audiences import settle, town

PAGE: Final = """query ($after: Cursor) { viewer { people(first: 200, after: $after) { pageInfo { hasNextPage endCursor }
  edges { node { name influence { score parts { factor value } } topics(first: 1) { name } } } } } }"""


async def weigh(home: Path, *, people: int, farm: int) -> Report:
    """So many people of whom four are experts, and so many farm accounts."""
    report = Report()
    await asyncio.to_thread(home.mkdir, parents=True, exist_ok=True)
    planted = town(people=people, farm=farm)
    async with open_sqlite(home) as database:
        household = await Household.open(database)
        await settle(household, planted)
        desk = Desk(household)
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_utime, time.monotonic()
        report.figures["people weighed"] = await draw(database, household.viewer, desk.clock.now())
        report.figures["drawing, s of processor"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_utime - before, 2)
        report.figures["drawing, s"] = round(time.monotonic() - began, 2)
        report.figures["RSS afterwards, MiB"] = round(rss_mib(os.getpid()))
        seen = await _everybody(desk)
    report.figures["cards and activities"] = len(planted.items)
    score = {name: one["influence"]["score"] for name, one in seen.items()}
    ranked = sorted(score, key=lambda name: -score[name])
    experts = set(planted.experts.values())
    report.expect("experts among the first four", len(experts & set(ranked[: len(experts)])), len(experts))
    for topic, expert in planted.experts.items():
        found = seen[expert]["topics"]
        report.expect(f"first topic of the expert of {topic}", found[0]["name"] if found else None, topic)
    parts = {part["factor"]: part["value"] for part in seen[planted.impostor]["influence"]["parts"]}
    report.expect("what the farm gives its boaster", parts["REACH"] + parts["ENGAGEMENT"] + parts["POSITION"], 0.0)
    report.figures["scores of the experts, and of the boaster"] = (
        f"{sorted(score[e] for e in experts)}, {score[planted.impostor]}"
    )
    farmers = [value for name, value in score.items() if name.startswith("f")]
    report.expect("farm accounts that have a score", sum(1 for value in farmers if value), 0)
    return report


async def _everybody(desk: Desk) -> dict[str, Any]:
    found: dict[str, Any] = {}
    after: str | None = None
    while True:
        page = (await desk.ask(PAGE, after=after))["viewer"]["people"]
        found |= {one["name"].split()[0].lower(): one for one in nodes(page)}
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]
