"""A Matrix account through the whole of Kith, on both databases: Synapse, the sync job, and what the API answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from store import accounts, leases
from tests.chat_servers import Matrix, MatrixUser
from tests.gateway.rooms import ask, conversations, linked, place, stored, texts
from tests.household import Household
from tests.patience import PATIENCE
from tests.workshop import Workshop, workshop


async def test_rooms_people_edits_deletions_and_read_state_arrive(
    household: Household, synapse_server: Matrix, tmp_path: Path
) -> None:
    ada, bob, cai = (synapse_server.new_user(name) for name in ("ada", "bob", "cai"))
    bob.name("Bob Ray")
    direct = bob.create_room(ada, is_direct=True)
    group = bob.create_room(ada, cai, name="Boat club")
    ada.set_direct({bob.user_id: [direct]})
    asked = bob.send(direct, "Lunch?")
    ada.send(direct, {"msgtype": "m.text", "body": "Yes", "m.relates_to": {"m.in_reply_to": {"event_id": asked}}})
    sent = [bob.send(group, f"news {n}") for n in range(4)]
    async with workshop(household.database, tmp_path, place(synapse_server)) as shop:
        account_id = await linked(shop, household, ada)
        found = await conversations(shop, household)
        assert {(c["subject"], c["kind"]) for c in found.values()} == {(None, "DIRECT"), ("Boat club", "GROUP")}
        assert texts(found[None]) == ["Lunch?", "Yes"]
        answer = found[None]["messages"]["edges"][1]["node"]
        assert (answer["direction"], answer["inReplyTo"]) == ("OUTBOUND", {"text": "Lunch?"})
        assert found[None]["participants"]["edges"] == [{"node": {"name": "Bob Ray", "person": {"name": "Bob Ray"}}}]
        assert found["Boat club"]["unreadCount"] == 4
        assert len(found["Boat club"]["participants"]["edges"]) == 2  # one of them never wrote
        head = await household.head()
        await shop.sync(household.viewer, account_id)
        assert await household.head() == head  # nothing happened, nothing is told
        bob.edit(group, sent[1], "news one, mended")
        bob.redact(group, sent[2])
        ada.read(group, sent[1])
        await shop.sync(household.viewer, account_id)
        club = (await conversations(shop, household))["Boat club"]
        assert texts(club) == ["news 0", "news one, mended", None, "news 3"]
        assert [bool(edge["node"]["editedAt"]) for edge in club["messages"]["edges"]] == [False, True, False, False]
        assert [edge["node"]["bodyState"] for edge in club["messages"]["edges"]][2] == "DELETED"
        assert (club["unreadCount"], club["messageCount"]) == (1, 4)
        told = {(c.op, c.kind) for c in await household.changes(head)}
        assert {("UPSERT", "MESSAGE"), ("UPSERT", "CONVERSATION")} <= told
        await household.forget(account_id)
        assert await conversations(shop, household) == {}


async def test_what_was_taken_back_before_it_was_linked_shows_who_wrote_when_and_nothing_else(
    household: Household, synapse_server: Matrix, tmp_path: Path
) -> None:
    ada, bob = synapse_server.new_user("ada"), synapse_server.new_user("bob")
    bob.name("Bob Ray")
    room = bob.create_room(ada, name="Boat club")
    first = bob.send(room, "Nobody shall read this")
    ada.react(room, first, "👍")
    bob.send(room, "Who comes?")
    bob.redact(room, first)
    query = """{ viewer { conversations(first: 5) { edges { node { messageCount unreadCount messages(last: 5) { edges { node {
      text html bodyState deletedAt sentAt sender { name } reactions { emoji } } } } } } } } }"""
    async with workshop(household.database, tmp_path, place(synapse_server)) as shop:
        account_id = await linked(shop, household, ada)
        for _ in range(2):
            ((edge),) = (await ask(shop, household, query))["viewer"]["conversations"]["edges"]
            shown = [each["node"] for each in edge["node"]["messages"]["edges"]]
            assert [(m["text"], m["bodyState"], m["sender"]["name"]) for m in shown] == [
                (None, "DELETED", "Bob Ray"),
                ("Who comes?", "AVAILABLE", "Bob Ray"),
            ]
            assert (shown[0]["html"], shown[0]["reactions"]) == (None, [])
            assert shown[0]["sentAt"] <= shown[1]["sentAt"] <= shown[0]["deletedAt"]
            assert (edge["node"]["messageCount"], edge["node"]["unreadCount"]) == (2, 1)
            await household.database.write(household.viewer, _lose_the_place, account_id)
            await shop.sync(household.viewer, account_id)  # from the beginning


def _lose_the_place(conn: Connection, viewer: str, account_id: str) -> None:
    accounts.change(conn, viewer, account_id, None, cursor=None)


async def test_reactions_arrive_with_who_made_them_and_go_when_they_are_taken_back(
    household: Household, synapse_server: Matrix, tmp_path: Path
) -> None:
    ada, bob, cai = (synapse_server.new_user(name) for name in ("ada", "bob", "cai"))
    bob.name("Bob Ray")
    room = bob.create_room(ada, cai, name="Boat club")
    asked = bob.send(room, "Who comes?")
    for who in (bob, ada):
        who.react(room, asked, "👍")
    for n in range(120):  # the reactions are told pages before the message that they are for
        bob.send(room, f"news {n}")
    async with workshop(household.database, tmp_path, place(synapse_server)) as shop:
        account_id = await linked(shop, household, ada)
        assert await reactions(shop, household) == [("👍", 2, True, ["Bob Ray", called(ada)])]
        wave = cai.react(room, asked, "👋")
        await shop.sync(household.viewer, account_id)
        assert await reactions(shop, household) == [
            ("👍", 2, True, ["Bob Ray", called(ada)]),
            ("👋", 1, False, [called(cai)]),
        ]
        head = await household.head()
        cai.redact(room, wave)
        await shop.sync(household.viewer, account_id)
        assert await reactions(shop, household) == [("👍", 2, True, ["Bob Ray", called(ada)])]
        assert [c.fields for c in await household.changes(head) if c.kind == "MESSAGE"] == [("reactions",)]
        bob.redact(room, asked)
        await shop.sync(household.viewer, account_id)
        assert await reactions(shop, household) == []


def called(who: MatrixUser) -> str:
    """The name of somebody who has set none."""
    return who.user_id[1:].partition(":")[0]


async def reactions(shop: Workshop, household: Household) -> list[tuple[str, int, bool, list[str]]]:
    """Those to the first message of the room."""
    query = """{ viewer { conversations(first: 1) { edges { node { messages(first: 1) { edges { node {
      reactions { emoji count viewer participants { name } } } } } } } } } }"""
    (room,) = (await ask(shop, household, query))["viewer"]["conversations"]["edges"]
    (first,) = room["node"]["messages"]["edges"]
    return [
        (each["emoji"], each["count"], each["viewer"], [who["name"] for who in each["participants"]])
        for each in first["node"]["reactions"]
    ]


async def test_a_message_that_arrives_there_is_in_the_feed_without_a_poll(
    household: Household, synapse_server: Matrix, tmp_path: Path
) -> None:
    ada, bob = synapse_server.new_user("ada"), synapse_server.new_user("bob")
    room = bob.create_room(ada, name="Harbour")
    bob.send(room, "first")
    async with workshop(household.database, tmp_path, place(synapse_server)) as shop:
        account_id = await linked(shop, household, ada)
        assert await household.database.read(household.viewer, leases.pending, "watch", account_id) is not None
        stop = asyncio.Event()
        working = asyncio.create_task(shop.worker.work(stop))
        try:
            async with asyncio.timeout(PATIENCE):
                number = 0
                while True:  # the line has to stand first; what was said before that is found with the first hint
                    number += 1
                    bob.send(room, f"later {number}")
                    await asyncio.sleep(1)
                    if "later 1" in texts((await conversations(shop, household))["Harbour"]):
                        break
        finally:
            stop.set()
            await working


async def test_a_device_that_is_signed_out_asks_for_a_new_sign_in(
    household: Household, synapse_server: Matrix, tmp_path: Path
) -> None:
    ada = synapse_server.new_user("ada")
    async with workshop(household.database, tmp_path, place(synapse_server)) as shop:
        account_id = await linked(shop, household, ada)
        ada.call("POST", "/v3/logout/all", {})
        await shop.sync(household.viewer, account_id)
        found = await household.database.read(household.viewer, accounts.get, account_id)
        assert found is not None
        assert found.status == "REAUTH_REQUIRED"
        assert "Link the account again" in (found.status_reason or "")


async def test_tokens_that_ended_are_renewed_and_stored(household: Household, synapse_server: Matrix, tmp_path: Path) -> None:
    ada, bob = synapse_server.new_user("ada"), synapse_server.new_user("bob")
    bob.send(bob.create_room(ada, name="Harbour"), "hello")
    async with workshop(household.database, tmp_path, place(synapse_server)) as shop:
        account_id = await linked(shop, household, ada)
        grant = await stored(shop, household, account_id)
        assert grant.password is None
        ended = msgspec.structs.replace(grant, access_token="syt_ended")
        blob = shop.vault.seal(msgspec.json.encode(ended), household.viewer, accounts.PLACE[0], account_id, accounts.PLACE[1])
        await household.database.write(household.viewer, accounts.seal, account_id, blob)
        await shop.sync(household.viewer, account_id)
        found = await household.database.read(household.viewer, accounts.get, account_id)
        assert found is not None
        assert found.status == "ACTIVE"
        newer = await stored(shop, household, account_id)
        assert newer.access_token not in (grant.access_token, "syt_ended")
        assert newer.refresh_token != grant.refresh_token
