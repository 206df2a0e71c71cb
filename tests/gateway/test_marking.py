"""Conversations marked through the API: shown at once, at every source after, undone where one refuses."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers.google.api import SCOPE
from providers.session import Secret
from store.tables import account, conversation, conversation_label, label, message, message_source
from tests.asking import nodes
from tests.gateway.study import EVERYWHERE, GRAPH, Study, gmail
from tests.household import Household
from tests.household import mail as stored_mail
from tests.mail_servers import PASSWORD, Mailbox, MailServer
from tests.mail_servers import mail as raw_mail
from tests.ports import free_port
from tests.providers.google_stub import Mailbox as Gmail
from tests.providers.google_stub import refusal as google_refusal
from tests.providers.graph_stub import Graph
from tests.providers.stub_http import running
from tests.providers.test_gmail import mail

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


@pytest.mark.parametrize(
    ("what", "flag", "labels"),
    [("archived", "ARCHIVED", set()), ("trashed", "TRASHED", {"TRASH"}), ("spam", "SPAM", {"SPAM"})],
)
async def test_a_place_reaches_gmail_and_back_and_its_echo_is_no_news(
    study: Study, what: str, flag: str, labels: set[str]
) -> None:
    async with gmail(study, 1) as (stub, box):
        (shown,) = await study.conversations()
        done = await study.mark(f"{what}: true", shown["id"])
        assert (done["errors"], [one["flags"] for one in done["conversations"]]) == ([], [sorted(["UNREAD", flag])])
        await study.sync(box)
        await study.write_back(box)
        assert [each.labels for each in stub.messages.values()] == [{"UNREAD"} | labels]
        head = await study.household.head()
        await study.sync(box)
        assert await study.household.changes(head) == []
        done = await study.mark(f"{what}: false", shown["id"])
        assert [one["flags"] for one in done["conversations"]] == [["UNREAD"]]
        await study.write_back(box)
        assert [each.labels for each in stub.messages.values()] == [{"UNREAD", "INBOX"}]
    assert await study.states() == ["DONE", "DONE"]


@pytest.mark.parametrize(("what", "flag", "folder"), [("trashed", "TRASHED", "deleteditems"), ("spam", "SPAM", "junkemail")])
async def test_a_place_reaches_outlook_and_back_and_its_echo_is_no_news(study: Study, what: str, flag: str, folder: str) -> None:
    graph = Graph()
    for number in range(3):
        graph.deliver(mail(number))
    async with running(graph) as url:
        box = await study.link("microsoft", url + graph.base, GRAPH)
        shown = await study.conversations()
        done = await study.mark(f"{what}: true", *(one["id"] for one in shown))
        assert done["errors"] == []
        assert [flag in one["flags"] for one in done["conversations"]] == [True] * 3
        assert await study.conversations() == []
        await study.write_back(box)
        assert {held.folder for held in graph.messages.values()} == {graph.well_known[folder]}
        head = await study.household.head()
        await study.sync(box)
        assert [c for c in await study.household.changes(head) if c.kind in ("MESSAGE", "CONVERSATION")] == []
        await study.mark(f"{what}: false", shown[0]["id"])
        await study.write_back(box)
        assert sum(held.folder == graph.well_known["inbox"] for held in graph.messages.values()) == 1
    assert graph.violations == []
    assert await study.states() == ["DONE", "DONE"]


async def test_archiving_reaches_outlook_and_back_and_its_echo_is_no_news(study: Study) -> None:
    graph = Graph()
    graph.well_known["archive"] = graph.add_folder("Archiv")
    for number in range(3):
        graph.deliver(mail(number))
    async with running(graph) as url:
        box = await study.link("microsoft", url + graph.base, GRAPH)
        shown = await study.conversations()
        done = await study.mark("archived: true", *(one["id"] for one in shown))
        assert (done["errors"], [one["flags"] for one in done["conversations"]]) == ([], [["ARCHIVED", "UNREAD"]] * 3)
        await study.write_back(box)
        assert {held.folder for held in graph.messages.values()} == {graph.well_known["archive"]}
        head = await study.household.head()
        await study.sync(box)
        assert [c for c in await study.household.changes(head) if c.kind in ("MESSAGE", "CONVERSATION")] == []
        await study.mark("archived: false", shown[0]["id"])
        await study.write_back(box)
        assert sum(held.folder == graph.well_known["inbox"] for held in graph.messages.values()) == 1
        await study.sync(box)
        assert [one["flags"] for one in await study.conversations()].count(["UNREAD"]) == 1
    assert graph.violations == []
    assert await study.states() == ["DONE", "DONE"]


async def test_archiving_is_undone_where_outlook_has_no_archive(study: Study) -> None:
    graph = Graph()
    graph.deliver(mail(1))
    async with running(graph) as url:
        box = await study.link("microsoft", url + graph.base, GRAPH)
        before = await study.conversations()
        await study.mark("archived: true", before[0]["id"])
        await study.write_back(box)
        assert await study.states() == ["REFUSED"]
        assert await study.conversations() == before


@pytest.mark.parametrize(
    ("what", "flag", "folder"), [("archived", "ARCHIVED", "Archive"), ("trashed", "TRASHED", "Trash"), ("spam", "SPAM", "Junk")]
)
async def test_a_place_reaches_an_imap_server_and_back_and_its_echo_is_no_news(
    study: Study, imap: tuple[MailServer, str, Mailbox], what: str, flag: str, folder: str
) -> None:
    server, user, _ = imap
    for number in range(3):
        server.deliver(raw_mail(f"Number {number}"), user)
    box = await study.link("imap", f"imap-plain://127.0.0.1:{server.port}", Secret(username=user, password=PASSWORD))
    shown = await study.conversations()
    done = await study.mark(f"{what}: true", shown[0]["id"], shown[1]["id"])
    assert (done["errors"], [flag in one["flags"] for one in done["conversations"]]) == ([], [True, True])
    await study.write_back(box)
    assert await study.states() == ["DONE"]
    with server.mailbox(user) as other:
        assert (len(other.uids("INBOX")), len(other.uids(folder))) == (1, 2)
    head = await study.household.head()
    await study.sync(box)
    assert [c for c in await study.household.changes(head) if c.kind in ("MESSAGE", "CONVERSATION")] == []
    await study.mark(f"{what}: false", shown[0]["id"])
    await study.write_back(box)
    with server.mailbox(user) as other:
        assert (len(other.uids("INBOX")), len(other.uids(folder))) == (2, 1)


class Hobbled:
    """What lies before a mail server: it hides abilities of it, and once cuts the line at a command, carried out (`done`) or not."""

    def __init__(self, upstream: int, *hidden: bytes, cut: bytes = b"", done: bool = False) -> None:
        self.port = 0
        self._upstream, self._hidden, self._cut, self._done = upstream, hidden, cut, done
        self._answered = asyncio.Event()

    async def serve(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, onward = await asyncio.open_connection("127.0.0.1", self._upstream)
        answers = asyncio.ensure_future(self._answers(far, back))
        with contextlib.suppress(ConnectionError):
            while line := await near.readline():
                if self._cut and b" UID " + self._cut + b" " in line:
                    self._cut = b""
                    if self._done:
                        answers.cancel()
                        onward.write(line)
                        while b" OK " not in await far.readline():
                            pass
                    break
                onward.write(line)
        answers.cancel()
        onward.close()
        back.close()

    async def _answers(self, far: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await far.readline():
                for ability in self._hidden if b"CAPABILITY" in line else ():
                    line = line.replace(b" " + ability, b"")
                back.write(line)
            back.close()


@asynccontextmanager
async def hobbled(upstream: int, *hidden: bytes, cut: bytes = b"", done: bool = False) -> AsyncIterator[int]:
    line = Hobbled(upstream, *hidden, cut=cut, done=done)
    server = await asyncio.start_server(line.serve, "127.0.0.1", free_port())
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_a_server_that_cannot_move_copies_and_deletes(study: Study, imap: tuple[MailServer, str, Mailbox]) -> None:
    server, user, box = imap
    for number in range(3):
        server.deliver(raw_mail(f"Number {number}"), user)
    box.flag("INBOX", box.uids("INBOX")[2:], "\\Deleted")  # of somebody else, who has not made up their mind
    async with hobbled(server.port, b"MOVE") as port:
        account_id = await study.link("imap", f"imap-plain://127.0.0.1:{port}", Secret(username=user, password=PASSWORD))
        shown = await study.conversations()
        await study.mark("trashed: true", *(one["id"] for one in shown))
        await study.write_back(account_id)
        with server.mailbox(user) as other:
            assert (len(other.uids("INBOX")), len(other.uids("Trash"))) == (1, 2)
        head = await study.household.head()
        await study.sync(account_id)
        assert [c for c in await study.household.changes(head) if c.kind in ("MESSAGE", "CONVERSATION")] == []
    assert await study.states() == ["DONE"]


async def test_a_server_that_expunges_only_all_at_once_keeps_what_was_copied_marked_as_deleted(
    study: Study, imap: tuple[MailServer, str, Mailbox]
) -> None:
    server, user, _ = imap
    server.deliver(raw_mail("Number 1"), user)
    async with hobbled(server.port, b"MOVE", b"UIDPLUS") as port:
        box = await study.link("imap", f"imap-plain://127.0.0.1:{port}", Secret(username=user, password=PASSWORD))
        (shown,) = await study.conversations()
        await study.mark("trashed: true", shown["id"])
        await study.write_back(box)
        with server.mailbox(user) as other:
            assert ["\\Deleted" in flags for flags in other.flags("INBOX")] == [True]
            assert ["\\Deleted" in flags for flags in other.flags("Trash")] == [False]
        await study.sync(box)
        (after,) = await study.conversations(EVERYWHERE)
        assert (after["id"], after["flags"], len(nodes(after["messages"]))) == (shown["id"], ["TRASHED", "UNREAD"], 1)


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", [b"COPY", b"STORE", b"EXPUNGE"], ids=bytes.decode)
async def test_a_move_cut_between_its_steps_loses_no_message_and_makes_no_second_one(
    study: Study, imap: tuple[MailServer, str, Mailbox], step: bytes, done: bool
) -> None:
    server, user, _ = imap
    for number in range(3):
        server.deliver(raw_mail(f"Number {number}"), user)
    async with hobbled(server.port, b"MOVE", cut=step, done=done) as port:
        box = await study.link("imap", f"imap-plain://127.0.0.1:{port}", Secret(username=user, password=PASSWORD))
        shown = await study.conversations()
        await study.mark("trashed: true", shown[0]["id"], shown[1]["id"])
        await study.write_back(box)
        assert await study.states() == ["QUEUED"]
        await study.write_back(box)
        assert await study.states() == ["DONE"]
        with server.mailbox(user) as other:
            assert (len(other.uids("INBOX")), len(other.uids("Trash"))) == (1, 2)
        head = await study.household.head()
        await study.sync(box)
        assert "DELETE" not in {c.op for c in await study.household.changes(head)}
        after = await study.conversations(EVERYWHERE)
        assert sorted((one["id"], "TRASHED" in one["flags"]) for one in after) == sorted(
            (one["id"], n < 2) for n, one in enumerate(shown)
        )
        assert [len(nodes(one["messages"])) for one in after] == [1, 1, 1]


async def test_a_refused_move_is_undone(study: Study) -> None:
    async with gmail(study) as (stub, box):
        before = await study.conversations()
        await study.mark("trashed: true", *(one["id"] for one in before))
        assert await study.conversations() == []
        stub.troubled = {"batchModify": [google_refusal(400, "invalidArgument")]}
        await study.write_back(box)
        assert await study.states() == ["REFUSED"]
        assert await study.conversations() == before


async def test_what_is_marked_while_a_move_is_on_its_way_reaches_the_message_in_its_new_folder(
    study: Study, imap: tuple[MailServer, str, Mailbox]
) -> None:
    server, user, _ = imap
    server.deliver(raw_mail("Number 1"), user)
    box = await study.link("imap", f"imap-plain://127.0.0.1:{server.port}", Secret(username=user, password=PASSWORD))
    (shown,) = await study.conversations()
    await study.mark("trashed: true", shown["id"])
    await study.mark("flagged: true", shown["id"])
    await study.write_back(box)
    assert await study.states() == ["DONE", "DONE"]
    with server.mailbox(user) as other:
        assert ["\\Flagged" in flags for flags in other.flags("Trash")] == [True]


async def test_the_trash_of_one_account_hides_nothing_that_another_has_in_its_inbox(study: Study) -> None:
    household = study.household
    first, second = [await household.account("gmail", f"{name}@example.org") for name in ("robin", "other")]
    archive = await household.account("mbox", "files")
    await household.take(first, stored_mail(1, "ada@example.org", unread=True, role="TRASH"))
    await household.take(second, stored_mail(1, "ada@example.org", unread=True, role="INBOX"))
    await household.take(archive, stored_mail(1, "ada@example.org"))
    (shown,) = await study.conversations()
    assert shown["flags"] == ["UNREAD"]
    done = await study.mark("trashed: true", shown["id"])
    assert [one["flags"] for one in done["conversations"]] == [["TRASHED", "UNREAD"]]
    assert len(await study.states()) == 1


# --- what was stored before anybody asked what folders are for ------------------------------------------------------------------


async def forget_roles(study: Study, account_id: str) -> None:
    """Everything of an account as the release before stored it."""
    places = {"ARCHIVED", "TRASHED", "SPAM"}

    def write(conn: Connection, viewer: str) -> None:
        conn.execute(sa.update(message_source).where(message_source.c.viewer_id == viewer).values(role=None, label_keys=None))
        for table in (label, conversation_label):
            conn.execute(sa.delete(table).where(table.c.viewer_id == viewer))
        conn.execute(sa.update(account).where(account.c.viewer_id == viewer).values(settings=b"{}"))
        for table in (message, conversation):
            for row in conn.execute(select(table.c.id, table.c.flags).where(table.c.viewer_id == viewer)).all():
                flags = " ".join(sorted(set(row.flags.split()) - places))
                conn.execute(sa.update(table).where(table.c.viewer_id == viewer, table.c.id == row.id).values(flags=flags))

    await study.household.database.write(study.household.viewer, write)


async def heals(study: Study, box: str) -> None:
    """That the next run of the sync says of all messages where they lie, once."""
    before = await study.conversations(EVERYWHERE)
    labels = await study.labels_of_conversations()
    assert {flag for one in before for flag in one["flags"]} >= {"ARCHIVED", "TRASHED", "SPAM"}
    await forget_roles(study, box)
    head = await study.household.head()
    assert await study.conversations(EVERYWHERE) != before
    await study.sync(box)
    assert await study.conversations(EVERYWHERE) == before
    assert await study.labels_of_conversations() == labels
    told = {c.node_id for c in await study.household.changes(head) if c.kind == "MESSAGE"}
    flagged = [one for one in before if set(one["flags"]) & {"ARCHIVED", "TRASHED", "SPAM"}]
    assert told == {each["id"] for one in flagged for each in nodes(one["messages"])}
    head = await study.household.head()
    await study.sync(box)
    assert await study.household.changes(head) == []


async def test_mail_of_gmail_from_before_is_where_its_labels_put_it_after_the_next_sync(study: Study) -> None:
    async with gmail(study, 4) as (stub, box):
        ids = list(stub.messages)
        for id_, label in zip(ids, ("", "TRASH", "SPAM"), strict=False):
            stub.relabel(id_, add=[label] if label else [], remove=["INBOX"])
        await study.sync(box)
        await heals(study, box)


async def test_mail_of_outlook_from_before_is_where_its_folder_is_after_the_next_sync(study: Study) -> None:
    graph = Graph()
    for number, folder in enumerate(("inbox", "deleteditems", "junkemail", graph.add_folder("Reise"))):
        graph.deliver(mail(number), folder)
    async with running(graph) as url:
        await heals(study, await study.link("microsoft", url + graph.base, GRAPH))


async def test_mail_of_an_imap_server_from_before_is_where_its_folder_is_after_the_next_sync(
    study: Study, imap: tuple[MailServer, str, Mailbox]
) -> None:
    server, user, other = imap
    for number, folder in enumerate(("INBOX", "Trash", "Junk", "Reise")):
        with contextlib.suppress(AssertionError):  # Dovecot has made some of them already
            other.create(folder)
        other.append(folder, raw_mail(f"Number {number}"))
    box = await study.link("imap", f"imap-plain://127.0.0.1:{server.port}", Secret(username=user, password=PASSWORD))
    await heals(study, box)


async def test_what_is_on_its_way_to_an_account_is_settled_before_its_mail_from_before_is_told_of(study: Study) -> None:
    async with gmail(study, 2) as (stub, box):
        for one in stub.messages:
            stub.relabel(one, remove=["INBOX"])
        await study.sync(box)
        first, _ = await study.conversations()
        await forget_roles(study, box)
        await study.mark("trashed: true", first["id"])
        await study.sync(box)
        assert [one["flags"] for one in await study.conversations()] == [["UNREAD"]]
        stub.troubled = {"batchModify": [google_refusal(400, "invalidArgument")]}
        await study.write_back(box)
        await study.sync(box)
        assert [one["flags"] for one in await study.conversations()] == [["ARCHIVED", "UNREAD"]] * 2


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


@pytest.mark.parametrize("said", [None, True])  # some files tell what was read
async def test_every_source_of_a_conversation_is_marked_and_files_are_left_alone(study: Study, said: bool | None) -> None:
    household = study.household
    first, second = [await household.account("gmail", f"{name}@example.org") for name in ("robin", "other")]
    archive = await household.account("mbox", "files")
    for account_id, unread in ((first, True), (second, True), (archive, said)):
        await household.take(account_id, stored_mail(1, "ada@example.org", unread=unread))
    (shown,) = await study.conversations()
    done = await study.mark("read: true", shown["id"])
    assert (done["errors"], done["conversations"][0]["unreadCount"]) == ([], 0)

    def read(conn: Connection, viewer: str) -> dict[str, bool | None]:
        mine = message_source.c
        rows = conn.execute(select(mine.account_id, mine.unread).where(mine.viewer_id == viewer))
        return {row.account_id: row.unread for row in rows}

    assert await household.database.read(household.viewer, read) == {first: False, second: False, archive: said}
    assert len(await study.states()) == 2


# --- what is refused, and whose it is ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [None, True])
async def test_what_cannot_be_marked_is_named_and_the_others_are_marked(study: Study, said: bool | None) -> None:
    household = study.household
    box = await household.account("gmail", "robin@example.org")
    archive = await household.account("mbox", "files")
    await household.take(box, stored_mail(1, "ada@example.org", unread=True))
    await household.take(archive, stored_mail(2, "ada@example.org", unread=said))
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
        ("archived: true, trashed: true", "INVALID"),
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


@pytest.mark.parametrize("what", ["trashed: true", "archived: true", "spam: true"])
async def test_another_viewer_moves_nothing_not_even_a_mail_that_both_have(study: Study, what: str) -> None:
    others = await Household.open(study.household.database, "u_other")
    for household in (study.household, others):
        box = await household.account("gmail", f"{household.viewer}@example.org")
        await household.take(box, stored_mail(1, "ada@example.org", unread=True, role="INBOX"))
    other = Study(study.shop, others)
    (mine,), (theirs,) = await study.conversations(), await other.conversations()
    done = await other.mark(what, mine["id"])
    assert ([e["code"] for e in done["errors"]], done["conversations"]) == (["NOT_FOUND"], [None])
    done = await other.mark(what, theirs["id"])
    assert done["errors"] == []
    assert await study.conversations() == [mine]
    assert (await study.states(), await other.states()) == ([], ["QUEUED"])


async def test_a_key_marks_once_and_gives_its_first_answer_again(study: Study) -> None:
    household = study.household
    box = await household.account("gmail", "robin@example.org")
    await household.take(box, stored_mail(1, "ada@example.org", unread=True))
    (shown,) = await study.conversations()
    first, second = [await study.mark('read: true, idempotencyKey: "k"', shown["id"], "v_nobody") for _ in range(2)]
    assert first == second
    assert [e["code"] for e in first["errors"]] == ["NOT_FOUND"]
    assert len(await study.states()) == 1
