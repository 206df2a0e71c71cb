"""Many people enriched in the background: a run is a row with an item for each of them, and a leased job goes through these.

What each question came to hangs on the person (`Person.enrichment`); the run says how far it is and what became of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers.enrichment.offer import SOURCES
from resolvers import paging, people
from resolvers.mistakes import Mistake, not_found
from resolvers.operation import Operation
from resolvers.paging import Ask, Listing, Order
from resolvers.writing import Answer, Mistaken, Payload, payload, perform
from store import enrichment, enrichment_runs, ids, leases
from store.feed import Recorder
from store.tables import enrichment_item, enrichment_run

MAX_PEOPLE: Final = 1_000
MAX_ATTEMPTS: Final = 100  # of the job: each goes on where the last one was cut


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run. `done` of `total` people are through; `found` of them somebody knew; `unconfirmed` questions may have been paid in vain."""

    id: str
    sources: list[str]
    state: str
    total: int
    done: int
    found: int
    unconfirmed: int
    created_at: datetime
    finished_at: datetime | None


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one person."""

    person_id: str
    outcome: str
    message: str | None


def of_row(row: Any) -> Run:
    """The run of a row."""
    values = {name: getattr(row, name) for name in Run.__struct_fields__}
    return Run(**(values | {"sources": row.sources.split()}))


def by_id(conn: Connection, viewer: str, run_ids: Sequence[str]) -> dict[str, Run]:
    """Runs by id."""
    rows = conn.execute(select(enrichment_run).where(enrichment_run.c.viewer_id == viewer, enrichment_run.c.id.in_(run_ids)))
    return {row.id: of_row(row) for row in rows}


async def page(operation: Operation, ask: Ask) -> Listing:
    """Runs, latest first."""

    def mine(viewer: str) -> sa.Select[Any]:
        return select(enrichment_run).where(enrichment_run.c.viewer_id == viewer)

    order = Order((enrichment_run.c.created_at, enrichment_run.c.id), descending=True)
    return await paging.rows(operation, paging.bound("enrichmentRuns"), ask, order, tuple[datetime, str], mine, of_row)


async def items(operation: Operation, run_id: str, ask: Ask) -> Listing:
    """What became of each person, in the order in which they were named."""

    def mine(viewer: str) -> sa.Select[Any]:
        return select(enrichment_item).where(enrichment_item.c.viewer_id == viewer, enrichment_item.c.run_id == run_id)

    def item(row: Any) -> Item:
        return Item(person_id=row.person_id, outcome=row.state, message=row.message)

    scope = paging.bound("enrichmentItems", run_id)
    return await paging.rows(operation, scope, ask, Order((enrichment_item.c.position,)), tuple[int], mine, item)


async def begin(
    operation: Operation, person_ids: Sequence[str], sources: Sequence[str] | None, again: bool, key: str | None
) -> Payload:
    """Have people enriched by the sources that are allowed, or by those of them that are named."""
    now = operation.now()

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        wanted = list(dict.fromkeys(person_ids))
        if not 0 < len(wanted) <= MAX_PEOPLE:
            text = f"Name 1 to {MAX_PEOPLE} people."
            raise Mistaken(Mistake(code="INVALID", message=text, field=("personIds",)))
        known = people.by_id(conn, viewer, wanted)
        for n, person_id in enumerate(person_ids):
            if person_id not in known:
                raise Mistaken(not_found(person_id, "personIds", str(n)))
        granted = {source for source, consent in enrichment.consents(conn, viewer).items() if consent.granted}
        chosen = [source.key for source in SOURCES if source.key in (granted if sources is None else sources)]
        if not chosen or not granted.issuperset(chosen):
            text = "Allow these sources first: setEnrichmentConsent says what each would be sent, and its price."
            raise Mistaken(Mistake(code="REQUIRED", message=text, field=("sources",)))
        run_id = ids.mint("ENRICHMENT_RUN")
        enrichment_runs.add(conn, viewer, run_id, chosen, again, wanted, now)
        leases.enqueue(conn, viewer, enrichment_runs.JOB, run_id, now, max_attempts=MAX_ATTEMPTS)
        return Answer(node_id=run_id)

    done = await perform(operation, "enrichPeople", key, [list(person_ids), sources, again], write)
    return payload(operation, done, enrichment_run_id="node_id")
