"""A mirrored Mastodon account through the whole of Kith, on both databases: a compatible server, the sync job, and what the API answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from providers.mastodon import adapter as mastodon
from providers.mastodon.item import FAVOURITE
from providers.session import Secret
from store import leases
from tests import servers
from tests.asking import Desk, nodes
from tests.fediverse import Person
from tests.household import Household
from tests.workshop import Workshop, workshop

EVERYTHING = """{ viewer {
  activities { complete sources { state account { mode } } edges { node { id verb summary account { id } copies { id }
    actor { name person { name } } object { text uri } } } }
  conversations { edges { node { kind unreadCount messages { edges { node { text direction } } } } } }
  timeline(filter: { kinds: [MESSAGE, ACTIVITY] }) { edges { node { __typename } } }
  people { edges { node { name activities { totalCount edges { node { verb } } } } } } } }"""


async def everything(shop: Workshop, household: Household) -> Any:
    desk = Desk(household, providers=shop.providers)
    return (await desk.ask(EVERYTHING))["viewer"]


def place(server: servers.Mastodon) -> str:
    return f"127.0.0.1/32:{urlsplit(server.url).port}"


async def test_posts_boosts_favourites_and_direct_posts_arrive_and_go(
    household: Household, mastodon_server: servers.Mastodon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mastodon, "UNTOLD_SECONDS", 0.0)
    robin, ada, cai = (Person(mastodon_server, name) for name in ("robin", "ada", "cai"))
    robin.follows(ada)
    theirs = cai.posts("Far away, and long enough to be told apart from others")
    ada.does("POST", f"statuses/{theirs['id']}/reblog")
    made = ada.posts("A heron by the river")
    robin.does("POST", f"statuses/{made['id']}/favourite")
    asked = ada.posts(f"@{robin.name} Lunch?", visibility="direct")
    robin.posts(f"@{ada.name} Yes", visibility="direct", in_reply_to_id=asked["id"])
    async with workshop(household.database, tmp_path, place(mastodon_server)) as shop:
        account_id = await shop.link(household.viewer, "mastodon", robin.server.url, Secret(access_token=robin.token))
        found = await everything(shop, household)
        assert sorted(node["verb"] for node in nodes(found["activities"])) == ["ANNOUNCE", "CREATE", "LIKE"]
        assert found["activities"]["complete"]
        assert [one["account"]["mode"] for one in found["activities"]["sources"]] == ["MIRRORED"]
        by_name = {person["name"]: person["activities"] for person in nodes(found["people"])}
        assert {node["verb"] for node in nodes(by_name["Ada"])} == {"ANNOUNCE", "CREATE"}
        (talk,) = nodes(found["conversations"])
        assert talk["kind"] == "DIRECT"
        said = [(node["text"].rpartition(" ")[2], node["direction"]) for node in nodes(talk["messages"])]
        assert said == [("Lunch?", "INBOUND"), ("Yes", "OUTBOUND")]
        kinds = [node["__typename"] for node in nodes(found["timeline"])]
        assert sorted(kinds) == ["Activity"] * 3 + ["Message"] * 2
        head = await household.head()
        await shop.sync(household.viewer, account_id)
        assert await household.head() == head  # nothing happened, nothing is told

        ada.does("PUT", f"statuses/{made['id']}", status="A grey heron by the river")
        ada.does("POST", f"statuses/{theirs['id']}/unreblog")
        robin.does("POST", f"statuses/{made['id']}/unfavourite")
        await shop.sync(household.viewer, account_id)
        (post,) = nodes((await everything(shop, household))["activities"])
        assert (post["verb"], post["object"]["text"]) == ("CREATE", "A grey heron by the river")
        told = [(change.op, change.kind) for change in await household.changes(head) if change.kind == "ACTIVITY"]
        assert sorted(told) == [("DELETE", "ACTIVITY"), ("DELETE", "ACTIVITY"), ("UPSERT", "ACTIVITY")]
        await household.forget(account_id)
        found = await everything(shop, household)
        assert nodes(found["activities"]) == nodes(found["timeline"]) == []


async def test_two_accounts_that_show_one_post_count_it_once(
    household: Household, mastodon_server: servers.Mastodon, tmp_path: Path
) -> None:
    robin, other, ada = (Person(mastodon_server, name) for name in ("robin", "robinatwork", "ada"))
    for mine in (robin, other):
        mine.follows(ada)
    ada.posts("Seen twice")
    async with workshop(household.database, tmp_path, place(mastodon_server)) as shop:
        for mine in (robin, other):
            await shop.link(household.viewer, "mastodon", mine.server.url, Secret(access_token=mine.token))
        (post,) = nodes((await everything(shop, household))["activities"])
        assert len(post["copies"]) == 1


async def test_an_account_that_the_viewer_wants_read_live_stores_no_posts(
    household: Household, mastodon_server: servers.Mastodon, tmp_path: Path
) -> None:
    robin, ada = (Person(mastodon_server, name) for name in ("robin", "ada"))
    robin.follows(ada)
    ada.posts("Not stored")
    async with workshop(household.database, tmp_path, place(mastodon_server)) as shop:
        secret = Secret(access_token=robin.token)
        account_id = await shop.link(household.viewer, "mastodon", robin.server.url, secret, mode="LIVE")
        assert await shop.count(household.viewer, f"select count(*) from activity where account_id = '{account_id}'") == 0
        assert await shop.count(household.viewer, f"select count(*) from contact where account_id = '{account_id}'") == 1
        assert await household.database.read(household.viewer, leases.pending, "watch", account_id) is None


async def test_who_is_followed_and_written_to_is_one_contact(
    household: Household, mastodon_server: servers.Mastodon, tmp_path: Path
) -> None:
    robin, ada = (Person(mastodon_server, name) for name in ("robin", "ada"))
    robin.follows(ada)
    robin.posts(f"@{ada.name} Lunch?", visibility="direct")
    async with workshop(household.database, tmp_path, place(mastodon_server)) as shop:
        await shop.link(household.viewer, "mastodon", robin.server.url, Secret(access_token=robin.token))
        found = await Desk(household, providers=shop.providers).ask("{ viewer { contacts { edges { node { relation } } } } }")
        assert [node["relation"] for node in nodes(found["viewer"]["contacts"])] == ["FOLLOWING"]


ROOMS = """{ viewer { conversations(first: 20) { edges { node { id kind unreadCount messages(last: 50) { edges { node {
  id text direction editedAt delivery { state } inReplyTo { text } reactions { emoji count } } } } } } } } }"""
SEND = """mutation($input: SendMessageInput!) { sendMessage(input: $input) {
  message { id delivery { state } } conversation { kind } errors { code message } } }"""
REACT = """mutation($id: ID!, $emoji: String!) { react(input: { messageId: $id, emoji: $emoji }) { errors { code } } }"""
EDIT = """mutation($id: ID!, $text: String!) { editMessage(input: { messageId: $id, text: $text }) { errors { code } } }"""
DELETE = """mutation($id: ID!) { deleteMessage(input: { messageId: $id, forEveryone: true }) { errors { code } } }"""
READ = """mutation($id: ID!) { markConversations(input: { conversationIds: [$id], read: true }) { errors { code } } }"""


async def test_a_conversation_goes_on_as_one_and_what_becomes_of_its_posts_arrives(
    household: Household, mastodon_server: servers.Mastodon, tmp_path: Path
) -> None:
    robin, ada = (Person(mastodon_server, name) for name in ("robin", "ada"))
    first = ada.posts(f"@{robin.name} Lunhc?", visibility="direct")
    async with workshop(household.database, tmp_path, place(mastodon_server)) as shop:
        account_id = await shop.link(household.viewer, "mastodon", robin.server.url, Secret(access_token=robin.token))
        assert await household.database.read(household.viewer, leases.pending, "watch", account_id) is not None
        answer = robin.posts(f"@{ada.name} Yes", visibility="direct", in_reply_to_id=first["id"])
        second = ada.posts(f"@{robin.name} Or dinner?", visibility="direct", in_reply_to_id=answer["id"])
        await shop.sync(household.viewer, account_id)
        ada.does("PUT", f"statuses/{first['id']}", status=f"@{robin.name} Lunch?")
        ada.does("DELETE", f"statuses/{second['id']}")
        ada.does("POST", f"statuses/{answer['id']}/favourite")
        head = await household.head()
        await shop.sync(household.viewer, account_id)
        desk = Desk(household, providers=shop.providers)
        (room,) = nodes((await desk.ask(ROOMS))["viewer"]["conversations"])
        said = nodes(room["messages"])
        assert [(one["text"].split()[-1], one["editedAt"] is not None) for one in said] == [("Lunch?", True), ("Yes", False)]
        assert said[1]["reactions"] == [{"emoji": FAVOURITE, "count": 1}]
        assert said[1]["inReplyTo"] == {"text": f"@{robin.name} Lunch?"}
        told = [(change.op, change.kind) for change in await household.changes(head) if change.kind == "MESSAGE"]
        assert sorted(told) == [("DELETE", "MESSAGE"), ("UPSERT", "MESSAGE"), ("UPSERT", "MESSAGE")]
        head = await household.head()
        await shop.sync(household.viewer, account_id)
        assert await household.head() == head


async def test_what_is_sent_marked_and_read_here_is_so_there_and_here_once(
    household: Household, mastodon_server: servers.Mastodon, tmp_path: Path
) -> None:
    robin, ada = (Person(mastodon_server, name) for name in ("robin", "ada"))
    asked = ada.posts(f"@{robin.name} Lunch?", visibility="direct")
    async with workshop(household.database, tmp_path, place(mastodon_server)) as shop:
        account_id = await shop.link(household.viewer, "mastodon", robin.server.url, Secret(access_token=robin.token))
        desk = Desk(household, providers=shop.providers)

        async def room() -> Any:
            (found,) = nodes((await desk.ask(ROOMS))["viewer"]["conversations"])
            return found

        found = await room()
        assert found["unreadCount"] == 1
        (question,) = nodes(found["messages"])
        assert (await desk.ask(READ, id=found["id"]))["markConversations"]["errors"] == []
        assert (await desk.ask(REACT, id=question["id"], emoji=FAVOURITE))["react"]["errors"] == []
        await shop.write_back(household.viewer, account_id)
        assert not robin.does("GET", "conversations")[0]["unread"]
        assert ada.does("GET", f"statuses/{asked['id']}")["favourites_count"] == 1
        compose = {"reply": {"messageId": question["id"]}}
        wanted = {"idempotencyKey": "k", "compose": compose, "text": "Gladly", "undoSeconds": 0}
        done = (await desk.ask(SEND, input=wanted))["sendMessage"]
        assert done["errors"] == []
        await shop.write_back(household.viewer, account_id)
        (told,) = [one["status"] for one in ada.does("GET", "notifications?types[]=mention")]
        assert told["in_reply_to_id"] == asked["id"]
        for _ in range(2):
            await shop.sync(household.viewer, account_id)
            said = {one["id"]: one for one in nodes((await room())["messages"])}
            assert said.pop(question["id"])["reactions"] == [{"emoji": FAVOURITE, "count": 1}]
            answer = said.pop(done["message"]["id"])
            assert (answer["text"], answer["delivery"]["state"]) == (f"@{ada.name} Gladly", "SENT")
            assert said == {}
        assert (await room())["unreadCount"] == 0
        assert (await desk.ask(EDIT, id=done["message"]["id"], text="With pleasure"))["editMessage"]["errors"] == []
        await shop.write_back(household.viewer, account_id)
        await shop.sync(household.viewer, account_id)
        assert "With pleasure" in ada.does("GET", f"statuses/{told['id']}")["content"]
        said = {one["id"]: one for one in nodes((await room())["messages"])}
        assert said[done["message"]["id"]]["text"] == f"@{ada.name} With pleasure"
        assert said[done["message"]["id"]]["editedAt"] is not None
        assert (await desk.ask(DELETE, id=done["message"]["id"]))["deleteMessage"]["errors"] == []
        await shop.write_back(household.viewer, account_id)
        await shop.sync(household.viewer, account_id)
        assert [one["id"] for one in nodes((await room())["messages"])] == [question["id"]]
        assert [one["status"] for one in ada.does("GET", "notifications?types[]=mention") if one["status"]] == []
