"""Folders and labels of accounts."""

from __future__ import annotations

import strawberry

from resolvers import labels
from resolvers.loaders import loading
from schema import loads
from schema.declare import field, loaded, object_type
from schema.interfaces import Versioned
from schema.references import AccountRef
from schema.vocabulary import LabelRole


@object_type("A folder or label of an account.", of=labels.Label)
class Label(Versioned):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field("Grows with each change.")
    account: AccountRef = field("The account.", loads.account)
    name: str = field("Name to show, path parts joined with /.")
    role: LabelRole = field("Special use.")
    unread_count: int | None = field("Unread messages in it; null where unknown.", loaded(loading(labels.unread), "id"))
    writable: bool = field("Whether conversations can be put in and taken out.")
