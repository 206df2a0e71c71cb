"""The five ways in which a source can fail, and nothing else.

Every adapter maps what its network says onto this hierarchy; no other exception leaves `providers/`. What a class means for
the account (its `AccountStatus`, a later retry, an open gap) is decided above, from the class alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from providers.records import Contact


class ProviderError(Exception):
    """A source did not give what was asked. `message` is a sentence for people that says what to do next."""

    def __init__(self, message: str, *, retry_at: datetime | None = None, provider_code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_at = retry_at
        self.provider_code = provider_code


class RateLimited(ProviderError):
    """The network, or our own budget for it, takes no more calls until `retry_at`."""


class ReauthRequired(ProviderError):
    """The grant is gone, expired or too narrow: the user has to sign in to the network again."""


class Unavailable(ProviderError):
    """The network cannot be reached, hangs or fails on its own side; trying again later makes sense."""


class Refused(ProviderError):
    """The network understood and said no; the same request will be refused again."""


class Malformed(ProviderError):
    """The answer, or the file, is not what its specification says; nothing of it was believed."""


class CursorExpired(Refused):
    """The delta cursor is no longer known to the source: list everything again and compare."""


class Conflict(Refused):
    """What was to be changed is another version at its source by now; `current` is that version where it was told."""

    def __init__(self, message: str, *, current: Contact | None = None, provider_code: str | None = None) -> None:
        super().__init__(message, provider_code=provider_code)
        self.current = current


class ForbiddenAddress(Refused):
    """The host is private, or otherwise not one that this installation may connect to."""
