"""What look-ups have read of people is read again when its time is over, by a leased job, for viewers who allow that.

    claims that are over, of one speaker ──▶ speaker and those it names are read ──▶ read again: a new row, good for its lifetime
                                                                                └▶ taken back: REVOKED, or a claim without an answer
                                                                                └▶ nobody answered: again later; after a week no proof

A look-up is its viewer's own act; this is not, and tells hosts once a month that somebody here still cares for a person: it needs a consent of
its own (`setEnrichmentConsent`, RECHECKS), which every request is held against where it is written down. Whoever is nobody's of the viewer's
people is not asked about, third parties that only a look-up may name are not, and pages only where robots may go. The paces of hosts are those of
all look-ups of the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from providers.lookup import documents, resources, walk
from providers.lookup.crawl import Web
from providers.lookup.reading import MAX_NEXT, Ask, Reading
from resolvers import web_claims
from resolvers.disclosures import Ledger
from resolvers.operation import Services
from store import leases, locks, web_checks, web_links
from store.disclosures import RECHECK, rechecks_allowed
from store.web_links import WebLink

#: What one speaker's claims may cost to read again; whom they name is read, and nobody further.
BUDGET: Final = walk.Budget(documents=20, bytes=4 * 1024 * 1024, steps=1)
#: Claims of one speaker that are looked at together, and speakers of one turn of the job; then others have theirs.
TOGETHER: Final = MAX_NEXT
SPEAKERS: Final = 20
#: For all documents of one speaker, at the paces of their hosts.
PATIENCE: Final = timedelta(minutes=2)
#: A claim that a process has in hand when it dies is taken up again after as long, and so is one for which there was no time.
IN_HAND: Final = timedelta(hours=1)
#: When it is tried again after the first, second, … check in vain. After so many that took so long it is no proof any more.
AGAIN: Final = (timedelta(days=1), timedelta(days=2), timedelta(days=4))
FAILURES: Final = 2
FAILING_FOR: Final = timedelta(days=7)
#: How often somebody is still asked who has been silent for longer, and how long.
LAPSED_AGAIN: Final = timedelta(days=60)
FORGOTTEN: Final = timedelta(days=366)
log = structlog.get_logger("kith.rechecking")


def wake(conn: Connection, viewer: str, now: datetime) -> None:
    """Have claims looked at when their time is over; in the transaction in which that was allowed."""
    if rechecks_allowed(conn, viewer):
        leases.enqueue(conn, viewer, web_checks.JOB, viewer, now)


async def run(services: Services, viewer: str) -> timedelta | None:
    """Look at what is over. Returns when to come back; None where there is nothing more to look at, or that is not allowed."""
    if services.web is None:
        return None
    library = _Library(services, services.web, viewer)
    for _ in range(SPEAKERS):
        now = services.clock.now()
        taken = await services.database.write(viewer, web_checks.take, now, TOGETHER, now + IN_HAND)
        if not taken:
            break
        await _look(services, viewer, taken, library)
    due = await services.database.read(viewer, web_checks.next_due)
    return None if due is None else max(timedelta(), due - services.clock.now())


async def _look(services: Services, viewer: str, taken: Sequence[WebLink], library: _Library) -> None:
    """Reads again what one speaker says of some, and what they say."""
    database = services.database
    now = services.clock.now()
    speaker = resources.known(taken[0].speaker_uri)
    if speaker is None or not await database.read(viewer, web_claims.hung, taken):
        await database.write(viewer, web_checks.postpone, taken, now + web_claims.LIFETIME)  # nobody's, by now
        return
    found = await walk.look_up(
        speaker, library.until(now + PATIENCE), budget=BUDGET, crawled=True, only=frozenset(one.target for one in taken)
    )
    await library.ledger.settled()
    await web_claims.keep(services, viewer, [found])
    if any(reading.state == "BUDGET_SPENT" for reading in found.readings):
        return  # it was not their silence: they are asked again in an hour
    await database.write(viewer, _unconfirmed, taken, services.clock.now())


def _unconfirmed(conn: Connection, viewer: str, taken: Sequence[WebLink], now: datetime) -> None:
    """Notes of what was neither read again nor taken back that nobody could confirm it."""
    if not rechecks_allowed(conn, viewer):
        return  # it was taken back while this was under way: nobody was asked to the end
    locks.people(conn, viewer)
    today = {one.place: one for one in web_links.said_by(conn, viewer, {taken[0].speaker})}
    silent = [
        one for one in taken if (there := today.get(one.place)) and there.read_at == one.read_at and there.claim == one.claim
    ]
    failed = [(one, *after(one, now)) for one in silent]
    lapsed = web_checks.unconfirmed(conn, viewer, failed, now)
    web_claims.tell(conn, viewer, lapsed, now)
    if silent:
        log.info("claims could not be confirmed", viewer=viewer, count=len(silent), lapsed=len(lapsed))


def after(one: WebLink, now: datetime) -> tuple[datetime | None, bool]:
    """What comes of one more check in vain: when to try again, and whether the claim is proof no more."""
    since = one.failing_since or now
    lapses = one.lapsed_at is not None or (one.failures + 1 >= FAILURES and now - since >= FAILING_FOR)
    if not lapses:
        return now + AGAIN[min(one.failures, len(AGAIN) - 1)], False
    return (now + LAPSED_AGAIN if now - since < FORGOTTEN else None), True


class _Library:
    """The documents of one turn of the job, each read once, as the viewer's log is told."""

    def __init__(self, services: Services, web: Web, viewer: str) -> None:
        self._web = web
        self._clock = services.clock
        self._read: dict[tuple[str, str, str], asyncio.Task[Reading]] = {}
        self.ledger = Ledger(services.database, services.clock, viewer)

    def until(self, end: datetime) -> walk.Library:
        """The way to documents for somebody who waits until then."""

        async def read(ask: Ask) -> Reading:
            place = (ask.protocol, ask.url, ask.subject)
            if place not in self._read:
                web = self._web.logged(self.ledger.about(web_claims.told(ask, RECHECK)))
                self._read[place] = asyncio.create_task(documents.read(ask, web, end))
            return await self._read[place]

        return read
