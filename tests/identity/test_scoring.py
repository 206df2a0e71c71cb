"""How suggestions are ranked: what a pair is worth by itself bounds what it can be worth among its rivals."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from resolvers.identity.scoring import at_best, rank, weights

scored = st.dictionaries(st.sampled_from(list(combinations(range(6), 2))), st.floats(-9, 12), min_size=1)


@given(scored)
def test_no_rivals_make_a_pair_worth_more_than_it_is_at_best(pairs: dict[tuple[int, int], float]) -> None:
    ordered = sorted(pairs)
    ranked = rank(ordered, [pairs[two] for two in ordered], weights())
    assert all(score <= at_best(pairs[two], weights()) + 1e-9 for two, score in zip(ordered, ranked, strict=True))
