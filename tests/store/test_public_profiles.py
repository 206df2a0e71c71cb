"""A public name leads to one viewer for good, on both databases, and what they show is theirs."""

from __future__ import annotations

import asyncio

from store import public_profiles
from store.database import Database
from store.public_profiles import Content, Profile
from tests.household import NOW, Household


async def test_what_a_viewer_shows_is_kept_and_no_other_viewer_has_it(database: Database) -> None:
    ada, grace = await Household.open(database, "u_ada"), await Household.open(database, "u_grace")
    assert await database.read(ada.viewer, public_profiles.get) == Profile()
    for published in (True, False):
        profile = Profile(published=published, name="ada", content=Content(note="Looms", links=("https://ada.example.org/",)))
        await database.write(ada.viewer, public_profiles.put, profile, NOW)
        assert await database.read(ada.viewer, public_profiles.get) == profile
    assert await database.read(grace.viewer, public_profiles.get) == Profile()


async def test_of_two_who_take_a_name_at_once_one_has_it_and_keeps_it(database: Database) -> None:
    both = [(await Household.open(database, viewer)).viewer for viewer in ("u_ada", "u_grace")]
    had = await asyncio.gather(*(database.write(viewer, public_profiles.take_name, "countess") for viewer in both))
    assert sorted(had) == [False, True]
    bearer = await database.system_read(public_profiles.bearer, "countess")
    assert bearer == both[had.index(True)]
    assert [await database.write(viewer, public_profiles.take_name, "countess") for viewer in both] == had
    assert await database.read(bearer, public_profiles.names_of) == ["countess"]
    assert await database.system_read(public_profiles.bearer, "nobody") is None
