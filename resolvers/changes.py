"""The change feed as clients read it: pages that fill a store or bring it up to date, and a stream that goes on from there.

A cursor is (position, head when the fill began): a fill from nothing passes through positions older than the oldest kept
deletion, so only its beginning is compared with the horizon. It binds the viewer but no filter: a client may widen its filter
and read on. What a filter hides is passed by `FeedAdvanced`, so that cursors never stand still.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import paging, sources
from resolvers.operation import Operation
from resolvers.paging import Edge, Listing, PageInfo
from resolvers.refusals import Refusal
from store import feed, streams
from store.among import VIEWER
from store.prepared import Prepared
from store.tables import activity, message
from store.tables import feed as feed_table

STREAM_PAGE: Final = 200
ROUNDS: Final = 10  # pages of hidden rows that one read passes before it answers
HEARTBEAT: Final = timedelta(seconds=55)  # the contract says: at least every minute
ALIVE_SECONDS: Final = 2.0  # how often the credential of an open stream is looked at
WATCH: Final = timedelta(seconds=15)  # how old a mirror may grow while somebody looks on, where checking costs one request
_SCOPE: Final = "feed"


class Place(msgspec.Struct, frozen=True):
    """A position, and the head when the fill that passes through it began."""

    position: int
    began: int


class ChangeFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which changes; what is None does not count."""

    kinds: tuple[str, ...] | None = None
    account_ids: tuple[str, ...] | None = None
    messages_after: datetime | None = None
    stream_id: str | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What all entries of the feed have."""

    cursor: str
    occurred_at: datetime
    origin: str = "SYSTEM"
    account_id: str | None = None
    idempotency_key: str | None = None


class NodeUpserted(Change, frozen=True, kw_only=True):
    """A node is new or changed."""

    node_id: str
    node_kind: str
    node_version: int
    created: bool
    changed_fields: tuple[str, ...]


class NodeDeleted(Change, frozen=True, kw_only=True):
    """A node is gone."""

    node_id: str
    node_kind: str
    parent_id: str | None
    reason: str


class NodesMerged(Change, frozen=True, kw_only=True):
    """Nodes became one."""

    node_kind: str
    survivor_id: str
    absorbed_ids: tuple[str, ...]
    merge_id: str | None = None


class NodeSplit(Change, frozen=True, kw_only=True):
    """A node fell apart."""

    node_kind: str
    origin_id: str
    part_ids: tuple[str, ...]
    merge_id: str | None = None


class WriteSettled(Change, frozen=True, kw_only=True):
    """A network has taken a write, or refused it."""

    write_id: str
    mutation: str
    state: str
    node_ids: tuple[str, ...]


class ResyncRequired(Change, frozen=True, kw_only=True):
    """The feed cannot bring this client up to date."""

    cause: str
    scope_account_id: str | None = None
    scope_kinds: tuple[str, ...] | None = None
    restart: str | None = None


class FeedAdvanced(Change, frozen=True, kw_only=True):
    """Nothing for this filter up to here."""


class ChangeListing(Listing, frozen=True, kw_only=True):
    """A page of changes."""

    up_to_date: bool


class FeedState(msgspec.Struct, frozen=True, kw_only=True):
    """Where the feed stood when the operation began."""

    head: str
    oldest: datetime


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What one read of the feed gave: rows, the place after them, whether there is no more now, whether more is certain to come
    once it has been matched with a stream, or why to start again.
    """

    rows: tuple[tuple[Place, feed.Change], ...] = ()
    end: Place
    reached: bool = False
    waits: bool = False
    resync: str | None = None


def cursor(operation: Operation, at: Place) -> str:
    """The cursor of a place in the feed."""
    return paging.cursor(operation, _SCOPE, (at.position, at.began))


def place(operation: Operation, text: str) -> Place:
    """The place of a cursor. Raises Refusal when it is forged or another viewer's."""
    return Place(*paging.position(operation, _SCOPE, text, tuple[int, int]))


def at_head(position: int) -> Place:
    """The place of somebody who knows everything up to `position`."""
    return Place(position, position)


def state(conn: Connection, viewer: str) -> tuple[int, datetime | None]:
    """The head, and when the oldest row behind the horizon was written."""
    head = feed.head(conn, viewer)
    rows = _oldest.rows(conn, viewer=viewer, horizon=head.horizon)
    return head.position, rows[0].at if rows else None


@Prepared
def _oldest() -> sa.Select[Any]:
    f = feed_table.c
    return select(f.at).where(f.viewer_id == VIEWER, f.position > sa.bindparam("horizon")).order_by(f.position).limit(1)


