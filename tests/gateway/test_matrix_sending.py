"""Writing to a Matrix room through the whole of Kith, on both databases: once there, once here, whatever happens in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, select

from providers.base import Parts
from resolvers.sending import Request
from store import outbox
from store.feed import Recorder
from store.tables import attachment
from tests.chat_servers import Matrix, MatrixUser
from tests.gateway.rooms import ask, linked, place, stored
from tests.household import Household
from tests.workshop import Workshop, workshop

SEND = """mutation($input: SendMessageInput!) { sendMessage(input: $input) {
  message { id text direction delivery { state } inReplyTo { text } } conversation { id kind } errors { code message field } } }"""
ROOMS = """{ viewer { conversations(first: 20) { edges { node { id kind messages(last: 50) { edges { node {
  id text delivery { state error { message } } inReplyTo { text } } } } } } } } }"""


@dataclass
class Desk:
    """Ada's Kith, and what Ada and Bob see with clients of their own."""

    shop: Workshop
    household: Household
    account_id: str
    ada: MatrixUser
    bob: MatrixUser
    room: str

    async def rooms(self) -> list[Any]:
        data = await ask(self.shop, self.household, ROOMS)
        return [edge["node"] for edge in data["viewer"]["conversations"]["edges"]]

    async def messages(self) -> list[Any]:
        (room,) = await self.rooms()
        return [edge["node"] for edge in room["messages"]["edges"]]

    async def send(self, compose: dict[str, Any], text: str = "Hello", *, key: str = "k", **more: Any) -> Any:
        wanted = {"idempotencyKey": key, "compose": compose, "text": text, "undoSeconds": 0, **more}
        return (await ask(self.shop, self.household, SEND, input=wanted))["sendMessage"]

    async def to_room(self, text: str = "Hello", **more: Any) -> Any:
        (room,) = await self.rooms()
        to = [{"conversationId": room["id"]}]
        return await self.send({"newMessage": {"accountId": self.account_id, "to": to}}, text, **more)

    async def work(self) -> None:
        await self.shop.write_back(self.household.viewer, self.account_id)

    async def sync(self) -> None:
        await self.shop.sync(self.household.viewer, self.account_id)

    def there(self) -> list[str]:
        """What Bob reads of Ada."""
        events = self.bob.timeline(self.room)
        return [e["content"]["body"] for e in events if e["type"] == "m.room.message" and e["sender"] == self.ada.user_id]


@asynccontextmanager
async def desk(household: Household, server: Matrix, home: Path, *, direct: bool = True) -> AsyncIterator[Desk]:
    ada, bob = server.new_user("ada"), server.new_user("bob")
    room = bob.create_room(ada, is_direct=direct, **({} if direct else {"name": "Boat club"}))
    if direct:
        ada.set_direct({bob.user_id: [room]})
    bob.send(room, "Lunch?")
    async with workshop(household.database, home, place(server)) as shop:
        account_id = await linked(shop, household, ada)
        yield Desk(shop, household, account_id, ada, bob, room)


async def test_a_message_is_there_once_and_here_once(household: Household, synapse_server: Matrix, tmp_path: Path) -> None:
    async with desk(household, synapse_server, tmp_path) as at:
        done = await at.to_room("Grüße, 👋")
        assert done["errors"] == []
        assert (done["message"]["direction"], done["message"]["delivery"]) == ("OUTBOUND", {"state": "HELD"})
        assert done["conversation"]["kind"] == "DIRECT"
        assert (await at.to_room("Grüße, 👋"))["message"]["id"] == done["message"]["id"]
        await at.work()
        assert at.there() == ["Grüße, 👋"]
        for _ in range(2):
            await at.sync()
            assert [(m["text"], m["delivery"] and m["delivery"]["state"]) for m in await at.messages()] == [
                ("Lunch?", None),
                ("Grüße, 👋", "SENT"),
            ]
        assert (await at.messages())[1]["id"] == done["message"]["id"]
        head = await household.head()
        await at.sync()
        assert await household.head() == head


