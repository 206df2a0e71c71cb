"""One call of X's API v2: what it may cost, whether its window is open, and what its errors mean.

Each endpoint has a window of its own of 15 minutes, told with every answer (`x-rate-limit-*`, docs.x.com, Rate limits); one that was used
up is not called until it opens. Errors are problems (RFC 9457), told apart by the last part of their `type`; an answer may hold some beside
`data`. Knows nothing of what is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec

from providers import oauth
from providers.base import Authorization
from providers.errors import ProviderError, RateLimited, ReauthRequired, Refused
from providers.http import Response, Session
from providers.session import Secret

KEY: Final = "x"
HOME: Final = "https://api.x.com"
SIGN_IN: Final = "https://x.com/i/oauth2/authorize"
CONSOLE: Final = "https://console.x.com"
READING: Final = ("users.read", "tweet.read", "follows.read", "dm.read")
WRITING: Final = "dm.write"
SCOPES: Final = (*READING, WRITING, "offline.access")
ANSWER_BYTES: Final = 16 * 1024 * 1024
#: 401 is the Session's, which renews the token first.
ANSWERS: Final = frozenset({200, 201, 400, 402, 403, 404, 409, 422, 429})
PAUSE: Final = timedelta(minutes=1)
LONGEST: Final = timedelta(days=32)  # until a billing month ends
#: Last parts of problem types, by what they ask of whom.
CAPPED: Final = frozenset({"usage-capped", "usage-cap-exceeded", "spend-cap-reached"})
BROKE: Final = frozenset({"credits-depleted", "credits"})
NARROW: Final = frozenset({"oauth1-permissions", "insufficient-scope"})
NOT_OURS: Final = frozenset({"client-forbidden", "client-not-enrolled", "unsupported-authentication"})
#: Refusals of one part that leave the others as they are.
PARTIAL: Final = frozenset({"403", "insufficient-scope", "oauth1-permissions", "not-authorized-for-resource"})

Entity = TypeVar("Entity")


class Problem(msgspec.Struct, frozen=True):
    """components/schemas/Problem, and the older form of errors."""

    type: str = ""
    title: str = ""
    detail: str = ""
    message: str = ""
    resource_type: str = ""
    resource_id: str = ""
    value: str = ""

    @property
    def code(self) -> str:
        """The last part of its type; hosts of types are in transition."""
        return short(self.type.rstrip("/").rpartition("/")[2]) if self.type not in ("", "about:blank") else ""

    @property
    def said(self) -> str:
        return short(self.detail or self.message or self.title)


class Problems(msgspec.Struct, frozen=True):
    """An answer that is an error: one problem itself, or several."""

    type: str = ""
    title: str = ""
    detail: str = ""
    errors: list[Problem] = []
    reset: str | None = None

    @property
    def first(self) -> Problem:
        own = Problem(type=self.type, title=self.title, detail=self.detail)
        return own if own.code and own.code != "invalid-request" else next(iter(self.errors), own)


class Window(msgspec.Struct, frozen=True):
    """What is left of an endpoint's window, which ends at `until` (POSIX seconds)."""

    left: int
    until: int


class Calls:
    """The endpoints of an account. `windows` are kept up to date, and stored by whoever handed them in."""

    def __init__(self, session: Session, windows: dict[str, Window]) -> None:
        self._session = session
        self._windows = windows

    async def ask(self, name: str, path: str, kind: type[Entity], params: Sequence[tuple[str, str]]) -> Entity:
        """A GET; `name` is the endpoint whose window counts. Raises RateLimited without a call when that is used up."""
        now = int(self._session.clock.now().timestamp())
        known = self._windows.get(name)
        if known is not None and known.left <= 0 and now < known.until:
            raise RateLimited(
                "X takes no more calls of this kind at the moment.", retry_at=_moment(known.until), provider_code="429"
            )
        answer = await _sent(self._session, "GET", path, params=list(params))
        left, until = _whole(answer, "remaining"), _whole(answer, "reset")
        if left is not None and until is not None:
            self._windows[name] = Window(left=left, until=until)
        return decoded(self._session, answer, kind)


async def tell(session: Session, path: str, kind: type[Entity], body: Any) -> Entity:
    """A POST that changes something: never repeated here."""
    return decoded(session, await _sent(session, "POST", path, json=body, once=True), kind)


def decoded(session: Session, answer: Response, kind: type[Entity]) -> Entity:
    """The answer as the description has it. Raises what its error means."""
    if answer.status not in (200, 201):
        raise failure(session, answer)
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # ValidationError is a DecodeError
        raise answer.malformed("JSON") from None


