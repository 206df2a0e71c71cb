"""Who looks after everything that stays open, event streams and WebSockets alike: one task a process, instead of three for each of them.

It lets go of those whose credential has ended, says something on those that are silent for long, so that proxies keep them open, and lets
all of them go when the process stops. Knows nothing of what is said on them.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final, Protocol

import structlog

from gateway.signin import door

log = structlog.get_logger("kith.open")


class Open(Protocol):
    """Something that stays open. `quiet` is for how many seconds it may be silent, `spoke` when it last was not, in the loop's time."""

    quiet: float
    spoke: float

    async def alive(self) -> bool:
        """Whether its credential still holds."""
        ...

    async def beat(self) -> None:
        """Say something that means nothing."""
        ...

    def end(self, *, stopping: bool) -> None:
        """Close it, since the process stops, or the credential has ended. May come more than once, and after it has closed by itself."""
        ...


class Attendant:
    """One a process, at work while anything is open."""

    def __init__(self, draining: asyncio.Event) -> None:
        self._draining = draining
        self._open: set[Open] = set()
        self._work: asyncio.Task[None] | None = None
        self._beats: Final[set[asyncio.Task[None]]] = set()

    def take(self, one: Open) -> None:
        """Look after it from now on."""
        self._open.add(one)
        if self._draining.is_set():
            one.end(stopping=True)
        elif self._work is None:
            self._work = asyncio.create_task(self._attend(), name="attend")
            self._work.add_done_callback(self._ended)

    def leave(self, one: Open) -> None:
        """It has closed."""
        self._open.discard(one)
        if not self._open and self._work is not None:
            self._work.cancel()
            self._work = None

    def _ended(self, work: asyncio.Task[None]) -> None:
        if self._work is work:
            self._work = None
        if not work.cancelled() and work.exception() is not None:
            log.error("what is open is not looked after", exc_info=work.exception())

    async def _attend(self) -> None:
        while not await self._stopping(door.WATCH):
            for one in tuple(self._open):
                await self._look(one)
        for one in tuple(self._open):
            one.end(stopping=True)

    async def _stopping(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._draining.wait()
        return self._draining.is_set()

    async def _look(self, one: Open) -> None:
        try:
            alive = await one.alive()
        except Exception as error:  # nobody can say whether it may stay: the client comes back, and asks
            log.warning("a stream was closed", exc_info=error)
            alive = False
        if not alive:
            one.end(stopping=False)
        elif asyncio.get_running_loop().time() - one.spoke >= one.quiet:
            beat = asyncio.create_task(self._beat(one))
            self._beats.add(beat)
            beat.add_done_callback(self._beats.discard)

    async def _beat(self, one: Open) -> None:
        with contextlib.suppress(RuntimeError, OSError):  # it has just closed
            await one.beat()
