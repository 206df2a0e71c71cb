"""One GraphQL operation as the resolvers see it: whose it is, what it may use, how long it may take, what it has cost.

`Services` is what the process has once, wired in `gateway/app.py`; `Operation` is made per operation (per event for
subscriptions) and holds its loaders. It is the only way from a resolver to the store, the cache and the providers, and it
is bound to one viewer: there is no way to ask for another one's data.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection

from providers.base import LiveAdapter, Provider
from providers.enrichment.ask import Enrichers
from providers.lookup.crawl import Web
from store.cache import Cache, ViewerCache
from store.database import Database
from store.revision import ALL
from store.vault import Vault

if TYPE_CHECKING:
    from resolvers.linking import Linking
    from store.webhooks import Delivery

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_DEADLINE_MS: Final = 1500
MAX_DEADLINE_MS: Final = 15_000


class Clock(Protocol):
    """Wall time in UTC; tests hand in their own."""

    def now(self) -> datetime: ...

    async def sleep(self, seconds: float) -> None: ...


class Courier(Protocol):
    """Sends a webhook one event now; the gateway's."""

    async def test(self, viewer: str, webhook_id: str) -> Delivery | None: ...


class OpenAccount(Protocol):
    """Opens a viewer's account at its network for somebody who waits until `deadline` (loop time)."""

    async def __call__(self, viewer: str, account_id: str, *, deadline: float | None) -> LiveAdapter: ...


class Wake(Protocol):
    """Tells readers of the change feed that there may be something new; losing a call costs a little time only."""

    async def wait(self, viewer: str, seconds: float) -> None:
        """Returns when something may have changed for the viewer, at the latest after so many seconds."""
        ...


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits on requests, as `server { limits }` tells them; the gateway puts in what it enforces."""

    max_cost: int = 100_000
    max_depth: int = 15
    max_aliases: int = 50
    max_upload_bytes: int = 2_000_000_000
    max_uploads_bytes: int = 4_000_000_000  # of all uploads of one viewer together


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What this installation says of itself."""

    version: str = "0"
    schema_hash: str = ""
    features: tuple[str, ...] = ()
    transports: tuple[str, ...] = ("HTTP",)
    limits: Limits = Limits()


class Passing(Exception):
    """Something that is made before anybody asks is not the store's alone: it is given up, since it could not be kept."""


async def always() -> bool:
    """A credential that nobody can revoke: the process' own."""
    return True


@dataclass(slots=True, kw_only=True)
class Services:
    """What the process has once."""

    database: Database
    cache: Cache
    vault: Vault
    clock: Clock
    providers: dict[str, Provider]
    open_account: OpenAccount
    public_url: str
    max_deadline_ms: int = MAX_DEADLINE_MS
    configured: Callable[[str], bool] = lambda key: True
    flights: dict[tuple[str, ...], Any] = field(default_factory=dict)  # single flight, keyed by viewer first
    looks: dict[Any, asyncio.Task[Any]] = field(default_factory=dict)  # into feeds, under way, keyed by viewer first
    watched: dict[str, datetime] = field(default_factory=dict)  # viewer → when who follows the feed last saw to live mirrors
    wake: Wake | None = None
    linking: Linking | None = None
    courier: Courier | None = None
    web: Web | None = None  # the way to strangers' hosts
    enrichers: Enrichers | None = None  # the way to outside sources of facts
    enrichment_budget: int = 0  # what these may cost a viewer in a month, in millionths of a US dollar
    disclosures_kept: timedelta | None = None  # how long the log says what has left; None for ever
    facts: Facts = field(default_factory=Facts)


@dataclass(slots=True)
class SourceTiming:
    """What one account did for this operation."""

    account_id: str
    state: str
    milliseconds: float
    calls: int


@dataclass(slots=True)
class Spending:
    """What the operation has cost so far; becomes `extensions.kith`."""

    cost: int = 0
    planned: int = 0
    made: int = 0
    avoided: int = 0
    cache_hits: int = 0
    statements: int = 0
    sources: list[SourceTiming] = field(default_factory=list)


