"""Receivers of the change feed as their owner sees them: made, changed, tried, replayed, with what became of each delivery.

What is sent and when is the worker's (`gateway/webhooks.py`); here are the rows. A receiver is told node ids only, over https; plain http
is for places of the operator's own, which every delivery judges again. The secret is shown once and sealed.
"""

from __future__ import annotations

import base64
import ipaddress
import secrets
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import changes, paging
from resolvers.changes import Change, ChangeFilter
from resolvers.mistakes import Mistake, NodeMistake, not_found
from resolvers.operation import Operation
from resolvers.paging import Ask, Listing, Order
from resolvers.writing import Answer, Mistaken, Payload, payload, perform, remembered
from store import feed, ids, leases, streams, webhooks
from store.feed import DELIVERY_JOB, Recorder
from store.tables import account, webhook_delivery
from store.webhooks import FORMER, MAX_WEBHOOKS, PLACE, Delivery, Webhook

MAX_URL: Final = 2_000  # characters
SIGNS_TOO: Final = timedelta(hours=24)  # how long a former secret signs
SECRET_BYTES: Final = 32  # Standard Webhooks: 24 to 64 bytes
PRIVATE_NAMES: Final = (".localhost", ".local", ".internal", ".lan", ".home.arpa")  # RFC 6761, RFC 6762, RFC 8375


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook; `cursor` is the last position delivered."""

    id: str
    version: int
    target_url: str
    kinds: tuple[str, ...] | None
    account_ids: tuple[str, ...] | None
    stream_id: str | None
    health: str
    health_reason: str | None
    cursor: str | None
    created_at: datetime


class ShownDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """An event sent to a webhook."""

    id: str
    event: Change | None
    cursor: str
    outcome: str
    attempts: int
    http_status: int | None
    message: str | None
    next_attempt_at: datetime | None
    occurred_at: datetime


def shown(operation: Operation, hook: Webhook) -> Shown:
    """The webhook as clients see it."""
    return Shown(
        id=hook.id, version=hook.version, target_url=hook.target_url, kinds=hook.kinds, account_ids=hook.account_ids,
        stream_id=hook.stream_id, health=hook.health, health_reason=hook.health_reason, created_at=hook.created_at,
        cursor=changes.cursor(operation, changes.Place(hook.position, hook.began)),
    )  # fmt: skip


def shown_delivery(operation: Operation, delivery: Delivery) -> ShownDelivery:
    """The delivery as clients see it."""
    place = changes.Place(delivery.position, delivery.began)
    return ShownDelivery(
        id=delivery.id, event=None if delivery.event is None else changes.shown(operation, place, delivery.event),
        cursor=changes.cursor(operation, place), outcome=delivery.outcome, attempts=delivery.attempts, http_status=delivery.http_status,
        message=delivery.message, next_attempt_at=delivery.next_attempt_at, occurred_at=delivery.occurred_at,
    )  # fmt: skip


async def get(operation: Operation, webhook_id: str) -> Shown | None:
    """One webhook."""
    hook = await operation.read(webhooks.get, webhook_id)
    return None if hook is None else shown(operation, hook)


async def get_delivery(operation: Operation, delivery_id: str) -> ShownDelivery | None:
    """One delivery."""
    found = (await operation.read(webhooks.deliveries_by_id, [delivery_id])).get(delivery_id)
    return None if found is None else shown_delivery(operation, found)


async def of_viewer(operation: Operation) -> list[Shown]:
    """The viewer's webhooks, oldest first."""
    return [shown(operation, hook) for hook in await operation.read(webhooks.listed)]


async def deliveries(operation: Operation, webhook_id: str, ask: Ask, outcome: str | None) -> Listing:
    """What was sent to a webhook, latest first."""
    d = webhook_delivery.c

    def mine(viewer: str) -> sa.Select[Any]:
        query = select(webhook_delivery).where(d.viewer_id == viewer, d.webhook_id == webhook_id)
        return query if outcome is None else query.where(d.outcome == outcome)

    def node(row: Any) -> ShownDelivery:
        return shown_delivery(operation, webhooks.delivery_of(row))

    scope = paging.bound("deliveries", webhook_id, outcome)
    order = Order((d.occurred_at, d.id), descending=True)
    return await paging.rows(operation, scope, ask, order, tuple[datetime, str], mine, node)


