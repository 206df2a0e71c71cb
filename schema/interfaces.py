"""The two interfaces of everything that has an id."""

from __future__ import annotations

import strawberry

from schema.declare import field, interface_type


@interface_type("Anything with a global id.")
class Node:
    id: strawberry.ID = field("Opaque, globally unique and stable; resolves through node for ever, also after a merge.")


@interface_type("A node that takes part in the change feed.")
class Versioned(Node):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field(
        "Grows with each change of this node, so that a client can ignore an older copy; null for nodes that are only read live."
    )
