"""What exists once in a process, as every part of the gateway is given it. Made and closed in `app.py`."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import manifests
from gateway.accounts import Accounts
from gateway.attendant import Attendant
from gateway.scribe import Scribe
from gateway.settings import Settings
from gateway.signin.door import Door
from gateway.telemetry import Telemetry
from providers.addresses import Guard
from providers.base import Provider
from providers.transport import Transport
from resolvers import operation as resolving
from resolvers.operation import Clock, Services
from store.blobs import Blobs
from store.cache import Cache
from store.database import Database
from store.vault import Vault

if TYPE_CHECKING:
    from strawberry import Schema

    from gateway.execution.execute import Execution
    from gateway.prewarming import Prewarming


@dataclass
class Installation:
    """What a process has once. `draining` is set when it has been told to stop."""

    settings: Settings
    database: Database
    cache: Cache
    vault: Vault
    clock: Clock
    guard: Guard
    transport: Transport
    accounts: Accounts
    scribe: Scribe
    telemetry: Telemetry
    door: Door
    services: Services
    providers: dict[str, Provider]
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    given_schema: Schema | None = None

    @cached_property
    def attendant(self) -> Attendant:
        """Who looks after open streams and sockets."""
        return Attendant(self.draining)

    @cached_property
    def schema(self) -> Schema:
        """The GraphQL schema; made when first needed, since commands that only touch the store start faster without."""
        if self.given_schema is not None:
            return self.given_schema
        from schema.build import build_schema

        return build_schema()

    @cached_property
    def execution(self) -> Execution:
        # imported here: commands that only touch the store start half a second faster without GraphQL
        from gateway.execution.answers import Answers
        from gateway.execution.execute import Execution
        from gateway.execution.persisted import Persisted
        from gateway.execution.rate import Rate
        from gateway.limits import Limits
        from schema import policy
        from schema.sdl import schema_hash

        self.services.facts = resolving.Facts(
            version=kith_version(),
            schema_hash=schema_hash(),
            transports=("HTTP", "WEBSOCKET", "SSE"),
            limits=resolving.Limits(
                max_cost=self.settings.max_cost,
                max_depth=self.settings.max_depth,
                max_aliases=self.settings.max_aliases,
                max_upload_bytes=self.settings.max_upload_bytes,
                max_uploads_bytes=self.settings.max_uploads_bytes,
            ),
        )
        rate = Rate(self.cache, self.settings.rate_cost, self.clock)
        settings = self.settings
        persisted = Persisted(
            manifests.read(settings.documents), only=settings.documents_only, automatic=settings.automatic_documents
        )
        answers = Answers(
            self.database, self.cache, self.clock, self._answering, room=settings.answers_memory, told=self.telemetry.answered
        )
        return Execution(
            self.schema, self.services, Limits.of(settings), policy, rate, self.telemetry,
            compiled=settings.compiled, persisted=persisted, answers=answers if settings.answers_memory else None,
        )  # fmt: skip

    @cached_property
    def prewarming(self) -> Prewarming | None:
        """What makes usual pages ahead; None where nothing is kept, or no document has a name."""
        from gateway.prewarming import Prewarming

        documents = self.execution.persisted.texts
        if not self.settings.prewarm_share or not self.settings.answers_memory or not documents:
            return None
        return Prewarming(self.database, self.clock, self.execution, self.telemetry, documents, share=self.settings.prewarm_share)

    @contextlib.asynccontextmanager
    async def prewarmed(self) -> AsyncIterator[None]:
        """Learn what is usual and make it ahead, during the block."""
        if self.prewarming is None:
            yield
            return
        self.execution.observer = self.prewarming
        try:
            async with self.prewarming.running():
                yield
        finally:
            self.execution.observer = None

    @property
    def _answering(self) -> str:
        """All that decides an answer besides the store and what is asked: the release, the settings, the keys, the networks; in short."""
        digest = hashlib.blake2b(digest_size=16)
        for part in (
            kith_version(), self.services.facts.schema_hash, self.settings.told(), *sorted(self.providers),
            *sorted(key for key in self.providers if self.services.configured(key)),
        ):  # fmt: skip
            digest.update(f"{part}\x00".encode())
        digest.update(self.vault.derive("cursor"))
        return digest.hexdigest()

    @property
    def home(self) -> Path:
        """The data folder."""
        return self.settings.home

    @property
    def blobs(self) -> Blobs:
        """The files of viewers in it."""
        return Blobs(self.settings.home / "uploads")

    def redirect_uri(self) -> str:
        """Where networks send the browser back to."""
        return f"{self.settings.url}/link/callback"


def kith_version() -> str:
    """The release that runs."""
    try:
        return version("kithgraph")
    except PackageNotFoundError:
        return "0"
