"""How many calls a source may still get: concurrency and a token bucket, with a share kept for people who wait.

One `Bucket` stands for one network's allowance (an account's, or an application's) in this process; background work and
interactive reads hold different views of it. What the network itself says is left (`told`) always wins over our own count.
Knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from providers.errors import RateLimited
from providers.quota import Quota
from providers.session import Clock

#: Background work waits so long for a call of its own; a longer wait is the scheduler's business.
BACKGROUND_WAIT_SECONDS = 30.0
#: A network's "come back at" further away than this is not believed.
LONGEST_PAUSE = timedelta(hours=24)


class TokenBudget:
    """A `session.Budget` for background work; `interactive` is the view of the same bucket for somebody who waits.

    Interactive calls may use the whole bucket and never wait for tokens; background calls leave `interactive_reserve` of
    the calls (and one slot, where there are several) alone.
    """

    def __init__(self, quota: Quota, clock: Clock, *, background_wait_seconds: float = BACKGROUND_WAIT_SECONDS) -> None:
        bucket = _Bucket(quota, clock)
        self._view = _View(bucket, reserve=quota.calls * quota.interactive_reserve, wait_seconds=background_wait_seconds)
        self.interactive = _View(bucket, reserve=0.0, wait_seconds=0.0)

    def take(self, calls: int, now: datetime) -> bool:
        """The room that is there without waiting; False when there is none, and nothing is taken."""
        return self._view.take(calls, now)

    async def acquire(self, calls: int = 1) -> None:
        """Waits for room, or raises RateLimited with the moment when there will be some."""
        await self._view.acquire(calls)

    def release(self) -> None:
        self._view.release()

    def told(self, *, limit: int | None, remaining: int | None, reset_at: datetime | None) -> None:
        self._view.told(limit=limit, remaining=remaining, reset_at=reset_at)


class _Slots:
    """So many calls at once; who finds none free waits in line, and is handed the next one."""

    __slots__ = ("_line", "free")

    def __init__(self, count: int) -> None:
        self.free = count
        self._line: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """Whether there was one: nobody waits as long as one is free."""
        if not self.free:
            return False
        self.free -= 1
        return True

    async def turn(self) -> None:
        """Until one is handed on."""
        waiter = asyncio.get_running_loop().create_future()
        self._line.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter.cancelled():
                with suppress(ValueError):  # it was passed over already
                    self._line.remove(waiter)
            else:  # handed to who is gone
                self.release()
            raise

    def release(self) -> None:
        while self._line:
            waiter = self._line.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self.free += 1


class _Bucket:
    """Tokens that flow back evenly, and slots for calls under way."""

    def __init__(self, quota: Quota, clock: Clock) -> None:
        self.quota = quota
        self.clock = clock
        self.most = self.tokens = float(quota.calls)
        self._rate = self.most / quota.seconds
        self.filled_at = clock.now()
        self.closed_until: datetime | None = None
        self.slots = _Slots(max(1, quota.concurrency))
        self.background_slots = _Slots(max(1, quota.concurrency - 1))

    def fill(self, now: datetime) -> None:
        passed = (now - self.filled_at).total_seconds()
        self.filled_at = now
        if passed > 0:
            tokens = self.tokens + passed * self._rate
            self.tokens = tokens if tokens < self.most else self.most

    def wait_for(self, calls: int, reserve: float, now: datetime) -> float:
        """Seconds from now until `calls` may be taken and `reserve` is left; 0 when they may."""
        self.fill(now)
        return self.missing(calls, reserve, now)

    def missing(self, calls: int, reserve: float, now: datetime) -> float:
        """The same, once filled."""
        seconds = 0.0
        missing = min(calls + reserve, self.most) - self.tokens
        if missing > 1e-9:
            seconds = missing * self.quota.seconds / self.most
        if self.closed_until is not None:
            seconds = max(seconds, (self.closed_until - now).total_seconds())
        return seconds


class _View:
    def __init__(self, bucket: _Bucket, *, reserve: float, wait_seconds: float) -> None:
        self._bucket = bucket
        self._reserve = reserve
        self._wait_seconds = wait_seconds
        self._in_background = wait_seconds > 0

    def take(self, calls: int, now: datetime) -> bool:
        bucket = self._bucket
        bucket.fill(now)
        plenty = bucket.tokens >= calls + self._reserve and bucket.closed_until is None
        if not plenty and bucket.missing(calls, self._reserve, now) > 0:
            return False
        if self._in_background and not bucket.background_slots.take():
            return False
        slots = bucket.slots
        if not slots.free:
            if self._in_background:
                bucket.background_slots.release()
            return False
        slots.free -= 1
        bucket.tokens -= calls
        return True

    async def acquire(self, calls: int = 1) -> None:
        bucket = self._bucket
        waited = 0.0
        while (seconds := bucket.wait_for(calls, self._reserve, bucket.clock.now())) > 0:
            if waited + seconds > self._wait_seconds:
                retry_at = bucket.clock.now() + timedelta(seconds=seconds)
                sentence = f" {bucket.quota.sentence}" if bucket.quota.sentence else ""
                raise RateLimited(f"Its allowance of calls is used up for now.{sentence}", retry_at=retry_at)
            await bucket.clock.sleep(seconds)
            waited += seconds
        bucket.tokens -= calls
        if self._in_background and not bucket.background_slots.take():
            await bucket.background_slots.turn()
        if bucket.slots.take():
            return
        try:
            await bucket.slots.turn()
        except BaseException:
            if self._in_background:
                bucket.background_slots.release()
            raise

    def release(self) -> None:
        self._bucket.slots.release()
        if self._in_background:
            self._bucket.background_slots.release()

    def told(self, *, limit: int | None, remaining: int | None, reset_at: datetime | None) -> None:
        """The network's own count: fewer calls left than we thought, or none until `reset_at`."""
        bucket = self._bucket
        if remaining is None or bucket.quota.by_route:
            return
        bucket.fill(bucket.clock.now())
        bucket.tokens = min(bucket.tokens, float(max(0, remaining)))
        if remaining <= 0 and reset_at is not None:
            latest = bucket.clock.now() + LONGEST_PAUSE
            bucket.closed_until = min(reset_at.astimezone(UTC), latest)
        elif remaining > 0:
            bucket.closed_until = None
