"""Compiled operations answer what graphql-core answers: same data, same errors, same order, no resolver asked twice.

A few hundred made-up cases here; a hundred thousand in `make proof LINE=speed-2`.
"""

import pytest

from tests.chaos import compiled_operations
from tests.execution import ported


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_made_up_operations_are_answered_as_graphql_core_answers_them() -> None:
    report = compiled_operations.compare(cases=150)
    assert not report.broken, report.broken
    assert report.figures["by compiled"] and report.figures["by replayed"] and report.figures["with errors"]


def test_graphql_cores_own_cases_hold_for_compiled_operations() -> None:
    report = ported.run(all_of_them=False)
    assert not report.broken, "\n".join(report.broken)
    assert report.figures["operations by compiled"] and report.figures["operations by replayed"]
