"""Following long work: an event whenever it moves, none twice, an end when it has ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from resolvers.linking import LinkSession
from store.tables import account, import_run
from tests.asking import Clock, Desk
from tests.household import NOW
from tests.schema.village import Village


class Working(Clock):
    """A clock at whose every tick something else has moved on."""

    def __init__(self, desk: Desk, table: sa.Table, steps: list[dict[str, Any]]) -> None:
        super().__init__()
        self._desk, self._table, self._steps = desk, table, steps

    async def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        if self._steps:
            values = self._steps.pop(0)

            def write(conn: Connection, viewer: str) -> None:
                conn.execute(sa.update(self._table).where(self._table.c.viewer_id == viewer).values(**values))

            await self._desk.household.database.write(self._desk.household.viewer, write)


async def test_an_import_is_followed_to_its_end(desk: Desk, village: Village) -> None:
    start: dict[str, Any] = {"state": "QUEUED", "done": 0, "total": None, "started_at": None, "finished_at": None}
    steps: list[dict[str, Any]] = [
        {"state": "RUNNING", "started_at": NOW, "progress_at": NOW + timedelta(seconds=10), "done": 2, "total": 6},
        {},
        {"done": 4, "progress_at": NOW + timedelta(seconds=20)},
        {"state": "DONE", "done": 6, "finished_at": NOW + timedelta(seconds=30)},
    ]
    clock = Working(desk, import_run, [step or {"done": 2} for step in steps])
    await Working(desk, import_run, [start]).sleep(0)
    query = "subscription($id: ID!) { importProgress(importId: $id) { state progress { phase done total estimatedEndAt } } }"
    events = await Desk(desk.household, clock=clock).follow(query, 99, id=village.import_id)
    shown = [e["importProgress"] for e in events]
    assert [e["state"] for e in shown] == ["QUEUED", "RUNNING", "RUNNING", "DONE"]
    assert [e["progress"] and e["progress"]["done"] for e in shown] == [None, 2, 4, None]
    assert shown[1]["progress"]["estimatedEndAt"] == "2026-05-04T12:00:30.000Z"


async def test_synchronisation_is_followed_at_most_twice_a_second(desk: Desk, village: Village) -> None:
    moments: list[datetime] = []

    class Noting(Working):
        async def sleep(self, seconds: float) -> None:
            moments.append(self.time)
            await super().sleep(seconds)

    running = {"phase": "Reading messages", "progress_started_at": NOW, "progress_at": NOW, "total": 100}
    clock = Noting(desk, account, [{**running, "done": n * 10} for n in range(1, 5)])
    query = "subscription($id: ID) { syncProgress(accountId: $id) { account { id } phase done total } }"
    events = await Desk(desk.household, clock=clock).follow(query, 4, id=village.box)
    assert [e["syncProgress"]["done"] for e in events] == [10, 20, 30, 40]
    assert events[0]["syncProgress"]["account"]["id"] == village.box
    assert all(b - a >= timedelta(seconds=0.5) for a, b in pairwise(moments))


async def test_linking_is_followed_to_its_end(desk: Desk) -> None:
    states = ["AWAITING_CREDENTIALS", "AWAITING_CREDENTIALS", "VERIFYING", "LINKED"]

    class Steps:
        async def get(self, viewer: str, link_id: str) -> LinkSession | None:
            state: Any = states.pop(0)
            return LinkSession(id=link_id, state=state, expires_at=NOW)

    linking: Any = Steps()
    events = await Desk(desk.household, linking=linking).follow(
        "subscription($id: ID!) { linkProgress(linkId: $id) { state } }", 99, id="l_1"
    )
    assert [e["linkProgress"]["state"] for e in events] == ["AWAITING_CREDENTIALS", "VERIFYING", "LINKED"]
