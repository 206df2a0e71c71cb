"""Work that must be done once: rows with leases, any number of workers.

A job is (viewer, kind, dedupe key). Who claims it holds it until `lease_until` and beats before; a worker that dies loses
it to the next one, attempts counted. A job asked for while it runs is done once more afterwards. A job that failed
`max_attempts` times is dead: it stays, with its reason, until somebody retries it. Attempts that were cut off count no more once one gets on
(`got_on`): work that goes on where it was left is given up only when it stands still. Claims are `FOR UPDATE SKIP LOCKED` on
PostgreSQL and ride on `BEGIN IMMEDIATE` on SQLite. The clock is the caller's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, bindparam, select

from store import ids
from store.tables import job
from store.upserts import insert_into

LEASE: Final = timedelta(seconds=60)
BACKOFF: Final = (2, 5, 15, 60, 300, 900, 3600)  # seconds before the second, third, … attempt
MAX_ATTEMPTS: Final = 10
_SAME: Final = (
    select(job)
    .where(job.c.viewer_id == bindparam("viewer"), job.c.kind == bindparam("job_kind"), job.c.dedupe_key == bindparam("key"))
    .with_for_update()
)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A claimed or listed job; `attempts` counts the present one."""

    id: str
    viewer_id: str
    kind: str
    subject: str
    dedupe_key: str
    due: datetime
    every: int | None
    attempts: int
    max_attempts: int
    lease_owner: str | None
    lease_until: datetime | None
    dead_reason: str | None


def enqueue(
    conn: Connection,
    viewer: str,
    kind: str,
    subject: str,
    now: datetime,
    *,
    due: datetime | None = None,
    every: int | None = None,
    dedupe_key: str | None = None,
    max_attempts: int = MAX_ATTEMPTS,
) -> str:
    """Ask for work; asking twice before it began is asking once, asking while it runs is asking for one more run.

    `every` (seconds) keeps the job for ever, due again after each run. A dead job asked for is alive again.
    """
    key = dedupe_key or subject
    when = due or now
    wanted = {"viewer": viewer, "job_kind": kind, "key": key}
    made = {
        "viewer_id": viewer, "kind": kind, "subject": subject, "dedupe_key": key, "due": when, "every": every,
        "max_attempts": max_attempts, "created_at": now,
    }  # fmt: skip
    insert = insert_into(job, conn.dialect.name)
    while (known := conn.execute(_SAME, wanted).one_or_none()) is None:
        job_id = ids.mint("JOB")
        # on PostgreSQL somebody else may ask at this very moment: whoever comes second joins them
        if conn.execute(insert.values(id=job_id, **made).on_conflict_do_nothing()).rowcount == 1:
            return job_id
    running = known.lease_until is not None and known.lease_until > now
    waiting = known.dead_reason is None and (known.again or not running)
    values: dict[str, object] = {"due": min(known.due, when) if waiting else when, "dead_reason": None}
    if running:
        values["again"] = True
    elif known.dead_reason is not None or known.attempts:
        values["attempts"] = 0
    if every is not None:
        values["every"] = every
    if all(getattr(known, name) == value for name, value in values.items()):
        return str(known.id)  # it is waiting as it should; our lock lets nobody claim it before we commit
    conn.execute(sa.update(job).where(job.c.id == known.id).values(**values))
    return str(known.id)


def claim(
    conn: Connection,
    owner: str,
    now: datetime,
    limit: int = 1,
    *,
    kinds: tuple[str, ...] | None = None,
    without: tuple[str, ...] = (),
) -> list[Job]:
    """Take up to `limit` due jobs that nobody holds, the longest due first: of these `kinds`, or of all `without` some."""
    query = select(job).where(_free(now, kinds, without)).order_by(job.c.due).limit(limit)
    rows = conn.execute(query.with_for_update(skip_locked=True)).all()
    taken = []
    for row in rows:
        if row.attempts >= row.max_attempts and row.every is None:
            # its workers died again and again without a word: say so instead of trying for ever
            reason = f"given up after {row.attempts} attempts that ended without an answer"
            conn.execute(sa.update(job).where(job.c.id == row.id).values(dead_reason=reason, lease_owner=None, lease_until=None))
            continue
        conn.execute(
            sa.update(job).where(job.c.id == row.id)
            .values(lease_owner=owner, lease_until=now + LEASE, attempts=row.attempts + 1, again=False)
        )  # fmt: skip
        taken.append(_job(row, attempts=row.attempts + 1, lease_owner=owner, lease_until=now + LEASE))
    return taken


def is_due(conn: Connection, now: datetime, *, kinds: tuple[str, ...] | None = None, without: tuple[str, ...] = ()) -> bool:
    """Whether `claim` would find anything. It only reads: who looks again and again keeps nobody from writing."""
    return conn.execute(select(job.c.id).where(_free(now, kinds, without)).limit(1)).first() is not None


def _free(now: datetime, kinds: tuple[str, ...] | None, without: tuple[str, ...]) -> sa.ColumnElement[bool]:
    conditions = [job.c.due <= now, job.c.dead_reason.is_(None), sa.or_(job.c.lease_until.is_(None), job.c.lease_until < now)]
    if kinds is not None:
        conditions.append(job.c.kind.in_(kinds))
    if without:
        conditions.append(job.c.kind.not_in(without))
    return sa.and_(*conditions)


