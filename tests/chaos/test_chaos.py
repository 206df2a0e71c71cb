"""Each scenario in small: what is lost, cut or told twice is counted, and must be nothing."""

from __future__ import annotations

from pathlib import Path

from tests.chaos import killed_imports, reconnecting


def test_an_import_whose_worker_is_killed_three_times_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    report = killed_imports.kill_the_worker(tmp_path / "home", messages=1_500, kills=3)
    assert report.broken == []


def test_an_import_whose_command_is_killed_three_times_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    report = killed_imports.kill_the_command(tmp_path / "home", messages=1_500, kills=3)
    assert report.broken == []


async def test_a_client_that_reconnects_with_its_last_cursor_misses_no_change_and_gets_none_twice(tmp_path: Path) -> None:
    report = await reconnecting.follow_through_cuts(tmp_path / "home", events=600, reconnects=4)
    assert report.broken == []
