"""What Google's interfaces have in common: sign-in, the names of their errors, and several calls in one.

Speaks Google's OAuth 2 for web servers (with PKCE), the error format of its APIs (`google.rpc.Status` with `ErrorInfo`, and the
older `errors[].reason`), and HTTP batches (multipart/mixed of application/http). Knows nothing of mail or contacts.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import httpx2 as httpx
import msgspec

from providers.base import Authorization
from providers.errors import Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.http import SUCCESS, Response, Session

SIGN_IN = "https://accounts.google.com/o/oauth2/v2/auth"
TOKENS = "https://oauth2.googleapis.com/token"
REVOKE = "https://oauth2.googleapis.com/revoke"
CONSOLE = "https://console.cloud.google.com/auth/clients"
SCOPE = "https://www.googleapis.com/auth/"
#: The statuses whose bodies say what they mean; all others mean the same everywhere.
TELLING = frozenset({400, 403, 404, 409, 410, 412})
#: 403 means "too much" with these reasons, and "no" with all others.
TOO_FAST = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED", "concurrentLimitExceeded"})
TOO_MUCH = frozenset({"quotaExceeded", "dailyLimitExceeded", "dailyLimitExceededUnreg", "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"})
NARROW = frozenset({"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientScopes"})
SWITCHED_OFF = frozenset({"accessNotConfigured", "SERVICE_DISABLED"})
#: Google names no time when it says 403: per-minute windows, and days that end at midnight in California.
FAST_PAUSE = timedelta(seconds=60)
MUCH_PAUSE = timedelta(hours=1)
#: A project in testing mode gives grants of seven days; the loss is seen when the next token is asked for.
TESTING = timedelta(days=7)
TESTING_SEEN = (TESTING - timedelta(hours=2), TESTING + timedelta(days=2))
BATCH_ROUNDS = 3
_BOUNDARY = re.compile(r"boundary=(?:\"([^\"]{1,200})\"|([^\s;\"]{1,200}))")
_NUMBER = re.compile(rb"(?im)^content-id:[ \t]*<?(?:response-)?(\d{1,6})>?[ \t]*\r?$")

Entity = TypeVar("Entity")


class Part(msgspec.Struct, frozen=True):
    """One answer within a batch."""

    status: int
    content: bytes


def authorizer(
    key: str, name: str, scopes: Sequence[str], interface: str
) -> Callable[[Session, dict[str, str], str], Awaitable[Authorization]]:
    """`Provider.authorize` of one of Google's interfaces, for the operator's own client."""

    async def authorize(session: Session, values: dict[str, str], redirect_uri: str) -> Authorization:
        """Raises Refused with the steps to a client when the operator has set none."""
        mine = await session.credentials()
        if not mine.client_id:
            setting = f"KITH_{key.upper()}_CLIENT_ID"
            raise Refused(
                f"{name} needs a client of this installation's own, made once by its operator: enable the {interface} and create an "
                f"OAuth client of the type 'Web application' at {CONSOLE} with the redirect URI {redirect_uri} , publish the app, "
                f"then set {setting} and KITH_{key.upper()}_CLIENT_SECRET. docs/providers/{key}.md has the steps.",
                provider_code="no-client",
            )
        base = session.account.base_url.rstrip("/")
        real = str(httpx.URL(base).host).endswith(".googleapis.com")
        return Authorization(  # a server set by KITH_…_URL stands in for all of Google's hosts
            authorization_endpoint=SIGN_IN if real else f"{base}/o/oauth2/v2/auth",
            token_endpoint=TOKENS if real else f"{base}/token",
            client_id=mine.client_id,
            client_secret=mine.client_secret,
            scopes=tuple(scopes),
            base_url=base,
            extra={
                # without these two Google gives no refresh token
                "access_type": "offline",
                "prompt": "consent",
                "include_granted_scopes": "true",
                "token_endpoint_auth_method": "client_secret_post",
                "revocation_endpoint": REVOKE if real else f"{base}/revoke",
            },
        )

    return authorize


async def ask(
    session: Session, path: str, params: Sequence[tuple[str, str]] = (), *, calls: int = 1, max_bytes: int = 16 * 1024 * 1024
) -> Response:
    """One GET below the account's base URL. Raises what Google's error means; `not-found` is a Refused of that code."""
    return await _sent(session, "GET", path, params=list(params), calls=calls, max_bytes=max_bytes)


async def tell(
    session: Session, method: str, path: str, params: Sequence[tuple[str, str]] = (), body: Any = None, *, calls: int = 1
) -> Response:
    """One call that changes something, `body` as JSON. Raises what Google's error means."""
    return await _sent(session, method, path, params=list(params), json=body, calls=calls)


