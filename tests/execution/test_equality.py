"""Compiled operations answer what graphql-core answers: same data, same errors, same order, no resolver asked twice.

A few hundred made-up cases here; a hundred thousand in `make proof LINE=speed-2`.
"""

import pytest
from graphql import OperationDefinitionNode, build_schema, parse
from graphql.execution.incremental import IncrementalExecutor

from gateway.execution.compiled import Known, Plans, Ready
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


def test_plans_are_forgotten_before_they_take_more_than_their_room() -> None:
    schema = build_schema("type Query { field: Int }")
    plans = Plans(schema, IncrementalExecutor)
    documents = [parse("{ " + " ".join(f"a{number}_{n}: field" for n in range(4_000)) + " }") for number in range(4)]
    known = [Known() for _ in documents]
    for document, of in zip(documents, known, strict=True):
        operation = document.definitions[0]
        assert isinstance(operation, OperationDefinitionNode)
        assert isinstance(plans.ready(of, document, operation, None, {}), Ready)
    assert [len(of.plans) for of in known] == [0, 0, 1, 1]