def take(conn: Connection, viewer: str, at: Place | None, size: int, where: ChangeFilter, coalesce: bool) -> Taken:
    """At most `size` rows after `at`, from nothing when None."""
    head = feed.head(conn, viewer)
    at = at or Place(0, head.position)
    if at.began < head.horizon:
        return Taken(end=Place(0, head.position), resync="CURSOR_TOO_OLD")
    if max(at.began, at.position) > head.position:
        # positions only grow: this one was given by a database that is no longer there
        return Taken(end=Place(0, head.position), resync="RESTORED")
    reach = _reach(conn, viewer, at, head.position, where.stream_id)
    kept: list[tuple[Place, feed.Change]] = []
    position, reached = at.position, at.position >= reach.position  # mostly: whoever follows looks often
    for _ in range(0 if reached else ROUNDS):
        wanted = size - len(kept)
        rows = feed.read(
            conn, viewer, position, wanted, began=at.began, coalesce=coalesce, kinds=where.kinds, account_ids=where.account_ids,
            until=reach.position, stream=reach.stream,
        )  # fmt: skip
        shown = _in_window(conn, viewer, rows, where.messages_after)
        kept += [(Place(row.position, max(at.began, row.position)), row) for row in shown]
        reached = len(rows) < wanted
        if rows:
            position = rows[-1].position
        if reached or len(kept) >= size:
            break
    if reached:
        position = max(position, reach.position)
    return Taken(rows=tuple(kept), end=Place(position, max(at.began, position)), reached=reached, waits=reach.waits)


class _Reach(NamedTuple):
    """How far the feed can be read, whether there is more that cannot be read yet, and of which stream at which revision."""

    position: int
    waits: bool = False
    stream: tuple[str, int] | None = None


def _reach(conn: Connection, viewer: str, at: Place, head: int, stream_id: str | None) -> _Reach:
    """Up to the head; of a stream up to where activities have been matched, and from before its rule was made only once what was
    stored then has been: so nothing is passed by of which it is not known yet whether it meets the rule. Raises Refusal.
    """
    if stream_id is None:
        return _Reach(head)
    found = streams.get(conn, viewer, stream_id)
    if found is None:
        raise Refusal("UNKNOWN_NODE", "there is no such stream; read the list of streams again")
    position, behind = streams.reach(conn, viewer, head)
    replaying = found.enabled and found.replayed_at is None and at.position < found.since
    return _Reach(at.position if replaying else position, replaying or (behind and found.enabled), (found.id, found.revision))


def _in_window(conn: Connection, viewer: str, rows: list[feed.Change], since: datetime | None) -> list[feed.Change]:
    """Without messages and activities older than the client's window; their deletions pass."""
    hidden: set[str] = set()
    for kind, moment in (("MESSAGE", message.c.sent_at), ("ACTIVITY", activity.c.occurred_at)):
        ids = [row.node_id for row in rows if row.kind == kind and row.op == "UPSERT"] if since is not None else []
        if ids:
            mine = moment.table.c
            old = select(mine.id).where(mine.viewer_id == viewer, mine.id.in_(ids), moment < since)
            hidden.update(conn.execute(old).scalars())
    return [row for row in rows if row.node_id not in hidden or row.op != "UPSERT"]


