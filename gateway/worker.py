"""The worker: claims due jobs, beats while it works, and lets go of what it did not finish.

One or many, on any number of machines, all through the database: this process asks nothing of the web process. A worker that is
killed loses its leases when they run out; one that is seen to be dead on this very machine loses them at once. A job's failure is
its own: it is tried again later, or listed as dead with its reason.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

import structlog
from sqlalchemy import Connection

from gateway import enriching, giving_back, pushing, sweeping, sync, watch, writes
from gateway.accounts import Accounts
from gateway.holders import holder_name, is_dead
from gateway.imports import Imports
from gateway.kinds import kinds
from gateway.scribe import Scribe
from gateway.webhooks import Courier
from gateway.writes import Kind
from providers.base import Provider
from providers.transport import Transport
from resolvers import rechecking
from resolvers.identity.pairing import pair
from resolvers.identity.resolve import resolve
from resolvers.influence import drawing
from resolvers.ingest import categories, forget_account, reindexing, sweep_photos
from resolvers.ingest.own import reassign
from resolvers.operation import Clock, Services
from resolvers.relationship import placing, tallying
from resolvers.streams.matching import Matching
from store import (
    disclosures,
    enrichment,
    enrichment_runs,
    feed,
    leases,
    outbox,
    pairs,
    places,
    standings,
    streams,
    uploads,
    viewers,
    web_checks,
    webhooks,
)
from store.blobs import Blobs
from store.database import Database
from store.feed import DELIVERY_JOB, STREAM_JOB, TALLY_JOB, Recorder
from store.leases import Job

log = structlog.get_logger()

CONCURRENCY: Final = 6
POLL_SECONDS: Final = 0.5  # how often due jobs are looked for while there are none
BEAT_SECONDS: Final = 15.0
REAP_SECONDS: Final = 2.0
STOP_SECONDS: Final = 10.0
HOUSEKEEPING_SECONDS: Final = 3600.0
COMPACT_EVERY: Final = 86_400
WATCHES: Final = ("watch",)
#: Work that takes minutes or hours, and how much of it goes on at once: somebody who sends a mail does not wait for a mailbox.
LONG: Final = (
    "sync", "import", "unlink", "reindex", "categories", "retally", pairs.JOB, places.JOB, enrichment_runs.JOB, standings.JOB, web_checks.JOB,
)  # fmt: skip
LONG_AT_ONCE: Final = 4
LET_THROUGH: Final = timedelta(seconds=15)  # until it is asked again whether a long sync is through
Task = Callable[[Job], Awaitable[timedelta | None]]


class Pieces(Protocol):
    """What the worker needs of an installation (gateway/app.py)."""

    @property
    def database(self) -> Database: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def providers(self) -> dict[str, Provider]: ...
    @property
    def home(self) -> Path: ...
    @property
    def blobs(self) -> Blobs: ...
    @property
    def services(self) -> Services: ...
    @property
    def transport(self) -> Transport: ...
    @property
    def scribe(self) -> Scribe: ...


def of(installation: Pieces) -> Worker:
    """The worker of an installation."""
    imports = Imports(
        database=installation.database, home=installation.home, providers=installation.providers, clock=installation.clock,
        blobs=installation.blobs,
    )  # fmt: skip
    return Worker(
        database=installation.database,
        clock=installation.clock,
        accounts=installation.accounts,
        imports=imports,
        courier=Courier(services=installation.services, transport=installation.transport),
        kinds=kinds(installation.accounts, installation.blobs),
        blobs=installation.blobs,
        scribe=installation.scribe,
        services=installation.services,
    )


async def work(installation: Pieces, stop: asyncio.Event) -> None:
    """Work for an installation until `stop` is set."""
    await of(installation).work(stop)


def keep_house(conn: Connection, now: datetime) -> None:
    """See to it that once a day every viewer's feed is compacted and what is old is forgotten."""
    for viewer in viewers.listed(conn):
        if not any(job.kind == "compact" for job in leases.listed(conn, viewer=viewer.id, kind="compact")):
            due = now + timedelta(seconds=COMPACT_EVERY)
            leases.enqueue(conn, viewer.id, "compact", viewer.id, now, due=due, every=COMPACT_EVERY)


