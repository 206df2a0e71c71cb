"""Changes of profiles: what a source said of somebody and says since stands in timelines, and nothing that is no change does."""

from __future__ import annotations

from typing import Any

import pytest

from providers import records
from resolvers.ingest import profile_changes
from tests.asking import Desk, nodes, pages
from tests.household import NOW, Household, card, mail

ITEM = """{ node { __typename occurredAt ... on ProfileChange { id field oldValue newValue sentence person { name } contact { id } } } }"""
EVERYBODY = f"""query($first: Int = 50, $after: Cursor, $filter: TimelineFilter) {{ viewer {{
  timeline(first: $first, after: $after, filter: $filter) {{
  totalCount pageInfo {{ hasNextPage endCursor }} edges {ITEM} }} }} }}"""
OF_ONE = f"""query($id: ID!, $filter: TimelineFilter) {{ person(by: {{ id: $id }}) {{ timeline(filter: $filter) {{ totalCount edges {ITEM} }} }} }}"""
ONLY = {"kinds": ["PROFILE_CHANGE"]}


def ada(name: str = "Ada Byron", *emails: str, **more: Any) -> records.Contact:
    return card("ada", name, *(emails or ("ada@example.org",)), **more)


def job(name: str, title: str | None = None) -> tuple[records.Organization, ...]:
    return (records.Organization(name=name, title=title),)


def photo(data: bytes) -> records.Photo:
    return records.Photo(media_type="image/png", data=data)


def home(street: str, locality: str) -> tuple[records.Address, ...]:
    return (records.Address(formatted=f"{street}\n{locality}", street=street, locality=locality),)


BEFORE: dict[str, Any] = {
    "organizations": job("Example Works", "Analyst"),
    "photo": photo(b"one"),
    "addresses": home("Low Road 1", "Lisbon"),
}
AFTER: dict[str, Any] = {
    "organizations": job("Nimbus", "Engineer"),
    "photo": photo(b"two"),
    "addresses": home("High Street 2", "Porto"),
}


async def told(desk: Desk, **where: Any) -> list[Any]:
    return nodes((await desk.ask(EVERYBODY, filter=ONLY | where))["viewer"]["timeline"])


async def test_another_job_name_picture_or_address_is_told_with_what_it_was(household: Household) -> None:
    book = await household.account("carddav", "book")
    desk = Desk(household)
    await household.take(book, ada(**BEFORE), card("bo", "Bo Diddley"))
    await household.take(book, ada("Ada Lovelace", **AFTER))
    found = {one["field"]: one for one in await told(desk)}
    assert {field: (one["oldValue"], one["newValue"]) for field, one in found.items()} == {
        "NAME": ("Ada Byron", "Ada Lovelace"),
        "ORGANIZATION": ("Analyst, Example Works", "Engineer, Nimbus"),
        "ADDRESS": ("Low Road 1, Lisbon", "High Street 2, Porto"),
        "PHOTO": (None, None),
    }
    assert found["NAME"]["sentence"] == "Ada Byron is called Ada Lovelace now."
    assert found["ORGANIZATION"]["sentence"] == "Ada Lovelace has another job: Engineer, Nimbus; before: Analyst, Example Works."
    assert {one["person"]["name"] for one in found.values()} == {"Ada Lovelace"}
    assert {one["occurredAt"] for one in found.values()} == {household.now.strftime("%Y-%m-%dT%H:%M:%S.000Z")}
    whole = await pages(desk, EVERYBODY, ["viewer", "timeline"], first=1, filter=ONLY)
    assert sorted(one["field"] for page in whole for one in page) == sorted(found)
    node = await desk.ask(
        "query($id: ID!) { node(id: $id) { ... on ProfileChange { field contact { id } } } }", id=found["NAME"]["id"]
    )
    assert node["node"] == {"field": "NAME", "contact": found["NAME"]["contact"]}


async def test_what_is_no_change_is_not_told(household: Household) -> None:
    book = await household.account("carddav", "book")
    desk = Desk(household)
    await household.take(book, ada())
    await household.take(book, ada(**BEFORE))  # filled in
    again = BEFORE | {"organizations": job("EXAMPLE WORKS", "analyst")}
    await household.take(book, ada("Byron, Ada", **again, note="spelled otherwise"))
    await household.take(book, ada())  # no more
    await household.take(book, ada(**BEFORE, updated_at=NOW))
    await household.take(book, ada(**AFTER, updated_at=NOW.replace(year=2020)))  # an older file
    box = await household.account("mbox", "mail")
    await household.take(box, mail(1, "x@example.org", name="Somebody"), mail(2, "x@example.org", name="Somebody Else"))
    assert await told(desk) == []


async def test_addresses_and_numbers_that_take_the_place_of_others_are_told(household: Household) -> None:
    book = await household.account("carddav", "book")
    desk = Desk(household)
    await household.take(book, ada("Ada", "a@example.org", "b@example.org", phones=["+447911123456"]))
    await household.take(book, ada("Ada", "b@example.org", "a@example.org", "c@example.org", phones=["+447911123456"]))
    assert await told(desk) == []
    await household.take(book, ada("Ada", "a@example.org", "d@example.org", phones=["+447911000000"]))
    assert {one["field"]: (one["oldValue"], one["newValue"]) for one in await told(desk)} == {
        "EMAIL": ("b@example.org", "d@example.org"),
        "PHONE": ("+447911123456", "+447911000000"),
    }


async def test_a_change_stands_with_whoever_has_the_contact_and_goes_with_it(household: Household) -> None:
    book, other = await household.account("carddav", "book"), await household.account("google", "cards")
    desk = Desk(household)
    await household.take(other, card("1", "Ada King", "king@example.org"))
    await household.take(book, ada(**BEFORE))
    await household.take(book, ada(**BEFORE | {"organizations": job("Nimbus")}))
    ids = {
        p["name"]: p["id"]
        for p in nodes((await desk.ask("{ viewer { people { edges { node { id name } } } } }"))["viewer"]["people"])
    }

    async def of(name: str) -> list[str]:
        found = (await desk.ask(OF_ONE, id=ids[name], filter=ONLY))["person"]["timeline"]
        assert found["totalCount"] == len(found["edges"])
        return [one["field"] for one in nodes(found)]

    assert (await of("Ada Byron"), await of("Ada King")) == (["ORGANIZATION"], [])
    merge = "mutation($ids: [ID!]) { mergePeople(input: { personIds: $ids }) { errors { message } } }"
    await desk.ask(merge, ids=[ids["Ada King"], ids["Ada Byron"]])
    assert await of("Ada King") == ["ORGANIZATION"]
    assert [len(await told(desk, accountIds=[account])) for account in (book, other)] == [1, 0]
    assert [len(await told(desk, providers=[provider])) for provider in ("carddav", "google")] == [1, 0]
    stranger = Desk(await Household.open(household.database, "u_kim"))
    (change,) = await told(desk)
    assert await told(stranger) == []
    assert await stranger.ask("query($id: ID!) { node(id: $id) { id } }", id=change["id"]) == {"node": None}
    await household.forget(book)
    assert await told(desk) == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_only_the_latest_changes_of_a_contact_are_kept(household: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_changes, "KEPT", 2)
    book = await household.account("carddav", "book")
    for n in range(5):
        await household.take(book, ada(organizations=job(f"Works {n}")))
    assert [one["newValue"] for one in await told(Desk(household))] == ["Works 4", "Works 3"]
