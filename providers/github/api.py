"""What every call to GitHub has in common: its two interfaces, the names of their errors, conditional requests, and the sign-in.

Speaks REST (version 2022-11-28) and GraphQL of github.com, of GitHub Enterprise Cloud with data residency and of Enterprise Server,
and OAuth 2 for web applications with PKCE. A GraphQL answer may hold data and errors at once: both are given back. An answer 403 is a
limit or a refusal by its headers and its sentence alone. Knows nothing of people, issues or notifications.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import httpx2 as httpx
import msgspec

from providers import server_address
from providers.base import Authorization
from providers.errors import CursorExpired, Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.http import SUCCESS, Response, Session
from providers.session import Secret

KEY: Final = "github"
HOME: Final = "https://api.github.com"
TOKENS: Final = "https://github.com/settings/tokens"
CLIENTS: Final = "https://github.com/settings/developers"
HEADERS: Final = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
PAGE_BYTES: Final = 16 * 1024 * 1024
#: docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps; none of them lets anything be changed but
#: notifications, of which Kith marks those as read that were read here.
SCOPES: Final = ("read:user", "user:email", "read:org", "notifications")
#: "If the retry-after header is not present … wait for at least one minute" (rest/using-the-rest-api/rate-limits-for-the-rest-api).
SECONDARY_PAUSE: Final = timedelta(seconds=60)
LONGEST_PAUSE_SECONDS: Final = 86_400
#: GraphQL error types that mean a token which was given too little.
NARROW: Final = frozenset({"INSUFFICIENT_SCOPES", "INSUFFICIENT_SCOPE"})
#: What the sentences of a 403 say when it is the token, not the person, that may not.
NARROW_WORDS: Final = ("not accessible by", "must have", "scope", "requires authentication")

Entity = TypeVar("Entity")


class Problem(msgspec.Struct, frozen=True):
    """An entry of `errors` in a GraphQL answer (docs.github.com/en/graphql; `type` is GitHub's own)."""

    message: str = ""
    type: str | None = None
    path: list[str | int] | None = None
    extensions: dict[str, Any] | None = None

    @property
    def narrow(self) -> bool:
        """Whether a wider token would have been answered."""
        return self.type in NARROW or (self.type == "FORBIDDEN" and "not accessible by" in self.message.lower())

    @property
    def single_sign_on(self) -> bool:
        """Whether the organisation wants its own sign-in first."""
        return (self.extensions or {}).get("saml_failure") is True


class Envelope(msgspec.Struct, frozen=True):
    """What GraphQL answers with."""

    data: msgspec.Raw = msgspec.Raw(b"null")
    errors: list[Problem] | None = None


async def query(
    session: Session, document: str, variables: Mapping[str, Any], kind: type[Entity]
) -> tuple[Entity, tuple[Problem, ...]]:
    """One GraphQL query, priced at one point: the data, and what GitHub left out of it with its reasons.

    Raises what the errors mean where there is no data; CursorExpired for a place in a list that it does not know.
    """
    answer = await _sent(
        session,
        "POST",
        _graphql(session),
        json={"query": document, "variables": dict(variables)},
        reads=True,
        max_bytes=PAGE_BYTES,
    )
    envelope = decoded(answer, Envelope)
    problems = tuple(envelope.errors or ())
    for problem in problems:  # these stand for the whole answer, whatever data came along
        if problem.type == "RATE_LIMITED" or "rate limit" in problem.message.lower():
            raise _limited(session, answer)
        if problem.type == "INVALID_CURSOR_ARGUMENTS":
            raise CursorExpired("GitHub no longer knows this place in the list.")
    try:
        return msgspec.json.decode(envelope.data, type=kind), problems
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if not problems:
            raise answer.malformed("GraphQL") from None
        raise failure(session, problems[0]) from None


async def get(
    session: Session, path: str, params: Mapping[str, str] | None = None, *, unless: Mapping[str, str] | None = None
) -> Response | None:
    """One GET below the account's base URL; `unless` are the headers of a conditional request (RFC 9110 §13.1).

    None when nothing has changed, which GitHub does not count. Raises what GitHub's error means; `scope` is the code of a
    Refused that a wider token would not have got.
    """
    answer = await _sent(
        session,
        "GET",
        session.account.base_url.rstrip("/") + path,
        params=params or {},
        headers=dict(unless or {}),
        conditional=bool(unless),
        max_bytes=PAGE_BYTES,
    )
    return None if answer.status == 304 else answer


async def patch(session: Session, path: str) -> None:
    """One PATCH without a body below the account's base URL; what is so already is done (304). Raises as `get`."""
    await _sent(session, "PATCH", session.account.base_url.rstrip("/") + path, conditional=True)


def decoded(answer: Response, kind: type[Entity]) -> Entity:
    """JSON as the interface describes it. Raises Malformed."""
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # ValidationError is a DecodeError
        raise answer.malformed("JSON") from None


def failure(session: Session, problem: Problem) -> ProviderError:
    """The error that an entry of `errors` stands for when there is no data."""
    host = session.home.host
    if problem.single_sign_on:
        return ReauthRequired(
            "An organisation wants you to sign in with its own account first: authorise the token for it at GitHub "
            "(Settings → Applications, or the token's page → Configure SSO).",
            provider_code="sso",
        )
    if problem.narrow:
        return too_narrow(problem.message)
    if problem.type == "NOT_FOUND":
        return Refused(f"There is nothing (any more) at this place of {host}.", provider_code="not-found")
    if problem.type is None or "something went wrong" in problem.message.lower():  # a timeout, and trouble of their own
        return Unavailable(f"{host} has trouble of its own.", provider_code="graphql")
    said = " ".join(problem.message.split())[:200]
    return Refused(f"{host} refused the request: {said or 'it gave no reason'}.", provider_code=problem.type[:60])


def too_narrow(said: str) -> ReauthRequired:
    """The token was given too little, or it was taken back since."""
    reason = " ".join(said.split())[:200]
    return ReauthRequired(
        f"The token may not read this ({reason}). Give it at least the scopes {', '.join(SCOPES)}, or link the account again.",
        provider_code="scope",
    )


async def _sent(session: Session, method: str, url: str, *, conditional: bool = False, **more: Any) -> Response:
    headers = {**HEADERS, **more.pop("headers", {})}
    accepted = frozenset(SUCCESS) | {403} | ({304} if conditional else set())
    answer = await session.request(method, url, headers=headers, accept_statuses=accepted, **more)
    if answer.status == 403:
        raise _refusal(session, answer)
    return answer


def _refusal(session: Session, answer: Response) -> ProviderError:
    """What 403 means (rest/using-the-rest-api/troubleshooting-the-rest-api)."""
    said = _said(answer)
    words = said.lower()
    sso = answer.headers.get("x-github-sso", "")
    if sso.startswith("required"):
        where = sso.partition("url=")[2]
        return ReauthRequired(
            f"An organisation wants you to sign in with its own account first: open {where or 'its page at GitHub'} .",
            provider_code="sso",
        )
    if "rate limit" in words or answer.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in answer.headers:
        return _limited(session, answer)
    host = session.home.host
    if any(word in words for word in NARROW_WORDS):
        return Refused(f"The token may not read this ({said}).", provider_code="scope")
    return Refused(f"{host} does not allow this to your account ({said or 'it gave no reason'}).", provider_code="403")


def _limited(session: Session, answer: Response) -> RateLimited:
    """The primary limit names its end (`x-ratelimit-reset`), the secondary one a pause, or neither."""
    now = session.clock.now()
    pause = _whole(answer.headers.get("retry-after"))
    reset = _whole(answer.headers.get("x-ratelimit-reset"))
    until = now + SECONDARY_PAUSE
    if pause is not None:
        until = now + timedelta(seconds=min(pause, LONGEST_PAUSE_SECONDS))
    elif answer.headers.get("x-ratelimit-remaining") == "0" and reset is not None:
        until = max(now, min(datetime.fromtimestamp(reset, UTC), now + timedelta(seconds=LONGEST_PAUSE_SECONDS)))
    return RateLimited(f"{session.home.host} takes no more calls at the moment.", retry_at=until, provider_code="limit")


def _said(answer: Response) -> str:
    """GitHub's own sentence in an error."""
    try:
        body = answer.json()
    except Malformed:
        return ""
    text = body.get("message") if isinstance(body, dict) else None
    return " ".join(text.split())[:200] if isinstance(text, str) else ""


def _whole(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text[:10]) if text.isascii() and text.isdigit() else None


def _graphql(session: Session) -> str:
    """Enterprise Server has REST at /api/v3 and GraphQL at /api/graphql; github.com has both on a host of their own."""
    base = session.account.base_url.rstrip("/")
    return base.removesuffix("/v3") + "/graphql"


# --- where it is, and signing in there --------------------------------------------------------------------------------------


def base_url(values: dict[str, str]) -> str:
    """The REST interface of the server that the user means; github.com without one. Raises Refused."""
    advice = "This is no address of a server: leave it empty for github.com, or give one like github.example.org."
    url = httpx.URL(server_address.typed(values.get("server", "").strip() or "github.com", advice))
    if url.host in ("github.com", "www.github.com", "api.github.com"):
        return HOME
    if url.host.endswith(".ghe.com"):  # data residency: api.SUBDOMAIN.ghe.com
        return f"https://api.{url.host.removeprefix('api.')}"
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}/api/v3"


