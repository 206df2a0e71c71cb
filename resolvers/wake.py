"""Waking readers of the change feed: SQLite's data_version, or Redis pub/sub, with a slow poll under both.

A wake is only a hint that looking makes sense; what there is to read stands in the feed. While nobody waits nothing is polled.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import aclosing
from typing import Final

from store.cache import Cache
from store.database import Database

CHANNEL: Final = "kith:wake"
SQLITE_POLL: Final = 0.2  # seconds; a poll costs about 0.2 ms
BURST: Final = 0.05  # seconds of writes that other processes hear of as one
STOP_SECONDS: Final = 0.5  # until what is still at work is told to stop again
POSTGRESQL_POLL: Final = 0.5  # without Redis, or while it is away


class _Waiting:
    """Who waits for one viewer, all together, and until when."""

    __slots__ = ("event", "timer")

    def __init__(self, event: asyncio.Event, timer: asyncio.TimerHandle) -> None:
        self.event = event
        self.timer = timer


class Waker:
    """One a process; `start` it in the loop and `stop` it at the end."""

    def __init__(self, database: Database, cache: Cache) -> None:
        self._database = database
        self._cache = cache
        self._waiting: dict[str, _Waiting] = {}
        self._anybody = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._unsaid: set[str] = set()
        self._saying: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._database.on_write = self._committed
        self._tasks = [asyncio.create_task(self._poll(), name="wake-poll")]
        if not self._cache.embedded:
            self._tasks.append(asyncio.create_task(self._listen(), name="wake-listen"))

    async def stop(self) -> None:
        self._database.on_write = None
        going = {*self._tasks, *([self._saying] if self._saying is not None else [])}
        while going:  # a client library may take a cancellation that meets its own time-out for that time-out
            for task in going:
                task.cancel()
            done, going = await asyncio.wait(going, timeout=STOP_SECONDS)
            await asyncio.gather(*done, return_exceptions=True)

    async def wait(self, viewer: str, seconds: float) -> None:
        """Returns when something may have changed for the viewer, at the latest after so many seconds. Who waits for the same viewer is woken
        together, by whoever's seconds are over first: so they look together, and one look is enough for all (changes.py).
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        found = self._waiting.get(viewer)
        if found is None or found.timer.when() > until:
            if found is not None:
                found.timer.cancel()
            event = asyncio.Event() if found is None else found.event
            found = self._waiting[viewer] = _Waiting(event, loop.call_at(until, self._set, viewer))
            self._anybody.set()
        await found.event.wait()

    def wake(self, viewer: str | None) -> None:
        """Wake who waits for this viewer, everybody when None; and once more shortly after, for who was just reading."""
        self._set(viewer)
        asyncio.get_running_loop().call_later(SQLITE_POLL, self._set, viewer)

    def _set(self, viewer: str | None) -> None:
        for name in [viewer] if viewer is not None else list(self._waiting):
            found = self._waiting.pop(name, None)
            if found is not None:
                found.timer.cancel()
                found.event.set()
        if not self._waiting:
            self._anybody.clear()

    def _committed(self, viewer: str) -> None:
        """This process has written for a viewer: wake readers here, and tell other processes, bursts as one."""
        if viewer in self._waiting:
            self.wake(viewer)
        if not self._cache.embedded:
            self._unsaid.add(viewer)
            if self._saying is None or self._saying.done():
                self._saying = asyncio.create_task(self._say(), name="wake-say")

    async def _say(self) -> None:
        while self._unsaid:
            await asyncio.sleep(BURST)
            viewers, self._unsaid = self._unsaid, set()
            for viewer in sorted(viewers):
                await self._cache.publish(CHANNEL, viewer)

    async def _poll(self) -> None:
        last = 0
        while True:
            await self._anybody.wait()
            await asyncio.sleep(SQLITE_POLL if self._database.sqlite else POSTGRESQL_POLL)
            if self._database.sqlite:
                version = await self._database.changed()
                if version == last:
                    continue
                last = version
            self.wake(None)

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(OSError, TimeoutError):
                async with aclosing(self._cache.messages(CHANNEL)) as viewers:
                    async for viewer in viewers:
                        self.wake(viewer)
            await asyncio.sleep(1.0)
