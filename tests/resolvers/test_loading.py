"""What a loader brings reaches everybody who asked for it, whatever becomes of the others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from resolvers.echoes import Echoes
from resolvers.loaders import Loader, at_once


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

    loader, told = Loader(batch, max_batch_size=2), []

    async def notes(key: int) -> None:
        try:
            told.append(await loads.again(first[key]))
        except ValueError as error:
            told.append(str(error))

    first = {key: loader.load(key) for key in (1, 13, 2)}
    loads = Echoes()
    await asyncio.gather(notes(2), notes(13))  # while it is on its way
    assert (told, asked) == ([4, "no 13"], [[1, 13], [2]])
    loads, told = Echoes(), []
    first[3] = loader.load(3)
    await asyncio.gather(notes(3), notes(2), notes(13), notes(1))  # two there, one not even begun
    assert (told, asked) == ([6, 4, "no 13", 2], [[1, 13], [2], [3]])


async def test_what_is_there_already_comes_again_without_waiting_for_what_is_not() -> None:
    gate = asyncio.Event()

    async def batch(keys: list[int]) -> list[Any]:
        if 7 in keys:
            await gate.wait()
        return await _doubled(keys)

    loader, loads = Loader(batch, max_batch_size=2), Echoes()
    there = loader.load(1)
    assert await there == 2
    coming = loads.again(loader.load(7))
    assert await loads.again(there) == 2
    assert not coming.there
    gate.set()
    assert await coming == 14


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
