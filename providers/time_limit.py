"""An end to waiting: `asyncio.timeout` in a fraction of its time, for what is waited for thousands of times a second.

    with TimeLimit(seconds):
        await something

The same in all that can be seen: the task is cancelled when the time is over, and that becomes a TimeoutError here, unless somebody
else cancelled the task as well. Most limits are never reached, so those that end in the same five thousandths of a second share a timer of
the loop, which may let them be that much late; only short ones have their own.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from types import TracebackType
from typing import Final

TICK: Final = 0.005  # seconds
SHORT: Final = 0.1  # seconds; below, being late would be seen


class TimeLimit:
    """Raises TimeoutError around what takes longer than so many seconds. Belongs to one task, and is used once."""

    __slots__ = ("_cancelling", "_expired", "_seconds", "_shared", "_task", "_timer")

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
        self._shared: set[TimeLimit] | None = None
        if self._seconds >= SHORT:
            self._shared = shared = _ticks(loop).over_in(self._seconds)
            shared.add(self)
        else:
            self._timer = loop.call_later(max(0.0, self._seconds), self.expire)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._expired:
            if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
                raise TimeoutError from error
        elif self._shared is not None:
            self._shared.discard(self)
        else:
            self._timer.cancel()

    def expire(self) -> None:
        """The time is over."""
        self._expired = True
        self._task.cancel()


class _Ticks:
    """The limits of one loop by the tick after which they are over."""

    __slots__ = ("_limits", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._limits: dict[int, set[TimeLimit]] = {}

    def over_in(self, seconds: float) -> set[TimeLimit]:
        """Those that are over with this one."""
        tick = int((self.loop.time() + seconds) / TICK) + 1
        found = self._limits.get(tick)
        if found is None:
            found = self._limits[tick] = set()
            self.loop.call_at(tick * TICK, self._over, tick, context=Context())
        return found

    def _over(self, tick: int) -> None:
        for limit in tuple(self._limits.pop(tick)):
            limit.expire()


_latest: _Ticks | None = None  # of the loop that was asked about last; each limit knows its own


def _ticks(loop: asyncio.AbstractEventLoop) -> _Ticks:
    global _latest
    found = _latest
    if found is None or found.loop is not loop:
        found = _latest = _Ticks(loop)
    return found