async def post(session: Session, path: str, headers: Mapping[str, str], body: bytes, *, calls: int = 1) -> Response:
    """One POST below the account's base URL, never repeated by itself. Raises what Google's error means."""
    return await _sent(session, "POST", path, headers=headers, content=body, calls=calls)


async def batch(session: Session, path: str, targets: Sequence[str], *, calls: int, max_bytes: int) -> list[Part]:
    """GETs of `targets` (paths with queries) in one call, answered in their order; `calls` is the price of each.

    A part that is throttled or in trouble is asked for again, alone with its like. Raises RateLimited when some still are,
    Malformed (`too-large`) when the answers together are larger than `max_bytes`.
    """
    found: dict[int, Part] = {}
    wanted = list(range(len(targets)))
    for attempt in range(BATCH_ROUNDS):
        if attempt:
            await session.clock.sleep(2.0**attempt)
        found.update(await _batch(session, path, {n: targets[n] for n in wanted}, calls, max_bytes))
        wanted = [n for n in wanted if n not in found or _passing(session, found[n])]
        if not wanted:
            break
    refusals = [failure(session, found[n].status, found[n].content) for n in wanted if n in found]
    for refusal in refusals:
        if isinstance(refusal, RateLimited):
            raise refusal
    if any(n not in found for n in range(len(targets))):
        raise Malformed("Google left some answers of a batch out.", provider_code="batch")
    if refusals and len(refusals) == len(targets):
        raise refusals[0]
    return [found[n] for n in range(len(targets))]


def failure(session: Session, status: int, content: bytes, retry_after: str = "") -> ProviderError:
    """The error that an answer stands for. 403 is a limit or a refusal by its reason alone."""
    reasons, said = _reasons(content)
    host = session.home.host
    now = session.clock.now()
    if status == 429 or (status == 403 and reasons & TOO_FAST):
        return RateLimited(
            f"{host} takes no more calls at the moment.",
            retry_at=now + _seconds(retry_after, FAST_PAUSE),
            provider_code=str(status),
        )
    if status == 403 and reasons & TOO_MUCH:
        return RateLimited(
            f"{host} takes no more calls of this installation for now: its quota is used up.",
            retry_at=now + _seconds(retry_after, MUCH_PAUSE),
            provider_code="quota",
        )
    if status == 401:
        return ReauthRequired(f"{host} no longer accepts your sign-in. Link the account again.", provider_code="401")
    if status == 403 and reasons & NARROW:
        return ReauthRequired(
            "Google was not allowed to do this: link the account again and leave every box ticked.", provider_code="scope"
        )
    if status == 403 and reasons & SWITCHED_OFF:
        return Refused(
            f"The interface {host} is not enabled in this installation's Google Cloud project: its operator has to enable it.",
            provider_code="disabled",
        )
    if status in (404, 410):
        return Refused(f"There is nothing (any more) at this address of {host}.", provider_code="not-found")
    if status >= 500 or status == 408:
        return Unavailable(f"{host} has trouble of its own (status {status}).", provider_code=str(status))
    code = next((name for name in ("EXPIRED_SYNC_TOKEN", "FAILED_PRECONDITION") if name in reasons), str(status))
    return Refused(f"{host} refused the request (status {status}): {said or 'it gave no reason'}.", provider_code=code)


