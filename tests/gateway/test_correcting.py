"""Messages that are edited and deleted here, on both databases: shown at once, done at the network once, taken back where it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from gateway import writes
from gateway.accounts import Accounts
from gateway.kinds import kinds
from providers import records
from providers.base import Adapter, Provider
from providers.errors import Conflict, ProviderError, Refused, Unavailable
from providers.http import Session
from store import search_index
from store.tables import account
from tests.asking import Clock, nodes
from tests.gateway.rooms import ask
from tests.household import Household
from tests.workshop import Workshop, workshop

ME, BO = "@ada:example.org", "@bo:example.org"
BOATS, LAKE = "<b>The boat</b> is ready", "Down at the lake"
EDIT = """mutation($id: ID!, $text: String!, $key: String) { editMessage(input: { messageId: $id, text: $text, idempotencyKey: $key }) {
  message { id text editedAt } errors { code message field } } }"""
DELETE = """mutation($id: ID!, $all: Boolean, $key: String) {
  deleteMessage(input: { messageId: $id, forEveryone: $all, idempotencyKey: $key }) {
  messageId conversation { id } errors { code message field } } }"""
SHOWN = """{ viewer { conversations(first: 5) { edges { node { unreadCount messages(last: 50) { edges { node {
  id text html bodyState editedAt deletedAt attachments { name } reactions { emoji viewer } } } } } } } } }"""


class Chat:
    """A network that takes what it is told, and can be made to refuse, be away or be cut after it has."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.said: list[tuple[str, str]] = []
        self.refusals: list[ProviderError] = []
        self.cuts = 0
        self.again: list[bool] = []
        self.keeps_places = True

    async def profile(self) -> records.Profile:
        return records.Profile(user_id="chat", label="chat")

    async def pages(self, cursor: bytes | None) -> AsyncIterator[records.Page]:
        yield records.Page(done=True)

    async def edit(self, change: records.OutgoingEdit, *, again: bool) -> datetime | None:
        self.again.append(again)
        self._take("edit", change.text)
        return self.clock.now() + timedelta(seconds=3)  # its clock is ahead of ours

    async def delete(self, deletion: records.OutgoingDeletion) -> records.Gone:
        self._take("delete", deletion.message)
        return records.Gone(
            kind="MESSAGE", key=deletion.message, deleted_at=self.clock.now() if self.keeps_places else None
        )  # fmt: skip

    def _take(self, what: str, word: str) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.said.append((what, word))
        if self.cuts:
            self.cuts -= 1
            raise Unavailable("The line was cut.")


class Desk:
    """Ada's Kith over that network."""

    def __init__(self, shop: Workshop, household: Household, account_id: str, chat: Chat, clock: Clock) -> None:
        self.shop, self.household, self.account_id, self.chat, self.clock = shop, household, account_id, chat, clock

    async def messages(self) -> list[Any]:
        (room,) = nodes((await ask(self.shop, self.household, SHOWN))["viewer"]["conversations"])
        return nodes(room["messages"])

    async def edit(self, message: Any, text: str, key: str | None = None) -> Any:
        return (await ask(self.shop, self.household, EDIT, id=message["id"], text=text, key=key))["editMessage"]

    async def delete(self, message: Any, everyone: bool | None = True, key: str | None = None) -> Any:
        return (await ask(self.shop, self.household, DELETE, id=message["id"], all=everyone, key=key))["deleteMessage"]

    async def work(self) -> None:
        """Until nothing is due any more."""
        while (wait := await self.once()) is not None:
            self.clock.time += wait

    async def once(self) -> timedelta | None:
        """One run of the account's outbox."""
        made = kinds(self.shop.accounts, self.shop.blobs)
        return await writes.run(
            self.shop.accounts, self.household.database, self.clock, made, self.household.viewer, self.account_id
        )

    async def settled(self, since: int) -> list[str | None]:
        return [c.reason for c in await self.household.changes(since) if c.op == "SETTLE"]

    async def found(self, word: str) -> list[str]:
        def match(conn: Connection, viewer: str) -> list[str]:
            return [hit.node_id for hit in search_index.match(conn, viewer, word, kinds=["MESSAGE", "ATTACHMENT"], limit=10)]

        return await self.household.database.read(self.household.viewer, match)


