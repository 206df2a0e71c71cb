"""Ranks equal those of networkx, whatever the graph."""

from __future__ import annotations

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolvers.influence.graph import ranks

NODES = [f"n{number}" for number in range(12)]
EDGES = st.lists(
    st.tuples(st.sampled_from(NODES), st.sampled_from(NODES), st.floats(0.01, 50)), max_size=60
)  # fmt: skip


def by_networkx(edges: list[tuple[str, str, float]], seed: str) -> dict[str, float]:
    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_node(seed)
    for source, target, weight in edges:
        known = graph.get_edge_data(source, target, {"weight": 0.0})["weight"]
        graph.add_edge(source, target, weight=known + weight)
    found: dict[str, float] = networkx.pagerank(graph, alpha=0.85, personalization={seed: 1.0}, tol=1e-12, max_iter=1_000)
    return found


@settings(deadline=None, max_examples=60)
@given(EDGES)
def test_ranks_are_those_of_networkx(edges: list[tuple[str, str, float]]) -> None:
    mine, theirs = ranks(edges, "n0"), by_networkx(edges, "n0")
    assert sum(mine.values()) == pytest.approx(1.0)
    for node, rank in theirs.items():
        assert mine.get(node, 0.0) == pytest.approx(rank, abs=1e-7)


def test_whoever_the_seed_does_not_reach_has_no_rank_however_many_links_they_make() -> None:
    farm = [(f"f{n}", f"f{m}", 9.0) for n in range(20) for m in range(20) if n != m] + [(f"f{n}", "star", 9.0) for n in range(20)]
    found = ranks([("me", "ada", 1.0), ("ada", "me", 1.0), *farm], "me")
    assert set(found) == {"me", "ada"}


@settings(deadline=None, max_examples=60)
@given(EDGES, st.sampled_from(NODES), st.sampled_from(NODES[1:]))
def test_one_more_link_to_somebody_never_lowers_their_rank(
    edges: list[tuple[str, str, float]], source: str, target: str
) -> None:  # fmt: skip
    before = ranks(edges, "n0").get(target, 0.0)
    assert ranks([*edges, (source, target, 1.0)], "n0").get(target, 0.0) >= before - 1e-7
