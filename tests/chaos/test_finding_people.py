"""The proof of finding people, in small."""

from __future__ import annotations

from pathlib import Path

from tests.chaos import finding_people


async def test_people_are_found_in_every_way_that_somebody_types_them(tmp_path: Path) -> None:
    report = await finding_people.find_people(tmp_path, people=60, asked=5)
    assert report.broken == []
