"""Deliveries to webhooks: rows of the change feed, in its order, signed as Standard Webhooks 1.0 says, one leased job a receiver.

    feed row ──▶ POST ── 2xx ──▶ DELIVERED, the position moves on
                  │ else
                  └──▶ PENDING, the receiver is FAILING ── waits, longer each time ──▶ again
                            │ it takes the next event but never this one ──▶ this one is DEAD, the rest goes on
                            └ three days ──▶ DEAD, the receiver is DISABLED; `replayWebhook` goes back

What is sent holds node ids and the feed's cursor, never content. An event whose acceptance was not written down before a crash is sent
again under the same webhook-id (at least once). Every connection is judged by the guard, redirects are not followed, of an answer only
the status is believed. Knows no GraphQL.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2 as httpx
import msgspec
import structlog
from sqlalchemy import Connection

from providers.addresses import is_public
from providers.errors import ProviderError
from providers.transport import Transport
from resolvers import changes
from resolvers.changes import ChangeFilter, Place
from resolvers.operation import Operation, Services
from store import ids, leases, viewers, webhooks
from store.feed import DELIVERY_JOB, Recorder
from store.vault import SealBroken
from store.webhooks import FORMER, PLACE, Delivery, Webhook, delivery_id

log = structlog.get_logger("kith.webhooks")

#: Seconds before the next try, after Standard Webhooks' example schedule; the last one again and again, up to GIVE_UP.
BACKOFF: Final = (5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000)
JITTER: Final = 0.2  # of a pause, either way
GIVE_UP: Final = timedelta(days=3)
PROBE: Final = 5  # tries after which the next event is tried as well
LONGEST_WAIT: Final = timedelta(days=1)  # that a Retry-After may ask for
SECONDS: Final = 15.0  # for one request altogether
PAGE: Final = 100
TURN: Final = 20.0  # seconds that one receiver may keep a worker before others get a turn
MAX_IDS: Final = 1_000  # absorbed or split ids that one event names
GONE: Final = 410  # Standard Webhooks: the receiver wants nothing any more
AGENT: Final = "Kith-Webhooks/1.0"


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one request: `status` None when there was no answer."""

    accepted: bool
    status: int | None = None
    message: str | None = None
    retry_after: timedelta | None = None


