"""A limit on waiting does what asyncio's own does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import TypeVarTuple

import pytest

from providers.time_limit import TICK, TimeLimit
from tests.execution.both import JumpingLoop

Ts = TypeVarTuple("Ts")


class _Remembering(JumpingLoop):
    """Knows the timers that were set for long."""

    def __init__(self) -> None:
        super().__init__()
        self.long: list[asyncio.TimerHandle] = []

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        found = super().call_at(when, callback, *args, context=context)
        if when > self.now + 1:
            self.long.append(found)
        return found


async def test_what_takes_too_long_is_ended_and_said_to_have_taken_too_long() -> None:
    with pytest.raises(TimeoutError), TimeLimit(0.0):
        await asyncio.sleep(60)
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0
    await asyncio.sleep(0)  # nothing of it comes later


async def test_what_ends_in_time_is_left_alone() -> None:
    with TimeLimit(60):
        await asyncio.sleep(0)
    with pytest.raises(ValueError, match="its own"), TimeLimit(60):
        raise ValueError("its own")


async def test_of_two_limits_the_one_that_is_over_says_so() -> None:
    with TimeLimit(60):
        with pytest.raises(TimeoutError), TimeLimit(0.0):
            await asyncio.sleep(60)
        await asyncio.sleep(0)


def test_limits_that_share_a_moment_end_all_who_still_wait_then() -> None:
    """The clock is the loop's own, which jumps to what comes next."""

    async def waits(seconds: float) -> str:
        try:
            with TimeLimit(10.0):
                await asyncio.sleep(seconds)
        except TimeoutError:
            return "too long"
        return "in time"

    async def all_of_them() -> tuple[list[str], float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        return list(await asyncio.gather(*(waits(seconds) for seconds in (9.9, 11, 12, 0)))), loop.time() - began

    for _ in range(2):  # in loops of their own
        loop = JumpingLoop()
        found, took = loop.run_until_complete(all_of_them())
        loop.close()
        assert found == ["in time", "too long", "too long", "in time"]
        assert 10 <= took <= 10 + 2 * TICK


def test_each_of_several_limits_is_over_in_its_own_time_whichever_began_first_and_whichever_ended() -> None:
    ends: list[tuple[str, int]] = []

    async def waits(name: str, begins: float, limit: float, takes: float) -> None:
        await asyncio.sleep(begins)
        try:
            with TimeLimit(limit):
                await asyncio.sleep(takes)
        except TimeoutError:
            name += " is over"
        ends.append((name, round(asyncio.get_running_loop().time())))

    async def all_of_them() -> None:
        await asyncio.gather(
            waits("first", 0, 10, 3), waits("later", 5, 10, 60), waits("shorter", 6, 2, 60), waits("last", 20, 10, 60),
            waits("between", 8, 4, 1),
        )  # fmt: skip

    loop = JumpingLoop()
    loop.run_until_complete(all_of_them())
    loop.close()
    assert ends == [("first", 3), ("shorter is over", 8), ("between", 9), ("later is over", 15), ("last is over", 30)]


def test_limits_that_nothing_reached_leave_no_timers_behind() -> None:
    async def hundreds() -> None:
        for _ in range(300):
            with TimeLimit(10.0):
                await asyncio.sleep(0.1)

    loop = _Remembering()
    loop.run_until_complete(hundreds())
    assert len(loop.long) == 3  # one is looked at every ten seconds
    assert sum(not one.cancelled() and one.when() > loop.now for one in loop.long) == 1
    loop.close()


async def test_who_is_cancelled_by_somebody_else_stays_cancelled() -> None:
    async def waits() -> None:
        with TimeLimit(0.0):
            await asyncio.sleep(0)
            await asyncio.sleep(60)

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
