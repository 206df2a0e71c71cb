"""The log of what has left about people: how it is written while something leaves, and how its viewer reads it.

A `Ledger` is one viewer's `providers.disclosing.Log`. What many look-ups want to send at a time is written down in one transaction, which
none of them overtakes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy import Connection, select

from providers.disclosing import Outgoing
from providers.enrichment.offer import dollars
from providers.errors import Refused
from resolvers import paging, people
from resolvers.loaders import load
from resolvers.operation import Clock, Operation
from resolvers.paging import Ask, Listing, Order
from store import disclosures
from store.database import Database
from store.disclosures import Disclosure, Entry
from store.tables import disclosure

MAX_SENT: Final = 20
NO_CONSENT: Final = "no-consent"
log = structlog.get_logger()


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a request is about and why it is made: `kind` and `value` are an identifier as contacts have it."""

    source: str
    purpose: str
    kind: str
    value: str
    sent: tuple[str, ...]
    price: int = 0


class Ledger:
    """Writes one viewer's log; `about` gives what a request needs to be told of."""

    def __init__(self, database: Database, clock: Clock, viewer: str) -> None:
        self._database = database
        self._clock = clock
        self._viewer = viewer
        self._beginning: list[tuple[Entry, asyncio.Future[str | None]]] = []
        self._ending: list[tuple[str, str, int | None]] = []
        self._writing: asyncio.Task[None] | None = None

    def about(self, about: About) -> _Page:
        """The log as it is handed to the wire for one question."""
        return _Page(self, about)

    async def begin(self, entry: Entry) -> str:
        """The id of a row that is written. Raises Refused where consent does not stand any more."""
        written: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._beginning.append((entry, written))
        self._wake()
        made = await written
        if made is None:
            raise Refused("You have not allowed this to be sent, or not any more.", provider_code=NO_CONSENT)
        return made

    async def end(self, entry: str, outcome: str, status: int | None) -> None:
        self._ending.append((entry, outcome, status))
        self._wake()

    async def settled(self) -> None:
        """Returns when everything is written."""
        while self._writing is not None and not self._writing.done():
            await asyncio.shield(self._writing)

    def _wake(self) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="disclosures")

    async def _write(self) -> None:
        await asyncio.sleep(0)  # whatever wants to be sent in this very turn of the loop goes along
        while self._beginning or self._ending:
            begun, self._beginning = self._beginning, []
            ended, self._ending = self._ending, []
            try:
                made = await self._database.write(self._viewer, _keep, [entry for entry, _ in begun], ended, self._clock.now())
            except Exception as error:
                log.warning("disclosures could not be written down", begun=len(begun), ended=len(ended), error=str(error))
                for _, written in begun:
                    if not written.done():
                        written.set_exception(error)
                continue
            for (_, written), disclosure_id in zip(begun, made, strict=True):
                if not written.done():  # who asked may be gone: then nothing leaves, and the row stays open
                    written.set_result(disclosure_id)


class _Page:
    """A ledger opened for one question."""

    def __init__(self, ledger: Ledger, about: About) -> None:
        self._ledger = ledger
        self._about = about

    async def begin(self, outgoing: Outgoing) -> str:
        told = self._about
        return await self._ledger.begin(
            Entry(
                source=told.source,
                purpose=told.purpose,
                kind=told.kind,
                value=told.value,
                recipient=outgoing.recipient,
                method=outgoing.method,
                url=outgoing.url,
                body=outgoing.body,
                sent=list(told.sent[:MAX_SENT]),
                price=told.price,
            )
        )

    async def end(self, entry: str, outcome: str, status: int | None) -> None:
        await self._ledger.end(entry, outcome, status)


def _keep(
    conn: Connection, viewer: str, begun: Sequence[Entry], ended: Sequence[tuple[str, str, int | None]], now: datetime
) -> list[str | None]:
    disclosures.end(conn, viewer, ended, now)
    return disclosures.begin(conn, viewer, begun, now)


# --- reading it -----------------------------------------------------------------------------------------------------------------


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the log as its viewer sees it."""

    id: str
    source: str
    purpose: str
    consented_at: datetime | None
    recipient: str
    request: str
    body: str | None
    sent: list[str]
    sent_at: datetime
    answered_at: datetime | None
    outcome: str
    http_status: int | None
    price: str
    about: tuple[str, str]


def shown(row: Any) -> Shown:
    """A row of the table. Raises MsgspecError for a damaged one."""
    return of(disclosures.of_row(row))


def of(kept: Disclosure) -> Shown:
    """What is kept, in words."""
    return Shown(
        id=kept.id,
        source=kept.source,
        purpose=kept.purpose,
        consented_at=kept.consented_at,
        recipient=kept.recipient,
        request=f"{kept.method} {kept.url}",
        body=None if kept.body is None else kept.body.decode("utf-8", "replace"),
        sent=kept.sent[:MAX_SENT],
        sent_at=kept.sent_at,
        answered_at=kept.answered_at,
        outcome="UNCONFIRMED" if kept.outcome == disclosures.OPEN else kept.outcome,
        http_status=kept.http_status,
        price=dollars(kept.price),
        about=(kept.kind, kept.value),
    )


def by_id(conn: Connection, viewer: str, disclosure_ids: Sequence[str]) -> dict[str, Shown]:
    """Rows of the log by id."""
    return {i: of(kept) for i, kept in disclosures.by_id(conn, viewer, disclosure_ids).items()}


async def page(operation: Operation, ask: Ask) -> Listing:
    """The log, latest first."""

    def mine(viewer: str) -> sa.Select[Any]:
        return select(disclosure).where(disclosure.c.viewer_id == viewer)

    order = Order((disclosure.c.sent_at, disclosure.c.id), descending=True)
    return await paging.rows(operation, paging.bound("disclosures"), ask, order, tuple[datetime, str], mine, shown)


async def person(operation: Operation, parent: Shown) -> people.Person | None:
    """Whom it was about, as far as somebody is still known by that identifier."""
    person_id = await load(operation, people.owners, parent.about)
    return None if person_id is None else await people.get(operation, person_id)