async def test_an_answer_is_an_answer_there_and_can_be_answered(
    household: Household, synapse_server: Matrix, tmp_path: Path
) -> None:
    async with desk(household, synapse_server, tmp_path, direct=False) as at:
        (asked,) = await at.messages()
        done = await at.send({"reply": {"messageId": asked["id"]}}, "Yes")
        assert (done["errors"], done["message"]["inReplyTo"]) == ([], {"text": "Lunch?"})
        early = await at.send({"reply": {"messageId": done["message"]["id"]}}, "And more", key="early")
        assert [e["code"] for e in early["errors"]] == ["NOT_WRITABLE"]
        await at.work()
        await at.sync()
        event = at.bob.timeline(at.room)[-1]
        answered = event["content"]["m.relates_to"]["m.in_reply_to"]["event_id"]
        assert at.bob.call("GET", f"/v3/rooms/{at.room}/event/{answered}")["content"]["body"] == "Lunch?"
        at.bob.send(
            at.room, {"msgtype": "m.text", "body": "Fine", "m.relates_to": {"m.in_reply_to": {"event_id": event["event_id"]}}}
        )
        await at.sync()
        assert (await at.messages())[-1]["inReplyTo"] == {"text": "Yes"}


async def begun(at: Desk) -> outbox.Write:
    """The write of a process that died after it had noted that the message is about to leave."""

    def begin(conn: Connection, viewer: str) -> outbox.Write:
        write = outbox.begin(conn, viewer, at.account_id, at.shop.clock.now())
        assert write is not None
        assert outbox.note(conn, viewer, write, f"{int(at.shop.clock.now().timestamp())} {device}".encode())
        return write

    grant = await stored(at.shop, at.household, at.account_id)
    device = grant.extra["device_id"]
    return await at.household.database.write(at.household.viewer, begin)


async def said(at: Desk, write: outbox.Write) -> None:
    """What that process told the server before it died."""
    chat = msgspec.msgpack.decode(write.request or b"", type=Request).chat
    assert chat is not None
    kith = replace(at.ada, token=(await stored(at.shop, at.household, at.account_id)).access_token or "")
    kith.call("PUT", f"/v3/rooms/{at.room}/send/m.room.message/{chat.id}", {"msgtype": "m.text", "body": chat.text})


@pytest.mark.parametrize("died", ["before it was sent", "after it was sent", "and the room told of it first"])
async def test_a_process_that_dies_while_sending_neither_loses_nor_doubles_the_message(
    household: Household, synapse_server: Matrix, tmp_path: Path, died: str
) -> None:
    async with desk(household, synapse_server, tmp_path) as at:
        done = await at.to_room()
        write = await begun(at)
        if died != "before it was sent":
            await said(at, write)
        if died == "and the room told of it first":
            await at.sync()
        for _ in range(3):
            await at.work()
        assert at.there() == ["Hello"]
        await at.sync()
        assert [(m["id"], m["delivery"]["state"]) for m in (await at.messages())[1:]] == [(done["message"]["id"], "SENT")]


async def test_a_message_of_which_nobody_could_say_is_known_when_the_room_shows_it(
    household: Household, synapse_server: Matrix, tmp_path: Path
) -> None:
    async with desk(household, synapse_server, tmp_path) as at:
        done = await at.to_room()
        write = await begun(at)

        def give_up(conn: Connection, viewer: str) -> None:
            recorder = Recorder(at.shop.clock.now(), account_id=at.account_id)
            trouble = outbox.Trouble(code="PROVIDER_UNAVAILABLE", message="Nobody could say.")
            assert outbox.settle(conn, viewer, write, "UNCONFIRMED", trouble, recorder, at.shop.clock.now())
            recorder.flush(conn, viewer)

        await said(at, write)
        await household.database.write(household.viewer, give_up)
        assert (await at.messages())[1]["delivery"]["state"] == "UNCONFIRMED"
        await at.sync()
        assert [(m["id"], m["delivery"]["state"]) for m in (await at.messages())[1:]] == [(done["message"]["id"], "SENT")]


