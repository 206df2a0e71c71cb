"""The change feed: a gapless order of what changed for a viewer, from which every reader resumes.

A row is (position, op, node, at), never content. Positions are taken under the viewer's head row, last in the
transaction: `Recorder` collects what a transaction touches and `flush` writes it just before commit, so that no late
commit can hide behind a later position and two accounts do not wait for each other longer than that. Rows stay
`TOMBSTONE_DAYS`; an older cursor has to start afresh.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import BigInteger, Connection, Text, select

from store import leases
from store.among import VIEWER
from store.prepared import Prepared
from store.rows import insert
from store.tables import feed, feed_head, microseconds, stream, stream_match, told_again, unplaced, untallied, webhook

TOMBSTONE_DAYS: Final = 90
_ADVANCE: Final = (
    sa.update(feed_head).where(feed_head.c.viewer_id == VIEWER).values(position=feed_head.c.position + sa.bindparam("count"))
    .returning(feed_head.c.position)
)  # fmt: skip
_BIRTH: Final = (
    sa.update(feed_head).where(feed_head.c.viewer_id == VIEWER).values(born=feed_head.c.born + sa.bindparam("count"))
    .returning(feed_head.c.born)
)  # fmt: skip
_RULED: Final = select(stream.c.id).where(stream.c.viewer_id == VIEWER, stream.c.enabled)
_READY: Final = (  # what a stream's receiver is sent is known once it has been matched (store/streams.py)
    select(webhook.c.id)
    .where(webhook.c.viewer_id == VIEWER, webhook.c.health != "DISABLED", webhook.c.retry_at.is_(None), webhook.c.stream_id.is_(None))
    .order_by(webhook.c.id)
)  # fmt: skip
_MARKED: Final = sa.or_(
    *(select(table.c.viewer_id).where(table.c.viewer_id == VIEWER).exists() for table in (untallied, unplaced))
)
_WAITING: Final = select(  # in one look, whenever something is written
    _READY.order_by(None).exists().label("receivers"), _RULED.exists().label("rules"), _MARKED.label("marks")
)
# on PostgreSQL in the statement that writes the rows, which saves a round trip; they come as one value, JSON
_TYPES: Final = {
    column.name: BigInteger() if column is feed.c.at else column.type for column in feed.c if column is not feed.c.viewer_id
}
_ROWS: Final = (
    sa.func.json_to_recordset(sa.cast(sa.bindparam("rows", type_=Text), sa.JSON))
    .table_valued(*(sa.column(name, kind) for name, kind in _TYPES.items()), name="row")
    .render_derived(with_types=True)
)
_PUT: Final = feed.insert().from_select([*_TYPES, "viewer_id"], select(*_ROWS.c, VIEWER)).cte("put")
_PUT_AND_LOOK: Final = _WAITING.add_cte(_PUT)
DELIVERY_JOB: Final = "webhook"  # the kind of the job that sends rows to a webhook
_MATCHED: Final = ("ACTIVITY", "CIRCLE")
_MOVING: Final = ("MERGE", "SPLIT")  # of people, into circles that rules name and out of them
STREAM_JOB: Final = "streams"  # the kind of the job that matches activities with streams
TALLY_JOB: Final = "tally"  # the kind of the job that counts what was exchanged with whom
TALLIED: Final = timedelta(seconds=5)  # how long it waits for more
_EXCHANGED: Final = frozenset({"MESSAGE", "CONTACT", "CONVERSATION", "PERSON"})  # what may have left marks for it
Op = Literal["UPSERT", "DELETE", "MERGE", "SPLIT", "SETTLE"]
NodeKind = Literal[
    "ACCOUNT", "PERSON", "CONTACT", "CONVERSATION", "MESSAGE", "ACTIVITY", "OWN_ADDRESS", "API_KEY", "IMPORT", "WEBHOOK", "LABEL", "STREAM",
    "MERGE", "MERGE_SUGGESTION", "NOTE", "REMINDER", "TAG", "CIRCLE", "MEETING",
]  # fmt: skip
Origin = Literal["PROVIDER", "CLIENT", "IDENTITY", "SYSTEM"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the feed. `names` are the absorbed people of a MERGE, the parts of a SPLIT, the nodes of a write that SETTLEd.

    Of a SETTLE `node_id` is the write, `reason` its end and `fields` the name of its mutation. Of a MERGE or SPLIT of people `reason`
    is the id of the decision.
    """

    position: int = 0
    op: Op
    kind: NodeKind
    node_id: str
    names: tuple[str, ...] = ()
    node_version: int | None = None
    created: bool = False
    fields: tuple[str, ...] = ()
    parent_id: str | None = None
    reason: str | None = None
    origin: Origin = "PROVIDER"
    account_id: str | None = None
    idempotency_key: str | None = None
    at: datetime | None = None