def said(number: int, text: str, sender: str = ME, **more: Any) -> records.Message:
    who = records.Participant(role="FROM", address=sender, kind="HANDLE", provider="chat", key=sender)
    at = datetime(2026, 5, 4, 12, number, tzinfo=UTC)
    return records.Message(
        key=f"m{number}", sent_at=at, container="r", conversation_key="r", conversation_kind="GROUP", text=text, participants=(who,),
        authentication="NOT_CHECKED", **more,
    )  # fmt: skip


MINE = said(
    1,
    "The boat is ready",
    html=BOATS,
    attachments=(records.Attachment(part="f1", name="plan.pdf"),),
    attachment_count=1,
    unread=False,
)
THEIRS = said(2, LAKE, BO, unread=True)


@pytest.fixture
async def desk(household: Household, tmp_path: Path) -> AsyncIterator[Desk]:
    clock = Clock()
    chat = Chat(clock)

    def opened(session: Session) -> Adapter:
        return chat

    provider = Provider(
        key="chat", name="Chat", kind="CHAT", mode="MIRRORED", capabilities=frozenset({"CONVERSATIONS", "EDIT_MESSAGE", "DELETE_MESSAGE"}),
        deletes=frozenset({"EVERYONE", "ONESELF"}), open=opened,
    )  # fmt: skip
    async with workshop(household.database, tmp_path) as shop:
        shop.providers = {**shop.providers, "chat": provider}
        shop.accounts = Accounts(
            database=household.database, vault=shop.vault, clock=clock, transport=shop.transport, providers=shop.providers
        )
        shop.services = replace(shop.services, clock=clock, providers=shop.providers, open_account=shop.accounts)
        account_id = await household.account("chat", ME, own=[ME])
        thumb = records.Reaction(emoji="👍", key="x1", participant=records.Participant(role="MEMBER", address=ME, kind="HANDLE"))
        await household.take(account_id, MINE, THEIRS, records.Reacted(message="m1", reaction=thumb))
        yield Desk(shop, household, account_id, chat, clock)


async def test_an_edit_is_here_at_once_and_there_once(desk: Desk) -> None:
    mine, _ = await desk.messages()
    head = await desk.household.head()
    for _ in range(2):
        done = await desk.edit(mine, "The boat sails", key="k")
        assert (done["errors"], done["message"]["id"], done["message"]["text"]) == ([], mine["id"], "The boat sails")
    shown, _ = await desk.messages()
    assert (shown["text"], shown["html"], shown["attachments"]) == ("The boat sails", None, [{"name": "plan.pdf"}])
    assert (await desk.found("sails"), await desk.found("ready")) == ([mine["id"]], [])
    await desk.work()
    assert desk.chat.said == [("edit", "The boat sails")]
    assert await desk.settled(head) == ["DONE"]
    at = desk.clock.now() + timedelta(seconds=3)
    assert (await desk.messages())[0]["editedAt"] == f"{at:%Y-%m-%dT%H:%M:%S}.000Z"
    head = await desk.household.head()
    await desk.household.take(desk.account_id, msgspec.structs.replace(MINE, text="The boat sails", html=None, edited_at=at))
    assert await desk.household.head() == head  # its echo is no event
    assert (await desk.edit(shown, "The boat sails"))["errors"] == []  # what is so already is done
    await desk.work()
    assert len(desk.chat.said) == 1


async def test_a_refused_edit_leaves_no_trace(desk: Desk) -> None:
    before = await desk.messages()
    desk.chat.refusals = [Refused("Too late for that.", provider_code="window")]
    head = await desk.household.head()
    await desk.edit(before[0], "The boat sails")
    await desk.work()
    assert await desk.messages() == before
    assert await desk.settled(head) == ["REFUSED"]
    assert (await desk.found("sails"), await desk.found("ready")) == ([], [before[0]["id"]])


