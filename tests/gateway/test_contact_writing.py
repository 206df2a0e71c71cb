"""Contacts written through the API: shown at once, at their network after, undone when it refuses, and never half of it."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from gateway import contact_writes
from providers import records
from providers.session import Secret
from store import leases
from store import outbox as writes
from store.tables import contact, outbox, person, photo
from tests.asking import Desk, nodes
from tests.faces import face, packed, scaled
from tests.household import Household
from tests.household import card as card_of
from tests.mail_servers import MailServer
from tests.providers.conftest import http_answer, scripted
from tests.providers.test_carddav import CARD, BookRig
from tests.providers.test_carddav_writing import WritableDav
from tests.schema.test_writing import write
from tests.servers import CardDav
from tests.workshop import Workshop, workshop

_numbers = itertools.count()
ADA = Secret(username="ada", password="secret")
CONTACT = "contact { id etag writable names { full } emails { address label } note groups { name } }"
CREATE = (
    'createContact(input: {{ accountId: "{}", contact: {{ name: {{ given: "Ada", family: "Lovelace" }}, '
    'emails: [{{ address: "ada@example.org", label: "work" }}] }} }})'
)
LISTED = "{ viewer { contacts(first: 50) { edges { node { id names { full } emails { address } note } } } } }"
WRITES = "query($id: ID!) { node(id: $id) { ... on Account { writes(first: 9) { edges { node { mutation state error { code } } } } } } }"


class Study:
    """A desk and a worker over one viewer's data."""

    def __init__(self, shop: Workshop, household: Household) -> None:
        self.shop, self.household = shop, household
        self.desk = Desk(household)
        self.desk.services = shop.services

    async def link(self, url: str, secret: Secret = ADA) -> str:
        return await self.shop.link(self.household.viewer, "carddav", url, secret)

    async def write_back(self, account_id: str) -> None:
        await self.shop.write_back(self.household.viewer, account_id)

    async def sync(self, account_id: str) -> None:
        await self.shop.sync(self.household.viewer, account_id)

    async def contacts(self) -> list[Any]:
        return nodes((await self.desk.ask(LISTED))["viewer"]["contacts"])

    async def states(self) -> list[tuple[str, str, str | None]]:
        def read(conn: Connection, viewer: str) -> list[tuple[str, str, str | None]]:
            rows = conn.execute(
                select(outbox.c.mutation, outbox.c.state, outbox.c.error_code)
                .where(outbox.c.viewer_id == viewer)
                .order_by(outbox.c.position)
            )
            return [(row.mutation, row.state, row.error_code) for row in rows]

        return await self.household.database.read(self.household.viewer, read)

    async def pristine(self) -> int:
        def read(conn: Connection, viewer: str) -> int:
            mine = select(contact.c.id).where(contact.c.viewer_id == viewer, contact.c.pristine.is_not(None))
            return len(conn.execute(mine).all())

        return await self.household.database.read(self.household.viewer, read)


@pytest.fixture
async def study(household: Household, tmp_path: Path) -> AsyncIterator[Study]:
    async with workshop(household.database, tmp_path, "127.0.0.0/8:*") as shop:
        yield Study(shop, household)


@asynccontextmanager
async def linked(study: Study, dav: WritableDav) -> AsyncIterator[str]:
    async with scripted(dav) as server:
        yield await study.link(f"{server.url}/")


async def update(study: Study, contact_id: str, patch: str, etag: str | None = None, key: str = "") -> Any:
    more = "" if etag is None else ", etag: $etag"
    more += f', idempotencyKey: "{key}"' if key else ""
    query = f'updateContact(input: {{ contactId: "{contact_id}"{more}, patch: {{ {patch} }} }})'
    selection = f"{CONTACT} conflict {{ etag fields {{ field base yours theirs }} }}"
    if etag is None:
        return await write(study.desk, query, selection)
    text = f"mutation($etag: String) {{ done: {query} {{ {selection} errors {{ __typename code message field }} feedCursor }} }}"
    return (await study.desk.ask(text, etag=etag))["done"]


# --- a round trip (mail-9) --------------------------------------------------------------------------------------------------