async def authorize(session: Session, values: dict[str, str], redirect_uri: str) -> Authorization:
    """The sign-in page of the server, with the operator's own client. Raises Refused with the steps to one where none is set."""
    mine = await session.credentials()
    if not mine.client_id:
        raise Refused(
            f"Signing in at GitHub needs a client of this installation's own, made once by its operator: create an OAuth app at {CLIENTS} "
            f"with the callback URL {redirect_uri} , then set KITH_GITHUB_CLIENT_ID and KITH_GITHUB_CLIENT_SECRET. "
            "docs/providers/github.md has the steps. A token of your own works without.",
            provider_code="no-client",
        )
    where = site(session.account.base_url)
    return Authorization(
        authorization_endpoint=f"{where}/login/oauth/authorize",
        token_endpoint=f"{where}/login/oauth/access_token",
        device_endpoint=f"{where}/login/device/code",
        client_id=mine.client_id,
        client_secret=mine.client_secret,
        scopes=SCOPES,
        base_url=session.account.base_url,
        extra={"token_endpoint_auth_method": "client_secret_post"},
    )


async def give_back(session: Session, secret: Secret) -> bool:
    """End all that the user granted our client (rest/apps/oauth-applications#delete-an-app-authorization); GitHub asks for the client's own
    secret. Raises ProviderError where it does not answer.
    """
    if not secret.client_secret:
        return False
    pair = base64.b64encode(f"{secret.client_id}:{secret.client_secret}".encode()).decode()
    answer = await session.request(
        "DELETE",
        f"{session.account.base_url.rstrip('/')}/applications/{quote(secret.client_id or '', safe='')}/grant",
        headers={**HEADERS, "Authorization": f"Basic {pair}"},
        json={"access_token": secret.access_token},
        auth=False,
        accept_statuses=frozenset({204, 401, 403, 404, 422}),
        follow=False,
    )
    return answer.status == 204


def site(base: str) -> str:
    """Where people see it and sign in: the interface's host without its `api.`, and its origin on Enterprise Server."""
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].removeprefix('api.')}"
