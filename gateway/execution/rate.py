"""How much one credential may ask in a minute, counted in cost, over all processes that share a cache.

Spending is counted here and told to the cache now and then, not per operation: a round trip for each would cost more than most
answers. A cache that is down leaves every process with its own count.
"""

from __future__ import annotations

from typing import Final

from providers.session import Clock
from store.cache import Cache

WINDOW: Final = 60  # seconds
SHARE: Final = 50  # told to the cache each fiftieth of the limit
_KNOWN: Final = 5_000


class Rate:
    """One per process. `limit` 0 lets everything through."""

    def __init__(self, cache: Cache, limit: int, clock: Clock) -> None:
        self._cache = cache
        self._clock = clock
        self._limit = limit
        self.limited = limit > 0
        self._window = 0
        self._spent: dict[str, list[int]] = {}  # credential → [known to all, ours alone]

    async def take(self, viewer: str, credential: str, cost: int) -> int:
        """Spend; 0 when there was room, else the seconds until there is."""
        if self._limit <= 0:
            return 0
        now = self._clock.now().timestamp()
        window = int(now // WINDOW)
        if window != self._window or len(self._spent) > _KNOWN:
            self._window, self._spent = window, {}
        mine = self._spent.setdefault(credential, [0, 0])
        mine[1] += cost
        if mine[1] * SHARE >= self._limit and not self._cache.embedded:
            told, mine[1] = mine[1], 0
            left = await self._cache.for_viewer(viewer).take(told, self._limit, WINDOW, now, "cost", credential)
            mine[0] = max(mine[0] + told, self._limit - left)
        return 0 if sum(mine) <= self._limit else max(1, int((window + 1) * WINDOW - now + 0.999))