class Head(msgspec.Struct, frozen=True):
    """The last position written, and the last one that was cut off."""

    position: int
    horizon: int


class Recorder:
    """What one transaction changes. Upserts of one node are joined; the order of everything else is kept."""

    def __init__(
        self, now: datetime, *, origin: Origin = "PROVIDER", account_id: str | None = None, key: str | None = None
    ) -> None:
        self._now = now
        self._origin: Origin = origin
        self._account_id = account_id
        self._key = key
        self._changes: list[Change] = []
        self._upserts: dict[str, int] = {}

    def upsert(self, kind: NodeKind, node_id: str, version: int, *, created: bool = False, fields: Iterable[str] = ()) -> None:
        """The node was made or changed; `fields` are schema names, empty when all may have changed."""
        names = tuple(sorted(fields))
        at = self._upserts.get(node_id)
        if at is not None:
            old = self._changes[at]
            joined = () if not old.fields or not names else tuple(sorted({*old.fields, *names}))
            self._changes[at] = msgspec.structs.replace(
                old, node_version=max(version, old.node_version or 0), created=old.created or created, fields=joined
            )
            return
        self._upserts[node_id] = len(self._changes)
        self._changes.append(  # one for every row of a first sync
            Change(
                op="UPSERT", kind=kind, node_id=node_id, node_version=version, created=created, fields=names, origin=self._origin,
                account_id=self._account_id, idempotency_key=self._key, at=self._now,
            )
        )  # fmt: skip

    def delete(self, kind: NodeKind, node_id: str, *, parent_id: str | None = None, reason: str = "DELETED") -> None:
        self._upserts.pop(node_id, None)
        self._add(Change(op="DELETE", kind=kind, node_id=node_id, parent_id=parent_id, reason=reason))

    def merge(self, kind: NodeKind, survivor_id: str, absorbed: Sequence[str], *, decision_id: str | None = None) -> None:
        """References to `absorbed` lead to the survivor from here on; an upsert of the survivor has to follow."""
        for node_id in (survivor_id, *absorbed):
            self._upserts.pop(node_id, None)
        self._add(Change(op="MERGE", kind=kind, node_id=survivor_id, names=tuple(absorbed), reason=decision_id))

    def split(self, kind: NodeKind, origin_id: str, parts: Sequence[str], *, decision_id: str | None = None) -> None:
        """`parts` (the origin among them) live on their own again; their upserts have to follow."""
        for node_id in parts:
            self._upserts.pop(node_id, None)
        self._add(Change(op="SPLIT", kind=kind, node_id=origin_id, names=tuple(parts), reason=decision_id))

    def settle(
        self, kind: NodeKind, write_id: str, node_ids: Sequence[str], state: str, mutation: str, *, key: str | None
    ) -> None:
        """A write to a network has ended; `key` is that of the mutation that asked for it."""
        self._add(
            Change(op="SETTLE", kind=kind, node_id=write_id, names=tuple(node_ids), reason=state, fields=(mutation,)), key=key
        )

    def flush(self, conn: Connection, viewer: str) -> int | None:
        """Write the rows; the last statement before commit. Returns the last position, None when nothing changed."""
        if not self._changes:
            return None
        count = len(self._changes)
        last = advance(conn, viewer, count)
        waiting = _write(
            conn,
            viewer,
            [
                {
                    "viewer_id": viewer,
                    "position": last - count + 1 + n,
                    "op": c.op,
                    "kind": c.kind,
                    "node_id": c.node_id,
                    "names": " ".join(c.names) or None,
                    "node_version": c.node_version,
                    "created": c.created,
                    "fields": " ".join(c.fields),
                    "parent_id": c.parent_id,
                    "reason": c.reason,
                    "origin": c.origin,
                    "account_id": c.account_id,
                    "idempotency_key": c.idempotency_key,
                    "at": c.at,
                }
                for n, c in enumerate(self._changes)
            ],
        )
        if waiting.receivers:
            _wake_receivers(conn, viewer, self._now)
        if waiting.rules and any(c.kind in _MATCHED or c.op in _MOVING for c in self._changes):
            _wake_streams(conn, viewer, self._now)
        if waiting.marks and not _EXCHANGED.isdisjoint(c.kind for c in self._changes):
            _wake_tally(conn, viewer, self._now)
        self._changes, self._upserts = [], {}
        return last

    def _add(self, change: Change, key: str | None = None) -> None:
        self._changes.append(
            msgspec.structs.replace(
                change, origin=self._origin, account_id=self._account_id, idempotency_key=key or self._key, at=self._now
            )
        )


