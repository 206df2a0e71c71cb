"""Networks that call us: an account subscribes at its network, and what comes in is heard before anybody believes it.

What a network sends is a hint that there is something, never what it is: the account's next delta tells that. So a hint that is lost,
late, repeated or out of order costs time and nothing else. A network that cannot be asked what it has told (`Provider.keeps`) is the
exception: its calls are kept, as they came, before they are acknowledged, and the account's next sync takes them in
(`session.Inbox`). Networks call in one of two ways. Most take an address for each account: the
adapter is `Pushed`, and its provider's `hear` judges a request by its raw bytes. Some call one address for all accounts of an installation,
by a line that its operator sets up there (`Line`): the adapter is `Announced`, and its provider's `switchboard` makes the one who judges
the calls and says whom they mean. Knows no HTTP server and no accounts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

if TYPE_CHECKING:
    from providers.http import Session


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """What a network has promised: `key` is its own name for it, opaque to others. On a line it is what calls name the account by;
    `more` are further such names, of an account that stands for several things there. `again` is when to see to it, where that is not half of
    the time until it ends: a network that promises by calling (`Heard.until`) has promised nothing yet.
    """

    key: str
    expires_at: datetime
    more: tuple[str, ...] = ()
    again: datetime | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request that came in: `headers` by lower-case name, `body` as it was sent."""

    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What a request means. `hint`: something may have changed. `renew`: the subscription has to be seen to now.

    `echo` is what has to be answered, as plain text, to show that the address is ours. `until` is how long the network will call, where this
    says so; `keep` is what is kept of a hint (`Provider.keeps`) where that is not the body.
    """

    hint: bool = False
    renew: bool = False
    echo: str | None = None
    until: datetime | None = None
    keep: bytes | None = None


class Forged(Exception):
    """The request does not come from the network, or not for this subscription."""


class Unasked(Exception):
    """The network wants to know whether we asked for something, and we did not."""


@runtime_checkable
class Pushed(Protocol):
    """An adapter whose network can be asked to call."""

    async def subscribe(self, url: str, secret: str, known: str | None) -> Subscription:
        """Make the subscription to `url`, or prolong the one that `known` names (made anew where the network lost it).

        The network is given `secret` and has to show it with each call. Raises ProviderError.
        """
        ...


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator has set up at a network that calls one address for all accounts.

    `url` is that address, `topic` what accounts are subscribed to. The network proves with each call that it is `caller`, and that the
    call is meant for `audience`; or that it knows `secret`.
    """

    url: str
    topic: str
    caller: str = ""
    audience: str = ""
    secret: str = ""

    def __repr__(self) -> str:
        return f"Line({self.url}, {self.topic})"


@runtime_checkable
class Leaver(Protocol):
    """An adapter whose network goes on calling until it is told to stop."""

    async def leave(self) -> None:
        """Have it called no more for this account. Raises ProviderError."""
        ...


@runtime_checkable
class Announced(Protocol):
    """An adapter whose network can be asked to tell a line what happens in the account."""

    async def join(self, line: Line) -> Subscription:
        """Have the line called for this account, or go on being called: asking again prolongs. Raises ProviderError."""
        ...

    async def leave(self) -> None:
        """Have it called no more for this account. Raises ProviderError."""
        ...


@runtime_checkable
class Challenged(Protocol):
    """A switchboard whose network asks by a GET whether the address is ours, before it calls."""

    def challenge(self, call: Call) -> str:
        """The text to give back. Raises Forged for who does not know what was agreed, Malformed for what is no challenge."""
        ...


class Switchboard(Protocol):
    """Who answers a line. It lives as long as the process, and may remember what proofs are checked with."""

    async def answer(self, session: Session, call: Call) -> frozenset[str] | str:
        """Whom a call means: the keys of their subscriptions; or the text that shows the network that the address is ours.

        The session is nobody's.

        Raises Forged for what does not come from the network, Malformed for what is no call of its kind, and Unavailable or another
        ProviderError when it cannot be judged now.
        """
        ...
