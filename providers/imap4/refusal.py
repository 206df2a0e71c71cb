"""What a server's NO, BAD and BYE mean for an account (RFC 9051 §7.1, RFC 5530): a response code, or else the words.

Servers say important things without a code (Yahoo, Exchange), so that a few phrases seen in the wild are read too. Decides
nothing about what happens next: that is in the class of the error.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from providers.errors import Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.imap4.syntax import Condition

#: Servers that say "too much" say not until when.
PAUSE = timedelta(seconds=60)
BANDWIDTH_PAUSE = timedelta(hours=24)

_SIGN_IN = frozenset({"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "PRIVACYREQUIRED", "WEBALERT"})
_BUSY = frozenset({"UNAVAILABLE", "SERVERBUG", "INUSE", "CONTACTADMIN"})
_LIMITED = frozenset({"LIMIT", "THROTTLED"})
_LIMITED_WORDS = (
    "too many",
    "simultaneous connection",
    "maximum number of connections",
    "rate limit",
    "throttl",
    "exceeded",
    "slow down",
    "try again later",
)
_BUSY_WORDS = ("temporar", "unavailable", "internal error", "server error", "try again", "timeout", "shutting down", "overload")


def refusal(said: Condition, host: str, doing: str, now: datetime) -> ProviderError:
    """The error for a tagged NO or BAD, or a BYE. `doing` continues "refused …", as in "to open the folder Notes"."""
    words = said.text.lower()
    shown = f" It said: {_shown(said.text)}" if said.text.strip() else ""
    if said.code in _SIGN_IN:
        where = _address(said.argument)
        help_ = f" Open {where} in a browser first." if where else ""
        message = f"{host} does not accept the sign-in.{help_}{shown}"
        return ReauthRequired(message, provider_code=said.code.lower())
    if "bandwidth" in words:
        message = f"{host} lets no more mail through today.{shown}"
        return RateLimited(message, retry_at=now + BANDWIDTH_PAUSE, provider_code="bandwidth")
    if said.code in _LIMITED or (said.code in ("", "ALERT", "UNAVAILABLE") and any(word in words for word in _LIMITED_WORDS)):
        message = f"{host} takes no more for now.{shown}"
        return RateLimited(message, retry_at=now + PAUSE, provider_code=said.code.lower() or "limit")
    if said.code in _BUSY or said.status == "BYE" or (not said.code and any(word in words for word in _BUSY_WORDS)):
        return Unavailable(f"{host} has trouble of its own.{shown}", provider_code=said.code.lower() or said.status.lower())
    return Refused(f"{host} refused {doing}.{shown}", provider_code=said.code.lower() or said.status.lower())


def sign_in_refusal(said: Condition, host: str, now: datetime) -> ProviderError:
    """The error for a sign-in that was not accepted. Without a code it may be the password or the server: ReauthRequired
    with the code `no-reason` says that nobody knows.
    """
    found = refusal(said, host, "the sign-in", now)
    if isinstance(found, Refused):
        shown = f" It said: {_shown(said.text)}" if said.text.strip() else ""
        message = (
            f"{host} does not accept this user name and password. Many providers want an app password here, or mail programs to be "
            f"allowed in their settings first.{shown}"
        )
        return ReauthRequired(message, provider_code=said.code.lower() or "no-reason")
    return found


def unexpected(host: str, what: str) -> Malformed:
    """The error for an answer that breaks the protocol."""
    return Malformed(f"{host} {what}.", provider_code="imap-protocol")


def _shown(text: str) -> str:
    """A server's words for people: one line, of bearable length."""
    clean = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(clean.split())[:200]


def _address(argument: bytes) -> str:
    """The page that Gmail's WEBALERT names."""
    found = argument.decode("utf-8", "replace").strip()
    return found if found.startswith("https://") and " " not in found and len(found) < 500 else ""
