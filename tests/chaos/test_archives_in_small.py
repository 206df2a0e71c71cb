"""Archives and imports in small: killed, large, endless, in every form; nothing is lost, repeated or half there.

Wall-clock is left to `make proof`.
"""

from __future__ import annotations

from pathlib import Path

from tests.chaos import address_books, endless_archives, killed_imports, large_archives


def test_an_import_whose_worker_is_killed_three_times_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    assert killed_imports.kill_the_worker(tmp_path / "home", messages=5_000, kills=3, within=0.25).broken == []


def test_an_import_whose_command_is_killed_three_times_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    assert killed_imports.kill_the_command(tmp_path / "home", messages=1_500, kills=3, within=0.25).broken == []


def test_a_networks_export_whose_worker_is_killed_is_there_once_and_the_second_time_changes_nothing(tmp_path: Path) -> None:
    forms = tuple(form for form in large_archives.FORMS if form.provider == "facebook")
    report = large_archives.take_in_large(tmp_path / "home", messages=1_500, size=2_000_000, kills=1, within=0.1, forms=forms)
    assert report.broken == []


def test_archives_of_more_files_and_deeper_brackets_than_anybody_has_are_refused_or_read_in_bounded_memory(
    tmp_path: Path,
) -> None:
    report = endless_archives.meet_the_endless(tmp_path / "home", entries=210_000, crowd=0, depth=20_000, rows=0)
    assert report.broken == []


async def test_one_address_book_in_every_form_is_one_address_book_and_importing_it_again_changes_nothing(tmp_path: Path) -> None:
    report = await address_books.take_in_every_form(tmp_path / "home", contacts=60, broken=12)
    assert report.broken == []
