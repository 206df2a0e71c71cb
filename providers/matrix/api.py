"""One call of the Matrix Client-Server API: how it is asked, what a refusal means, and when to come again.

A "standard error response" is mapped onto `providers/errors.py`; a limit that is over soon is waited out. Knows nothing of what is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from providers.errors import Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.http import Response, Session
from providers.matrix.event import short

ANSWER_BYTES: Final = 16 * 1024 * 1024
PATIENCE: Final = 30.0  # seconds that a limit of the server is waited out; what is longer ends the run
ATTEMPTS: Final = 4
ANSWERED: Final = frozenset({200, 400, 403, 404, 429})
#: What a room answers that does not show something, or has none of it.
CLOSED: Final = frozenset({"M_FORBIDDEN", "M_NOT_FOUND", "403", "not-found"})

Entity = TypeVar("Entity")


class WhoAmI(msgspec.Struct, frozen=True):
    user_id: str
    device_id: str | None = None


async def who(session: Session) -> WhoAmI:
    """Whose token it is, and of which device. Raises ProviderError."""
    return await get(session, "/_matrix/client/v3/account/whoami", WhoAmI)


async def get(
    session: Session, path: str, kind: type[Entity], query: Sequence[tuple[str, str]] = (), *, max_bytes: int = ANSWER_BYTES
) -> Entity:
    """What a GET answers. Raises ProviderError."""
    return decoded(await ask(session, path, query, max_bytes), kind)


async def ask(
    session: Session, path: str, query: Sequence[tuple[str, str]], max_bytes: int, *, statuses: Iterable[int] = ()
) -> Response:
    """One GET. A limit that is over soon is waited out; `statuses` besides the usual are refusals that are not tried again."""
    url = origin(session.account.base_url) + path
    for attempt in range(1, ATTEMPTS + 1):
        answer = await session.request(
            "GET", url, params=list(query), accept_statuses={*ANSWERED, *statuses}, max_bytes=max_bytes
        )
        if answer.status == 200:
            return answer
        error = refusal(session, answer)
        if not isinstance(error, RateLimited) or attempt == ATTEMPTS or session.interactive:
            raise error
        assert error.retry_at is not None
        seconds = (error.retry_at - session.clock.now()).total_seconds()
        if seconds > PATIENCE:
            raise error
        await session.clock.sleep(max(0.1, seconds))
    raise AssertionError  # the last attempt returns or raises


async def tell(session: Session, method: str, path: str, body: Mapping[str, Any], *, once: bool = False) -> Response:
    """One call that changes something; with `once` it is never repeated here. Raises ProviderError."""
    url = origin(session.account.base_url) + path
    answer = await session.request(method, url, json=body, accept_statuses=ANSWERED, follow=False, once=once)
    if answer.status != 200:
        raise refusal(session, answer)
    return answer


def refusal(session: Session, answer: Response) -> ProviderError:
    """The error that a "standard error response" stands for."""
    code, text = said(answer)
    host = urlsplit(answer.url).hostname
    match answer.status, code:
        case 429, _:
            return RateLimited(
                f"{host} takes no more calls at the moment.", retry_at=_retry_at(session, answer), provider_code=code
            )
        case _, "M_USER_DEACTIVATED" | "M_USER_LOCKED" | "M_USER_SUSPENDED":
            return ReauthRequired(f"{host} has closed this account. Ask whoever runs it.", provider_code=code)
        case _, "M_UNKNOWN_TOKEN" | "M_MISSING_TOKEN":
            return ReauthRequired(f"{host} has signed Kith out. Link the account again.", provider_code=code)
        case _, "M_CONSENT_NOT_GIVEN":
            return Refused(f"{host} wants you to accept its terms first: sign in there with a Matrix client.", provider_code=code)
        case 404, "" | "M_UNRECOGNIZED":
            return Refused(f"There is nothing (any more) at this address of {host}.", provider_code="not-found")
        case status, _ if status >= 500:
            return Unavailable(f"{host} has trouble of its own (status {status}).", provider_code=str(status))
        case status, _:
            return Refused(f"{host} refused the request ({code or status}). {text}".strip(), provider_code=code or str(status))


def said(answer: Response) -> tuple[str, str]:
    """`errcode` and `error`, as far as they are what they should be."""
    try:
        body = answer.json()
    except Malformed:
        return "", ""
    if not isinstance(body, dict):
        return "", ""
    code, text = body.get("errcode"), body.get("error")
    return code[:60] if isinstance(code, str) else "", short(text)[:200]


def _retry_at(session: Session, answer: Response) -> Any:
    """When a limit ends: `Retry-After`, or `retry_after_ms` of servers before v1.10, or in a minute."""
    now = session.clock.now()
    header = answer.headers.get("retry-after", "").strip()
    if header.isascii() and header.isdigit():
        return now + timedelta(seconds=min(int(header[:9]), 86_400))
    try:
        milliseconds = answer.json().get("retry_after_ms")
    except (Malformed, AttributeError):
        milliseconds = None
    if isinstance(milliseconds, int) and milliseconds >= 0:
        return now + timedelta(milliseconds=min(milliseconds, 86_400_000))
    return now + timedelta(seconds=60)


def decoded(answer: Response, kind: type[Entity]) -> Entity:
    """The body of an answer. Raises Malformed."""
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # ValidationError is a DecodeError
        raise answer.malformed("JSON") from None


def segment(text: str) -> str:
    """An id for a path: nothing of it leads elsewhere."""
    if text in ("", ".", ".."):
        raise Malformed("The server gave something an id that is none.", provider_code="id")
    return quote(text, safe="")


def origin(url: str) -> str:
    """A server's address without what may follow it: `base_url` may end in a slash."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
