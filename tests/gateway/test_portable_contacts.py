"""The PortableContacts endpoint as the draft has it: collections and single entries, filters, order, pages, fields, JSON and XML."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import httpx2 as httpx
import pytest

from gateway.installation import Installation
from gateway.people import named
from providers import records
from tests.gateway.running import asking, key_of, opened
from tests.household import NOW, Household, card, follower

ALL = "/portablecontacts/@me/@all"


@dataclass
class Desk:
    installation: Installation
    client: httpx.AsyncClient
    household: Household
    key: str

    async def get(self, path: str = ALL, **asked: str) -> dict[str, Any]:
        answer = await self.client.get(path, params=asked)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def names(self, **asked: str) -> list[str]:
        return [entry["displayName"] for entry in (await self.get(**asked))["entry"]]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened(tmp_path, schema=None) as installation:
        whose = await named(installation, None)
        household = Household(installation.database, whose.id)
        book = await household.account("vcard", "cards", own=["me@example.org"])
        await household.take(
            book,
            card(
                "1", "Mork Hashimoto", "mhashimoto-04@example.com", "mork@example.org",
                organizations=(records.Organization(name="Burns & Sons", title="Engineer"),),
                addresses=(records.Address(formatted="1 Quay\nHarbour", locality="Harbour", country="NL", label="home"),),
                dates=(records.PartialDate(month=1, day=16, label="birthday"),),
                handles=(records.Handle(provider="mastodon", handle="mork@social.example"),),
                bio="Fixes < & > boats \x0b",
            ),
            card("2", "Minimal Contact"),
            card("3", "Ada Lovelace", "ada@example.org", phones=["+491511234567"], urls=["https://ada.example.org/"]),
        )  # fmt: skip
        social = await household.account("mastodon", "me@social.example")
        household.now = NOW + timedelta(days=9)
        await household.take(social, follower("zoe", "Zoe Newest"))
        await household.resolve()
        key, _ = await key_of(installation)
        async with asking(installation, key) as client:
            yield Desk(installation, client, household, key)


async def test_the_bare_address_and_the_collection_give_everybody_in_order(desk: Desk) -> None:
    found = await desk.get("/portablecontacts")
    assert found == await desk.get(ALL)
    assert (found["startIndex"], found["totalResults"]) == (0, 4)
    assert "itemsPerPage" not in found
    assert [entry["displayName"] for entry in found["entry"]] == [
        "Minimal Contact",
        "Mork Hashimoto",
        "Ada Lovelace",
        "Zoe Newest",
    ]


async def test_a_contact_is_an_entry_in_the_drafts_words(desk: Desk) -> None:
    (mork,) = (await desk.get(filterBy="displayName", filterValue="mork hashimoto"))["entry"]
    assert mork["name"]["formatted"] == "Mork Hashimoto"
    assert mork["birthday"] == "0000-01-16"  # §7.1: no year
    assert mork["emails"] == [
        {"value": "mhashimoto-04@example.com", "type": "other", "primary": True},
        {"value": "mork@example.org", "type": "other"},
    ]
    assert mork["organizations"] == [{"name": "Burns & Sons", "title": "Engineer", "primary": True}]
    assert mork["addresses"] == [
        {"type": "home", "formatted": "1 Quay\nHarbour", "locality": "Harbour", "country": "NL", "primary": True}
    ]
    assert mork["accounts"] == [{"domain": "social.example", "username": "mork"}]
    assert mork["updated"].endswith("Z")


async def test_one_contact_and_oneself_are_objects(desk: Desk) -> None:
    first = (await desk.get())["entry"][0]
    assert (await desk.get(f"{ALL}/{first['id']}"))["entry"] == first
    assert (await desk.client.get(f"{ALL}/p_nobody")).status_code == 404
    me = (await desk.get("/portablecontacts/@me/@self"))["entry"]
    assert me["emails"] == [{"value": "me@example.org", "type": "other", "primary": True}]


ASKED: Final[list[tuple[dict[str, str], list[str]]]] = [
    ({"filterBy": "name", "filterOp": "startswith", "filterValue": "Mo"}, ["Mork Hashimoto"]),
    ({"filterBy": "name.formatted", "filterOp": "contains", "filterValue": "LOVE"}, ["Ada Lovelace"]),
    ({"filterBy": "emails", "filterOp": "contains", "filterValue": "example.org"}, ["Mork Hashimoto", "Ada Lovelace"]),
    ({"filterBy": "emails.type", "filterOp": "equals", "filterValue": "work"}, []),
    ({"filterBy": "phoneNumbers", "filterOp": "present"}, ["Ada Lovelace"]),
    ({"filterBy": "accounts.domain", "filterValue": "social.example"}, ["Mork Hashimoto", "Zoe Newest"]),
    ({"filterValue": "mork"}, ["Mork Hashimoto"]),
    ({"filterBy": "organizations", "filterValue": "burns & sons"}, ["Mork Hashimoto"]),
    ({"sortBy": "displayName", "count": "2"}, ["Ada Lovelace", "Minimal Contact"]),
    ({"sortBy": "displayName", "sortOrder": "descending", "count": "2"}, ["Zoe Newest", "Mork Hashimoto"]),
    ({"sortBy": "emails", "sortOrder": "ascending", "count": "2"}, ["Ada Lovelace", "Mork Hashimoto"]),
    ({"startIndex": "1", "count": "2"}, ["Mork Hashimoto", "Ada Lovelace"]),
    ({"startIndex": "10"}, []),
]


async def test_what_is_filtered_ordered_and_paged(desk: Desk) -> None:
    for asked, names in ASKED:
        found = await desk.get(**asked)
        assert [entry["displayName"] for entry in found["entry"]] == names, asked
        assert ("itemsPerPage" in found) == ("count" in asked)
        assert not {"filtered", "sorted"} & found.keys()


async def test_a_total_counts_what_was_filtered_before_it_was_paged(desk: Desk) -> None:
    found = await desk.get(filterBy="emails", filterOp="contains", filterValue="example.org", count="1", startIndex="1")
    assert (found["totalResults"], found["itemsPerPage"], found["startIndex"], len(found["entry"])) == (2, 1, 1, 1)


async def test_what_is_not_understood_is_declined_and_said_so(desk: Desk) -> None:
    found = await desk.get(filterBy="name", filterOp="soundslike", filterValue="ada", sortBy="shoeSize")
    assert (found["filtered"], found["sorted"], found["totalResults"]) == (False, False, 4)


async def test_only_what_has_changed_since_is_given(desk: Desk) -> None:
    assert await desk.names(updatedSince=(NOW + timedelta(days=5)).strftime("%Y-%m-%dT%H:%M:%SZ")) == ["Zoe Newest"]
    assert await desk.names(updatedSince="2100-01-01T00:00:00+02:00") == []


async def test_only_the_fields_that_were_asked_for_come_beside_those_that_must(desk: Desk) -> None:
    for entry in (await desk.get(fields="name,emails,photos"))["entry"]:
        assert {"id", "displayName"} <= entry.keys() <= {"id", "displayName", "name", "emails"}
    assert "accounts" in (await desk.get(fields="@all", filterValue="mork"))["entry"][0]


async def test_xml_says_the_same_as_json(desk: Desk) -> None:
    answer = await desk.client.get(ALL, params={"format": "xml", "count": "3"})
    assert answer.headers["content-type"].startswith("application/xml")
    root = ElementTree.fromstring(answer.content)
    assert root.tag == "response"
    assert root.findtext("totalResults") == "4"
    assert [entry.findtext("displayName") for entry in root.findall("entry")] == [
        "Minimal Contact",
        "Mork Hashimoto",
        "Ada Lovelace",
    ]
    mork = root.findall("entry")[1]
    assert [one.findtext("value") for one in mork.findall("emails")] == ["mhashimoto-04@example.com", "mork@example.org"]
    assert mork.findtext("note") == "Fixes < & > boats "
    assert mork.findtext("emails/primary") == "true"


async def test_parameters_may_come_in_a_form(desk: Desk) -> None:
    answer = await desk.client.post(ALL, data={"filterValue": "mork"})
    assert [entry["displayName"] for entry in answer.json()["entry"]] == ["Mork Hashimoto"]


UNREADABLE: Final[list[dict[str, str]]] = [
    {"count": "many"}, {"startIndex": "-1"}, {"startIndex": "99999999999"}, {"updatedSince": "yesterday"}, {"sortOrder": "up"},
    {"format": "csv"},
]  # fmt: skip


async def test_what_cannot_be_read_is_said(desk: Desk) -> None:
    for asked in UNREADABLE:
        answer = await desk.client.get(ALL, params=asked)
        assert answer.status_code == 400, asked
        assert answer.json()["error"]


async def test_a_key_is_needed_that_may_read_and_old_clients_send_it_as_a_password(desk: Desk) -> None:
    async with asking(desk.installation) as nobody:
        answer = await nobody.get(ALL)
        assert answer.status_code == 401
        assert "Basic" in answer.headers["www-authenticate"]
        pair = base64.b64encode(f"anybody:{desk.key}".encode()).decode()
        assert (await nobody.get(ALL, headers={"authorization": f"Basic {pair}"})).json()["totalResults"] == 4
        assert (await nobody.get(ALL, headers={"authorization": "Basic !"})).status_code == 401
        writing, _ = await key_of(desk.installation, scopes=("write",))
        assert (await nobody.get(ALL, headers={"authorization": f"Bearer {writing}"})).status_code == 403


async def test_another_viewer_has_their_own_contacts(desk: Desk) -> None:
    other = await Household.open(desk.installation.database, "u_other")
    key, _ = await key_of(desk.installation, other.viewer.removeprefix("u_"))
    theirs = (await desk.get())["entry"][0]["id"]
    async with asking(desk.installation, key) as client:
        assert (await client.get(ALL)).json()["totalResults"] == 0
        assert (await client.get(f"{ALL}/{theirs}")).status_code == 404


# --- changes and finding ------------------------------------------------------------------------------------------------------


async def test_who_was_joined_or_deleted_since_is_named_beside_the_changes(desk: Desk) -> None:
    household = desk.household
    by_name = {entry["displayName"]: entry["id"] for entry in (await desk.get())["entry"]}
    household.now = NOW + timedelta(days=20)
    since = household.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (await desk.get(updatedSince=since))["deleted"] == []
    book = await household.account("vcard", "cards")
    his = card("3", "Mork Hashimoto", "mork@example.org", "ada@example.org")  # what was taken for Ada's card was his
    await household.take(book, his, records.Gone(kind="CONTACT", key="2"))
    await household.resolve()
    found = await desk.get(updatedSince=since)
    there = {entry["displayName"]: entry["id"] for entry in (await desk.get())["entry"]}
    assert len(there) == 2
    assert set(by_name.values()) - set(there.values()) <= set(found["deleted"])
    assert not set(found["deleted"]) & set(there.values())
    assert [entry["id"] for entry in found["entry"]] == [i for n, i in there.items() if n != "Zoe Newest"]
    assert "deleted" not in await desk.get()


async def test_notes_and_groups_come_along_and_what_people_say_of_themselves_apart(desk: Desk) -> None:
    book = await desk.household.account("vcard", "cards")
    await desk.household.take(book, card("2", "Minimal Contact", note="Owes me a map", groups=("Choir", "Boats")))
    await desk.household.resolve()
    (minimal,) = (await desk.get(filterBy="tags", filterValue="choir"))["entry"]
    assert (minimal["note"], minimal["tags"], minimal.get("aboutMe")) == ("Owes me a map", ["Boats", "Choir"], None)
    (mork,) = (await desk.get(filterBy="aboutMe", filterOp="present"))["entry"]
    assert mork["aboutMe"] == mork["note"]


async def test_the_start_page_leads_to_where_the_contacts_are(desk: Desk) -> None:
    async with asking(desk.installation) as nobody:
        start = await nobody.get("/")
        found = await nobody.get(start.headers["x-xrds-location"])
        assert found.headers["content-type"].startswith("application/xrds+xml")
        service = next(iter(ElementTree.fromstring(found.content).iter("{xri://$XRD*($v*2.0)}Service")))
        assert [one.text for one in service] == [
            "http://portablecontacts.net/spec/1.0",
            f"{desk.installation.settings.url}/portablecontacts",
        ]


async def test_host_meta_names_them_as_xml_and_as_json(desk: Desk) -> None:
    base = f"{desk.installation.settings.url}/portablecontacts"
    async with asking(desk.installation) as nobody:
        found = await nobody.get("/.well-known/host-meta")
        assert found.headers["content-type"].startswith("application/xrd+xml")
        assert found.headers["access-control-allow-origin"] == "*"
        links = [dict(link.attrib) for link in ElementTree.fromstring(found.content)]
        assert {"rel": "http://portablecontacts.net/spec/1.0", "href": base} in links
        assert (await nobody.get("/.well-known/host-meta.json")).json() == {"links": links}
