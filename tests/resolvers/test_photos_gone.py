"""A photo is erased with the last contact that shows it, or shows it no more, on both databases."""

from __future__ import annotations

import asyncio
import hashlib

import sqlalchemy as sa
from sqlalchemy import Connection

from providers import records
from resolvers.identity.pictures import look_at
from resolvers.ingest import sweep_photos
from store.tables import contact, photo, photo_look
from tests.faces import face, packed
from tests.household import Household, card

FACES = [records.Photo(media_type="image/jpeg", data=packed(face(n))) for n in (1, 2, 3)]
ONE, OTHER, THIRD = (hashlib.sha256(shown.data or b"").hexdigest() for shown in FACES)


async def kept(household: Household) -> tuple[set[str], set[str]]:
    """The digests of the photos, and of those of which it is known how they look."""

    def read(conn: Connection, viewer: str) -> tuple[set[str], set[str]]:
        ours = [set(conn.execute(sa.select(t.c.hash).where(t.c.viewer_id == viewer)).scalars()) for t in (photo, photo_look)]
        return ours[0], ours[1]

    return await household.database.read(household.viewer, read)


async def test_a_photo_goes_with_the_last_contact_that_shows_it_and_no_sooner(household: Household) -> None:
    both, alone, _ = FACES
    kim = await Household.open(household.database, "u_kim")
    for who in (household, kim):
        home, work = await who.account("vcard", "home"), await who.account("vcard", "work")
        await who.take(home, card("a", "Ada Byron", "ada@home.example", photo=both))
        await who.take(work, card("a", "Ada", "ada@work.example", photo=both), card("e", "Eve", "eve@work.example", photo=alone))
        await who.resolve()
        assert await kept(who) == ({ONE, OTHER}, {ONE, OTHER})
    home, work = await household.account("vcard", "home"), await household.account("vcard", "work")
    await household.forget(work)
    assert await kept(household) == ({ONE}, {ONE})
    await household.unlist(home, ["a"])
    assert await kept(household) == (set(), set())
    assert await kept(kim) == ({ONE, OTHER}, {ONE, OTHER})
    await household.take(home, card("a", "Ada Byron", "ada@home.example", photo=both))
    assert (await kept(household))[0] == {ONE}


async def test_one_that_is_replaced_or_taken_off_goes_at_once_unless_another_contact_shows_it(household: Household) -> None:
    first, second, third = FACES
    kim = await Household.open(household.database, "u_kim")
    for who in (household, kim):
        home = await who.account("vcard", "home")
        await who.take(
            home, card("a", "Ada Byron", "ada@home.example", photo=first), card("e", "Eve", "e@e.example", photo=first)
        )
        await who.resolve()
    home = await household.account("vcard", "home")
    await household.take(home, card("a", "Ada Byron", "ada@home.example", photo=second))
    assert await kept(household) == ({ONE, OTHER}, {ONE})
    await household.take(
        home, card("e", "Eve", "e@e.example", photo=third), card("a", "Ada Byron", "ada@home.example", photo=third)
    )
    assert await kept(household) == ({THIRD}, set())
    await household.resolve()
    assert await kept(household) == ({THIRD}, {THIRD})
    await household.take(
        home, card("e", "Eve", "e@e.example", photo=first), card("a", "Ada Byron", "ada@home.example", photo=first)
    )
    await household.take(home, card("e", "Eve Ray", "e@e.example", photo=first))  # changed otherwise
    assert await kept(household) == ({ONE}, set())
    await household.take(home, card("e", "Eve", "e@e.example"), card("a", "Ada Byron", "ada@home.example"))
    assert await kept(household) == (set(), set())
    assert await kept(kim) == ({ONE}, {ONE})


async def test_of_two_contacts_that_go_at_once_the_last_takes_it_along(household: Household) -> None:
    home, work = await household.account("vcard", "home"), await household.account("vcard", "work")
    for _ in range(3):
        await household.take(home, card("a", "Ada Byron", "ada@home.example", photo=FACES[0]))
        await household.take(work, card("a", "Eve Ray", "eve@work.example", photo=FACES[0]))
        await asyncio.gather(household.unlist(home, ["a"]), household.unlist(work, ["a"]))
        assert await kept(household) == (set(), set())


async def test_of_one_that_goes_while_it_is_looked_at_nothing_is_kept(household: Household) -> None:
    home = await household.account("vcard", "home")
    await household.take(home, card("a", "Ada Byron", "ada@home.example", photo=FACES[1]))
    await look_at(household.database, household.viewer, {ONE, OTHER})  # the first was replaced after somebody had seen it
    assert await kept(household) == ({OTHER}, {OTHER})


async def test_what_was_left_by_a_release_before_is_swept_up(household: Household) -> None:
    home = await household.account("vcard", "home")
    kim = await Household.open(household.database, "u_kim")

    def leave(conn: Connection, viewer: str) -> None:
        for hashed in (ONE, OTHER):
            conn.execute(photo.insert().values(viewer_id=viewer, hash=hashed, media_type="image/jpeg", data=b"x"))
            conn.execute(photo_look.insert().values(viewer_id=viewer, hash=hashed))
        conn.execute(photo_look.insert().values(viewer_id=viewer, hash=THIRD))

    for who in (household, kim):
        await who.database.write(who.viewer, leave)
    await household.take(home, card("a", "Ada Byron", "ada@home.example", photo=FACES[0]))
    after: str | None = ""
    while after is not None:
        after = await household.database.write_behind(household.viewer, sweep_photos, after)
    assert await kept(household) == ({ONE}, {ONE})
    assert await kept(kim) == ({ONE, OTHER}, {ONE, OTHER, THIRD})


async def test_contacts_show_photos_that_are_there(household: Household) -> None:
    home, work = await household.account("vcard", "home"), await household.account("vcard", "work")
    for n in range(12):
        book = (home, work)[n % 2]
        await household.take(
            book, *(card(key, f"Person {key}", f"{key}@home.example", photo=FACES[(n + m) % 3]) for m, key in enumerate("abc"))
        )

        def shown(conn: Connection, viewer: str) -> set[str]:
            return set(conn.execute(sa.select(contact.c.photo_hash).where(contact.c.viewer_id == viewer)).scalars())

        assert (await kept(household))[0] == await household.database.read(household.viewer, shown)
