"""How suggestions are ranked: what a pair is worth by itself bounds what it can be worth among its rivals."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from resolvers.identity.scoring import at_best, rank, rival_score, weights

scored = st.dictionaries(st.sampled_from(list(combinations(range(6), 2))), st.floats(-9, 12), min_size=1)


@given(scored)
def test_no_rivals_make_a_pair_worth_more_than_it_is_at_best(pairs: dict[tuple[int, int], float]) -> None:
    ordered = sorted(pairs)
    ranked = rank(ordered, [pairs[two] for two in ordered], weights())
    assert all(score <= at_best(pairs[two], weights()) + 1e-9 for two, score in zip(ordered, ranked, strict=True))


@given(scored, st.integers(0, 2**15))
def test_some_pairs_stand_to_their_rivals_as_they_do_when_all_are_ranked(
    pairs: dict[tuple[int, int], float], chosen: int
) -> None:
    own = {(str(a), str(b)): score for (a, b), score in pairs.items()}
    some = [two for n, two in enumerate(own) if chosen >> n & 1]
    ranked = dict(zip(own, rank(list(pairs), list(pairs.values()), weights()), strict=True))
    assert rival_score(weights(), own, [*some, ("8", "9")]) == {two: ranked[two] for two in some}
