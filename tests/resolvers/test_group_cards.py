"""Groups that are cards are groups of their members: shown with them, told when they change, and never written over."""

from __future__ import annotations

from typing import Any

import pytest

from providers import records
from providers.base import Provider
from tests.asking import Desk, nodes
from tests.household import Household, card

ADA, BO = "6f2c1a52-0000-4000-8000-00000000000a", "6f2c1a52-0000-4000-8000-00000000000b"
SHOWN = "{ viewer { contacts { edges { node { id version names { full } groups { key name } } } } } }"


def group(key: str, name: str, *members: str) -> records.Contact:
    return records.Contact(key=key, relation="ADDRESS_BOOK", nature="GROUP", names=(records.Name(full=name),), members=members)


async def shown(household: Household) -> dict[str, Any]:
    """Version and groups of each contact, by name."""
    found = nodes((await Desk(household).ask(SHOWN))["viewer"]["contacts"])
    return {one["names"][0]["full"]: (one["version"], [(g["key"], g["name"]) for g in one["groups"]]) for one in found}


@pytest.fixture
async def book(household: Household) -> str:
    book = await household.account("carddav", "ada")
    await household.take(
        book,
        card("a.vcf", "Ada", uid=ADA, groups=("Sailing",)),
        card("b.vcf", "Bo", uid=BO),
        group("g.vcf", "Family", ADA, "nobody"),
    )
    return book


async def test_a_contact_shows_the_groups_of_its_record_and_those_whose_cards_name_it(household: Household, book: str) -> None:
    found = await shown(household)
    assert found["Ada"][1] == [("Sailing", "Sailing"), ("g.vcf", "Family")]
    assert (found["Bo"][1], found["Family"][1]) == ([], [])


async def test_members_are_newer_when_their_group_names_them_drops_them_or_is_called_otherwise(
    household: Household, book: str
) -> None:
    async def changes(*items: Any) -> set[str]:
        head = await household.head()
        await household.take(book, *items)
        versions = {one["id"]: one for one in nodes((await Desk(household).ask(SHOWN))["viewer"]["contacts"])}
        told = [c for c in await household.changes(head) if c.op == "UPSERT" and c.kind == "CONTACT"]
        assert all(versions[c.node_id]["version"] == c.node_version for c in told)
        return {versions[c.node_id]["names"][0]["full"] for c in told}

    assert await changes(group("g.vcf", "Family", ADA, BO)) == {"Family", "Bo"}
    assert await changes(group("g.vcf", "Family", ADA, BO)) == set()
    assert await changes(group("g.vcf", "Family", BO)) == {"Family", "Ada"}
    assert await changes(group("g.vcf", "Relatives", BO)) == {"Relatives", "Bo"}
    assert (await shown(household))["Bo"][1] == [("g.vcf", "Relatives")]
    assert await changes(records.Gone(kind="CONTACT", key="g.vcf")) == {"Bo"}
    assert (await shown(household))["Bo"][1] == []


async def test_a_group_of_another_account_or_viewer_names_nobody_here(household: Household, book: str) -> None:
    await household.take(await household.account("carddav", "other"), group("x.vcf", "Strangers", ADA, BO))
    eve = await Household.open(household.database, "u_eve")
    await eve.take(await eve.account("carddav", "ada"), group("y.vcf", "Hers", ADA))
    assert (await shown(household))["Bo"][1] == []


UPDATE = """mutation($id: ID!, $groups: [String!]) { updateContact(input: { contactId: $id, patch: { groups: $groups } }) {
    contact { groups { name } } errors { code field message } } }"""


async def test_a_change_of_groups_keeps_those_that_are_cards_and_never_makes_words_of_them(
    household: Household, book: str
) -> None:
    provider = Provider(
        key="carddav", name="Books", kind="ADDRESS_BOOK", mode="MIRRORED", capabilities=frozenset({"CONTACTS_WRITE"})
    )
    desk = Desk(household, providers={"carddav": provider})
    ada = next(one["id"] for one in nodes((await desk.ask(SHOWN))["viewer"]["contacts"]) if one["names"][0]["full"] == "Ada")
    done = (await desk.ask(UPDATE, id=ada, groups=["Family", "Rowing"]))["updateContact"]
    assert (done["errors"], done["contact"]["groups"]) == ([], [{"name": "Rowing"}, {"name": "Family"}])
    again = (await desk.ask(UPDATE, id=ada, groups=["Rowing"]))["updateContact"]
    assert [(e["code"], e["field"]) for e in again["errors"]] == [("UNSUPPORTED", ["patch", "groups"])]
    assert "Family" in again["errors"][0]["message"]
