"""Signing in on another device: the OAuth 2 device authorization grant (RFC 8628), where no browser can be sent back to us.

The network gives a code to type in at its own page and one to ask with (§3.2); its token endpoint is asked whether somebody has, no more often
than it said (§3.4, §3.5). Whoever waits, and how long, is decided above. Knows nothing of forms or where tokens are kept.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.base import Authorization
from providers.errors import Malformed, ProviderError, Refused
from providers.http import Session
from providers.oauth import ANSWERS, MAX_BYTES, granted, named
from providers.session import Secret

GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
INTERVAL: Final = 5  # §3.2: seconds between two questions, where the network does not say
SLOWER: Final = 5  # §3.5, slow_down
LONGEST: Final = 3600


class Codes(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of the device authorization endpoint (§3.2); times in seconds."""

    device_code: str
    user_code: str
    verification_uri: str
    expires_in: int
    verification_uri_complete: str | None = None
    interval: int = INTERVAL


async def codes(session: Session, authorization: Authorization) -> Codes:
    """Codes to sign in with. Raises Refused where the network has no such way, and ProviderError."""
    if authorization.device_endpoint is None:
        raise Refused("This network has no sign-in by a code: choose another way.", provider_code="no-device")
    form = {"client_id": authorization.client_id, "scope": " ".join(authorization.scopes)}
    answer = await _asked(session, authorization.device_endpoint, form)
    try:
        found = msgspec.json.decode(answer, type=Codes)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _refusal(answer) from None
    if not found.verification_uri.startswith(("https://", "http://")):
        raise Malformed("The network names a page to type the code in that is none.", provider_code="device")
    within = min(max(found.interval, 1), LONGEST)
    return msgspec.structs.replace(found, interval=within, expires_in=min(max(found.expires_in, 1), LONGEST))


async def ask(session: Session, authorization: Authorization, given: Codes) -> Secret | int:
    """The grant, once somebody has typed the code in; until then how many seconds to wait before the next question.

    Raises Refused when they said no or took too long, and ProviderError.
    """
    form = {"grant_type": GRANT, "device_code": given.device_code, "client_id": authorization.client_id}
    if authorization.client_secret is not None:  # §3.4: authenticated as at any other time
        form["client_secret"] = authorization.client_secret
    answer = await _asked(session, authorization.token_endpoint, form)
    match _error(answer):
        case "":
            token = _body(answer)
            return granted(session, authorization, token, None)
        case "authorization_pending":
            return given.interval
        case "slow_down":
            return min(given.interval + SLOWER, LONGEST)
    raise _refusal(answer)


async def _asked(session: Session, url: str, form: dict[str, str]) -> bytes:
    answer = await session.request(
        "POST", url, form=form, headers={"Accept": "application/json"}, auth=False, accept_statuses=ANSWERS, max_bytes=MAX_BYTES,
        follow=False, once=True,
    )  # fmt: skip
    return answer.content


def _body(answer: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _error(answer: bytes) -> str:
    """RFC 6749 §5.2; some networks answer 200 with it."""
    found = _body(answer)
    said = found.get("error", "" if "access_token" in found else "no token")
    return said if isinstance(said, str) else "error"


def _refusal(answer: bytes) -> ProviderError:
    words = {
        "access_denied": "You said no there. Begin again if you did not mean to.",
        "expired_token": "The code was not typed in within its time. Begin again.",
        "device_flow_disabled": "The operator's client there does not sign people in by a code yet: it has to be allowed in its settings.",
    }  # fmt: skip
    code = _error(answer)
    return Refused(words[code], provider_code=code) if code in words else named(code)