@pytest.fixture(params=["radicale", "xandikos", "cyrus"])
def rig(request: pytest.FixtureRequest) -> BookRig:
    server: CardDav | MailServer = request.getfixturevalue(f"{request.param}_server")
    return BookRig(server.address_books(server.new_user()) if isinstance(server, MailServer) else server)


async def test_a_contact_made_here_is_at_the_server_and_comes_back_changed(study: Study, rig: BookRig) -> None:
    book = await study.link(rig.book, rig.secret)
    made = await write(study.desk, CREATE.format(book), CONTACT)
    assert made["errors"] == []
    assert (made["contact"]["names"][0]["full"], made["contact"]["writable"]) == ("Ada Lovelace", True)
    assert [c["id"] for c in await study.contacts()] == [made["contact"]["id"]]
    await study.write_back(book)
    assert await study.states() == [("createContact", "DONE", None)]
    head = await study.household.head()
    await study.sync(book)
    assert await study.household.changes(head) == []  # its own echo is no news
    (shown,) = await study.contacts()
    assert shown["id"] == made["contact"]["id"]

    (uid,) = await at_server(study)
    changed = CARD.format(uid=uid, name="Ada Byron").replace("END:VCARD", "X-UNKNOWN;X-P=1:as\\, it is\r\nEND:VCARD")
    rig._server.put(uid, changed, rig.book)
    await study.sync(book)
    (shown,) = await study.contacts()
    assert (shown["id"], shown["names"][0]["full"]) == (made["contact"]["id"], "Ada Byron")

    before = await card(study)
    done = await update(study, shown["id"], 'note: "Wrote the first program"')
    assert (done["errors"], done["contact"]["note"]) == ([], "Wrote the first program")
    await study.write_back(book)
    after = await card(study)
    assert [line for line in before if line not in after and "REV" not in line] == []
    assert [line for line in after if line not in before and "REV" not in line] == ["NOTE:Wrote the first program"]

    gone = await write(study.desk, f'deleteContact(input: {{ contactId: "{shown["id"]}" }})', "contactId")
    assert (gone["contactId"], await study.contacts()) == (shown["id"], [])
    await study.write_back(book)
    await study.sync(book)
    assert await study.contacts() == []
    assert {state for _, state, _ in await study.states()} == {"DONE"}


async def at_server(study: Study) -> list[str]:
    def read(conn: Connection, viewer: str) -> list[str]:
        keys = conn.execute(select(contact.c.key).where(contact.c.viewer_id == viewer)).scalars()
        return [key.rpartition("/")[2].removesuffix(".vcf") for key in keys]

    return await study.household.database.read(study.household.viewer, read)


async def card(study: Study) -> list[str]:
    """The lines of the only contact's card, as the server gave it."""

    def read(conn: Connection, viewer: str) -> bytes:
        return bytes(conn.execute(select(contact.c.record).where(contact.c.viewer_id == viewer)).scalar_one())

    record = contact_writes._decode(await study.household.database.read(study.household.viewer, read))
    assert record.vcard is not None
    return record.vcard.splitlines()


# --- what is shown until it is settled ----------------------------------------------------------------------------------------


async def test_a_change_is_shown_with_its_person_at_once_and_the_feed_ends_it(study: Study) -> None:
    dav = WritableDav()
    async with linked(study, dav) as book:
        (before,) = await study.contacts()
        done = await update(study, before["id"], 'name: { family: "Byron" }', key="k-1")
        assert done["contact"]["names"][0]["full"] == "Byron"
        people = await study.desk.ask("{ viewer { people(first: 5) { edges { node { name } } } } }")
        assert nodes(people["viewer"]["people"])[0]["name"].endswith("Byron")
        assert [w["state"] for w in nodes((await study.desk.ask(WRITES, id=book))["node"]["writes"])] == ["QUEUED"]
        query = (
            "query($since: Cursor) { viewer { changes(since: $since) { edges { node { __typename "
            "... on WriteSettled { state mutation idempotencyKey nodeIds } } } } } }"
        )
        await study.write_back(book)
        found = nodes((await study.desk.ask(query, since=done["feedCursor"]))["viewer"]["changes"])
    settled = [one for one in found if one["__typename"] == "WriteSettled"]
    assert settled == [
        {
            "__typename": "WriteSettled",
            "state": "DONE",
            "mutation": "updateContact",
            "idempotencyKey": "k-1",
            "nodeIds": [before["id"]],
        }
    ]
    assert await study.pristine() == 0


