"""Saved rules over activities, what met them, and how far the feed has been matched: rows, and what may be written together.

What met a rule is kept by stream and revision: another rule is another revision, whose matches begin from nothing while those of the
former are erased behind it. `stream_reader` is one place in the feed for all streams of a viewer: everything up to it has been matched,
and its matches were written in the transaction that moved it. What was there before a revision is its replay's, which walks
through the stored activities from the latest back. Both are written only by whoever still stands where they are (`settle`,
`replayed`), so that two who believe to hold the job do not mix. Knows no rule.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store import leases
from store.among import among, asked
from store.feed import DELIVERY_JOB, STREAM_JOB
from store.rows import insert
from store.tables import activity, feed, stream, stream_match, stream_past, stream_reader, webhook
from store.upserts import insert_into

MAX_STREAMS: Final = 1_000
ERASED_AT_ONCE: Final = 2_000  # matches
PASTS_AT_ONCE: Final = 50
_MET: Final = select(stream_match.c.stream_id, stream_match.c.revision, stream_match.c.activity_id, stream_match.c.ended).where(
    among(stream_match.c.activity_id)
)  # fmt: skip
#: What names in a rule stand for.
read_circles: Final = msgspec.msgpack.Decoder(dict[str, str]).decode
_END: Final = sa.update(stream_match).where(among(stream_match.c.activity_id)).values(ended=sa.true())


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A saved rule. The replay of its `revision` has looked at `replayed` of `replay_total` activities, down to (`replay_at`,
    `replay_id`), and was done at `replayed_at`.
    """

    id: str
    name: str
    rule: str
    circles: dict[str, str] = {}  # names in the rule, as they are written there → circles that they stood for when it was saved
    enabled: bool
    revision: int
    since: int
    replayed: int
    replay_total: int
    replay_at: datetime | None
    replay_id: str | None
    replayed_at: datetime | None
    created_at: datetime
    version: int


class Reader(NamedTuple):
    """Up to which position activities were matched, and by which state of the rules and circles."""

    position: int
    rules: int
    circles_at: int = 0  # up to where it is known who is of the circles that rules name


class Match(NamedTuple):
    """An activity that meets a rule."""

    stream_id: str
    revision: int
    activity_id: str
    occurred_at: datetime


# --- streams --------------------------------------------------------------------------------------------------------------


def listed(conn: Connection, viewer: str) -> list[Stream]:
    """All streams, oldest first."""
    rows = conn.execute(select(stream).where(stream.c.viewer_id == viewer).order_by(stream.c.created_at, stream.c.id))
    return [of_row(row) for row in rows]


def by_id(conn: Connection, viewer: str, stream_ids: Sequence[str]) -> dict[str, Stream]:
    rows = conn.execute(select(stream).where(stream.c.viewer_id == viewer, stream.c.id.in_(stream_ids)))
    return {row.id: of_row(row) for row in rows}


def waiting(conn: Connection, viewer: str) -> list[Stream]:
    """Those whose replay is not done."""
    s = stream.c
    return [of_row(r) for r in conn.execute(select(stream).where(s.viewer_id == viewer, s.enabled, s.replayed_at.is_(None)))]


def wanted(conn: Connection, viewer: str) -> bool:
    """Whether there is a stream that is on."""
    s = stream.c
    return conn.execute(select(s.id).where(s.viewer_id == viewer, s.enabled).limit(1)).first() is not None


def get(conn: Connection, viewer: str, stream_id: str) -> Stream | None:
    return by_id(conn, viewer, [stream_id]).get(stream_id)


def count(conn: Connection, viewer: str) -> int:
    """How many streams there are."""
    return int(conn.execute(select(sa.func.count()).select_from(stream).where(stream.c.viewer_id == viewer)).scalar_one())


def add(conn: Connection, viewer: str, new: Stream) -> None:
    """Write a new stream."""
    conn.execute(stream.insert().values(viewer_id=viewer, **{**msgspec.structs.asdict(new), "circles": bound(new.circles)}))


def bound(circles: Mapping[str, str]) -> bytes | None:
    """Names and circles as they are stored."""
    return msgspec.msgpack.encode(circles) if circles else None


def change(conn: Connection, viewer: str, stream_id: str, **values: Any) -> None:
    """Change columns."""
    conn.execute(sa.update(stream).where(stream.c.viewer_id == viewer, stream.c.id == stream_id).values(**values))


def drop(conn: Connection, viewer: str, gone: Stream) -> None:
    """Forget a stream; what met it is erased by the job."""
    conn.execute(sa.delete(stream).where(stream.c.viewer_id == viewer, stream.c.id == gone.id))
    put_past(conn, viewer, gone)


def put_past(conn: Connection, viewer: str, former: Stream) -> None:
    """Have what met a revision erased."""
    conn.execute(stream_past.insert().values(viewer_id=viewer, stream_id=former.id, revision=former.revision))


