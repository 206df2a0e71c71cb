"""API keys, without the keys themselves."""

from __future__ import annotations

import strawberry

from resolvers import keys
from schema.declare import field, object_type
from schema.interfaces import Versioned
from schema.scalars import DateTime
from schema.vocabulary import ApiScope


@object_type("A key for programs; the secret is shown once.", of=keys.ApiKey)
class ApiKey(Versioned):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field("Grows with each change.")
    name: str = field("Name.")
    prefix: str = field("First characters, to recognise it.")
    scopes: list[ApiScope] = field("What it may do.")
    created_at: DateTime = field("When it was made.")
    last_used_at: DateTime | None = field("Last use, to the hour.")
    expires_at: DateTime | None = field("When it ends; null means never.")
    revoked_at: DateTime | None = field("When it was revoked.")
