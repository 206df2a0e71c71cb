"""Networks that call: what they say is believed only with what they were given, means a sync and nothing else, and may get lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest

from gateway import pushing, worker
from gateway.accounts import Held
from gateway.inbox import opened as opened_half
from gateway.installation import Installation
from gateway.people import named
from gateway.worker import Worker
from providers.session import Account, Secret
from store import leases, push_routes, viewers
from store.leases import Job
from tests.gateway.running import TestClock, asking, opened
from tests.providers.graph_stub import Graph
from tests.providers.stub_http import Answer, running

GRANT = Secret(access_token="token-1", scope="Mail.Read Contacts.Read User.Read")
MAIL = (
    b"From: Bob <bob@example.net>\r\nTo: ada@outlook.example\r\nSubject: Hi\r\nMessage-ID: <1@example.net>\r\n"
    b"Date: Sun, 1 Mar 2026 12:00:00 +0000\r\n\r\nHello\r\n"
)


@dataclass
class Line:
    """An installation with one Outlook account, and Microsoft on the other side."""

    there: Installation
    worker: Worker
    client: httpx.AsyncClient
    graph: Graph
    clock: TestClock
    viewer: str
    account_id: str

    async def job(self, kind: str) -> Job | None:
        return await self.there.database.read(self.viewer, leases.pending, kind, self.account_id)

    async def work(self, kind: str) -> bool:
        return await self.worker.run_one(self.viewer, kind, self.account_id)

    @property
    def address(self) -> str:
        """Where Microsoft calls, as it was told."""
        return str(urlsplit(self.graph.subscriptions[-1]["notificationUrl"]).path)

    @property
    def state(self) -> str:
        return str(self.graph.subscriptions[-1]["clientState"])

    async def call(self, *notices: dict[str, Any], path: str | None = None) -> int:
        return (await self.client.post(path or self.address, json={"value": list(notices)})).status_code

    def notice(self, **more: Any) -> dict[str, Any]:
        return {"subscriptionId": "s", "clientState": self.state, "changeType": "created", "resource": "me/messages/1", **more}


@asynccontextmanager
async def outlook(home: Path, **settings: Any) -> AsyncIterator[Line]:
    graph, clock = Graph(), TestClock()
    async with running(graph) as url:
        allowed = f"127.0.0.1/32:{urlsplit(url).port}"
        given = {"public_url": "https://kith.example.org", "allow_private_hosts": (allowed,), **settings}
        async with opened(home, clock=clock, schema=None, **given) as there, asking(there) as client:
            whose = (await named(there, None)).id
            provider = there.providers["microsoft"]
            assert provider.open is not None
            session = there.accounts.session(Account(provider="microsoft", base_url=url + graph.base), Held(GRANT), provider)
            profile = await provider.open(session).profile()
            account_id = await there.accounts.add(whose, provider, profile, GRANT, base_url=url + graph.base)
            line = Line(there, worker.of(there), client, graph, clock, whose, account_id)
            await line.work("sync")
            yield line
        assert graph.violations == []


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with outlook(tmp_path) as found:
        assert await found.work("push")
        yield found


async def test_a_subscription_is_made_for_what_was_allowed_and_a_call_means_a_sync(line: Line) -> None:
    assert sorted(each["resource"] for each in line.graph.subscriptions) == ["me/contacts", "me/messages"]
    line.graph.deliver(MAIL)
    before = await line.job("sync")
    assert before is not None
    assert before.due > line.clock.now() + timedelta(minutes=5)
    assert await line.call(line.notice()) == 202
    after = await line.job("sync")
    assert after is not None
    assert after.due <= line.clock.now() + pushing.SOON
    line.clock.pass_by(seconds=2)
    await line.work("sync")
    assert len(line.graph.messages) == 1


async def test_while_microsoft_calls_it_is_asked_less_often_and_when_it_stops_as_often_as_ever(line: Line) -> None:
    await line.work("sync")
    called = await line.job("sync")
    assert called is not None
    assert called.due - line.clock.now() == timedelta(minutes=60)
    line.clock.pass_by(days=5)  # nobody prolonged it
    await line.work("sync")
    silent = await line.job("sync")
    assert silent is not None
    assert silent.due - line.clock.now() <= timedelta(minutes=20)


async def test_the_address_answers_microsofts_question_with_its_own_words(line: Line) -> None:
    answer = await line.client.post(line.address, params={"validationToken": "Validation: <b>1</b> ä"})
    assert (answer.status_code, answer.text) == (200, "Validation: <b>1</b> ä")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_address_exists_before_microsoft_hears_of_it(tmp_path: Path) -> None:
    async with outlook(tmp_path) as line:
        line.graph.troubled["/subscriptions"] = [Answer(500, {}), Answer(500, {}), Answer(500, {}), Answer(500, {})] * 4
        await line.work("push")
        assert await line.client.post(line.address, params={"validationToken": "x"}) is not None
        assert (await line.client.post(line.address, params={"validationToken": "x"})).text == "x"
        assert not await line.there.database.system_read(push_routes.live, line.viewer, line.account_id, line.clock.now())


async def test_lost_calls_are_made_up_for_by_the_poll(line: Line) -> None:
    line.graph.deliver(MAIL)
    line.clock.pass_by(hours=2)
    await line.work("sync")
    assert (await line.job("sync")) is not None
    assert line.graph.violations == []


async def test_a_hundred_calls_are_one_sync(line: Line) -> None:
    for _ in range(20):
        assert await line.call(*(line.notice() for _ in range(5))) == 202
    line.clock.pass_by(seconds=2)
    asked = len(line.graph.asked)
    assert await line.work("sync")
    one = len(line.graph.asked) - asked
    job = await line.job("sync")
    assert job is not None
    assert job.due > line.clock.now() + timedelta(minutes=1)
    assert one < 40


async def test_what_is_forged_wakes_nobody(line: Line) -> None:
    before = await line.job("sync")
    assert await line.call({**line.notice(), "clientState": "guessed"}) == 403
    assert await line.call(line.notice(), {"clientState": ""}) == 403
    assert await line.call({"changeType": "created"}) == 403
    assert await line.call(line.notice(), path="/hooks/microsoft/" + "a" * 43) == 404
    assert await line.call(line.notice(), path=line.address.replace("microsoft", "gmail")) == 404
    assert await line.call(line.notice(), path=line.address.replace("microsoft", "nobody")) == 404
    assert await line.job("sync") == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"value": []}',
        b'{"value": 1}',
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"value": [{"clientState": 1}]}',
        b"null",
    ],
)
async def test_a_hostile_body_is_refused_and_wakes_nobody(line: Line, body: bytes) -> None:
    before = await line.job("sync")
    assert (await line.client.post(line.address, content=body)).status_code == 400
    assert await line.job("sync") == before


async def test_a_body_that_is_too_long_is_not_read(line: Line) -> None:
    assert (await line.client.post(line.address, content=b"x" * 65_537)).status_code == 413
    assert (await line.client.get(line.address)).status_code == 400  # a question that Microsoft does not ask


@pytest.mark.parametrize("event", ["reauthorizationRequired", "subscriptionRemoved", "missed"])
async def test_what_microsoft_says_of_the_subscription_is_followed(line: Line, event: str) -> None:
    made, prolonged = len(line.graph.subscriptions), line.graph.prolonged
    if event == "subscriptionRemoved":
        line.graph.subscriptions.clear()
    address, state = ("", "") if not line.graph.subscriptions else (line.address, line.state)
    if event == "subscriptionRemoved":
        held = await line.there.database.read(line.viewer, push_routes.sealed, line.account_id)
        assert held is not None
        known = opened_half(line.there.vault, line.viewer, line.account_id, held)
        assert known is not None
        address, state = f"/hooks/microsoft/{known.token}", known.secret
    assert await line.call({"clientState": state, "lifecycleEvent": event, "subscriptionId": "s"}, path=address) == 202
    sync, push = await line.job("sync"), await line.job("push")
    assert sync is not None
    assert push is not None
    soon = line.clock.now() + pushing.SOON
    assert (sync.due <= soon) == (event != "reauthorizationRequired")
    assert (push.due <= soon) == (event != "missed")
    if event != "missed":
        line.clock.pass_by(seconds=2)
        await line.work("push")
        assert len(line.graph.subscriptions) == made
        assert (line.graph.prolonged > prolonged) == (event == "reauthorizationRequired")


async def test_a_subscription_is_prolonged_long_before_it_ends(line: Line) -> None:
    for _ in range(5):
        job = await line.job("push")
        assert job is not None
        assert job.due - line.clock.now() <= timedelta(days=1)
        line.clock.time = job.due
        await line.work("push")
        assert await line.there.database.system_read(push_routes.live, line.viewer, line.account_id, line.clock.now())
    assert len(line.graph.subscriptions) == 2
    assert line.graph.prolonged == 10


async def test_without_https_nobody_is_asked_to_call(tmp_path: Path) -> None:
    async with outlook(tmp_path, public_url="") as line:
        assert await line.job("push") is None
        assert line.graph.subscriptions == []


async def test_a_disabled_viewer_and_an_unlinked_account_are_called_in_vain(line: Line) -> None:
    address, notice = line.address, line.notice()
    await line.there.database.system(viewers.disable, line.viewer, line.clock.now())
    assert await line.call(notice, path=address) == 404
    await line.there.database.system(viewers.disable, line.viewer, None)
    await line.there.database.write(line.viewer, push_routes.drop, line.account_id)
    assert await line.call(notice, path=address) == 404


async def test_neither_the_address_nor_what_microsoft_shows_is_stored_in_the_clear(line: Line, tmp_path: Path) -> None:
    token = line.address.rsplit("/", 1)[1]
    stored = b"".join(file.read_bytes() for file in (tmp_path / "kith").glob("kith.db*"))
    assert token.encode() not in stored
    assert line.state.encode() not in stored
