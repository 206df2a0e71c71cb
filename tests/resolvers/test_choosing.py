"""What is shown first of a person: by rules that weigh sources and age, by the viewer's hand for ever, and where sources disagree."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from providers import records
from tests.asking import Desk, nodes
from tests.household import Household, card, follower

ON_ONE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # where the databases have nothing to differ in
ADA = "ada@example.org"
PERSON = """query ($email: EmailAddress = "ada@example.org") { person(by: {email: $email}) { id version name sortName initials
  names { full preferred chosen sources { contact { id } } } emails { address preferred chosen } birthday { year month day chosen }
  organizations { name title preferred chosen } addresses { locality preferred chosen } bio { value chosen } photo { hash }
  contacts { edges { node { id account { label } } } }
  conflicts { field sentence values { __typename preferred chosen sources { contact { id } }
    ... on SourcedName { full } ... on SourcedDate { year month day }
    ... on SourcedOrganization { name } ... on SourcedAddress { locality } } } } }"""
CHOOSE = """mutation ($input: ChoosePreferredInput!) { choosePreferred(input: $input) { person { id name } feedCursor
  errors { __typename code message field } } }"""
MERGE = """mutation ($ids: [ID!]) { mergePeople(input: {personIds: $ids}) { merge { id } errors { code } } }"""
UNMERGE = "mutation ($merge: ID) { unmerge(input: {mergeId: $merge}) { people { id name } errors { code } } }"


@pytest.fixture
def desk(household: Household) -> Desk:
    return Desk(household)


async def person(desk: Desk, email: str = ADA) -> Any:
    return (await desk.ask(PERSON, email=email))["person"]


async def choose(desk: Desk, who: Any, field: str, contact: str | None = None, value: str | None = None) -> Any:
    given = {"personId": who["id"], "field": field, "contactId": contact, "value": value}
    return (await desk.ask(CHOOSE, input=given))["choosePreferred"]


async def join(desk: Desk, *people: Any) -> str:
    """Say that they are one person; the decision."""
    done = (await desk.ask(MERGE, ids=[one["id"] for one in people]))["mergePeople"]
    assert done["errors"] == []
    return str(done["merge"]["id"])


def records_of(who: Any) -> dict[str, str]:
    """The records of a person by the account's label."""
    return {c["account"]["label"]: c["id"] for c in nodes(who["contacts"])}


def says(name: str, key: str = "ada", **more: Any) -> records.Contact:
    return card(key, name, ADA, **more)


def born(day: int, month: int = 12, year: int | None = 1815) -> tuple[records.PartialDate, ...]:
    return (records.PartialDate(label="birthday", year=year, month=month, day=day),)


def works(name: str) -> tuple[records.Organization, ...]:
    return (records.Organization(name=name),)


async def two_books(desk: Desk, home: records.Contact, work: records.Contact) -> tuple[str, str]:
    """The same person in two address books."""
    accounts = [await desk.household.account("vcard", name) for name in ("home", "work")]
    await desk.household.take(accounts[0], home)
    await desk.household.take(accounts[1], work)
    await desk.household.resolve()
    return accounts[0], accounts[1]


async def test_a_value_chosen_by_hand_stays_through_syncs_and_until_it_is_taken_back(desk: Desk) -> None:
    home, work = await two_books(desk, says("Ada Byron"), says("Ada King"))
    who = await person(desk)
    assert (who["name"], [n["chosen"] for n in who["names"]]) == ("Ada Byron", [False, False])
    done = await choose(desk, who, "NAME", records_of(who)["vcard work"])
    assert (done["person"], done["errors"]) == ({"id": who["id"], "name": "Ada King"}, [])
    chosen = await person(desk)
    assert (chosen["name"], chosen["sortName"], chosen["initials"]) == ("Ada King", "king ada", "AK")
    assert [(n["full"], n["preferred"], n["chosen"]) for n in chosen["names"]] == [
        ("Ada King", True, True), ("Ada Byron", False, False),
    ]  # fmt: skip
    assert chosen["version"] > who["version"]
    assert done["feedCursor"] is not None
    await desk.household.take(home, says("Ada Byron", bio="Writes programs."))
    await desk.household.take(work, says("Ada M. King"))  # the record was chosen: what it says now is shown
    await desk.household.resolve()
    assert (await person(desk))["name"] == "Ada M. King"
    await choose(desk, who, "NAME")
    assert (await person(desk))["name"] == "Ada Byron"


