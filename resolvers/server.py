"""What this installation says of itself."""

from __future__ import annotations

import msgspec

from resolvers import paging
from resolvers.operation import Services
from store import feed


class ServerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits on requests."""

    max_cost: int
    max_depth: int
    max_aliases: int
    max_page_size: int
    max_upload_bytes: int
    change_retention: str


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Release, transports and limits."""

    version: str
    schema_hash: str
    features: tuple[str, ...]
    transports: tuple[str, ...]
    limits: ServerLimits
    api_url: str


def get(services: Services) -> Server:
    """The installation that `services` belong to."""
    facts = services.facts
    return Server(
        version=facts.version,
        schema_hash=facts.schema_hash,
        features=facts.features,
        transports=facts.transports,
        api_url=f"{services.public_url.rstrip('/')}/graphql",
        limits=ServerLimits(
            max_cost=facts.limits.max_cost,
            max_depth=facts.limits.max_depth,
            max_aliases=facts.limits.max_aliases,
            max_page_size=paging.MAX_PAGE,
            max_upload_bytes=facts.limits.max_upload_bytes,
            change_retention=f"P{feed.TOMBSTONE_DAYS}D",
        ),
    )
