"""The cache inside a process keeps what it was given until that is too old, or until there is no room for it."""

from __future__ import annotations

import pytest

from store.embedded_cache import OVERHEAD, Embedded


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Hand:
    return Hand()


async def test_a_value_is_given_until_its_time_is_over(clock: Hand) -> None:
    cache = Embedded(now=clock)
    await cache.put({"a": b"1", "b": b"2"}, 60)
    assert await cache.get(["b", "c", "a"]) == [b"2", None, b"1"]
    clock.at += 60
    assert await cache.get(["a", "b"]) == [None, None]
    assert cache.size == 0


async def test_a_sweep_frees_what_nobody_asks_for_any_more(clock: Hand) -> None:
    cache = Embedded(now=clock)
    await cache.put({"short": b"1"}, 10)
    await cache.put({"long": b"2"}, 100)
    clock.at += 50
    await cache.sweep()
    assert cache.size == len("long") + 1 + OVERHEAD
    assert await cache.get(["short", "long"]) == [None, b"2"]


async def test_what_was_not_asked_for_longest_makes_room(clock: Hand) -> None:
    cache = Embedded(room=8 * (OVERHEAD + 101), now=clock)
    for n in range(8):
        await cache.put({str(n): bytes(100)}, 60)
    assert await cache.get(["0"]) == [bytes(100)]
    await cache.put({"8": bytes(100)}, 60)
    assert await cache.get(["1"]) == [None]
    assert await cache.get(["0", "2", "8"]) == [bytes(100)] * 3
    assert cache.size <= 8 * (OVERHEAD + 101)


async def test_one_large_value_does_not_drive_out_all_others(clock: Hand) -> None:
    cache = Embedded(room=10_000, now=clock)
    await cache.put({"small": b"1"}, 60)
    await cache.put({"large": bytes(5_000)}, 60)
    assert await cache.get(["small", "large"]) == [b"1", None]


async def test_a_value_that_takes_anothers_place_takes_its_room(clock: Hand) -> None:
    cache = Embedded(now=clock)
    for _ in range(3):
        await cache.put({"a": bytes(1_000)}, 60)
    assert cache.size == 1 + 1_000 + OVERHEAD
    await cache.delete("a")
    await cache.delete("a")
    assert cache.size == 0


async def test_counts_add_up_until_nobody_has_counted_for_long_enough(clock: Hand) -> None:
    cache = Embedded(now=clock)
    assert [await cache.add("spent", 5, 60) for _ in range(3)] == [5, 10, 15]
    clock.at += 60
    assert await cache.add("spent", 5, 60) == 5
