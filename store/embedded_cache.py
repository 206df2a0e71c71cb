"""The cache of an installation without Redis: what a process has looked up, in its own memory, bounded in bytes.

What was not asked for longest goes first when there is no room; what is too old goes when it is asked for, or in a sweep. It gives what
`redis_cache.Redis` gives, and is never away. Knows nothing of viewers: names come from `cache.py`.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

ROOM: Final = 8 * 1024 * 1024  # bytes, of names and values with what Python needs for them
OVERHEAD: Final = 250  # bytes of an entry beside its name and value


class Embedded:
    """One process' own."""

    def __init__(self, *, room: int = ROOM, now: Callable[[], float] = time.monotonic) -> None:
        self._room = room
        self._now = now
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()  # name → until when, value; used latest comes last
        self.size = 0

    async def get(self, names: Sequence[str]) -> list[bytes | None]:
        """The values in the order of the names, None where there is none."""
        now = self._now()
        return [self._value(name, now) for name in names]

    async def put(self, values: Mapping[str, bytes], seconds: float) -> None:
        """Keep the values for so long; what is larger than a quarter of the room is not kept."""
        until = self._now() + seconds
        for name, value in values.items():
            self._put(name, value, until)

    async def add(self, name: str, amount: int, seconds: int) -> int:
        """Count on by `amount`; the sum, which lasts for `seconds` from now."""
        now = self._now()
        total = int(self._value(name, now) or 0) + amount
        self._put(name, b"%d" % total, now + seconds)
        return total

    async def delete(self, name: str) -> None:
        self._drop(name)

    async def ping(self) -> None:
        """It is there."""

    async def sweep(self) -> None:
        """Free what has expired."""
        now = self._now()
        for name in [name for name, (until, _) in self._kept.items() if until <= now]:
            self._drop(name)

    async def close(self) -> None:
        self._kept.clear()
        self.size = 0

    def _value(self, name: str, now: float) -> bytes | None:
        found = self._kept.get(name)
        if found is None:
            return None
        if found[0] <= now:
            self._drop(name)
            return None
        self._kept.move_to_end(name)
        return found[1]

    def _put(self, name: str, value: bytes, until: float) -> None:
        self._drop(name)
        size = _size(name, value)
        if size > self._room // 4:
            return
        self._kept[name] = (until, value)
        self.size += size
        while self.size > self._room:
            self._drop(next(iter(self._kept)))

    def _drop(self, name: str) -> None:
        found = self._kept.pop(name, None)
        if found is not None:
            self.size -= _size(name, found[1])


def _size(name: str, value: bytes) -> int:
    return len(name) + len(value) + OVERHEAD