def decoded(content: bytes, kind: type[Entity]) -> Entity:
    """JSON as the interface describes it. Raises Malformed."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # ValidationError is a DecodeError
        raise Malformed("Google answered with something else than its interface describes.", provider_code="not-json") from None


def base64url(text: str | bytes) -> bytes:
    """RFC 4648 §5, padding forgiven. Raises Malformed."""
    raw = text.encode("ascii", "replace") if isinstance(text, str) else text
    try:
        return binascii.a2b_base64(raw.translate(_URL_SAFE) + b"=" * (-len(raw) % 4), strict_mode=True)
    except binascii.Error:
        raise Malformed("Google sent bytes that are not in base64.", provider_code="base64") from None


_URL_SAFE = bytes.maketrans(b"-_", b"+/")


async def _sent(session: Session, method: str, path: str, **more: Any) -> Response:
    try:
        answer = await session.request(
            method, session.account.base_url.rstrip("/") + path, accept_statuses=frozenset(SUCCESS) | TELLING, **more
        )
    except ReauthRequired as error:
        raise await _explained(session, error) from error
    if answer.status in SUCCESS:
        return answer
    raise failure(session, answer.status, answer.content, answer.headers.get("retry-after", ""))


async def _explained(session: Session, error: ReauthRequired) -> ReauthRequired:
    """A grant that ended after a week was given by a project in testing mode: only its operator can mend that."""
    if error.provider_code != "invalid_grant":
        return error
    secret = await session.credentials()
    now = session.clock.now()
    given, ends = _moment(secret.extra.get("granted_at")), _moment(secret.extra.get("grant_ends_at"))
    if (ends is not None and ends <= now) or (given is not None and TESTING_SEEN[0] <= now - given <= TESTING_SEEN[1]):
        return ReauthRequired(
            "Google ended this sign-in seven days after it was given, because the Google Cloud project of this installation is in "
            "testing mode. Its operator has to press 'Publish app' at https://console.cloud.google.com/auth/audience ; "
            "then link the account again: the old sign-in stays dead.",
            provider_code="testing-mode",
        )
    return ReauthRequired(
        "Google ended this sign-in: the password was changed, the access taken back, or it was not used for six months. "
        "Link the account again.",
        provider_code="invalid_grant",
    )


async def _batch(session: Session, path: str, targets: Mapping[int, str], calls: int, max_bytes: int) -> dict[int, Part]:
    """One round: the answers by number. Parts may come back in any order: the Content-ID tells which is which."""
    boundary = "batch_of_reads"
    lines = []
    for number, target in targets.items():
        lines += [
            f"--{boundary}",
            "Content-Type: application/http",
            f"Content-ID: <{number}>",
            "",
            f"GET {target} HTTP/1.1",
            "",
            "",
        ]
    body = "\r\n".join([*lines, f"--{boundary}--", ""])
    answer = await _sent(
        session,
        "POST",
        path,
        content=body,
        headers={"Content-Type": f"multipart/mixed; boundary={boundary}"},
        calls=calls * len(targets),
        max_bytes=max_bytes,
        reads=True,
    )
    named = _BOUNDARY.search(answer.headers.get("content-type", ""))
    if named is None or answer.media_type != "multipart/mixed":
        raise answer.malformed("a batch")
    mark = (named[1] or named[2]).encode("latin-1")
    found: dict[int, Part] = {}
    for piece in answer.content.split(b"--" + mark)[1:]:
        head, _, rest = _past_blank(piece)
        numbered = _NUMBER.search(head)
        status_line, _, content = _past_blank(rest)
        word = status_line.split(b" ", 2)
        if numbered is None or int(numbered[1]) not in targets or len(word) < 2 or not word[1][:3].isdigit():
            continue
        found[int(numbered[1])] = Part(int(word[1][:3]), content.rstrip(b"\r\n"))
    return found


def _past_blank(piece: bytes) -> tuple[bytes, bytes, bytes]:
    """A header block and what follows its blank line, with either kind of line end."""
    at, mark = min(
        ((found, mark) for mark in (b"\r\n\r\n", b"\n\n") if (found := piece.find(mark)) >= 0), default=(len(piece), b"")
    )
    return piece[:at].lstrip(b"\r\n"), mark, piece[at + len(mark) :]


def _passing(session: Session, part: Part) -> bool:
    return part.status not in SUCCESS and isinstance(failure(session, part.status, part.content), RateLimited | Unavailable)


def _reasons(content: bytes) -> tuple[set[str], str]:
    """Every reason that an error body gives, in the old form and the new, and its sentence."""
    try:
        body = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return set(), ""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return set(), ""
    listed = [each for name in ("errors", "details") for each in _list(error.get(name))]
    reasons = {each["reason"] for each in listed if isinstance(each, dict) and isinstance(each.get("reason"), str)}
    if isinstance(error.get("status"), str):
        reasons.add(error["status"])
    said = error.get("message")
    return reasons, " ".join(said.split())[:200] if isinstance(said, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _seconds(text: str, default: timedelta) -> timedelta:
    text = text.strip()
    return timedelta(seconds=min(int(text[:9]), 86_400)) if text.isascii() and text.isdigit() else default


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
