"""Conversations marked through the API: shown at once, at every source after, undone where one refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from providers.google_api import SCOPE
from providers.graph import SCOPES
from providers.session import Secret
from store import outbox as writes
from store.tables import message_source, outbox
from tests.asking import Desk, nodes
from tests.household import Household
from tests.household import mail as stored_mail
from tests.mail_servers import PASSWORD, Mailbox, MailServer
from tests.mail_servers import mail as raw_mail
from tests.providers.google_stub import Mailbox as Gmail
from tests.providers.google_stub import refusal as google_refusal
from tests.providers.graph_stub import Graph
from tests.providers.stub_http import running
from tests.providers.test_gmail import mail
from tests.schema.test_writing import write
from tests.workshop import Workshop, workshop

GMAIL = Secret(access_token="token-1", scope=f"{SCOPE}gmail.readonly {SCOPE}gmail.modify")
GRAPH = Secret(access_token="token-1", scope=" ".join(SCOPES))
LISTED = "{ viewer { conversations(first: 50) { edges { node { id subject unreadCount flags messages { edges { node { id flags } } } } } } } }"
DONE = "conversations { id unreadCount flags }"


class Study:
    """A desk and a worker over one viewer's mail."""

    def __init__(self, shop: Workshop, household: Household) -> None:
        self.shop, self.household = shop, household
        self.desk = Desk(household)
        self.desk.services = shop.services

    async def link(self, provider: str, url: str, secret: Secret) -> str:
        return await self.shop.link(self.household.viewer, provider, url, secret)

    async def sync(self, account_id: str) -> None:
        await self.shop.sync(self.household.viewer, account_id)

    async def write_back(self, account_id: str) -> None:
        def wake(conn: Connection, viewer: str) -> None:
            writes.wake(conn, viewer, account_id, self.shop.clock.now())

        await self.household.database.write(self.household.viewer, wake)
        await self.shop.write_back(self.household.viewer, account_id)

    async def conversations(self) -> list[Any]:
        return nodes((await self.desk.ask(LISTED))["viewer"]["conversations"])

    async def mark(self, what: str, *conversation_ids: str) -> Any:
        quoted = ", ".join(f'"{each}"' for each in conversation_ids)
        return await write(self.desk, f"markConversations(input: {{ conversationIds: [{quoted}], {what} }})", DONE)

    async def states(self) -> list[str]:
        def read(conn: Connection, viewer: str) -> list[str]:
            mine = select(outbox.c.state).where(outbox.c.viewer_id == viewer).order_by(outbox.c.position)
            return list(conn.execute(mine).scalars())

        return await self.household.database.read(self.household.viewer, read)


@pytest.fixture
async def study(household: Household, tmp_path: Path) -> AsyncIterator[Study]:
    async with workshop(household.database, tmp_path, "127.0.0.0/8:*") as shop:
        yield Study(shop, household)


@asynccontextmanager
async def gmail(study: Study, count: int = 3) -> AsyncIterator[tuple[Gmail, str]]:
    stub = Gmail()
    for number in range(count):
        stub.deliver(mail(number))
    async with running(stub) as url:
        yield stub, await study.link("gmail", url, GMAIL)
    assert stub.violations == []


# --- at every kind of source ------------------------------------------------------------------------------------------------


async def test_read_and_starred_reach_gmail_and_their_echo_is_no_news(study: Study) -> None:
    async with gmail(study) as (stub, box):
        shown = await study.conversations()
        done = await study.mark("read: true, flagged: true", *(one["id"] for one in shown))
        assert done["errors"] == []
        assert [(one["unreadCount"], one["flags"]) for one in done["conversations"]] == [(0, ["FLAGGED"])] * 3
        assert all("UNREAD" in each.labels for each in stub.messages.values())
        await study.write_back(box)
        assert [each.labels for each in stub.messages.values()] == [{"INBOX", "STARRED"}] * 3
        head = await study.household.head()
        await study.sync(box)
        assert await study.household.changes(head) == []
        await study.mark("read: false", shown[0]["id"])
        await study.write_back(box)
        assert sum("UNREAD" in each.labels for each in stub.messages.values()) == 1
    assert await study.states() == ["DONE", "DONE"]


async def test_read_and_flagged_reach_outlook_and_their_echo_is_no_news(study: Study) -> None:
    graph = Graph()
    for number in range(23):
        graph.deliver(mail(number))
    async with running(graph) as url:
        box = await study.link("microsoft", url + graph.base, GRAPH)
        shown = await study.conversations()
        done = await study.mark("read: true, flagged: true", *(one["id"] for one in shown))
        assert done["errors"] == []
        graph.delete(sorted(graph.messages)[0])
        graph.throttled = []
        await study.write_back(box)
        told = [(each.properties["isRead"], each.properties["flag"]["flagStatus"]) for each in graph.messages.values()]
        assert told == [(True, "flagged")] * 22
        head = await study.household.head()
        await study.sync(box)
        assert [(c.op, c.kind) for c in await study.household.changes(head) if c.op == "UPSERT" and c.kind == "MESSAGE"] == []
    assert graph.violations == []
    assert await study.states() == ["DONE"]


