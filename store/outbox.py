"""The outbox: every write to a network is a row first, so that a crash between any two steps can be decided afterwards.

```
             begin            note(step)                    settle
   QUEUED ──────────► RUNNING ──────────► RUNNING + step ──────────► DONE · REFUSED
     │ ▲                 │ crash: again      │ crash, cut
     │ └──── postpone ───┘                   ▼
     │                                    CHECKING ── not taken ──► QUEUED
     ▼ cancel                                │ taken ──► DONE
   CANCELLED                                 ▼ nobody can say
                                          UNCONFIRMED ── a sync shows it ──► DONE · REFUSED
```

Whoever carries a write out notes a step before the first thing that must not happen twice. Found RUNNING without a step, nothing
can have happened: it is done again. With one it is in doubt, and the network is asked. `attempts` + `checks` grow each time a
write is taken up and fence off whoever took it up before. Writes of one lane are carried out one after the other; the lane of a
write that nothing has to wait for is its own id. Knows nothing of what a write means: its request belongs to its kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store import ids, leases
from store.feed import NodeKind, Recorder
from store.tables import account, outbox, outbox_node

State = Literal["QUEUED", "RUNNING", "CHECKING", "DONE", "REFUSED", "UNCONFIRMED", "CANCELLED"]
OPEN: Final = ("QUEUED", "RUNNING", "CHECKING")
SETTLED: Final = ("DONE", "REFUSED", "UNCONFIRMED", "CANCELLED")
#: The container of a message's place (message_source) while only this outbox has it.
CONTAINER: Final = "Outbox"
#: How long a settled write is told of: never shorter than its idempotency key is known (store/idempotency.py).
KEPT: Final = timedelta(days=30)
FORGOTTEN_AT_ONCE: Final = 500  # rows in one transaction
JOB: Final = "write"  # the leased job that carries out what an account has in the outbox
_mine = outbox.c
_UNSETTLED_AT: Final = (
    select(outbox)
    .where(_mine.viewer_id == sa.bindparam("viewer"), _mine.account_id == sa.bindparam("account"), _mine.kind == sa.bindparam("write_kind"),
           _mine.state.in_(OPEN))
    .order_by(_mine.position, _mine.id)
)  # fmt: skip


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Why a write waits, was refused or is in doubt. `code` is a UserErrorCode."""

    code: str
    message: str
    provider_code: str | None = None


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the outbox with the nodes that it changes, in the order in which they were named.

    `due` is the next moment to do something about it, `starts_at` the first one.
    """

    id: str
    account_id: str
    kind: str
    mutation: str
    idempotency_key: str | None
    request: bytes | None
    node_ids: tuple[str, ...]
    state: State
    step: bytes | None
    attempts: int
    checks: int
    due: datetime
    starts_at: datetime
    trouble: Trouble | None
    created_at: datetime
    doubted_at: datetime | None
    settled_at: datetime | None


def add(
    conn: Connection,
    viewer: str,
    *,
    account_id: str,
    kind: str,
    mutation: str,
    node_ids: Sequence[str],
    request: bytes,
    now: datetime,
    key: str | None = None,
    lane: str | None = None,
    starts_at: datetime | None = None,
) -> str:
    """Accept a write, in the transaction that shows its effect here; its id. It leaves at `starts_at`, now by default."""
    write_id = ids.mint("WRITE")
    start = starts_at or now
    last = select(sa.func.coalesce(sa.func.max(_mine.position), 0)).where(
        _mine.viewer_id == viewer, _mine.account_id == account_id
    )
    conn.execute(
        outbox.insert().values(
            viewer_id=viewer, id=write_id, account_id=account_id, kind=kind, mutation=mutation, idempotency_key=key,
            lane=lane or write_id, position=conn.execute(last).scalar_one() + 1, request=request, state="QUEUED",
            due=start, starts_at=start, created_at=now,
        )
    )  # fmt: skip
    rows = [
        {"viewer_id": viewer, "write_id": write_id, "node_id": node_id, "position": n}
        for n, node_id in enumerate(dict.fromkeys(node_ids))
    ]
    if rows:
        conn.execute(outbox_node.insert(), rows)
    leases.enqueue(conn, viewer, JOB, account_id, now, due=start)
    return write_id


def begin(conn: Connection, viewer: str, account_id: str, now: datetime) -> Write | None:
    """Take up the account's next write that is due, for whoever holds the account's job; None when none is.

    It comes back RUNNING (carry it out) or CHECKING (ask the network whether it took place).
    """
    row = conn.execute(
        select(_mine.id, _mine.state, _mine.step, _mine.attempts, _mine.checks, _mine.doubted_at)
        .where(_first_of_lanes(viewer, account_id), _mine.due <= now)
        .order_by(_mine.position, _mine.id)
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    values: dict[str, Any] = {"state": "RUNNING", "attempts": row.attempts + 1, "step": None}
    if row.state == "CHECKING" or (row.state == "RUNNING" and row.step is not None):
        values = {"state": "CHECKING", "checks": row.checks + 1, "doubted_at": row.doubted_at or now}
    conn.execute(sa.update(outbox).where(_mine.viewer_id == viewer, _mine.id == row.id).values(**values))
    return get(conn, viewer, row.id)


def note(conn: Connection, viewer: str, write: Write, step: bytes) -> bool:
    """Say before a step that must not happen twice that it is about to happen; False when somebody else took the write up."""
    return _change(conn, viewer, write, step=step)


def postpone(
    conn: Connection, viewer: str, write: Write, now: datetime, due: datetime, trouble: Trouble | None, *, doubt: bool
) -> bool:
    """Nothing settled: carry it out again at `due`, or with `doubt` ask the network then. False when it was taken up meanwhile."""
    values: dict[str, Any] = {"state": "QUEUED", "step": None, "checks": 0, "doubted_at": None}
    if doubt:
        values = {"state": "CHECKING", "doubted_at": write.doubted_at or now}
    return _change(conn, viewer, write, due=due, **_told(trouble), **values)


def settle(
    conn: Connection,
    viewer: str,
    write: Write,
    state: State,
    trouble: Trouble | None,
    recorder: Recorder,
    now: datetime,
    *,
    told: bytes | None = None,
) -> bool:
    """The write's end, told in the feed; False when somebody else took it up meanwhile.

    A write that is DONE needs its request no more; its `step` becomes what the network told of it.
    """
    kept = {"request": None, "step": told} if state == "DONE" else {}
    if not _change(conn, viewer, write, state=state, settled_at=now, **_told(trouble), **kept):
        return False
    recorder.settle(_node_kind(write), write.id, write.node_ids, state, write.mutation, key=write.idempotency_key)
    return True


def amend(conn: Connection, viewer: str, write_id: str, request: bytes) -> bool:
    """Another request for a write that is not settled: what it was made from has changed. False when it is too late for that."""
    waiting = sa.update(outbox).where(_mine.viewer_id == viewer, _mine.id == write_id, _mine.state.in_(OPEN))
    return conn.execute(waiting.values(request=request)).rowcount == 1


def cancel(conn: Connection, viewer: str, write_id: str, now: datetime) -> bool:
    """Take back what has not left; False when it is too late for that. No network has settled anything: the feed does not say so."""
    waiting = sa.update(outbox).where(_mine.viewer_id == viewer, _mine.id == write_id, _mine.state == "QUEUED")
    return conn.execute(waiting.values(state="CANCELLED", settled_at=now, request=None, **_told(None))).rowcount == 1


def confirm(conn: Connection, viewer: str, write_id: str, recorder: Recorder, now: datetime) -> bool:
    """What nobody could say is known after all: the network shows that it took place."""
    doubted = sa.update(outbox).where(_mine.viewer_id == viewer, _mine.id == write_id, _mine.state == "UNCONFIRMED")
    if conn.execute(doubted.values(state="DONE", request=None, settled_at=now, **_told(None))).rowcount != 1:
        return False
    write = get(conn, viewer, write_id)
    assert write is not None
    recorder.settle(_node_kind(write), write.id, write.node_ids, "DONE", write.mutation, key=write.idempotency_key)
    return True


def forget_told(conn: Connection, viewer: str, write_id: str) -> None:
    """Keep no longer what the network told at the end of a write: who has heard it knows it."""
    conn.execute(
        sa.update(outbox).where(_mine.viewer_id == viewer, _mine.id == write_id, _mine.step.is_not(None)).values(step=None)
    )


def deny(
    conn: Connection,
    viewer: str,
    write_id: str,
    trouble: Trouble,
    recorder: Recorder,
    now: datetime,
    *,
    said: tuple[State, ...] = ("UNCONFIRMED",),
) -> bool:
    """What nobody could say, or what the network had `said`, is known to be otherwise: it did not take place. False for what is in another
    state. What it meant here is not undone.
    """
    settled = sa.update(outbox).where(_mine.viewer_id == viewer, _mine.id == write_id, _mine.state.in_(said))
    if conn.execute(settled.values(state="REFUSED", request=None, settled_at=now, **_told(trouble))).rowcount != 1:
        return False
    write = get(conn, viewer, write_id)
    assert write is not None
    recorder.settle(_node_kind(write), write.id, write.node_ids, "REFUSED", write.mutation, key=write.idempotency_key)
    return True


def get(conn: Connection, viewer: str, write_id: str) -> Write | None:
    """One write."""
    return by_id(conn, viewer, [write_id]).get(write_id)


def by_id(conn: Connection, viewer: str, write_ids: Sequence[str]) -> dict[str, Write]:
    """Writes by id."""
    rows = conn.execute(select(outbox).where(_mine.viewer_id == viewer, _mine.id.in_(write_ids))).all()
    return {write.id: write for write in with_nodes(conn, viewer, rows)}


def with_nodes(conn: Connection, viewer: str, rows: Sequence[Any]) -> list[Write]:
    """The writes of rows of `outbox`, in their order."""
    named = (
        select(outbox_node.c.write_id, outbox_node.c.node_id)
        .where(outbox_node.c.viewer_id == viewer, outbox_node.c.write_id.in_([row.id for row in rows]))
        .order_by(outbox_node.c.position)
    )
    nodes: dict[str, list[str]] = {}
    for one in conn.execute(named):
        nodes.setdefault(one.write_id, []).append(one.node_id)
    return [_write(row, nodes.get(row.id, ())) for row in rows]


def latest(conn: Connection, viewer: str, kind: str, node_ids: Sequence[str]) -> dict[str, Write]:
    """The last accepted write of a kind on each of these nodes, settled or not."""
    rows = conn.execute(
        select(outbox, outbox_node.c.node_id)
        .join(outbox_node, sa.and_(outbox_node.c.viewer_id == _mine.viewer_id, outbox_node.c.write_id == _mine.id))
        .where(_mine.viewer_id == viewer, _mine.kind == kind, outbox_node.c.node_id.in_(node_ids))
        .order_by(_mine.created_at, _mine.position, _mine.id)
    ).all()
    writes = {write.id: write for write in with_nodes(conn, viewer, rows)}
    return {row.node_id: writes[row.id] for row in rows}


def unsettled(conn: Connection, viewer: str, kind: str, node_ids: Sequence[str]) -> list[Write]:
    """Writes of a kind on any of these nodes that are still on their way, in order of acceptance."""
    touching = select(outbox_node.c.write_id).where(outbox_node.c.viewer_id == viewer, outbox_node.c.node_id.in_(node_ids))
    rows = conn.execute(
        select(outbox)
        .where(_mine.viewer_id == viewer, _mine.kind == kind, _mine.state.in_(OPEN), _mine.id.in_(touching))
        .order_by(_mine.created_at, _mine.position, _mine.id)
    ).all()
    return with_nodes(conn, viewer, rows)


def open_requests(conn: Connection, viewer: str, kind: str, mutation: str) -> list[bytes]:
    """What writes of a kind that are still on their way, of any account, ask for."""
    rows = conn.execute(
        select(_mine.request)
        .where(_mine.viewer_id == viewer, _mine.kind == kind, _mine.mutation == mutation, _mine.state.in_(OPEN))
        .where(_mine.request.is_not(None))
    )
    return [bytes(request) for request in rows.scalars()]


def unsettled_at(conn: Connection, viewer: str, kind: str, account_id: str) -> list[Write]:
    """Writes of a kind that are still on their way to an account, in order of acceptance."""
    rows = conn.execute(_UNSETTLED_AT, {"viewer": viewer, "account": account_id, "write_kind": kind}).all()
    return with_nodes(conn, viewer, rows) if rows else []


def doubted(conn: Connection, viewer: str, account_id: str, kinds: Sequence[str]) -> list[Write]:
    """Writes of these kinds at an account of which nobody can say whether they took place, in order of acceptance."""
    rows = conn.execute(
        select(outbox)
        .where(_mine.viewer_id == viewer, _mine.account_id == account_id, _mine.state == "UNCONFIRMED", _mine.kind.in_(kinds))
        .order_by(_mine.position, _mine.id)
    ).all()
    return with_nodes(conn, viewer, rows) if rows else []


def next_due(conn: Connection, viewer: str, account_id: str) -> datetime | None:
    """When the account has something to do next; None when nothing is open."""
    due: datetime | None = conn.execute(
        select(_mine.due).where(_first_of_lanes(viewer, account_id)).order_by(_mine.due).limit(1)
    ).scalar_one_or_none()
    return due


def wake(conn: Connection, viewer: str, account_id: str, now: datetime) -> None:
    """What held the account up is over: what was tried before is due at once, and the job is asked for again."""
    held_up = sa.update(outbox).where(
        _mine.viewer_id == viewer, _mine.account_id == account_id, _mine.state.in_(OPEN), _mine.attempts > 0, _mine.due > now
    )
    conn.execute(held_up.values(due=now))
    due = next_due(conn, viewer, account_id)
    if due is not None:
        leases.enqueue(conn, viewer, JOB, account_id, now, due=max(due, now))


def writable(conn: Connection, viewer: str, account_id: str) -> bool:
    """Whether the account is there and neither paused nor being erased."""
    status = conn.execute(
        select(account.c.status).where(account.c.viewer_id == viewer, account.c.id == account_id)
    ).scalar_one_or_none()
    return status is not None and status not in ("PAUSED", "UNLINKING")


def forget(conn: Connection, viewer: str, account_id: str) -> None:
    """Drop everything of an account that goes."""
    theirs = select(_mine.id).where(_mine.viewer_id == viewer, _mine.account_id == account_id)
    conn.execute(sa.delete(outbox_node).where(outbox_node.c.viewer_id == viewer, outbox_node.c.write_id.in_(theirs)))
    conn.execute(sa.delete(outbox).where(_mine.viewer_id == viewer, _mine.account_id == account_id))


def forget_settled(conn: Connection, viewer: str, now: datetime) -> bool:
    """Drop writes that were settled 30 days ago, with their requests; True when there may be more of them."""
    old = select(_mine.id).where(_mine.viewer_id == viewer, _mine.state.in_(SETTLED), _mine.settled_at <= now - KEPT)
    gone = conn.execute(old.order_by(_mine.id).limit(FORGOTTEN_AT_ONCE)).scalars().all()
    conn.execute(sa.delete(outbox_node).where(outbox_node.c.viewer_id == viewer, outbox_node.c.write_id.in_(gone)))
    conn.execute(sa.delete(outbox).where(_mine.viewer_id == viewer, _mine.id.in_(gone)))
    return len(gone) == FORGOTTEN_AT_ONCE


def _first_of_lanes(viewer: str, account_id: str) -> sa.ColumnElement[bool]:
    """What is open at an account and waits for nothing that was accepted before it."""
    earlier = outbox.alias("earlier")
    waits = (
        select(sa.literal(1))
        .where(earlier.c.viewer_id == viewer, earlier.c.account_id == account_id, earlier.c.state.in_(OPEN),
               earlier.c.lane == _mine.lane,
               sa.tuple_(earlier.c.position, earlier.c.id) < sa.tuple_(_mine.position, _mine.id))
        .exists()
    )  # fmt: skip
    return sa.and_(_mine.viewer_id == viewer, _mine.account_id == account_id, _mine.state.in_(OPEN), ~waits)


def _change(conn: Connection, viewer: str, write: Write, **values: Any) -> bool:
    held = sa.update(outbox).where(
        _mine.viewer_id == viewer, _mine.id == write.id, _mine.attempts == write.attempts, _mine.checks == write.checks,
        _mine.state == write.state,
    )  # fmt: skip
    return conn.execute(held.values(**values)).rowcount == 1


def _told(trouble: Trouble | None) -> dict[str, str | None]:
    if trouble is None:
        return {"error_code": None, "error_message": None, "provider_code": None}
    return {"error_code": trouble.code, "error_message": trouble.message, "provider_code": trouble.provider_code}


def _node_kind(write: Write) -> NodeKind:
    kinds: dict[ids.Kind | None, NodeKind] = {"CONTACT": "CONTACT", "CONVERSATION": "CONVERSATION", "PERSON": "PERSON"}
    return kinds.get(ids.kind_of(write.node_ids[0]) if write.node_ids else None, "MESSAGE")


def _write(row: Any, node_ids: Iterable[str]) -> Write:
    trouble = None
    if row.error_code is not None:
        trouble = Trouble(code=row.error_code, message=row.error_message or "", provider_code=row.provider_code)
    own = {name: getattr(row, name) for name in Write.__struct_fields__ if name not in ("node_ids", "trouble")}
    return Write(node_ids=tuple(node_ids), trouble=trouble, **own)
