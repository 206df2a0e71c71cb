"""Webhooks deliver what the change feed says: in its order, signed, to places that may be connected to, however often it takes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.webhooks import BACKOFF, GIVE_UP, PROBE, Courier
from providers.addresses import Guard
from providers.transport import Transport
from resolvers import changes
from resolvers.changes import ChangeFilter
from resolvers.streams.matching import Matching
from store import feed, leases, webhooks
from store.feed import DELIVERY_JOB
from tests.asking import Clock, Desk, nodes
from tests.household import ME, Household, card, mail
from tests.posts import post as said
from tests.providers.stub_http import Answer, Request, running
from tests.providers.test_outgoing_bounds import ATTACKS, UNDER_WAY, serving

CREATE = """mutation($input: CreateWebhookInput!) { createWebhook(input: $input) {
  webhook { id targetUrl kinds accountIds health cursor } secret feedCursor errors { code message field } } }"""
UPDATE = """mutation($input: UpdateWebhookInput!) { updateWebhook(input: $input) {
  webhook { id health healthReason targetUrl kinds } secret errors { code message field } } }"""
DELETE = "mutation($id: ID!) { deleteWebhook(input: { webhookId: $id }) { webhookId errors { code } } }"
TEST = """mutation($id: ID!) { testWebhook(input: { webhookId: $id }) {
  delivery { id outcome httpStatus message attempts } errors { code } } }"""
REPLAY = (
    """mutation($input: ReplayWebhookInput!) { replayWebhook(input: $input) { webhook { id health } errors { code field } } }"""
)
LIST = """query($outcome: DeliveryOutcome) { viewer { webhooks { id version health healthReason cursor
  deliveries(outcome: $outcome) { totalCount edges { cursor node { id outcome attempts httpStatus message nextAttemptAt
    cursor event { __typename cursor ... on NodeUpserted { nodeKind nodeId } } } } } } } }"""


@dataclass
class Receiver:
    """Somebody's server: keeps what it was sent, and answers as `reply` says."""

    url: str = ""
    reply: Callable[[dict[str, Any]], Answer] = lambda event: Answer(204)
    requests: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        return self.reply(json.loads(request.body))

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in self.requests]

    @property
    def ids(self) -> list[str]:
        return [request.headers["webhook-id"] for request in self.requests]


@dataclass
class Post:
    """A desk whose installation delivers: to the receiver, and nowhere else on this machine."""

    desk: Desk
    courier: Courier
    receiver: Receiver
    clock: Clock

    async def create(self, **given: Any) -> tuple[str, str]:
        done = (await self.desk.ask(CREATE, input={"targetUrl": self.receiver.url + "/hook", **given}))["createWebhook"]
        assert done["errors"] == []
        return done["webhook"]["id"], done["secret"]

    async def deliver(self, webhook_id: str) -> timedelta | None:
        return await self.courier.run(self.desk.household.viewer, webhook_id)

    async def shown(self, **asked: Any) -> dict[str, Any]:
        [hook] = (await self.desk.ask(LIST, **asked))["viewer"]["webhooks"]
        return dict(hook)

    async def asked_for(self) -> bool:
        """Whether somebody is to deliver."""
        return await self.desk.household.database.read(self.desk.household.viewer, leases.pending, DELIVERY_JOB) is not None


@asynccontextmanager
async def post_office(household: Household) -> AsyncIterator[Post]:
    receiver = Receiver()
    clock = Clock(household.now)
    async with running(receiver):
        port = urlsplit(receiver.url).port
        transport = Transport(Guard([f"127.0.0.1/32:{port}"]))
        desk = Desk(household, clock=clock)
        courier = Courier(services=desk.services, transport=transport, dice=lambda: 0.5)
        desk.services.courier = courier
        try:
            yield Post(desk, courier, receiver, clock)
        finally:
            await transport.aclose()


@pytest.fixture
async def post(household: Household) -> AsyncIterator[Post]:
    async with post_office(household) as office:
        yield office