@pytest.fixture(params=["dovecot", "cyrus"])
def imap(request: pytest.FixtureRequest) -> Any:
    server: MailServer = request.getfixturevalue(f"{request.param}_server")
    user = server.new_user()
    with server.mailbox(user) as box:
        yield server, user, box


async def test_read_and_flagged_reach_an_imap_server_and_their_echo_is_no_news(
    study: Study, imap: tuple[MailServer, str, Mailbox]
) -> None:
    server, user, _ = imap
    for number in range(3):
        server.deliver(raw_mail(f"Number {number}"), user)
    box = await study.link("imap", f"imap-plain://127.0.0.1:{server.port}", Secret(username=user, password=PASSWORD))
    shown = await study.conversations()
    assert [one["unreadCount"] for one in shown] == [1, 1, 1]
    done = await study.mark("read: true, flagged: true", shown[0]["id"], shown[1]["id"])
    assert (done["errors"], [one["unreadCount"] for one in done["conversations"]]) == ([], [0, 0])
    await study.write_back(box)
    assert await study.states() == ["DONE"]
    with server.mailbox(user) as other:
        assert marks_at(other) == [(False, False), (True, True), (True, True)]
    head = await study.household.head()
    await study.sync(box)
    assert await study.household.changes(head) == []
    await study.mark("flagged: false, read: false", shown[0]["id"])
    await study.write_back(box)
    with server.mailbox(user) as other:
        assert marks_at(other) == [(False, False), (False, False), (True, True)]


def marks_at(box: Mailbox) -> list[tuple[bool, bool]]:
    """(seen, flagged) of each message of the inbox, as another mail program sees it."""
    return sorted(("\\Seen" in flags, "\\Flagged" in flags) for flags in box.flags("INBOX"))


# --- what is shown until it is settled ----------------------------------------------------------------------------------------


async def test_what_a_source_refuses_is_undone(study: Study) -> None:
    async with gmail(study) as (stub, box):
        before = await study.conversations()
        await study.mark("read: true, flagged: true", *(one["id"] for one in before))
        stub.troubled = {"batchModify": [google_refusal(400, "invalidArgument")]}
        await study.write_back(box)
        assert await study.states() == ["REFUSED"]
        assert await study.conversations() == before


async def test_a_source_that_is_away_gets_it_later_and_a_poll_in_between_takes_nothing_back(study: Study) -> None:
    async with gmail(study) as (stub, box):
        shown = await study.conversations()
        await study.mark("read: true", shown[0]["id"])
        stub.troubled = {"batchModify": [google_refusal(503, "backendError")]}
        await study.write_back(box)
        assert await study.states() == ["QUEUED"]
        for id_ in stub.messages:
            stub.relabel(id_, add=["IMPORTANT"])
        await study.sync(box)
        assert [one["unreadCount"] for one in await study.conversations()] == [0, 1, 1]
        await study.write_back(box)
        assert await study.states() == ["DONE"]
        assert sum("UNREAD" in each.labels for each in stub.messages.values()) == 2


async def test_what_a_poll_said_in_between_is_what_a_refusal_goes_back_to(study: Study) -> None:
    async with gmail(study, 1) as (stub, box):
        (shown,) = await study.conversations()
        await study.mark("flagged: true", shown["id"])
        stub.relabel(next(iter(stub.messages)), remove=["UNREAD"], add=["STARRED"])
        await study.sync(box)
        stub.troubled = {"batchModify": [google_refusal(400, "invalidArgument")]}
        await study.write_back(box)
        (after,) = await study.conversations()
        assert (after["unreadCount"], after["flags"]) == (0, ["FLAGGED"])


async def test_reading_up_to_a_message_leaves_later_ones_unread(study: Study) -> None:
    household = study.household
    box = await household.account("gmail", "robin@example.org")
    thread = [stored_mail(0, "ada@example.org", unread=True)]
    thread += [stored_mail(n, "ada@example.org", answers=[0], unread=True) for n in range(1, 4)]
    await household.take(box, *thread)
    (shown,) = await study.conversations()
    up_to = nodes(shown["messages"])[1]["id"]
    done = await study.mark(f'readUpToMessageId: "{up_to}"', shown["id"])
    assert [one["unreadCount"] for one in done["conversations"]] == [2]
    (after,) = await study.conversations()
    assert ["UNREAD" in one["flags"] for one in nodes(after["messages"])] == [False, False, True, True]


