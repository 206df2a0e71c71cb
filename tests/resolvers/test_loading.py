"""What a loader brings reaches everybody who asked for it, whatever becomes of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from resolvers.echoes import Echoes
from resolvers.loaders import Loader, at_once
from resolvers.moments import Moments


class Field:
    """Somebody who is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def loaded(self, loading: Any, notes: list[Any]) -> None:
        self.told.append((loading.result(), notes))


async def _doubled(keys: list[int]) -> list[Any]:
    return [ValueError(f"no {key}") if key == 13 else key * 2 for key in keys]


async def test_who_stops_waiting_takes_the_value_from_nobody_else() -> None:
    loader = Loader(_doubled, max_batch_size=10)
    first, second = (asyncio.ensure_future(_waits(loader, 4)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 8
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_many_fields_that_want_the_same_are_told_once_with_what_each_left() -> None:
    loader = Loader(_doubled, max_batch_size=2)  # three keys come by two ways
    field = Field()
    for number, key in enumerate((4, 5, 4, 6, 4)):
        loader.load(key).note(field, number)
    assert await loader.load(4) == 8
    assert field.told == [(8, [0, 2, 4]), (10, [1]), (12, [3])]


async def test_what_could_not_be_brought_is_raised_for_all_who_asked_and_asked_for_again() -> None:
    asked: list[int] = []

    async def batch(keys: list[int]) -> list[Any]:
        asked.extend(keys)
        return await _doubled(keys)

    loader = Loader(batch, max_batch_size=10)
    for _ in range(2):
        answers = await asyncio.gather(_waits(loader, 13), _waits(loader, 13), _waits(loader, 5), return_exceptions=True)
        assert [str(answer) for answer in answers] == ["no 13", "no 13", "10"]
    assert asked == [13, 5, 13]


async def test_what_was_loaded_already_comes_again_in_the_batches_of_who_asks_now_and_nothing_is_asked_twice() -> None:
    asked: list[list[int]] = []

    async def batch(keys: list[int]) -> list[Any]:
        asked.append(keys)
        return await _doubled(keys)

    loader, told = Loader(batch, max_batch_size=2), list[Any]()
    loads = Echoes(Moments(asyncio.get_running_loop().time()))

    async def notes(loading: Awaitable[Any]) -> None:
        try:
            told.append(await loading)
        except ValueError as error:
            told.append(str(error))

    first = {key: loader.load(key) for key in (1, 13, 2)}
    await asyncio.gather(*(notes(loads.again(first[key])) for key in (2, 13)))  # while it is on its way
    assert (told, asked) == ([4, "no 13"], [[1, 13], [2]])
    await asyncio.gather(
        notes(loader.load(3)), notes(loader.load(2)), notes(loads.again(first[1]))
    )  # two there, one not even begun
    assert (told[2:], asked) == ([6, 4, 2], [[1, 13], [2], [3]])


async def test_what_failed_is_asked_for_again_by_who_asks_anew_and_by_nobody_else() -> None:
    asked: list[int] = []

    async def batch(keys: list[int]) -> list[Any]:
        asked.extend(keys)
        return await _doubled(keys)

    loader = Loader(batch, max_batch_size=10)
    loads = Echoes(Moments(asyncio.get_running_loop().time()))
    failed = loader.load(13)
    for again in (failed, loads.again(failed)):
        with pytest.raises(ValueError, match="no 13"):
            await again
    assert asked == [13]
    with pytest.raises(ValueError, match="no 13"):
        await loader.load(13)
    assert asked == [13, 13]


async def test_batches_that_come_in_one_turn_come_again_in_the_order_they_are_asked_for_in() -> None:
    gate, told = asyncio.Event(), list[int]()

    async def batch(keys: list[int]) -> list[Any]:
        await gate.wait()
        return await _doubled(keys)

    loader = Loader(batch, max_batch_size=1)
    first = {key: loader.load(key) for key in (1, 2)}
    loads = Echoes(Moments(asyncio.get_running_loop().time()))

    async def notes(key: int) -> None:
        told.append(await loads.again(first[key]))

    both = asyncio.gather(notes(2), notes(1))
    for _ in range(5):
        await asyncio.sleep(0)
    gate.set()
    await both
    assert told == [4, 2]


@pytest.mark.parametrize("make", [asyncio.SelectorEventLoop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_what_came_later_waits_for_all_that_follows_from_what_came_before(make: Callable[[], asyncio.AbstractEventLoop]) -> None:
    told: list[str] = []

    async def follow() -> None:
        began = asyncio.get_running_loop().time() - 3
        moments = Moments(began)

        async def passes(name: str, after: float) -> None:
            await moments.until(began + after)
            for _ in range(7):
                await asyncio.sleep(0)
            told.append(name)

        async def is_cancelled() -> None:
            await moments.until(began + 1)

        cancelled = asyncio.ensure_future(is_cancelled())
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(
            passes("third", 3), passes("second", 2), passes("first", 0), passes("second as well", 2), passes("now", 4)
        )
        moments.close()

    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(follow())
    assert told == ["first", "now", "second", "second as well", "third"]


async def test_what_never_comes_to_rest_holds_up_nothing_for_ever() -> None:
    loop = asyncio.get_running_loop()
    moments, at_work = Moments(loop.time() - 3), True

    def restless() -> None:
        if at_work:
            loop.call_soon(restless)

    restless()
    await moments.until(loop.time() - 1)
    at_work = False
    moments.close()


async def _waits(loader: Loader, key: int) -> Any:
    return await loader.load(key)


async def test_what_is_asked_at_once_comes_in_the_order_in_which_it_was_asked_errors_among_it() -> None:
    async def fails() -> int:
        raise ValueError("no")

    async def is_cancelled() -> int:
        raise asyncio.CancelledError

    first, second, third = await at_once([_after(3), fails(), is_cancelled()])
    assert first == 3
    assert str(second) == "no"
    assert isinstance(third, asyncio.CancelledError)


async def test_who_does_not_wait_any_more_for_what_was_asked_at_once_sees_all_of_it_end() -> None:
    ended: list[str] = []

    async def asks(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # not at once
            ended.append(name)

    waits = asyncio.ensure_future(at_once([asks("one"), asks("another")]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    assert ended == ["one", "another"]


async def _after(turns: int) -> int:
    for _ in range(turns):
        await asyncio.sleep(0)
    return turns