def signed_with(secret: str, request: Request) -> bool:
    """The check of Standard Webhooks, as a receiver makes it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    wanted = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return wanted in request.headers["webhook-signature"].split(" ")


async def test_what_the_feed_says_arrives_in_its_order_signed_and_with_the_same_cursors(post: Post) -> None:
    _, secret = hook = await post.create()
    book = await post.desk.household.account("vcard")
    await post.desk.household.take(book, card("1", "Ada Lovelace", "ada@example.org"), card("2", "Bob Ray"))
    assert await post.asked_for()
    assert await post.deliver(hook[0]) is None
    told = (await post.desk.ask("{ viewer { changes { edges { node { cursor ... on NodeUpserted { nodeId } } } } } }"))["viewer"]
    wanted = [(n["cursor"], n["nodeId"]) for n in nodes(told["changes"]) if "nodeId" in n][-5:]
    got = [(event["data"]["cursor"], event["data"]["nodeId"]) for event in post.receiver.events]
    assert [node for _, node in got][-5:] == [node for _, node in wanted]
    assert len({cursor for cursor, _ in got}) == len(got)
    assert all(signed_with(secret, request) for request in post.receiver.requests)
    assert not any(signed_with("whsec_" + base64.b64encode(b"x" * 32).decode(), request) for request in post.receiver.requests)
    assert (await post.shown())["cursor"] == got[-1][0]
    # a subscription goes on from a delivered cursor
    page = await post.desk.ask(
        "query($c: Cursor) { viewer { changes(since: $c) { edges { node { __typename } } } } }", c=got[-1][0]
    )
    assert [n["__typename"] for n in nodes(page["viewer"]["changes"])] == []


async def test_no_content_leaves_only_ids(post: Post) -> None:
    hook, _ = await post.create()
    box = await post.desk.household.account("imap", ME, own=[ME])
    await post.desk.household.take(
        box, mail(1, "ada@example.org", name="Ada Lovelace", subject="Secret plans", text="nobody may know")
    )
    await post.deliver(hook)
    sent = b"".join(request.body for request in post.receiver.requests)
    for word in (b"Secret", b"nobody", b"ada@", b"Lovelace", b"example"):
        assert word not in sent


async def test_only_what_was_asked_for_is_sent_and_the_position_moves_past_the_rest(post: Post) -> None:
    hook, _ = await post.create(filter={"kinds": ["PERSON"]})
    book = await post.desk.household.account("vcard")
    await post.desk.household.take(book, card("1", "Ada Lovelace"))
    await post.deliver(hook)
    assert [event["data"]["nodeKind"] for event in post.receiver.events] == ["PERSON"]
    head = await post.desk.household.head()
    await post.desk.household.account("mbox")
    await post.deliver(hook)
    assert len(post.receiver.events) == 1
    stored = await post.desk.household.database.read(post.desk.household.viewer, webhooks.get, hook)
    assert stored is not None
    assert stored.position > head


async def test_a_receiver_that_fails_is_tried_again_later_and_later_with_the_same_id(post: Post) -> None:
    hook, _ = await post.create()
    post.receiver.reply = lambda event: Answer(503)
    await post.desk.household.account("vcard")
    for pause in BACKOFF[:3]:
        assert await post.deliver(hook) == timedelta(seconds=pause)
        assert await post.deliver(hook) == timedelta(seconds=pause)  # too early: nothing is sent
        post.clock.time += timedelta(seconds=pause)
    assert len(post.receiver.requests) == 3
    assert len(set(post.receiver.ids)) == 1
    shown = await post.shown()
    assert (shown["health"], "503" in shown["healthReason"]) == ("FAILING", True)
    [waiting] = nodes(shown["deliveries"])
    assert (waiting["outcome"], waiting["attempts"], waiting["httpStatus"]) == ("PENDING", 3, 503)
    post.receiver.reply = lambda event: Answer(200)
    assert await post.deliver(hook) is None
    shown = await post.shown()
    assert (shown["health"], shown["healthReason"]) == ("ACTIVE", None)
    assert {node["outcome"] for node in nodes(shown["deliveries"])} == {"DELIVERED"}


async def test_news_do_not_disturb_a_receiver_that_is_being_waited_for(post: Post) -> None:
    hook, _ = await post.create()
    post.receiver.reply = lambda event: Answer(500)
    await post.desk.household.account("vcard")
    await post.deliver(hook)
    viewer = post.desk.household.viewer
    job = await post.desk.household.database.read(viewer, leases.pending, DELIVERY_JOB)
    await post.desk.household.database.system(leases.claim_one, "w", post.clock.now(), viewer, DELIVERY_JOB, hook)
    assert job is not None
    await post.desk.household.database.system(
        leases.finish, job.id, "w", post.clock.now(), next_due=post.clock.now() + timedelta(hours=1)
    )
    await post.desk.household.account("mbox")
    job = await post.desk.household.database.read(viewer, leases.pending, DELIVERY_JOB)
    assert job is not None
    assert job.due > post.clock.now()


async def test_retry_after_is_kept_to(post: Post) -> None:
    hook, _ = await post.create()
    post.receiver.reply = lambda event: Answer(429, Retry_After="3600")
    await post.desk.household.account("vcard")
    assert await post.deliver(hook) == timedelta(hours=1)


async def test_an_event_that_alone_is_not_taken_is_given_up_and_holds_nothing_up(post: Post) -> None:
    hook, _ = await post.create(filter={"kinds": ["CONTACT"]})
    book = await post.desk.household.account("vcard")
    await post.desk.household.take(book, card("1", "Ada"), card("2", "Bob"), card("3", "Cai"))
    poison: list[str] = []

    def picky(event: dict[str, Any]) -> Answer:
        poison.append(event["data"]["nodeId"])
        return Answer(422 if event["data"]["nodeId"] == poison[0] else 200)

    post.receiver.reply = picky
    for _ in range(PROBE + 1):
        await post.deliver(hook)
        post.clock.time += timedelta(days=1) / 8
    shown = await post.shown()
    outcomes = sorted(node["outcome"] for node in nodes(shown["deliveries"]))
    assert outcomes == ["DEAD", "DELIVERED", "DELIVERED"]
    assert shown["health"] == "ACTIVE"
    # what was given up can be sent again, by itself
    post.receiver.requests.clear()
    post.receiver.reply = lambda event: Answer(200)
    [dead] = nodes((await post.shown(outcome="DEAD"))["deliveries"])
    since = changes.cursor(post.desk.operation(), changes.at_head(1))
    done = (await post.desk.ask(REPLAY, input={"webhookId": hook, "since": since, "onlyDead": True}))["replayWebhook"]
    assert done["errors"] == []
    await post.deliver(hook)
    assert post.receiver.ids == [dead["id"]]
    assert (await post.shown(outcome="DEAD"))["deliveries"]["totalCount"] == 0


async def test_after_three_days_it_is_switched_off_with_the_reason_and_comes_back_when_asked(post: Post) -> None:
    hook, _ = await post.create()
    post.receiver.reply = lambda event: Answer(500)
    await post.desk.household.account("vcard")
    began = post.clock.time
    while (wait := await post.deliver(hook)) is not None:
        post.clock.time += wait
    assert GIVE_UP <= post.clock.time - began <= GIVE_UP + timedelta(days=1)
    shown = await post.shown()
    assert (shown["health"], "500" in shown["healthReason"]) == ("DISABLED", True)
    attempts = len(post.receiver.requests)
    await post.desk.household.account("mbox")
    assert await post.deliver(hook) is None
    assert len(post.receiver.requests) == attempts < 30
    post.receiver.reply = lambda event: Answer(200)
    done = (await post.desk.ask(UPDATE, input={"webhookId": hook, "enabled": True}))["updateWebhook"]
    assert done["webhook"]["health"] == "ACTIVE"
    await post.deliver(hook)
    kinds = [event["data"]["nodeKind"] for event in post.receiver.events[attempts:]]
    assert "ACCOUNT" in kinds


async def test_a_receiver_that_says_gone_is_not_asked_again(post: Post) -> None:
    hook, _ = await post.create()
    post.receiver.reply = lambda event: Answer(410)
    await post.desk.household.account("vcard")
    assert await post.deliver(hook) is None
    assert (await post.shown())["health"] == "DISABLED"


async def test_replaying_sends_what_came_after_a_position_again_under_the_same_ids(post: Post) -> None:
    hook, _ = await post.create()
    start = (await post.shown())["cursor"]
    await post.desk.household.account("vcard")
    await post.deliver(hook)
    [first] = [
        i for i, event in zip(post.receiver.ids, post.receiver.events, strict=True) if event["data"]["nodeKind"] == "ACCOUNT"
    ]
    assert (await post.desk.ask(REPLAY, input={"webhookId": hook, "since": start}))["replayWebhook"]["errors"] == []
    await post.deliver(hook)
    assert post.receiver.ids.count(first) == 2
    wrong = await post.desk.execute(REPLAY, input={"webhookId": hook, "since": "bm9uZQ"})
    assert wrong.errors[0].extensions["code"] == "INVALID_CURSOR"


async def test_a_receiver_that_slept_longer_than_deletions_are_kept_is_told_to_start_again(post: Post) -> None:
    hook, _ = await post.create()
    household = post.desk.household
    book = await household.account("vcard")
    await household.take(book, card("1", "Ada"))
    await household.forget(book)
    await household.database.write(household.viewer, feed.compact, household.now + timedelta(days=1))
    await post.deliver(hook)
    assert post.receiver.events[0]["type"] == "feed.resync_required"
    await household.account("mbox")
    await post.deliver(hook)
    assert post.receiver.events[-1]["type"] == "node.upserted"


async def test_both_secrets_sign_for_a_day_after_a_rotation(post: Post) -> None:
    hook, old = await post.create()
    done = (await post.desk.ask(UPDATE, input={"webhookId": hook, "rotateSecret": True}))["updateWebhook"]
    new = done["secret"]
    assert new.startswith("whsec_")
    assert new != old
    await post.desk.household.account("vcard")
    await post.deliver(hook)
    assert all(signed_with(new, r) and signed_with(old, r) for r in post.receiver.requests)
    post.receiver.requests.clear()
    post.clock.time += timedelta(hours=24)
    await post.desk.household.account("mbox")
    await post.deliver(hook)
    assert post.receiver.requests
    assert all(signed_with(new, r) and not signed_with(old, r) for r in post.receiver.requests)


async def test_the_secret_is_shown_once_and_stored_sealed(post: Post) -> None:
    given = {"targetUrl": post.receiver.url, "idempotencyKey": "k1"}
    first = (await post.desk.ask(CREATE, input=given))["createWebhook"]
    again = (await post.desk.ask(CREATE, input=given))["createWebhook"]
    assert first["secret"] == again["secret"]  # the same request; the webhook is made once
    assert first["webhook"]["id"] == again["webhook"]["id"]
    sealed = await post.desk.household.database.read(post.desk.household.viewer, webhooks.secrets, first["webhook"]["id"])
    assert first["secret"].encode() not in sealed["secret"]


async def test_a_test_event_says_what_became_of_it_and_moves_nothing(post: Post) -> None:
    hook, secret = await post.create()
    before = await post.shown()
    done = (await post.desk.ask(TEST, id=hook))["testWebhook"]["delivery"]
    assert (done["outcome"], done["httpStatus"], done["attempts"]) == ("DELIVERED", 204, 1)
    assert post.receiver.events[0]["type"] == "webhook.test"
    assert signed_with(secret, post.receiver.requests[0])
    post.receiver.reply = lambda event: Answer(404)
    done = (await post.desk.ask(TEST, id=hook))["testWebhook"]["delivery"]
    assert (done["outcome"], done["httpStatus"]) == ("DEAD", 404)
    after = await post.shown()
    assert (after["cursor"], after["health"]) == (before["cursor"], "ACTIVE")
    assert (await post.desk.ask(TEST, id="h_none"))["testWebhook"]["errors"] == [{"code": "NOT_FOUND"}]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook", "ftp://example.org/", "https://", "javascript:alert(1)", "https://user:pass@example.org/", "https://example.org/#x",
        "https://example.org:99999/", "http://8.8.8.8/", "https://" + "a" * 3_000, "//example.org",
    ],
)  # fmt: skip
async def test_an_address_that_is_no_receiver_is_refused_with_the_reason(post: Post, url: str) -> None:
    result = await post.desk.execute(CREATE, input={"targetUrl": url})
    if result.errors:
        return  # the scalar says so already
    [error] = result.data["createWebhook"]["errors"]
    assert (error["code"], error["field"]) == ("INVALID", ["targetUrl"])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "0.0.0.0", "127.1.localhost"])
async def test_no_delivery_reaches_a_private_place_that_the_operator_did_not_allow(post: Post, host: str) -> None:
    hook, _ = await post.create(targetUrl=f"http://{host}:{8}/")
    await post.desk.household.account("vcard")
    await post.deliver(hook)
    assert post.receiver.requests == []
    shown = await post.shown()
    assert shown["health"] == "FAILING"
    done = (await post.desk.ask(TEST, id=hook))["testWebhook"]["delivery"]
    assert done["outcome"] == "DEAD"


async def test_a_redirect_is_an_answer_like_any_other_and_is_not_followed(post: Post) -> None:
    hook, _ = await post.create()
    post.receiver.reply = lambda event: Answer(307, Location=post.receiver.url + "/elsewhere")
    await post.desk.household.account("vcard")
    await post.deliver(hook)
    assert len(post.receiver.requests) == 1
    assert (await post.shown())["health"] == "FAILING"


@pytest.mark.parametrize("attack", ["silent", "dripping from the first byte", "a head that drips", "a head without end"])
async def test_a_receiver_that_holds_the_line_has_not_accepted(post: Post, attack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.webhooks.SECONDS", 0.3)
    async with serving(ATTACKS[attack]) as hostile:
        transport = Transport(Guard([f"127.0.0.1/32:{hostile.port}"]))
        courier = Courier(services=post.desk.services, transport=transport, dice=lambda: 0.5)
        post.desk.services.courier = courier
        hook, _ = await post.create(targetUrl=f"http://127.0.0.1:{hostile.port}/")
        done = (await post.desk.ask(TEST, id=hook))["testWebhook"]["delivery"]
        await transport.aclose()
    assert (done["outcome"], done["httpStatus"]) == ("DEAD", None)
    assert done["message"].endswith(".")


@pytest.mark.parametrize("attack", ["a body that drips", "a body without end", "a bomb"])
async def test_what_a_receiver_says_besides_is_not_read(post: Post, attack: str) -> None:
    async with serving(ATTACKS[attack]) as hostile:
        transport = Transport(Guard([f"127.0.0.1/32:{hostile.port}"]))
        post.desk.services.courier = Courier(services=post.desk.services, transport=transport, dice=lambda: 0.5)
        hook, _ = await post.create(targetUrl=f"http://127.0.0.1:{hostile.port}/")
        done = (await post.desk.ask(TEST, id=hook))["testWebhook"]["delivery"]
        await transport.aclose()
        assert hostile.sent < UNDER_WAY
    assert done["outcome"] == "DELIVERED"


async def test_whoever_is_no_admin_sees_and_changes_no_webhook(post: Post) -> None:
    hook, _ = await post.create()
    for scopes in (frozenset({"read"}), frozenset({"read", "write", "send"})):
        result = await post.desk.execute("query($id: ID!) { node(id: $id) { id } }", post.desk.operation(scopes=scopes), id=hook)
        assert result.data == {"node": None}


async def test_another_viewer_neither_sees_nor_tries_nor_deletes_it(post: Post) -> None:
    hook, _ = await post.create()
    await post.desk.household.account("vcard")
    await post.deliver(hook)
    [delivery, *_] = nodes((await post.shown())["deliveries"])
    other = Desk(await Household.open(post.desk.household.database, "u_other"), clock=post.clock)
    other.services.courier = post.courier
    assert (await other.ask(LIST))["viewer"]["webhooks"] == []
    assert (await other.ask(TEST, id=hook))["testWebhook"]["errors"] == [{"code": "NOT_FOUND"}]
    assert (await other.ask(DELETE, id=hook))["deleteWebhook"]["errors"] == [{"code": "NOT_FOUND"}]
    for node_id in (hook, delivery["id"]):
        assert (await other.ask("query($id: ID!) { node(id: $id) { id } }", id=node_id))["node"] is None
    assert await post.courier.run("u_other", hook) is None
    post.receiver.requests.clear()
    await other.household.account("vcard")
    assert not post.receiver.requests


async def test_a_deleted_webhook_is_sent_nothing_and_leaves_nothing(post: Post) -> None:
    hook, _ = await post.create()
    assert (await post.desk.ask(DELETE, id=hook))["deleteWebhook"] == {"webhookId": hook, "errors": []}
    await post.desk.household.account("vcard")
    assert not await post.asked_for()
    assert await post.deliver(hook) is None
    assert post.receiver.requests == []
    assert (await post.desk.ask(LIST))["viewer"]["webhooks"] == []


async def test_nobody_has_more_than_fifty(post: Post) -> None:
    for n in range(webhooks.MAX_WEBHOOKS):
        await post.create(targetUrl=f"https://example.org/{n}")
    done = (await post.desk.ask(CREATE, input={"targetUrl": "https://example.org/"}))["createWebhook"]
    assert [error["code"] for error in done["errors"]] == ["LIMIT_REACHED"]


async def test_an_event_accepted_before_a_crash_comes_again_under_the_same_id(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook, _ = await post.create()
    await post.desk.household.account("vcard")

    class Crash(Exception):
        pass

    crashing = Courier(services=post.desk.services, transport=post.courier.transport)

    async def die(*_: object) -> None:
        raise Crash

    monkeypatch.setattr(crashing, "_accepted", die)
    with pytest.raises(Crash):
        await crashing.run(post.desk.household.viewer, hook)
    await post.deliver(hook)
    assert post.receiver.ids[0] == post.receiver.ids[1]
    assert len(set(post.receiver.ids)) == len(post.receiver.ids) - 1


async def test_workers_that_are_killed_one_after_the_other_bring_everything_as_long_as_each_brings_something(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    household, viewer = post.desk.household, post.desk.household.viewer
    account = await household.account("mastodon")
    hook, _ = await post.create()
    await post.deliver(hook)
    wanted = 2 * leases.MAX_ATTEMPTS
    await household.take(account, *(said(n, f"Heron {n}") for n in range(wanted)))
    deliver, before = post.courier._accepted, len(post.receiver.ids)

    async def cut(*given: Any) -> None:
        await deliver(*given)
        raise asyncio.CancelledError  # the worker is killed behind its first event

    monkeypatch.setattr(post.courier, "_accepted", cut)
    moment = post.clock.now()
    for n in range(wanted):
        (job,) = await household.database.system(leases.claim, f"w{n}", moment, kinds=(DELIVERY_JOB,))
        with pytest.raises(asyncio.CancelledError):
            await post.courier.run(viewer, job.subject)
        moment += leases.LEASE + timedelta(seconds=1)
    assert len(set(post.receiver.ids[before:])) == wanted
    assert await household.database.system_read(leases.listed, dead=True) == []


def test_the_filter_of_a_webhook_is_that_of_a_subscription() -> None:
    assert set(ChangeFilter.__struct_fields__) == {"kinds", "account_ids", "messages_after", "stream_id"}


async def test_a_webhook_of_a_stream_is_told_what_meets_its_rule_once_that_is_known_and_again_when_it_is_sent_back(
    post: Post,
) -> None:
    household, viewer = post.desk.household, post.desk.household.viewer
    account = await household.account("mastodon")
    text = """mutation { createStream(input: { name: "Birds", rule: "heron" }) { stream { id matchedTo } } }"""
    stream = (await post.desk.ask(text))["createStream"]["stream"]
    matching = Matching(household.database, post.clock)
    await matching.run(viewer)
    hook, secret = await post.create(streamId=stream["id"])
    await post.deliver(hook)
    await household.take(account, said(1, "A heron"), said(2, "A boat"), said(3, "Another heron"))
    await post.deliver(hook)
    assert post.receiver.events == []  # stored, but nobody knows yet whether it meets the rule
    await matching.run(viewer)
    assert await post.asked_for()
    await post.deliver(hook)
    shown = "query($id: ID!) { viewer { activities(filter: { streamId: $id }) { edges { node { id } } } } }"
    met = [node["id"] for node in reversed(nodes((await post.desk.ask(shown, id=stream["id"]))["viewer"]["activities"]))]
    assert [event["data"]["nodeId"] for event in post.receiver.events] == met
    assert signed_with(secret, post.receiver.requests[0])
    await post.desk.ask(REPLAY, input={"webhookId": hook, "since": stream["matchedTo"]})
    await post.deliver(hook)
    assert [event["data"]["nodeId"] for event in post.receiver.events] == met * 2
    assert len(set(post.receiver.ids)) == 2
    await post.desk.ask("mutation($id: ID!) { deleteStream(input: { streamId: $id }) { streamId } }", id=stream["id"])
    assert await post.deliver(hook) is None
    assert ((await post.shown())["health"], (await post.shown())["healthReason"]) == ("DISABLED", "Its stream was deleted.")
    (error,) = (await post.desk.ask(CREATE, input={"targetUrl": "https://example.org/", "streamId": stream["id"]}))[
        "createWebhook"
    ]["errors"]
    assert (error["code"], error["field"]) == ("NOT_FOUND", ["streamId"])
