"""When a run met something irregular: graphql-core executes the operation, on what the resolvers have said so far.

Every call of a resolver that the run made is known by its path. graphql-core asks for it again and gets what came of it: the
value, the exception, or the coroutine that is still at work, to lead it from there (`leading.py`), as an awaitable wherever the resolver gave
one. What came before comes again at the moments at which it came (`resolvers/moments.py`), so that graphql-core's own order of things stays.
Calls that the run had not made go to the resolver. What is read from a record is read again.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from itertools import chain
from types import CoroutineType
from typing import Any

from graphql import ExecutionResult
from graphql.execution import Executor, MiddlewareManager, execute_subscription_event

from gateway.execution.compiled.leading import Leading
from gateway.execution.compiled.run import NOTHING, Call, Run
from gateway.execution.compiled.values import is_awaitable
from resolvers.echoes import Echoes
from resolvers.loading import Loading
from resolvers.moments import Moments


async def replay(run: Run, executor_class: type[Executor[Any]], raw_variables: dict[str, Any]) -> ExecutionResult:
    """The answer that graphql-core gives."""
    again: list[Any] = []
    moments = Moments(run.began_at)
    loads = Echoes(moments)
    awaited = chain.from_iterable(one.calls() for one in run.awaited.values())
    known = {tuple(call.path.as_list()): call for call in chain(run.calls, awaited)}
    held = [call.begun for call in run.calls if call.begun is not None and call.begun.hold()]

    def answered(resolver: Callable[..., Any], source: Any, info: Any, **arguments: Any) -> Any:
        call = known.pop(tuple(info.path.as_list()), None)
        if call is None:
            given = resolver(source, info, **arguments)
            if isinstance(given, Loading):
                return loads.again(given)
            return Leading(given, loads, moments) if type(given) is CoroutineType else given
        if call.loading is not None:
            return loads.again(call.loading)
        if call.later:
            again.append(coroutine := _again(call, loads, moments))
            return coroutine
        if call.error is not None:
            raise call.error
        return call.value

    plan = run.plan
    executor = executor_class.build(
        plan.schema,
        plan.document,
        root_value=run.root,
        context_value=run.context,
        raw_variable_values=raw_variables,
        operation_name=plan.operation_name,
        middleware=MiddlewareManager(answered),
        is_awaitable=is_awaitable,
    )
    if isinstance(executor, list):
        return ExecutionResult(None, executor)
    try:
        result: Any = execute_subscription_event(executor) if plan.subscribes else executor.execute_operation()
        answer: ExecutionResult = await result if inspect.isawaitable(result) else result
    except BaseException:
        for begun in held:
            if begun.leader is None:
                begun.let_go()
        await run.end(run.tasks)
        raise
    else:
        for coroutine in again:
            if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:  # given, and then nobody wanted it
                coroutine.close()
        unled = [begun.let_go() for begun in held if begun.leader is None]
        await run.end([*unled, *(call.future for call in known.values() if call.future is not None)])
        return answer
    finally:
        moments.close()


async def _again(call: Call, loads: Echoes, moments: Moments) -> Any:
    """What came, or will come, of a call that the run made."""
    if call.future is not None:
        await moments.until(call.came_at)
        return await call.future
    if call.begun is not None:
        led = await Leading(call.begun.coroutine, loads, moments, call.begun)
        if call.begun.over is not None:
            return led
    if call.error is not None:
        raise call.error
    if call.value is NOTHING:
        assert call.begun is not None
        call.begun.task.result()  # it was cancelled
    return call.value