def failure(session: Session, answer: Response) -> ProviderError:
    """The error that an answer stands for."""
    try:
        said = msgspec.json.decode(answer.content, type=Problems)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = Problems()
    problem, status, now = said.first, answer.status, session.clock.now()
    if problem.code in CAPPED:
        return RateLimited(
            f"X's monthly cap for this installation's app is reached. Raise it at {CONSOLE} or wait for the next billing month.",
            retry_at=_reset(said.reset, now) or now + timedelta(days=1),
            provider_code="usage-capped",
        )
    if status == 402 or problem.code in BROKE:
        return Refused(
            f"The credits for X's API are used up: buy some at {CONSOLE} . Nothing is lost meanwhile.", provider_code="credits"
        )
    if status == 429:
        until = _whole(answer, "reset")
        after = answer.headers.get("retry-after", "").strip()[:9]
        at = _moment(until) if until is not None else now + (timedelta(seconds=int(after)) if after.isdigit() else PAUSE)
        return RateLimited(
            "X takes no more calls of this kind at the moment.", retry_at=min(max(at, now), now + LONGEST), provider_code="429"
        )
    if problem.code in NOT_OURS:
        text = f"X does not let this installation's app use its API: put the app into a project with credits at {CONSOLE} . ({problem.said})"
        return Refused(text, provider_code=problem.code)
    if problem.code in NARROW:
        return Refused("X was not allowed to do this: link the account again and grant all of it.", provider_code=problem.code)
    if status == 403:
        return Refused(
            f"X does not allow this to your account ({problem.said or 'it gave no reason'}).", provider_code=problem.code or "403"
        )
    if status == 404:
        return Refused("There is nothing (any more) at this address of X.", provider_code="not-found")
    code = problem.code or str(status)
    return Refused(f"X did not understand the question ({problem.said or 'it gave no reason'}).", provider_code=code)


async def authorize(session: Session, values: dict[str, str], redirect_uri: str) -> Authorization:
    """X's OAuth 2 with PKCE, as a confidential client where the operator has set a secret, else as a public one.

    Raises Refused with the steps to a client where none is set.
    """
    mine = await session.credentials()
    if not mine.client_id:
        raise Refused(
            f"Signing in at X needs an app of this installation's own, made once by its operator at {CONSOLE} with the callback URL "
            f"{redirect_uri} , then set KITH_X_CLIENT_ID, and KITH_X_CLIENT_SECRET where the app is a confidential client. "
            "docs/providers/x.md has the steps.",
            provider_code="no-client",
        )
    base = session.account.base_url.rstrip("/")
    real = base == HOME  # a server set by KITH_X_URL stands in for both hosts
    return Authorization(
        authorization_endpoint=SIGN_IN if real else f"{base}/i/oauth2/authorize",
        token_endpoint=f"{base}/2/oauth2/token",
        client_id=mine.client_id,
        client_secret=mine.client_secret,
        scopes=SCOPES,
        base_url=base,
        extra={"revocation_endpoint": f"{base}/2/oauth2/revoke"},
    )


async def renew(session: Session, old: Secret) -> Secret:
    """A newer grant; the refresh token is a new one each time. X calls one that was used or taken back `invalid_request`.

    Raises ReauthRequired when the grant is gone.
    """
    authorization = Authorization(
        authorization_endpoint="", token_endpoint=old.extra.get("token_endpoint", ""), client_id=old.client_id or "",
        client_secret=old.client_secret, scopes=(), extra=dict(old.extra),
    )  # fmt: skip
    try:
        return await oauth.refresh(session, authorization, old)
    except Refused as error:
        if error.provider_code != "invalid_request":
            raise
        raise ReauthRequired(
            "X no longer accepts this sign-in. Link the account again.", provider_code="invalid_request"
        ) from error


async def _sent(session: Session, verb: str, path: str, **more: Any) -> Response:
    url = f"{session.account.base_url.rstrip('/')}/2{path}"
    return await session.request(verb, url, accept_statuses=ANSWERS, max_bytes=ANSWER_BYTES, follow=False, **more)


def _whole(answer: Response, name: str) -> int | None:
    text = answer.headers.get(f"x-rate-limit-{name}", "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 11 else None


def _reset(text: str | None, now: datetime) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return min(max(found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC), now), now + LONGEST)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def short(text: str | None) -> str:
    """Somebody's words on one line."""
    return " ".join((text or "").replace("\x00", "").split())[:300]


def refused_whole(errors: Sequence[Problem]) -> Refused:
    """That an answer holds errors and nothing else."""
    first = next(iter(errors), Problem())
    return Refused(f"X does not show this ({first.said or 'it gave no reason'}).", provider_code=first.code or "errors")
