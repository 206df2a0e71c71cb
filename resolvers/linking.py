"""Linking an account, as the API sees it; the steps themselves are the gateway's (gateway/linking/).

`Linking` is the Protocol that the gateway fulfils. A mistake of the caller is raised as `LinkRefused` and becomes a
UserError; trouble at the network ends up in the session (`state` FAILED with `error_code` and `error_message`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from providers.base import FormField, LinkMethod
from resolvers.mistakes import Mistake

LinkState = Literal[
    "DISCOVERING",
    "AWAITING_REDIRECT",
    "AWAITING_DEVICE",
    "AWAITING_CREDENTIALS",
    "VERIFYING",
    "LINKED",
    "FAILED",
    "EXPIRED",
    "CANCELLED",
]


class OAuthRedirect(msgspec.Struct, frozen=True, kw_only=True):
    """Send the browser to `authorization_url`."""

    authorization_url: str
    redirect_uri: str


class DeviceCode(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 8628 §3.2."""

    user_code: str
    verification_url: str
    expires_at: datetime
    poll_seconds: int
    verification_url_complete: str | None = None


class CredentialForm(msgspec.Struct, frozen=True, kw_only=True):
    """What the user has to type, with what was found out filled in as `default`."""

    method: LinkMethod
    fields: tuple[FormField, ...]
    help: str | None = None
    help_url: str | None = None


class DiscoveryAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try to find settings or to sign in."""

    method: str
    target: str
    succeeded: bool
    message: str
    at: datetime


class LinkSession(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to link an account. `provider` is its key; ids as in store/ids.py (kind LINK)."""

    id: str
    state: LinkState
    expires_at: datetime
    provider: str | None = None
    step: OAuthRedirect | DeviceCode | CredentialForm | None = None
    attempts: tuple[DiscoveryAttempt, ...] = ()
    account_id: str | None = None
    error_code: str | None = None  # a UserErrorCode
    error_message: str | None = None

    @property
    def error(self) -> Mistake | None:
        """Why it failed and what to do."""
        if self.error_code is None:
            return None
        return Mistake(code=self.error_code, message=self.error_message or "Linking failed; begin again.")


class LinkRefused(Exception):
    """The caller's mistake, with its place in the input."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.message)
        self.mistake = mistake


class Linking(Protocol):
    """Every method is bound to the viewer; a session of somebody else does not exist."""

    async def begin(
        self,
        viewer: str,
        *,
        provider: str | None = None,
        address: str | None = None,
        account_id: str | None = None,
        method: LinkMethod | None = None,
        scopes: tuple[str, ...] | None = None,
        return_url: str | None = None,
    ) -> LinkSession:
        """Begin to link, or to authorise `account_id` again. Raises LinkRefused."""
        ...

    async def complete(
        self,
        viewer: str,
        link_id: str,
        *,
        callback_url: str | None = None,
        form: Mapping[str, str] | None = None,
        mode: Literal["MIRRORED", "LIVE"] = "MIRRORED",
    ) -> LinkSession:
        """Give what the session waits for; without credentials, poll. Raises LinkRefused."""
        ...

    async def cancel(self, viewer: str, link_id: str) -> LinkSession:
        """End the session. Raises LinkRefused (NOT_FOUND)."""
        ...

    async def get(self, viewer: str, link_id: str) -> LinkSession | None:
        """The session as it is now; None when there is none of this viewer."""
        ...