async def page(
    operation: Operation, since: str | None, after: str | None, size: int, where: ChangeFilter, *, coalesce: bool = True
) -> ChangeListing:
    """Changes, oldest first; the later of `since` and `after` counts, without both the page begins to fill an empty store."""
    places = [place(operation, text) for text in (since, after) if text is not None]
    at = max(places, key=lambda p: p.position, default=None)
    taken = await operation.read(take, at, size, where, coalesce)
    if taken.resync is not None:
        changes: list[Change] = [_resync(operation, taken)]
    else:
        changes = [shown(operation, where_it_is, row) for where_it_is, row in taken.rows]
        last = taken.rows[-1][0].position if taken.rows else (-1 if at is None else at.position)
        if taken.end.position > last:
            changes.append(_advanced(operation, taken.end))
    edges = [Edge(change.cursor, change) for change in changes]

    async def count() -> int | None:
        """What is still to come; the window of messages is looked at page by page, so nobody can tell with one."""
        if taken.resync is not None or where.messages_after is not None or where.stream_id is not None:
            return None
        return await operation.read(_count, at, where, coalesce)

    return ChangeListing(
        edges=edges,
        page_info=PageInfo(
            has_next_page=not taken.reached,
            has_previous_page=at is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
        count=count,
        up_to_date=taken.reached and not taken.waits,
    )


def _count(conn: Connection, viewer: str, at: Place | None, where: ChangeFilter, coalesce: bool) -> int:
    at = at or Place(0, feed.head(conn, viewer).position)
    return feed.count(
        conn, viewer, at.position, began=at.began, coalesce=coalesce, kinds=where.kinds, account_ids=where.account_ids
    )


async def follow(operation: Operation, since: str | None, where: ChangeFilter) -> AsyncIterator[Change]:
    """Changes as they happen, after the last event an EventSource saw, else after `since`, else from now.

    An EventSource that reconnects asks the same address with the same `since` again: what it saw last is the later place.

    Ends when the credential is revoked, and after ResyncRequired. Each event begins with fresh loaders.
    """
    start = operation.last_event_id or since
    at = place(operation, start) if start else at_head((await operation.read(state))[0])
    told = operation.now()
    watched = told - WATCH
    while await operation.alive():
        if operation.now() - watched >= WATCH:
            watched = operation.now()
            looked = operation.services.watched.get(operation.viewer)
            if looked is None or watched - looked >= WATCH:  # one of those who follow does it for all of them
                operation.services.watched[operation.viewer] = watched
                operation.renew()
                await sources.watch(operation, WATCH)
                operation.close()  # the accounts are not kept until something changes
        taken = await _look(operation, at, where)
        if taken.resync is not None:
            operation.renew()
            yield _resync(operation, taken)
            return
        last = at.position
        for at, row in taken.rows:
            operation.renew()
            yield shown(operation, at, row)
            last, told = at.position, operation.now()
        at = taken.end
        if at.position > last or operation.now() - told >= HEARTBEAT:
            operation.renew()
            yield _advanced(operation, at)
            told = operation.now()
        if taken.reached:
            await wait(operation, ALIVE_SECONDS)


async def _look(operation: Operation, at: Place, where: ChangeFilter) -> Taken:
    """What there is after `at` now. Who follows the same feed from the same place looks together: one read does for all of them.

    A read that had begun before a change was written gives nothing of it; who joined it looks again, as its reader does, since a commit
    wakes twice (wake.py).
    """
    looks = operation.services.looks
    key = (operation.viewer, at, where)
    look: asyncio.Task[Taken] | None = looks.get(key)
    if look is None:

        def over(done: asyncio.Task[Taken]) -> None:
            del looks[key]
            if not done.cancelled():
                done.exception()  # each of those who wait is told, if there is one left

        look = looks[key] = asyncio.ensure_future(operation.read(take, at, STREAM_PAGE, where, False))
        look.add_done_callback(over)
    return await asyncio.shield(look)


async def wait(operation: Operation, seconds: float) -> None:
    """Until something may have changed for the viewer, at most so long."""
    wake = operation.services.wake
    if wake is None:
        await operation.services.clock.sleep(seconds)
    else:
        await wake.wait(operation.viewer, seconds)


def shown(operation: Operation, at: Place, row: feed.Change) -> Change:
    """The entry of a row."""
    common = {
        "cursor": cursor(operation, at),
        "occurred_at": row.at or operation.now(),
        "origin": row.origin,
        "account_id": row.account_id,
        "idempotency_key": row.idempotency_key,
    }
    if row.op == "DELETE":
        return msgspec.convert(
            {
                **common,
                "node_id": row.node_id,
                "node_kind": row.kind,
                "parent_id": row.parent_id,
                "reason": row.reason or "DELETED",
            },
            NodeDeleted,
        )
    if row.op == "MERGE":
        return msgspec.convert(
            {**common, "node_kind": row.kind, "survivor_id": row.node_id, "absorbed_ids": row.names, "merge_id": row.reason},
            NodesMerged,
        )
    if row.op == "SPLIT":
        return msgspec.convert(
            {**common, "node_kind": row.kind, "origin_id": row.node_id, "part_ids": row.names, "merge_id": row.reason}, NodeSplit
        )
    if row.op == "SETTLE":
        settled = {"write_id": row.node_id, "mutation": row.fields[0], "state": row.reason, "node_ids": row.names}
        return msgspec.convert({**common, **settled}, WriteSettled)
    return msgspec.convert(
        {
            **common,
            "node_id": row.node_id,
            "node_kind": row.kind,
            "node_version": row.node_version or 0,
            "created": row.created,
            "changed_fields": row.fields,
        },
        NodeUpserted,
    )


def _resync(operation: Operation, taken: Taken) -> ResyncRequired:
    return ResyncRequired(
        cursor=cursor(operation, taken.end), occurred_at=operation.now(), cause=taken.resync or "CURSOR_TOO_OLD"
    )


def _advanced(operation: Operation, at: Place) -> FeedAdvanced:
    return FeedAdvanced(cursor=cursor(operation, at), occurred_at=operation.now())
