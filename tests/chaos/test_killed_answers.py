"""Processes that are killed while they answer and write, in small."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import fresh, servers
from tests.chaos import killed_answers


@pytest.mark.parametrize(("where", "deaths"), [("sqlite", 3), ("postgresql", 1)])
async def test_no_answer_outlives_a_killed_process_in_which_it_was_true(
    tmp_path: Path, request: pytest.FixtureRequest, redis_server: servers.Running, where: str, deaths: int
) -> None:
    if where == "sqlite":
        file = tmp_path / "kith" / "kith.db"
        await fresh.sqlite(file)
        report = await killed_answers.kill(tmp_path, database=f"sqlite:///{file}", redis=redis_server.url, deaths=deaths)
    else:
        place = await fresh.postgresql(request.getfixturevalue("postgres_server"))
        try:
            report = await killed_answers.kill(tmp_path, database=place.app_url, redis=redis_server.url, deaths=deaths)
        finally:
            place.drop()
    assert report.broken == []
