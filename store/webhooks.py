"""Receivers of the change feed and what was sent to them: rows, secrets, positions, deliveries.

A webhook stands at a place of the feed. An event that was taken from the feed and not accepted is kept as a PENDING delivery, in order;
nothing new is taken while there is one. What wakes a webhook's job is written with the feed (store/feed.py). Knows nothing of HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store import ids, leases
from store.feed import Change
from store.tables import secret, webhook, webhook_delivery

PLACE: Final = ("webhook", "secret")  # table and column of the vault's associated data
FORMER: Final = "former"  # the column of the secret before, which signs too for a day
KEPT: Final = timedelta(days=30)
MAX_WEBHOOKS: Final = 50
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Change).decode


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver. (`position`, `began`) is its place in the feed; `retry_at` is set while it waits after a failure."""

    id: str
    version: int
    target_url: str
    kinds: tuple[str, ...] | None
    account_ids: tuple[str, ...] | None
    messages_after: datetime | None
    stream_id: str | None = None
    health: str
    health_reason: str | None
    position: int
    began: int
    failing_since: datetime | None
    retry_at: datetime | None
    former_until: datetime | None
    created_at: datetime


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way. `event` is None for a test."""

    id: str
    webhook_id: str
    position: int
    began: int
    event: Change | None
    outcome: str
    attempts: int
    http_status: int | None
    message: str | None
    next_attempt_at: datetime | None
    occurred_at: datetime


def delivery_id(webhook_id: str, position: int) -> str:
    """The webhook-id of an event: the same one each time it is sent."""
    return ids.derive("DELIVERY", webhook_id, str(position))


def add(conn: Connection, viewer: str, hook: Webhook, sealed: bytes) -> None:
    """Write a new webhook with its secret."""
    conn.execute(webhook.insert().values(viewer_id=viewer, **_columns(hook)))
    put_secret(conn, viewer, hook.id, PLACE[1], sealed)


def get(conn: Connection, viewer: str, webhook_id: str) -> Webhook | None:
    row = conn.execute(select(webhook).where(webhook.c.viewer_id == viewer, webhook.c.id == webhook_id)).one_or_none()
    return None if row is None else _webhook(row)


def listed(conn: Connection, viewer: str) -> list[Webhook]:
    """All webhooks, oldest first."""
    rows = conn.execute(select(webhook).where(webhook.c.viewer_id == viewer).order_by(webhook.c.created_at, webhook.c.id))
    return [_webhook(row) for row in rows]


def change(conn: Connection, viewer: str, webhook_id: str, **values: Any) -> None:
    """Change columns."""
    conn.execute(sa.update(webhook).where(webhook.c.viewer_id == viewer, webhook.c.id == webhook_id).values(**values))


def disable_of(conn: Connection, viewer: str, stream_id: str, reason: str) -> list[Webhook]:
    """Switch off the receivers of a stream that goes. Returns them as they are then."""
    w = webhook.c
    mine = (w.viewer_id == viewer, w.stream_id == stream_id, w.health != "DISABLED")
    found = [_webhook(row) for row in conn.execute(select(webhook).where(*mine)).all()]
    off: dict[str, Any] = {"health": "DISABLED", "health_reason": reason, "retry_at": None}
    conn.execute(sa.update(webhook).where(*mine).values(version=w.version + 1, **off))
    return [msgspec.structs.replace(one, version=one.version + 1, **off) for one in found]


def drop(conn: Connection, viewer: str, webhook_id: str) -> None:
    """Forget a webhook, its secrets, deliveries and work."""
    conn.execute(sa.delete(webhook).where(webhook.c.viewer_id == viewer, webhook.c.id == webhook_id))
    conn.execute(
        sa.delete(webhook_delivery).where(webhook_delivery.c.viewer_id == viewer, webhook_delivery.c.webhook_id == webhook_id)
    )
    conn.execute(sa.delete(secret).where(*_secrets(viewer, webhook_id)))
    leases.drop(conn, viewer, webhook_id)


def secrets(conn: Connection, viewer: str, webhook_id: str) -> dict[str, bytes]:
    """The sealed secrets by column."""
    rows = conn.execute(select(secret.c.column_name, secret.c.sealed).where(*_secrets(viewer, webhook_id)))
    return {row.column_name: row.sealed for row in rows}


def put_secret(conn: Connection, viewer: str, webhook_id: str, column: str, sealed: bytes) -> None:
    conn.execute(sa.delete(secret).where(*_secrets(viewer, webhook_id), secret.c.column_name == column))
    conn.execute(
        secret.insert().values(
            viewer_id=viewer, table_name=PLACE[0], row_id=webhook_id, column_name=column, sealed=sealed, fence=0
        )
    )


# --- deliveries ---------------------------------------------------------------------------------------------------------


def put_delivery(conn: Connection, viewer: str, delivery: Delivery) -> None:
    """Write a delivery, or what became of it since."""
    values = {name: getattr(delivery, name) for name in Delivery.__struct_fields__}
    values["event"] = None if delivery.event is None else _encode(delivery.event)
    known = sa.update(webhook_delivery).where(webhook_delivery.c.viewer_id == viewer, webhook_delivery.c.id == delivery.id)
    if conn.execute(known.values(**{n: v for n, v in values.items() if n not in ("id", "occurred_at")})).rowcount == 0:
        conn.execute(webhook_delivery.insert().values(viewer_id=viewer, **values))


def pending(conn: Connection, viewer: str, webhook_id: str, limit: int) -> list[Delivery]:
    """What waits to be accepted, in the order of the feed."""
    d = webhook_delivery.c
    rows = conn.execute(
        select(webhook_delivery)
        .where(d.viewer_id == viewer, d.webhook_id == webhook_id, d.outcome == "PENDING")
        .order_by(d.position).limit(limit)
    )  # fmt: skip
    return [delivery_of(row) for row in rows]


def forget_pending(conn: Connection, viewer: str, webhook_id: str) -> None:
    """What waits is told anew from the feed."""
    d = webhook_delivery.c
    conn.execute(sa.delete(webhook_delivery).where(d.viewer_id == viewer, d.webhook_id == webhook_id, d.outcome == "PENDING"))


def revive(conn: Connection, viewer: str, webhook_id: str, after: int, now: datetime) -> int:
    """Have what was given up behind a position sent again; how many events."""
    d = webhook_delivery.c
    dead = sa.update(webhook_delivery).where(
        d.viewer_id == viewer, d.webhook_id == webhook_id, d.outcome == "DEAD", d.position > after, d.event.is_not(None)
    )
    return conn.execute(dead.values(outcome="PENDING", next_attempt_at=now)).rowcount


def deliveries_by_id(conn: Connection, viewer: str, delivery_ids: Sequence[str]) -> dict[str, Delivery]:
    d = webhook_delivery.c
    rows = conn.execute(select(webhook_delivery).where(d.viewer_id == viewer, d.id.in_(delivery_ids)))
    return {row.id: delivery_of(row) for row in rows}


def forget_old(conn: Connection, viewer: str, now: datetime) -> None:
    """Drop deliveries that are settled and older than KEPT."""
    d = webhook_delivery.c
    conn.execute(sa.delete(webhook_delivery).where(d.viewer_id == viewer, d.outcome != "PENDING", d.occurred_at < now - KEPT))


def delivery_of(row: Any) -> Delivery:
    """The delivery of a row."""
    values = {name: getattr(row, name) for name in Delivery.__struct_fields__}
    values["event"] = None if row.event is None else _decode(row.event)
    return Delivery(**values)


def _secrets(viewer: str, webhook_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (secret.c.viewer_id == viewer, secret.c.table_name == PLACE[0], secret.c.row_id == webhook_id)


def _columns(hook: Webhook) -> dict[str, Any]:
    values = {name: getattr(hook, name) for name in Webhook.__struct_fields__}
    for name in ("kinds", "account_ids"):
        values[name] = None if values[name] is None else " ".join(values[name])
    return values


def _webhook(row: Any) -> Webhook:
    values = {name: getattr(row, name) for name in Webhook.__struct_fields__}
    for name in ("kinds", "account_ids"):
        values[name] = None if values[name] is None else tuple(values[name].split())
    return Webhook(**values)
