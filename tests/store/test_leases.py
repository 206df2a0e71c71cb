"""Leased jobs: done once, lost by nobody, dead only with a reason."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from store import leases
from store.database import Database
from tests.household import NOW

LATER = NOW + timedelta(seconds=1)


async def test_a_job_asked_for_twice_before_it_began_is_one_job(database: Database) -> None:
    first = await database.system(leases.enqueue, "u_a", "sync", "a_1", NOW)
    again = await database.system(leases.enqueue, "u_a", "sync", "a_1", NOW)
    assert first == again
    assert len(await database.system_read(leases.listed)) == 1


async def test_a_job_asked_for_by_many_at_the_same_moment_is_one_job(database: Database) -> None:
    made = await asyncio.gather(*(database.system(leases.enqueue, "u_a", "sync", "a_1", NOW) for _ in range(8)))
    assert len(set(made)) == 1
    assert len(await database.system_read(leases.listed)) == 1


async def test_a_job_asked_for_while_it_runs_is_done_once_more(database: Database) -> None:
    await database.system(leases.enqueue, "u_a", "identity", "u_a", NOW)
    (job,) = await database.system(leases.claim, "w1", NOW)
    await database.system(leases.enqueue, "u_a", "identity", "u_a", LATER)
    await database.system(leases.finish, job.id, "w1", LATER)
    assert [j.id for j in await database.system(leases.claim, "w1", LATER)] == [job.id]
    await database.system(leases.finish, job.id, "w1", LATER)
    assert await database.system(leases.claim, "w1", LATER) == []


async def test_a_claimed_job_is_nobody_elses_until_its_lease_runs_out(database: Database) -> None:
    await database.system(leases.enqueue, "u_a", "sync", "a_1", NOW)
    assert len(await database.system(leases.claim, "w1", NOW)) == 1
    assert await database.system(leases.claim, "w2", NOW + leases.LEASE / 2) == []
    (taken,) = await database.system(leases.claim, "w2", NOW + leases.LEASE + timedelta(seconds=1))
    assert taken.attempts == 2
    assert not await database.system(leases.beat, taken.id, "w1", NOW + leases.LEASE + timedelta(seconds=2))


async def test_a_heartbeat_holds_on_to_the_lease(database: Database) -> None:
    await database.system(leases.enqueue, "u_a", "sync", "a_1", NOW)
    (job,) = await database.system(leases.claim, "w1", NOW)
    assert await database.system(leases.beat, job.id, "w1", NOW + leases.LEASE / 2)
    assert await database.system(leases.claim, "w2", NOW + leases.LEASE * 1.2) == []


async def test_twenty_claimers_at_once_never_share_a_job(database: Database) -> None:
    for n in range(40):
        await database.system(leases.enqueue, "u_a", "sync", f"a_{n}", NOW)
    taken = await asyncio.gather(*(database.system(leases.claim, f"w{n}", NOW, 3) for n in range(20)))
    found = [job.id for jobs in taken for job in jobs]
    assert len(found) == len(set(found))


async def test_a_job_that_fails_too_often_is_dead_with_its_reason_and_can_be_retried(database: Database) -> None:
    job_id = await database.system(leases.enqueue, "u_a", "import", "i_1", NOW, max_attempts=2)
    now = NOW
    for _ in range(2):
        (job,) = await database.system(leases.claim, "w1", now)
        await database.system(leases.fail, job.id, "w1", now, "the disk is full")
        now += timedelta(hours=2)
    assert await database.system(leases.claim, "w1", now) == []
    (dead,) = await database.system_read(leases.listed, dead=True)
    assert dead.dead_reason == "the disk is full"
    assert await database.system(leases.retry, job_id, now)
    assert len(await database.system(leases.claim, "w1", now)) == 1


async def test_a_periodic_job_never_dies_and_comes_again_after_its_interval(database: Database) -> None:
    await database.system(leases.enqueue, "u_a", "sync", "a_1", NOW, every=900, max_attempts=1)
    (job,) = await database.system(leases.claim, "w1", NOW)
    await database.system(leases.fail, job.id, "w1", NOW, "the network is down")
    later = NOW + timedelta(hours=3)
    (job,) = await database.system(leases.claim, "w1", later)
    await database.system(leases.finish, job.id, "w1", later)
    assert await database.system(leases.claim, "w1", later + timedelta(seconds=899)) == []
    assert len(await database.system(leases.claim, "w1", later + timedelta(seconds=900))) == 1


async def test_a_worker_that_stops_in_order_gives_its_jobs_back_at_once(database: Database) -> None:
    await database.system(leases.enqueue, "u_a", "sync", "a_1", NOW)
    await database.system(leases.claim, "w1", NOW)
    await database.system(leases.release, "w1", NOW)
    (job,) = await database.system(leases.claim, "w2", NOW)
    assert job.attempts == 1


async def test_work_that_goes_on_where_it_was_cut_is_given_up_only_when_it_stands_still(database: Database) -> None:
    await database.system(leases.enqueue, "u_a", "webhook", "h_1", NOW)
    moment = NOW
    for n in range(3 * leases.MAX_ATTEMPTS):  # each worker does a part and dies
        (job,) = await database.system(leases.claim, f"w{n}", moment)
        await database.system(leases.got_on, "u_a", "webhook", "h_1")
        moment += leases.LEASE + timedelta(seconds=1)
    for n in range(leases.MAX_ATTEMPTS - 1):  # and these die without having done anything
        (job,) = await database.system(leases.claim, f"v{n}", moment)
        moment += leases.LEASE + timedelta(seconds=1)
    assert job.attempts == leases.MAX_ATTEMPTS
    assert await database.system(leases.claim, "v", moment) == []
    (dead,) = await database.system_read(leases.listed, dead=True)
    assert dead.dead_reason == f"given up after {leases.MAX_ATTEMPTS} attempts that ended without an answer"


async def test_a_worker_sees_by_reading_alone_whether_there_is_anything_to_claim(database: Database) -> None:
    async def is_due(now: datetime, **which: tuple[str, ...]) -> bool:
        return await database.system_read(leases.is_due, now, **which)

    assert not await is_due(NOW)
    await database.system(leases.enqueue, "u_a", "sync", "a_1", NOW, due=LATER)
    assert not await is_due(NOW)
    assert await is_due(LATER)
    assert await is_due(LATER, kinds=("sync", "import")) and not await is_due(LATER, kinds=("import",))
    assert await is_due(LATER, without=("import",)) and not await is_due(LATER, without=("import", "sync"))
    await database.system(leases.claim, "w1", LATER)
    assert not await is_due(LATER)
    assert await is_due(LATER + leases.LEASE * 1.1)  # held by nobody any more
