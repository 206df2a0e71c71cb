"""A Bluesky account through the whole of Kith, on both databases: a real PDS, the services behind it, the sync and the outbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from providers.session import Secret
from store import accounts, outbox
from tests.atproto_servers import AtProto, exported
from tests.gateway.rooms import ask
from tests.household import Household
from tests.providers.bluesky_stub import Bluesky, Convo, did
from tests.providers.stub_http import running
from tests.workshop import Workshop, workshop

SEND = """mutation($input: SendMessageInput!) { sendMessage(input: $input) {
  message { id delivery { state } inReplyTo { text } } errors { code message field } } }"""
CONVERSATIONS = """{ viewer { conversations(first: 20) { edges { node { id kind subject unreadCount
  participants(first: 9) { edges { node { name } } }
  messages(last: 50) { edges { node { id text direction delivery { state } inReplyTo { text } reactions { emoji } } } } } } } } }"""
MARK = """mutation($id: ID!, $read: Boolean, $flagged: Boolean) {
  markConversations(input: { conversationIds: [$id], read: $read, flagged: $flagged }) { errors { code } } }"""
REACT = """mutation($id: ID!, $emoji: String!, $remove: Boolean) {
  react(input: { messageId: $id, emoji: $emoji, remove: $remove }) { errors { code } } }"""
REACTIONS = "query($id: ID!) { node(id: $id) { ... on Message { reactions { emoji count viewer } } } }"
DELETE = """mutation($id: ID!, $all: Boolean) {
  deleteMessage(input: { messageId: $id, forEveryone: $all }) { messageId errors { code message } } }"""
PEOPLE = "{ viewer { contacts(first: 50) { edges { node { names { full } relation } } } } }"
ACTIVITIES = "{ viewer { activities(first: 20) { edges { node { verb actor { name } object { text } } } } } }"


@dataclass
class Desk:
    shop: Workshop
    household: Household
    account_id: str
    network: Bluesky
    convo: Convo

    async def conversations(self) -> list[Any]:
        data = await ask(self.shop, self.household, CONVERSATIONS)
        return [edge["node"] for edge in data["viewer"]["conversations"]["edges"]]

    async def messages(self) -> list[Any]:
        (found,) = await self.conversations()
        return [edge["node"] for edge in found["messages"]["edges"]]

    async def send(self, compose: dict[str, Any], text: str = "Hello", key: str = "k") -> Any:
        wanted = {"idempotencyKey": key, "compose": compose, "text": text, "undoSeconds": 0}
        return (await ask(self.shop, self.household, SEND, input=wanted))["sendMessage"]

    async def to_convo(self, text: str = "Hello") -> Any:
        (found,) = await self.conversations()
        return await self.send({"newMessage": {"accountId": self.account_id, "to": [{"conversationId": found["id"]}]}}, text)

    async def work(self) -> None:
        await self.shop.write_back(self.household.viewer, self.account_id)

    async def sync(self) -> None:
        await self.shop.sync(self.household.viewer, self.account_id)

    def there(self) -> list[str]:
        """What the other one reads of us, newest first."""
        return [one["text"] for one in self.convo.messages if one["sender"]["did"] == self.network.user.did]


@asynccontextmanager
async def desk(household: Household, server: AtProto, home: Path, *, privileged: bool = True) -> AsyncIterator[Desk]:
    network = Bluesky(server.new_user())
    user = network.user
    network.people[user.did] = {"did": user.did, "handle": user.handle, "displayName": "Ada Ray"}
    bob = network.person(1)
    user.follow(bob)
    network.followers = [bob, network.person(2)]
    convo = network.convo(bob)
    network.say(convo, bob, "Lunch?")
    secret = Secret(username=user.handle, password=user.app_password("kith", privileged=privileged))
    async with running(network), workshop(household.database, home, "127.0.0.0/8:*") as shop:
        account_id = await shop.link(household.viewer, "bluesky", network.url, secret)
        yield Desk(shop, household, account_id, network, convo)
    assert network.violations == []


async def test_people_chat_and_posts_arrive_and_change(household: Household, atproto_server: AtProto, tmp_path: Path) -> None:
    async with desk(household, atproto_server, tmp_path) as at:
        data = await ask(at.shop, household, PEOPLE)
        found = {(edge["node"]["names"][0]["full"], edge["node"]["relation"]) for edge in data["viewer"]["contacts"]["edges"]}
        assert {("Person 1", "CONNECTION"), ("Person 2", "FOLLOWER")} <= found
        (first,) = await at.conversations()
        assert (first["kind"], first["unreadCount"]) == ("DIRECT", 1)
        assert [edge["node"]["name"] for edge in first["participants"]["edges"]] == ["Person 1"]
        assert [(m["text"], m["direction"]) for m in await at.messages()] == [("Lunch?", "INBOUND")]
        at.network.react(at.convo, at.convo.messages[0], "👍", at.network.user.did)
        at.network.read(at.convo, at.convo.messages[0])
        at.network.say(at.convo, at.network.user.did, "Yes", replyTo=dict(at.convo.messages[0]))
        at.network.show(did(1), "A post that says something of its own")
        await at.sync()
        asked, answer = await at.messages()
        assert [one["emoji"] for one in asked["reactions"]] == ["👍"]
        assert (answer["text"], answer["direction"], answer["inReplyTo"]) == ("Yes", "OUTBOUND", {"text": "Lunch?"})
        assert (await at.conversations())[0]["unreadCount"] == 0
        data = await ask(at.shop, household, ACTIVITIES)
        (post,) = [edge["node"] for edge in data["viewer"]["activities"]["edges"]]
        assert (post["verb"], post["actor"]["name"]) == ("CREATE", "Person 1")
        head = await household.head()
        await at.sync()
        assert await household.head() == head, "nothing happened, nothing is told"
        at.network.unsay(at.convo, at.convo.messages[-1])
        await at.sync()
        assert [m["text"] for m in await at.messages()] == ["Yes"]
        await household.forget(at.account_id)
        assert await at.conversations() == []


async def test_a_group_that_was_there_before_has_its_name_and_those_who_are_silent(
    household: Household, atproto_server: AtProto, tmp_path: Path
) -> None:
    async with desk(household, atproto_server, tmp_path) as at:
        club = at.network.convo(did(1), at.network.person(3), name="Boat club")
        at.network.say(club, did(1), "Who is coming?")
        secret = Secret(username=at.network.user.handle, password=at.network.user.app_password("again", privileged=True))
        other = await Household.open(household.database, "u_else")
        await at.shop.link(other.viewer, "bluesky", at.network.url, secret)
        for viewer in (household, other):  # one hears of it while it follows, the other finds it there
            await at.sync()
            data = await ask(at.shop, viewer, CONVERSATIONS)
            (group,) = [edge["node"] for edge in data["viewer"]["conversations"]["edges"] if edge["node"]["kind"] == "GROUP"]
            assert group["subject"] == "Boat club"
            assert {edge["node"]["name"] for edge in group["participants"]["edges"]} == {"Person 1", "Person 3"}


async def test_a_message_is_there_once_and_here_once(household: Household, atproto_server: AtProto, tmp_path: Path) -> None:
    async with desk(household, atproto_server, tmp_path) as at:
        done = await at.to_convo("Grüße: https://example.org/ä.")
        assert done["errors"] == []
        await at.work()
        assert at.there() == ["Grüße: https://example.org/ä."]
        (facet,) = at.convo.messages[0]["facets"]
        assert facet["features"][0]["uri"] == "https://example.org/ä"
        assert facet["index"] == {"byteStart": 9, "byteEnd": 31}
        for _ in range(2):
            await at.sync()
            assert {m["text"]: m["delivery"] and m["delivery"]["state"] for m in await at.messages()} == {
                "Lunch?": None,
                "Grüße: https://example.org/ä.": "SENT",
            }
        assert done["message"]["id"] in {m["id"] for m in await at.messages()}


async def test_an_answer_is_an_answer_there(household: Household, atproto_server: AtProto, tmp_path: Path) -> None:
    async with desk(household, atproto_server, tmp_path) as at:
        (asked,) = await at.messages()
        done = await at.send({"reply": {"messageId": asked["id"]}}, "Yes")
        assert (done["errors"], done["message"]["inReplyTo"]) == ([], {"text": "Lunch?"})
        await at.work()
        assert at.convo.messages[0]["replyTo"]["text"] == "Lunch?"


async def test_a_reaction_is_there_once_and_can_be_taken_back(
    household: Household, atproto_server: AtProto, tmp_path: Path
) -> None:
    async with desk(household, atproto_server, tmp_path) as at:
        (asked,) = await at.messages()

        async def shown() -> list[tuple[str, int, bool]]:
            found = (await ask(at.shop, household, REACTIONS, id=asked["id"]))["node"]["reactions"]
            return [(one["emoji"], one["count"], one["viewer"]) for one in found]

        def there() -> list[tuple[str, str]]:
            return [(one["value"], one["sender"]["did"]) for one in at.convo.messages[0].get("reactions", [])]

        at.network.react(at.convo, at.convo.messages[0], "👍", did(1))
        assert (await ask(at.shop, household, REACT, id=asked["id"], emoji="👍"))["react"]["errors"] == []
        await at.work()
        assert there() == [("👍", did(1)), ("👍", at.network.user.did)]
        for _ in range(2):
            await at.sync()
            assert await shown() == [("👍", 2, True)]
        assert (await ask(at.shop, household, REACT, id=asked["id"], emoji="👍", remove=True))["react"]["errors"] == []
        await at.work()
        assert there() == [("👍", did(1))]
        await at.sync()
        assert await shown() == [("👍", 1, False)]


async def test_a_reaction_that_the_network_does_not_take_is_undone(
    household: Household, atproto_server: AtProto, tmp_path: Path
) -> None:
    async with desk(household, atproto_server, tmp_path) as at:
        (asked,) = await at.messages()
        await ask(at.shop, household, REACT, id=asked["id"], emoji="yes")
        await at.work()
        assert (await ask(at.shop, household, REACTIONS, id=asked["id"]))["node"]["reactions"] == []
        assert "reactions" not in at.convo.messages[0]


async def test_a_message_is_deleted_for_oneself_and_for_nobody_else(
    household: Household, atproto_server: AtProto, tmp_path: Path
) -> None:
    async with desk(household, atproto_server, tmp_path) as at:
        at.network.say(at.convo, at.network.user.did, "Yes")
        await at.sync()
        theirs, mine = await at.messages()
        refused = (await ask(at.shop, household, DELETE, id=mine["id"], all=True))["deleteMessage"]["errors"]
        assert "for you alone" in refused[0]["message"]
        for message in (theirs, mine):
            assert (await ask(at.shop, household, DELETE, id=message["id"]))["deleteMessage"]["errors"] == []
        await at.work()
        assert [one["$type"].partition("#")[2] for one in at.convo.messages] == ["deletedMessageView"] * 2
        for _ in range(2):
            await at.sync()
            assert [m for found in await at.conversations() for m in found["messages"]["edges"]] == []


async def begun(at: Desk) -> None:
    """What a process leaves that died after it had noted that the message is about to leave."""

    def begin(conn: Connection, viewer: str) -> None:
        write = outbox.begin(conn, viewer, at.account_id, at.shop.clock.now())
        assert write is not None
        step = f"{int(at.shop.clock.now().timestamp())} {at.convo.messages[0]['id']}"
        assert outbox.note(conn, viewer, write, step.encode())

    await at.household.database.write(at.household.viewer, begin)


@pytest.mark.parametrize("told_first", [True, False])
async def test_a_process_that_dies_after_sending_does_not_double_the_message(
    household: Household, atproto_server: AtProto, tmp_path: Path, told_first: bool
) -> None:
    async with desk(household, atproto_server, tmp_path) as at:
        at.network.say(at.convo, at.network.user.did, "Hello")  # the same words, said before
        await at.sync()
        done = await at.to_convo("Hello")
        await begun(at)
        at.network.say(at.convo, at.network.user.did, "Hello")
        if told_first:
            await at.sync()
        await at.work()
        assert at.there() == ["Hello", "Hello"]
        await at.sync()
        states = {m["id"]: m["delivery"]["state"] for m in await at.messages() if m["delivery"]}
        assert states[done["message"]["id"]] == "SENT"
        assert [m["text"] for m in await at.messages()].count("Hello") == 2


async def test_a_message_that_was_taken_in_silence_is_not_sent_again(
    household: Household, atproto_server: AtProto, tmp_path: Path
) -> None:
    async with desk(household, atproto_server, tmp_path) as at:
        at.network.forgetful = True
        await at.to_convo("Hello")
        for _ in range(3):
            await at.work()
        assert at.there() == ["Hello"]
        assert [m["delivery"]["state"] for m in await at.messages() if m["delivery"]] == ["CHECKING"]


async def test_what_an_app_password_does_not_allow_is_said_before_anything_is_written(
    household: Household, atproto_server: AtProto, tmp_path: Path
) -> None:
    async with desk(household, atproto_server, tmp_path, privileged=False) as at:
        assert await at.conversations() == []
        wanted = {"newMessage": {"accountId": at.account_id, "to": [{"handle": "person1.example.org"}]}}
        assert [error["code"] for error in (await at.send(wanted))["errors"]] != []
        assert at.there() == []


async def test_a_repository_and_the_linked_account_are_one(household: Household, atproto_server: AtProto, tmp_path: Path) -> None:
    async with desk(household, atproto_server, tmp_path / "home") as at:
        for number in range(3):
            at.network.user.post(f"A post of my own, number {number}")
        await at.sync()
        before = await household.database.read(household.viewer, accounts.get, at.account_id)
        file = exported(at.network.user, tmp_path)
        (report,) = await at.shop.bring(household.viewer, file)
        assert (report.state, report.failed, report.total) == ("DONE", 0, 4)
        assert report.created == 1, "the follow; the posts were there"
        after = await household.database.read(household.viewer, accounts.get, at.account_id)
        assert before is not None
        assert after is not None
        assert (after.base_url, after.status, after.label) == (before.base_url, before.status, before.label)
        (again,) = await at.shop.bring(household.viewer, file)
        assert (again.created, again.updated) == (0, 0)
        data = await ask(at.shop, household, ACTIVITIES)
        assert len(data["viewer"]["activities"]["edges"]) == 4
        await at.sync()
        assert (await at.to_convo())["errors"] == []


async def test_a_repository_alone_is_an_account_of_its_own(household: Household, atproto_server: AtProto, tmp_path: Path) -> None:
    user = atproto_server.new_user()
    user.post("Hello from a file")
    async with workshop(household.database, tmp_path / "home") as shop:
        (report,) = await shop.bring(household.viewer, exported(user, tmp_path))
        assert (report.state, report.created, report.failed) == ("DONE", 1, 0)
        (found,) = await household.database.read(household.viewer, accounts.listed)
        assert (found.provider, found.user_id, found.status) == ("bluesky", user.did, "ACTIVE")


async def test_a_revoked_app_password_asks_for_a_new_sign_in(
    household: Household, atproto_server: AtProto, tmp_path: Path
) -> None:
    async with desk(household, atproto_server, tmp_path) as at:
        at.network.user.revoke("kith")
        at.network.signed_out = True  # its access token would last for two hours
        await at.sync()
        found = await household.database.read(household.viewer, accounts.get, at.account_id)
        assert found is not None
        assert found.status == "REAUTH_REQUIRED"
        assert "app password" in (found.status_reason or "")


async def test_reading_a_conversation_here_is_reading_it_there(
    household: Household, atproto_server: AtProto, tmp_path: Path
) -> None:
    async with desk(household, atproto_server, tmp_path) as at:
        at.network.say(at.convo, did(1), "At noon?")
        await at.sync()
        (found,) = await at.conversations()
        assert found["unreadCount"] == 2

        async def mark(**wish: bool) -> list[str]:
            done = (await ask(at.shop, household, MARK, id=found["id"], **wish))["markConversations"]
            return [each["code"] for each in done["errors"]]

        assert await mark(read=False) == await mark(flagged=True) == ["UNSUPPORTED"]
        assert await mark(read=True) == []
        await at.work()
        assert (at.convo.unread, at.network.log[-1]["message"]["text"]) == (0, "At noon?")
        head = await household.head()
        await at.sync()
        assert (await at.conversations())[0]["unreadCount"] == 0
        assert await household.head() == head  # its echo is no event


async def test_a_chat_that_was_left_has_nobody_to_be_told(household: Household, atproto_server: AtProto, tmp_path: Path) -> None:
    async with desk(household, atproto_server, tmp_path) as at:
        (found,) = await at.conversations()
        at.network.leave(at.convo)
        done = (await ask(at.shop, household, MARK, id=found["id"], read=True))["markConversations"]
        await at.work()
        assert (done["errors"], (await at.conversations())[0]["unreadCount"]) == ([], 0)