async def create(operation: Operation, target_url: str, where: ChangeFilter, since: str | None, key: str | None) -> Payload:
    """Register a receiver, which begins at `since` or now."""
    now = operation.now()
    began = None if since is None else changes.place(operation, since)
    secret = mint()

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        target = _target(target_url)
        _known(conn, viewer, where)
        if len(webhooks.listed(conn, viewer)) >= MAX_WEBHOOKS:
            raise Mistaken(Mistake(code="LIMIT_REACHED", message=f"You have {MAX_WEBHOOKS} webhooks; delete one first."))
        place = began or changes.at_head(feed.head(conn, viewer).position)
        hook = Webhook(
            id=ids.mint("WEBHOOK"), version=1, target_url=target, kinds=where.kinds, account_ids=where.account_ids,
            messages_after=where.messages_after, stream_id=where.stream_id, health="ACTIVE", health_reason=None,
            position=place.position, began=place.began, failing_since=None, retry_at=None, former_until=None, created_at=now,
        )  # fmt: skip
        webhooks.add(conn, viewer, hook, _sealed(operation, viewer, hook.id, PLACE[1], secret))
        leases.enqueue(conn, viewer, DELIVERY_JOB, hook.id, now)
        recorder.upsert("WEBHOOK", hook.id, 1, created=True)
        return Answer(node_id=hook.id, secret=secret)

    done = await perform(operation, "createWebhook", key, [target_url, where, since], write)
    return payload(operation, done, webhook_id="node_id", secret="secret")  # noqa: S106 - the name of a field


async def update(
    operation: Operation,
    webhook_id: str,
    target_url: str | None,
    where: ChangeFilter | None,
    enabled: bool | None,
    rotate: bool,
    key: str | None,
) -> Payload:
    """Change address or filter, switch on or off, or give it a new secret; what is None stays."""
    now = operation.now()
    secret = mint() if rotate else None

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        hook = _writable(conn, viewer, webhook_id)
        values: dict[str, Any] = {"version": hook.version + 1}
        if target_url is not None:
            values["target_url"] = _target(target_url)
        if where is not None:
            _known(conn, viewer, where)
            values["kinds"] = None if where.kinds is None else " ".join(where.kinds)
            values["account_ids"] = None if where.account_ids is None else " ".join(where.account_ids)
            values["messages_after"] = where.messages_after
            values["stream_id"] = where.stream_id
        if enabled is False:
            values |= {"health": "DISABLED", "health_reason": "Switched off.", "retry_at": None, "failing_since": None}
        elif enabled or (target_url is not None and hook.health != "DISABLED"):
            # a new address, or somebody who says that it works again: try at once
            values |= {"health": "ACTIVE", "health_reason": None, "retry_at": None, "failing_since": None}
        if secret is not None:
            former = webhooks.secrets(conn, viewer, webhook_id).get(PLACE[1])
            if former is not None:
                plain = operation.services.vault.open(former, viewer, PLACE[0], webhook_id, PLACE[1])
                again = operation.services.vault.seal(plain, viewer, PLACE[0], webhook_id, FORMER)
                webhooks.put_secret(conn, viewer, webhook_id, FORMER, again)
                values["former_until"] = now + SIGNS_TOO
            webhooks.put_secret(conn, viewer, webhook_id, PLACE[1], _sealed(operation, viewer, webhook_id, PLACE[1], secret))
        webhooks.change(conn, viewer, webhook_id, **values)
        leases.enqueue(conn, viewer, DELIVERY_JOB, webhook_id, now)
        recorder.upsert("WEBHOOK", webhook_id, hook.version + 1)
        return Answer(node_id=webhook_id, secret=secret)

    done = await perform(operation, "updateWebhook", key, [webhook_id, target_url, where, enabled, rotate], write)
    return payload(operation, done, webhook_id="node_id", secret="secret")  # noqa: S106 - the name of a field


async def delete(operation: Operation, webhook_id: str, key: str | None) -> Payload:
    """Forget a receiver with its secrets and deliveries."""

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        _writable(conn, viewer, webhook_id)
        webhooks.drop(conn, viewer, webhook_id)
        recorder.delete("WEBHOOK", webhook_id)
        return Answer(node_id=webhook_id)

    done = await perform(operation, "deleteWebhook", key, [webhook_id], write)
    return payload(operation, done, webhook_id="node_id")


