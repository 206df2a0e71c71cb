"""Operations made up by number, answered by graphql-core and by their compiled plan; what differs is shown."""

from __future__ import annotations

import logging
import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from tests.chaos.report import Report
from tests.execution.both import Answer, by_core, by_plan, run, shown
from tests.execution.generated import Case, case

PART = 1_000
SHOWN = 5  # differences described in the report


@dataclass
class _Tally:
    by: Counter[str] = field(default_factory=Counter)
    failing: int = 0
    twice: int = 0
    different: int = 0
    shown: list[str] = field(default_factory=list)


def compare(*, cases: int, processes: int = 1) -> Report:
    """The first so many cases, by so many processes side by side."""
    parts = [(start, min(cases, start + PART)) for start in range(0, cases, PART)]
    if processes == 1:
        tallies = [_tally(part) for part in parts]
    else:
        with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
            tallies = list(pool.map(_tally, parts))
    report = Report()
    by = sum((tally.by for tally in tallies), Counter[str]())
    report.figures["cases"] = cases
    report.figures |= {f"by {name}": by[name] for name in ("compiled", "replayed", "graphql-core", "variables")}
    report.figures["with errors"] = sum(tally.failing for tally in tallies)
    report.expect("answers that differ", sum(tally.different for tally in tallies), 0)
    report.expect("cases with a resolver asked twice", sum(tally.twice for tally in tallies), 0)
    report.broken += [text for tally in tallies for text in tally.shown][:SHOWN]
    return report


def _tally(part: tuple[int, int]) -> _Tally:
    tally = _Tally()
    for number in range(*part):
        made = case(number)
        wanted, got = answers(made)
        tally.by[got.by] += 1
        tally.failing += bool(wanted.errors)
        tally.twice += len(set(got.asked)) != len(got.asked)
        if not wanted.same(got):
            tally.different += 1
            if tally.different <= SHOWN:
                tally.shown.append(f"case {number}: {wanted} became {got}: {made.text} {made.variables}")
    return tally


def answers(made: Case) -> tuple[Answer, Answer]:
    """graphql-core's answer and the plan's."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)

    async def core() -> Answer:
        return shown(await by_core(made.schema, made.document, made.variables), "graphql-core", [])

    async def plan() -> Answer:
        made.world.asked.clear()
        result, by = await by_plan(made.plans, made.known, made.document, made.variables)
        return shown(result, by, list(made.world.asked))

    try:
        return run(core), run(plan)
    finally:
        made.world.close()