def begin(conn: Connection, viewer: str, stream_id: str, since: int, now: datetime) -> None:
    """Have a stream, whose revision is new, matched: what arrives after `since` as it does, what is stored by a replay."""
    total = conn.execute(select(sa.func.count()).select_from(activity).where(activity.c.viewer_id == viewer)).scalar_one()
    change(conn, viewer, stream_id, since=since, replayed=0, replay_total=total, replay_at=None, replay_id=None, replayed_at=None)
    known = reader(conn, viewer)
    others = select(stream.c.id).where(stream.c.viewer_id == viewer, stream.c.enabled, stream.c.id != stream_id).limit(1)
    if known is None:
        conn.execute(stream_reader.insert().values(viewer_id=viewer, position=since, rules=0))
    elif conn.execute(others).first() is None:
        # nobody has been reading: what came meanwhile is the replay's
        conn.execute(sa.update(stream_reader).where(stream_reader.c.viewer_id == viewer).values(position=since))
    wake(conn, viewer, now)


def restart(conn: Connection, viewer: str, since: int, now: datetime) -> None:
    """Have every stream that is on matched anew: the feed does not reach back to where they were left."""
    for one in listed(conn, viewer):
        if not one.enabled:
            continue
        put_past(conn, viewer, one)
        change(conn, viewer, one.id, revision=one.revision + 1, version=one.version + 1)
        begin(conn, viewer, one.id, since, now)
    conn.execute(sa.update(stream_reader).where(stream_reader.c.viewer_id == viewer).values(position=since))
    moved(conn, viewer)


def moved(conn: Connection, viewer: str) -> None:
    """The rules are others than before."""
    mine = sa.update(stream_reader).where(stream_reader.c.viewer_id == viewer)
    conn.execute(mine.values(rules=stream_reader.c.rules + 1))


def wake(conn: Connection, viewer: str, now: datetime) -> None:
    """Have the job look."""
    leases.enqueue(conn, viewer, STREAM_JOB, viewer, now)


def reader(conn: Connection, viewer: str) -> Reader | None:
    """Where the matching stands; None while there never was a stream."""
    r = stream_reader.c
    row = conn.execute(select(r.position, r.rules, r.circles_at).where(r.viewer_id == viewer)).one_or_none()
    return None if row is None else Reader(row.position, row.rules, row.circles_at)


def reach(conn: Connection, viewer: str, head: int) -> tuple[int, bool]:
    """Up to where the feed has been matched: the head unless activities wait, and whether some do."""
    known = reader(conn, viewer)
    if known is None or known.position >= head:
        return head, False
    f = feed.c
    waiting = select(f.position).where(
        f.viewer_id == viewer, f.kind == "ACTIVITY", f.position > known.position, f.position <= head
    )
    return (head, False) if conn.execute(waiting.limit(1)).first() is None else (known.position, True)


# --- what met them --------------------------------------------------------------------------------------------------------


def settle(
    conn: Connection,
    viewer: str,
    seen: Reader,
    end: Reader,
    met: Sequence[Match],
    looked_at: Collection[str],
    gone: Collection[str],
    revisions: Mapping[str, int],
    now: datetime,
) -> bool:
    """Write what the activities that were looked at meet of the streams at `revisions`, and move on to `end`. What they met
    before and do no more has ended, and what met anything and is gone. False, and nothing written, when somebody else has moved
    or changed a rule since `seen`.
    """
    if reader(conn, viewer) != seen:
        return False
    ended = {row.stream_id for row in conn.execute(_MET, asked(viewer, gone))} if gone else set()
    if ended:
        conn.execute(_END, asked(viewer, gone))
    concerned, _ = put_met(conn, viewer, met, looked_at, revisions)
    mine = sa.update(stream_reader).where(stream_reader.c.viewer_id == viewer)
    conn.execute(mine.values(position=end.position, circles_at=end.circles_at))
    leases.got_on(conn, viewer, STREAM_JOB, viewer)
    _wake_receivers(conn, viewer, ended | concerned, now)
    return True


def put_met(
    conn: Connection, viewer: str, met: Sequence[Match], looked_at: Collection[str], revisions: Mapping[str, int]
) -> tuple[set[str], set[str]]:
    """Write what the activities that were looked at meet of the streams at `revisions`, and end what they no longer do: the streams that
    this concerns, or did before, and the activities of which another stream is said than before.
    """
    now_met = {(one.stream_id, one.activity_id) for one in met}
    known = [row for row in conn.execute(_MET, asked(viewer, looked_at)) if revisions.get(row.stream_id) == row.revision]
    there = {(row.stream_id, row.activity_id) for row in known if not row.ended}
    _put(conn, viewer, [one for one in met if (one.stream_id, one.activity_id) not in there])
    for stream_id, activity_id in sorted(there - now_met):
        m = stream_match.c
        this = (m.viewer_id == viewer, m.stream_id == stream_id, m.revision == revisions[stream_id], m.activity_id == activity_id)
        conn.execute(sa.update(stream_match).where(*this).values(ended=True))
    concerned = {row.stream_id for row in known} | {one.stream_id for one in met}
    return concerned, {activity_id for _, activity_id in there ^ now_met}


