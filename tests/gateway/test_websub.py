"""WebSub through a whole installation: what a hub says is believed as far as it was asked, means a look and nothing else, and may get lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Connection, func, select

from gateway import pushing
from gateway.accounts import Held
from gateway.people import named
from providers.session import Account, Secret
from store import leases, push_routes, viewers
from store.leases import Job
from store.tables import activity
from tests.gateway.called import Called, called
from tests.gateway.running import TestClock
from tests.providers.stub_http import Answer, running
from tests.providers.websub_hub import Hub, signed

ROUNDS = 3


class Feed:
    """One linked feed whose site names a hub."""

    def __init__(self, line: Called, hub: Hub) -> None:
        self.line = line
        self.hub = hub
        self.client = line.client

    async def job(self, kind: str) -> Job | None:
        return await self.line.there.database.read(self.line.viewer, leases.pending, kind, self.line.account_id)

    async def due(self, kind: str) -> timedelta | None:
        job = await self.job(kind)
        return None if job is None else job.due - self.line.clock.now()

    async def live(self) -> bool:
        now = self.line.clock.now()
        return await self.line.there.database.system_read(push_routes.live, self.line.viewer, self.line.account_id, now)

    async def entries(self) -> int:
        """How many entries are stored."""

        def read(conn: Connection, viewer: str) -> int:
            return int(conn.execute(select(func.count()).where(activity.c.viewer_id == viewer)).scalar_one())

        return await self.line.there.database.read(self.line.viewer, read)

    async def go_on(self) -> None:
        """A moment later the sync that a call has queued runs."""
        self.line.clock.pass_by(seconds=2)
        await self.line.work("sync")

    @property
    def path(self) -> str:
        return urlsplit(self.hub.last["hub.callback"]).path


@asynccontextmanager
async def followed(home: Path, **settings: Any) -> AsyncIterator[Feed]:
    hub, clock = Hub(), TestClock()
    hub.posts = ["One"]
    async with running(hub), called(home, "feeds", hub.topic, Secret(), clock, **settings) as line:
        await line.work("sync")
        yield Feed(line, hub)
    assert hub.violations == []


@pytest.fixture
async def feed(tmp_path: Path) -> AsyncIterator[Feed]:
    async with followed(tmp_path) as found:
        await found.line.work("push")
        assert await found.hub.ask_back(found.client) == 200
        yield found


async def test_a_hub_that_asked_back_calls_and_the_feed_is_read_at_once(feed: Feed) -> None:
    assert await feed.live()
    await feed.line.work("sync")
    assert await feed.due("sync") == timedelta(hours=3), "polling stays as the net"
    feed.hub.posts.append("Two")
    assert await feed.hub.deliver(feed.client) == [202]
    assert await feed.due("sync") == pushing.SOON
    assert await feed.entries() == 1
    await feed.go_on()
    assert await feed.entries() == 2
    assert await feed.line.kept() == 1  # taken in, it is forgotten by the next run
    await feed.go_on()
    assert await feed.line.kept() == 0


async def test_a_body_is_never_taken_for_the_feed(feed: Feed) -> None:
    body = feed.hub.feed().replace(b"One", b"Something else")
    header = signed(feed.hub.last["hub.secret"], body)
    assert (await feed.client.post(feed.path, content=body, headers={"x-hub-signature": header})).status_code == 202
    await feed.go_on()
    assert await feed.entries() == 1


async def test_a_hundred_deliveries_are_one_look(feed: Feed) -> None:
    looks = feed.hub.looks
    for number in range(20):
        feed.hub.posts.append(f"Post {number}")
        assert await feed.hub.deliver(feed.client) == [202]
    await feed.go_on()
    await feed.go_on()
    assert feed.hub.looks == looks + 1
    assert await feed.entries() == 21


async def test_a_delivery_that_is_forged_or_replayed_asks_for_nothing(feed: Feed) -> None:
    feed.hub.posts.append("Two")
    await feed.hub.deliver(feed.client)
    await feed.go_on()
    looks, due = feed.hub.looks, (await feed.job("sync"))
    assert await feed.hub.deliver(feed.client, **{"x-hub-signature": "sha256=" + "0" * 64}) == [202]
    assert await feed.hub.deliver(feed.client, **{"x-hub-signature": ""}) == [202]
    assert await feed.job("sync") == due
    for _ in range(3):
        assert await feed.hub.deliver(feed.client) == [202]
        await feed.go_on()
    assert feed.hub.looks == looks


async def test_what_was_not_asked_for_is_not_confirmed(feed: Feed) -> None:
    assert await feed.hub.ask_back(feed.client, topic=feed.hub.url + "/other.xml") == 404
    assert await feed.hub.ask_back(feed.client, mode="unsubscribe") == 404
    assert await feed.hub.ask_back(feed.client, challenge="") == 400
    assert await feed.hub.ask_back(feed.client, mode="publish") == 400
    assert (await feed.client.get(feed.path)).status_code == 202  # says nothing, and is told nothing
    assert len(feed.hub.subscriptions) == 1
    assert await feed.live()


async def test_the_answer_to_a_hub_is_its_own_words_as_plain_text(feed: Feed) -> None:
    query = {"hub.mode": "subscribe", "hub.topic": feed.hub.topic, "hub.challenge": "<b>1</b>", "hub.lease_seconds": "60"}
    answer = await feed.client.get(feed.path, params=query)
    assert (answer.status_code, answer.text) == (200, "<b>1</b>")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_subscription_is_renewed_long_before_its_lease_ends(feed: Feed) -> None:
    for _ in range(ROUNDS):
        asked = len(feed.hub.requests)
        began: datetime = feed.line.clock.now()
        while len(feed.hub.requests) == asked:
            job = await feed.job("push")
            assert job is not None
            feed.line.clock.time = max(job.due, feed.line.clock.now())
            await feed.line.work("push")
            assert await feed.live()
        assert feed.line.clock.now() - began < timedelta(days=7)
        assert await feed.hub.ask_back(feed.client) == 200
    assert {each["hub.callback"] for each in feed.hub.requests} == {feed.hub.last["hub.callback"]}


async def test_a_lease_that_ran_out_leaves_the_poll_as_it_was(feed: Feed) -> None:
    feed.line.clock.pass_by(days=11)
    assert not await feed.live()
    feed.hub.posts.append("Two")
    await feed.line.work("sync")
    due = await feed.due("sync")
    assert due is not None
    assert due <= timedelta(hours=1)
    assert await feed.entries() == 2


async def test_a_hub_that_never_asks_back_or_is_down_costs_nothing_but_the_news_at_once(tmp_path: Path) -> None:
    async with followed(tmp_path) as feed:
        for answer, hours in ((None, 1), (Answer(503, b""), 2), (Answer(404, b"<b>"), 4)):
            feed.hub.refuses = [answer] if answer is not None else []
            await feed.line.work("push")
            assert await feed.due("push") == timedelta(hours=hours)
            assert not await feed.live()
            feed.line.clock.pass_by(hours=hours)
        assert len(feed.hub.requests) == 3
        feed.hub.posts.append("Two")
        await feed.line.work("sync")
        assert await feed.entries() == 2
        assert await feed.line.state() == ("ACTIVE", "")


async def test_a_hub_that_says_no_is_not_counted_on_any_more(feed: Feed) -> None:
    assert await feed.hub.deny(feed.client) == 202
    assert not await feed.live()
    feed.line.clock.pass_by(days=1)
    await feed.line.work("push")
    assert len(feed.hub.requests) == 1
    assert await feed.line.state() == ("ACTIVE", "")


async def test_without_https_and_without_a_hub_nobody_is_asked(tmp_path: Path) -> None:
    async with followed(tmp_path / "plain", public="") as feed:
        assert await feed.job("push") is None
    async with followed(tmp_path / "none") as feed:
        feed.hub.named = False
        await feed.line.work("push")
        assert feed.hub.requests == []
        assert not await feed.live()
        assert await feed.due("push") == timedelta(days=1)


async def test_a_feed_that_is_unlinked_is_unsubscribed_though_the_hub_asks_later(feed: Feed) -> None:
    there = feed.line.there
    await pushing.end(there.accounts, there.database, feed.line.viewer, feed.line.account_id)
    assert feed.hub.last["hub.mode"] == "unsubscribe"
    assert (await feed.client.post(feed.path, content=b"<feed/>")).status_code == 410
    assert await feed.hub.ask_back(feed.client, mode="subscribe", lease_seconds=60) == 410
    assert await feed.hub.ask_back(feed.client) == 200
    assert feed.hub.subscriptions == {}


async def test_two_viewers_have_an_address_and_a_secret_each_and_one_leaves_without_the_other(feed: Feed) -> None:
    there, hub = feed.line.there, feed.hub
    whose = (await named(there, "bob")).id
    first = hub.last
    his = await _linked(feed, whose)
    assert hub.last["hub.callback"] != first["hub.callback"]
    assert hub.last["hub.secret"] != first["hub.secret"]
    hub.posts.append("Two")
    assert await hub.deliver(feed.client) == [202, 202]
    body = hub.feed()
    crossed = await feed.client.post(feed.path, content=body, headers={"x-hub-signature": signed(first["hub.secret"], body)})
    assert crossed.status_code == 202  # his address, her hub's secret: acknowledged, and ignored
    await feed.go_on()
    assert await feed.entries() == 2
    await pushing.end(there.accounts, there.database, whose, his)
    assert await hub.ask_back(feed.client) == 200
    assert len(hub.subscriptions) == 1
    assert await feed.live()
    await there.database.system(viewers.disable, feed.line.viewer, feed.line.clock.now())
    assert await hub.deliver(feed.client) == [404]


async def _linked(feed: Feed, whose: str) -> str:
    """The same feed, of another viewer, whose hub has asked back."""
    there, topic = feed.line.there, feed.hub.topic
    provider = there.providers["feeds"]
    assert provider.open is not None
    session = there.accounts.session(Account(provider="feeds", base_url=topic), Held(Secret()), provider)
    profile = await provider.open(session).profile()
    account_id = await there.accounts.add(whose, provider, profile, Secret(), base_url=topic)
    await feed.line.worker.run_one(whose, "sync", account_id)
    await feed.line.worker.run_one(whose, "push", account_id)
    assert await feed.hub.ask_back(feed.client) == 200
    return account_id


async def test_neither_the_address_nor_the_secret_is_stored_in_the_clear(feed: Feed, tmp_path: Path) -> None:
    stored = b"".join(file.read_bytes() for file in (tmp_path / "kith").glob("kith.db*"))
    assert feed.path.rpartition("/")[2].encode() not in stored
    assert feed.hub.last["hub.secret"].encode() not in stored


async def test_a_body_that_is_too_long_is_not_read(feed: Feed) -> None:
    assert (await feed.client.post(feed.path, content=b"x" * (1024 * 1024 + 1))).status_code == 413