@dataclass(kw_only=True)
class Courier:
    """Delivers for one installation."""

    services: Services
    transport: Transport
    dice: Callable[[], float] = field(default=random.random)

    async def run(self, viewer: str, webhook_id: str) -> timedelta | None:
        """Deliver what there is. Returns how long to wait before going on; None when the receiver has everything."""
        ends = time.monotonic() + TURN
        while time.monotonic() < ends:
            hook = await self._hook(viewer, webhook_id)
            if hook is None or hook.health == "DISABLED":
                return None
            now = self.services.clock.now()
            if hook.retry_at is not None and hook.retry_at > now:
                return hook.retry_at - now
            queue = await self._queue(viewer, hook)
            if not queue:
                return None
            if not await self._deliver(viewer, hook, queue):
                after = await self._hook(viewer, webhook_id)
                if after is None or after.retry_at is None:
                    return None
                return max(timedelta(), after.retry_at - self.services.clock.now())
        return timedelta()

    async def test(self, viewer: str, webhook_id: str) -> Delivery | None:
        """Send a test event, which changes neither health nor position. None for a webhook that is not there."""
        hook = await self._hook(viewer, webhook_id)
        if hook is None:
            return None
        now = self.services.clock.now()
        delivery = Delivery(
            id=ids.mint("DELIVERY"), webhook_id=hook.id, position=hook.position, began=hook.began, event=None, outcome="PENDING", attempts=0,
            http_status=None, message=None, next_attempt_at=None, occurred_at=now,
        )  # fmt: skip
        body = {"type": "webhook.test", "timestamp": now.isoformat(), "data": {"webhookId": hook.id}}
        attempt = await self._post(viewer, hook, delivery.id, body)
        delivery = _after(delivery, attempt, "DELIVERED" if attempt.accepted else "DEAD", None)
        await self.services.database.write(viewer, webhooks.put_delivery, delivery)
        return delivery

    async def _hook(self, viewer: str, webhook_id: str) -> Webhook | None:
        whose = await self.services.database.system_read(viewers.get, viewer)
        if whose is None or whose.disabled_at is not None:
            return None
        return await self.services.database.read(viewer, webhooks.get, webhook_id)

    async def _queue(self, viewer: str, hook: Webhook) -> list[Delivery]:
        """What is to be sent next, in order: what was not accepted yet, else rows of the feed."""
        now = self.services.clock.now()

        def read(conn: Connection, viewer: str) -> tuple[list[Delivery], changes.Taken | None]:
            held = webhooks.pending(conn, viewer, hook.id, PAGE)
            place = Place(hook.position, hook.began)
            where = ChangeFilter(
                kinds=hook.kinds, account_ids=hook.account_ids, messages_after=hook.messages_after, stream_id=hook.stream_id
            )
            if len(held) > 1 or (held and held[0].attempts + 1 < PROBE):
                return held, None
            # of a node that changed again meanwhile only the last change is told, as in a list of changes
            return held, changes.take(conn, viewer, place, 1 if held else PAGE, where, True)

        held, taken = await self.services.database.read(viewer, read)
        if taken is None:
            return held
        if held:  # the next one too: whether the receiver takes that shows what is wrong with this one
            return held + [_new(hook, at.position, at.began, row, now) for at, row in taken.rows]
        if taken.resync is not None:
            # it reads the feed from nothing by itself, up to here, and is told what comes after
            return [_new(hook, taken.end.began, taken.end.began, None, now)]
        if not taken.rows and taken.end.position > hook.position:
            place: dict[str, Any] = {"position": taken.end.position, "began": taken.end.began}
            await self.services.database.write_behind(viewer, lambda c, v: webhooks.change(c, v, hook.id, **place))
            return [] if taken.reached else await self._queue(viewer, msgspec.structs.replace(hook, **place))
        return [_new(hook, at.position, at.began, row, now) for at, row in taken.rows]

    async def _deliver(self, viewer: str, hook: Webhook, queue: list[Delivery]) -> bool:
        """Send a queue in its order; False as soon as the receiver does not take an event."""
        for n, delivery in enumerate(queue):
            attempt = await self._post(viewer, hook, delivery.id, self._body(viewer, delivery))
            if attempt.accepted:
                if (moved := await self._accepted(viewer, hook, _after(delivery, attempt, "DELIVERED", None))) is None:
                    return True
                hook = moved
                continue
            following = queue[n + 1] if n + 1 < len(queue) else None
            if delivery.attempts + 1 >= PROBE and following is not None and attempt.status not in (None, GONE):
                other = await self._post(viewer, hook, following.id, self._body(viewer, following))
                if other.accepted:
                    # it takes others: what it does not take is given up, so that it holds nothing up
                    moved = await self._accepted(viewer, hook, _after(delivery, attempt, "DEAD", None))
                    if moved is not None:
                        await self._accepted(viewer, moved, _after(following, other, "DELIVERED", None))
                    return True  # from the rows anew: the queue has moved
            await self._failed(viewer, hook, delivery, attempt)
            return False
        return True

    async def _accepted(self, viewer: str, hook: Webhook, delivery: Delivery) -> Webhook | None:
        """Write down that an event is settled, and that the receiver works. None when the webhook is another one than it was: gone,
        off, or sent back to an earlier position.
        """
        well: dict[str, Any] = {"health": "ACTIVE", "health_reason": None, "failing_since": None, "retry_at": None}
        place = {"position": delivery.position, "began": delivery.began} if delivery.position > hook.position else {}

        def write(conn: Connection, viewer: str) -> bool:
            current = webhooks.get(conn, viewer, hook.id)
            if current is None or current.health == "DISABLED":
                return False
            webhooks.put_delivery(conn, viewer, delivery)
            leases.got_on(conn, viewer, DELIVERY_JOB, hook.id)
            if current.position != hook.position:
                return False
            webhooks.change(conn, viewer, hook.id, **place, **well)
            if current.health != "ACTIVE":
                self._tell(conn, viewer, current)
            return True

        if not await self.services.database.write_behind(viewer, write):
            return None
        return msgspec.structs.replace(hook, **place, **well)

    async def _failed(self, viewer: str, hook: Webhook, delivery: Delivery, attempt: Attempt) -> None:
        """Keep the event for later; give up after three days, or when the receiver says that it is gone for good."""
        now = self.services.clock.now()
        since = hook.failing_since or now
        over = attempt.status == GONE or now - since >= GIVE_UP
        wait = self._pause(delivery.attempts, attempt)
        retry_at = None if over else now + wait
        kept = _after(delivery, attempt, "DEAD" if over else "PENDING", retry_at)
        reason = f"{attempt.message} ({'given up' if over else 'tried again'}, failing since {since:%Y-%m-%d %H:%M} UTC)"
        if attempt.status == GONE:
            reason = "The receiver answers 410: it wants nothing any more."

        def write(conn: Connection, viewer: str) -> None:
            current = webhooks.get(conn, viewer, hook.id)
            if current is None or current.health == "DISABLED":
                return
            webhooks.put_delivery(conn, viewer, kept)
            place = {"position": kept.position, "began": kept.began} if kept.position > current.position else {}
            health = "DISABLED" if over else "FAILING"
            webhooks.change(
                conn, viewer, hook.id, health=health, health_reason=reason, failing_since=since, retry_at=retry_at, **place
            )
            if current.health != health:
                self._tell(conn, viewer, current)

        await self.services.database.write_behind(viewer, write)
        log.info("a webhook was not delivered", webhook=hook.id, status=attempt.status, attempts=kept.attempts, given_up=over)

    def _tell(self, conn: Connection, viewer: str, hook: Webhook) -> None:
        """The receiver's health is another one: its owner's clients learn of it."""
        webhooks.change(conn, viewer, hook.id, version=hook.version + 1)
        recorder = Recorder(self.services.clock.now(), origin="SYSTEM")
        recorder.upsert("WEBHOOK", hook.id, hook.version + 1, fields=("health", "healthReason"))
        recorder.flush(conn, viewer)

    def _pause(self, attempts: int, attempt: Attempt) -> timedelta:
        pause = timedelta(seconds=BACKOFF[min(attempts, len(BACKOFF) - 1)] * (1 + JITTER * (2 * self.dice() - 1)))
        return pause if attempt.retry_after is None else max(pause, min(attempt.retry_after, LONGEST_WAIT))

    def _body(self, viewer: str, delivery: Delivery) -> dict[str, Any]:
        """The payload: type, timestamp, data (Standard Webhooks, "Payload structure")."""
        operation = Operation(self.services, viewer, frozenset())
        place = Place(delivery.position, delivery.began)
        cursor = changes.cursor(operation, place)
        if delivery.event is None:
            when = delivery.occurred_at.isoformat()
            return {"type": "feed.resync_required", "timestamp": when, "data": {"cursor": cursor, "cause": "CURSOR_TOO_OLD"}}
        entry = changes.shown(operation, place, delivery.event)
        data = {_camel(name): value for name, value in msgspec.structs.asdict(entry).items() if value is not None}
        for name in ("absorbedIds", "partIds"):
            if name in data:
                data[name] = list(data[name])[:MAX_IDS]
        return {"type": TYPES[type(entry)], "timestamp": entry.occurred_at.isoformat(), "data": data}

    async def _post(self, viewer: str, hook: Webhook, message_id: str, body: dict[str, Any]) -> Attempt:
        """One signed request (Standard Webhooks, "Webhook Headers")."""
        now = self.services.clock.now()
        content = msgspec.json.encode(body)
        try:
            secrets = await self._secrets(viewer, hook, now)
        except SealBroken:
            return Attempt(accepted=False, message="The signing secret cannot be read any more: rotate it.")
        second = str(int(now.timestamp()))
        signed = f"{message_id}.{second}.".encode() + content
        headers = {
            "content-type": "application/json",
            "user-agent": AGENT,
            "webhook-id": message_id,
            "webhook-timestamp": second,
            "webhook-signature": " ".join(f"v1,{signature(secret, signed)}" for secret in secrets),
        }
        timeout = {"connect": SECONDS, "pool": SECONDS, "read": SECONDS}
        try:
            async with asyncio.timeout(SECONDS):
                await self._judge(hook.target_url)
                request = httpx.Request(
                    "POST", hook.target_url, content=content, headers=headers, extensions={"timeout": timeout}
                )
                answer = await self.transport.handle_async_request(request)
                await answer.aclose()
        except ProviderError as error:
            return Attempt(accepted=False, message=error.message)
        except TimeoutError:
            return Attempt(accepted=False, message=f"The receiver did not answer within {SECONDS:.0f} seconds.")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Attempt(accepted=False, message=f"The receiver cannot be reached: {type(error).__name__}.")
        if 200 <= answer.status_code < 300:
            return Attempt(accepted=True, status=answer.status_code)
        return Attempt(
            accepted=False, status=answer.status_code, message=f"The receiver answered {answer.status_code}.",
            retry_after=_retry_after(answer.headers.get("retry-after")),
        )  # fmt: skip

    async def _judge(self, url: str) -> None:
        """Plain http is for the operator's own places: every address that the name has now is one of them. The transport judges
        all others, and once more the one that it connects to.
        """
        parts = urlsplit(url)
        if parts.scheme == "https":
            return
        for pinned in await self.transport.guard.resolve(parts.hostname or "", parts.port or 80):
            if is_public(ipaddress.ip_address(pinned.ip)):
                raise ProviderError("A receiver outside this network needs https.")

    async def _secrets(self, viewer: str, hook: Webhook, now: datetime) -> list[bytes]:
        """Today's secret, and the former one for a day after a rotation."""
        sealed = await self.services.database.read(viewer, webhooks.secrets, hook.id)
        columns = [PLACE[1]]
        if FORMER in sealed and hook.former_until is not None and hook.former_until > now:
            columns.append(FORMER)
        opened = [self.services.vault.open(sealed[c], viewer, PLACE[0], hook.id, c) for c in columns if c in sealed]
        return [base64.b64decode(secret.removeprefix(b"whsec_")) for secret in opened]


