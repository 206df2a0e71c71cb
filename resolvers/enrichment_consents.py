"""What a viewer lets outside sources be asked: shown with who would learn what at which price before it is decided, and decided here.

Withdrawing takes back what was got: facts of the source are erased in the same transaction. What has left stays in the log, and what was
paid stays paid.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec
from sqlalchemy import Connection

from providers.enrichment.offer import BY_KEY, CONSENTS, MILLION, RECHECKS, dollars
from resolvers import rechecking
from resolvers.enrichment import consents
from resolvers.mistakes import Mistake
from resolvers.operation import Operation, Services
from resolvers.writing import Answer, Mistaken, Payload, payload, perform
from store import enrichment
from store.feed import Recorder

LARGEST: Final = 1_000_000  # dollars
GIVE_MONEY: Final = "Write an amount of US dollars such as 5 or 2.50."


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A source and what the viewer allows it: `fields` is what may be sent, or would be by consent that says nothing of it."""

    source: str
    granted: bool
    fields: list[str]
    changed_at: datetime | None
    recipient: str
    sends: str
    price: str
    available: bool
    how: str | None
    paused_until: datetime | None
    paused_because: str | None


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """What a month may cost and has cost, open questions included."""

    allowed: str
    spent: str


async def of_viewer(operation: Operation) -> list[Shown]:
    """Every source that there is."""
    decided = await consents(operation)
    enrichers = operation.services.enrichers
    now = operation.now()
    found = []
    for source in CONSENTS:
        consent = decided.get(source.key)
        granted = consent is not None and consent.granted
        paused = consent is not None and consent.paused_until is not None and consent.paused_until > now
        available = _available(operation.services, source.key)
        found.append(
            Shown(
                source=source.key,
                granted=granted,
                fields=list(consent.fields if consent is not None and granted else source.usual),
                changed_at=None if consent is None else consent.changed_at,
                recipient=source.recipient,
                sends=source.sends,
                price=dollars(0 if enrichers is None else enrichers.price(source.key)),
                available=available,
                how=None if available else source.how,
                paused_until=consent.paused_until if consent is not None and paused else None,
                paused_because=consent.paused_message if consent is not None and paused else None,
            )
        )
    return found


async def of_source(operation: Operation, source: str) -> Shown:
    """One source."""
    return next(one for one in await of_viewer(operation) if one.source == source)


async def money(operation: Operation) -> Money:
    """This month's money."""
    spent, allowed = await operation.read(enrichment.spent, operation.now())
    most = operation.services.enrichment_budget
    return Money(allowed=dollars(most if allowed is None else min(allowed, most)), spent=dollars(spent))


async def decide(
    operation: Operation, source: str, granted: bool, fields: Sequence[str] | None, monthly_budget: str | None, key: str | None
) -> Payload:
    """Keep what the viewer decides of a source; `monthly_budget` is for all of them together."""
    now = operation.now()
    offered = BY_KEY[source]

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        wanted = list(offered.usual if fields is None else dict.fromkeys(fields))
        if granted and not _available(operation.services, source):
            text = f"{offered.name} is not set up here. {offered.how}".strip()
            raise Mistaken(Mistake(code="UNSUPPORTED", message=text, field=("source",)))
        if granted and (not wanted or any(kind not in offered.kinds for kind in wanted)):
            text = (
                f"{offered.name} is asked by one of {', '.join(offered.kinds)} and by nothing else: name at least one of these."
            )
            raise Mistaken(Mistake(code="INVALID", message=text, field=("fields",)))
        if monthly_budget is not None:
            enrichment.allow(conn, viewer, _micros(operation, monthly_budget), now)
        erased = enrichment.decide(conn, viewer, source, granted, wanted if granted else (), now)
        if source == RECHECKS:
            rechecking.wake(conn, viewer, now)
        return Answer(node_id=source, count=erased)

    done = await perform(operation, "setEnrichmentConsent", key, [source, granted, fields, monthly_budget], write)
    return payload(operation, done, enrichment_source="node_id", erased_count="count")


def _available(services: Services, source: str) -> bool:
    """Whether this installation can ask it."""
    if source == RECHECKS:
        return services.web is not None
    return services.enrichers is not None and services.enrichers.available(source)


def _micros(operation: Operation, text: str) -> int:
    """An amount as it is kept. Raises Mistaken."""
    try:
        amount = Decimal(text.strip().removesuffix("USD").strip())
        if not amount.is_finite() or not 0 <= amount <= LARGEST:
            raise InvalidOperation
    except InvalidOperation:
        raise Mistaken(Mistake(code="INVALID", message=GIVE_MONEY, field=("monthlyBudget",))) from None
    micros = int(amount * MILLION)
    if micros > operation.services.enrichment_budget:
        text = (
            f"This installation allows {dollars(operation.services.enrichment_budget)} a month at most (KITH_ENRICHMENT_BUDGET)."
        )
        raise Mistaken(Mistake(code="LIMIT_REACHED", message=text, field=("monthlyBudget",)))
    return micros
