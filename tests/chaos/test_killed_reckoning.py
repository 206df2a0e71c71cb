"""Jobs behind the answers, killed at each of their commits, in small."""

from __future__ import annotations

from pathlib import Path

from tests.chaos import killed_reckoning


async def test_a_job_that_is_killed_and_done_again_ends_with_the_same_answers(tmp_path: Path) -> None:
    report = await killed_reckoning.reckon(tmp_path)
    assert report.broken == []
