"""Folders and labels of accounts: listed, asked by, and conversations put in and taken out, here at once and at their source after."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from providers import records
from providers.session import Secret
from tests.asking import nodes
from tests.gateway.study import EVERYWHERE, GRAPH, Study, gmail
from tests.household import Household
from tests.household import mail as stored_mail
from tests.mail_servers import PASSWORD, Mailbox, MailServer
from tests.mail_servers import mail as raw_mail
from tests.providers.google_stub import refusal as google_refusal
from tests.providers.graph_stub import Graph
from tests.providers.graph_stub import refusal as graph_refusal
from tests.providers.imap_fake import GMAIL, USER, Fake, faked
from tests.providers.imap_fake import PASSWORD as FAKE_PASSWORD
from tests.providers.stub_http import running
from tests.providers.test_gmail import mail

WORK = "Label_1"  # its id at Gmail
LABELS = "{ viewer { accounts { edges { node { id labels { id version name role unreadCount writable account { id } } } } } } }"
NODE = "query($id: ID!) { node(id: $id) { __typename ... on Label { name role account { id } } } }"


async def labels(study: Study) -> dict[str, Any]:
    """The labels of all accounts by name."""
    accounts = nodes((await study.desk.ask(LABELS))["viewer"]["accounts"])
    return {each["name"]: each for account in accounts for each in account["labels"]}


async def unread(study: Study) -> dict[str, int]:
    """How many unread messages each label has, of those that have any."""
    return {name: each["unreadCount"] for name, each in (await labels(study)).items() if each["unreadCount"]}


async def within(study: Study, *label_ids: str) -> list[str]:
    """The subjects of the conversations with any of these labels."""
    wanted = ", ".join(f'"{each}"' for each in label_ids)
    shown = await study.conversations(f", filter: {{ withoutFlags: null, labelIds: [{wanted}] }}")
    return sorted(one["subject"] for one in shown)


async def having(study: Study, role: str) -> list[str]:
    """The subjects of the conversations with a label of this role."""
    shown = await study.conversations(f", filter: {{ withoutFlags: null, roles: [{role}] }}")
    return sorted(one["subject"] for one in shown)


async def told(study: Study, since: int) -> list[Any]:
    """What happened to messages and conversations."""
    return [c for c in await study.household.changes(since) if c.kind in ("MESSAGE", "CONVERSATION") and c.op != "SETTLE"]


def ids(*some: Any) -> str:
    return ", ".join(f'"{each["id"]}"' for each in some)


# --- Gmail: labels that overlap ------------------------------------------------------------------------------------------------


async def test_labels_of_gmail_are_listed_put_on_and_taken_off_and_their_echo_is_no_news(study: Study) -> None:
    async with gmail(study, 2, {WORK: "Arbeit"}) as (stub, box):
        found = await labels(study)
        assert {name: (one["role"], one["writable"]) for name, one in found.items()} == {
            "INBOX": ("INBOX", True), "SENT": ("SENT", False), "DRAFT": ("DRAFTS", False), "IMPORTANT": ("IMPORTANT", True),
            "SPAM": ("SPAM", True), "TRASH": ("TRASH", True), "Arbeit": ("CUSTOM", True),
        }  # fmt: skip
        assert {one["account"]["id"] for one in found.values()} == {box}
        work = found["Arbeit"]
        assert (await study.desk.ask(NODE, id=work["id"]))["node"]["__typename"] == "Label"
        shown = await study.conversations()
        done = await study.mark(f"addLabelIds: [{ids(work)}], removeLabelIds: [{ids(found['INBOX'])}]", shown[0]["id"])
        assert (done["errors"], done["conversations"][0]["flags"]) == ([], ["ARCHIVED", "UNREAD"])
        assert await study.labels_of_conversations() == {shown[0]["subject"]: [work["name"]], shown[1]["subject"]: ["INBOX"]}
        assert (await within(study, work["id"]), await having(study, "INBOX")) == (
            [shown[0]["subject"]], [shown[1]["subject"]],
        )  # fmt: skip
        await study.sync(box)  # before it has left
        assert await within(study, work["id"]) == [shown[0]["subject"]]
        await study.write_back(box)
        assert sorted(sorted(each.labels) for each in stub.messages.values()) == [
            ["INBOX", "UNREAD"], sorted([WORK, "UNREAD"]),
        ]  # fmt: skip
        head = await study.household.head()
        await study.sync(box)
        assert await study.household.changes(head) == []
        await study.mark(f"removeLabelIds: [{ids(work)}], addLabelIds: [{ids(found['INBOX'])}]", shown[0]["id"])
        await study.write_back(box)
        assert [each.labels for each in stub.messages.values()] == [{"INBOX", "UNREAD"}] * 2
    assert await study.states() == ["DONE", "DONE"]


async def test_a_label_that_gmail_refuses_is_taken_off_again(study: Study) -> None:
    async with gmail(study, 1, {WORK: "Arbeit"}) as (stub, box):
        found = await labels(study)
        work = found["Arbeit"]
        (before,) = await study.conversations()
        await study.mark(f"addLabelIds: [{ids(work)}], removeLabelIds: [{ids(found['INBOX'])}]", before["id"])
        stub.troubled = {"batchModify": [google_refusal(400, "invalidArgument")]}
        await study.write_back(box)
        assert await study.states() == ["REFUSED"]
        assert await study.conversations() == [before]
        assert await study.labels_of_conversations() == {before["subject"]: ["INBOX"]}


async def test_a_label_counts_the_unread_messages_that_bear_it_and_tells_when_there_are_others(study: Study) -> None:
    async with gmail(study, 3, {WORK: "Arbeit"}) as (stub, box):
        assert await unread(study) == {"INBOX": 3}
        found = await labels(study)
        shown = [one["id"] for one in await study.conversations()]
        await study.mark(f"addLabelIds: [{ids(found['Arbeit'])}]", *shown[:2])
        assert await unread(study) == {"INBOX": 3, "Arbeit": 2}
        head = await study.household.head()
        await study.mark("read: true", shown[0])
        assert await unread(study) == {"INBOX": 2, "Arbeit": 1}
        told = {c.node_id: c.node_version for c in await study.household.changes(head) if c.kind == "LABEL"}
        now = await labels(study)
        assert told == {now[name]["id"]: now[name]["version"] for name in ("INBOX", "Arbeit")}
        await study.mark("trashed: true", *shown)
        assert await unread(study) == {"TRASH": 2, "Arbeit": 1}
        await study.write_back(box)
        for id_ in list(stub.messages):
            stub.delete(id_)
        await study.sync(box)
        assert await unread(study) == {}


async def test_the_trash_as_a_label_is_the_trash(study: Study) -> None:
    async with gmail(study, 1, {WORK: "Arbeit"}) as (stub, box):
        found = await labels(study)
        (shown,) = await study.conversations()
        done = await study.mark(f"addLabelIds: [{ids(found['TRASH'])}]", shown["id"])
        assert [one["flags"] for one in done["conversations"]] == [["TRASHED", "UNREAD"]]
        await study.write_back(box)
        assert [each.labels for each in stub.messages.values()] == [{"TRASH", "UNREAD"}]
        await study.mark("trashed: false", shown["id"])
        await study.write_back(box)
        assert [each.labels for each in stub.messages.values()] == [{"INBOX", "UNREAD"}]
        assert await study.labels_of_conversations() == {shown["subject"]: ["INBOX"]}


async def test_a_label_renamed_or_deleted_at_gmail_is_so_here(study: Study) -> None:
    async with gmail(study, 1, {WORK: "Arbeit"}) as (stub, box):
        work = (await labels(study))["Arbeit"]
        for id_ in stub.messages:
            stub.relabel(id_, add=[WORK])
        stub.labels[WORK] = "Elsewhere"
        await study.sync(box)
        found = await labels(study)
        assert found["Elsewhere"]["id"] == work["id"]
        assert found["Elsewhere"]["version"] > work["version"]
        assert list((await study.labels_of_conversations()).values()) == [["INBOX", "Elsewhere"]]
        for id_ in stub.messages:
            stub.relabel(id_, remove=[WORK])
        del stub.labels[WORK]
        head = await study.household.head()
        await study.sync(box)
        assert "Elsewhere" not in await labels(study)
        assert [(c.op, c.node_id) for c in await study.household.changes(head) if c.kind == "LABEL"] == [("DELETE", work["id"])]


# --- IMAP: folders ---------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def at_imap(study: Study, imap: tuple[MailServer, str, Mailbox], *folders: str) -> AsyncIterator[str]:
    server, user, box = imap
    for folder in folders:
        box.create(folder)
    for number in range(3):
        server.deliver(raw_mail(f"Number {number}"), user)
    yield await study.link("imap", f"imap-plain://127.0.0.1:{server.port}", Secret(username=user, password=PASSWORD))


async def test_folders_of_an_imap_server_are_listed_and_moved_to_and_the_echo_is_no_news(
    study: Study, imap: tuple[MailServer, str, Mailbox]
) -> None:
    server, user, _ = imap
    async with at_imap(study, imap, "Reise", "Caf&AOk-") as box:
        found = await labels(study)
        assert {name: found[name]["role"] for name in ("INBOX", "Reise", "Café")} == {
            "INBOX": "INBOX", "Reise": "CUSTOM", "Café": "CUSTOM",
        }  # fmt: skip
        shown = await study.conversations()
        some = [one["id"] for one in shown[:2]]
        done = await study.mark(f"addLabelIds: [{ids(found['Café'])}]", *some)
        assert (done["errors"], [one["flags"] for one in done["conversations"]]) == ([], [["ARCHIVED", "UNREAD"]] * 2)
        moved = sorted(one["subject"] for one in shown[:2])
        assert (await within(study, found["Café"]["id"]), len(await within(study, found["INBOX"]["id"]))) == (moved, 1)
        await study.write_back(box)
        with server.mailbox(user) as other:
            assert (len(other.uids("INBOX")), len(other.uids("Caf&AOk-"))) == (1, 2)
        head = await study.household.head()
        await study.sync(box)
        assert await told(study, head) == []
        assert await within(study, found["Café"]["id"]) == moved
        await study.mark(f"addLabelIds: [{ids(found['INBOX'])}], removeLabelIds: [{ids(found['Café'])}]", some[0])
        await study.mark(f"removeLabelIds: [{ids(found['Café'])}]", some[1])
        await study.write_back(box)
        with server.mailbox(user) as other:
            assert (len(other.uids("INBOX")), len(other.uids("Caf&AOk-")), len(other.uids("Archive"))) == (2, 0, 1)
    assert await study.states() == ["DONE"] * 3


async def test_what_does_not_lie_in_the_folder_that_is_taken_off_stays_where_it_is(
    study: Study, imap: tuple[MailServer, str, Mailbox]
) -> None:
    server, user, _ = imap
    async with at_imap(study, imap, "Reise", "Caf&AOk-") as box:
        found = await labels(study)
        shown = await study.conversations()
        done = await study.mark(f"addLabelIds: [{ids(found['Café'])}], removeLabelIds: [{ids(found['Reise'])}]", shown[0]["id"])
        assert done["errors"] == []
        assert (await study.states(), len(await within(study, found["INBOX"]["id"]))) == ([], 3)
        await study.write_back(box)
        with server.mailbox(user) as other:
            assert len(other.uids("INBOX")) == 3


async def test_a_folder_that_is_gone_when_the_write_arrives_is_a_refusal_and_undone(
    study: Study, imap: tuple[MailServer, str, Mailbox]
) -> None:
    _, _, other = imap
    async with at_imap(study, imap, "Reise") as box:
        found = await labels(study)
        before = await study.conversations()
        await study.mark(f"addLabelIds: [{ids(found['Reise'])}]", before[0]["id"])
        other.delete("Reise")
        await study.write_back(box)
        assert await study.states() == ["REFUSED"]
        assert await study.conversations() == before
        assert len(await within(study, found["INBOX"]["id"])) == 3
        await study.sync(box)
        assert "Reise" not in await labels(study)


# --- Outlook: folders by their ids ---------------------------------------------------------------------------------------------


async def test_folders_of_outlook_are_listed_and_moved_to_and_the_echo_is_no_news(study: Study) -> None:
    graph = Graph()
    travel = graph.add_folder("Reise")
    deep = graph.add_folder("Wien", travel)
    for number in range(3):
        graph.deliver(mail(number))
    async with running(graph) as url:
        box = await study.link("microsoft", url + graph.base, GRAPH)
        found = await labels(study)
        assert {name: found[name]["role"] for name in ("Posteingang", "Gelöschte Elemente", "Reise/Wien")} == {
            "Posteingang": "INBOX", "Gelöschte Elemente": "TRASH", "Reise/Wien": "CUSTOM",
        }  # fmt: skip
        shown = await study.conversations()
        done = await study.mark(f"addLabelIds: [{ids(found['Reise/Wien'])}]", *(one["id"] for one in shown[:2]))
        assert done["errors"] == []
        moved = sorted(one["subject"] for one in shown[:2])
        assert (await within(study, found["Reise/Wien"]["id"]), len(await having(study, "INBOX"))) == (moved, 1)
        await study.write_back(box)
        assert sorted(held.folder for held in graph.messages.values()) == sorted([graph.well_known["inbox"], deep, deep])
        head = await study.household.head()
        await study.sync(box)
        assert await told(study, head) == []
        graph.troubled = {"/move": [graph_refusal(400, "ErrorMoveCopyFailed")]}
        await study.mark(f"addLabelIds: [{ids(found['Reise'])}]", shown[2]["id"])
        await study.write_back(box)
        assert await study.states() == ["DONE", "REFUSED"]
        assert await having(study, "INBOX") == [shown[2]["subject"]]
    assert graph.violations == []


# --- Gmail by IMAP: labels of what lies in All Mail ----------------------------------------------------------------------------


async def test_labels_of_gmail_are_put_on_and_taken_off_by_imap(study: Study) -> None:
    everything = "[Gmail]/Alle Nachrichten"
    fake = Fake(*GMAIL, "MOVE", "UIDPLUS", folders=("INBOX", everything, "[Gmail]/Spam", "[Gmail]/Papierkorb", "Reise"))
    for folder, use in ((everything, "\\All"), ("[Gmail]/Spam", "\\Junk"), ("[Gmail]/Papierkorb", "\\Trash")):
        fake.folders[folder].attributes = use
    fake.deliver(raw_mail("one"), everything, labels=('"\\\\Inbox"',))
    async with faked(fake):
        secret = Secret(username=USER, password=FAKE_PASSWORD)
        box = await study.link("imap", fake.url, secret)
        found = await labels(study)
        assert {name: (one["role"], one["writable"]) for name, one in found.items()} == {
            "INBOX": ("INBOX", True), "Reise": ("CUSTOM", True), "[Gmail]/Spam": ("SPAM", True), "[Gmail]/Papierkorb": ("TRASH", True),
        }  # fmt: skip
        (shown,) = await study.conversations()
        await study.mark(f"addLabelIds: [{ids(found['Reise'])}], removeLabelIds: [{ids(found['INBOX'])}]", shown["id"])
        await study.write_back(box)
        assert fake.folders[everything].mails[1].labels == ('"Reise"',)
        head = await study.household.head()
        await study.sync(box)
        assert await told(study, head) == []
        assert await study.labels_of_conversations() == {"one": ["Reise"]}
        await study.mark("archived: false", shown["id"])
        await study.write_back(box)
        assert set(fake.folders[everything].mails[1].labels) == {'"Reise"', "\\Inbox"}
        await study.mark(f"addLabelIds: [{ids(found['[Gmail]/Papierkorb'])}]", shown["id"])
        await study.write_back(box)
        assert (len(fake.folders[everything].mails), len(fake.folders["[Gmail]/Papierkorb"].mails)) == (0, 1)
        await study.sync(box)
        (after,) = await study.conversations(EVERYWHERE)
        assert (after["id"], after["flags"]) == (shown["id"], ["TRASHED", "UNREAD"])
    assert await study.states() == ["DONE"] * 3


# --- mistakes, and other viewers -----------------------------------------------------------------------------------------------


def listing(*names: str, folder: bool) -> tuple[records.Label, ...]:
    return tuple(
        records.Label(key=name, name=name, place=name, role="INBOX" if name == "INBOX" else "OTHER", folder=folder) for name in names
    )  # fmt: skip


async def boxes(study: Study, *names: str, folder: bool = True) -> str:
    """An account with a mail in its inbox and these folders or labels."""
    box = await study.household.account("gmail", "robin@example.org")
    await study.household.list_labels(box, listing("INBOX", *names, folder=folder))
    await study.household.take(box, stored_mail(1, "ada@example.org", unread=True, role="INBOX", label_keys=("INBOX",)))
    return box


@pytest.mark.parametrize(
    ("added", "removed", "more", "code", "field"),
    [
        (["A", "B"], [], "", "INVALID", ["addLabelIds", "1"]),
        (["A"], ["A"], "", "INVALID", ["removeLabelIds"]),
        (["A"], [], "archived: true", "INVALID", ["archived"]),
        (["e_nothing"], [], "", "NOT_FOUND", ["addLabelIds", "0"]),
        ([], ["v_nothing"], "", "WRONG_KIND", ["removeLabelIds", "0"]),
    ],
)
async def test_labels_that_cannot_be_meant_are_refused_as_data(
    study: Study, added: Sequence[str], removed: Sequence[str], more: str, code: str, field: list[str]
) -> None:
    await boxes(study, "A", "B")
    found = await labels(study)
    (shown,) = await study.conversations()
    on, off = (", ".join(f'"{found[each]["id"] if each in found else each}"' for each in some) for some in (added, removed))
    done = await study.mark(f"addLabelIds: [{on}], removeLabelIds: [{off}] {more}", shown["id"])
    assert [(e["code"], e["field"]) for e in done["errors"]] == [(code, field)]
    assert (done["conversations"], await study.states()) == (None, [])
    assert await study.conversations() == [shown]


async def test_a_label_of_an_account_that_has_nothing_of_the_conversation_is_refused_and_the_others_are_labelled(
    study: Study,
) -> None:
    await boxes(study, "A", folder=False)
    other = await study.household.account("gmail", "other@example.org")
    await study.household.take(other, stored_mail(2, "ada@example.org", unread=True, role="INBOX", label_keys=()))
    found = await labels(study)
    shown = {one["subject"]: one["id"] for one in await study.conversations()}
    done = await study.mark(f"addLabelIds: [{ids(found['A'])}]", shown["Subject 1"], shown["Subject 2"])
    assert [(e["code"], e["field"]) for e in done["errors"]] == [("INVALID", ["conversationIds", "1"])]
    assert await within(study, found["A"]["id"]) == ["Subject 1"]


async def test_a_label_is_asked_of_its_own_account_only(study: Study) -> None:
    await boxes(study, "A", folder=False)
    room = await study.household.account("mbox", "files")
    await study.household.take(room, stored_mail(1, "ada@example.org"))
    found = await labels(study)
    (shown,) = await study.conversations()
    done = await study.mark(f"addLabelIds: [{ids(found['A'])}]", shown["id"])
    assert (done["errors"], await study.states()) == ([], ["QUEUED"])
    assert await study.labels_of_conversations() == {"Subject 1": ["INBOX", "A"]}


async def test_another_viewer_sees_no_label_and_labels_nothing(study: Study) -> None:
    await boxes(study, "A", folder=False)
    found = await labels(study)
    (mine,) = await study.conversations()
    other = Study(study.shop, await Household.open(study.household.database, "u_other"))
    assert await labels(other) == {}
    assert (await other.desk.ask(NODE, id=found["A"]["id"]))["node"] is None
    theirs = await other.household.account("gmail", "robin@example.org")
    await other.household.list_labels(theirs, listing("INBOX", folder=False))
    await other.household.take(theirs, stored_mail(1, "ada@example.org", unread=True, role="INBOX", label_keys=("INBOX",)))
    assert (await within(other, found["INBOX"]["id"]), await having(other, "INBOX")) == ([], ["Subject 1"])
    (their_own,) = await other.conversations()
    for conversation_id in (mine["id"], their_own["id"]):
        done = await other.mark(f"addLabelIds: [{ids(found['A'])}]", conversation_id)
        assert [(e["code"], e["field"]) for e in done["errors"]] == [("NOT_FOUND", ["addLabelIds", "0"])]
    assert (await study.states(), await other.states()) == ([], [])
    assert await study.labels_of_conversations() == {"Subject 1": ["INBOX"]}


async def test_an_account_that_is_erased_takes_its_labels_along(study: Study) -> None:
    box = await boxes(study, "A")
    found = await labels(study)
    head = await study.household.head()
    await study.household.forget(box)
    gone = {c.node_id for c in await study.household.changes(head) if c.kind == "LABEL" and c.op == "DELETE"}
    assert gone == {one["id"] for one in found.values()}
    assert (await study.desk.ask(NODE, id=found["A"]["id"]))["node"] is None
