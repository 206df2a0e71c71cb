"""Changes of a public profile that come at the same time are all kept, on both databases."""

from __future__ import annotations

import asyncio

from store.database import Database
from tests.asking import Desk
from tests.household import Household

WRITE = "mutation Write($input: UpdatePublicProfileInput!) { updatePublicProfile(input: $input) { errors { code } } }"
READ = "{ viewer { publicProfile { published name displayName note locality country jobTitle organization } } }"


async def test_no_change_undoes_another_that_comes_at_the_same_time(database: Database) -> None:
    desk = Desk(await Household.open(database, "u_ada"))
    await desk.ask(WRITE, input={"name": "ada", "published": True})
    fields = ("displayName", "note", "locality", "country", "jobTitle", "organization")
    changes = [{"published": False}, *({name: name} for name in fields)]
    await asyncio.gather(*(desk.ask(WRITE, input=change) for change in changes))
    shown = (await desk.ask(READ))["viewer"]["publicProfile"]
    assert shown == {"published": False, "name": "ada", **{name: name for name in fields}}
