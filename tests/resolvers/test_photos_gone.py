"""A photo is erased with the last contact that shows it, on both databases."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from sqlalchemy import Connection

from providers import records
from store.tables import photo, photo_look
from tests.faces import face, packed
from tests.household import Household, card


async def kept(household: Household) -> tuple[set[str], set[str]]:
    """The digests of the photos, and of those of which it is known how they look."""

    def read(conn: Connection, viewer: str) -> tuple[set[str], set[str]]:
        ours = [set(conn.execute(sa.select(t.c.hash).where(t.c.viewer_id == viewer)).scalars()) for t in (photo, photo_look)]
        return ours[0], ours[1]

    return await household.database.read(household.viewer, read)


async def test_a_photo_goes_with_the_last_contact_that_shows_it_and_no_sooner(household: Household) -> None:
    both, alone = (records.Photo(media_type="image/jpeg", data=packed(face(n))) for n in (1, 2))
    one, other = (hashlib.sha256(shown.data or b"").hexdigest() for shown in (both, alone))
    kim = await Household.open(household.database, "u_kim")
    for who in (household, kim):
        home, work = await who.account("vcard", "home"), await who.account("vcard", "work")
        await who.take(home, card("a", "Ada Byron", "ada@home.example", photo=both))
        await who.take(work, card("a", "Ada", "ada@work.example", photo=both), card("e", "Eve", "eve@work.example", photo=alone))
        await who.resolve()
        assert await kept(who) == ({one, other}, {one, other})
    home, work = await household.account("vcard", "home"), await household.account("vcard", "work")
    await household.forget(work)
    assert await kept(household) == ({one}, {one})
    await household.unlist(home, ["a"])
    assert await kept(household) == (set(), set())
    assert await kept(kim) == ({one, other}, {one, other})
    await household.take(home, card("a", "Ada Byron", "ada@home.example", photo=both))
    assert (await kept(household))[0] == {one}
