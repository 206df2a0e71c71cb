"""The past, gone through a second time: what came later waits until everything that follows from what came before has been done.

Whoever does again what was done already has all of it at hand at once. What follows from what came first would then meet what came last,
and things would come in an order that they never came in. So what came is kept with its moment (the event loop's clock, seconds), and given
again when nothing that belongs to the second time is left for the loop to do: that is when a loop would have waited for what came next.
Knows nothing of what comes, nor of operations.
"""

from __future__ import annotations

import asyncio
import heapq
from contextvars import ContextVar
from typing import Any, Final

UNSEEN: Final = 32  # turns given to what follows, on loops that do not show what they have to do
ENDLESS: Final = 1_000  # turns after which nobody waits any longer for something that never comes to rest
_OF: ContextVar[Moments | None] = ContextVar("moments", default=None)  # for whom something is called back


class Moments:
    """From `began` until now. What is begun from here on in this context, and in those copied from it, belongs to the second time."""

    __slots__ = ("_before", "_loop", "_now", "_order", "_ready", "_then", "_turns", "_waiting")

    def __init__(self, began: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._then = began
        self._now = self._loop.time()
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = 0
        self._ready: Any = getattr(self._loop, "_ready", None)  # asyncio's own: handles of what is to be called back
        self._turns = 0
        self._before = _OF.get()
        _OF.set(self)

    async def until(self, moment: float) -> None:
        """Waits for a moment of the past; not at all when that is there already, nor for what came since the second time began."""
        if self._then < moment <= self._now:
            future = self._loop.create_future()
            if not self._waiting:
                self._turns = 0
                self._loop.call_soon(self._look)
            self._order += 1
            heapq.heappush(self._waiting, (moment, self._order, future))
            await future

    async def until_now(self) -> None:
        """Waits until all that was done is done again."""
        await self.until(self._now)

    def close(self) -> None:
        """The second time is over."""
        _OF.set(self._before)

    def _look(self) -> None:
        """Each turn of the loop, while somebody waits: is anything of ours left to do?"""
        self._turns += 1
        if self._turns < (UNSEEN if self._ready is None else ENDLESS) and not self._at_rest():
            self._loop.call_soon(self._look)
            return
        self._then = self._waiting[0][0]
        while self._waiting and self._waiting[0][0] <= self._then:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():  # else cancelled
                future.set_result(None)
        self._turns = 0
        if self._waiting:
            self._loop.call_soon(self._look)

    def _at_rest(self) -> bool:
        return self._ready is not None and not any(handle._context.get(_OF) is self for handle in self._ready)
