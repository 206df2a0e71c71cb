"""Receivers of the change feed, and what became of each event sent to them."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import Parent

from resolvers import webhooks
from resolvers.paging import Ask, Listing
from schema.declare import UNSET, Info, argument, field, object_type
from schema.interfaces import Node, Versioned
from schema.lists import ITEMS, NODE, After, Connection, Edge, First, plain
from schema.references import ChangeRef
from schema.scalars import URL, Cursor, DateTime
from schema.vocabulary import DeliveryOutcome, NodeKind, WebhookHealth


async def _deliveries(
    parent: Parent[webhooks.Shown],
    info: Info,
    first: First = 50,
    after: After = UNSET,
    outcome: Annotated[DeliveryOutcome | None, argument(description="Only items with this outcome.")] = UNSET,
) -> Listing:
    return await webhooks.deliveries(info.context.operation, parent.id, Ask(first=first, after=plain(after)), plain(outcome))


@object_type("A receiver of the change feed, signed as Standard Webhooks says.", of=webhooks.Shown)
class Webhook(Versioned):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field("Grows with each change.")
    target_url: URL = field("Where events go.")
    kinds: list[NodeKind] | None = field("Only changes of these kinds; null means all.")
    account_ids: list[strawberry.ID] | None = field("Only these accounts; null means all.")
    stream_id: strawberry.ID | None = field("Only activities of this stream.")
    health: WebhookHealth = field("Whether it works.")
    health_reason: str | None = field("Why it does not.")
    cursor: Cursor | None = field("Last position delivered.")
    deliveries: WebhookDeliveryConnection | None = field("Attempts, latest first; kept 30 days.", _deliveries, semantic=True)
    created_at: DateTime = field("When it was made.")


@object_type("One event sent to a webhook.", of=webhooks.ShownDelivery)
class WebhookDelivery(Node):
    id: strawberry.ID = field("Opaque global id; the webhook-id header.")
    event: ChangeRef | None = field("What was sent; null when no longer kept.")
    cursor: Cursor = field("Its position.")
    outcome: DeliveryOutcome = field("What became of it.")
    attempts: int = field("Tries so far.")
    http_status: int | None = field("Last answer.")
    message: str | None = field("What went wrong.")
    next_attempt_at: DateTime | None = field("Next try.")
    occurred_at: DateTime = field("First try.")


@object_type("Deliveries of a webhook.")
class WebhookDeliveryConnection(Connection):
    edges: list[WebhookDeliveryEdge] = field(ITEMS)


@object_type("An item of WebhookDeliveryConnection.")
class WebhookDeliveryEdge(Edge):
    node: WebhookDelivery | None = field(NODE, semantic=True)
