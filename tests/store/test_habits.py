"""What a viewer usually asks for is remembered, a little of it, and by nobody else."""

from __future__ import annotations

from datetime import timedelta

from store import habits
from store.database import Database
from tests.household import NOW, Household

LONG_AGO = NOW - timedelta(days=30)


def page(number: int, *, weight: float = 2.0, days: int = 0) -> habits.Habit:
    return habits.Habit(
        id=f"page-{number:02}", document="d1", operation="", variables='{"first":5}', scopes="READ", odds=b"\x80", weight=weight,
        asked_at=NOW - timedelta(days=days),
    )  # fmt: skip


async def test_the_weightiest_pages_are_remembered_and_no_more_than_there_is_room_for(database: Database) -> None:
    household = await Household.open(database)
    await database.write(household.viewer, habits.put, [page(n, weight=n) for n in range(habits.MOST + 5)], before=LONG_AGO)
    found = await database.read(household.viewer, habits.of)
    assert [one.id for one in found] == [f"page-{n:02}" for n in reversed(range(5, habits.MOST + 5))]
    assert found[0] == page(habits.MOST + 4, weight=habits.MOST + 4)


async def test_a_page_that_is_remembered_again_is_the_newer_one_and_an_old_one_is_forgotten(database: Database) -> None:
    household = await Household.open(database)
    await database.write(household.viewer, habits.put, [page(1), page(2, days=31)], before=NOW - timedelta(days=60))
    await database.write(household.viewer, habits.put, [page(1, weight=5.0)], before=LONG_AGO)
    assert await database.read(household.viewer, habits.of) == [page(1, weight=5.0)]


async def test_nobody_is_shown_what_another_usually_asks_for(database: Database) -> None:
    robin, kim = await Household.open(database, "u_robin"), await Household.open(database, "u_kim")
    await database.write(robin.viewer, habits.put, [page(1)], before=LONG_AGO)
    assert await database.read(kim.viewer, habits.of) == []
    await database.write(kim.viewer, habits.put, [page(2)], before=NOW + timedelta(days=1))
    assert [one.id for one in await database.read(robin.viewer, habits.of)] == ["page-01"]


async def test_learning_what_is_usual_changes_no_answer(database: Database) -> None:
    household = await Household.open(database)
    before = await database.revision(household.viewer)
    await database.write(household.viewer, habits.put, [page(1)], before=LONG_AGO)
    assert await database.revision(household.viewer) == before