async def test_a_value_that_was_named_stays_whatever_its_record_says_later_and_when_its_account_is_gone(desk: Desk) -> None:
    _, work = await two_books(desk, says("Ada Byron"), says("Ada King"))
    who = await person(desk)
    assert (await choose(desk, who, "NAME", records_of(who)["vcard work"], "ada king"))["errors"] == []
    await desk.household.take(work, says("Ada"))
    await desk.household.resolve()
    after = await person(desk)
    assert (after["name"], after["names"][0]["sources"]) == ("Ada King", [])
    await desk.household.forget(work)
    await desk.household.resolve()
    left = await person(desk)
    assert (left["name"], left["names"][0]["chosen"], [n["full"] for n in left["names"]]) == (
        "Ada King", True, ["Ada King", "Ada Byron"],
    )  # fmt: skip
    await choose(desk, left, "NAME")
    assert [n["full"] for n in (await person(desk))["names"]] == ["Ada Byron"]


async def test_choices_go_with_their_people_through_a_merge_and_back(desk: Desk) -> None:
    book = await desk.household.account("vcard", "home")
    await desk.household.take(book, card("a", "Ada Byron", ADA, organizations=(*works("Engines"), *works("Looms"))))
    await desk.household.take(book, card("k", "Ada King", "king@example.org", organizations=works("Estates")))
    await desk.household.resolve()
    ada, king = await person(desk), await person(desk, "king@example.org")
    await choose(desk, ada, "ORGANIZATION", records_of(ada)["vcard home"], "Looms")
    await choose(desk, king, "ORGANIZATION", records_of(king)["vcard home"])
    before = [await person(desk, email) for email in (ADA, "king@example.org")]
    merge = await join(desk, ada, king)
    both = await person(desk)
    assert [(o["name"], o["chosen"]) for o in both["organizations"]] == [("Estates", True), ("Engines", False), ("Looms", False)]
    await desk.ask(UNMERGE, merge=merge)
    after = [await person(desk, email) for email in (ADA, "king@example.org")]
    assert [one | {"version": 0} for one in after] == [one | {"version": 0} for one in before]
    assert after[0]["organizations"][0] | {"title": None} == {"name": "Looms", "title": None, "preferred": True, "chosen": True}


async def test_what_was_chosen_of_a_record_leaves_with_it_and_of_a_person_who_is_gone_nothing_is_kept(desk: Desk) -> None:
    _, work = await two_books(desk, says("Ada Byron", bio="At home."), card("k", "Ada King", "king@example.org", bio="At work."))
    ada, king = await person(desk), await person(desk, "king@example.org")
    merge = await join(desk, ada, king)
    await choose(desk, await person(desk), "BIO", records_of(king)["vcard work"])
    assert (await person(desk))["bio"] == {"value": "At work.", "chosen": True}
    await desk.ask(UNMERGE, merge=merge)
    assert (await person(desk))["bio"] == {"value": "At home.", "chosen": False}
    assert (await person(desk, "king@example.org"))["bio"] == {"value": "At work.", "chosen": True}
    await desk.household.forget(work)
    await desk.household.resolve()
    assert (await person(desk))["bio"] == {"value": "At home.", "chosen": False}
    assert await person(desk, "king@example.org") is None
    rows = await desk.household.database.read(
        desk.household.viewer, lambda conn, viewer: conn.exec_driver_sql("select value from choice").all()
    )
    assert rows == [(None,)]
    again = await desk.household.account("vcard", "work")
    await desk.household.take(again, card("k", "Ada King", "king@example.org", bio="At work again."))
    await desk.household.resolve()
    assert (await person(desk, "king@example.org"))["bio"] == {"value": "At work again.", "chosen": True}


@ON_ONE
@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"personId": "p_nobody"}, "NOT_FOUND", ["personId"]),
        ({"personId": "c_a"}, "WRONG_KIND", ["personId"]),
        ({"contactId": "c_nobody"}, "NOT_FOUND", ["contactId"]),
        ({"contactId": "p_a"}, "WRONG_KIND", ["contactId"]),
        ({"value": "Ada Lovelace"}, "INVALID", ["value"]),
        ({"value": "x" * 10_001}, "TOO_LONG", ["value"]),
        ({"contactId": None, "value": "Ada Byron"}, "REQUIRED", ["contactId"]),
        ({"field": "BIO"}, "INVALID", ["contactId"]),
        ({"field": "PHOTO"}, "INVALID", ["contactId"]),
    ],
)
async def test_what_cannot_be_chosen_is_refused_with_what_to_do_and_nothing_is_written(
    desk: Desk, given: dict[str, Any], code: str, field: list[str]
) -> None:
    await two_books(desk, says("Ada Byron"), says("Ada King"))
    who = await person(desk)
    head = await desk.household.head()
    whole = {"personId": who["id"], "field": "NAME", "contactId": records_of(who)["vcard home"]}
    done = (await desk.ask(CHOOSE, input=whole | given))["choosePreferred"]
    assert [(e["code"], e["field"]) for e in done["errors"]] == [(code, field)]
    assert done["errors"][0]["message"].endswith(".")
    assert await desk.household.head() == head