async def test_a_message_can_be_taken_back_before_it_leaves(household: Household, synapse_server: Matrix, tmp_path: Path) -> None:
    undo = "mutation($id: ID!) { undoSend(input: { messageId: $id }) { message { flags } errors { code } } }"
    async with desk(household, synapse_server, tmp_path) as at:
        done = await at.to_room(undoSeconds=60)
        undone = (await ask(at.shop, household, undo, id=done["message"]["id"]))["undoSend"]
        assert undone == {"message": {"flags": ["DRAFT"]}, "errors": []}
        await at.work()
        assert at.there() == []


async def test_a_message_reaches_a_person_in_the_direct_room_with_them(
    household: Household, synapse_server: Matrix, tmp_path: Path
) -> None:
    people = "{ viewer { people(first: 5) { edges { node { id } } } } }"
    async with desk(household, synapse_server, tmp_path) as at:
        (person,) = (await ask(at.shop, household, people))["viewer"]["people"]["edges"]
        for n, who in enumerate(({"personId": person["node"]["id"]}, {"handle": at.bob.user_id})):
            done = await at.send({"newMessage": {"accountId": at.account_id, "to": [who]}}, f"To you {n}", key=f"k-{n}")
            assert done["errors"] == []
        await at.work()
        assert at.there() == ["To you 0", "To you 1"]


async def test_what_a_chat_does_not_take_is_said_before_anything_is_written(
    household: Household, synapse_server: Matrix, tmp_path: Path
) -> None:
    async with desk(household, synapse_server, tmp_path) as at:
        (room,) = await at.rooms()
        (asked,) = await at.messages()
        new = {"accountId": at.account_id, "to": [{"conversationId": room["id"]}]}
        mistakes: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
            ({"newMessage": {**new, "subject": "Hello"}}, {}, "UNSUPPORTED", "subject"),
            ({"newMessage": {**new, "to": []}}, {}, "REQUIRED", "to"),
            ({"newMessage": {**new, "to": [{"email": "bob@example.org"}]}}, {}, "UNSUPPORTED", "email"),
            ({"newMessage": {**new, "to": [{"handle": "@nobody:kith.test"}]}}, {}, "NOT_WRITABLE", "handle"),
            ({"newMessage": {**new, "to": [{"conversationId": at.account_id}]}}, {}, "NOT_FOUND", "conversationId"),
            ({"newMessage": {**new, "fromAddress": at.bob.user_id}}, {}, "INVALID", "fromAddress"),
            ({"newMessage": new}, {"attachments": [{"attachmentId": "f_1"}]}, "NOT_FOUND", "attachmentId"),
            ({"newMessage": new}, {"text": "  "}, "REQUIRED", "text"),
            ({"reply": {"messageId": asked["id"], "cc": [{"handle": "@b:x"}]}}, {}, "UNSUPPORTED", "cc"),
            ({"forward": {"messageId": asked["id"], "accountId": at.account_id, "to": []}}, {}, "UNSUPPORTED", "accountId"),
        ]  # fmt: skip
        for n, (compose, more, code, field) in enumerate(mistakes):
            done = await at.send(compose, key=f"k-{n}", **more)
            assert [(e["code"], e["field"][-1]) for e in done["errors"]] == [(code, field)], compose
        assert [m["text"] for m in await at.messages()] == ["Lunch?"]


# --- what was read ----------------------------------------------------------------------------------------------------------

MARK = """mutation($ids: [ID!]!, $read: Boolean, $flagged: Boolean) {
  markConversations(input: { conversationIds: $ids, read: $read, flagged: $flagged }) { errors { code } } }"""
UNREAD = "{ viewer { conversations(first: 20) { edges { node { unreadCount } } } } }"


