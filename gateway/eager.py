"""Coroutines that are begun at once, as eager tasks are (Python 3.12 has them, 3.11 not): what ends in its first step costs no task.

While the first step is taken, something stands in for the task that there may be: asyncio asks it what it would ask a task, and whoever
kept it speaks with the task that took over.
"""

from __future__ import annotations

import asyncio
from asyncio import tasks
from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from typing import Any, Final

# which task is running is told to asyncio by these
enter_task: Final[Callable[[asyncio.AbstractEventLoop, Any], None]] = tasks._enter_task
leave_task: Final[Callable[[asyncio.AbstractEventLoop, Any], None]] = tasks._leave_task


class Starting:
    """The current task while a coroutine takes its first step; then whoever kept it speaks with the task that took over."""

    __slots__ = ("__weakref__", "_cancels", "_task")

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._cancels = 0

    def become(self, task: asyncio.Task[None]) -> None:
        self._task = task
        for _ in range(self._cancels):
            task.cancel()

    def cancel(self, msg: Any = None) -> bool:
        if self._task is not None:
            return self._task.cancel(msg)
        self._cancels += 1
        return True

    def uncancel(self) -> int:
        if self._task is not None:
            return self._task.uncancel()
        self._cancels = max(0, self._cancels - 1)
        return self._cancels

    def cancelling(self) -> int:
        return self._cancels if self._task is None else self._task.cancelling()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)


class Rest:
    """What is left of a coroutine after its first step, which ended in waiting for `waits_for`."""

    __slots__ = ("_coroutine", "_waits_for")

    def __init__(self, coroutine: Any, waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine, waits_for = self._coroutine, self._waits_for
        try:
            while True:
                try:
                    sent = yield waits_for
                except GeneratorExit:
                    coroutine.close()
                    raise
                except BaseException as error:
                    waits_for = coroutine.throw(error)
                else:
                    waits_for = coroutine.send(sent)
        except StopIteration as stop:
            return stop.value


def start(coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> asyncio.Task[None] | None:
    """Takes the first step, outside of any task. Gives the task that takes the others, None when there are none; raises what the step raises."""
    stand_in, context = Starting(), copy_context()
    enter_task(loop, stand_in)
    try:
        waits_for = context.run(coroutine.send, None)
    except StopIteration:
        return None
    finally:
        leave_task(loop, stand_in)
    task = asyncio.Task(_ended(Rest(coroutine, waits_for)), loop=loop, context=context)
    stand_in.become(task)
    return task


async def _ended(rest: Rest) -> None:
    await rest
