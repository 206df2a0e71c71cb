"""Values that many carry: they join nobody, what they had joined falls apart, and nobody's neighbours are all of a company. On both databases."""

from __future__ import annotations

from sqlalchemy import Connection, select

from resolvers.identity.clusters import MAX_CARRIERS
from resolvers.identity.resolve import Component, read_component
from store.tables import contact, dirty
from tests.household import Household, card

MANY = MAX_CARRIERS * 4 + 10
SITE = "https://boats.example.org"


async def owners(household: Household) -> dict[str, str]:
    """The person of each contact, by its key."""

    def read(conn: Connection, viewer: str) -> dict[str, str]:
        rows = conn.execute(select(contact.c.key, contact.c.person_id).where(contact.c.viewer_id == viewer))
        return {row.key: row.person_id for row in rows}

    return await household.database.read(household.viewer, read)


async def test_what_a_number_has_joined_falls_apart_once_a_crowd_carries_it_and_other_proof_goes_on_to_join(
    household: Household,
) -> None:
    desk = "+491711234567"
    account = await household.account("vcard", "cards")
    await household.take(
        account, card("a1", "Ada Quay", "ada@quay.example", phones=[desk]), card("a2", "Ada Quay", "a.quay@sail.example", phones=[desk]),
        card("b1", "Bo Sand", "bo@sand.example", phones=[desk, "+491720000001"]),
    )  # fmt: skip
    await household.resolve()
    other = await household.account("vcard", "more")
    await household.take(other, card("b2", "Bo Sand", "b.sand@sail.example", phones=["+491720000001"]))
    await household.resolve()
    before = await owners(household)
    assert before["b1"] == before["b2"]
    crowd = [card(f"n{n}", f"Person{n} Family{n}", f"n{n}@sail.example", phones=[desk]) for n in range(MANY)]
    await household.take(other, *crowd)
    await household.resolve()
    after = await owners(household)
    assert after["a1"] != after["a2"], "a switchboard's number, which only now shows itself as one"
    assert after["b1"] == after["b2"], "their own number holds them together"
    assert len({after[f"n{n}"] for n in range(MANY)}) == MANY


async def test_who_is_changed_at_a_company_is_decided_without_all_others_who_name_its_page(household: Household) -> None:
    work, home = await household.account("vcard", "work"), await household.account("vcard", "home")
    for account in (work, home):
        people = [card(f"{n}", f"Person{n} Family{n}", f"n{n}@boats.example", urls=[SITE]) for n in range(MANY)]
        await household.take(account, *people)
    await household.resolve()

    def touched(conn: Connection, viewer: str) -> Component:
        one = conn.execute(select(contact.c.id).where(contact.c.viewer_id == viewer, contact.c.key == "7").limit(1)).scalar_one()
        conn.execute(dirty.insert(), [{"viewer_id": viewer, "contact_id": one}])
        return read_component(conn, viewer, 10)

    component = await household.database.write(household.viewer, touched)
    assert len(component.facts) == 2, "their two cards"
    assert any(value.startswith("boats.example") for _, value in component.crowded)
