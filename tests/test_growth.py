"""The curves of growth, in small: each way of asking for a page is measured on what was put into the store, and drawn."""

from __future__ import annotations

from pathlib import Path

from benchmarks import figures, growth, lines


def test_a_page_is_measured_cold_warm_cached_and_not_modified(tmp_path: Path) -> None:
    rows = growth.run(tmp_path, growth.CURVES["people"], [3], requests=4, starts=1)
    assert [row["way"] for row in rows] == ["cold", "warm", "cached", "not modified"]
    assert all(row["size"] == 3 and row["page"] == "people" and row["calls to networks"] == 0 for row in rows)
    made, given = rows[1]["SQL statements"], rows[2]["SQL statements"]
    assert isinstance(made, int) and made > 0 and given is None
    assert set(growth.points(rows)) == {"cold", "warm", "cached", "not modified"}


def test_curves_are_drawn_with_their_names_as_they_are() -> None:
    picture = lines.svg({"a<b": {"warm": [(100, 2.0), (10_000, 4.0)], "none": [(0, 0)]}}, "ms")
    assert "a&lt;b" in picture and picture.count("<polyline") == 1 and ">10,000<" in picture


def test_the_picture_shows_every_curve_that_is_recorded_whenever_it_was_measured(tmp_path: Path) -> None:
    file = tmp_path / "figures.md"
    file.write_text("# Figures\n")
    assert growth.picture(file).count("<polyline") == 0
    for name, sizes in (("people", (100, 1_000)), ("accounts", (1, 10)), ("pages", (10_000,))):
        rows = [{"size": size, "page": "people", "way": "warm", "CPU, ms": 2.5} for size in sizes]
        figures.record(f"Kith's own pages: {name}", rows, file=file)
    assert figures.recorded("Kith's own pages: people", file)[1] == {
        "size": "1,000",
        "page": "people",
        "way": "warm",
        "CPU, ms": "2.50",
    }
    shown = growth.picture(file)
    assert shown.count("<polyline") == 2 and growth.CURVES["people"].about in shown and growth.CURVES["accounts"].about in shown
