"""docs/figures.md holds the latest run of each promise and of each benchmark, and nothing else."""

from __future__ import annotations

from pathlib import Path

from benchmarks import figures


def test_a_run_takes_the_place_of_the_one_before_it_and_a_first_one_goes_to_the_end(tmp_path: Path) -> None:
    file = tmp_path / "figures.md"
    file.write_text("# Figures\n\nWhat was measured.\n")
    figures.record("Line a: first", [{"figure": "took, s", "value": 1.0}], "Held.", file)
    figures.record("Line b: second", [{"figure": "a | b", "value": 2000}], "Held.", file)
    figures.record("Line a: first", [{"figure": "took, s", "value": 3.0}], "Did not hold.", file)
    written = file.read_text()
    assert written.startswith("# Figures\n\nWhat was measured.\n\n## Line a: first\n\n")
    assert "| took, s | 3.00 |" in written and "| took, s | 1.00 |" not in written and written.count("## Line a") == 1
    assert written.index("Did not hold.") < written.index("## Line b: second")
    assert written.endswith("| a \\| b | 2,000 |\n")