async def test_what_a_network_refuses_is_undone(study: Study) -> None:
    dav = WritableDav()
    async with linked(study, dav) as book:
        (before,) = await study.contacts()
        dav.refusal = http_answer(403)
        await update(study, before["id"], 'note: "Mine", emails: []')
        await write(study.desk, CREATE.format(book), "contact { id }")
        await write(study.desk, f'deleteContact(input: {{ contactId: "{before["id"]}" }})', "contactId")
        assert [c["names"][0]["full"] for c in await study.contacts()] == ["Ada Lovelace"]
        await study.write_back(book)
        assert await study.contacts() == [before]
        assert {(state, code) for _, state, code in await study.states()} == {("REFUSED", "PROVIDER_REFUSED")}
        people = await study.desk.ask("{ viewer { people(first: 5) { edges { node { name } } } } }")
        assert len(nodes(people["viewer"]["people"])) == 1
        dav.refusal = None
        await study.sync(book)
        assert await study.contacts() == [before]
    assert await study.pristine() == 0


def pictured(dav: WritableDav) -> str:
    """The server's card has a picture; its digest."""
    data = packed(scaled(face(1), 64))
    (path,) = dav.cards
    line = f"PHOTO;ENCODING=b;TYPE=JPEG:{base64.b64encode(data).decode()}\r\nEND:VCARD"
    dav.cards[path] = ('"pictured"', dav.cards[path][1].replace("END:VCARD", line))
    return hashlib.sha256(data).hexdigest()


async def pictures(household: Household) -> set[str]:
    def read(conn: Connection, viewer: str) -> set[str]:
        return set(conn.execute(select(photo.c.hash).where(photo.c.viewer_id == viewer)).scalars())

    return await household.database.read(household.viewer, read)


@pytest.mark.parametrize("refused", [True, False])
async def test_the_photo_of_a_deleted_contact_stays_until_its_network_has_agreed(study: Study, refused: bool) -> None:
    dav = WritableDav()
    shown = {pictured(dav)}
    kim = await Household.open(study.household.database, "u_kim")
    async with linked(study, dav) as book:
        hers = await kim.account("vcard", "cards")
        data = packed(scaled(face(1), 64))
        await kim.take(hers, card_of("k", "Kay Fox", "kay@mail.example", photo=records.Photo(media_type="image/jpeg", data=data)))
        mine = await study.household.account("vcard", "cards")
        await study.household.take(mine, card_of("k", "Kay Fox", photo=records.Photo(media_type="image/jpeg", data=data)))
        (before,) = [c for c in await study.contacts() if c["names"][0]["full"] == "N 0"]
        await update(study, before["id"], 'note: "Mine"')
        await write(study.desk, f'deleteContact(input: {{ contactId: "{before["id"]}" }})', "contactId")
        await study.household.unlist(mine, ["k"])
        assert await pictures(study.household) == shown and await study.contacts() == []
        if refused:
            dav.refusal = http_answer(403)
        await study.write_back(book)
        assert await pictures(study.household) == (shown if refused else set())
        assert len(await study.contacts()) == refused
        query = "{ viewer { contacts(first: 5) { edges { node { photo { hash } } } } } }"
        found = nodes((await study.desk.ask(query))["viewer"]["contacts"])
        assert [one["photo"]["hash"] for one in found] == (list(shown) if refused else [])
        assert await steps(study.household) == []
    assert await pictures(kim) == shown


async def steps(household: Household) -> list[bytes]:
    """What is kept of what networks told at the end of a write."""

    def read(conn: Connection, viewer: str) -> list[bytes]:
        told = select(outbox.c.step).where(outbox.c.viewer_id == viewer, outbox.c.step.is_not(None))
        return [bytes(step) for step in conn.execute(told).scalars()]

    return await household.database.read(household.viewer, read)


async def test_the_photo_of_a_deleted_contact_goes_with_its_account(study: Study) -> None:
    dav = WritableDav()
    shown = {pictured(dav)}
    async with linked(study, dav) as book:
        (before,) = await study.contacts()
        await write(study.desk, f'deleteContact(input: {{ contactId: "{before["id"]}" }})', "contactId")
        assert await pictures(study.household) == shown
        await study.household.forget(book)
    assert await pictures(study.household) == set()