TYPES: Final[dict[type, str]] = {
    changes.NodeUpserted: "node.upserted",
    changes.NodeDeleted: "node.deleted",
    changes.NodesMerged: "nodes.merged",
    changes.NodeSplit: "node.split",
    changes.WriteSettled: "write.settled",
}


def signature(secret: bytes, signed: bytes) -> str:
    """HMAC-SHA-256 in base64, the scheme that Standard Webhooks calls v1."""
    return base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def _new(hook: Webhook, position: int, began: int, event: Any, now: datetime) -> Delivery:
    return Delivery(
        id=delivery_id(hook.id, position), webhook_id=hook.id, position=position, began=began, event=event, outcome="PENDING", attempts=0,
        http_status=None, message=None, next_attempt_at=None, occurred_at=now,
    )  # fmt: skip


def _after(delivery: Delivery, attempt: Attempt, outcome: str, next_attempt_at: datetime | None) -> Delivery:
    return msgspec.structs.replace(
        delivery,
        outcome=outcome,
        attempts=delivery.attempts + 1,
        http_status=attempt.status,
        message=attempt.message,
        next_attempt_at=next_attempt_at,
    )


def _retry_after(value: str | None) -> timedelta | None:
    """RFC 9110 §10.2.3, in seconds; a date is left to the backoff."""
    return timedelta(seconds=int(value)) if value is not None and value.isascii() and value.isdigit() and len(value) < 9 else None


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
