"""The comparison of gateways asks Kith what it asks the others, through everything that a request passes in the product."""

from pathlib import Path

from benchmarks.gateway_workload import plot, run


def test_kith_answers_the_workload_with_one_call_for_the_posts_and_one_for_each_user(tmp_path: Path) -> None:
    servers, missing = run.run(tmp_path, run.Sizes(rounds=1, seconds=0.2, warm_up=0.1), (run.KITH, "ready bytes (ceiling)"))
    assert not missing
    seen = servers[run.KITH].seen
    assert [seen[query][0].bad for query in seen] == [0, 0, 0]
    assert [round(seen[query][0].calls) for query in seen] == [1, 11, 0]


def test_the_picture_puts_the_longest_bar_first_and_shows_names_as_they_are() -> None:
    picture = plot.svg({"posts": {"a<b": 10.0, "Kith": 20.0}}, "Kith")
    assert picture.index(">Kith<") < picture.index(">a&lt;b<") and plot.OURS in picture