async def test_a_server_that_is_away_gets_it_later(study: Study) -> None:
    dav = WritableDav()
    async with linked(study, dav) as book:
        (before,) = await study.contacts()
        dav.refusal = http_answer(503)
        await update(study, before["id"], 'note: "Mine"')
        await study.write_back(book)
        (shown,) = await study.contacts()
        assert shown["note"] == "Mine"
        (waiting,) = nodes((await study.desk.ask(WRITES, id=book))["node"]["writes"])
        assert (waiting["state"], waiting["error"]["code"]) == ("QUEUED", "PROVIDER_UNAVAILABLE")
        dav.refusal = None
        await due_now(study, book)
        await study.write_back(book)
        assert "NOTE:Mine" in dav.cards["/b/0.vcf"][1]
    assert [state for _, state, _ in await study.states()] == ["DONE"]


async def due_now(study: Study, book: str) -> None:
    def wake(conn: Connection, viewer: str) -> None:
        writes.wake(conn, viewer, book, study.shop.clock.now())

    await study.household.database.write(study.household.viewer, wake)


async def test_a_poll_that_comes_first_does_not_take_a_change_back(study: Study) -> None:
    dav = WritableDav()
    async with linked(study, dav) as book:
        (before,) = await study.contacts()
        await update(study, before["id"], 'note: "Mine"')
        dav.cards["/b/0.vcf"] = ('"theirs"', CARD.format(uid="u0", name="Renamed There"))
        dav.token = "t2"
        await study.sync(book)
        (shown,) = await study.contacts()
        assert (shown["names"][0]["full"], shown["note"]) == ("Renamed There", "Mine")
        await study.write_back(book)
        (shown,) = await study.contacts()
        assert (shown["names"][0]["full"], shown["note"]) == ("Renamed There", "Mine")
        assert "NOTE:Mine" in dav.cards["/b/0.vcf"][1]
    assert await study.pristine() == 0


async def test_changes_of_one_contact_follow_each_other_each_from_the_version_before(study: Study) -> None:
    dav = WritableDav()
    async with linked(study, dav) as book:
        (before,) = await study.contacts()
        etag = (await update(study, before["id"], 'note: "One"'))["contact"]["etag"]
        await update(study, before["id"], 'note: "Two"', etag)
        await update(study, before["id"], 'groups: ["Sailing"]', etag)
        await study.write_back(book)
        assert [state for _, state, _ in await study.states()] == ["DONE"] * 3
        assert "NOTE:Two" in dav.cards["/b/0.vcf"][1]
        assert "CATEGORIES:Sailing" in dav.cards["/b/0.vcf"][1]


async def test_a_contact_can_be_changed_and_deleted_before_its_network_knows_of_it(study: Study) -> None:
    dav = WritableDav()
    async with linked(study, dav) as book:
        first = (await write(study.desk, CREATE.format(book), CONTACT))["contact"]["id"]
        second = (await write(study.desk, CREATE.format(book), CONTACT))["contact"]["id"]
        await update(study, first, 'note: "Changed"')
        await write(study.desk, f'deleteContact(input: {{ contactId: "{second}" }})', "contactId")
        await study.write_back(book)
        await study.sync(book)
        assert {(c["id"], c["note"]) for c in await study.contacts() if c["names"][0]["full"] == "Ada Lovelace"} == {
            (first, "Changed")
        }
        assert len(dav.cards) == 2
        assert {state for _, state, _ in await study.states()} == {"DONE"}


# --- two versions -------------------------------------------------------------------------------------------------------------


