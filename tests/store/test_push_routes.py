"""Routes of networks that call: one account by an address of its own, every viewer's by a name, and nobody by another's."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from store import push_routes, viewers
from store.database import Database
from store.push_routes import digest_of_name
from tests.household import NOW, Household

KEY = b"k" * 32
NAME = digest_of_name(KEY, "gmail", "ada@example.org")
SOON = NOW + timedelta(days=7)


async def two(database: Database) -> tuple[Household, str, Household, str]:
    """Two viewers who have linked the same mailbox."""
    ada, bob = await Household.open(database, "u_ada"), await Household.open(database, "u_bob")
    return ada, await ada.account("gmail", "ada@example.org"), bob, await bob.account("gmail", "ada@example.org")


async def test_a_name_means_every_viewers_account_and_another_name_nobodys(database: Database) -> None:
    ada, hers, bob, his = await two(database)
    await database.write(ada.viewer, push_routes.put_name, hers, "gmail", NAME, SOON, NOW)
    await database.write(bob.viewer, push_routes.put_name, his, "gmail", NAME, SOON, NOW)
    found = await database.system_read(push_routes.called, "gmail", [NAME])
    assert [(route.viewer_id, route.account_id) for route in found] == [(ada.viewer, hers), (bob.viewer, his)]
    other = digest_of_name(KEY, "gmail", "eve@example.org")
    assert await database.system_read(push_routes.called, "gmail", [other]) == []
    assert await database.system_read(push_routes.called, "other", [NAME]) == []
    assert await database.system_read(push_routes.called, "gmail", []) == []
    assert await database.system_read(push_routes.live, ada.viewer, hers, NOW)
    assert not await database.system_read(push_routes.live, ada.viewer, hers, SOON)


async def test_a_disabled_viewer_is_not_meant(database: Database) -> None:
    ada, hers, bob, his = await two(database)
    await database.write(ada.viewer, push_routes.put_name, hers, "gmail", NAME, SOON, NOW)
    await database.write(bob.viewer, push_routes.put_name, his, "gmail", NAME, SOON, NOW)
    await database.system(viewers.disable, ada.viewer, NOW)
    found = await database.system_read(push_routes.called, "gmail", [NAME])
    assert [route.account_id for route in found] == [his]


async def test_whether_an_account_is_alone_with_its_name_is_known(database: Database) -> None:
    ada, hers, bob, his = await two(database)
    assert not await database.system_read(push_routes.alone, ada.viewer, hers)
    for _ in range(2):  # prolonged, it is still one
        await database.write(ada.viewer, push_routes.put_name, hers, "gmail", NAME, SOON, NOW)
    assert await database.system_read(push_routes.alone, ada.viewer, hers)
    await database.write(bob.viewer, push_routes.put_name, his, "gmail", NAME, SOON, NOW)
    assert not await database.system_read(push_routes.alone, ada.viewer, hers)
    await bob.forget(his)
    assert await database.system_read(push_routes.alone, ada.viewer, hers)


async def test_an_address_of_its_own_is_one_accounts_as_ever(database: Database) -> None:
    ada, hers, bob, his = await two(database)
    await database.write(ada.viewer, push_routes.put, hers, "microsoft", "token-a", b"sealed", NOW)
    await database.write(bob.viewer, push_routes.put, his, "microsoft", "token-b", b"sealed", NOW)
    route = await database.system_read(push_routes.find, "token-a")
    assert route is not None
    assert (route.viewer_id, route.account_id) == (ada.viewer, hers)
    assert await database.system_read(push_routes.find, "token-c") is None
    assert await database.system_read(push_routes.alone, ada.viewer, hers)

    def kept(conn: Connection, viewer: str) -> bytes | None:
        return push_routes.sealed(conn, viewer, hers)

    assert await database.read(ada.viewer, kept) == b"sealed"
    await database.write(ada.viewer, push_routes.put_name, hers, "gmail", NAME, SOON, NOW)
    assert await database.system_read(push_routes.find, "token-a") is None
    assert await database.read(ada.viewer, kept) is None


async def test_an_account_of_several_names_is_meant_once_by_any_of_them(database: Database) -> None:
    ada, hers, bob, his = await two(database)
    names = [digest_of_name(KEY, "facebook", each) for each in ("700", "800", "900")]
    await database.write(ada.viewer, push_routes.put_name, hers, "facebook", names[0], SOON, NOW, more=names[1:])
    await database.write(bob.viewer, push_routes.put_name, his, "facebook", names[1], SOON, NOW)
    found = await database.system_read(push_routes.called, "facebook", names)
    assert [route.account_id for route in found] == [hers, his]
    assert [route.account_id for route in await database.system_read(push_routes.called, "facebook", names[2:])] == [hers]
    assert not await database.system_read(push_routes.alone, ada.viewer, hers)
    await bob.forget(his)
    assert await database.system_read(push_routes.alone, ada.viewer, hers)
    await database.write(ada.viewer, push_routes.put_name, hers, "facebook", names[0], SOON, NOW)  # a page that was given up
    assert await database.system_read(push_routes.called, "facebook", names[1:]) == []


async def test_a_network_says_by_calling_how_long_it_will(database: Database) -> None:
    ada, hers, bob, his = await two(database)
    for household, account in ((ada, hers), (bob, his)):
        await database.write(household.viewer, push_routes.put, account, "feeds", account, b"sealed", NOW)
    await database.write(ada.viewer, push_routes.prolong, hers, SOON)
    assert await database.system_read(push_routes.live, ada.viewer, hers, NOW)
    assert not await database.system_read(push_routes.live, bob.viewer, his, NOW)
    await database.write(bob.viewer, push_routes.prolong, hers, NOW)
    assert await database.system_read(push_routes.live, ada.viewer, hers, NOW), "it is not his"
    await database.write(ada.viewer, push_routes.prolong, hers, NOW)
    assert not await database.system_read(push_routes.live, ada.viewer, hers, NOW)