async def test_another_viewer_chooses_nothing_of_mine(desk: Desk) -> None:
    await two_books(desk, says("Ada Byron"), says("Ada King"))
    who = await person(desk)
    other = Desk(await Household.open(desk.household.database, "u_other"))
    assert [e["code"] for e in (await choose(other, who, "NAME", records_of(who)["vcard work"]))["errors"]] == ["NOT_FOUND"]
    assert await person(desk) == who


async def test_sources_that_disagree_are_listed_with_the_reason_for_what_is_shown(desk: Desk) -> None:
    home = says(
        "Ada Byron",
        dates=born(10),
        organizations=works("Engines Ltd"),
        addresses=(records.Address(formatted="London", locality="London"),),
    )
    work = says(
        "Ada King",
        dates=born(11),
        organizations=works("Estates"),
        addresses=(records.Address(formatted="Ockham", locality="Ockham"),),
    )
    await two_books(desk, home, msgspec.structs.replace(work, emails=card("k", "Ada", "king@example.org").emails))
    await join(desk, await person(desk), await person(desk, "king@example.org"))  # two birthdays keep them apart otherwise
    found = {c["field"]: c for c in (await person(desk))["conflicts"]}
    assert {field: [next(v[k] for k in ("full", "day", "name", "locality") if k in v) for v in c["values"]] for field, c in found.items()} == {
        "NAME": ["Ada Byron", "Ada King"], "BIRTHDAY": [10, 11], "ORGANIZATION": ["Estates", "Engines Ltd"], "ADDRESS": ["Ockham", "London"],
    }  # fmt: skip
    assert all(c["values"][0]["preferred"] and c["sentence"].endswith(".") for c in found.values())
    who = await person(desk)
    await choose(desk, who, "BIRTHDAY", records_of(who)["vcard work"])
    (day,) = [c for c in (await person(desk))["conflicts"] if c["field"] == "BIRTHDAY"]
    assert ([v["day"] for v in day["values"]], day["sentence"]) == ([11, 10], "You chose it by hand.")
    assert (await person(desk))["birthday"] == {"year": 1815, "month": 12, "day": 11, "chosen": True}


@ON_ONE
async def test_more_detail_spelling_and_more_values_are_no_conflict(desk: Desk) -> None:
    home = says("Ada Byron", dates=born(10, year=None), organizations=(*works("Engines Ltd"), *works("Royal Society")))
    work = says("Byron, Ada", dates=born(10), organizations=works("engines"))
    await two_books(
        desk, home, msgspec.structs.replace(work, emails=(*work.emails, records.Email(raw="a@b.example", address="a@b.example")))
    )
    who = await person(desk)
    assert who["conflicts"] == []
    assert who["birthday"] == {"year": 1815, "month": 12, "day": 10, "chosen": False}


@ON_ONE
async def test_where_somebody_works_is_the_latest_word_of_those_who_know_them(desk: Desk) -> None:
    def at(year: int) -> datetime:
        return datetime(year, 1, 1, tzinfo=UTC)

    old = says("Ada Byron", organizations=works("Engines"), updated_at=at(2019))
    new = says("Ada Byron", organizations=works("Estates"), updated_at=at(2025))
    await two_books(desk, new, old)
    assert [o["name"] for o in (await person(desk))["organizations"]] == ["Estates", "Engines"]
    # a stranger's page is no word of somebody who knows them, however fresh
    web = await desk.household.account("mastodon", "web")
    await desk.household.take(
        web,
        msgspec.structs.replace(
            follower("ada", "Ada Byron"), relation="FOLLOWER", organizations=works("Elsewhere"), updated_at=at(2026)
        ),
    )
    stranger = (await desk.ask('{ person(by: {handle: {provider: "mastodon", handle: "ada@social.example"}}) { id } }'))["person"]
    await join(desk, await person(desk), stranger)
    assert [o["name"] for o in (await person(desk))["organizations"]] == ["Estates", "Engines", "Elsewhere"]


async def test_a_picture_is_chosen_by_its_record_and_goes_with_its_account(desk: Desk) -> None:
    pictures = [bytes.fromhex("89504e470d0a1a0a") + bytes([n]) * 60 for n in (1, 2)]
    home, work = await two_books(
        desk, *(says("Ada Byron", photo=records.Photo(data=data, media_type="image/png")) for data in pictures)
    )
    who = await person(desk)
    shown = who["photo"]["hash"]
    other = records_of(who)["vcard home"]
    assert (await choose(desk, who, "PHOTO", other))["errors"] == []
    chosen = (await person(desk))["photo"]["hash"]
    assert chosen != shown
    await desk.household.take(work, says("Ada Byron", bio="New.", photo=records.Photo(data=pictures[1], media_type="image/png")))
    assert (await person(desk))["photo"]["hash"] == chosen
    await desk.household.forget(home)
    await desk.household.resolve()
    assert (await person(desk))["photo"]["hash"] == shown
