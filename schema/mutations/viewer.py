"""Writing to the viewer: profile and API keys."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import Parent

from resolvers import keys, profile, viewers
from resolvers.loaders import load
from resolvers.writing import Payload
from schema.declare import UNSET, Info, argument, asked, field, input_type, object_type
from schema.lists import plain
from schema.mutations.payload import KEY, WHAT, Written
from schema.references import ApiKeyRef, ViewerRef
from schema.scalars import DateTime, LanguageTag, TimeZone
from schema.vocabulary import ApiScope


async def _viewer(parent: Parent[Payload], info: Info) -> viewers.Viewer | None:
    return None if parent.errors else await viewers.get(info.context.operation)


async def _api_key(parent: Parent[Payload], info: Info) -> keys.ApiKey | None:
    if parent.api_key_id is None:
        return None
    return await load(info.context.operation, keys.by_id, parent.api_key_id)


@input_type("Input of updateViewer.")
class UpdateViewerInput:
    name: str | None = asked("New name.", default=UNSET)
    locale: LanguageTag | None = asked("New language.", default=UNSET)
    time_zone: TimeZone | None = asked("New time zone.", default=UNSET)
    region: str | None = asked("New region.", default=UNSET)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of updateViewer.")
class UpdateViewerPayload(Written):
    viewer: ViewerRef | None = field("The viewer.", _viewer)


@input_type("Input of createApiKey.")
class CreateApiKeyInput:
    name: str = asked("Name.")
    scopes: list[ApiScope] = asked("What it may do.")
    expires_at: DateTime | None = asked("When it ends.", default=UNSET)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of createApiKey.")
class CreateApiKeyPayload(Written):
    api_key: ApiKeyRef | None = field("The key.", _api_key)
    secret: str | None = field("The key itself, shown this once.")


@input_type("Input of revokeApiKey.")
class RevokeApiKeyInput:
    api_key_id: strawberry.ID = asked("The key.")
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of revokeApiKey.")
class RevokeApiKeyPayload(Written):
    api_key: ApiKeyRef | None = field("The key.", _api_key)


async def update_viewer(info: Info, input: Annotated[UpdateViewerInput, argument(description=WHAT)]) -> Payload:
    """Changes name, language, time zone or region."""
    return await profile.update(
        info.context.operation,
        plain(input.name),
        plain(input.locale),
        plain(input.time_zone),
        plain(input.region),
        plain(input.idempotency_key),
    )


async def create_api_key(info: Info, input: Annotated[CreateApiKeyInput, argument(description=WHAT)]) -> Payload:
    """Makes a key for programs."""
    return await profile.create_key(
        info.context.operation, input.name, plain(input.scopes), plain(input.expires_at), plain(input.idempotency_key)
    )


async def revoke_api_key(info: Info, input: Annotated[RevokeApiKeyInput, argument(description=WHAT)]) -> Payload:
    """Revokes a key at once."""
    return await profile.revoke_key(info.context.operation, input.api_key_id, plain(input.idempotency_key))