def _write(conn: Connection, viewer: str, rows: list[dict[str, Any]]) -> Any:
    """Write rows, and `look`."""
    if conn.dialect.name != "postgresql":
        insert(conn, feed, rows)
        return look(conn, viewer)
    told = [{**row, "at": microseconds(row["at"])} for row in rows]
    return conn.execute(_PUT_AND_LOOK, {"viewer": viewer, "rows": msgspec.json.encode(told).decode()}).one()


def look(conn: Connection, viewer: str) -> Any:
    """Who may be woken by what is written: whether there are `receivers` to deliver to, `rules` to match with, and `marks` to count; one
    statement."""
    return conn.execute(_WAITING, {"viewer": viewer}).one()


def _wake_receivers(conn: Connection, viewer: str, now: datetime) -> None:
    """Have what was written delivered, in the same transaction: nobody looks again and again. Not where a receiver is off, or is
    being waited for after a failure: that job is due by itself.
    """
    for webhook_id in conn.execute(_READY, {"viewer": viewer}).scalars().all():
        leases.enqueue(conn, viewer, DELIVERY_JOB, webhook_id, now)


def _wake_streams(conn: Connection, viewer: str, now: datetime) -> None:
    """Have new activities matched, or old ones with who is of a circle by now."""
    leases.enqueue(conn, viewer, STREAM_JOB, viewer, now)


def _wake_tally(conn: Connection, viewer: str, now: datetime) -> None:
    """Have counted and placed again what was marked to be (resolvers/ingest/tallies.py, places.py); what arrives together is counted
    together."""
    leases.enqueue(conn, viewer, TALLY_JOB, viewer, now, due=now + TALLIED)


def begin(conn: Connection, viewer: str) -> None:
    """Make the viewer's head row; once, when the viewer is made."""
    conn.execute(feed_head.insert().values(viewer_id=viewer, position=0, horizon=0, born=0))


def advance(conn: Connection, viewer: str, count: int) -> int:
    """Take `count` positions under the viewer's row lock; the last one is returned."""
    row = conn.execute(_ADVANCE, {"viewer": viewer, "count": count}).one()
    return int(row.position)


def birth(conn: Connection, viewer: str, count: int) -> int:
    """Reserve `count` numbers of arrival for new contacts; the first one is returned. Takes the viewer's row lock."""
    row = conn.execute(_BIRTH, {"viewer": viewer, "count": count}).one()
    return int(row.born) - count + 1


def head(conn: Connection, viewer: str) -> Head:
    rows = _head.rows(conn, viewer=viewer)
    return Head(rows[0].position, rows[0].horizon) if rows else Head(0, 0)


@Prepared
def _head() -> sa.Select[Any]:
    return select(feed_head.c.position, feed_head.c.horizon).where(feed_head.c.viewer_id == VIEWER)


