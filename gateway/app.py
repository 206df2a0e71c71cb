"""The installation: everything that exists once in a process, wired here and nowhere else.

`open_installation` is used by the web process, the worker and every command; it makes the data folder and the key, brings an
embedded database up to date, and closes in the reverse order. On PostgreSQL another role migrates, so there it only says so.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from sqlalchemy.engine import make_url

from gateway import enriching_terms, pushing, secret_key
from gateway.accounts import Accounts
from gateway.clock import SystemClock
from gateway.demo.place import allowed as demo_places
from gateway.installation import Installation
from gateway.linking.service import LinkService
from gateway.scribe import Scribe
from gateway.settings import Settings, SettingsError
from gateway.signin.door import Door
from gateway.telemetry import Telemetry
from gateway.webhooks import Courier
from providers.addresses import Guard
from providers.base import Provider, catalogue
from providers.enrichment.ask import Enrichers
from providers.lookup.crawl import Web
from providers.transport import Transport
from resolvers.operation import Clock, Services
from resolvers.wake import Waker
from store import migrate, viewers
from store.cache import Cache
from store.database import Database
from store.vault import Vault

if TYPE_CHECKING:
    from strawberry import Schema


log = structlog.get_logger("kith.app")
_DEFAULT_PORTS = {"redis": 6379, "rediss": 6379, "postgresql": 5432}


@contextlib.asynccontextmanager
async def open_installation(
    settings: Settings, *, clock: Clock | None = None, schema: Schema | None = None
) -> AsyncIterator[Installation]:
    """Everything, wired and ready. Raises SettingsError with advice when the installation cannot be used as it is."""
    secret_key.prepare_home(settings.home)
    await _up_to_date(settings)
    clock = clock or SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        database = Database(settings.database)
        stack.push_async_callback(database.close)
        vault = Vault(await _keys(settings, database))
        cache = Cache(settings.redis_url or None)
        stack.push_async_callback(cache.close)
        guard = Guard(settings.allow_private_hosts, _own_ports(settings), also=lambda: demo_places(settings.home))
        transport = Transport(guard)
        stack.push_async_callback(transport.aclose)
        door = Door(database, clock)
        stack.push_async_callback(door.close)
        providers = dict(catalogue())
        telemetry = Telemetry(cache)
        accounts = Accounts(
            database=database,
            vault=vault,
            clock=clock,
            transport=transport,
            providers=providers,
            observer=telemetry,
            hooks=settings.hooks if settings.secure else None,
            lines={key: line for key, each in providers.items() if (line := pushing.line(settings, each)) is not None},
        )
        stack.push_async_callback(accounts.close)
        scribe = Scribe(database)
        stack.push_async_callback(scribe.close)
        waker = Waker(database, cache)
        waker.start()
        stack.push_async_callback(waker.stop)
        web = Web(transport, clock, observer=telemetry)
        services = Services(
            database=database,
            cache=cache,
            vault=vault,
            clock=clock,
            providers=providers,
            open_account=accounts,
            public_url=settings.url,
            max_deadline_ms=int(settings.max_deadline * 1000),
            configured=lambda key: _configured(settings, providers, key),
            wake=waker,
            web=web,
            enrichers=Enrichers(
                transport=transport, web=web, clock=clock, terms=enriching_terms.of(settings), observer=telemetry
            ),
            enrichment_budget=enriching_terms.micros(settings.enrichment_budget),
            disclosures_kept=timedelta(days=settings.disclosure_days) if settings.disclosure_days else None,
        )
        installation = Installation(
            settings=settings,
            database=database,
            cache=cache,
            vault=vault,
            clock=clock,
            guard=guard,
            transport=transport,
            accounts=accounts,
            scribe=scribe,
            telemetry=telemetry,
            door=door,
            services=services,
            providers=providers,
            given_schema=schema,
        )
        services.linking = LinkService(installation)
        services.courier = Courier(services=services, transport=transport)
        yield installation


def _configured(settings: Settings, providers: dict[str, Provider], key: str) -> bool:
    """Whether a provider can be used here: it asks for a form, registers its client by itself, or was given one."""
    provider = providers.get(key)
    if provider is None:
        return False
    methods = {form.method for form in provider.link_forms}
    registers = provider.authorize is not None and not provider.own_client
    return methods != {"OAUTH_REDIRECT"} or registers or bool(settings.application(key).client_id)


async def _up_to_date(settings: Settings) -> None:
    """SQLite belongs to this process: migrate it. PostgreSQL's tables belong to a role that only `kith migrate` uses."""
    if make_url(settings.database).get_backend_name() == "sqlite":
        for revision in await migrate.migrate(settings.database):
            log.info("migrated", revision=revision)
    elif await migrate.pending(settings.database):
        raise SettingsError("the database is not at this release: run `kith migrate` with the role that owns the tables")


async def _keys(settings: Settings, database: Database) -> list[bytes]:
    keys = secret_key.stored_keys(settings)
    if keys:
        return keys
    sealed = await database.system_read(secret_key.sealed_values)
    for viewer in await database.system_read(viewers.listed):
        sealed += await database.read(viewer.id, lambda conn, whose: secret_key.sealed_values(conn, whose))
    if sealed:
        raise SettingsError(
            f"{sealed} secrets are stored but the key that opens them is missing: put {settings.home / secret_key.FILE} or "
            "KITH_SECRET_KEY back from your backup"
        )
    return [secret_key.make(settings.home)]


def _own_ports(settings: Settings) -> list[tuple[str, int]]:
    """Our database's and cache's places, which no account may be linked at."""
    found = []
    for url in (settings.database_url, settings.redis_url):
        parts = urlsplit(url.replace("postgresql+asyncpg", "postgresql"))
        if parts.hostname and parts.scheme in _DEFAULT_PORTS:
            found.append((parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme]))
    return found
