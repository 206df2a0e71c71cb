"""Allowing outside sources to be asked, and asking them about many people."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import Parent

from resolvers import enrichment_consents, enrichment_runs
from resolvers.loaders import load
from resolvers.writing import Payload
from schema.declare import UNSET, Info, argument, asked, field, input_type, object_type
from schema.lists import plain
from schema.mutations.payload import KEY, WHAT, Written
from schema.references import EnrichmentConsentRef, EnrichmentRunRef
from schema.vocabulary import EnrichmentSource, PersonField


async def _consent(parent: Parent[Payload], info: Info) -> enrichment_consents.Shown | None:
    if parent.enrichment_source is None:
        return None
    return await enrichment_consents.of_source(info.context.operation, parent.enrichment_source)


async def _run(parent: Parent[Payload], info: Info) -> enrichment_runs.Run | None:
    if parent.enrichment_run_id is None:
        return None
    return await load(info.context.operation, enrichment_runs.by_id, parent.enrichment_run_id)


@input_type("Input of setEnrichmentConsent.")
class SetEnrichmentConsentInput:
    source: EnrichmentSource = asked("The source.")
    granted: bool = asked("Whether it may be asked.")
    fields: list[PersonField] | None = asked("What may be sent.", default=UNSET)
    monthly_budget: str | None = asked("US dollars that all sources together may cost in a month, such as 2.50.", default=UNSET)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of setEnrichmentConsent.")
class SetEnrichmentConsentPayload(Written):
    consent: EnrichmentConsentRef | None = field("The consent.", _consent)
    erased_count: int | None = field("Facts that were erased with a consent that was withdrawn.")


@input_type("Input of enrichPeople.")
class EnrichPeopleInput:
    person_ids: list[strawberry.ID] = asked("Whom; at most 1,000.")
    sources: list[EnrichmentSource] | None = asked("Which sources; all consented by default.", default=UNSET)
    again: bool | None = asked("Ask again what was found before, or may have been paid for without an answer.", default=False)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of enrichPeople.")
class EnrichPeoplePayload(Written):
    run: EnrichmentRunRef | None = field("The run, already waiting for its turn.", _run)


async def set_enrichment_consent(info: Info, input: Annotated[SetEnrichmentConsentInput, argument(description=WHAT)]) -> Payload:
    """Allows or forbids an outside source."""
    return await enrichment_consents.decide(
        info.context.operation,
        input.source.value,
        input.granted,
        _names(input.fields),
        plain(input.monthly_budget),
        plain(input.idempotency_key),
    )


async def enrich_people(info: Info, input: Annotated[EnrichPeopleInput, argument(description=WHAT)]) -> Payload:
    """Puts many people to outside sources."""
    return await enrichment_runs.begin(
        info.context.operation, input.person_ids, _names(input.sources), bool(plain(input.again)), plain(input.idempotency_key)
    )


def _names(values: list[EnrichmentSource] | list[PersonField] | None) -> list[str] | None:
    return None if values is None or values is UNSET else [each.value for each in values]
