"""One operation by graphql-core and by its compiled plan, on a clock that jumps, and what either answers in a form to compare."""

from __future__ import annotations

import asyncio
import inspect
import selectors
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Final, TypeVarTuple

from graphql import DocumentNode, ExecutionResult, GraphQLSchema, OperationDefinitionNode, execute
from graphql.execution.incremental import IncrementalExecutor

from gateway.execution.compiled import Known, Plans, Ready
from gateway.execution.compiled.values import is_awaitable

Ts = TypeVarTuple("Ts")
INSTANT: Final = 1e-14  # seconds: far below the clock's resolution, within which timers go off in one turn of the loop


class _Jumping(selectors.SelectSelector):
    """A selector that does not wait: the loop's clock moves on instead."""

    loop: JumpingLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout > 0:
            self.loop.now += timeout
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop in which sleeping takes no time. Timers set one after the other for the same time go off in that order, as they do where
    a clock runs meanwhile: asyncio's heap keeps none for times that are equal to the last bit.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._timers = 0
        selector = _Jumping()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self._timers += 1
        return super().call_at(when + self._timers * INSTANT, callback, *args, context=context)


@dataclass
class Answer:
    """What came of an operation. `by` is what executed it."""

    data: Any
    errors: list[tuple[str, Any, Any]]
    by: str
    asked: list[Any] = field(default_factory=list)

    def same(self, other: Answer) -> bool:
        """Data with its order, errors with theirs."""
        return repr(self.data) == repr(other.data) and self.errors == other.errors


def shown(result: ExecutionResult, by: str, asked: list[Any]) -> Answer:
    errors = [(e.message, e.path, [(at.line, at.column) for at in e.locations or ()]) for e in result.errors or ()]
    return Answer(result.data, errors, by, asked)


async def by_core(
    schema: GraphQLSchema, document: DocumentNode, variables: dict[str, Any], root: Any = None, context: Any = None
) -> ExecutionResult:
    """graphql-core's answer."""
    result: Any = execute(
        schema,
        document,
        root,
        context,
        variables,
        is_awaitable=is_awaitable,
        executor_class=IncrementalExecutor,
    )
    answer: ExecutionResult = await result if inspect.isawaitable(result) else result
    return answer


async def by_plan(
    plans: Plans, known: Known, document: DocumentNode, variables: dict[str, Any], root: Any = None, context: Any = None
) -> tuple[ExecutionResult, str]:
    """The answer as the gateway gets it, and what executed the operation."""
    operation = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    ready = plans.ready(known, document, operation, None, variables)
    if ready is None:
        return await by_core(plans.schema, document, variables, root, context), "graphql-core"
    if not isinstance(ready, Ready):
        return ready, "variables"
    result, replayed = await plans.run(ready, context, root)
    return result, "replayed" if replayed else "compiled"


def run(make: Callable[[], Any]) -> Any:
    """A coroutine on a clock of its own; nothing may be left at work when it ends."""
    loop = JumpingLoop()
    asyncio.set_event_loop(loop)
    try:
        result = loop.run_until_complete(make())
        left = [task for task in asyncio.all_tasks(loop) if not task.done()]
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        return result
    finally:
        asyncio.set_event_loop(None)
        loop.close()
