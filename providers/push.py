"""Networks that call us: an account subscribes at its network, and what comes in is heard before anybody believes it.

What a network sends is a hint that there is something, never what it is: the account's next delta tells that. So a hint that is lost,
late, repeated or out of order costs time and nothing else. An adapter that can be told things is `Pushed`; its provider's `hear` judges
a request by its raw bytes. Knows no HTTP server and no accounts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, runtime_checkable

import msgspec


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """What a network has promised: `key` is its own name for it, opaque to others."""

    key: str
    expires_at: datetime


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request that came in: `headers` by lower-case name, `body` as it was sent."""

    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What a request means. `hint`: something may have changed. `renew`: the subscription has to be seen to now.

    `echo` is what has to be answered, as plain text, to show that the address is ours.
    """

    hint: bool = False
    renew: bool = False
    echo: str | None = None


class Forged(Exception):
    """The request does not come from the network, or not for this subscription."""


@runtime_checkable
class Pushed(Protocol):
    """An adapter whose network can be asked to call."""

    async def subscribe(self, url: str, secret: str, known: str | None) -> Subscription:
        """Make the subscription to `url`, or prolong the one that `known` names (made anew where the network lost it).

        The network is given `secret` and has to show it with each call. Raises ProviderError.
        """
        ...
