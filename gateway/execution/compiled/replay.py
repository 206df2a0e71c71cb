"""When a run met something irregular: graphql-core executes the operation, on what the resolvers have said so far.

Every call of a resolver that the run made is known by its path. graphql-core asks for it again and gets what came of it: the
value, the exception, or the task that is still at work, as an awaitable wherever the resolver gave one, so that its own order of
things stays. Calls that the run had not made go to the resolver. What is read from a record is read again.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Generator
from contextvars import Context
from itertools import chain
from types import CoroutineType
from typing import Any

from graphql import ExecutionResult
from graphql.execution import Executor, MiddlewareManager, execute_subscription_event

from gateway.execution.compiled.run import NOTHING, Call, Run
from gateway.execution.compiled.values import is_awaitable
from resolvers.echoes import Echoes
from resolvers.loading import Loading, Waiting


async def replay(run: Run, executor_class: type[Executor[Any]], raw_variables: dict[str, Any]) -> ExecutionResult:
    """The answer that graphql-core gives."""
    again: list[Any] = []
    loads = Echoes()
    awaited = chain.from_iterable(one.calls() for one in run.awaited.values())
    known = {tuple(call.path.as_list()): call for call in chain(run.calls, awaited)}

    def answered(resolver: Callable[..., Any], source: Any, info: Any, **arguments: Any) -> Any:
        call = known.pop(tuple(info.path.as_list()), None)
        if call is None:
            given = resolver(source, info, **arguments)
            if isinstance(given, Loading):
                return loads.again(given)
            return _Leading(given, loads) if type(given) is CoroutineType else given
        if call.loading is not None:
            return loads.again(call.loading)
        if call.later:
            again.append(coroutine := _again(call, loads))
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
        await run.end(run.tasks)
        raise
    else:
        for coroutine in again:
            if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:  # given, and then nobody wanted it
                coroutine.close()
        await run.end([one for call in known.values() for one in (call.task, call.future) if one is not None])
        return answer


async def _again(call: Call, loads: Echoes) -> Any:
    """What came, or will come, of a call that the run made."""
    if call.future is not None:
        return await call.future
    if call.task is not None:
        await _Following(call.task, call.past or [], loads)
    if call.error is not None:
        raise call.error
    if call.value is NOTHING:
        assert call.task is not None
        call.task.result()  # it was cancelled
    return call.value


class _Following:
    """Waits for whatever a task waited for that is worth a turn of the event loop, and for whatever it waits for, until that is done:
    whoever follows it goes on in the turn in which its coroutine would if it were the follower's own and began now, and
    cancelling the follower cancels it. A turn later, errors would come in another order.
    """

    __slots__ = ("_loads", "_past", "_task")

    def __init__(self, task: asyncio.Task[None], past: list[Any], loads: Echoes) -> None:
        self._task = task
        self._past = past
        self._loads = loads

    def __await__(self) -> Generator[Any, Any, None]:
        steps = 0
        while True:
            if steps < len(self._past):
                steps += 1
                yield from self._passed(self._past[steps - 1])
            elif self._task.done():
                return
            else:
                yield from self._live()

    def _passed(self, step: Any) -> Generator[Any, Any, None]:
        """A step that the task has taken, or is taking: what a loader brought comes by its echo, a turn is a turn, and time has passed."""
        if isinstance(step, Waiting):
            waits: Generator[Any, Any, Any] = self._loads.again(step.loading).__await__()
        elif step is None:
            waits = _turn()
        elif not step.done():
            waits = self._live()
        else:
            return
        with contextlib.suppress(Exception):  # what came of it is the task's to say
            try:
                yield from waits
            except asyncio.CancelledError:
                if not self._task.cancel():
                    raise

    def _live(self) -> Generator[Any, Any, None]:
        task: Any = self._task
        beside = None if task._fut_waiter is None else _Beside(task, task._fut_waiter)  # None: its turn is next
        with contextlib.suppress(Exception):  # what came of the future is the task's to say
            try:
                yield beside
            except asyncio.CancelledError:
                if beside is None:
                    task.cancel()


def _turn() -> Generator[None, Any, None]:
    yield


class _Leading:
    """Takes the steps of a coroutine that begins now; what loaders bring it comes by their echoes, as what graphql-core asks besides does."""

    __slots__ = ("_coroutine", "_loads")

    def __init__(self, coroutine: CoroutineType[Any, Any, Any], loads: Echoes) -> None:
        self._coroutine = coroutine
        self._loads = loads

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine = self._coroutine
        try:
            waits_for = coroutine.send(None)
            while True:
                try:
                    sent = yield from self._waited(waits_for)
                except GeneratorExit:
                    coroutine.close()
                    raise
                except BaseException as error:
                    waits_for = coroutine.throw(error)
                else:
                    waits_for = coroutine.send(sent)
        except StopIteration as stop:
            return stop.value

    def _waited(self, waits_for: Any) -> Generator[Any, Any, Any]:
        if not isinstance(waits_for, Waiting):
            return (yield waits_for)
        waits_for._asyncio_future_blocking = False  # nobody waits for it yet
        with contextlib.suppress(Exception):  # the coroutine gets it from what it awaits
            yield from self._loads.again(waits_for.loading).__await__()
        if not waits_for.done():
            yield from waits_for
        return None


class _Beside:
    """The future that a task waits for, for a second one: woken after the first, and its cancellation is the first one's."""

    __slots__ = ("_asyncio_future_blocking", "_task", "_waits_for")

    def __init__(self, task: asyncio.Task[None], waits_for: asyncio.Future[Any]) -> None:
        self._asyncio_future_blocking = True  # by this asyncio knows what may be awaited
        self._task = task
        self._waits_for = waits_for

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._task.get_loop()

    def add_done_callback(self, woken: Callable[[asyncio.Future[Any]], object], *, context: Context | None = None) -> None:
        self._waits_for.add_done_callback(woken, context=context)

    def cancel(self, msg: Any = None) -> bool:
        return self._task.cancel(msg)
