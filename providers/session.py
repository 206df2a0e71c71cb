"""What an adapter is given to work with, and the Protocols that others fulfil for it.

An adapter never opens a socket, reads a setting, stores a token or looks at the clock: it asks its `Session`. The store
implements `Credentials`, the gateway `Budget` and `Clock`; tests hand in their own. Knows nothing of viewers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import msgspec


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """What opens an account: a token, or a user name and password. `extra` holds what one network needs besides."""

    username: str | None = None
    password: str | None = None
    access_token: str | None = None
    refresh_token: str | None = None
    expires_at: datetime | None = None
    scope: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    extra: dict[str, str] = {}

    def __repr__(self) -> str:
        return "Secret(…)"


class Credentials(Protocol):
    """The account's secret, decrypted for one use."""

    async def read(self) -> Secret: ...

    async def refreshed(self, old: Secret) -> Secret:
        """A newer secret than `old`, asked of the network at most once at a time. Raises ReauthRequired."""
        ...


class Budget(Protocol):
    """A source's calls: concurrency and a token bucket, with a reserve for interactive reads."""

    def take(self, calls: int, now: datetime) -> bool:
        """As `acquire` where nothing has to be waited for at this moment; False, and nothing is taken, where `acquire` has to say."""
        ...

    async def acquire(self, calls: int = 1) -> None:
        """Waits for room, or raises RateLimited with the moment when there will be some."""
        ...

    def release(self) -> None: ...

    def told(self, *, limit: int | None, remaining: int | None, reset_at: datetime | None) -> None:
        """What the network itself said is left."""
        ...


class Memory(Protocol):
    """What an adapter remembers of its account whatever becomes of its cursor, such as what was paid for. A few kilobytes, kept at once."""

    async def read(self) -> bytes | None: ...

    async def keep(self, remembered: bytes) -> None: ...


class Forgetful:
    """The memory of what is no account yet."""

    async def read(self) -> bytes | None:
        return None

    async def keep(self, remembered: bytes) -> None:
        pass


class Clock(Protocol):
    def now(self) -> datetime: ...

    async def sleep(self, seconds: float) -> None: ...


class Observer(Protocol):
    """Told of every provider call, for metrics and for `extensions.kith`."""

    def call(self, provider: str, outcome: str, seconds: float) -> None: ...


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A call of the network that was kept: `position` grows, and is never given twice; `body` as it was sent."""

    position: int
    body: bytes


class Inbox(Protocol):
    """What a network has told by calling, where nobody can ask it again (`Provider.keeps`): kept until the account has taken it in."""

    async def subscription(self) -> str | None:
        """The network's own name of the subscription by which it calls this account (`push.Subscription.key`); None without one."""
        ...

    async def after(self, position: int, limit: int) -> list[Kept]:
        """The calls that came after this one, in their order."""
        ...

    async def forget(self, position: int) -> None:
        """All up to this one is stored elsewhere: the account's cursor says so."""
        ...


class NoInbox:
    """Of a network that keeps what it has told."""

    async def subscription(self) -> str | None:
        return None

    async def after(self, position: int, limit: int) -> list[Kept]:
        return []

    async def forget(self, position: int) -> None:
        pass


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What an adapter may know of the account it is opened for."""

    provider: str
    base_url: str
    user_id: str | None = None
    own_addresses: tuple[str, ...] = ()
    live: bool = False  # its content is read when somebody asks; `pages` are its contacts
    region: str | None = None
    settings: Mapping[str, str] = {}
