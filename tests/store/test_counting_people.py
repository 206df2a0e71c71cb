"""How many people there are, and how many share a key, without walking through all of them. On both databases."""

from __future__ import annotations

from sqlalchemy import Connection

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


async def test_of_a_key_its_people_are_counted_while_they_are_few_and_a_crowd_by_a_sample(household: Household) -> None:
    shared = {1: 1, 2: pairs.FEW - 1, 3: 900}

    def meet(conn: Connection, viewer: str) -> None:
        everybody = [ids.derive("PERSON", str(n)) for n in range(max(shared.values()))]
        pairs.meet(conn, viewer, {p: [key for key, count in shared.items() if n < count] for n, p in enumerate(everybody)})

    await household.database.write(household.viewer, meet)
    found = await household.database.read(household.viewer, pairs.counted, [*shared, 4])
    assert {key: found.get(key) for key in (1, 2, 4)} == {1: 1, 2: pairs.FEW - 1, 4: None}
    assert abs(found[3] - 900) < 300
    other = await Household.open(household.database, "u_other")
    assert await other.database.read(other.viewer, pairs.counted, list(shared)) == {}
