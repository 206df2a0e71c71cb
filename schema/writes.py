"""Writes on their way to a network."""

from __future__ import annotations

import strawberry

from resolvers import writes
from schema.declare import field, object_type
from schema.interfaces import Node
from schema.lists import ITEMS, NODE, Connection, Edge
from schema.references import UserErrorRef
from schema.scalars import DateTime
from schema.vocabulary import WriteState


@object_type("A write that is accepted here and not yet settled with the network.", of=writes.PendingWrite)
class PendingWrite(Node):
    id: strawberry.ID = field("Opaque global id.")
    mutation: str = field("Name of the mutation.")
    idempotency_key: str | None = field("Key given by the client.")
    state: WriteState = field("Where it stands.")
    node_ids: list[strawberry.ID] = field("Nodes it changes.")
    attempts: int = field("Tries so far.")
    retry_at: DateTime | None = field("Next try.")
    error: UserErrorRef | None = field("Why it was refused or is delayed.")
    created_at: DateTime = field("When it was accepted.")


@object_type("Unsettled writes.")
class PendingWriteConnection(Connection):
    edges: list[PendingWriteEdge] = field(ITEMS)


@object_type("An item of PendingWriteConnection.")
class PendingWriteEdge(Edge):
    node: PendingWrite | None = field(NODE, semantic=True)