async def test_what_the_network_says_meanwhile_is_kept_beneath_the_edit(desk: Desk) -> None:
    """Also when it is the old text once more: an edit is not seen to flicker."""
    mine, _ = await desk.messages()
    await desk.edit(mine, "The boat sails")
    elsewhere = desk.clock.now() - timedelta(minutes=1)
    for item in (MINE, msgspec.structs.replace(MINE, text="The boat leaks", html=None, edited_at=elsewhere)):
        head = await desk.household.head()
        await desk.household.take(desk.account_id, item)
        assert (await desk.messages())[0]["text"] == "The boat sails"
        assert await desk.household.head() == head
    desk.chat.refusals = [Conflict("It was edited elsewhere.")]
    await desk.work()
    shown, _ = await desk.messages()
    assert (shown["text"], shown["html"]) == ("The boat leaks", None)


async def test_edits_of_one_message_leave_in_order_and_a_refused_one_is_not_seen_under_the_next(desk: Desk) -> None:
    mine, _ = await desk.messages()
    for text in ("one", "two"):
        await desk.edit(mine, text)
    desk.chat.refusals = [Refused("no")]
    await desk.work()
    assert desk.chat.said == [("edit", "two")]
    assert (await desk.messages())[0]["text"] == "two"
    for text in ("three", "four"):
        await desk.edit(mine, text)
    desk.chat.refusals = [Refused("no"), Refused("no")]
    await desk.work()
    assert (await desk.messages())[0]["text"] == "two"


async def test_an_edit_whose_line_was_cut_is_told_again(desk: Desk) -> None:
    mine, _ = await desk.messages()
    head = await desk.household.head()
    desk.chat.cuts = 2
    await desk.edit(mine, "The boat sails")
    await desk.work()
    assert desk.chat.again == [False, True, True]
    assert await desk.settled(head) == ["DONE"]
    assert (await desk.messages())[0]["text"] == "The boat sails"


async def test_an_edit_that_the_network_shows_needs_no_other_proof(desk: Desk) -> None:
    mine, _ = await desk.messages()
    head = await desk.household.head()
    desk.chat.cuts = 1
    await desk.edit(mine, "The boat sails")
    await desk.once()
    at = desk.clock.now() + timedelta(seconds=1)
    await desk.household.take(desk.account_id, msgspec.structs.replace(MINE, text="The boat sails", html=None, edited_at=at))
    await desk.work()
    assert (desk.chat.again, await desk.settled(head)) == ([False], ["DONE"])


async def test_an_edit_of_which_nobody_can_say_for_days_stays_in_doubt_and_shows_what_the_network_last_said(desk: Desk) -> None:
    before = await desk.messages()
    head = await desk.household.head()
    desk.chat.cuts = 1_000
    await desk.edit(before[0], "The boat sails")
    await desk.work()
    assert await desk.settled(head) == ["UNCONFIRMED"]
    assert (await desk.messages()) == before
    later = msgspec.structs.replace(MINE, text="The boat sails", html=None, edited_at=desk.clock.now())
    await desk.household.take(desk.account_id, later)  # it was taken after all
    assert (await desk.messages())[0]["text"] == "The boat sails"


@pytest.mark.parametrize("keeps", [True, False])
async def test_a_deleted_message_is_empty_at_once_and_gone_as_its_network_has_it(desk: Desk, keeps: bool) -> None:
    desk.chat.keeps_places = keeps
    mine, _ = await desk.messages()
    head = await desk.household.head()
    for _ in range(2):
        done = await desk.delete(mine, key="k")
        assert (done["errors"], done["messageId"]) == ([], mine["id"])
        assert done["conversation"] is not None
    shown, _ = await desk.messages()
    assert (shown["bodyState"], shown["text"], shown["attachments"], shown["reactions"]) == ("DELETED", None, [], [])
    assert await desk.found("ready") == await desk.found("plan") == []
    await desk.household.take(desk.account_id, MINE)  # a sync that was on its way
    assert (await desk.messages())[0]["bodyState"] == "DELETED"
    assert (await desk.edit(mine, "again"))["errors"][0]["code"] == "NOT_WRITABLE"
    assert (await desk.delete(mine))["errors"] == []
    await desk.work()
    assert desk.chat.said == [("delete", "m1")]
    assert await desk.settled(head) == ["DONE"]
    assert (mine["id"] in {message["id"] for message in await desk.messages()}) == keeps
    gone = [c.node_id for c in await desk.household.changes(head) if c.op == "DELETE" and c.kind == "MESSAGE"]
    assert gone == ([] if keeps else [mine["id"]])


