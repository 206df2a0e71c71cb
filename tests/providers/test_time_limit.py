"""A limit on waiting does what asyncio's own does."""

from __future__ import annotations

import asyncio

import pytest

from providers.time_limit import TimeLimit


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
