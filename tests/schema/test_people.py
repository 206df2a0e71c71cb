"""People: found by anything that names them, filtered, and told with their reasons, messages and sources."""

from __future__ import annotations

from typing import Any

import pytest

from providers import records
from tests.asking import Desk, nodes
from tests.household import ME, card, mail
from tests.schema.village import Village

NAMES = "query($filter: PersonFilter) { viewer { people(filter: $filter) { edges { node { name } } } } }"


async def named(desk: Desk, **wanted: Any) -> set[str]:
    data = await desk.ask(NAMES, filter=wanted)
    return {p["name"] for p in nodes(data["viewer"]["people"])}


@pytest.mark.parametrize(
    "by",
    [
        '{ email: "ada@example.org" }',
        '{ email: "Ada@EXAMPLE.org" }',
        '{ phone: "+491511234500" }',
        '{ phone: "+49 1511 234500" }',
        '{ url: "https://ada.example.org/" }',
        '{ url: "http://www.ADA.example.org" }',
        '{ handle: { provider: "mastodon", handle: "@Ada@social.example" } }',
    ],
)
async def test_a_person_is_found_by_any_identifier(desk: Desk, village: Village, by: str) -> None:
    assert (await desk.ask(f"{{ person(by: {by}) {{ name }} }}"))["person"]["name"] == "Ada Lovelace"


async def test_a_person_is_found_by_their_own_former_and_contact_ids(desk: Desk, village: Village) -> None:
    data = await desk.ask(
        '{ person(by: { email: "ada@example.org" }) { id formerIds contacts { totalCount edges { node { id } } } } }'
    )
    ada = data["person"]
    assert ada["contacts"]["totalCount"] == 3
    assert len(ada["formerIds"]) == 2
    for one in [ada["id"], *ada["formerIds"], *(c["id"] for c in nodes(ada["contacts"]))]:
        query = "query($id: ID!) { person(by: { id: $id }) { id } people(by: [{ id: $id }]) { id } }"
        assert await desk.ask(query, id=one) == {"person": {"id": ada["id"]}, "people": [{"id": ada["id"]}]}


async def test_people_come_in_the_order_asked_with_null_for_strangers(desk: Desk, village: Village) -> None:
    query = (
        '{ people(by: [{ email: "grace@example.org" }, { email: "nobody@example.org" }, { email: "ada@example.org" }]) { name } }'
    )
    found = (await desk.ask(query))["people"]
    assert [p and p["name"] for p in found] == ["Grace Hopper", None, "Ada Lovelace"]


async def test_exactly_one_identifier_is_asked_for(desk: Desk) -> None:
    result = await desk.execute('{ person(by: { email: "a@example.org", id: "p_x" }) { id } }')
    assert result.data == {"person": None}
    assert "exactly one" in str(result.errors[0]).lower()


async def test_people_say_why_they_are_one(desk: Desk, village: Village) -> None:
    data = await desk.ask(
        """{ person(by: { email: "ada@example.org" }) { why { __typename strength weight sentence contacts { account { label } }
        ... on EmailEvidence { address shared verifiedBy { id } } ... on PhoneEvidence { number line }
        ... on ProfileLinkEvidence { from to claim } } } }"""
    )
    why = data["person"]["why"]
    by_kind = {e["__typename"]: e for e in why}
    assert by_kind["EmailEvidence"]["address"] == "ada@example.org"
    assert by_kind["EmailEvidence"]["strength"] == "PROOF"
    assert "ada@example.org" in by_kind["EmailEvidence"]["sentence"]
    assert by_kind["ProfileLinkEvidence"]["to"] == "https://ada.example.org"
    assert by_kind["ProfileLinkEvidence"]["claim"] == "VERIFIED"
    assert all(len(e["contacts"]) == 2 for e in why)


async def test_values_say_where_they_come_from(desk: Desk, village: Village) -> None:
    data = await desk.ask(
        """{ person(by: { email: "ada@example.org" }) { names { full preferred
        sources { contact { id relation } account { label } } }
        emails { address preferred sources { account { label } } } organizations { name title } birthday { month day date }
        bio { value } urls { url } phones { number } nature initials sortName } }"""
    )
    ada = data["person"]
    assert ada["names"][0] == {
        "full": "Ada Lovelace",
        "preferred": True,
        "sources": ada["names"][0]["sources"],
    }
    assert {s["account"]["label"] for s in ada["emails"][0]["sources"]} == {"vcard cards", f"mbox {ME}"}
    assert ada["birthday"] == {"month": 12, "day": 10, "date": None}
    assert (ada["initials"], ada["sortName"], ada["nature"]) == ("AL", "lovelace ada", "INDIVIDUAL")
    assert ada["bio"]["value"] == "Writes programs."


