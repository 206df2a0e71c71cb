"""What outside sources say about people, what they may be asked, and the log of what they were sent."""

from __future__ import annotations

import strawberry
from strawberry import Parent

from resolvers import completions, disclosures, enrichment, enrichment_consents, enrichment_runs, people
from resolvers.paging import Ask, Listing
from schema import loads
from schema.declare import UNSET, Info, field, object_type
from schema.interfaces import Node
from schema.lists import ITEMS, NODE, After, Connection, Edge, First, plain
from schema.references import ContactRef, PersonRef
from schema.scalars import DateTime
from schema.vocabulary import (
    DisclosureOutcome,
    DisclosurePurpose,
    EnrichmentOutcome,
    EnrichmentSource,
    JobState,
    PersonField,
    SourceState,
)


async def _person(parent: Parent[disclosures.Shown], info: Info) -> people.Person | None:
    return await disclosures.person(info.context.operation, parent)


async def _items(parent: Parent[enrichment_runs.Run], info: Info, first: First = 50, after: After = UNSET) -> Listing:
    return await enrichment_runs.items(info.context.operation, parent.id, Ask(first=first, after=plain(after)))


@object_type("Facts from consented outside sources.", of=enrichment.Enrichment)
class Enrichment:
    facts: list[EnrichedFact] = field("What they said; at most 200.")
    sources: list[EnrichmentStatus] = field("How each source answered.")


# `field` is also the name of a field, so it is declared by another name
_field = field


@object_type("One fact of an outside source.", of=enrichment.EnrichedFact)
class EnrichedFact:
    source: EnrichmentSource = _field("Who said it.")
    field: str = _field("What it is about.")
    value: str = _field("What was said.")
    label: str | None = _field("What the source calls it, such as work or linkedin.")
    confidence: float | None = _field("0 to 1, as the source says.")
    as_of: DateTime = _field("When it was asked.")
    price: str = _field("What the answer that it came with has cost, amount and currency.")


@object_type("How an outside source answered.", of=enrichment.Status)
class EnrichmentStatus:
    source: EnrichmentSource = field("The source.")
    state: SourceState = field("Outcome.")
    found: bool | None = field("Whether it knows the person; null without an answer.")
    price: str | None = field("What the answer cost, amount and currency.")
    as_of: DateTime | None = field("When it was asked.")
    outcome: EnrichmentOutcome = field("What it came to, by name.")
    message: str | None = field("What went wrong, and what can be done.")
    retry_at: DateTime | None = field("From when on it may be asked again; null where it is not by itself.")


@object_type("What a source would be sent about somebody; nothing of it has left.", of=enrichment.Preview)
class EnrichmentPreview:
    source: EnrichmentSource = field("To whom.")
    recipient: str = field("The host.")
    sent: list[str] = field("What would be sent, one after the other until something is known; at most 3.")
    price: str = field("What it would cost at most, amount and currency.")
    known: bool = field("Whether it was asked before, so that nothing would be sent.")


@object_type("What the viewer allows one source to be asked.", of=enrichment_consents.Shown)
class EnrichmentConsent:
    source: EnrichmentSource = field("The source.")
    granted: bool = field("Whether it may be asked.")
    fields: list[PersonField] = field("What may be sent.")
    changed_at: DateTime | None = field("When this was last decided.")
    recipient: str = field("The host that would be told.")
    sends: str = field("What would leave, in words.")
    price: str = field("What a match costs, amount and currency; what is not found costs nothing.")
    available: bool = field("Whether this installation can ask it.")
    how: str | None = field("What its operator has to do before it can be asked; null when it can.")
    paused_until: DateTime | None = field("Nothing is put to it until then, since it said no.")
    paused_because: str | None = field("Why it is left alone.")


@object_type("Money for paid sources, of this calendar month (UTC).", of=enrichment_consents.Money)
class EnrichmentMoney:
    allowed: str = field("What a month may cost, amount and currency.")
    spent: str = field("What it has cost so far, questions under way included.")


@object_type("Something that was sent to an outside source.", of=disclosures.Shown)
class Disclosure(Node):
    id: strawberry.ID = field("Opaque global id.")
    source: EnrichmentSource = field("To whom.")
    person: PersonRef | None = field("About whom; null when erased since.", _person)
    sent: list[str] = field("What was sent; at most 20.")
    sent_at: DateTime = field("When.")
    recipient: str = field("The host that was told.")
    request: str = field("Method and address of the request, as it left.")
    body: str | None = field("Body of the request, as it left.")
    purpose: DisclosurePurpose = field("Why.")
    consented_at: DateTime | None = field("When the consent by which it left was given.")
    outcome: DisclosureOutcome = field("How it ended.")
    http_status: int | None = field("Status of the answer.")
    price: str = field("What it has cost, amount and currency.")
    answered_at: DateTime | None = field("When it ended.")


@object_type("Disclosures.")
class DisclosureConnection(Connection):
    edges: list[DisclosureEdge] = field(ITEMS)


@object_type("An item of DisclosureConnection.")
class DisclosureEdge(Edge):
    node: Disclosure | None = field(NODE, semantic=True)


@object_type("Many people put to outside sources, in the background.", of=enrichment_runs.Run)
class EnrichmentRun(Node):
    id: strawberry.ID = field("Opaque global id.")
    sources: list[EnrichmentSource] = field("Whom they are put to.")
    state: JobState = field("Where it stands.")
    total: int = field("People named.")
    done: int = field("People who are through.")
    found: int = field("People whom a source knew.")
    unconfirmed: int = field("Questions of which nobody knows whether they were paid for.")
    items: EnrichmentItemConnection | None = field(
        "What became of each, in the order in which they were named.", _items, semantic=True
    )
    created_at: DateTime = field("When it was asked for.")
    finished_at: DateTime | None = field("When all were through.")


@object_type("What became of one person of a run.", of=enrichment_runs.Item)
class EnrichmentItem:
    person: PersonRef | None = field("The person; null when erased since.", loads.person)
    outcome: EnrichmentOutcome = field("What it came to; of several sources the best.")
    message: str | None = field("What went wrong, and what can be done.")


@object_type("Items of a run.")
class EnrichmentItemConnection(Connection):
    edges: list[EnrichmentItemEdge] = field(ITEMS)


@object_type("An item of EnrichmentItemConnection.")
class EnrichmentItemEdge(Edge):
    node: EnrichmentItem | None = field(NODE, semantic=True)


@object_type("Runs of enrichment.")
class EnrichmentRunConnection(Connection):
    edges: list[EnrichmentRunEdge] = field(ITEMS)


@object_type("An item of EnrichmentRunConnection.")
class EnrichmentRunEdge(Edge):
    node: EnrichmentRun | None = field(NODE, semantic=True)


@object_type("A value that a contact lacks and somebody else knows.", of=completions.Completion)
class Completion:
    field: PersonField = _field("What it is.")
    value: str = _field("The value.")
    label: str | None = _field("Such as work.")
    contact: ContactRef | None = _field("The viewer's own contact that has it.", loads.contact)
    source: EnrichmentSource | None = _field("The outside source that said so.")
    confidence: float | None = _field("0 to 1, as the outside source says.")
    as_of: DateTime | None = _field("Of when it is.")
