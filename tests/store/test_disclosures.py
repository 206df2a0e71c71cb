"""The log of what has left: how it is made to forget."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from store import disclosures
from store.database import Database
from store.disclosures import FORGOTTEN_AT_ONCE, LOOKUP, Entry
from tests.household import NOW, Household


async def test_a_log_forgets_what_is_old_a_slice_at_a_time_and_nothing_of_another_viewer(database: Database) -> None:
    entry = Entry(
        source="PUBLIC_WEB", purpose=LOOKUP, kind="URL", value="ada.example", recipient="ada.example", method="GET",
        url="https://ada.example/", body=None, sent=["https://ada.example/"],
    )  # fmt: skip
    robin, wren = await Household.open(database), await Household.open(database, "u_wren")

    def fill(conn: Connection, viewer: str) -> None:
        disclosures.begin(conn, viewer, [entry] * (FORGOTTEN_AT_ONCE + 1), NOW - timedelta(days=31))
        disclosures.begin(conn, viewer, [entry], NOW - timedelta(days=30))

    for household in (robin, wren):
        await database.write(household.viewer, fill)
    before = NOW - timedelta(days=30)
    assert await database.write(robin.viewer, disclosures.forget, before)
    assert not await database.write(robin.viewer, disclosures.forget, before)
    kept = [len(await database.read(one.viewer, disclosures.following, None, 1_000)) for one in (robin, wren)]
    assert kept == [1, FORGOTTEN_AT_ONCE + 2]
