"""Gmail, Google contacts and Microsoft Graph kept in step to the end: store, ledger, events, and marks that the network lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Connection, select

from providers.google import people as google_people
from providers.google.api import SCOPE
from providers.microsoft.graph import SCOPES
from providers.session import Secret
from store.tables import conversation, message, message_source
from tests.household import Household
from tests.providers.google_stub import Mailbox, People
from tests.providers.graph_stub import Graph
from tests.providers.stub_http import running
from tests.providers.test_gmail import mail, with_file
from tests.workshop import Workshop, workshop

GMAIL = Secret(access_token="token-1", scope=SCOPE + "gmail.readonly")
GOOGLE = Secret(access_token="token-1", scope=" ".join(google_people.SCOPES))
MICROSOFT = Secret(access_token="token-1", scope=" ".join(SCOPES))
OPEN_GAPS = "select count(*) from gap"
LEDGER = "select coalesce(sum(expected), 0) from container where expected = stored"


async def stored(household: Household) -> list[Any]:
    """(key, place, labels, flags) of every message as its source shows it, and how many messages that makes."""

    def read(conn: Connection, viewer: str) -> list[Any]:
        mine = message_source.c
        rows = conn.execute(select(mine.key, mine.container, mine.labels, mine.unread).where(mine.viewer_id == viewer)).all()
        return [tuple(row) for row in rows]

    return await household.database.read(household.viewer, read)


async def rows_of(household: Household, table: Any) -> int:
    def read(conn: Connection, viewer: str) -> int:
        return len(conn.execute(select(table.c.id).where(table.c.viewer_id == viewer)).all())

    return await household.database.read(household.viewer, read)


def allowed(url: str) -> str:
    return f"127.0.0.1/32:{urlsplit(url).port}"


async def whole(shop: Workshop, household: Household, count: int) -> None:
    """Nothing is missing, and the ledger agrees with what the network says that there is."""
    assert await shop.count(household.viewer, OPEN_GAPS) == 0
    assert await shop.count(household.viewer, LEDGER) == count
    assert await shop.count(household.viewer, "select count(*) from container where expected <> stored") == 0


async def test_a_gmail_mailbox_its_changes_and_a_lost_history(household: Household, tmp_path: Path) -> None:
    mailbox = Mailbox()
    ids = [mailbox.deliver(mail(number), {"TRASH"} if number == 3 else {"INBOX", "UNREAD"}) for number in range(30)]
    mailbox.deliver(with_file(30, 200))
    async with running(mailbox) as url, workshop(household.database, tmp_path, allowed(url)) as shop:
        account_id = await shop.link(household.viewer, "gmail", url, GMAIL)
        assert {row[0] for row in await stored(household)} == set(mailbox.messages)
        await whole(shop, household, 31)
        head = await household.head()
        await shop.sync(household.viewer, account_id)
        assert await household.head() == head  # nothing changed, nothing is told

        mailbox.relabel(ids[0], remove={"UNREAD"})
        mailbox.relabel(ids[1], add={"TRASH"}, remove={"INBOX"})
        mailbox.delete(ids[2])
        mailbox.deliver(mail(50))
        await shop.sync(household.viewer, account_id)
        told = {(change.op, change.kind) for change in await household.changes(head)}
        assert {("UPSERT", "MESSAGE"), ("DELETE", "MESSAGE")} <= told
        await whole(shop, household, 31)

        mailbox.relabel(ids[4], remove={"UNREAD"})
        mailbox.delete(ids[5])
        old = mailbox.deliver(mail(60), date=1_200_000_000_000)
        mailbox.forget_history()
        head = await household.head()
        await shop.sync(household.viewer, account_id)
        assert {row[0] for row in await stored(household)} == set(mailbox.messages) >= {old}
        await whole(shop, household, 31)
        assert len([each for each in await household.changes(head) if each.kind == "MESSAGE"]) == 3  # and no storm
    assert mailbox.violations == []


async def test_mails_of_one_gmail_thread_are_one_conversation_with_their_copies_from_an_archive(
    household: Household, tmp_path: Path
) -> None:
    mailbox = Mailbox()
    first, answer = mail(1), mail(2, References="<mail-1@example.com>")
    stray = mail(3)  # in the same thread at Gmail, without a reference
    archive = tmp_path / "old.eml"
    archive.write_bytes(first)
    for raw in (first, answer, stray):
        mailbox.deliver(raw, thread="18fa")
    async with running(mailbox) as url, workshop(household.database, tmp_path, allowed(url)) as shop:
        await shop.bring(household.viewer, archive, me="ada@example.org")
        await shop.link(household.viewer, "gmail", url, GMAIL)
    assert await rows_of(household, message) == 3

    def homes(conn: Connection, viewer: str) -> set[str]:
        return set(conn.execute(select(message.c.conversation_id).where(message.c.viewer_id == viewer)).scalars())

    assert len(await household.database.read(household.viewer, homes)) == 1


async def test_an_outlook_mailbox_its_moves_and_lost_marks(household: Household, tmp_path: Path) -> None:
    graph = Graph()
    ids = [graph.deliver(mail(number), "sentitems" if number % 5 == 0 else "inbox") for number in range(30)]
    for number in range(5):
        graph.put_contact(number)
    async with running(graph) as url, workshop(household.database, tmp_path, allowed(url)) as shop:
        account_id = await shop.link(household.viewer, "microsoft", url + graph.base, MICROSOFT)
        assert {row[0] for row in await stored(household)} == set(graph.messages)
        await whole(shop, household, 35)
        head = await household.head()
        await shop.sync(household.viewer, account_id)
        assert await household.head() == head

        graph.move(ids[1], "deleteditems")
        graph.change(ids[2], isRead=True)
        graph.delete(ids[3])
        graph.drop_contact(sorted(graph.contacts)[0])
        await shop.sync(household.viewer, account_id)
        found = {row[0]: row for row in await stored(household)}
        assert set(found) == set(graph.messages)
        assert (found[ids[1]][1], found[ids[2]][3]) == ("Gelöschte Elemente", False)
        assert await shop.count(household.viewer, OPEN_GAPS) == 0

        graph.move(ids[4], "junkemail")
        graph.delete(ids[6])
        graph.forget_marks()
        graph.asked.clear()
        head = await household.head()
        await shop.sync(household.viewer, account_id)
        found = {row[0]: row for row in await stored(household)}
        assert set(found) == set(graph.messages)
        assert found[ids[4]][1] == "Junk-E-Mail"
        await whole(shop, household, 32)
        assert "/me/messages/{message-id}/$value" not in graph.asked
        assert len([each for each in await household.changes(head) if each.kind == "MESSAGE"]) <= 2
    assert graph.violations == []


async def test_a_mailbox_linked_twice_counts_each_message_once(household: Household, tmp_path: Path) -> None:
    mailbox, graph = Mailbox(), Graph()
    for number in range(6):
        raw = with_file(number, 300) if number % 2 else mail(number)
        mailbox.deliver(raw)
        graph.deliver(raw)
    async with (
        running(mailbox) as one,
        running(graph) as other,
        workshop(household.database, tmp_path, allowed(one), allowed(other)) as shop,
    ):
        await shop.link(household.viewer, "gmail", one, GMAIL)
        await shop.link(household.viewer, "microsoft", other + graph.base, MICROSOFT)
    assert len(await stored(household)) == 12
    assert await rows_of(household, message) == 6
    assert await rows_of(household, conversation) == 6


@pytest.mark.parametrize("lost", [False, True], ids=["kept", "lost"])
async def test_google_contacts_their_changes_and_a_lost_token(household: Household, tmp_path: Path, lost: bool) -> None:
    people = People()
    for number in range(25):
        people.put("connections", number)
    people.put("otherContacts", 99)
    async with running(people) as url, workshop(household.database, tmp_path, allowed(url)) as shop:
        account_id = await shop.link(household.viewer, "google", url, GOOGLE)
        await whole(shop, household, 26)
        head = await household.head()
        people.drop("connections", "people/c3")
        people.put("connections", 4, nicknames=[{"value": "Four"}])
        if lost:
            people.sync_tokens.clear()
        await shop.sync(household.viewer, account_id)
        told = [(change.op, change.kind) for change in await household.changes(head)]
        assert sorted(set(told)) == [("DELETE", "CONTACT"), ("DELETE", "PERSON"), ("UPSERT", "CONTACT"), ("UPSERT", "PERSON")]
        assert len(told) <= 5
        assert await shop.count(household.viewer, OPEN_GAPS) == 0
    assert people.violations == []