def claim_one(conn: Connection, owner: str, now: datetime, viewer: str, kind: str, dedupe_key: str) -> Job | None:
    """Take this very job, whether due or not; None when it is held or not there."""
    row = conn.execute(
        select(job)
        .where(job.c.viewer_id == viewer, job.c.kind == kind, job.c.dedupe_key == dedupe_key,
               sa.or_(job.c.lease_until.is_(None), job.c.lease_until < now))
        .with_for_update(skip_locked=True)
    ).one_or_none()  # fmt: skip
    if row is None:
        return None
    conn.execute(
        sa.update(job).where(job.c.id == row.id)
        .values(lease_owner=owner, lease_until=now + LEASE, attempts=row.attempts + 1, again=False, dead_reason=None)
    )  # fmt: skip
    return _job(row, attempts=row.attempts + 1, lease_owner=owner, lease_until=now + LEASE)


def beat(conn: Connection, job_id: str, owner: str, now: datetime) -> bool:
    """Hold on to a job; False when it was lost: stop at once."""
    held = sa.update(job).where(job.c.id == job_id, job.c.lease_owner == owner, job.c.lease_until >= now)
    return conn.execute(held.values(lease_until=now + LEASE)).rowcount == 1


def got_on(conn: Connection, viewer: str, kind: str, dedupe_key: str) -> None:
    """The present attempt has done some of the work for good: those before it count no more."""
    mine = (job.c.viewer_id == viewer, job.c.kind == kind, job.c.dedupe_key == dedupe_key)
    conn.execute(sa.update(job).where(*mine, job.c.attempts > 1).values(attempts=1))


def finish(conn: Connection, job_id: str, owner: str, now: datetime, *, next_due: datetime | None = None) -> None:
    """The work is done: the row goes, unless it is asked for again or is due every so often."""
    row = conn.execute(select(job).where(job.c.id == job_id, job.c.lease_owner == owner).with_for_update()).one_or_none()
    if row is None:
        return
    if row.again:
        due = max(now, row.due)
    elif next_due is not None:
        due = next_due
    elif row.every is not None:
        due = now + timedelta(seconds=row.every)
    else:
        conn.execute(sa.delete(job).where(job.c.id == job_id))
        return
    conn.execute(
        sa.update(job).where(job.c.id == job_id).values(due=due, lease_owner=None, lease_until=None, attempts=0, again=False)
    )


def fail(conn: Connection, job_id: str, owner: str, now: datetime, reason: str, *, retry_at: datetime | None = None) -> None:
    """The attempt failed: due again after a while, or dead with the reason when it was the last one."""
    row = conn.execute(select(job).where(job.c.id == job_id, job.c.lease_owner == owner).with_for_update()).one_or_none()
    if row is None:
        return
    wait = timedelta(seconds=BACKOFF[min(row.attempts, len(BACKOFF)) - 1])
    dead = row.attempts >= row.max_attempts and row.every is None
    conn.execute(
        sa.update(job).where(job.c.id == job_id)
        .values(lease_owner=None, lease_until=None, due=max(retry_at, now) if retry_at else now + wait,
                dead_reason=reason if dead else None, again=False,
                attempts=row.attempts if dead or row.every is None else min(row.attempts, len(BACKOFF)))
    )  # fmt: skip


def release(conn: Connection, owner: str, now: datetime, *, counted: bool = False) -> int:
    """Give back everything `owner` holds; the attempt does not count, unless the owner died in it (`counted`)."""
    attempts = job.c.attempts if counted else sa.case((job.c.attempts > 0, job.c.attempts - 1), else_=0)
    return conn.execute(
        sa.update(job).where(job.c.lease_owner == owner).values(lease_owner=None, lease_until=None, attempts=attempts)
    ).rowcount


def owners(conn: Connection) -> list[str]:
    """Who holds leases."""
    return list(conn.execute(select(job.c.lease_owner).where(job.c.lease_owner.is_not(None)).distinct()).scalars())


def listed(conn: Connection, *, viewer: str | None = None, dead: bool = False, kind: str | None = None) -> list[Job]:
    """Jobs, the next due first; only dead ones with `dead`."""
    query = select(job).order_by(job.c.due)
    if viewer is not None:
        query = query.where(job.c.viewer_id == viewer)
    if kind is not None:
        query = query.where(job.c.kind == kind)
    if dead:
        query = query.where(job.c.dead_reason.is_not(None))
    return [_job(row) for row in conn.execute(query)]


def pending(conn: Connection, viewer: str, kind: str, dedupe_key: str | None = None) -> Job | None:
    """A job that is still to be done or being done."""
    query = select(job).where(job.c.viewer_id == viewer, job.c.kind == kind, job.c.dead_reason.is_(None))
    if dedupe_key is not None:
        query = query.where(job.c.dedupe_key == dedupe_key)
    row = conn.execute(query.order_by(job.c.due).limit(1)).one_or_none()
    return None if row is None else _job(row)


def retry(conn: Connection, job_id: str, now: datetime) -> bool:
    """Bring a dead job back to life."""
    alive = sa.update(job).where(job.c.id == job_id, job.c.dead_reason.is_not(None))
    return conn.execute(alive.values(dead_reason=None, attempts=0, due=now)).rowcount == 1


def drop(conn: Connection, viewer: str, subject: str) -> None:
    """Forget all work on a subject (an account that is unlinked)."""
    conn.execute(sa.delete(job).where(job.c.viewer_id == viewer, job.c.subject == subject))


def _job(row: sa.Row[tuple[object, ...]], **changed: object) -> Job:
    values = {name: getattr(row, name) for name in Job.__struct_fields__}
    return Job(**{**values, **changed})
