"""Folders and labels of accounts."""

from __future__ import annotations

from collections.abc import Awaitable

import strawberry
from strawberry import Parent

from resolvers import labels
from resolvers.loaders import load
from schema import loads
from schema.declare import Info, field, object_type
from schema.interfaces import Versioned
from schema.references import AccountRef
from schema.vocabulary import LabelRole


def _unread_count(parent: Parent[labels.Label], info: Info) -> Awaitable[int | None]:
    return load(info.context.operation, labels.unread, parent.id)


@object_type("A folder or label of an account.", of=labels.Label)
class Label(Versioned):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field("Grows with each change.")
    account: AccountRef = field("The account.", loads.account)
    name: str = field("Name to show, path parts joined with /.")
    role: LabelRole = field("Special use.")
    unread_count: int | None = field("Unread messages in it; null where unknown.", _unread_count)
    writable: bool = field("Whether conversations can be put in and taken out.")