def replayed(
    conn: Connection, viewer: str, seen: Reader, group: Sequence[Stream], met: Sequence[Match], last: tuple[datetime, str] | None,
    looked_at: int, now: datetime,
) -> bool:  # fmt: skip
    """Write what a stretch of stored activities meets, down to `last`, None at the end. False as `settle`."""
    if reader(conn, viewer) != seen:
        return False
    # whoever waits at this place is of the group: the rules are still those of `seen`
    place = group[0].replay_id
    at = stream.c.replay_id.is_(None) if place is None else stream.c.replay_id == place
    same = (stream.c.viewer_id == viewer, stream.c.enabled, stream.c.replayed_at.is_(None), at)
    values: dict[str, Any] = {"replayed": stream.c.replayed + looked_at}
    if last is None:
        values |= {"replayed_at": now, "version": stream.c.version + 1, "replay_total": stream.c.replayed + looked_at}
    else:
        values |= {"replay_at": last[0], "replay_id": last[1]}
    if conn.execute(sa.update(stream).where(*same).values(**values)).rowcount != len(group):
        return False
    _put(conn, viewer, met)
    leases.got_on(conn, viewer, STREAM_JOB, viewer)
    if last is None:
        _wake_receivers(conn, viewer, {one.id for one in group}, now)
    return True


def erase_past(conn: Connection, viewer: str) -> bool:
    """Erase some of what met former revisions. Returns whether there was something."""
    past = conn.execute(select(stream_past).where(stream_past.c.viewer_id == viewer).limit(PASTS_AT_ONCE)).all()
    left = ERASED_AT_ONCE
    m, p = stream_match.c, stream_past.c
    for one in past:
        old = (m.viewer_id == viewer, m.stream_id == one.stream_id, m.revision == one.revision)
        some = conn.execute(select(m.activity_id).where(*old).limit(left)).scalars().all()
        for n in range(0, len(some), 500):
            conn.execute(sa.delete(stream_match).where(*old, m.activity_id.in_(some[n : n + 500])))
        left -= len(some)
        if left == 0:
            break  # there may be more of this one
        whole = (p.viewer_id == viewer, p.stream_id == one.stream_id, p.revision == one.revision)
        conn.execute(sa.delete(stream_past).where(*whole))
    return bool(past)


def forget_ended(conn: Connection, viewer: str, before: datetime) -> None:
    """Drop what ended because its activity is gone, and is so old that no reader of the feed hears of it any more."""
    m = stream_match.c
    there = select(sa.literal(1)).where(activity.c.viewer_id == m.viewer_id, activity.c.id == m.activity_id).exists()
    conn.execute(sa.delete(stream_match).where(m.viewer_id == viewer, m.ended, m.occurred_at < before, ~there))


def holds(stream_id: str, of: Any, *, ended: bool = False) -> sa.ColumnElement[bool]:
    """The condition that an activity (its id column) meets a stream, or with `ended` that it once did."""
    m = stream_match.c
    owner = of.table.c
    query = (
        select(sa.literal(1))
        .select_from(stream_match.join(stream, sa.and_(stream.c.viewer_id == m.viewer_id, stream.c.id == m.stream_id)))
        .where(m.viewer_id == owner.viewer_id, m.stream_id == stream_id, m.revision == stream.c.revision, m.activity_id == of)
    )
    return (query if ended else query.where(sa.not_(m.ended))).exists()


def _put(conn: Connection, viewer: str, met: Iterable[Match]) -> None:
    rows = [
        {"viewer_id": viewer, "stream_id": one.stream_id, "revision": one.revision, "activity_id": one.activity_id,
         "occurred_at": one.occurred_at, "ended": False}
        for one in met
    ]  # fmt: skip
    insert(conn, _put_statement(conn.dialect.name), rows)


@cache
def _put_statement(dialect: str) -> sa.Insert:
    statement = insert_into(stream_match, dialect)
    whole: sa.Insert = statement.on_conflict_do_update(
        index_elements=["viewer_id", "stream_id", "revision", "activity_id"],
        set_={name: statement.excluded[name] for name in ("occurred_at", "ended")},
    )
    return whole


def _wake_receivers(conn: Connection, viewer: str, stream_ids: Collection[str], now: datetime) -> None:
    """Have what met streams delivered to the webhooks that want it, in the same transaction, as store/feed.py does for all others."""
    w = webhook.c
    ready = select(w.id).where(
        w.viewer_id == viewer, w.stream_id.is_not(None), w.health != "DISABLED", w.retry_at.is_(None)
    ).add_columns(w.stream_id).order_by(w.id)  # fmt: skip
    for row in conn.execute(ready).all():
        if row.stream_id in stream_ids:
            leases.enqueue(conn, viewer, DELIVERY_JOB, row.id, now)


def of_row(row: Any) -> Stream:
    """The stream of a row."""
    values = {name: getattr(row, name) for name in Stream.__struct_fields__}
    return Stream(**{**values, "circles": read_circles(row.circles) if row.circles else {}})