async def test_a_refused_deletion_gives_everything_back(desk: Desk) -> None:
    before = await desk.messages()
    desk.chat.refusals = [Refused("Not yours to delete.")] * 2
    for message in before:
        await desk.delete(message, everyone=False)
    await desk.household.take(desk.account_id, MINE, THEIRS)
    (room,) = nodes((await ask(desk.shop, desk.household, SHOWN))["viewer"]["conversations"])
    assert room["unreadCount"] == 0
    await desk.work()
    assert await desk.messages() == before
    (room,) = nodes((await ask(desk.shop, desk.household, SHOWN))["viewer"]["conversations"])
    assert room["unreadCount"] == 1
    assert await desk.found("plan") != []


async def test_what_cannot_be_done_is_refused_in_words_before_anything_is_written(desk: Desk) -> None:
    mine, theirs = await desk.messages()
    mail = await desk.household.account("imap", "ada@example.org", own=["ada@example.org"])
    sender = records.Participant(role="FROM", address="ada@example.org")
    letter = records.Message(key="1", sent_at=MINE.sent_at, internet_message_id="1@x", participants=(sender,), text="Dear all")
    (kept,) = await desk.household.take(mail, letter)
    head = await desk.household.head()
    for message, text, code, field, word in (
        (mine, " ", "REQUIRED", "text", "needs a text"),
        (mine, "x" * 1_000_001, "TOO_LONG", "text", "1,000,000"),
        (theirs, "hello", "NOT_WRITABLE", "messageId", "those who wrote"),
        ({"id": kept.node_id}, "hello", "UNSUPPORTED", "messageId", "Send another one"),
        ({"id": desk.account_id}, "hello", "WRONG_KIND", "messageId", "no message"),
        ({"id": "m_AAAAAAAAAAAAAAAAAAAAAA"}, "hello", "NOT_FOUND", "messageId", "no such node"),
    ):
        (error,) = (await desk.edit(message, text))["errors"]
        assert (error["code"], error["field"], word in error["message"]) == (code, [field], True), error
    (error,) = (await desk.delete({"id": kept.node_id}))["errors"]
    assert (error["code"], "trash" in error["message"]) == ("UNSUPPORTED", True)
    (error,) = (await desk.delete(theirs))["errors"]
    assert (error["code"], error["field"]) == ("NOT_WRITABLE", ["messageId"])
    only = desk.shop.providers["chat"]
    for deletes, everyone, word in ((("EVERYONE",), None, "forEveryone: true"), (("ONESELF",), True, "you alone")):
        desk.shop.providers["chat"] = msgspec.structs.replace(only, deletes=frozenset(deletes))
        (error,) = (await desk.delete(mine, everyone=everyone))["errors"]
        assert (error["code"], error["field"], word in error["message"]) == ("UNSUPPORTED", ["forEveryone"], True)
    desk.shop.providers["chat"] = msgspec.structs.replace(only, write_scopes={"EDIT_MESSAGE": frozenset({"write"})})

    def narrow(conn: Connection, viewer: str) -> None:
        mine = sa.update(account).where(account.c.viewer_id == viewer, account.c.id == desk.account_id)
        conn.execute(mine.values(granted_scopes="read"))

    await desk.household.database.write(desk.household.viewer, narrow)
    assert (await desk.edit(mine, "hello"))["errors"][0]["code"] == "REAUTH_REQUIRED"
    assert desk.chat.said == []
    assert [c.kind for c in await desk.household.changes(head)] == []
