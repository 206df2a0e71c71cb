"""This installation: release, transports and limits."""

from __future__ import annotations

from schema.declare import field, object_type
from schema.scalars import URL, ByteCount, Duration
from schema.vocabulary import Transport


@object_type("This installation.")
class Server:
    version: str = field("Release, semantic versioning.")
    schema_hash: str = field("Hash of the printed schema, to notice a change.")
    features: list[str] = field("Names of optional features that are on.")
    transports: list[Transport] = field("How operations and events can be carried.")
    limits: ServerLimits = field("Limits on requests.")
    api_url: URL = field("Public address of the endpoint.")


@object_type("Limits on requests.")
class ServerLimits:
    max_cost: int = field("Highest cost of one operation.")
    max_depth: int = field("Deepest nesting.")
    max_aliases: int = field("Most aliases in one operation.")
    max_page_size: int = field("Largest first or last.")
    max_upload_bytes: ByteCount = field("Largest upload.")
    change_retention: Duration = field("How long deletions and single events stay in the change feed.")