def receipt(at: Desk) -> str | None:
    """The last event that Bob sees Ada has read."""
    events = at.bob.call("GET", "/v3/sync?timeout=0")["rooms"]["join"][at.room]["ephemeral"]["events"]
    for event in events:
        for event_id, kinds in event["content"].items():
            if at.ada.user_id in kinds.get("m.read", {}):
                return str(event_id)
    return None


async def test_reading_a_conversation_here_is_reading_it_there(
    household: Household, synapse_server: Matrix, tmp_path: Path
) -> None:
    async with desk(household, synapse_server, tmp_path, direct=False) as at:
        for n in range(3):
            last = at.bob.send(at.room, f"news {n}")
        await at.sync()
        (room,) = await at.rooms()
        unread = (await ask(at.shop, household, UNREAD))["viewer"]["conversations"]["edges"]
        assert unread[0]["node"]["unreadCount"] == 4
        done = await ask(at.shop, household, MARK, ids=[room["id"]], read=True)
        assert done["markConversations"]["errors"] == []
        await at.work()
        assert receipt(at) == last
        head = await household.head()
        await at.sync()
        unread = (await ask(at.shop, household, UNREAD))["viewer"]["conversations"]["edges"]
        assert unread[0]["node"]["unreadCount"] == 0
        assert await household.head() == head  # its echo is no event


@pytest.mark.parametrize("wish", [{"read": False}, {"flagged": True}])
async def test_what_a_chat_cannot_keep_is_refused_before_anything_is_written(
    household: Household, synapse_server: Matrix, tmp_path: Path, wish: dict[str, bool]
) -> None:
    async with desk(household, synapse_server, tmp_path) as at:
        (room,) = await at.rooms()
        done = await ask(at.shop, household, MARK, ids=[room["id"]], **wish)
        assert [e["code"] for e in done["markConversations"]["errors"]] == ["UNSUPPORTED"]


# --- reactions --------------------------------------------------------------------------------------------------------------

REACT = """mutation($id: ID!, $emoji: String!, $remove: Boolean, $key: String) {
  react(input: { messageId: $id, emoji: $emoji, remove: $remove, idempotencyKey: $key }) {
    message { reactions { emoji count viewer } } errors { code field } } }"""
REACTIONS = "query($id: ID!) { node(id: $id) { ... on Message { reactions { emoji count viewer participants { address } } } } }"


def signs(at: Desk) -> list[str]:
    """The reactions that stand in the room, as Bob's client reads them."""
    events = [e for e in at.bob.timeline(at.room) if e["type"] == "m.reaction" and e["content"]]
    return [e["content"]["m.relates_to"]["key"] for e in events]


async def test_a_reaction_is_here_at_once_there_after_and_can_be_taken_back(
    household: Household, synapse_server: Matrix, tmp_path: Path
) -> None:
    async with desk(household, synapse_server, tmp_path) as at:
        (asked,) = await at.messages()
        for _ in range(2):  # what is so already is done
            done = (await ask(at.shop, household, REACT, id=asked["id"], emoji="👍"))["react"]
            assert done == {"message": {"reactions": [{"emoji": "👍", "count": 1, "viewer": True}]}, "errors": []}
        await ask(at.shop, household, REACT, id=asked["id"], emoji="👍", remove=True)
        await at.work()
        assert signs(at) == []  # taken back before it left
        await ask(at.shop, household, REACT, id=asked["id"], emoji="👍")
        await at.work()
        assert signs(at) == ["👍"]
        await at.sync()
        shown = (await ask(at.shop, household, REACTIONS, id=asked["id"]))["node"]["reactions"]
        assert shown == [{"emoji": "👍", "count": 1, "viewer": True, "participants": [{"address": at.ada.user_id}]}]
        head = await household.head()
        await at.sync()
        assert await household.head() == head
        done = (await ask(at.shop, household, REACT, id=asked["id"], emoji="👍", remove=True))["react"]
        assert done == {"message": {"reactions": []}, "errors": []}
        await at.work()
        await at.sync()
        assert signs(at) == []
        assert (await ask(at.shop, household, REACTIONS, id=asked["id"]))["node"]["reactions"] == []


