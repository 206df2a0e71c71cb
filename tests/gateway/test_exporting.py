"""All contacts as files, and the files taken in again: nothing is lost, whichever way they go, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from benchmarks import any_contact
from gateway.people import named
from resolvers import exporting
from resolvers.exporting import Form
from store.tables import contact
from tests.asking import Desk, nodes
from tests.chaos.round_trips import WAYS, fill, stored, travel, written
from tests.gateway.running import asking, key_of, opened
from tests.household import Household, card
from tests.workshop import workshop


async def test_what_is_exported_is_taken_in_again_without_loss_whichever_way_it_goes(
    household: Household, tmp_path: Path
) -> None:
    made = any_contact.contacts(60)
    async with workshop(household.database, tmp_path) as shop:
        await fill(household, made)
        found = await travel(shop, household, made, tmp_path)
        assert {name: value for name, value in found.items() if name.endswith("lost or changed")} == {
            f"way {n}, by {form}: lost or changed": 0 for n, form in enumerate(WAYS, 1)
        }
        after = Household(household.database, "u_after3")
        (again,) = await shop.bring(after.viewer, await written(shop, after, "vcard", tmp_path / "again.vcf"))
        assert (again.created, again.failed, again.skipped) == (0, 0, 0)


async def test_two_contacts_of_one_uid_stay_two(household: Household, tmp_path: Path) -> None:
    async with workshop(household.database, tmp_path) as shop:
        for network in ("google", "carddav"):
            account = await household.account(network, "cards")
            await household.take(account, card("1", f"Ada at {network}", "ada@example.org", uid="same"))
        after = await Household.open(household.database, "u_after")
        await shop.bring(after.viewer, await written(shop, household, "jscontact", tmp_path / "all.json"))
        assert set(await stored(after)) == {"Ada at google", "Ada at carddav"}


async def test_a_last_card_without_a_line_end_does_not_run_into_the_next_one(household: Household, tmp_path: Path) -> None:
    cards = "".join(f"BEGIN:VCARD\nVERSION:4.0\nFN:Ada {n}\nUID:{n}\nX-N:{n}\nEND:VCARD{end}" for n, end in ((1, "\n"), (2, "")))
    for name in ("one.vcf", "two.vcf"):
        (tmp_path / name).write_text(cards.replace("Ada", name).replace("UID:", f"UID:{name}"))
    async with workshop(household.database, tmp_path) as shop:
        await shop.bring(household.viewer, tmp_path / "one.vcf", tmp_path / "two.vcf")
        path = await written(shop, household, "vcard", tmp_path / "all.vcf")
        after = await Household.open(household.database, "u_after")
        (report,) = await shop.bring(after.viewer, path)
        assert (report.created, report.failed) == (4, 0)


async def test_keys_with_the_scope_fetch_all_or_one_and_nobody_else_does(tmp_path: Path) -> None:
    async with opened(tmp_path, schema=None) as installation:
        whose = await named(installation, None)
        household = Household(installation.database, whose.id)
        await household.take(await household.account("vcard", "cards"), card("1", "Ada Ray", "ada@example.org"), card("2", "Bob"))
        all_key, _ = await key_of(installation, scopes=("read", "admin"))
        read_key, _ = await key_of(installation)
        other_key, _ = await key_of(installation, "other", scopes=("read", "admin"))
        (ada,) = [id_ for id_, name in await household.database.read(whose.id, _ids) if name == "Ada Ray"]
        async with asking(installation, all_key) as client:
            answer = await client.get("/export/contacts.vcf")
            assert answer.headers["content-type"] == "text/vcard; charset=utf-8; version=4.0"
            assert answer.headers["content-disposition"].startswith('attachment; filename="contacts-')
            assert answer.text.count("BEGIN:VCARD") == 2
            cards = (await client.get("/export/contacts.json")).json()
            assert sorted(one["name"]["full"] for one in cards) == ["Ada Ray", "Bob"]
            assert {one["@type"] for one in cards} == {"Card"}
        async with asking(installation, read_key) as client:
            assert (await client.get("/export/contacts.vcf")).status_code == 403
            one = (await client.get(f"/export/contacts/{ada}.json")).json()
            assert one["emails"] == {"e1": {"address": "ada@example.org"}}
            assert "FN:Ada Ray" in (await client.get(f"/export/contacts/{ada}.vcf")).text
            assert (await client.get("/export/contacts/c_nobody.vcf")).status_code == 404
        async with asking(installation, other_key) as client:
            assert (await client.get("/export/contacts.json")).json() == []
            assert (await client.get(f"/export/contacts/{ada}.vcf")).status_code == 404
        async with asking(installation) as nobody:
            assert (await nobody.get("/export/contacts.json")).status_code == 401


def _ids(conn: Connection, viewer: str) -> list[tuple[str, str]]:
    return [(row.id, row.name) for row in conn.execute(select(contact.c.id, contact.c.name).where(contact.c.viewer_id == viewer))]


@pytest.mark.parametrize("form", ["vcard", "jscontact"])
async def test_a_viewer_without_contacts_gets_a_file_without_any(tmp_path: Path, form: Form) -> None:
    async with opened(tmp_path, schema=None) as installation:
        key, _ = await key_of(installation, scopes=("admin",))
        async with asking(installation, key) as client:
            found = await client.get(f"/export/contacts.{exporting.SUFFIXES[form]}")
            assert found.status_code == 200
            assert found.content == b"" if form == "vcard" else found.json() == []


@pytest.mark.parametrize("form", ["vcard", "jscontact"])
async def test_tags_are_exported_and_are_tags_again_where_the_file_is_taken_in(
    household: Household, tmp_path: Path, form: Form
) -> None:
    async with workshop(household.database, tmp_path) as shop:
        (tmp_path / "ada.vcf").write_text(ADA)
        await shop.bring(household.viewer, tmp_path / "ada.vcf")
        desk = Desk(household)
        (ada,) = nodes((await desk.ask(PEOPLE))["viewer"]["people"])
        assert await written(shop, household, "vcard", tmp_path / "same.vcf") and (tmp_path / "same.vcf").read_text() == ADA
        off, renamed = (next(t["id"] for t in ada["tags"] if t["name"] == name) for name in ("Off", "Old"))
        await desk.ask("mutation($id: ID!) { removeAnnotation(input: { annotationId: $id }) { errors { code } } }", id=off)
        await desk.ask(RENAME, id=renamed)
        await desk.ask(PUT, id=ada["id"])
        path = await written(shop, household, form, tmp_path / f"all.{exporting.SUFFIXES[form]}")
        after = await Household.open(household.database, "u_after")
        await shop.bring(after.viewer, path)
        (again,) = nodes((await Desk(after).ask(PEOPLE))["viewer"]["people"])
        assert [t["name"] for t in again["tags"]] == ["Friends, near", "Kept", "New"]
        if form == "vcard":
            assert path.read_text() == ADA.replace("Kept,Off,Old", r"Kept,New,Friends\, near")
        else:
            assert "x-shoe" in path.read_text(), "and what else the card says is still there"


ADA = "BEGIN:VCARD\nVERSION:4.0\nUID:ada\nFN:Ada Ray\nCATEGORIES:Kept,Off,Old\nX-SHOE:38\nEND:VCARD\n"
PEOPLE = "{ viewer { people { edges { node { id tags { id name } } } } } }"
PUT = 'mutation($id: ID!) { annotate(input: { aboutId: $id, add: { tag: { name: "Friends, near" } } }) { errors { code } } }'
RENAME = """mutation($id: ID!) { updateAnnotation(input: { annotationId: $id, change: { tag: { name: "New" } } }) { errors { code } } }"""