async def test(operation: Operation, webhook_id: str, key: str | None) -> Payload:
    """Send a test event now, whatever the receiver's health, and say what became of it."""

    async def act() -> Answer:
        courier = operation.services.courier
        found = None if courier is None else await courier.test(operation.viewer, webhook_id)
        if found is None:
            raise Mistaken(not_found(webhook_id, "webhookId"))
        return Answer(node_id=found.id)

    done = await remembered(operation, "testWebhook", key, [webhook_id], act)
    return payload(operation, done, delivery_id="node_id")


async def replay(operation: Operation, webhook_id: str, since: str, only_dead: bool, key: str | None) -> Payload:
    """Send again what came after a position, or of it only what was given up. Events keep their webhook-id."""
    now = operation.now()
    place = changes.place(operation, since)

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        hook = _writable(conn, viewer, webhook_id)
        head = feed.head(conn, viewer)
        if only_dead:
            webhooks.revive(conn, viewer, webhook_id, place.position, now)
        elif place.began < head.horizon or max(place.began, place.position) > head.position:
            text = "The feed does not go back to this position any more; take a later one."
            raise Mistaken(Mistake(code="INVALID", message=text, field=("since",)))
        else:
            webhooks.forget_pending(conn, viewer, webhook_id)
            webhooks.change(conn, viewer, webhook_id, position=place.position, began=place.began)
        webhooks.change(
            conn,
            viewer,
            webhook_id,
            health="ACTIVE",
            health_reason=None,
            retry_at=None,
            failing_since=None,
            version=hook.version + 1,
        )
        leases.enqueue(conn, viewer, DELIVERY_JOB, webhook_id, now)
        recorder.upsert("WEBHOOK", webhook_id, hook.version + 1, fields=("cursor", "health", "healthReason"))
        return Answer(node_id=webhook_id)

    done = await perform(operation, "replayWebhook", key, [webhook_id, since, only_dead], write)
    return payload(operation, done, webhook_id="node_id")


def mint() -> str:
    """A new secret as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _sealed(operation: Operation, viewer: str, webhook_id: str, column: str, secret: str) -> bytes:
    return operation.services.vault.seal(secret.encode(), viewer, PLACE[0], webhook_id, column)


def _writable(conn: Connection, viewer: str, webhook_id: str) -> Webhook:
    hook = webhooks.get(conn, viewer, webhook_id)
    if hook is not None:
        return hook
    if ids.kind_of(webhook_id) not in ("WEBHOOK", None):
        text = "This is the id of something else than a webhook."
        raise Mistaken(NodeMistake(code="WRONG_KIND", message=text, field=("webhookId",), node_id=webhook_id))
    raise Mistaken(not_found(webhook_id, "webhookId"))


def _known(conn: Connection, viewer: str, where: ChangeFilter) -> None:
    for account_id in where.account_ids or ():
        found = select(account.c.id).where(account.c.viewer_id == viewer, account.c.id == account_id)
        if conn.execute(found).one_or_none() is None:
            raise Mistaken(not_found(account_id, "filter", "accountIds"))
    if where.stream_id is not None and streams.get(conn, viewer, where.stream_id) is None:
        raise Mistaken(not_found(where.stream_id, "streamId"))


def _target(url: str) -> str:
    """The address, if a receiver may be there at all: whether it may be connected to is judged at each delivery."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    wrong = None
    if parts.scheme not in ("https", "http") or not host or port == 0:
        wrong = "A receiver has an address such as https://example.org/hook."
    elif parts.username is not None or parts.password is not None:
        wrong = "An address with a password in it would be shown to everybody who reads it; the signature says who is calling."
    elif parts.fragment:
        wrong = "A part behind # never reaches the receiver; leave it out."
    elif len(url) > MAX_URL:
        wrong = f"An address has at most {MAX_URL} characters."
    elif parts.scheme == "http" and not _private(host):
        wrong = "A receiver outside this network needs https."
    if wrong is not None:
        raise Mistaken(Mistake(code="INVALID", message=wrong, field=("targetUrl",)))
    return url


def _private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(PRIVATE_NAMES)
