"""Accounts kept in step with a real server: changes, deletions, failures and what they do to the account."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, select

from gateway.verification import CannotVerify, verify
from providers.errors import ForbiddenAddress, ReauthRequired
from providers.session import Secret
from store import accounts, leases
from store.tables import contact
from tests import servers
from tests.household import Household
from tests.workshop import Workshop, workshop


def vcard(uid: str, name: str, *emails: str) -> str:
    lines = ["BEGIN:VCARD", "VERSION:3.0", f"UID:{uid}", f"FN:{name}", f"N:{name.split()[-1]};{name.split()[0]};;;"]
    return "\r\n".join([*lines, *(f"EMAIL:{e}" for e in emails), "END:VCARD", ""])


async def names(household: Household) -> list[str]:
    def read(conn: Connection, viewer: str) -> list[str]:
        return sorted(conn.execute(select(contact.c.name).where(contact.c.viewer_id == viewer)).scalars())

    return await household.database.read(household.viewer, read)


async def linked(shop: Workshop, household: Household, server: servers.CardDav) -> str:
    secret = Secret(username=server.username, password=server.password or None)
    return await shop.link(household.viewer, "carddav", server.url, secret)


@pytest.fixture(params=["radicale", "xandikos"])
def dav(request: pytest.FixtureRequest) -> servers.CardDav:
    found: servers.CardDav = request.getfixturevalue(f"{request.param}_server")
    return found


async def test_an_address_book_is_mirrored_and_its_changes_arrive_as_events(
    household: Household, dav: servers.CardDav, tmp_path: Path
) -> None:
    book = dav.create_book(f"b{household.database.dialect}") if dav.password else dav.book
    dav.put("one", vcard("one", "Ada Lovelace", "ada@example.org"), book)
    dav.put("two", vcard("two", "Bob Ray"), book)
    async with workshop(household.database, tmp_path, f"127.0.0.1/32:{dav.server.port}") as shop:
        account_id = await linked(shop, household, dav)
        assert await names(household) == ["Ada Lovelace", "Bob Ray"]
        head = await household.head()
        await shop.sync(household.viewer, account_id)
        assert await household.head() == head  # nothing changed, nothing is told
        dav.put("one", vcard("one", "Ada King", "ada@example.org"), book)
        dav.delete("two", book)
        dav.put("three", vcard("three", "Cai Moss"), book)
        await shop.sync(household.viewer, account_id)
        assert await names(household) == ["Ada King", "Cai Moss"]
        told = {(c.op, c.kind) for c in await household.changes(head)}
        assert {("UPSERT", "CONTACT"), ("UPSERT", "PERSON"), ("DELETE", "CONTACT"), ("DELETE", "PERSON")} <= told
        for uid in ("one", "three"):
            dav.delete(uid, book)


async def test_the_ledger_equals_what_the_server_lists(
    household: Household, radicale_server: servers.CardDav, tmp_path: Path
) -> None:
    book = radicale_server.create_book(f"ledger-{household.database.dialect}")
    for n in range(7):
        radicale_server.put(f"l{n}", vcard(f"l{n}", f"Person {n}"), book)
    async with workshop(household.database, tmp_path, f"127.0.0.1/32:{radicale_server.server.port}") as shop:
        await linked(shop, household, radicale_server)
        lines = "select count(*) from container where expected = stored and expected >= 7"
        assert await shop.count(household.viewer, lines) >= 1
        assert await shop.count(household.viewer, "select count(*) from container where expected <> stored") == 0
        assert await shop.count(household.viewer, "select count(*) from gap") == 0


async def test_a_refused_password_asks_the_user_and_nobody_else(
    household: Household, radicale_server: servers.CardDav, tmp_path: Path
) -> None:
    async with workshop(household.database, tmp_path, f"127.0.0.1/32:{radicale_server.server.port}") as shop:
        account_id = await linked(shop, household, radicale_server)
        wrong = shop.vault.seal(b'{"username":"ada","password":"wrong"}', household.viewer, "account", account_id, "grant")
        await household.database.write(household.viewer, accounts.seal, account_id, wrong)
        await shop.sync(household.viewer, account_id)
        found = await household.database.read(household.viewer, accounts.get, account_id)
        assert found is not None
        assert found.status == "REAUTH_REQUIRED"
        assert found.status_reason


async def test_a_secret_that_was_moved_to_another_account_does_not_open(
    household: Household, radicale_server: servers.CardDav, tmp_path: Path
) -> None:
    async with workshop(household.database, tmp_path, f"127.0.0.1/32:{radicale_server.server.port}") as shop:
        account_id = await linked(shop, household, radicale_server)
        held = await household.database.read(household.viewer, accounts.sealed, account_id)
        other = await household.account("carddav", "somebody-else")
        assert held is not None
        place = {"base_url": radicale_server.url}
        await household.database.write(household.viewer, lambda c, v: accounts.change(c, v, other, None, **place))
        await household.database.write(household.viewer, accounts.seal, other, held.blob)
        with pytest.raises(ReauthRequired, match="changed or moved"):
            await (await shop.accounts.open(household.viewer, other)).profile()


async def test_a_server_that_is_away_degrades_the_account_and_keeps_what_is_stored(household: Household, tmp_path: Path) -> None:
    with servers.radicale() as server:
        server.put("one", vcard("one", "Ada Lovelace"))
        async with workshop(household.database, tmp_path, f"127.0.0.1/32:{server.server.port}") as shop:
            account_id = await linked(shop, household, server)
            server.server.kill()
            await shop.sync(household.viewer, account_id)
            found = await household.database.read(household.viewer, accounts.get, account_id)
            assert found is not None
            assert found.status == "DEGRADED"
            assert await names(household) == ["Ada Lovelace"]
            server.server.start()
            server.put("two", vcard("two", "Bob Ray"))
            await shop.sync(household.viewer, account_id)
            assert await names(household) == ["Ada Lovelace", "Bob Ray"]
            again = await household.database.read(household.viewer, accounts.get, account_id)
            assert again is not None and (again.status, again.status_reason) == ("ACTIVE", None)


async def test_a_private_address_that_the_operator_did_not_open_is_refused(
    household: Household, radicale_server: servers.CardDav, tmp_path: Path
) -> None:
    async with workshop(household.database, tmp_path) as shop:
        with pytest.raises(ForbiddenAddress):
            await linked(shop, household, radicale_server)
        assert await shop.count(household.viewer, "select count(*) from account") == 0


async def test_a_comparison_finds_what_is_missing_and_brings_it_back(
    household: Household, radicale_server: servers.CardDav, tmp_path: Path
) -> None:
    book = radicale_server.create_book(f"verify-{household.database.dialect}")
    for n in range(3):
        radicale_server.put(f"v{n}", vcard(f"v{n}", f"Person {n}"), book)
    async with workshop(household.database, tmp_path, f"127.0.0.1/32:{radicale_server.server.port}") as shop:
        account_id = await linked(shop, household, radicale_server)

        def lose(conn: Connection, viewer: str) -> None:
            conn.execute(delete(contact).where(contact.c.viewer_id == viewer, contact.c.name == "Person 1"))

        await household.database.write(household.viewer, lose)
        lines = await verify(shop, household.viewer, account_id)
        mine = next(line for line in lines if "verify-" in line.container)
        assert (mine.expected, mine.stored, mine.agrees) == (3, 3, True)
        assert "Person 1" in await names(household)


async def test_an_account_of_files_cannot_be_compared(household: Household, tmp_path: Path) -> None:
    async with workshop(household.database, tmp_path) as shop:
        files = await household.account("vcard")
        with pytest.raises(CannotVerify, match="import them again"):
            await verify(shop, household.viewer, files)


async def test_an_account_in_which_nothing_happens_is_asked_less_often_until_something_does(
    household: Household, radicale_server: servers.CardDav, tmp_path: Path
) -> None:
    book = radicale_server.create_book(f"quiet-{household.database.dialect}")
    async with workshop(household.database, tmp_path, f"127.0.0.1/32:{radicale_server.server.port}") as shop:
        account_id = await linked(shop, household, radicale_server)

        async def waits() -> float:
            await shop.sync(household.viewer, account_id)
            job = await household.database.read(household.viewer, leases.pending, "sync", account_id)
            assert job is not None
            return (job.due - shop.clock.now()).total_seconds() / shop.providers["carddav"].poll_seconds

        assert await waits() < 1.5
        for _ in range(20):
            longest = await waits()
        assert 3.5 < longest <= 4.0
        radicale_server.put("new", vcard("new", "Somebody New"), book)
        assert await waits() <= 1.0
