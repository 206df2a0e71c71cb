"""An end to waiting: `asyncio.timeout` in a fraction of its time, for what is waited for thousands of times a second.

    with TimeLimit(seconds):
        await something

The same in all that can be seen: the task is cancelled when the time is over, and that becomes a TimeoutError here, unless somebody
else cancelled the task as well. Most limits are never reached, and those that are not leave nothing behind: all of a loop share one timer, which
is set to the one that is over first, and those that end in the same five thousandths of a second may be that much late; only short ones have
a timer of their own.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from types import TracebackType
from typing import Final

TICK: Final = 0.005  # seconds
SHORT: Final = 0.1  # seconds; below, being late would be seen


class TimeLimit:
    """Raises TimeoutError around what takes longer than so many seconds. Belongs to one task, and is used once.

    `loop` is the one that runs: whoever knows it spares a system call.
    """

    __slots__ = ("_cancelling", "_expired", "_loop", "_seconds", "_task", "_tick", "_ticks", "_timer")

    def __init__(self, seconds: float, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._seconds = seconds
        self._loop = loop

    def __enter__(self) -> None:
        loop = self._loop or asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a time limit belongs to a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._expired = False
        self._ticks: _Ticks | None = None
        if self._seconds >= SHORT:
            self._ticks = ticks = _of_loop(loop)
            self._tick = ticks.add(self, self._seconds)
        else:
            self._timer = loop.call_later(max(0.0, self._seconds), self.expire)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._expired:
            if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
                raise TimeoutError from error
        elif self._ticks is not None:
            self._ticks.discard(self, self._tick)
        else:
            self._timer.cancel()

    def expire(self) -> None:
        """The time is over."""
        self._expired = True
        self._task.cancel()


class _Ticks:
    """The limits of one loop that have not ended, by the tick after which they are over."""

    __slots__ = ("_limits", "_next", "_timer", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._limits: dict[int, set[TimeLimit]] = {}
        self._next: int | None = None  # the tick that the timer is set to: not after the first of any limit
        self._timer: asyncio.TimerHandle | None = None

    def add(self, limit: TimeLimit, seconds: float) -> int:
        """The tick after which a limit is over that begins now."""
        tick = int((self.loop.time() + seconds) / TICK) + 1
        found = self._limits.get(tick)
        if found is None:
            self._limits[tick] = {limit}
            if self._next is None or tick < self._next:
                self._set(tick)
        else:
            found.add(limit)
        return tick

    def discard(self, limit: TimeLimit, tick: int) -> None:
        """It has ended in time."""
        found = self._limits.get(tick)
        if found is not None:
            found.discard(limit)
            if not found:
                del self._limits[tick]

    def _set(self, tick: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = tick
        self._timer = self.loop.call_at(tick * TICK, self._over, tick, context=Context())

    def _over(self, tick: int) -> None:
        """Its limits are over; of the limit that it was set for, nothing may be left."""
        self._next = self._timer = None
        for limit in self._limits.pop(tick, ()):
            limit.expire()
        if self._limits:
            self._set(min(self._limits))


_latest: _Ticks | None = None  # of the loop that was asked about last; each limit knows its own


def _of_loop(loop: asyncio.AbstractEventLoop) -> _Ticks:
    global _latest
    found = _latest
    if found is None or found.loop is not loop:
        found = _latest = _Ticks(loop)
    return found