async def test_a_change_of_an_older_version_gives_both_and_writes_nothing(study: Study) -> None:
    dav = WritableDav()
    async with linked(study, dav) as book:
        (before,) = await study.contacts()
        dav.cards["/b/0.vcf"] = ('"theirs"', CARD.format(uid="u0", name="Renamed There"))
        dav.token = "t2"
        await study.sync(book)
        done = await update(study, before["id"], 'name: { full: "Mine" }, note: "n"', '"e0"')
        assert [(e["code"], e["field"]) for e in done["errors"]] == [("CONFLICT", ["etag"])]
        assert done["contact"]["names"][0]["full"] == "Renamed There"
        assert done["feedCursor"] is None
        assert done["conflict"]["etag"] == '"theirs"'
        fields = {one["field"]: (one["yours"], one["theirs"]) for one in done["conflict"]["fields"]}
        assert fields["note"] == ("n", None)
        assert (fields["name"][0]["full"], fields["name"][1]["full"]) == ("Mine", "Renamed There")
        assert await study.states() == []
        done = await update(study, before["id"], 'note: "n"', done["conflict"]["etag"])
        assert done["conflict"] is None
        await study.write_back(book)
    assert "NOTE:n" in dav.cards["/b/0.vcf"][1]


async def test_a_version_that_only_the_network_knows_of_is_a_conflict_too(study: Study) -> None:
    dav = WritableDav()
    async with linked(study, dav) as book:
        (before,) = await study.contacts()
        dav.cards["/b/0.vcf"] = ('"theirs"', CARD.format(uid="u0", name="Renamed There"))
        await update(study, before["id"], 'note: "Mine"', '"e0"')
        await study.write_back(book)
        assert [(state, code) for _, state, code in await study.states()] == [("REFUSED", "CONFLICT")]
        (shown,) = await study.contacts()
        assert (shown["names"][0]["full"], shown["note"]) == ("Renamed There", None)
        again = await update(study, before["id"], 'note: "Mine"', '"e0"')
        assert again["conflict"]["fields"] == [{"field": "note", "base": None, "yours": "Mine", "theirs": None}]
        assert again["conflict"]["etag"] == '"theirs"'
        text = f'deleteContact(input: {{ contactId: "{before["id"]}", etag: "\\"e0\\"" }})'
        gone = await write(study.desk, text, "contactId conflict { etag }")
        assert (gone["contactId"], gone["conflict"]) == (None, {"etag": '"theirs"'})
    assert "Mine" not in dav.cards["/b/0.vcf"][1]


async def test_a_contact_that_is_gone_there_goes_here(study: Study) -> None:
    dav = WritableDav()
    async with linked(study, dav) as book:
        (before,) = await study.contacts()
        del dav.cards["/b/0.vcf"]
        await update(study, before["id"], 'note: "Mine"')
        await study.write_back(book)
        assert await study.contacts() == []
    assert [state for _, state, _ in await study.states()] == ["REFUSED"]


