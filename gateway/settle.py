"""Waiting for queued work, and doing it oneself when no worker takes it: what commands that return when all is done need.

A command runs beside a server whose worker may take the job; after a moment of nobody doing so the command claims it. However the
command ends, the job stays queued and the next worker goes on from its checkpoint.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from sqlalchemy import Connection

from gateway.worker import REAP_SECONDS, Worker
from store import leases
from store.leases import Job

PATIENCE: Final = 1.0  # seconds that a worker gets to take the job
POLL: Final = 0.2


class JobDead(Exception):
    """A job was given up; the message is its reason."""


async def settle(
    worker: Worker,
    viewer: str,
    jobs: Sequence[tuple[str, str]],
    progress: Callable[[], Awaitable[None]] | None = None,
    *,
    patience: float = PATIENCE,
) -> None:
    """Return when these jobs (kind, dedupe key) are done or wait for a later moment, in their order.

    `progress` is called again and again; after `patience` seconds of nobody taking a job it is done here. Raises JobDead when one was given up.
    """
    for kind, key in jobs:
        await _settle_one(worker, viewer, kind, key, progress, patience)
    if progress is not None:
        await progress()


async def _settle_one(
    worker: Worker,
    viewer: str,
    kind: str,
    key: str,
    progress: Callable[[], Awaitable[None]] | None,
    patience: float,
) -> None:
    loop = asyncio.get_running_loop()
    idle_since = loop.time()
    reaped = 0.0
    doing: asyncio.Task[bool] | None = None
    try:
        while True:
            if progress is not None:
                await progress()
            if doing is not None and doing.done():
                doing.result()
                doing = None
                idle_since = loop.time()
            job = await worker.database.system_read(_find, viewer, kind, key)
            if job is None:
                if doing is not None:
                    await doing
                return
            if job.dead_reason is not None:
                raise JobDead(job.dead_reason)
            now = worker.clock.now()
            held = job.lease_until is not None and job.lease_until > now
            if held or doing is not None:
                idle_since = loop.time()
            elif job.due > now and (job.every is not None or job.attempts > 0) and job.lease_owner is None:
                if job.every is not None:
                    return  # done for now; it comes again by itself
                await asyncio.sleep(POLL)
            elif loop.time() - idle_since >= patience:
                doing = asyncio.create_task(worker.run_one(viewer, kind, key))
            if loop.time() - reaped > REAP_SECONDS:
                await worker.reap()
                reaped = loop.time()
            await asyncio.sleep(POLL if patience else 0.01)
    finally:
        if doing is not None and not doing.done():
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)


def _find(conn: Connection, viewer: str, kind: str, key: str) -> Job | None:
    found = [job for job in leases.listed(conn, viewer=viewer, kind=kind) if job.dedupe_key == key]
    return found[0] if found else None
