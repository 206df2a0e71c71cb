"""Operations made up by number, answered by graphql-core and by their compiled plan; what differs is shown."""

from __future__ import annotations

import logging
from collections import Counter

from tests.chaos.report import Report
from tests.execution.both import Answer, by_core, by_plan, run, shown
from tests.execution.generated import Case, case

SHOWN = 5  # differences described in the report


def compare(*, cases: int, first: int = 0) -> Report:
    """The cases `first` to `first + cases - 1`."""
    report = Report()
    by: Counter[str] = Counter()
    different = twice = failing = 0
    for seed in range(first, first + cases):
        made = case(seed)
        wanted, got = answers(made)
        by[got.by] += 1
        failing += bool(wanted.errors)
        twice += len(set(got.asked)) != len(got.asked)
        if not wanted.same(got):
            different += 1
            if different <= SHOWN:
                report.broken.append(f"case {seed}: {wanted} became {got}: {made.text}")
    report.figures["cases"] = cases
    report.figures |= {f"by {name}": by[name] for name in ("compiled", "replayed", "graphql-core", "variables")}
    report.figures["with errors"] = failing
    report.expect("answers that differ", different, 0)
    report.expect("cases with a resolver asked twice", twice, 0)
    return report


def answers(made: Case) -> tuple[Answer, Answer]:
    """graphql-core's answer and the plan's."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)

    async def core() -> Answer:
        return shown(await by_core(made.schema, made.document, made.variables), "graphql-core", [])

    async def plan() -> Answer:
        made.world.asked.clear()
        result, by = await by_plan(made.schema, made.document, made.variables)
        return shown(result, by, list(made.world.asked))

    try:
        return run(core), run(plan)
    finally:
        made.world.close()
