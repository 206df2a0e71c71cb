"""Communities are as good as networkx finds them, the same in any order, in one piece, and named by what is common."""

from __future__ import annotations

import random

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolvers.circles.communities import ALSO_TO, circles, communities
from resolvers.circles.naming import Person, Trait, call

NODES = [f"n{number:02}" for number in range(14)]
TIES = st.dictionaries(
    st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)).filter(lambda pair: pair[0] < pair[1]),
    st.floats(0.01, 1),
    min_size=1,
)


def graph(ties: dict[tuple[str, str], float]) -> networkx.Graph[str]:
    found: networkx.Graph[str] = networkx.Graph()
    for (one, other), weight in ties.items():
        found.add_edge(one, other, weight=weight)
    return found


def planted(groups: int, size: int, seed: int) -> dict[tuple[str, str], float]:
    """Groups that are close within, with a tie to others here and there."""
    dice = random.Random(seed)
    names = [f"g{group}m{member}" for group in range(groups) for member in range(size)]
    ties = {}
    for n, one in enumerate(names):
        for other in names[n + 1 :]:
            same = one.partition("m")[0] == other.partition("m")[0]
            if dice.random() < (0.6 if same else 0.02):
                ties[one, other] = dice.uniform(0.3, 1) if same else dice.uniform(0.05, 0.3)
    return ties


@settings(deadline=None, max_examples=60)
@given(TIES)
def test_every_name_is_of_one_community_in_one_piece_whatever_the_order_of_ties(ties: dict[tuple[str, str], float]) -> None:
    found = communities(ties)
    assert sorted(name for one in found for name in one) == sorted({name for pair in ties for name in pair})
    whole = graph(ties)
    assert all(networkx.is_connected(whole.subgraph(one)) for one in found)
    turned = {(other, one): weight for (one, other), weight in reversed(ties.items())}
    assert communities(turned) == found


@pytest.mark.parametrize("seed", range(4))
def test_what_is_found_is_worth_what_networkx_finds(seed: int) -> None:
    ties = planted(6, 12, seed)
    whole = graph(ties)
    theirs = max(networkx.community.modularity(whole, networkx.community.louvain_communities(whole, seed=n)) for n in range(3))
    mine = networkx.community.modularity(whole, [{*one} for one in communities(ties)])
    assert mine >= 0.99 * theirs


def test_planted_groups_are_the_circles_and_whoever_is_of_two_is_in_both() -> None:
    ties = planted(5, 9, 1)
    ties |= {("both", f"g{group}m{member}"): 0.9 for group in (0, 1) for member in range(5)}
    found = circles(ties)
    assert [{name.partition("m")[0] for name in one.core if name != "both"} for one in found].count({"g0"}) == 1
    assert len(found) == 5
    assert sum("both" in one.members for one in found) == 2
    assert sum("both" in one.core for one in found) == 1
    assert all(max(one.members.values()) == 1.0 for one in found)
    assert ALSO_TO == 2


def test_two_who_only_know_each_other_are_no_circle() -> None:
    assert circles({("a", "b"): 1.0}) == []
    assert circles({}) == []


def test_a_circle_is_called_after_what_most_share_and_few_others_have() -> None:
    town = Trait("PLACE", "leeds", "Leeds")
    people = {f"w{n}": Person(f"W{n}", (Trait("ORGANIZATION", "mill", "The Mill"), town)) for n in range(4)}
    people |= {f"s{n}": Person(f"S{n}", (town,)) for n in range(4)}
    people |= {"x0": Person("Xena"), "x1": Person("Yann"), "x2": Person("Zoe"), "w4": Person("W4", (town,))}
    work, street, others = call([["w0", "w1", "w2", "w3", "w4"], ["s0", "s1", "s2", "s3"], ["x1", "x0", "x2"]], people)
    assert work.name == "The Mill"
    assert work.commonality == ("4 of 5 are with The Mill.", "5 of 5 have an address in Leeds.")
    assert street.name == "Leeds"
    assert others == ("Yann, Xena and 1 more", ())


def test_no_two_circles_are_called_the_same() -> None:
    mill = Trait("ORGANIZATION", "mill", "The Mill")
    people = {f"w{n}": Person(f"W{n}", (mill,)) for n in range(6)}
    assert [one.name for one in call([["w0", "w1", "w2"], ["w3", "w4", "w5"]], people)] == ["The Mill", "The Mill, with W3"]
