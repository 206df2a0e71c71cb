"""One worker, much to do: whose turn it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from gateway.settle import settle
from gateway.worker import CONCURRENCY
from providers.records import Profile
from providers.session import Secret
from resolvers.identity.pairing import FEW, pair
from resolvers.identity.resolve import resolve
from store import accounts, leases
from store.tables import clue, exchange, unpaired
from tests.household import ME, Household, card, mail
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.workshop import Workshop, workshop


class Silent:
    """A server that takes connections and says nothing; `asked` once somebody came."""

    def __init__(self, port: int, asked: asyncio.Event) -> None:
        self.port = port
        self.asked = asked


@pytest.fixture
async def silent() -> AsyncIterator[Silent]:
    asked = asyncio.Event()
    held: list[asyncio.StreamWriter] = []

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        asked.set()

    server = await asyncio.start_server(hold, "127.0.0.1", free_port())
    yield Silent(server.sockets[0].getsockname()[1], asked)
    for writer in held:
        writer.close()
    server.close()


async def _syncs(shop: Workshop, household: Household, port: int) -> None:
    """More accounts that wait for their server than a worker has turns."""
    for number in range(CONCURRENCY + 2):
        url = f"http://127.0.0.1:{port}/{number}/"
        profile = Profile(user_id=str(number), label=f"book {number}")
        secret = Secret(username="ada", password="secret")
        await shop.accounts.add(household.viewer, shop.providers["carddav"], profile, secret, base_url=url)


async def test_work_that_takes_long_never_takes_every_turn(household: Household, tmp_path: Path, silent: Silent) -> None:
    async with workshop(household.database, tmp_path, f"127.0.0.1/32:{silent.port}") as shop:
        await _syncs(shop, household, silent.port)
        working = asyncio.create_task(shop.worker.work(asyncio.Event()))
        try:
            await silent.asked.wait()
            syncs = await _running(household, "sync")
            await household.database.system(leases.enqueue, household.viewer, "identity", household.viewer, shop.clock.now())
            await settle(shop.worker, household.viewer, [("identity", household.viewer)], patience=PATIENCE)
            assert 0 < len(syncs) < CONCURRENCY
            assert await _running(household, "sync") == syncs, "they still wait for their servers"
        finally:
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working


async def _running(household: Household, kind: str) -> set[str]:
    found = await household.database.system_read(leases.listed, viewer=household.viewer, kind=kind)
    return {job.subject for job in found if job.lease_owner is not None}


async def test_people_are_compared_after_a_long_sync_and_not_beside_it(household: Household, tmp_path: Path) -> None:
    book = await household.account("vcard", "cards")
    # more than those whose keys are written with what they say
    await household.take(book, *(card(str(n), f"Ada Byron {n}", f"ada{n}@nimbus.example") for n in range(FEW + 2)))
    viewer = household.viewer
    async with workshop(household.database, tmp_path) as shop:

        def sync(conn: Connection, viewer: str, phase: str | None) -> None:
            accounts.change(conn, viewer, book, None, phase=phase, done=10, total=5_000, progress_started_at=shop.clock.now())

        async def left() -> tuple[int, int]:
            def read(conn: Connection, viewer: str) -> tuple[int, int]:
                marked, keys = (
                    conn.execute(select(func.count()).select_from(table).where(table.c.viewer_id == viewer)).scalar_one()
                    for table in (unpaired, clue)
                )
                return marked, keys

            return await household.database.read(viewer, read)

        await household.database.write(viewer, sync, "listing")
        await household.database.system(leases.enqueue, viewer, "identity", viewer, shop.clock.now())
        assert await shop.worker.run_one(viewer, "identity", viewer)
        assert await shop.worker.run_one(viewer, "pair", viewer)
        assert await left() == (FEW + 2, 0), "who is who is known, and whom they look like is not asked yet"
        await household.database.write(viewer, sync, None)
        assert await shop.worker.run_one(viewer, "pair", viewer)
        marked, keys = await left()
        assert marked == 0 and keys > 0
        assert not await shop.worker.run_one(viewer, "pair", viewer), "it is done"


async def test_comparing_people_leaves_off_when_it_is_to_wait_and_goes_on_where_it_was(household: Household) -> None:
    book = await household.account("vcard", "cards")
    await household.take(book, card("a", "Ada Byron", "ada@nimbus.example"), card("b", "Ada Byron", "ada@nirnbus.example"))
    await resolve(household.database, household.viewer, household.now)

    def keyed(conn: Connection, viewer: str) -> bool:
        return conn.execute(select(clue.c.key).where(clue.c.viewer_id == viewer).limit(1)).first() is not None

    assert await pair(household.database, household.viewer, household.now, later=keyed) == 0
    assert await pair(household.database, household.viewer, household.now) == 2


async def test_what_was_exchanged_is_counted_after_a_long_sync_and_not_beside_it(household: Household, tmp_path: Path) -> None:
    box = await household.account("imap", ME, own=[ME])
    await household.take(box, mail(1, "ada@example.org"))
    job = ("tally", household.viewer)
    async with workshop(household.database, tmp_path) as shop:

        def sync(conn: Connection, viewer: str, phase: str | None) -> None:
            accounts.change(conn, viewer, box, None, phase=phase, done=5_000, progress_started_at=shop.clock.now())

        async def counted() -> int:
            return await household.database.read(household.viewer, lambda conn, _: len(conn.execute(select(exchange)).all()))

        await household.database.write(household.viewer, sync, "listing")
        assert await shop.worker.run_one(household.viewer, *job)
        assert await counted() == 0
        await household.database.write(household.viewer, sync, None)
        assert await shop.worker.run_one(household.viewer, *job)
        assert await counted() == 1
        assert not await shop.worker.run_one(household.viewer, *job), "it is done"
        # after an upgrade, or when an own address has turned out to be none, everything is counted anew
        await household.database.write(household.viewer, lambda conn, _: conn.execute(exchange.delete()))
        await household.database.system(leases.enqueue, household.viewer, "retally", household.viewer, shop.clock.now())
        assert await shop.worker.run_one(household.viewer, "retally", household.viewer)
        assert await counted() == 1
