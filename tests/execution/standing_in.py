"""A pytest plugin: wherever graphql-core's own tests execute an operation, its compiled plan does.

`pytest -p tests.execution.standing_in` in graphql-core's source. Calls that hand in what the gateway never does (middleware, hooks,
abort signals, resolvers of one's own for a whole run) and documents without a clear operation stay with graphql-core. How many
operations went which way is told at the end, for whoever runs this to check that it did anything.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections import Counter
from typing import Any

import graphql
from graphql import DocumentNode, ExecutionResult, GraphQLSchema, OperationDefinitionNode
from graphql.execution.incremental import IncrementalExecutor
from graphql.type import assert_valid_schema

from gateway.eager import Rest
from gateway.execution.compiled import Known, Plans, Ready
from gateway.execution.compiled.run import Run

BY: Counter[str] = Counter()
_waited: list[None] = []  # one for each time that graphql-core would have answered with an awaitable
_core_execute: Any = graphql.execute
_core_execute_sync: Any = graphql.execute_sync
_core_begin: Any = Run.begin


def execute(
    schema: GraphQLSchema,
    document: DocumentNode,
    root_value: Any = None,
    context_value: Any = None,
    variable_values: dict[str, Any] | None = None,
    operation_name: str | None = None,
    *more: Any,
    **others: Any,
) -> Any:
    """graphql-core's `execute`: a result, or an awaitable where something has to be waited for."""

    def core() -> Any:
        BY["graphql-core"] += 1
        return _core_execute(schema, document, root_value, context_value, variable_values, operation_name, *more, **others)

    operations = [d for d in getattr(document, "definitions", ()) if isinstance(d, OperationDefinitionNode)]
    wanted = [d for d in operations if operation_name is None or (d.name and d.name.value == operation_name)]
    if more or any(value is not None for value in others.values()) or len(wanted) != 1:
        return core()
    assert_valid_schema(schema)
    plans = Plans(schema, _Telling)
    ready = plans.ready(Known(), document, wanted[0], operation_name, variable_values or {})
    if ready is None:
        return core()
    if not isinstance(ready, Ready):
        return ready

    async def planned() -> ExecutionResult:
        result, replayed = await plans.run(ready, context_value, root_value)
        BY["replayed" if replayed else "compiled"] += 1
        return result

    if not _in_a_loop():
        return asyncio.run(planned())
    _waited.clear()
    coroutine = planned()
    try:
        waits_for = coroutine.send(None)
    except StopIteration as stop:
        return _given(stop.value) if _waited else stop.value
    return _rest(coroutine, waits_for)


def execute_sync(schema: GraphQLSchema, document: DocumentNode, *values: Any, **others: Any) -> Any:
    """graphql-core's `execute_sync`, which has no loop to wait in."""
    if not _in_a_loop() and "check_sync" not in others:
        return execute(schema, document, *values, **others)
    return _core_execute_sync(schema, document, *values, **others)


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _Telling(IncrementalExecutor):
    def execute_operation(self, serially: bool | None = None) -> Any:
        result = super().execute_operation(serially)
        if inspect.isawaitable(result):
            _waited.append(None)
        return result


def _begin(run: Run, *values: Any) -> Any:
    _waited.append(None)
    return _core_begin(run, *values)


async def _given(result: ExecutionResult) -> ExecutionResult:
    return result


async def _rest(coroutine: Any, waits_for: Any) -> Any:
    return await Rest(coroutine, waits_for)


def pytest_configure() -> None:
    """Before any test is imported."""
    type.__setattr__(Run, "begin", _begin)
    for name in ("graphql", "graphql.execution", "graphql.graphql"):
        module = sys.modules[name]
        for ours in (execute, execute_sync):
            if inspect.isfunction(getattr(module, ours.__name__, None)):
                setattr(module, ours.__name__, ours)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(f"executed by {dict(BY)}")
