"""A business number through the whole of Kith: calls that are kept and taken in, answers from here, and what is said where nothing can arrive."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import urllib.request
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Connection

from gateway import worker
from gateway.accounts import Held
from gateway.linking.service import LinkService
from gateway.people import named
from gateway.pushing import heard
from providers.push import Heard
from providers.session import Account, Secret
from store import leases
from tests.chaos import processes, raw
from tests.gateway.called import PUBLIC, Called, called
from tests.gateway.rooms import ask
from tests.gateway.running import TestClock, asking, opened
from tests.gateway_process import kith_serve
from tests.household import Household
from tests.patience import PATIENCE
from tests.providers.stub_http import running
from tests.providers.whatsapp_stub import ACCOUNT, APP_SECRET, NUMBER, TOKEN, CloudApi
from tests.workshop import Workshop, workshop

GRANT = Secret(access_token=TOKEN, client_secret=APP_SECRET)
SETTINGS = {"phone_number_id": NUMBER, "waba_id": ACCOUNT}
ADA = "447700900123"
ROOMS = """{ viewer { conversations(first: 20) { edges { node { id kind unreadCount
  participants(first: 20) { edges { node { name } } }
  messages(last: 50) { edges { node { id text direction delivery { state error { message } } } } } } } } } }"""
SEND = """mutation($input: SendMessageInput!) { sendMessage(input: $input) {
  message { id } errors { code message } } }"""
MARK = "mutation($id: ID!) { markConversations(input: { conversationIds: [$id], read: true }) { errors { code message } } }"


async def test_an_answer_is_there_once_and_here_once_and_one_that_comes_too_late_says_that_a_template_is_needed(
    household: Household, tmp_path: Path
) -> None:
    net = CloudApi(time.time)
    net.writes(ADA, "Ada Byron", "Two loaves, please")
    async with running(net) as url, workshop(household.database, tmp_path, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        account_id = await _linked(shop, household, url)
        await _called_in(shop, household, account_id, net)

        async def room() -> Any:
            ((edge),) = (await ask(shop, household, ROOMS))["viewer"]["conversations"]["edges"]
            return edge["node"]

        found = await room()
        (order,) = [edge["node"] for edge in found["messages"]["edges"]]
        assert (found["kind"], found["unreadCount"], order["text"], order["direction"]) == (
            "DIRECT",
            1,
            "Two loaves, please",
            "INBOUND",
        )
        assert [edge["node"]["name"] for edge in found["participants"]["edges"]] == ["Ada Byron"]

        async def send(key: str, text: str) -> Any:
            wanted = {"idempotencyKey": key, "compose": {"reply": {"messageId": order["id"]}}, "text": text, "undoSeconds": 0}
            done = (await ask(shop, household, SEND, input=wanted))["sendMessage"]
            assert done["errors"] == []
            await shop.write_back(household.viewer, account_id)
            return done["message"]["id"]

        sent = await send("k1", "At six")
        assert [(each["to"], each["text"]["body"]) for each in net.sent] == [(ADA, "At six")]
        assert (await ask(shop, household, MARK, id=found["id"]))["markConversations"]["errors"] == []
        await shop.write_back(household.viewer, account_id)
        assert len(net.read) == 1
        net.heard[ADA] -= 2 * 86_400
        late = await send("k2", "Still open")
        await shop.sync(household.viewer, account_id)
        states = {edge["node"]["id"]: edge["node"]["delivery"] for edge in (await room())["messages"]["edges"]}
        assert states[sent]["state"] == "SENT"
        assert states[late]["state"] == "FAILED"
        assert "template" in states[late]["error"]["message"]
        assert len(net.sent) == 1
        net.late = True  # WhatsApp finds out only when it tries

        async def delivery(message_id: str) -> Any:
            return {edge["node"]["id"]: edge["node"]["delivery"] for edge in (await room())["messages"]["edges"]}[message_id]

        later = await send("k3", "Until eight")
        assert (await delivery(later))["state"] == "SENT"
        for _ in range(2):  # the account says it for a week, the message once
            head = await household.head()
            await _called_in(shop, household, account_id, net)
            said = await delivery(later)
            assert (said["state"], "template" in said["error"]["message"]) == ("FAILED", True)
            told = [(c.op, c.reason) for c in await household.changes(head) if c.kind == "MESSAGE"]
            assert told in ([("SETTLE", "REFUSED"), ("UPSERT", None)], [])
        assert told == []
    assert net.violations == []


async def _linked(shop: Workshop, household: Household, url: str) -> str:
    provider = shop.providers["whatsapp"]
    assert provider.open is not None
    account = Account(provider="whatsapp", base_url=url, settings=SETTINGS)
    profile = await provider.open(shop.accounts.session(account, Held(GRANT), provider)).profile()
    return await shop.accounts.add(household.viewer, provider, profile, GRANT, base_url=url, settings=SETTINGS)


async def _called_in(shop: Workshop, household: Household, account_id: str, net: CloudApi) -> None:
    """What the stub called out is kept, as a hook keeps it, and taken in."""
    for body in net.bodies:
        assert await household.database.write(household.viewer, heard, account_id, shop.clock.now(), Heard(hint=True), body)
    net.bodies.clear()
    await shop.sync(household.viewer, account_id)


# --- calls ----------------------------------------------------------------------------------------------------------------


class Line(Called):
    """An installation with one number, and WhatsApp on the other side."""

    net: CloudApi

    @property
    def path(self) -> str:
        return urlsplit(self.net.callback["override_callback_uri"]).path

    async def call(self, body: bytes, secret: str = APP_SECRET) -> int:
        return (await self.client.post(self.path, content=body, headers=self.net.signed(body, secret))).status_code


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    clock = TestClock()
    net = CloudApi(lambda: clock.now().timestamp())
    async with running(net) as url, called(tmp_path, "whatsapp", url, GRANT, clock, settings=SETTINGS) as found:
        line = Line(**vars(found))
        line.net = net
        await line.work("sync")
        assert await line.work("push")
        yield line
    assert net.violations == []


async def test_whatsapp_finds_the_address_to_be_ours_and_nobody_else_does(line: Line) -> None:
    token = line.net.callback["verify_token"]
    asked = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1158201444"}
    answer = await line.client.get(line.path, params=asked)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert (await line.client.get(line.path, params={**asked, "hub.verify_token": "guessed"})).status_code == 403
    assert (await line.client.get(line.path)).status_code == 403
    assert await line.kept() == 0


async def test_a_signed_call_is_stored_before_it_is_acknowledged_and_found_by_whoever_comes_next(
    line: Line, tmp_path: Path
) -> None:
    line.net.writes(ADA, "Ada", "Hello")
    (body,) = line.net.bodies
    for _ in range(2):  # the first answer was lost on the way
        assert await line.call(body) == 202
    job = await line.there.database.read(line.viewer, leases.pending, "sync", line.account_id)
    assert job is not None
    assert (job.due - line.clock.now()).total_seconds() <= 1
    assert await line.kept() == 2
    async with called(tmp_path, "whatsapp", line.net.url, GRANT, line.clock, settings=SETTINGS) as another:
        another.clock.pass_by(seconds=2)
        await another.work("sync")
        assert await another.texts() == ["Hello"]
        another.clock.pass_by(seconds=2)
        await another.work("sync")
        assert await another.kept() == 0


async def test_a_call_that_was_acknowledged_is_taken_in_though_every_process_was_killed_at_once(tmp_path: Path) -> None:
    clock = TestClock()
    clock.time = datetime.now(UTC)  # as it is for the processes
    net = CloudApi(time.time)
    async with running(net) as url:
        async with called(tmp_path, "whatsapp", url, GRANT, clock, settings=SETTINGS) as found:
            assert await found.work("sync")
            assert await found.work("push")
        net.writes(ADA, "Ada", "Hello")
        (body,) = net.bodies
        path = urlsplit(net.callback["override_callback_uri"]).path
        await asyncio.to_thread(_kill_after_the_answer, tmp_path / "kith", url, path, body, net.signed(body, APP_SECRET))


def _kill_after_the_answer(home: Path, url: str, path: str, body: bytes, headers: dict[str, str]) -> None:
    """A real installation: it answers the call, everything is killed, and what starts anew takes the message in."""
    texts = "select snippet from message"
    allowed = f"127.0.0.1/32:{urlsplit(url).port}"
    with kith_serve(home, KITH_PUBLIC_URL=PUBLIC, KITH_ALLOW_PRIVATE_HOSTS=allowed) as gateway:
        assert gateway.process is not None
        pid = gateway.process.pid
        processes.wait_until("the worker is there", lambda: processes.worker_of(pid) is not None)
        worker = processes.worker_of(pid)
        assert worker is not None
        os.kill(worker, signal.SIGSTOP)  # or it might have begun by the time that everything is killed
        request = urllib.request.Request(f"{gateway.url}{path}", body, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            assert answer.status == 202
        os.kill(worker, signal.SIGKILL)
        gateway.stop(signal.SIGKILL)
        assert raw.rows(home, texts) == []  # the sync that it asked for had not begun
        assert raw.count(home, "select count(*) from kept_call") == 1
        gateway.start()
        processes.wait_until("the message is there", lambda: raw.rows(home, texts) == [("Hello",)])


async def test_what_the_apps_secret_did_not_sign_leaves_no_trace(line: Line) -> None:
    line.net.writes(ADA, "Ada", "Hello")
    (body,) = line.net.bodies
    assert await line.call(body, "guessed") == 403
    assert (await line.client.post(line.path, content=body)).status_code == 403
    assert await line.call(b"[]") == 400
    assert await line.kept() == 0


async def test_without_a_public_address_it_is_said_that_nothing_arrives(tmp_path: Path) -> None:
    clock = TestClock()
    net = CloudApi(lambda: clock.now().timestamp())
    async with running(net) as url, called(tmp_path, "whatsapp", url, GRANT, clock, public="", settings=SETTINGS) as found:
        for _ in range(2):
            await found.work("sync")
            clock.pass_by(hours=2)
        assert not await found.work("push")
        assert "KITH_PUBLIC_URL" in (await found.state())[1]
    assert net.violations == []


async def test_unlinking_gives_the_number_back_to_the_apps_own_address(line: Line) -> None:
    def unlink(conn: Connection, viewer: str) -> None:
        leases.enqueue(conn, viewer, "unlink", line.account_id, line.clock.now())

    await line.there.database.write(line.viewer, unlink)
    assert await line.work("unlink")
    assert line.net.callback == {"override_callback_uri": ""}


async def test_what_is_typed_links_the_number_and_proves_the_calls_that_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = TestClock()
    net = CloudApi(lambda: clock.now().timestamp())
    async with running(net) as url:
        monkeypatch.setenv("KITH_WHATSAPP_URL", url)
        given = {"public_url": PUBLIC, "allow_private_hosts": (f"127.0.0.1/32:{urlsplit(url).port}",)}
        async with opened(tmp_path, clock=clock, schema=None, **given) as there, asking(there) as client:
            whose = (await named(there, None)).id
            service = LinkService(there)
            typed = {"access_token": TOKEN, "app_secret": APP_SECRET, **SETTINGS}
            wrong = await service.begin(whose, provider="whatsapp", method="TOKEN")
            wrong = await service.complete(whose, wrong.id, form={**typed, "waba_id": "my business"})
            assert (wrong.state, wrong.error_message) == (
                "FAILED",
                "Enter both ids as WhatsApp Manager shows them under API setup: digits alone.",
            )
            session = await service.begin(whose, provider="whatsapp", method="TOKEN")
            session = await service.complete(whose, session.id, form=typed)
            assert (session.state, session.error_message) == ("LINKED", None)
            assert session.account_id is not None
            work = worker.of(there)
            await work.run_one(whose, "sync", session.account_id)
            assert await work.run_one(whose, "push", session.account_id)
            net.writes(ADA, "Ada", "Hello")
            path = urlsplit(net.callback["override_callback_uri"]).path
            answer = await client.post(path, content=net.bodies[0], headers=net.signed(net.bodies[0]))
            assert answer.status_code == 202
    assert net.violations == []
