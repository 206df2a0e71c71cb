"""A bot through the whole of Kith: the stub, the sync job on both databases, messages and reactions from here, and calls that are kept."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from providers.session import Secret
from providers.telegram import adapter as telegram
from providers.telegram.item import ALLOWED
from store import accounts, kept_calls, leases
from tests.gateway.called import PUBLIC, Called, called
from tests.gateway.rooms import ask
from tests.gateway.running import TestClock
from tests.household import Household
from tests.providers.stub_http import running
from tests.providers.telegram_stub import TOKEN, BotApi, group, private, user
from tests.workshop import workshop

GRANT = Secret(access_token=TOKEN)
ADA, BOB = user(5, "Ada", last_name="Byron"), user(6, "Bob")
CLUB = group(40, "Reading club")
ROOMS = """{ viewer { conversations(first: 20) { edges { node { id subject kind
  participants(first: 20) { edges { node { name } } }
  messages(last: 50) { edges { node { id text direction editedAt delivery { state } reactions { emoji count } } } } } } } } }"""
SEND = """mutation($input: SendMessageInput!) { sendMessage(input: $input) {
  message { id delivery { state } } errors { code message } } }"""
REACT = """mutation($id: ID!, $emoji: String!, $remove: Boolean) {
  react(input: { messageId: $id, emoji: $emoji, remove: $remove }) { errors { code message } } }"""


def messages(room: Any) -> list[Any]:
    return [edge["node"] for edge in room["messages"]["edges"]]


async def test_what_a_bot_is_written_arrives_and_what_is_sent_from_here_is_there_once_and_here_once(
    household: Household, tmp_path: Path
) -> None:
    net = BotApi(time.time)
    net.administrators[CLUB["id"]] = []
    asked = net.post(private(ADA), ADA, "Lunch?")
    async with running(net) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        account_id = await shop.link(household.viewer, "telegram", url, GRANT)

        async def rooms() -> dict[str, Any]:
            edges = (await ask(shop, household, ROOMS))["viewer"]["conversations"]["edges"]
            return {
                edge["node"]["subject"] or edge["node"]["participants"]["edges"][0]["node"]["name"]: edge["node"]
                for edge in edges
            }

        (direct,) = (await rooms()).values()
        assert (direct["kind"], [(m["text"], m["direction"]) for m in messages(direct)]) == ("DIRECT", [("Lunch?", "INBOUND")])
        compose = {"reply": {"messageId": messages(direct)[0]["id"]}}
        wanted = {"idempotencyKey": "k", "compose": compose, "text": "Gladly", "undoSeconds": 0}
        done = (await ask(shop, household, SEND, input=wanted))["sendMessage"]
        assert done["errors"] == []
        for _ in range(2):
            await shop.write_back(household.viewer, account_id)
        (sent,) = net.sent
        assert (sent["chat_id"], sent["text"], sent["reply_parameters"]["message_id"]) == (5, "Gladly", asked["message_id"])
        net.edit(asked, text="Lunch at noon?")
        said = net.post(CLUB, BOB, "Cake?")
        net.react(said, ADA, [], ["👍"])
        for _ in range(2):
            await shop.sync(household.viewer, account_id)
            found = await rooms()
            assert [(m["text"], m["direction"]) for m in messages(found["Ada Byron"])] == [
                ("Lunch at noon?", "INBOUND"), ("Gladly", "OUTBOUND"),
            ]  # fmt: skip
            assert messages(found["Ada Byron"])[1]["delivery"]["state"] == "SENT"
            assert messages(found["Reading club"])[0]["reactions"] == [{"emoji": "👍", "count": 1}]
    assert net.violations == []


async def test_a_second_reaction_takes_the_place_of_the_first_here_as_there_and_a_refused_one_leaves_it(
    household: Household, tmp_path: Path
) -> None:
    net = BotApi(time.time)
    net.post(private(ADA), ADA, "Cake?")
    async with running(net) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        account_id = await shop.link(household.viewer, "telegram", url, GRANT)

        async def reactions() -> list[str]:
            ((edge),) = (await ask(shop, household, ROOMS))["viewer"]["conversations"]["edges"]
            return [each["emoji"] for each in messages(edge["node"])[0]["reactions"]]

        ((edge),) = (await ask(shop, household, ROOMS))["viewer"]["conversations"]["edges"]
        (message,) = messages(edge["node"])
        for emoji, shown in (("👍", ["👍"]), ("🔥", ["🔥"]), ("🦀", ["🦀"])):
            done = (await ask(shop, household, REACT, id=message["id"], emoji=emoji))["react"]
            assert done["errors"] == []
            assert await reactions() == shown
            await shop.write_back(household.viewer, account_id)
        assert await reactions() == ["🔥"]
        await ask(shop, household, REACT, id=message["id"], emoji="🔥", remove=True)
        await shop.write_back(household.viewer, account_id)
        assert await reactions() == []
    assert [[sign["emoji"] for sign in each["reaction"]] for each in net.reacted] == [["👍"], ["🔥"], []]
    assert net.violations == []


async def test_telegram_is_asked_for_more_only_when_what_it_told_is_in_the_database(
    household: Household, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telegram, "LISTED", 2)
    net = BotApi(time.time)
    for number in range(7):
        net.post(private(ADA), ADA, f"News {number}")
    first = net.number - 6
    offsets: list[tuple[int, int]] = []
    async with running(net) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        account_id = await shop.link(household.viewer, "telegram", url, GRANT, sync=False)
        monkeypatch.setattr("gateway.sync._Run._write", _slowly(shop, household, net))
        net.asked_for_updates = lambda asked: offsets.append((asked.get("offset", 0) and asked["offset"] - first, net.stored))
        await shop.sync(household.viewer, account_id)
    assert offsets == [(0, 0), (2, 2), (4, 4), (6, 6), (7, 7)]
    assert net.violations == []


def _slowly(shop: Any, household: Household, net: Any) -> Any:
    """Writing that takes its time, and tells the stub how much is in the database."""
    from gateway import sync

    write, net.stored = sync._Run._write, 0

    async def slowly(run: Any, page: Any) -> None:
        for _ in range(20):
            await shop.clock.sleep(0.001)
        await write(run, page)
        net.stored = await shop.count(household.viewer, "select count(*) from message_source")

    return slowly


# --- calls ----------------------------------------------------------------------------------------------------------------


class Line(Called):
    """An installation with one bot, and Telegram on the other side."""

    net: BotApi

    async def call(self, update: dict[str, Any], secret: str | None = None) -> int:
        """Telegram calls out one update; what is acknowledged it forgets."""
        headers = {"x-telegram-bot-api-secret-token": self.net.webhook["secret"] if secret is None else secret}
        answer = await self.client.post(urlsplit(self.net.webhook["url"]).path, json=update, headers=headers)
        if answer.is_success:
            self.net.delivered(update)
        return answer.status_code


@asynccontextmanager
async def bot(home: Path, net: BotApi, clock: TestClock, url: str, public: str = PUBLIC) -> AsyncIterator[Line]:
    async with called(home, "telegram", url, GRANT, clock, public=public) as found:
        line = Line(**vars(found))
        line.net = net
        yield line


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    clock = TestClock()
    net = BotApi(lambda: clock.now().timestamp())
    async with running(net) as url, bot(tmp_path, net, clock, url) as found:
        await found.work("sync")
        assert await found.work("push")
        yield found
    assert net.violations == []


async def test_telegram_is_asked_to_call_with_a_secret_and_one_call_at_a_time(line: Line) -> None:
    assert line.net.webhook["url"].startswith("https://kith.example.org/hooks/telegram/")
    assert (len(line.net.webhook["secret"]), line.net.webhook["most"]) == (43, 1)
    assert set(line.net.allowed or ()) == set(ALLOWED)


async def test_a_call_is_stored_before_it_is_acknowledged_and_taken_in_once(line: Line, tmp_path: Path) -> None:
    line.net.post(private(ADA), ADA, "Hello")
    (update,) = line.net.waiting()
    for _ in range(2):  # the first answer was lost on the way
        assert await line.call(update) == 202
    assert line.net.waiting() == []
    job = await line.there.database.read(line.viewer, leases.pending, "sync", line.account_id)
    assert job is not None
    assert (job.due - line.clock.now()).total_seconds() <= 1
    assert await line.kept() == 2
    # whatever becomes of this process now, another one finds it
    async with bot(tmp_path, line.net, line.clock, await _base(line)) as another:
        another.clock.pass_by(seconds=2)
        await another.work("sync")
        assert await another.texts() == ["Hello"]
        line.net.post(private(ADA), ADA, "Again")
        assert await another.call(line.net.waiting()[0]) == 202
        another.clock.pass_by(seconds=2)
        await another.work("sync")
        assert await another.texts() == ["Hello", "Again"]
        another.clock.pass_by(seconds=2)
        await another.work("sync")
        assert await another.kept() == 0
    assert line.net.calls.count("getUpdates") == 1  # before the webhook was set


async def _base(line: Line) -> str:
    found = await line.there.database.read(line.viewer, accounts.get, line.account_id)
    assert found is not None
    return found.base_url


async def test_a_forged_a_broken_and_an_endless_call_leave_no_trace(line: Line) -> None:
    assert await line.call({"update_id": 1}, secret="guessed") == 403
    assert await line.call({"update_id": "x"}) == 400
    assert await line.call({"update_id": 1, "text": "x" * (1024 * 1024)}) == 413
    path = urlsplit(line.net.webhook["url"]).path
    assert (await line.client.post(path[:-4] + "aaaa", json={"update_id": 1})).status_code == 404
    assert await line.kept() == 0


async def test_what_cannot_be_kept_is_not_acknowledged(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_calls, "MOST", 0)
    line.net.post(private(ADA), ADA, "Hello")
    (update,) = line.net.waiting()
    assert await line.call(update) == 503
    assert line.net.waiting() == [update]


async def test_a_webhook_that_somebody_else_sets_is_said_and_left_alone(line: Line) -> None:
    line.net.webhook = {"url": "https://shop.example.com/bot", "secret": "", "most": 40}
    for _ in range(2):
        line.clock.pass_by(hours=13)
        await line.work("push")
        await line.work("sync")
        status, reason = await line.state()
        assert (status, "shop.example.com" in reason) == ("DEGRADED", True)
    assert line.net.webhook["url"] == "https://shop.example.com/bot"


async def test_a_webhook_that_was_removed_is_no_loss(line: Line) -> None:
    line.net.webhook = {}
    line.net.post(private(ADA), ADA, "Hello")
    await line.work("sync")
    assert await line.texts() == ["Hello"]
    line.clock.pass_by(hours=13)
    await line.work("push")
    assert line.net.webhook["url"].startswith("https://kith.example.org/")


async def test_without_a_public_address_the_webhook_is_taken_away_and_what_waited_arrives(line: Line, tmp_path: Path) -> None:
    line.net.post(private(ADA), ADA, "Hello")
    async with bot(tmp_path, line.net, line.clock, await _base(line), public="") as alone:
        for kind in ("sync", "push", "sync"):
            alone.clock.pass_by(seconds=5)
            await alone.work(kind)
        assert line.net.webhook == {}
        assert await alone.texts() == ["Hello"]


async def test_unlinking_takes_the_webhook_away_and_what_was_kept_with_it(line: Line) -> None:
    line.net.post(private(ADA), ADA, "Hello")
    await line.call(line.net.waiting()[0])

    def unlink(conn: Any, viewer: str) -> None:
        leases.enqueue(conn, viewer, "unlink", line.account_id, line.clock.now())

    await line.there.database.write(line.viewer, unlink)
    assert await line.work("unlink")
    assert line.net.webhook == {}
    assert await line.kept() == 0
