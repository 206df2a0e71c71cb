"""Account ← provider, page by page: one run of the leased job `sync`.

A page is cut into slices of at most a hundred rows; each slice is written with its checkpoint, together with those that were read
meanwhile. At the end the ledger is compared with what the source states; what a full listing no longer names is removed, unless
suddenly most of it is missing. Where something is missing here, a source that can list what it holds is asked for exactly that,
again and again until nothing is. What a failure means for the account (its status, a later try) is decided here, from the error's class alone.
"""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, Final, Protocol

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy import Connection, select

from gateway import pushing
from gateway.accounts import Accounts
from gateway.reading_ahead import Read, ahead
from gateway.scribe import Scribe, Written
from gateway.slices import Slice, changed
from providers import records
from providers.base import Verifiable, Watcher
from providers.errors import CursorExpired, ProviderError, RateLimited, ReauthRequired
from resolvers.ingest import (
    Target,
    believable,
    is_settled,
    put_list,
    remove_keys,
    stored_keys,
    tell_whereabouts,
    unlisted,
)
from resolvers.ingest.intake import SLICE
from store import accounts, leases, push_routes
from store.database import Database
from store.feed import Recorder
from store.tables import contact

log = structlog.get_logger()

SLOW_SLICE: Final = 0.05  # seconds a write transaction should take at most
SMALLEST_SLICE: Final = 25  # below it, what every slice costs outweighs its rows
FETCHED: Final = 200  # items that are asked for again at a time
QUIET: Final = "quiet"  # the account's setting that counts runs without a change
WHEREABOUTS: Final = "whereabouts"  # the account's setting that says that every message knows its folder and labels
LONG_QUIET: Final = 16  # of these, after which an account is as idle as can be
PATIENCE: Final = 4.0
CALLED: Final = 12.0  # intervals to wait while the network has promised to call
REAUTH_AGAIN: Final = timedelta(hours=6)  # only a person can help; it is looked again now and then
SOON_AGAIN: Final = timedelta(days=2)  # what a network asks to wait for at most without being asked for more
NOTHING_TO_DO: Final = "There is nothing to do: reading goes on by itself as soon as that is allowed."
WATCH_AGAIN: Final = 60  # seconds until a watch that ended is taken up again


class Retry(Exception):
    """The job is to be tried again, at `at` where the source said when."""

    def __init__(self, reason: str, at: datetime | None = None) -> None:
        super().__init__(reason)
        self.at = at


class Clock(Protocol):
    def now(self) -> datetime: ...


async def run(
    opener: Accounts, database: Database, scribe: Scribe, clock: Clock, viewer: str, account_id: str
) -> timedelta | None:
    """Bring one account up to date. Returns how long until the next run makes sense: longer where nothing happens for long.

    Raises Retry when the source did not answer. An account that is gone, paused or made of files alone costs
    nothing.
    """
    found = await database.read(viewer, accounts.get, account_id)
    if found is None or found.status in ("PAUSED", "UNLINKING"):
        return None
    provider = opener.providers.get(found.provider)
    if provider is not None and not provider.follows(found.base_url):
        return None  # it came from files alone: its next ones bring what is new
    run = _Run(database, scribe, clock, viewer, found, gathers=provider is not None and provider.network_first)
    try:
        adapter = await opener.open(viewer, account_id)
        await run.begin()
        try:
            asked = accounts.VERIFY in found.settings
            # a source that cannot list what it holds is read from the beginning instead
            await run.take(adapter.pages(None if asked and not isinstance(adapter, Verifiable) else found.cursor))
        except CursorExpired:
            log.info("delta cursor expired, listing everything again", account=account_id, provider=found.provider)
            await run.forget_cursor()
            await run.take(adapter.pages(None))
        await run.settle()
        await run.tell_whereabouts()
        if isinstance(adapter, Verifiable) and await run.in_doubt():
            await run.verify(adapter)
        await run.end(
            every=provider.poll_seconds if provider is not None else None,
            watch=isinstance(adapter, Watcher) and found.mode == "MIRRORED",  # else it is asked when somebody reads it
            push=pushing.wanted(opener, found.provider, adapter),
        )
    except ProviderError as error:
        await run.failed(error)
        if isinstance(error, ReauthRequired):
            return REAUTH_AGAIN
        raise Retry(error.message, error.retry_at) from error
    finally:
        run.over()
    if provider is None:
        return None
    called = await database.system_read(push_routes.live, viewer, account_id, clock.now())
    return timedelta(seconds=provider.poll_seconds * (CALLED if called else run.patience))


