"""One call of LinkedIn's interfaces: which version is spoken, what its errors mean, and the sign-in.

Speaks OpenID Connect (`/v2/userinfo`) and the Member Data Portability APIs (`/rest/…`, Rest.li 2.0 with a version by month, of which each
ends about a year after it began). LinkedIn counts calls of an app and of a member by UTC days and says neither how many there are nor
what is left. Knows nothing of what is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import msgspec

from providers.archives.linkedin import KEY
from providers.base import Authorization
from providers.errors import Malformed, ProviderError, RateLimited, ReauthRequired, Refused
from providers.http import Response, Session

__all__ = ["HOME", "KEY", "PORTABILITY", "SCOPES", "ask", "authorize", "granted"]

HOME: Final = "https://api.linkedin.com"
SIGN_IN: Final = "https://www.linkedin.com/oauth/v2"
APPS: Final = "https://www.linkedin.com/developers/apps"
#: The version of the portability interfaces that LinkedIn's pages name (header `LinkedIn-Version`).
VERSION: Final = "202312"
SCOPES: Final = ("openid", "profile", "email")
#: Of an app for many members, and of a member's own app, by both of its names.
THIRD_PARTY: Final = "r_dma_portability_3rd_party"
PORTABILITY: Final = frozenset({THIRD_PARTY, "r_dma_portability_self_serve", "r_dma_portability_member"})
ANSWER_BYTES: Final = 32 * 1024 * 1024
ANSWERS: Final = frozenset({200, 201, 400, 401, 403, 404, 422, 426, 429})
#: What LinkedIn says where there is nothing (any more) in a domain.
NOTHING: Final = "no data found"

Entity = TypeVar("Entity")


class Problem(msgspec.Struct, frozen=True):
    """An answer that is an error."""

    message: str = ""
    code: str = ""
    number: int = msgspec.field(default=0, name="serviceErrorCode")


async def ask(session: Session, path: str, kind: type[Entity], params: Sequence[tuple[str, str]] = ()) -> Entity:
    """What stands at a path. Raises what the error means; Refused with the code `nothing` where there is nothing in a domain."""
    answer = await _sent(session, "GET", path, params)
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # ValidationError is a DecodeError
        raise answer.malformed("JSON") from None


async def tell(session: Session, path: str) -> None:
    """A POST that says no more than that it is one; doing it twice is doing it once."""
    await _sent(session, "POST", path, ())


async def granted(session: Session) -> frozenset[str]:
    """The scopes of the grant; empty where it names none. LinkedIn parts them by commas."""
    return frozenset(((await session.credentials()).scope or "").replace(",", " ").split())


def version(session: Session) -> str:
    return session.account.settings.get("version") or VERSION


async def _sent(session: Session, verb: str, path: str, params: Sequence[tuple[str, str]]) -> Response:
    versioned = {"LinkedIn-Version": version(session), "X-Restli-Protocol-Version": "2.0.0"} if path.startswith("/rest/") else {}
    answer = await session.request(
        verb,
        session.account.base_url.rstrip("/") + path,
        params=list(params),
        headers=versioned,
        json={} if verb == "POST" else None,
        reads=True,
        follow=False,
        accept_statuses=ANSWERS,
        max_bytes=ANSWER_BYTES,
    )
    if answer.status >= 400:
        raise failure(session, answer)
    return answer


def failure(session: Session, answer: Response) -> ProviderError:
    """The error that an answer stands for."""
    try:
        said = msgspec.json.decode(answer.content, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = Problem()
    status, words = answer.status, " ".join(said.message.split())[:200]
    if status == 429:
        now = session.clock.now()
        after = answer.headers.get("retry-after", "").strip()[:6]
        # without a word on it, the limits are those of the day
        at = now + timedelta(seconds=int(after)) if after.isdigit() else _midnight(now)
        return RateLimited("LinkedIn's calls of today are used up.", retry_at=at, provider_code="429")
    if status == 426 or said.code == "NONEXISTENT_VERSION":
        return Malformed(
            f"LinkedIn no longer speaks version {version(session)} of its interface: each ends about a year after its month. Link the account "
            "again with a newer one (YYYYMM), as LinkedIn's pages on member data portability name it.",
            provider_code="version",
        )
    if status == 401:
        return ReauthRequired(
            "LinkedIn no longer accepts this sign-in, which ends after sixty days. Link the account again.",
            provider_code=str(said.number or 401),
        )
    if status == 404 and NOTHING in words.lower():
        return Refused("There is nothing in this part of the account.", provider_code="nothing")
    if status == 404:
        return Refused("There is nothing (any more) at this address of LinkedIn.", provider_code="not-found")
    if status == 403:
        return Refused(f"LinkedIn does not allow this to the app ({words or 'it gave no reason'}).", provider_code="403")
    return Refused(f"LinkedIn did not understand the question ({words or 'it gave no reason'}).", provider_code=str(status))


def _midnight(now: datetime) -> datetime:
    return datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)


async def authorize(session: Session, values: dict[str, str], redirect_uri: str) -> Authorization:
    """LinkedIn's OAuth 2 with the operator's own app, which has no PKCE. Raises Refused with the steps to one where none is set."""
    mine = await session.credentials()
    if not mine.client_id or not mine.client_secret:
        raise Refused(
            f"Signing in at LinkedIn needs an app of this installation's own, made once by its operator at {APPS} with the redirect URL "
            f"{redirect_uri} , then set KITH_LINKEDIN_CLIENT_ID and KITH_LINKEDIN_CLIENT_SECRET. docs/providers/linkedin.md has the steps.",
            provider_code="no-client",
        )
    base = session.account.base_url.rstrip("/")
    at = SIGN_IN if base == HOME else f"{base}/oauth/v2"  # a server set by KITH_LINKEDIN_URL stands in for both hosts
    wanted = (*SCOPES, THIRD_PARTY) if values.get("portability") in ("true", "on", "yes", "1") else SCOPES
    return Authorization(
        authorization_endpoint=f"{at}/authorization",
        token_endpoint=f"{at}/accessToken",
        client_id=mine.client_id,
        client_secret=mine.client_secret,
        scopes=wanted,
        pkce=False,
        base_url=base,
        extra={"token_endpoint_auth_method": "client_secret_post"},
    )
