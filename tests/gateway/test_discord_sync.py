"""Discord through the whole of Kith: a bot's servers, messages and reactions from here, and the package of the person beside it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.chat_exports import discord as package
from benchmarks.exports import World
from providers.session import Secret
from store import leases
from tests.gateway.rooms import ask
from tests.household import Household
from tests.providers.discord_stub import ME, Discord, running
from tests.workshop import workshop

ADA, HALL = "100000000000000001", "700000000000000001"
SEND = """mutation($input: SendMessageInput!) { sendMessage(input: $input) { message { id } errors { code message } } }"""
ROOMS = """{ viewer { conversations(first: 20) { edges { node { subject kind
  messages(last: 50) { edges { node { id text direction delivery { state } inReplyTo { text } reactions { emoji count } } } } } } } } }"""
ACCOUNTS = "{ viewer { accounts(first: 9) { edges { node { id label provider { key } status statusReason } } } } }"


async def test_channels_arrive_and_what_is_sent_from_here_is_there_once_and_here_once(
    household: Household, tmp_path: Path
) -> None:
    net = Discord(time.time)
    net.guild()
    net.member(ADA, "ada", global_name="Ada Ray")
    net.channel(HALL)
    asked = net.say(HALL, ADA, "Tea?", time.time() - 900)
    async with running(net) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        account_id = await shop.link(household.viewer, "discord", url, Secret(access_token="token-1"))

        async def room() -> Any:
            ((edge),) = (await ask(shop, household, ROOMS))["viewer"]["conversations"]["edges"]
            return edge["node"]

        found = await room()
        assert (found["kind"], found["subject"]) == ("CHANNEL", "general (Boats)")
        (said,) = (edge["node"] for edge in found["messages"]["edges"])
        assert (said["text"], said["direction"]) == ("Tea?", "BETWEEN_OTHERS")
        wanted = {
            "idempotencyKey": "k",
            "compose": {"reply": {"messageId": said["id"]}},
            "text": "Yes *gladly*",
            "undoSeconds": 0,
        }
        done = (await ask(shop, household, SEND, input=wanted))["sendMessage"]
        assert done["errors"] == []
        await shop.write_back(household.viewer, account_id)
        assert [each["message_reference"]["message_id"] for each in net.messages[HALL] if each["author"]["id"] == ME] == [asked]
        net.react(HALL, asked, ADA, "👍")
        for _ in range(2):
            await shop.sync(household.viewer, account_id)
            mine = [edge["node"] for edge in (await room())["messages"]["edges"] if edge["node"]["direction"] == "OUTBOUND"]
            assert [(m["id"], m["text"], m["delivery"]["state"], m["inReplyTo"]) for m in mine] == [
                (done["message"]["id"], "Yes *gladly*", "SENT", {"text": "Tea?"})
            ]
        people = (await ask(shop, household, "{ viewer { people(first: 9) { edges { node { name } } } } }"))["viewer"]["people"]
        assert [edge["node"]["name"] for edge in people["edges"]] == ["Ada Ray"]
    assert net.violations == []


async def test_the_bot_and_the_package_of_the_person_are_two_accounts_and_what_the_bot_lacks_is_said(
    household: Household, tmp_path: Path
) -> None:
    net = Discord(time.time)
    net.guild()
    net.member(ADA, "ada", global_name="Ada Ray")
    net.flags = 0
    async with running(net) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        await shop.link(household.viewer, "discord", url, Secret(access_token="token-1"))
        await shop.bring(household.viewer, package(World(people=6, talks=3, messages=3), tmp_path / "package"))
        found = [edge["node"] for edge in (await ask(shop, household, ACCOUNTS))["viewer"]["accounts"]["edges"]]
        assert [each["provider"]["key"] for each in found] == ["discord"] * 2
        assert len({each["label"] for each in found}) == 2
        assert {each["status"] for each in found} == {"ACTIVE"}, found
        assert ["Intent" in (each["statusReason"] or "") for each in found].count(True) == 1
    assert net.violations == []


async def test_what_changes_at_discord_asks_for_a_sync_by_itself_and_is_here(household: Household, tmp_path: Path) -> None:
    net = Discord(time.time)
    net.guild()
    net.member(ADA, "ada")
    net.channel(HALL)
    old = net.say(HALL, ADA, "Tae?", time.time() - 40 * 86_400)
    async with running(net) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        account_id = await shop.link(household.viewer, "discord", url, Secret(access_token="token-1"))
        watching = asyncio.create_task(shop.worker.run_one(household.viewer, "watch", account_id))

        async def asked_for() -> None:
            """Until a sync is due."""
            while True:
                job = await household.database.read(household.viewer, leases.pending, "sync", account_id)
                if job is not None and job.due <= shop.clock.now():
                    return
                await asyncio.sleep(0.02)

        await asyncio.wait_for(asked_for(), 20)  # the line is open
        await shop.sync(household.viewer, account_id)
        net.edit(HALL, old, "Tea?")
        await asyncio.wait_for(asked_for(), 20)
        await shop.sync(household.viewer, account_id)
        ((edge),) = (await ask(shop, household, ROOMS))["viewer"]["conversations"]["edges"]
        assert [each["node"]["text"] for each in edge["node"]["messages"]["edges"]] == ["Tea?"]
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert net.violations == []
