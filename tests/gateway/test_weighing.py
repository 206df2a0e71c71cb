"""When the picture of who is heard is drawn, and when it is taken away."""

from __future__ import annotations

from pathlib import Path

from store import leases
from tests.asking import Clock, Desk
from tests.household import Household
from tests.influence.audiences import settle, town
from tests.workshop import workshop

SCORES = "{ viewer { people { edges { node { influence { score } } } } } }"


async def test_a_picture_is_drawn_soon_after_something_came_and_taken_away_with_an_account(
    household: Household, tmp_path: Path
) -> None:
    desk = Desk(household)
    account = await settle(household, town(people=8, farm=0))
    clock = Clock()
    async with workshop(household.database, tmp_path, clock=clock) as shop:
        await household.database.system(leases.enqueue, household.viewer, "identity", household.viewer, shop.clock.now())
        assert await shop.worker.run_one(household.viewer, "identity", household.viewer)
        (job,) = await household.database.system_read(leases.listed, viewer=household.viewer, kind="standing")
        assert job.due > shop.clock.now(), "what comes in the next minutes is drawn with it"
        clock.time = job.due
        assert await shop.worker.run_one(household.viewer, "standing", household.viewer)
        assert all(edge["node"]["influence"] for edge in (await desk.ask(SCORES))["viewer"]["people"]["edges"])
        await household.database.system(leases.enqueue, household.viewer, "unlink", account, shop.clock.now())
        assert await shop.worker.run_one(household.viewer, "unlink", account)
        assert not any(edge["node"]["influence"] for edge in (await desk.ask(SCORES))["viewer"]["people"]["edges"])
