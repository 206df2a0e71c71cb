"""Live conversations and messages: fetched once, their keys put into the store, their content into the viewer's cache.

A listing of conversation heads is kept per account with the moment it was true; pages further down extend it. Content expires from
the cache and is asked for again; keys stay, so that ids, order and people of what was once seen remain.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from providers.base import LiveAdapter
from resolvers.fanout import Trouble, ask
from resolvers.ingest import Target, take_in_heads, take_in_messages
from resolvers.ingest.messages import message_id
from resolvers.operation import Operation
from store import accounts, leases
from store.feed import Recorder
from store.tables import conversation_source, message

PAGE: Final = 40
MAX_PAGES: Final = 5  # calls for one list
KEEP: Final = 86_400.0  # seconds that content may be served stale
_encode = msgspec.msgpack.Encoder().encode
_message = msgspec.msgpack.Decoder(records.Message).decode
_head = msgspec.msgpack.Decoder(records.ConversationHead).decode


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an account's conversations: from the latest down to `oldest`, true at `as_of`."""

    as_of: datetime
    oldest: datetime | None = None
    count: int = 0
    next_token: str | None = None
    complete: bool = False

    def reaches(self, before: datetime | None, count: int) -> bool:
        """Whether it holds what a page of `count` older than `before` needs."""
        if self.complete:
            return True
        return (
            self.count >= count
            if before is None
            else self.oldest is not None and self.oldest < before and self.count >= 2 * count
        )


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    """When the messages of one conversation were last fetched."""

    as_of: datetime
    complete: bool = True


_listing = msgspec.msgpack.Decoder(Listing).decode
_thread = msgspec.msgpack.Decoder(Thread).decode


async def listing(
    operation: Operation, account_id: str, *, max_age: timedelta, before: datetime | None, count: int
) -> tuple[Listing | None, Trouble | None]:
    """The listing, from the cache where it is young enough; with what went wrong where it is not as asked for."""
    cached = await operation.cache.get("heads", account_id)
    known = None if cached is None else _listing(cached)
    young = known is not None and operation.now() - known.as_of <= max_age
    if known is not None and young and known.reaches(before, count):
        operation.spending.avoided += 1
        operation.spending.cache_hits += 1
        return known, None
    extend = known if young else None

    async def fetch(adapter: LiveAdapter) -> Listing:
        found = extend or Listing(as_of=operation.now())
        for _ in range(MAX_PAGES):
            if found.reaches(before, count):
                break
            page = await adapter.heads(found.next_token, PAGE)
            await _keep_heads(operation, account_id, page.items)
            moments = [head.last_activity_at for head in page.items]
            found = Listing(
                as_of=found.as_of,
                oldest=min([*moments, *([found.oldest] if found.oldest else [])], default=None),
                count=found.count + len(page.items),
                next_token=page.next_token,
                complete=page.next_token is None,
            )
        await operation.cache.set(_encode(found), KEEP, "heads", account_id)
        return found

    outcome = await ask(operation, account_id, ("heads", str(before), str(count)), fetch)
    if isinstance(outcome, Trouble):
        return known, outcome
    return outcome, None


async def thread(
    operation: Operation, account_id: str, key: str, conversation_id: str, *, max_age: timedelta
) -> tuple[Thread | None, Trouble | None]:
    """Bring the messages of one live conversation up to date."""
    cached = await operation.cache.get("thread", conversation_id)
    known = None if cached is None else _thread(cached)
    if known is not None and operation.now() - known.as_of <= max_age:
        operation.spending.avoided += 1
        operation.spending.cache_hits += 1
        return known, None

    async def fetch(adapter: LiveAdapter) -> Thread:
        now = operation.now()
        found = await adapter.messages(key)
        await _keep_messages(operation, account_id, key, found.items)
        done = Thread(as_of=now, complete=found.complete)
        await operation.cache.set(_encode(done), KEEP, "thread", conversation_id)
        return done

    outcome = await ask(operation, account_id, ("thread", key), fetch)
    if isinstance(outcome, Trouble):
        return known, outcome
    return outcome, None


async def cached_heads(operation: Operation, conversation_ids: Sequence[str]) -> dict[str, records.ConversationHead]:
    """What the cache has of these; one round trip."""
    found = await operation.cache.get_many([("head", c) for c in conversation_ids])
    return {c: _head(value) for c, value in zip(conversation_ids, found, strict=True) if value is not None}


async def cached_messages(operation: Operation, message_ids: Sequence[str]) -> dict[str, records.Message]:
    """What the cache has of these; one round trip."""
    found = await operation.cache.get_many([("message", m) for m in message_ids])
    return {m: _message(value) for m, value in zip(message_ids, found, strict=True) if value is not None}


def places(conn: Connection, viewer: str, conversation_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Where live conversations are: id → (account id, the network's key)."""
    c = conversation_source.c
    rows = conn.execute(
        select(c.conversation_id, c.account_id, c.key).where(c.viewer_id == viewer, c.conversation_id.in_(conversation_ids))
    )
    return {row.conversation_id: (row.account_id, row.key) for row in rows}


def places_of_messages(conn: Connection, viewer: str, message_ids: Sequence[str]) -> dict[str, tuple[str, str, str]]:
    """Where live messages are: id → (conversation id, account id, the conversation's key)."""
    c = conversation_source.c
    rows = conn.execute(
        select(message.c.id, c.conversation_id, c.account_id, c.key)
        .join(conversation_source, sa.and_(c.viewer_id == message.c.viewer_id, c.conversation_id == message.c.conversation_id))
        .where(message.c.viewer_id == viewer, message.c.id.in_(message_ids), message.c.live)
    )
    return {row.id: (row.conversation_id, row.account_id, row.key) for row in rows}


async def _keep_heads(operation: Operation, account_id: str, heads: Sequence[records.ConversationHead]) -> None:
    if not heads:
        return

    def write(conn: Connection, viewer: str) -> dict[str, str]:
        now = operation.now()
        recorder = Recorder(now, account_id=account_id)
        target = Target(account_id=account_id, live=True, own=accounts.own_values(conn, viewer))
        found = take_in_heads(conn, viewer, target, heads, recorder, now)
        if recorder.flush(conn, viewer) is not None:  # people we had not seen
            leases.enqueue(conn, viewer, "identity", viewer, now)
        return found

    ids_of = await operation.services.database.write(operation.viewer, write)
    values: dict[tuple[str, ...], bytes] = {("head", ids_of[head.key]): _encode(head) for head in heads}
    await operation.cache.set_many(values, KEEP)
    latest = [(head.key, head.last_message) for head in heads if head.last_message is not None]
    for key, item in latest:
        await _cache_messages(operation, account_id, key, [item])


async def _keep_messages(operation: Operation, account_id: str, key: str, items: Sequence[records.Message]) -> None:
    def write(conn: Connection, viewer: str) -> None:
        now = operation.now()
        recorder = Recorder(now, account_id=account_id)
        target = Target(account_id=account_id, live=True, own=accounts.own_values(conn, viewer))
        take_in_messages(conn, viewer, target, items, recorder, now)
        if recorder.flush(conn, viewer) is not None:
            leases.enqueue(conn, viewer, "identity", viewer, now)

    if items:
        await operation.services.database.write(operation.viewer, write)
    await _cache_messages(operation, account_id, key, items)


async def _cache_messages(operation: Operation, account_id: str, key: str, items: Sequence[records.Message]) -> None:
    values: dict[tuple[str, ...], bytes] = {
        ("message", message_id(operation.viewer, account_id, item)): _encode(item) for item in items
    }
    await operation.cache.set_many(values, KEEP)