async def test_the_last_direct_message_counts_and_newsletters_do_not(desk: Desk) -> None:
    box = await desk.household.account("mbox", ME, own=[ME])
    await desk.household.take(
        box,
        mail(1, "ada@example.org", name="Ada", text="hello"),
        mail(2, ME, "ada@example.org", text="hello yourself"),
        mail(3, "ada@example.org", text="my letter to all", category="NEWSLETTER"),
        mail(4, "grace@example.org", "others@example.org", text="cc", name="Grace"),
    )
    data = await desk.ask(
        '{ person(by: { email: "ada@example.org" }) { lastMessage { text direction sender { viewer name } } } }'
    )
    assert data["person"]["lastMessage"] == {
        "text": "hello yourself",
        "direction": "OUTBOUND",
        "sender": {"viewer": True, "name": ME},
    }


async def test_unread_messages_are_counted_and_unknown_where_nobody_keeps_them(desk: Desk) -> None:
    box = await desk.household.account("mbox", ME, own=[ME])
    await desk.household.take(
        box,
        mail(1, "ada@example.org", unread=True),
        mail(2, "ada@example.org", unread=True),
        mail(3, "ada@example.org", unread=False),
        mail(4, "grace@example.org", unread=None),
        mail(5, "ida@example.org", unread=False),
    )
    people = nodes((await desk.ask("{ viewer { people { edges { node { name unreadCount } } } } }"))["viewer"]["people"])
    assert {p["name"]: p["unreadCount"] for p in people} == {
        "ada@example.org": 2,
        "grace@example.org": None,
        "ida@example.org": 0,
    }
    assert await named(desk, hasUnread=True) == {"ada@example.org"}
    assert await named(desk, hasUnread=False) == {"grace@example.org", "ida@example.org"}


async def test_filters_leave_out_who_does_not_pass(desk: Desk, village: Village) -> None:
    everybody = {"Ada Lovelace", "Grace Hopper", "Ida Rhodes", "Mary Shaw", "Karen Spärck Jones"}
    assert await named(desk, text="sparck") == {"Karen Spärck Jones"}
    assert await named(desk, text="grace@example") == {"Grace Hopper"}
    assert await named(desk, text="nobody at all") == set()
    assert await named(desk, accountIds=[village.social]) == {"Ada Lovelace"}
    assert await named(desk, providers=["mastodon"]) == {"Ada Lovelace"}
    assert await named(desk, providers=["vcard", "mastodon"]) == everybody
    assert await named(desk, relations=["FOLLOWING"]) == {"Ada Lovelace"}
    assert await named(desk, contactedAfter="2026-05-04T21:00:00Z") == {"Karen Spärck Jones"}
    assert await named(desk, contactedBefore="2026-05-04T15:00:00Z") == {"Ada Lovelace"}


async def test_organisations_are_listed_and_robots_only_when_asked_for(desk: Desk) -> None:
    book = await desk.household.account("vcard")
    await desk.household.take(book, card("1", "Ada Lovelace"), card("2", "Analytical Engines", nature="ORGANIZATION"))
    assert await named(desk) == {"Ada Lovelace", "Analytical Engines"}
    assert await named(desk, natures=["INDIVIDUAL"]) == {"Ada Lovelace"}
    assert await named(desk, natures=[]) == set()


async def test_only_links_that_a_browser_may_follow_are_shown(desk: Desk) -> None:
    book = await desk.household.account("carddav", "x")
    bad = records.Url(url="javascript:alert(1)")
    await desk.household.take(
        book,
        card("1", "Eve", urls=["https://eve.example.org/"], url="javascript:alert(2)"),
        card("2", "Bob", url="https://bob.example/"),
    )
    record = card("3", "Mallory")
    await desk.household.take(book, records.Contact(key="3", relation="ADDRESS_BOOK", names=record.names, urls=(bad,)))
    contacts = nodes((await desk.ask("{ viewer { contacts { edges { node { url urls { url } } } } } }"))["viewer"]["contacts"])
    assert sorted(str(c["url"]) for c in contacts) == ["None", "None", "https://bob.example/"]
    assert [u["url"] for c in contacts for u in c["urls"]] == ["https://eve.example.org/"]


async def test_a_contact_shows_its_record(desk: Desk, village: Village) -> None:
    data = await desk.ask(
        """{ viewer { contacts(filter: { text: "Lovelace", relations: [ADDRESS_BOOK] }) { totalCount edges { node {
        version relation names { full preferred sources { contact { id } verified } } groups { key name } dates { month label }
        bio { value } vcard note languages followers url etag person { name } account { provider { key configured } } } } } } }"""
    )
    assert data["viewer"]["contacts"]["totalCount"] == 1
    (shown,) = nodes(data["viewer"]["contacts"])
    assert shown["person"] == {"name": "Ada Lovelace"}
    assert shown["groups"] == [{"key": "Friends", "name": "Friends"}]
    assert shown["dates"] == [{"month": 12, "label": "birthday"}]
    assert shown["vcard"].startswith("BEGIN:VCARD")
    assert shown["account"]["provider"] == {"key": "vcard", "configured": True} or shown["account"]["provider"]["key"] == "vcard"
