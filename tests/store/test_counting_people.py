"""How many people there are, without walking through all of them. On both databases."""

from __future__ import annotations

from store import ids, pairs
from tests.household import Household, card


def test_ids_stand_evenly_and_in_the_order_in_which_texts_are_sorted() -> None:
    places = [ids.place(node_id) for node_id in sorted(ids.derive("PERSON", str(n)) for n in range(4_000))]
    assert places == sorted(places)
    assert all(abs(place - (n + 1) / len(places)) < 0.04 for n, place in enumerate(places))


async def test_few_people_are_counted_and_of_many_a_sample_says_about_how_many(household: Household) -> None:
    account = await household.account("vcard", "cards")
    await household.take(account, *(card(f"c{n}", f"Keeper {n}", f"keeper{n}@example.org") for n in range(400)))
    assert await household.database.read(household.viewer, pairs.total) == 400
    about = await household.database.read(household.viewer, pairs.total, 200)
    assert abs(about - 400) < 80
