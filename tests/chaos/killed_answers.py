"""A process that writes and answers, killed (SIGKILL) within a transaction, right after a commit, or when it has just put an answer into Redis.

After each death another process finds the database and Redis as they were left: every answer that it gives, from Redis too, is the one that
is made without keeping any; and once what was begun is done again, there are the photos that contacts show and no others, each looked at as
it looks. A second viewer has the same people and pictures, and whatever happens to the first one, hers stay.
"""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from gateway.execution.request import GraphQLRequest
from gateway.installation import Installation
from gateway.people import named
from gateway.signin.door import command
from providers import records
from providers.formats import picture
from store import accounts
from store.tables import contact, photo, photo_look
from tests import fresh, servers
from tests.chaos.report import Report
from tests.faces import face, packed, scaled
from tests.gateway.running import TestClock, opened
from tests.household import NOW, Household, card, mail
from tests.patience import PATIENCE

HOW: Final = ("within a transaction", "after a commit", "after an answer was put into Redis")
LATER: Final = NOW + timedelta(days=1)
STEPS: Final = 200  # more than any process does before it dies
FACES: Final = [packed(scaled(face(n), 64)) for n in (1, 2, 3)]
PAGES: Final = (
    "{ viewer { people(first: 9) { edges { node { name photo { hash } emails { address } contacts { edges { node { photo { hash } } } } } } } } }",
    "{ viewer { conversations(first: 9) { edges { node { subject lastMessage { snippet } } } } } }",
    '{ viewer { search(query: "p", first: 9) { edges { node { __typename } } } mergeSuggestions(first: 9) { totalCount } } }',
    "{ viewer { name timeline(first: 9) { edges { node { __typename occurredAt } } } } }",
)


async def kill(home: Path, *, database: str, redis: str, deaths: int) -> Report:
    """So many deaths, each way in turn, over one database (migrated) and one Redis."""
    report, told = Report(), Counter[str]()
    async with _opened(home, database, redis) as installation:
        for name in (None, "kim"):
            await _furnish(await _house(installation, name))
        hers = await _pages(installation, "kim", report, told)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    for n in range(deaths):
        died = await asyncio.to_thread(_lived, context, str(home), database, redis, n)
        report.expect(f"{n}: died {HOW[n % 3]}", died, -signal.SIGKILL)
        async with _opened(home, database, redis) as installation:
            await _pages(installation, None, report, told)
            report.hold(f"{n}: the second viewer's answers stay", await _pages(installation, "kim", report, told) == hers)
            for name in (None, "kim"):
                house = await _house(installation, name)
                await house.resolve()
                for what in await house.database.read(house.viewer, _amiss):
                    report.broken.append(f"{n}: {what}")
            await _pages(installation, None, report, told)
    report.figures |= {f"answers from {how}": count for how, count in sorted(told.items())}
    report.hold("Redis had answers for other processes", told["cache"] > 0)
    return report


async def kill_on_both(home: Path, *, deaths: int) -> Report:
    """`kill` on SQLite and on PostgreSQL, with one Redis."""
    report = Report()
    with servers.redis_server() as redis, servers.postgres() as cluster:
        place = await fresh.postgresql(cluster)
        await fresh.sqlite(home / "sqlite" / "kith.db")
        for name, url in (("SQLite", f"sqlite:///{home / 'sqlite' / 'kith.db'}"), ("PostgreSQL", place.app_url)):
            found = await kill(home / name, database=url, redis=redis.url, deaths=deaths)
            report.figures |= {f"{name}: {what}": figure for what, figure in found.figures.items() if "died" not in what}
            report.figures[f"{name}: deaths"] = deaths
            report.broken += [f"{name}: {what}" for what in found.broken]
    return report


def _opened(home: Path, database: str, redis: str) -> Any:
    clock = TestClock()
    clock.time = LATER
    return opened(home, clock=clock, schema=None, database_url=database, redis_url=redis, rate_cost=0)


async def _house(installation: Installation, name: str | None) -> Household:
    return Household(installation.database, (await named(installation, name)).id)


async def _furnish(house: Household) -> None:
    book = await house.account("vcard", "cards")
    box = await house.account("mbox", "robin@example.org", own=["robin@example.org"])
    await house.take(book, *(_card(n, n) for n in range(4)))
    await house.take(box, *(mail(n, f"p{n % 4}@people.example", name=f"Person {n % 4}") for n in range(6)))
    await house.resolve()
    for account in (book, box):  # lately: what is older is not kept
        await _synced(house, account)