@dataclass(kw_only=True)
class Worker:
    """Everything a job needs. `owner` names the leases of this process."""

    database: Database
    clock: Clock
    accounts: Accounts
    imports: Imports
    scribe: Scribe
    courier: Courier | None = None
    blobs: Blobs | None = None
    owner: str = field(default_factory=holder_name)
    concurrency: int = CONCURRENCY
    kinds: Mapping[str, Kind] = field(default_factory=dict)  # of writes, by name
    services: Services | None = None

    def __post_init__(self) -> None:
        self._tasks: dict[str, Task] = {
            "sync": self._sync,
            "import": self._import,
            "identity": self._identity,
            "unlink": self._unlink,
            "own": self._own,
            "reindex": self._reindex,
            "categories": self._categories,
            "compact": self._compact,
            "watch": self._watch,
            outbox.JOB: self._write,
            DELIVERY_JOB: self._webhook,
            STREAM_JOB: self._streams,
            TALLY_JOB: self._tally,
            "retally": self._retally,
            pairs.JOB: self._pair,
            places.JOB: self._place,
            pushing.JOB: self._push,
            uploads.JOB: self._uploads,
            enrichment_runs.JOB: self._enrich,
            standings.JOB: self._weigh,
            web_checks.JOB: self._recheck,
        }
        self._matching = Matching(self.database, self.clock)
        self._running: set[asyncio.Task[None]] = set()
        self._long: set[asyncio.Task[None]] = set()
        self._watching: set[asyncio.Task[None]] = set()

    async def work(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then finish what takes no longer than a few seconds and give the rest back."""
        reaped = kept = -HOUSEKEEPING_SECONDS
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            if loop.time() - reaped > REAP_SECONDS:
                await self._guarded(self.reap())
                await self._watch_more()
                reaped = loop.time()
            if loop.time() - kept > HOUSEKEEPING_SECONDS:
                await self._guarded(self.database.system(keep_house, self.clock.now()))
                kept = loop.time()
            jobs: list[Job] = await self._guarded(self._claim()) or []
            for job in jobs:
                self._start(job, self._running, *([self._long] if job.kind in LONG else []))
            if not jobs:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), POLL_SECONDS)
        await self._let_go()

    async def run_one(self, viewer: str, kind: str, dedupe_key: str) -> bool:
        """Do this very job here and now; False when somebody else holds it, or it is not there."""
        job = await self.database.system(leases.claim_one, self.owner, self.clock.now(), viewer, kind, dedupe_key)
        if job is None:
            return False
        await self._do(job)
        return True

    async def reap(self) -> None:
        """Free the leases of processes of this machine that died without a word."""
        for owner in await self.database.system_read(leases.owners):
            if owner != self.owner and is_dead(owner):
                count = await self.database.system(leases.release, owner, self.clock.now(), counted=True)
                log.warning("freed the jobs of a process that died", owner=owner, jobs=count)

    async def _watch_more(self) -> None:
        """Take up the watches that nobody has: lines that are only kept open take no job's turn."""
        free = watch.AT_ONCE - len(self._watching)
        if free > 0 and await self._guarded(self.database.system_read(leases.is_due, self.clock.now(), kinds=WATCHES)):
            claimed = self.database.system(leases.claim, self.owner, self.clock.now(), free, kinds=WATCHES)
            for job in await self._guarded(claimed) or []:
                self._start(job, self._watching)

    def _start(self, job: Job, *among: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(self._do(job), name=f"{job.kind}:{job.subject}")
        for tasks in among:
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def _claim(self) -> list[Job]:
        """Due jobs for the turns that are free, of long ones no more than LONG_AT_ONCE allows."""
        free = self.concurrency - len(self._running)
        if free <= 0:
            return []
        long = min(free, max(1, min(LONG_AT_ONCE, self.concurrency - 1)) - len(self._long))

        def any_due(conn: Connection) -> bool:
            now = self.clock.now()
            return (long > 0 and leases.is_due(conn, now, kinds=LONG)) or leases.is_due(conn, now, without=(*WATCHES, *LONG))

        def take(conn: Connection) -> list[Job]:
            now = self.clock.now()
            taken = leases.claim(conn, self.owner, now, long, kinds=LONG) if long > 0 else []
            if len(taken) < free:
                taken += leases.claim(conn, self.owner, now, free - len(taken), without=(*WATCHES, *LONG))
            return taken

        if not await self.database.system_read(any_due):
            return []  # mostly: whoever wants SQLite's one writer ends the transaction of a long sync
        return await self.database.system(take)

    async def _do(self, job: Job) -> None:
        """One attempt, with a heartbeat beside it that ends it when the lease is lost."""
        task = self._tasks.get(job.kind)
        if task is None:
            await self.database.system(
                leases.fail, job.id, self.owner, self.clock.now(), f"no worker here knows jobs of kind {job.kind}"
            )
            return
        body = asyncio.ensure_future(task(job))
        beat = asyncio.create_task(self._beat(job, body))
        try:
            wait = await body
        except asyncio.CancelledError:
            if asyncio.current_task() is not None and asyncio.current_task().cancelling():  # type: ignore[union-attr]
                raise
            log.warning("lost the lease of a job", kind=job.kind, subject=job.subject)
            return
        except sync.Retry as error:
            await self.database.system(leases.fail, job.id, self.owner, self.clock.now(), str(error), retry_at=error.at)
            return
        except Exception as error:
            log.exception("a job failed", kind=job.kind, subject=job.subject, attempt=job.attempts)
            reason = f"{type(error).__name__}: {error}"[:500]
            await self.database.system(leases.fail, job.id, self.owner, self.clock.now(), reason)
            return
        finally:
            beat.cancel()
        now = self.clock.now()
        await self.database.system(leases.finish, job.id, self.owner, now, next_due=None if wait is None else now + wait)

    async def _beat(self, job: Job, body: asyncio.Future[timedelta | None]) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            held = await self._guarded(self.database.system(leases.beat, job.id, self.owner, self.clock.now()))
            if held is False:
                body.cancel()
                return

    async def _guarded(self, work: Awaitable[Any]) -> Any:
        """A database that is away for a while does not end the worker."""
        try:
            return await work
        except Exception as error:
            log.warning("the database did not answer", error=str(error))
            await asyncio.sleep(1.0)
            return None

    async def _let_go(self) -> None:
        for task in list(self._watching):
            task.cancel()
        if self._watching:
            await asyncio.wait(self._watching, timeout=STOP_SECONDS)
        if self._running:
            await asyncio.wait(self._running, timeout=STOP_SECONDS)
        for task in list(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=STOP_SECONDS)
        await self._guarded(self.database.system(leases.release, self.owner, self.clock.now()))

    async def _sync(self, job: Job) -> timedelta | None:
        return await sync.run(self.accounts, self.database, self.scribe, self.clock, job.viewer_id, job.subject)

    async def _write(self, job: Job) -> timedelta | None:
        return await writes.run(self.accounts, self.database, self.clock, self.kinds, job.viewer_id, job.subject)

    async def _watch(self, job: Job) -> timedelta:
        return await watch.run(self.accounts, self.database, self.clock, job.viewer_id, job.subject)

    async def _import(self, job: Job) -> None:
        await self.imports.run(job.viewer_id, job.subject)

    async def _identity(self, job: Job) -> None:
        now = self.clock.now()
        await resolve(self.database, job.viewer_id, now)
        await self.database.write_behind(job.viewer_id, drawing.ask, now)
        await self.database.system(leases.enqueue, job.viewer_id, pairs.JOB, job.viewer_id, now)

    async def _pair(self, job: Job) -> timedelta | None:
        def early(conn: Connection, viewer: str) -> bool:
            return tallying.is_early(conn, viewer, self.clock.now())

        if not await self.database.read(job.viewer_id, early):
            # a long sync may begin meanwhile, and brings more to compare all the time
            await pair(self.database, job.viewer_id, self.clock.now(), later=early)
        return LET_THROUGH if await self.database.read(job.viewer_id, early) else None

    async def _weigh(self, job: Job) -> None:
        await drawing.draw(self.database, job.viewer_id, self.clock.now())

    async def _own(self, job: Job) -> None:
        more = True
        while more:
            more = await self.database.write_behind(job.viewer_id, reassign, job.subject, self.clock.now())
        for kind in ("identity", "retally"):
            await self.database.system(leases.enqueue, job.viewer_id, kind, job.viewer_id, self.clock.now())

    async def _reindex(self, job: Job) -> None:
        place: reindexing.Place | None = reindexing.BEGINNING
        while place is not None:
            place = await self.database.write_behind(job.viewer_id, reindexing.reindex, place)

    async def _categories(self, job: Job) -> None:
        """After the upgrade that made tags of what contacts are filed under: those that were there before."""
        place: str | None = ""
        while place is not None:
            place = await self.database.write_behind(job.viewer_id, self._refile, place)

    def _refile(self, conn: Connection, viewer: str, after: str) -> str | None:
        recorder = Recorder(self.clock.now())
        place = categories.renew(conn, viewer, after, recorder)
        recorder.flush(conn, viewer)
        return place

    async def _tally(self, job: Job) -> timedelta | None:
        if await self.database.read(job.viewer_id, tallying.is_early, self.clock.now()):
            return LET_THROUGH
        await tallying.tally(self.database, job.viewer_id)
        await placing.place(self.database, job.viewer_id, self.clock.now())
        return None

    async def _retally(self, job: Job) -> None:
        """Count everything anew: after an upgrade that brought the counts, or when the viewer's own addresses are others."""
        place: str | None = ""
        while place is not None:
            place = await self.database.write_behind(job.viewer_id, tallying.recount, place)
            await tallying.tally(self.database, job.viewer_id)
            await placing.place(self.database, job.viewer_id, self.clock.now())

    async def _place(self, job: Job) -> None:
        await placing.place_everybody(self.database, job.viewer_id, self.clock.now())

    async def _unlink(self, job: Job) -> None:
        await pushing.end(self.accounts, self.database, job.viewer_id, job.subject)
        await giving_back.run(self.accounts, self.database, job.viewer_id, job.subject)
        done = False
        while not done:
            done = await self.database.write_behind(job.viewer_id, self._forget, job.subject)
        await self.database.write_behind(job.viewer_id, standings.forget_all)
        await drawing.place(self.database, job.viewer_id)
        await self.database.system(leases.enqueue, job.viewer_id, "identity", job.viewer_id, self.clock.now())

    def _forget(self, conn: Connection, viewer: str, account_id: str) -> bool:
        now = self.clock.now()
        recorder = Recorder(now, account_id=account_id)
        done = forget_account(conn, viewer, account_id, recorder, now)
        recorder.flush(conn, viewer)
        return done

    async def _push(self, job: Job) -> timedelta | None:
        return await pushing.run(self.accounts, self.database, self.clock, job.viewer_id, job.subject)

    async def _webhook(self, job: Job) -> timedelta | None:
        return None if self.courier is None else await self.courier.run(job.viewer_id, job.subject)

    async def _enrich(self, job: Job) -> timedelta | None:
        return None if self.services is None else await enriching.run(self.services, job.viewer_id, job.subject)

    async def _recheck(self, job: Job) -> timedelta | None:
        return None if self.services is None else await rechecking.run(self.services, job.viewer_id)

    async def _streams(self, job: Job) -> timedelta | None:
        return await self._matching.run(job.viewer_id)

    async def _uploads(self, job: Job) -> timedelta | None:
        return None if self.blobs is None else await sweeping.run(self.database, self.blobs, self.clock, job.viewer_id)

    async def _compact(self, job: Job) -> timedelta:
        now = self.clock.now()
        old = now - timedelta(days=feed.TOMBSTONE_DAYS)
        await self.database.system(leases.enqueue, job.viewer_id, places.JOB, job.viewer_id, now)
        await self.database.write_behind(job.viewer_id, feed.compact, old)
        await self.database.write_behind(job.viewer_id, streams.forget_ended, old)
        await self.database.write_behind(job.viewer_id, webhooks.forget_old, now)
        while await self.database.write_behind(job.viewer_id, outbox.forget_settled, now):
            pass
        after: str | None = ""
        while after is not None:
            after = await self.database.write_behind(job.viewer_id, sweep_photos, after)
        while await self.database.write_behind(job.viewer_id, enrichment.forget_orphans):
            pass
        stays = None if self.services is None else self.services.disclosures_kept
        while stays is not None and await self.database.write_behind(job.viewer_id, disclosures.forget, now - stays):
            pass
        if self.blobs is not None:
            await sweeping.run(self.database, self.blobs, self.clock, job.viewer_id)
        return timedelta(seconds=COMPACT_EVERY)
