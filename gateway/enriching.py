"""The job `enrich`: one run over many people, a few of them at a time, as far as it was cut and no further.

A person is through when each of their sources has answered, or said why not; one that is being looked for (202), asked for elsewhere or
paused waits for the next round. What a killed round has left open was its own: nobody else works at this run while its lease holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from providers.enrichment.offer import BY_KEY
from resolvers import people
from resolvers.enrichment import GOES_ON, Key, Told, identifiers, put, questions
from resolvers.operation import Services
from store import enrichment, enrichment_runs
from store.enrichment import Consent, Holder
from store.enrichment_runs import Run

AT_ONCE: Final = 4
#: A run that waits for others goes on as long, and looks again after as long at least.
PATIENCE: Final = timedelta(days=1)
SOONEST: Final = timedelta(seconds=5)
#: What may be otherwise soon: the person waits.
UNDECIDED: Final = frozenset({"PENDING", "ASKING", "RATE_LIMITED"})
#: Of several sources' outcomes the one that is told of a person: the first of these, else the last source's.
BEST: Final = ("FOUND", "UNCONFIRMED", "BUDGET_SPENT", "OUT_OF_CREDIT", "REFUSED", "UNAVAILABLE", "NOT_FOUND")
GONE: Final = "They are nobody any more: their contacts were deleted."


async def run(services: Services, viewer: str, run_id: str) -> timedelta | None:
    """Go through what a run has left. Returns when to come back for those who wait; None when all are through."""
    began = services.clock.now()
    found = await services.database.write(viewer, enrichment_runs.take_up, run_id)
    if found is None:
        return None
    holder = Holder(run=run_id, since=began)
    patient = began < found.created_at + PATIENCE
    after, soonest = -1, None
    while batch := await services.database.read(viewer, enrichment_runs.waiting, run_id, after, AT_ONCE):
        after = batch[-1][0]
        allowed = await services.database.read(viewer, enrichment.consents)
        waits = await asyncio.gather(
            *(_person(services, viewer, found, holder, allowed, n, person_id, patient) for n, person_id in batch)
        )
        soonest = min((until for until in (soonest, *waits) if until is not None), default=None)
    if soonest is not None:
        return max(SOONEST, soonest - services.clock.now())
    await services.database.write(viewer, enrichment_runs.finish, run_id, services.clock.now())
    return None


async def _person(
    services: Services,
    viewer: str,
    found: Run,
    holder: Holder,
    allowed: dict[str, Consent],
    position: int,
    person_id: str,
    patient: bool,
) -> datetime | None:
    """One person; when to come back for them, None when they are through."""
    who, keys = await services.database.read(viewer, _known, person_id)
    if who is None:
        await services.database.write(viewer, enrichment_runs.settle, found.id, position, "GONE", GONE, 0)
        return None
    told = [
        await _source(services, viewer, who, source, allowed.get(source), keys, found.again, holder) for source in found.sources
    ]
    undecided = [one for one in told if one.outcome in UNDECIDED]
    if undecided and patient:
        now = services.clock.now()
        return min(one.until or now for one in undecided)
    outcomes = {one.outcome: one for one in reversed(told)}
    best = next((outcomes[outcome] for outcome in BEST if outcome in outcomes), told[-1])
    doubts = sum(one.outcome == "UNCONFIRMED" for one in told)
    await services.database.write(viewer, enrichment_runs.settle, found.id, position, best.outcome, best.message, doubts)
    return None


async def _source(
    services: Services,
    viewer: str,
    who: people.Person,
    source: str,
    consent: Consent | None,
    keys: Sequence[Key],
    again: bool,
    holder: Holder,
) -> Told:
    """What one source says of somebody, by one identifier after the other until it knows one."""
    if consent is None or not consent.granted:
        return Told(outcome="NO_CONSENT", message="Consent was withdrawn.")
    told = Told(outcome="NOTHING_TO_ASK", message="There is no identifier of theirs that may be sent.")
    for question in questions(services.enrichers, who, BY_KEY[source], consent.fields, keys):
        told = await put(services, viewer, question, again=again, waits=True, holder=holder)
        if told.outcome not in GOES_ON:
            break
    return told


def _known(conn: Connection, viewer: str, person_id: str) -> tuple[people.Person | None, list[Key]]:
    who = people.by_id(conn, viewer, [person_id]).get(person_id)
    if not isinstance(who, people.Person):
        return None, []
    return who, identifiers(conn, viewer, [who.id])[who.id]