async def _synced(house: Household, account: str) -> None:
    await house.database.write(
        house.viewer, lambda conn, viewer: accounts.change(conn, viewer, account, None, last_synced_at=LATER)
    )


def _card(number: int, shown: int) -> records.Contact:
    pictures = [None, *(records.Photo(media_type="image/jpeg", data=data) for data in FACES)]
    return card(
        f"card-{number}", f"Person {number} Ray{shown}", f"p{number}@people.example", photo=pictures[shown % len(pictures)]
    )


async def _pages(installation: Installation, name: str | None, report: Report, told: Counter[str]) -> list[Any]:
    """What a viewer is answered, each compared with what is made."""
    principal, execution = command(await named(installation, name)), installation.execution
    answers = execution._answers
    assert answers is not None
    answers._told = lambda how: told.update([how])
    found = []
    for page in PAGES:
        request = GraphQLRequest(query=page)
        given = (await execution.reply(request, principal)).answer
        made = await execution.execute(request, principal)
        data = orjson.loads((given.head or b'{"data":' + orjson.dumps(given.data)) + b"}")["data"]
        report.hold(f"an answer is what would be made: {page}", data == orjson.loads(orjson.dumps(made.data)) and not made.errors)
        found.append(data)
    return found


def _amiss(conn: Connection, viewer: str) -> list[str]:
    """What is wrong with a viewer's photos, in words."""
    shown = {h for h in conn.execute(sa.select(contact.c.photo_hash).where(contact.c.viewer_id == viewer)).scalars() if h}
    kept = {row.hash: bytes(row.data) for row in conn.execute(sa.select(photo).where(photo.c.viewer_id == viewer))}
    looks = {row.hash: row.look for row in conn.execute(sa.select(photo_look).where(photo_look.c.viewer_id == viewer))}
    wrong = [] if kept.keys() == shown else [f"kept are {len(kept)} photos, shown {len(shown)}"]
    wrong += [
        f"{hashed} is known by another digest" for hashed, data in kept.items() if hashlib.sha256(data).hexdigest() != hashed
    ]
    if looks != {hashed: picture.look(data) for hashed, data in kept.items()}:
        wrong.append(f"of {len(kept)} photos {len(looks)} are known by how they look, or not by that")
    return wrong


def _lived(context: Any, home: str, database: str, redis: str, n: int) -> int | None:
    """Live in a process of its own until it dies; how it did."""
    process = context.Process(target=_work, args=(home, database, redis, n))
    process.start()
    process.join(PATIENCE)
    if process.exitcode is None:
        process.kill()
    return None if process.exitcode is None else int(process.exitcode)


def _work(home: str, database: str, redis: str, n: int) -> None:
    asyncio.run(_live(Path(home), database, redis, n))
    os._exit(0)


async def _live(home: Path, database: str, redis: str, n: int) -> None:
    dice, report = random.Random(n), Report()
    async with _opened(home, database, redis) as installation:
        house = await _house(installation, None)
        book, at = await house.account("vcard", "cards"), dice.randint(2, 9)
        if n % 3 == 2:
            _die_at_puts(installation, at)
        else:
            _die_at_writes(installation, at, within=n % 3 == 0)
        for step in range(STEPS):
            await _pages(installation, None, report, Counter())
            one, shown = dice.randrange(4), dice.randrange(4)
            if step % 4 == 3:
                await house.unlist(book, [f"card-{one}"])
            else:
                await house.take(book, _card(one, shown))
            await house.resolve()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_at_writes(installation: Installation, at: int, *, within: bool) -> None:
    counted = 0

    def counting(write: Callable[..., Any]) -> Callable[..., Any]:
        async def wrapped(viewer: str, f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            nonlocal counted
            counted += 1
            here = counted == at

            def written(conn: Connection, viewer: str) -> Any:
                done = f(conn, viewer, *args, **kwargs)
                if here and within:
                    _die()
                return done

            done = await write(viewer, written)
            if here:
                _die()
            return done

        return wrapped

    for name in ("write", "write_behind"):
        setattr(installation.database, name, counting(getattr(installation.database, name)))


def _die_at_puts(installation: Installation, at: int) -> None:
    kept: Any = installation.cache._kept
    put, counted = kept.put, 0

    async def wrapped(*args: Any) -> None:
        nonlocal counted
        counted += 1
        await put(*args)
        if counted == at:
            _die()

    kept.put = wrapped