async def test_a_reaction_that_the_room_refuses_is_undone(household: Household, synapse_server: Matrix, tmp_path: Path) -> None:
    async with desk(household, synapse_server, tmp_path) as at:
        (asked,) = await at.messages()
        await ask(at.shop, household, REACT, id=asked["id"], emoji="👍")
        at.ada.leave(at.room)
        await at.work()
        assert (await ask(at.shop, household, REACTIONS, id=asked["id"]))["node"]["reactions"] == []


async def test_what_is_no_reaction_is_refused_before_anything_is_written(
    household: Household, synapse_server: Matrix, tmp_path: Path
) -> None:
    async with desk(household, synapse_server, tmp_path) as at:
        (asked,) = await at.messages()
        sent = (await at.to_room())["message"]
        wrong = [(asked["id"], " ", "INVALID"), (asked["id"], "x" * 101, "INVALID"), (sent["id"], "👍", "NOT_WRITABLE"),
                 (at.account_id, "👍", "NOT_FOUND")]  # fmt: skip
        for message_id, emoji, code in wrong:
            done = (await ask(at.shop, household, REACT, id=message_id, emoji=emoji))["react"]
            assert [e["code"] for e in done["errors"]] == [code]


# --- edits and deletions ----------------------------------------------------------------------------------------------------

EDIT = """mutation($id: ID!, $text: String!) { editMessage(input: { messageId: $id, text: $text }) {
  message { id text } errors { code message } } }"""
DELETE = (
    """mutation($id: ID!) { deleteMessage(input: { messageId: $id, forEveryone: true }) { messageId errors { code message } } }"""
)
SAYS = """query($id: ID!) { node(id: $id) { ... on Message { text editedAt deletedAt bodyState } } }"""


async def test_a_message_that_was_just_sent_can_be_edited_and_taken_back(
    household: Household, synapse_server: Matrix, tmp_path: Path
) -> None:
    async with desk(household, synapse_server, tmp_path) as at:
        sent = (await at.to_room("Helo"))["message"]
        early = (await ask(at.shop, household, EDIT, id=sent["id"], text="Hello"))["editMessage"]
        assert [(e["code"], "undoSend" in e["message"]) for e in early["errors"]] == [("NOT_WRITABLE", True)]
        await at.work()
        done = (await ask(at.shop, household, EDIT, id=sent["id"], text="Hello, 👋"))["editMessage"]
        assert done == {"message": {"id": sent["id"], "text": "Hello, 👋"}, "errors": []}
        await at.work()
        (event,) = [e for e in at.bob.timeline(at.room) if e["type"] == "m.room.message" and e["content"]["body"] == "Helo"]
        assert event["unsigned"]["m.relations"]["m.replace"]["content"]["m.new_content"]["body"] == "Hello, 👋"
        await at.sync()
        assert [(m["id"], m["text"]) for m in (await at.messages())[1:]] == [(sent["id"], "Hello, 👋")]
        head = await household.head()
        await at.sync()
        assert await household.head() == head
        gone = (await ask(at.shop, household, DELETE, id=sent["id"]))["deleteMessage"]
        assert gone == {"messageId": sent["id"], "errors": []}
        await at.work()
        await at.sync()
        shown = (await ask(at.shop, household, SAYS, id=sent["id"]))["node"]
        assert (shown["text"], shown["bodyState"], shown["deletedAt"] is None) == (None, "DELETED", False)
        events = [e for e in at.bob.timeline(at.room) if e["type"] == "m.room.message" and e["sender"] == at.ada.user_id]
        assert [e["content"] for e in events if e["event_id"] == event["event_id"]] == [{}]