async def test_every_source_of_a_conversation_is_marked_and_files_are_left_alone(study: Study) -> None:
    household = study.household
    first, second = [await household.account("gmail", f"{name}@example.org") for name in ("robin", "other")]
    archive = await household.account("mbox", "files")
    for account_id, unread in ((first, True), (second, True), (archive, None)):
        await household.take(account_id, stored_mail(1, "ada@example.org", unread=unread))
    (shown,) = await study.conversations()
    done = await study.mark("read: true", shown["id"])
    assert (done["errors"], done["conversations"][0]["unreadCount"]) == ([], 0)

    def read(conn: Connection, viewer: str) -> dict[str, bool | None]:
        mine = message_source.c
        rows = conn.execute(select(mine.account_id, mine.unread).where(mine.viewer_id == viewer))
        return {row.account_id: row.unread for row in rows}

    assert await household.database.read(household.viewer, read) == {first: False, second: False, archive: None}
    assert len(await study.states()) == 2


# --- what is refused, and whose it is ---------------------------------------------------------------------------------------


async def test_what_cannot_be_marked_is_named_and_the_others_are_marked(study: Study) -> None:
    household = study.household
    box = await household.account("gmail", "robin@example.org")
    archive = await household.account("mbox", "files")
    await household.take(box, stored_mail(1, "ada@example.org", unread=True))
    await household.take(archive, stored_mail(2, "ada@example.org"))
    shown = {one["subject"]: one["id"] for one in await study.conversations()}
    done = await study.mark("read: true", shown["Subject 1"], shown["Subject 2"], "v_nobody", "p_person")
    assert [one and one["unreadCount"] for one in done["conversations"]] == [0, None, None, None]
    assert [(e["code"], e["field"]) for e in done["errors"]] == [
        ("UNSUPPORTED", ["conversationIds", "1"]),
        ("NOT_FOUND", ["conversationIds", "2"]),
        ("WRONG_KIND", ["conversationIds", "3"]),
    ]
    assert len(await study.states()) == 1


async def test_a_grant_that_only_reads_says_what_to_do(study: Study) -> None:
    stub = Gmail()
    stub.deliver(mail(1))
    async with running(stub) as url:
        await study.link("gmail", url, Secret(access_token="token-1", scope=SCOPE + "gmail.readonly"))
        (shown,) = await study.conversations()
        done = await study.mark("read: true", shown["id"])
    assert [e["code"] for e in done["errors"]] == ["REAUTH_REQUIRED"]
    assert (done["conversations"], await study.states()) == ([None], [])
    assert await study.conversations() == [shown]


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("idempotencyKey: null", "REQUIRED"),
        ('readUpToMessageId: "m_nothing"', "NOT_FOUND"),
        ('readUpToMessageId: "m_x", read: true', "INVALID"),
    ],
)
async def test_what_says_nothing_or_too_much_is_refused_as_data(study: Study, what: str, code: str) -> None:
    box = await study.household.account("gmail", "robin@example.org")
    await study.household.take(box, stored_mail(1, "ada@example.org", unread=True))
    (shown,) = await study.conversations()
    done = await study.mark(what, shown["id"])
    assert ([e["code"] for e in done["errors"]], done["conversations"]) == ([code], None)


async def test_more_than_two_hundred_at_once_are_refused(study: Study) -> None:
    done = await study.mark("read: true", *(f"v_{n}" for n in range(201)))
    assert [(e["code"], e["field"]) for e in done["errors"]] == [("TOO_LONG", ["conversationIds"])]


async def test_another_viewer_marks_nothing(study: Study) -> None:
    box = await study.household.account("gmail", "robin@example.org")
    await study.household.take(box, stored_mail(1, "ada@example.org", unread=True))
    (shown,) = await study.conversations()
    other = Study(study.shop, await Household.open(study.household.database, "u_other"))
    done = await other.mark("read: true", shown["id"])
    assert [e["code"] for e in done["errors"]] == ["NOT_FOUND"]
    assert await study.conversations() == [shown]


async def test_a_key_marks_once_and_gives_its_first_answer_again(study: Study) -> None:
    household = study.household
    box = await household.account("gmail", "robin@example.org")
    await household.take(box, stored_mail(1, "ada@example.org", unread=True))
    (shown,) = await study.conversations()
    first, second = [await study.mark('read: true, idempotencyKey: "k"', shown["id"], "v_nobody") for _ in range(2)]
    assert first == second
    assert [e["code"] for e in first["errors"]] == ["NOT_FOUND"]
    assert len(await study.states()) == 1