class Operation:
    """Everything that answers one operation of one viewer."""

    def __init__(
        self,
        services: Services,
        viewer: str,
        scopes: frozenset[str],
        *,
        deadline_ms: int = DEFAULT_DEADLINE_MS,
        credential: str = "",
        alive: Callable[[], Awaitable[bool]] = always,
        last_event_id: str | None = None,
        ahead: bool = False,
    ) -> None:
        self.services = services
        self.viewer = viewer
        self.scopes = scopes  # in lower case, as keys keep them
        self.arrived = time.monotonic()
        self.deadline_ms = min(deadline_ms, services.max_deadline_ms)
        self.spending = Spending()
        self.loaders: dict[Any, Any] = {}  # by what they load from, and how
        self.credential = credential  # which one it came with; empty for the process' own
        self.alive = alive  # whether the credential still holds: asked every few seconds while a subscription is open
        self.last_event_id = last_event_id  # what an EventSource says it saw last
        self.passing = False  # whether the answer is made from more than the store, and so is nobody's later answer
        self.ahead = ahead  # whether nobody has asked: it reads the store, and nothing else
        self.parts = 0  # of what the viewer has, those that the answer was read from (store/revision.py)
        self.until: datetime | None = None  # the last moment at which the clock lets it stay the same; None: any

    def renew(self) -> None:
        """Begin the next event of a subscription: nothing loaded, nothing spent, a whole deadline."""
        self.loaders = {}
        self.spending = Spending()
        self.arrived = time.monotonic()

    def close(self) -> None:
        """It is answered: let go of the loaders, which know the operation, so that all it has loaded is freed at once."""
        self.loaders = {}

    @property
    def cursor_key(self) -> bytes:
        return self.services.vault.derive("cursor")

    @property
    def cache(self) -> ViewerCache:
        self._pass()
        return self.services.cache.for_viewer(self.viewer)

    def now(self) -> datetime:
        """The time. What depends on it is not kept for later: ask `past` or `hour` where that is enough."""
        self._pass()
        return self.services.clock.now()

    def past(self, moment: datetime) -> bool:
        """Whether the moment is over. As long as it is not, the answer stays what it is."""
        if self.services.clock.now() > moment:
            return True
        self._holds(moment)
        return False

    def hour(self) -> datetime:
        """When this hour (UTC) began: the time for what changes slowly. The answer stays the same until the hour is over."""
        began = self.services.clock.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        self._holds(began + timedelta(hours=1) - timedelta.resolution)
        return began

    def _pass(self) -> None:
        """More than the store decides the answer from here on. Raises Passing where nobody waits for it."""
        self.passing = True
        if self.ahead:
            raise Passing

    def _holds(self, moment: datetime) -> None:
        if self.until is None or moment < self.until:
            self.until = moment

    def remaining(self) -> float:
        """Seconds until the deadline, counted from arrival; never negative."""
        return max(0.0, self.arrived + self.deadline_ms / 1000 - time.monotonic())

    def elapsed(self) -> float:
        """Seconds since it arrived."""
        return time.monotonic() - self.arrived

    def deadline_at(self) -> datetime:
        return self.now() + timedelta(seconds=self.remaining())

    async def read(self, f: Callable[Concatenate[Connection, str, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a store function for this viewer in one read transaction."""
        return await self.read_besides(0, f, *args, **kwargs)

    async def read_besides(
        self, besides: int, f: Callable[Concatenate[Connection, str, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`read`, of which the answer need not show what comes from the parts `besides`: who does show it says so (`shows`)."""
        self.spending.statements += 1
        try:
            found, parts = await self.services.database.read_noting(self.viewer, f, *args, **kwargs)
        except BaseException:
            self.parts = ALL  # nobody knows how far it came
            raise
        self.parts |= parts & ~besides
        return found

    def shows(self, parts: int) -> None:
        """The answer shows what was read from these parts."""
        self.parts |= parts

    async def write(self, f: Callable[Concatenate[Connection, str, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a store function for this viewer in one write transaction."""
        self._pass()
        self.spending.statements += 1
        return await self.services.database.write(self.viewer, f, *args, **kwargs)
