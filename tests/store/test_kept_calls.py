"""Calls that were kept: in their order, once, until they are stored elsewhere, and never under a number that was given before."""

from __future__ import annotations

import pytest

from store import kept_calls
from store.database import Database
from tests.household import NOW, Household


async def bodies(house: Household, account_id: str, position: int = 0) -> list[tuple[int, bytes]]:
    found = await house.database.read(house.viewer, kept_calls.after, account_id, position, 10)
    return [(each.position, each.body) for each in found]


async def keep(house: Household, account_id: str, body: bytes) -> bool:
    return await house.database.write(house.viewer, kept_calls.keep, account_id, body, NOW)


async def test_calls_are_told_in_their_order_until_they_are_forgotten(database: Database) -> None:
    house = await Household.open(database, "u_ada")
    account_id = await house.account("telegram")
    for body in (b"1", b"2", b"3"):
        assert await keep(house, account_id, body)
    assert await bodies(house, account_id) == [(1, b"1"), (2, b"2"), (3, b"3")]
    assert await bodies(house, account_id, 2) == [(3, b"3")]
    await house.database.write(house.viewer, kept_calls.forget, account_id, 2)
    assert await bodies(house, account_id) == [(3, b"3")]


async def test_a_number_is_never_given_twice(database: Database) -> None:
    house = await Household.open(database, "u_ada")
    account_id = await house.account("telegram")
    await keep(house, account_id, b"1")
    await house.database.write(house.viewer, kept_calls.forget, account_id, 1)
    assert await bodies(house, account_id) == []
    await keep(house, account_id, b"2")
    assert await bodies(house, account_id, 1) == [(2, b"2")]


async def test_there_is_an_end_to_what_nobody_reads(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_calls, "MOST", 2)
    house = await Household.open(database, "u_ada")
    account_id = await house.account("telegram")
    assert [await keep(house, account_id, b"x") for _ in range(3)] == [True, True, False]
    assert not await keep(house, "account of nobody", b"x")


async def test_they_are_their_accounts_alone_and_go_with_it(database: Database) -> None:
    ada, bob = await Household.open(database, "u_ada"), await Household.open(database, "u_bob")
    hers, his = await ada.account("telegram"), await bob.account("telegram")
    await keep(ada, hers, b"hers")
    assert not await keep(bob, hers, b"his")
    assert await bodies(bob, his) == []
    await ada.forget(hers)
    assert await bodies(ada, hers) == []
