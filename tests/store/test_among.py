"""Rows by a list of values, on both databases: whatever the list, and never another viewer's."""

from __future__ import annotations

from sqlalchemy import Connection, select

from store.among import among, asked
from store.tables import message
from tests.household import ME, Household, mail

SUBJECTS = select(message.c.subject).where(among(message.c.subject)).order_by(message.c.subject)


def subjects(conn: Connection, viewer: str, wanted: list[str]) -> list[str | None]:
    return list(conn.execute(SUBJECTS, asked(viewer, wanted)).scalars())


async def test_a_list_of_any_length_and_any_letters_finds_exactly_its_rows(household: Household) -> None:
    box = await household.account("mbox", ME, own=[ME])
    odd = ['a "quoted" one', "{curly, braces}", "it's", "Łódź 東京", "back\\slash", "NULL"]
    await household.take(box, *(mail(n, "ada@example.org", subject=subject) for n, subject in enumerate(odd)))
    read = household.database.read
    assert await read(household.viewer, subjects, odd) == sorted(odd)
    assert await read(household.viewer, subjects, []) == []
    assert await read(household.viewer, subjects, [f"nobody wrote {n}" for n in range(40_000)] + ["it's", "it's"]) == ["it's"]


async def test_another_viewer_finds_nothing_by_the_same_list(household: Household) -> None:
    box = await household.account("mbox", ME, own=[ME])
    await household.take(box, mail(1, "ada@example.org", subject="Mine"))
    other = await Household.open(household.database, "u_other")
    assert await household.database.read(other.viewer, subjects, ["Mine"]) == []