# --- crashes, and everything at once --------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("call", range(1, 12))
async def test_a_crash_between_any_two_steps_leaves_one_contact_and_every_change(
    study: Study, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    dav = WritableDav()
    async with linked(study, dav) as book:
        made = (await write(study.desk, CREATE.format(book), CONTACT))["contact"]["id"]
        await update(study, made, 'note: "Mine"')
        database = study.household.database
        calls = itertools.count(1)
        real = type(database).write

        async def dying(self: Any, *given: Any, **more: Any) -> Any:
            at = next(calls)
            if at == call:
                raise Killed
            found = await real(self, *given, **more)
            if at == call - 1 and call % 2:
                raise Killed  # after it was kept, before anybody heard of it
            return found

        monkeypatch.setattr(type(database), "write", dying)
        with suppress(Killed):
            await study.shop.worker.run_one(study.household.viewer, "write", book)
        monkeypatch.setattr(type(database), "write", real)
        for _ in range(3):
            await release(study)
            await due_now(study, book)
            await study.write_back(book)
        await study.sync(book)
        assert {state for _, state, _ in await study.states()} == {"DONE"}
        assert len(dav.cards) == 2
        assert [(c["id"], c["note"]) for c in await study.contacts() if c["id"] == made] == [(made, "Mine")]
        assert len(await study.contacts()) == 2
    assert await study.pristine() == 0


async def release(study: Study) -> None:
    await study.household.database.system(leases.release, study.shop.worker.owner, study.shop.clock.now())


async def test_a_sync_that_shows_a_new_contact_before_its_answer_makes_no_second_one(study: Study) -> None:
    dav = WritableDav()
    async with linked(study, dav) as book:
        made = (await write(study.desk, CREATE.format(book), CONTACT))["contact"]["id"]
        dav.lost = 9  # it is taken, and nobody hears of it
        await study.write_back(book)
        dav.lost = 0
        dav.token = "t2"
        await study.sync(book)
        await due_now(study, book)
        await study.write_back(book)
        assert [c["id"] for c in await study.contacts() if c["names"][0]["full"] == "Ada Lovelace"] == [made]
        people = await study.desk.ask("{ viewer { people(first: 9) { edges { node { id } } } } }")
        assert len(nodes(people["viewer"]["people"])) == 2


# --- what is refused, and whose it is ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        ("", "REQUIRED", ["contact"]),
        ('note: ""', "REQUIRED", ["contact"]),
        ("name: { }", "REQUIRED", ["contact", "name"]),
        ('phones: [{ number: " " }]', "REQUIRED", ["contact", "phones", "0", "number"]),
        ('urls: [{ url: "mailto:a@example.org" }]', "INVALID", ["contact", "urls", "0", "url"]),
        ("birthday: { day: 3 }", "INVALID", ["contact", "birthday"]),
        ("birthday: { month: 13 }", "INVALID", ["contact", "birthday"]),
        ("addresses: [{ }]", "REQUIRED", ["contact", "addresses", "0"]),
        (f'name: {{ full: "{"x" * 1001}" }}', "TOO_LONG", ["contact", "name", "full"]),
        ("groups: [" + '"g", ' * 101 + "]", "TOO_LONG", ["contact", "groups"]),
    ],
)
async def test_what_is_no_contact_is_refused_as_data(study: Study, fields: str, code: str, path: list[str]) -> None:
    book = await study.household.account("carddav", "ada")
    done = await write(study.desk, f'createContact(input: {{ accountId: "{book}", contact: {{ {fields} }} }})', "contact { id }")
    assert [(e["code"], e["field"]) for e in done["errors"]] == [(code, path)]
    assert (done["contact"], await study.states()) == (None, [])


@pytest.mark.parametrize(("provider", "code"), [("mastodon", "UNSUPPORTED"), ("vcard", "UNSUPPORTED"), ("nobody", "UNSUPPORTED")])
async def test_an_account_that_only_reads_says_so(study: Study, provider: str, code: str) -> None:
    account_id = await study.household.account(provider, "ada")
    done = await write(study.desk, CREATE.format(account_id), "contact { id }")
    assert [e["code"] for e in done["errors"]] == [code]


async def test_a_key_makes_a_contact_once(study: Study) -> None:
    book = await study.household.account("carddav", "ada")
    text = CREATE.format(book).replace("contact: {", 'idempotencyKey: "k", contact: {')
    first, second = [await write(study.desk, text, "contact { id }") for _ in range(2)]
    assert first == second
    assert len(await study.contacts()) == 1


async def test_another_viewer_can_neither_change_nor_delete_nor_add(study: Study) -> None:
    book = await study.household.account("carddav", "ada")
    made = (await write(study.desk, CREATE.format(book), "contact { id }"))["contact"]["id"]
    other = Desk(await Household.open(study.household.database, "u_other"))
    other.services = study.shop.services
    for text in (
        CREATE.format(book),
        f'updateContact(input: {{ contactId: "{made}", patch: {{ note: "x" }} }})',
        f'deleteContact(input: {{ contactId: "{made}" }})',
    ):
        done = await write(other, text, "feedCursor")
        assert [e["code"] for e in done["errors"]] == ["NOT_FOUND"]
    assert len(await study.contacts()) == 1


async def test_a_new_contact_with_a_known_address_is_the_same_person(study: Study) -> None:
    dav = WritableDav()
    async with linked(study, dav) as book:
        text = f'createContact(input: {{ accountId: "{book}", contact: {{ emails: [{{ address: "u0@example.org" }}] }} }})'
        await write(study.desk, text, "contact { id }")
        await study.shop.worker.run_one(study.household.viewer, "identity", study.household.viewer)

    def people(conn: Connection, viewer: str) -> int:
        live = select(person.c.id).where(person.c.viewer_id == viewer, person.c.redirect_to.is_(None))
        return len(conn.execute(live).all())

    assert await study.household.database.read(study.household.viewer, people) == 1
