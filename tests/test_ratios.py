"""How two kinds of turns are compared: by whole blocks, with an interval that holds what would come out again."""

from __future__ import annotations

import random

import pytest

from benchmarks.ratios import Change, change, quantile, quantile_of

SHARES = (0.5, 0.99)


def drawn(seed: int, blocks: int, each: int, times: float = 1.0, unrest: float = 0.0) -> list[list[float]]:
    """Blocks of values with a long tail, each block by `unrest` slower or faster than the others."""
    chance = random.Random(seed)
    return [
        [times * mood * chance.lognormvariate(0, 0.3) for _ in range(each)]
        for mood in (chance.lognormvariate(0, unrest) for _ in range(blocks))
    ]


@pytest.mark.parametrize(("share", "found"), [(0.0, 1), (0.5, 51), (0.99, 100), (1.0, 100)])
def test_a_quantile_is_a_value_that_was_found(share: float, found: float) -> None:
    assert quantile(list(range(1, 101)), share) == found == quantile_of([range(100, 50, -1), range(1, 51)], share)


@pytest.mark.parametrize("share", SHARES)
def test_what_is_a_tenth_slower_is_told_from_what_is_not(share: float) -> None:
    well, again, slower = drawn(1, 20, 300), drawn(2, 20, 300), drawn(3, 20, 300, times=1.1)
    worse, itself = (change(well, other, share, draws=100) for other in (slower, again))
    assert worse.least > 0 and worse.least < 10 < worse.most
    assert itself.least < 0 < itself.most and itself.most < 10


def test_a_change_that_every_block_shows_is_seen_however_different_blocks_are() -> None:
    before = drawn(4, 12, 100, unrest=0.5)
    after = [[1.1 * value for value in block] for block in before]
    found = change(before, after, 0.99, draws=100)
    assert found == pytest.approx((10, 10, 10))


def test_few_blocks_that_differ_prove_little() -> None:
    calm, restless = (change(drawn(5, 6, 100, unrest=n), drawn(6, 6, 100, unrest=n), 0.99, draws=100) for n in (0.0, 0.5))
    assert restless.most - restless.least > 2 * (calm.most - calm.least)


def test_the_same_is_found_again_and_is_said_in_per_cent() -> None:
    before, after = drawn(7, 5, 50), drawn(8, 5, 50)
    assert change(before, after, 0.99, draws=50) == change(before, after, 0.99, draws=50)
    assert str(Change(2.04, -1.0, 5.06)) == "+2.0 (-1.0 to +5.1)"


@pytest.mark.parametrize(("before", "after"), [([], []), ([[1.0]], [[]]), ([[1.0]], [[1.0], [2.0]])])
def test_nothing_is_compared_with_nothing(before: list[list[float]], after: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="in pairs"):
        change(before, after, 0.99)