def read(
    conn: Connection,
    viewer: str,
    after: int,
    limit: int,
    *,
    began: int = 0,
    coalesce: bool = False,
    kinds: Sequence[str] | None = None,
    account_ids: Sequence[str] | None = None,
    until: int | None = None,
    stream: tuple[str, int] | None = None,
) -> list[Change]:
    """At most `limit` rows after a position, in order, none behind `until`; of a `stream` (id, revision) what meets it or once did.

    With `began` > `after` this is a fill from nothing: only the last upsert of each node, and of the other rows only those
    younger than `began`. With `coalesce` an upsert that has a later row of the same node is left out; other rows never
    are, since they name several nodes.
    """
    query = _after(viewer, after, began, coalesce, kinds, account_ids).order_by(feed.c.position).limit(limit)
    if until is not None:
        query = query.where(feed.c.position <= until)
    if stream is not None:
        query = query.where(_of_stream(viewer, *stream, began))
    return [
        Change(
            position=r.position,
            op=r.op,
            kind=r.kind,
            node_id=r.node_id,
            names=tuple(r.names.split()) if r.names else (),
            node_version=r.node_version,
            created=r.created,
            fields=tuple(r.fields.split()),
            parent_id=r.parent_id,
            reason=r.reason,
            origin=r.origin,
            account_id=r.account_id,
            idempotency_key=r.idempotency_key,
            at=r.at,
        )
        for r in conn.execute(query)
    ]


def count(
    conn: Connection,
    viewer: str,
    after: int,
    *,
    began: int = 0,
    coalesce: bool = False,
    kinds: Sequence[str] | None = None,
    account_ids: Sequence[str] | None = None,
) -> int:
    """How many rows `read` would give without a limit."""
    rows = _after(viewer, after, began, coalesce, kinds, account_ids).subquery()
    return int(conn.execute(select(sa.func.count()).select_from(rows)).scalar_one())


def _after(
    viewer: str, after: int, began: int, coalesce: bool, kinds: Sequence[str] | None, account_ids: Sequence[str] | None
) -> sa.Select[Any]:
    later = feed.alias("later")
    last = ~(
        select(sa.literal(1))
        .where(later.c.viewer_id == viewer, later.c.node_id == feed.c.node_id, later.c.position > feed.c.position,
               told_again(later), later.c.op.in_(("UPSERT", "DELETE")))
        .exists()
    )  # fmt: skip
    query = select(feed).where(feed.c.viewer_id == viewer, feed.c.position > after)
    if after < began:
        query = query.where(sa.case((feed.c.op == "UPSERT", last), else_=feed.c.position > began))
    elif coalesce:
        query = query.where(sa.or_(feed.c.op != "UPSERT", last))
    if kinds is not None:
        query = query.where(feed.c.kind.in_(kinds))
    if account_ids is not None:
        query = query.where(sa.or_(feed.c.account_id.is_(None), feed.c.account_id.in_(account_ids)))
    return query


def _of_stream(viewer: str, stream_id: str, revision: int, began: int) -> sa.ColumnElement[bool]:
    """What concerns a stream: what meets it, and what no more does for those who may have it."""
    m = stream_match.c
    whole = (m.viewer_id == viewer, m.stream_id == stream_id, m.revision == revision, m.activity_id == feed.c.node_id)
    told = sa.or_(sa.not_(m.ended), feed.c.position > began)
    return sa.and_(feed.c.kind == "ACTIVITY", select(sa.literal(1)).where(*whole, told).correlate(feed).exists())


def oldest(conn: Connection, viewer: str) -> datetime | None:
    """When the oldest kept row was written."""
    at: datetime | None = conn.execute(
        select(feed.c.at).where(feed.c.viewer_id == viewer).order_by(feed.c.position).limit(1)
    ).scalar_one_or_none()
    return at


def compact(conn: Connection, viewer: str, before: datetime) -> int:
    """Drop what a reader of any younger cursor does not need: rows older than `before` that a later row of the same node
    replaces, and old deletions, merges and splits, whose positions move the horizon. Returns how many rows went."""
    later = feed.alias("later")
    old = sa.and_(feed.c.viewer_id == viewer, feed.c.at < before)
    replaced = (
        select(sa.literal(1))
        .where(
            later.c.viewer_id == viewer, later.c.node_id == feed.c.node_id, later.c.position > feed.c.position, told_again(later)
        )
        .exists()
    )
    tombstone = feed.c.op != "UPSERT"
    cut = conn.execute(select(sa.func.max(feed.c.position)).where(old, sa.or_(tombstone, replaced))).scalar_one_or_none()
    if cut is None:
        return 0
    gone = conn.execute(sa.delete(feed).where(old, sa.or_(tombstone, replaced))).rowcount
    conn.execute(sa.update(feed_head).where(feed_head.c.viewer_id == viewer).values(horizon=cut))
    return gone