async def test_what_the_room_refuses_to_change_is_as_it_was(household: Household, synapse_server: Matrix, tmp_path: Path) -> None:
    async with desk(household, synapse_server, tmp_path) as at:
        sent = (await at.to_room("Hello"))["message"]
        await at.work()
        await at.sync()
        before = [(m["id"], m["text"]) for m in await at.messages()]
        asked = before[0][0]
        await ask(at.shop, household, EDIT, id=sent["id"], text="Never")
        await ask(at.shop, household, DELETE, id=asked)
        assert [m["text"] for m in await at.messages()] == [None, "Never"]
        at.ada.leave(at.room)
        await at.work()
        assert [(m["id"], m["text"]) for m in await at.messages()] == before


async def test_a_message_that_has_left_is_taken_back_at_the_network(
    household: Household, synapse_server: Matrix, tmp_path: Path
) -> None:
    undo = "mutation($id: ID!) { undoSend(input: { messageId: $id }) { message { deletedAt } errors { code } } }"
    async with desk(household, synapse_server, tmp_path) as at:
        sent = (await at.to_room("Oh no"))["message"]
        await at.work()
        assert at.there() == ["Oh no"]
        for _ in range(2):
            undone = (await ask(at.shop, household, undo, id=sent["id"]))["undoSend"]
            assert (undone["errors"], undone["message"]["deletedAt"] is None) == ([], False)
        await at.work()
        assert [e["content"] for e in at.bob.timeline(at.room) if e["sender"] == at.ada.user_id][-2:-1] == [{}]


# --- files ------------------------------------------------------------------------------------------------------------------

FILES = """{ viewer { conversations(first: 1) { edges { node { messages(last: 50) { edges { node {
  id text direction attachments { id name mediaType size state } } } } } } } } }"""


async def test_a_file_goes_into_a_room_and_can_be_opened_under_the_name_that_it_has_there(
    household: Household, synapse_server: Matrix, tmp_path: Path
) -> None:
    async with desk(household, synapse_server, tmp_path) as at:

        async def messages() -> list[Any]:
            ((edge),) = (await ask(at.shop, household, FILES))["viewer"]["conversations"]["edges"]
            return [each["node"] for each in edge["node"]["messages"]["edges"]]

        for name in ("plan.pdf", "list.txt"):
            uri = at.bob.upload(b"the " + name.encode(), "application/octet-stream")
            at.bob.send(at.room, {"msgtype": "m.file", "body": name, "filename": name, "url": uri})
        await at.sync()
        plan, other = [m["attachments"][0]["id"] for m in await messages() if m["attachments"]]
        both = await at.to_room("Both", key="both", attachments=[{"attachmentId": plan}, {"attachmentId": other}])
        assert [(e["code"], "one file" in e["message"]) for e in both["errors"]] == [("LIMIT_REACHED", True)]
        sent = (await at.to_room("As you said", attachments=[{"attachmentId": plan}]))["message"]
        assert [a["name"] for a in (await messages())[-1]["attachments"]] == ["plan.pdf"]
        for _ in range(2):
            await at.work()
            await at.sync()
        shown = (await messages())[-1]
        assert (shown["id"], shown["text"], shown["direction"]) == (sent["id"], "As you said", "OUTBOUND")
        ((file),) = shown["attachments"]
        assert (file["name"], file["mediaType"], file["size"]) == ("plan.pdf", "application/octet-stream", 12)
        assert file["state"] == "AVAILABLE"
        event = at.bob.timeline(at.room)[-1]
        adapter = await at.shop.accounts.open(household.viewer, at.account_id)
        assert isinstance(adapter, Parts)
        (stored_file,) = await household.database.read(household.viewer, _parts, sent["id"])
        assert stored_file == event["content"]["url"]
        assert b"".join([piece async for piece in adapter.part(event["event_id"], stored_file)]) == b"the plan.pdf"
        head = await household.head()
        await at.sync()
        assert await household.head() == head


def _parts(conn: Connection, viewer: str, message_id: str) -> list[str]:
    mine = attachment.c
    return list(conn.execute(select(mine.part).where(mine.viewer_id == viewer, mine.message_id == message_id)).scalars())