class _Run:
    def __init__(
        self, database: Database, scribe: Scribe, clock: Clock, viewer: str, found: accounts.Account, *, gathers: bool
    ) -> None:
        self._database = database
        self._scribe = scribe
        self._writing = scribe.writing(viewer)
        self._clock = clock
        self._viewer = viewer
        self._account = found
        self._done = 0
        self._began = clock.now()
        self._slice = SLICE
        self._statements: list[records.Statement] = []
        self._labels: tuple[records.Label, ...] = ()
        self._settings = dict(found.settings)
        self._quiet = int(self._settings.get(QUIET, "0"))
        self._changed = False
        self._withheld: str | None = None  # what the network does not show to this grant, in its adapter's words
        self._target = Target(account_id=found.id, live=found.mode == "LIVE", gathers=gathers)

    def over(self) -> None:
        self._writing.end()

    async def begin(self) -> None:
        own = await self._database.read(self._viewer, accounts.own_values)
        self._target = msgspec.structs.replace(self._target, own=own)
        now = self._clock.now()

        def write(conn: Connection, viewer: str) -> None:
            accounts.change(
                conn,
                viewer,
                self._account.id,
                None,
                phase="listing",
                done=0,
                total=None,
                progress_started_at=now,
                progress_at=now,
            )

        await self._database.write_behind(self._viewer, write)

    async def take(self, pages: AsyncIterator[records.Page]) -> None:
        try:
            async with aclosing(ahead(pages, live=self._target.live)) as coming:
                async for read in coming:
                    await self._write(read)
        except Exception:
            await self._written()  # what was read before is
            raise
        except BaseException:
            self._writing.drop()
            raise
        await self._written()

    async def _write(self, pages: list[Read]) -> None:
        """Write pages, the last of them perhaps only after this returns (`_written`); the list is emptied, to free what is sent away."""
        only_copy = any(read.page.only_copy for read in pages)
        parts = self._cut(await self._write_apart(pages))
        pages.clear()
        await self._write_slices(parts)
        if only_copy:
            await self._written()

    async def _write_apart(self, pages: Sequence[Read]) -> list[Read]:
        """Write what may not be written together with what comes after it; returns what is left."""
        together: list[Read] = []
        for read in pages:
            page = read.page
            self._statements += page.statements
            if page.labels and page.labels != self._labels:
                await self._write_slices(self._cut(together))
                await self._written()
                together = []
                self._labels = page.labels
                await self._database.write_behind(self._viewer, self._put_list)
            if any(isinstance(row.item, records.Voided) for row in page.rows):
                await self._write_slices(self._cut(together))
                together = []
                for part in self._cut([read]):  # what follows on a container's old numbers is not to be taken for them
                    await self._write_slices([part])
                    await self._written()
            else:
                together.append(read)
        return together

    def _cut(self, pages: Sequence[Read]) -> list[Slice]:
        """Pages as slices, equally long whatever their pages' length: what each one costs for itself is shared by its rows.

        A cursor says "everything up to here": it is stored with the slice in which its page ends.
        """
        rows = [row for read in pages for row in read.page.rows]
        ready = [one for read in pages for one in read.ready]
        ends = list(accumulate(len(read.page.rows) for read in pages))
        count = math.ceil(len(rows) / self._slice) or int(any(read.page.cursor is not None for read in pages))
        parts: list[Slice] = []
        before = ended = 0
        for n in range(1, count + 1):
            end = len(rows) * n // count
            whole = bisect_right(ends, end)
            cursors = [read.page.cursor for read in pages[ended:whole] if read.page.cursor is not None]
            self._done += end - before
            parts.append(
                Slice(
                    target=self._target, rows=tuple(rows[before:end]), now=self._clock.now(), done=self._done,
                    total=pages[min(whole, len(pages) - 1)].page.total, cursor=cursors[-1] if cursors else None,
                    ready=tuple(ready[before:end]),
                )
            )  # fmt: skip
            before, ended = end, whole
        return parts

    async def _write_slices(self, parts: list[Slice]) -> None:
        if parts:
            await self._look_at(await self._writing.put(parts))

    async def _written(self) -> None:
        """Wait until everything is that was to be written."""
        await self._look_at(await self._writing.rest())

    async def _look_at(self, done: Sequence[Written]) -> None:
        for rows, taken in done:
            self._changed = self._changed or changed(taken.results)
            if self._database.sqlite and rows:
                wanted = len(rows) * SLOW_SLICE / max(taken.seconds, 0.001)
                self._slice = int(min(SLICE, max(SMALLEST_SLICE, wanted)))
            for row, result in zip(rows, taken.results, strict=True):
                if row is None:
                    continue
                if isinstance(row.item, records.Voided) and result.outcome == "UPDATED":
                    await self._void(row)
                elif isinstance(row.item, records.Unreadable) and row.item.reason == "FORBIDDEN":
                    self._withheld = self._withheld or row.item.message[:500]

    async def _void(self, row: records.Row) -> None:
        """A container that was numbered anew: forget the old numbers, a transaction at a time."""
        left = True
        while left:
            part = Slice(target=self._target, rows=(row,), now=self._clock.now(), done=self._done)
            [taken] = await self._scribe.write(self._viewer, [part])
            left = taken.results[0].outcome == "UPDATED"

    @property
    def patience(self) -> float:
        """How many of the provider's intervals to wait: one while things happen, up to PATIENCE when they have not for long."""
        return 1.0 + (PATIENCE - 1.0) * int(self._settings.get(QUIET, "0")) / LONG_QUIET

    async def forget_cursor(self) -> None:
        self._statements.clear()
        await self._database.write_behind(
            self._viewer, lambda conn, v: accounts.change(conn, v, self._account.id, None, cursor=None)
        )

    async def settle(self) -> None:
        """Compare with what the source stated on the way."""
        for statement in self._statements:
            await self._settle(statement)

    def _put_list(self, conn: Connection, viewer: str) -> None:
        recorder = Recorder(self._clock.now(), account_id=self._account.id)
        put_list(conn, viewer, self._account.id, self._labels, recorder)
        recorder.flush(conn, viewer)

    async def tell_whereabouts(self) -> None:
        """Messages that were stored before their folders' roles and labels were: once an account, when nothing is on its way to it."""
        if not self._labels or WHEREABOUTS in self._settings:
            return
        if not await self._database.read(self._viewer, is_settled, self._account.id):
            return
        after: str | None = ""
        while after is not None:
            after = await self._database.write_behind(self._viewer, self._tell_whereabouts, after)
        await self._keep_setting(WHEREABOUTS, "told")

    def _tell_whereabouts(self, conn: Connection, viewer: str, after: str) -> str | None:
        now = self._clock.now()
        recorder = Recorder(now, account_id=self._account.id)
        following = tell_whereabouts(conn, viewer, self._account.id, self._labels, after, recorder, now)
        recorder.flush(conn, viewer)
        return following

    async def in_doubt(self) -> bool:
        """Whether ids should be compared: somebody asked for it, or a gap has waited long enough."""
        if accounts.VERIFY in self._settings:
            return True
        return await self._database.read(self._viewer, accounts.has_due_gap, self._account.id, self._clock.now())

    async def verify(self, adapter: Verifiable) -> None:
        """Compare ids, container by container: what is gone there goes here, what is missing here is asked for again."""
        async for statement in adapter.listing():
            missing = await self._database.read(self._viewer, missing_keys, self._target, statement)
            for n in range(0, len(missing), FETCHED):
                await self.take(adapter.fetch(statement.container, missing[n : n + FETCHED]))
            await self._settle(statement)

    async def end(self, *, every: float | None, watch: bool = False, push: bool = False) -> None:
        """Note that the account is up to date; it is looked at again every so many seconds, or called for."""
        if accounts.VERIFY in self._settings:
            await self._keep_setting(accounts.VERIFY, None)
        quiet = 0 if self._changed else min(self._quiet + 1, LONG_QUIET)
        if quiet != self._quiet:
            await self._keep_setting(QUIET, str(quiet) if quiet else None)
        now = self._clock.now()

        def write(conn: Connection, viewer: str) -> None:
            recorder = Recorder(now, account_id=self._account.id)
            values: dict[str, Any] = {
                "last_synced_at": now,
                "phase": None,
                "retry_at": None,
                "progress_at": now,
                "done": self._done,
            }
            called = watch or push_routes.live(conn, viewer, self._account.id, now)
            values["next_sync_at"] = None if called or every is None else now + timedelta(seconds=every * self.patience)
            state = ("ACTIVE", self._withheld)
            new = (self._account.status, self._account.status_reason) != state
            accounts.change(
                conn, viewer, self._account.id, recorder if new else None, status=state[0], status_reason=state[1], **values
            )
            if watch and leases.pending(conn, viewer, "watch", self._account.id) is None:
                leases.enqueue(conn, viewer, "watch", self._account.id, now, every=WATCH_AGAIN)
            if push:
                due = leases.pending(conn, viewer, pushing.JOB, self._account.id) is None
            else:  # what was promised while it was wanted is to be ended
                due = push_routes.live(conn, viewer, self._account.id, now)
            if due:
                leases.enqueue(conn, viewer, pushing.JOB, self._account.id, now)
            recorder.flush(conn, viewer)

        await self._database.write_behind(self._viewer, write)

    async def failed(self, error: ProviderError) -> None:
        now = self._clock.now()
        status = "REAUTH_REQUIRED" if isinstance(error, ReauthRequired) else "DEGRADED"
        reason, again = error.message, error.retry_at
        if isinstance(error, RateLimited):
            status = self._account.status  # waiting for a quota is no trouble of the account
            if again is not None and again - now <= SOON_AGAIN:
                reason = f"{reason} {NOTHING_TO_DO}"
        elif isinstance(error, ReauthRequired):
            again = now + REAUTH_AGAIN

        def write(conn: Connection, viewer: str) -> None:
            recorder = Recorder(now, account_id=self._account.id)
            new = (self._account.status, self._account.status_reason) != (status, reason)
            accounts.change(
                conn, viewer, self._account.id, recorder if new else None, status=status, status_reason=reason,
                retry_at=error.retry_at, next_sync_at=again, phase=None,
            )  # fmt: skip
            recorder.flush(conn, viewer)

        await asyncio.shield(self._database.write_behind(self._viewer, write))
        log.warning("sync failed", account=self._account.id, provider=self._account.provider, kind=type(error).__name__)

    async def _settle(self, statement: records.Statement) -> None:
        """Write a container's line of the ledger, after what its full listing no longer names is removed."""
        doubt = f"unlisted:{statement.container}"
        before = self._settings.get(doubt)
        gone, held = await self._database.read(self._viewer, unlisted, self._target, statement, self._began)
        believed = believable(len(gone), held, None if before is None else int(before))
        if believed:
            for n in range(0, len(gone), SLICE):
                await self._database.write_behind(self._viewer, self._remove, statement.kind, gone[n : n + SLICE])
        await self._database.write_behind(self._viewer, self._state, statement)
        if not believed:
            text = f"{len(gone)} of {held} items are suddenly no longer listed; they are kept until a second listing agrees."
            await self._keep_setting(doubt, str(len(gone)), text)
        elif before is not None:
            await self._keep_setting(doubt, None)

    def _remove(self, conn: Connection, viewer: str, kind: str, keys: Sequence[str]) -> None:
        now = self._clock.now()
        recorder = Recorder(now, account_id=self._account.id)
        if remove_keys(conn, viewer, self._target, kind, keys, recorder, now) and kind == "CONTACT":
            leases.enqueue(conn, viewer, "identity", viewer, now)
        recorder.flush(conn, viewer)

    def _state(self, conn: Connection, viewer: str, statement: records.Statement) -> None:
        now = self._clock.now()
        query = stored_keys(viewer, self._account.id, statement)
        if statement.kind == "CONTACT":
            query = query.where(contact.c.relation != "CORRESPONDENT")
        stored = int(conn.execute(select(sa.func.count()).select_from(query.subquery())).scalar_one())
        expected = (
            statement.expected if statement.expected is not None else None if statement.keys is None else len(statement.keys)
        )
        accounts.state(
            conn, viewer, self._account.id, statement.kind, statement.container, now, expected=expected, stored=stored, skipped={}
        )

    async def _keep_setting(self, name: str, value: str | None, reason: str | None = None) -> None:
        """Keep a word of the account's between runs, or forget it; `reason` is shown with the account."""
        self._settings.pop(name, None)
        if value is not None:
            self._settings[name] = value
        now = self._clock.now()

        def write(conn: Connection, viewer: str) -> None:
            recorder = Recorder(now, account_id=self._account.id)
            accounts.change(conn, viewer, self._account.id, None, settings=msgspec.json.encode(self._settings))
            if reason is not None:
                accounts.change(conn, viewer, self._account.id, recorder, status_reason=reason)
            recorder.flush(conn, viewer)

        await self._database.write_behind(self._viewer, write)


def missing_keys(conn: Connection, viewer: str, target: Target, statement: records.Statement) -> list[str]:
    """The keys that a container's listing names and that are not stored, as the source orders them."""
    if statement.keys is None:
        return []
    held = frozenset(conn.execute(stored_keys(viewer, target.account_id, statement)).scalars())
    return sorted(statement.keys - held)
