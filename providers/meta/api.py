"""One call of Meta's Graph API, whichever product it is for: the version asked, the proof that a token is ours, what errors mean, how
much of the allowance is used up.

An error is an object beside the HTTP status (developers.facebook.com/docs/graph-api/guides/error-handling) and is told by its code and
subcode. How much was used is told with every answer, in percent of a rolling hour: of the app (`X-App-Usage`), of a page
(`X-Page-Usage`), and of each business use case (`X-Business-Use-Case-Usage`) with the minutes until there is room again
(docs/graph-api/overview/rate-limiting). Pages of lists are taken by their cursors: the addresses of the next ones hold the token. Knows
no fields and no product's rules.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from providers.errors import Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.http import Response, Session

#: Meta keeps a version for two years; a call without one gets the oldest that the app may use.
VERSION: Final = "v26.0"
GRAPH: Final = "https://graph.facebook.com"
CONSOLE: Final = "https://developers.facebook.com/apps"
ANSWER_BYTES: Final = 16 * 1024 * 1024
#: What comes back to be read here. 5xx is the Session's, which tries again.
ANSWERS: Final = frozenset({200, 400, 401, 403, 404, 429})
#: Percent of an allowance from which calls are spaced out, and from which there are none until it recovers.
SLOW, FULL = 75, 95
SPACE: Final = 2.0  # seconds between calls that are spaced out
RECOVERY: Final = timedelta(minutes=15)  # of an hour that rolls, where Meta does not say until when
PAUSE: Final = timedelta(minutes=5)
BLOCKED: Final = timedelta(days=1)
LONGEST: Final = timedelta(days=1)
#: Codes of errors, by what they ask of whom (guides/error-handling; rate-limiting, "Error Codes").
THROTTLED: Final = frozenset({4, 17, 32, 341, 613, *range(80000, 80015)})
SIGNED_OUT: Final = frozenset({102, 190})
NARROW: Final = frozenset({3, 10, *range(200, 300)})
PASSING: Final = frozenset({1, 2})
PARAMETER, NO_OBJECT, TEMPORARILY_BLOCKED = 100, 803, 368
#: Subcodes: of 190 why a token is worth nothing any more, of 100 that an object is gone or hidden, of 10 and 100 that an answer comes too late.
WHY: Final = {
    458: "the app was removed in the account's settings", 459: "the account has to be confirmed at the network first",
    460: "the password was changed", 463: "it has expired", 464: "the account has to be confirmed at the network first",
    467: "it is not valid any more", 492: "the role on the page was taken away",
}  # fmt: skip
GONE: Final = frozenset({33})
TOO_LATE: Final = frozenset({2018278, 2534022})
#: `provider_code` of refusals of one part that leave the others as they are.
PARTIAL: Final = frozenset({"permission", "403"})

_NUL: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")

Entity = TypeVar("Entity")


class Fault(msgspec.Struct, frozen=True):
    """The error object."""

    message: str = ""
    type: str = ""
    code: int = 0
    error_subcode: int = 0
    is_transient: bool = False
    error_user_msg: str = ""

    @property
    def said(self) -> str:
        """Meta's own words on one line."""
        return short(self.error_user_msg or self.message) or "it gave no reason"


class Refusal(msgspec.Struct, frozen=True):
    """An answer that is an error."""

    error: Fault | None = None


class Cursors(msgspec.Struct, frozen=True):
    before: str = ""
    after: str = ""


class Paging(msgspec.Struct, frozen=True):
    """Where a list goes on; `next` holds the token, and only whether it is there matters."""

    cursors: Cursors | None = None
    next: str = ""

    @property
    def after(self) -> str:
        """The place of the next page; empty where there is none."""
        return self.cursors.after if self.next and self.cursors is not None else ""


class Summary(msgspec.Struct, frozen=True):
    total_count: int | None = None


class Edge(msgspec.Struct, frozen=True):
    """A list. `data` is never absent, not even of an empty one."""

    data: list[msgspec.Raw]
    paging: Paging | None = None
    summary: Summary | None = None

    @property
    def after(self) -> str:
        return self.paging.after if self.paging is not None else ""


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """What one product does in its own way. `name` is what people call it; `proof`: tokens are sent with a proof that they are ours.

    `own` gives the error of codes that no other product has; None for all others.
    """

    name: str
    proof: bool = True
    own: Callable[[Fault, datetime], ProviderError | None] | None = None


class Graph:
    """The calls of one account. `until` (POSIX seconds) is when there is room again; whoever keeps it hands it in anew."""

    def __init__(self, session: Session, dialect: Dialect, *, until: float = 0.0) -> None:
        self.session = session
        self.dialect = dialect
        self.until = until
        self._slow = False

    async def ask(
        self, path: str, kind: type[Entity], params: Sequence[tuple[str, str]] = (), *, token: str | None = None
    ) -> Entity:
        """A GET; `token` in the place of the account's own. Raises RateLimited without a call where the allowance is used up."""
        await self._room()
        return self._decoded(await self._sent("GET", path, token, params), kind)

    async def tell(
        self, path: str, kind: type[Entity], body: Any, *, token: str | None = None, params: Sequence[tuple[str, str]] = ()
    ) -> Entity:
        """A POST that changes something: never repeated here. Raises as `ask`."""
        await self._room()
        return self._decoded(await self._sent("POST", path, token, params, json=body, once=True), kind)

    async def drop(self, path: str, *, token: str | None = None) -> None:
        """A DELETE, answered with `true` or an object that says so. Raises as `ask`."""
        await self._room()
        self._decoded(await self._sent("DELETE", path, token, ()), msgspec.Raw)

    def refusal(self, answer: Response) -> ProviderError:
        """The error that an answer stands for."""
        try:
            fault = msgspec.json.decode(storable(answer.content), type=Refusal).error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # ValidationError is a DecodeError
            fault = None
        now, regained = self.session.clock.now(), self._regained(answer)
        if fault is None or not fault.code:
            return self._by_status(answer, now)
        own = self.dialect.own(fault, now) if self.dialect.own is not None else None
        if isinstance(own, RateLimited) and regained is not None and (own.retry_at is None or own.retry_at < regained):
            return RateLimited(own.message, retry_at=regained, provider_code=own.provider_code)
        return own or self._by_code(fault, now, regained)

    async def _room(self) -> None:
        clock = self.session.clock
        if self.until > clock.now().timestamp():
            until = datetime.fromtimestamp(self.until, UTC)
            raise RateLimited(f"{self.dialect.name} takes no more calls for a while.", retry_at=until, provider_code="usage")
        if self._slow and not self.session.interactive:
            await clock.sleep(SPACE)

    async def _sent(self, verb: str, path: str, token: str | None, params: Sequence[tuple[str, str]], **more: Any) -> Response:
        session = self.session
        secret = await session.credentials()
        mine = token if token is not None else secret.access_token or ""
        if token is not None and not (token.isascii() and token.isprintable()):
            raise Malformed(f"{self.dialect.name} gave a token that is none.", provider_code="token")
        signed = [("appsecret_proof", proof(mine, secret.client_secret))] if self.dialect.proof and secret.client_secret else []
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        answer = await session.request(
            verb, f"{session.account.base_url.rstrip('/')}/{VERSION}/{path.lstrip('/')}", params=[*params, *signed], headers=headers,
            auth=token is None, accept_statuses=ANSWERS, max_bytes=ANSWER_BYTES, follow=False, **more,
        )  # fmt: skip
        self._heed(answer)
        return answer

    def _decoded(self, answer: Response, kind: type[Entity]) -> Entity:
        if answer.status != 200:
            error = self.refusal(answer)
            if isinstance(error, RateLimited) and error.retry_at is not None:
                self.until = max(self.until, error.retry_at.timestamp())
            raise error
        try:
            return msgspec.json.decode(storable(answer.content), type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise answer.malformed("JSON") from None

    def _heed(self, answer: Response) -> None:
        """Take in how much of the allowance is used up."""
        used = max((percent for percent, _ in usage(answer)), default=0)
        self._slow = used >= SLOW
        if used >= FULL:
            now = self.session.clock.now()
            self.until = max(self.until, (self._regained(answer) or now + RECOVERY).timestamp())

    def _regained(self, answer: Response) -> datetime | None:
        """When Meta says that there is room again."""
        minutes = max((minutes for _, minutes in usage(answer)), default=0)
        return self.session.clock.now() + min(timedelta(minutes=minutes), LONGEST) if minutes else None

    def _by_code(self, fault: Fault, now: datetime, regained: datetime | None) -> ProviderError:
        name, code = self.dialect.name, str(fault.code)
        if fault.code in THROTTLED:
            return RateLimited(f"{name} takes no more calls for a while.", retry_at=regained or now + PAUSE, provider_code=code)
        if fault.error_subcode in TOO_LATE:
            return Refused(
                f"{name} takes an answer only within 24 hours of the other's last message: wait until they write again.",
                provider_code="window",
            )
        if fault.code in SIGNED_OUT:
            why = WHY.get(fault.error_subcode, "it was taken back or has ended")
            subcode = f"-{fault.error_subcode}" if fault.error_subcode else ""
            return ReauthRequired(
                f"{name} no longer accepts this sign-in: {why}. Link the account again.", provider_code=code + subcode
            )
        if fault.code == TEMPORARILY_BLOCKED:
            return Refused(
                f"{name} has blocked this for a while, because of what was done with the account or the app. ({fault.said})",
                retry_at=now + BLOCKED, provider_code=code,
            )  # fmt: skip
        if fault.is_transient or fault.code in PASSING:
            return Unavailable(f"{name} has trouble of its own (error {code}).", provider_code=code)
        if fault.code in NARROW:
            return Refused(f"{name} does not allow this: {fault.said.rstrip('.')}.", provider_code="permission")
        if fault.error_subcode in GONE or fault.code == NO_OBJECT:
            return Refused(f"{name} does not show this (any more).", provider_code="not-found")
        return Refused(f"{name} did not take the question ({fault.said}).", provider_code=code)

    def _by_status(self, answer: Response, now: datetime) -> ProviderError:
        """What an answer without an error object of Meta's means: something on the way, or a load balancer."""
        name, status = self.dialect.name, answer.status
        if status == 429:
            after = answer.headers.get("retry-after", "").strip()[:9]
            wait = min(timedelta(seconds=int(after)), LONGEST) if after.isascii() and after.isdigit() else PAUSE
            return RateLimited(f"{name} takes no more calls for a while.", retry_at=now + wait, provider_code="429")
        if status == 401:
            return ReauthRequired(f"{name} no longer accepts this sign-in. Link the account again.", provider_code="401")
        if status == 404:
            return Refused(f"There is nothing (any more) at this address of {name}.", provider_code="not-found")
        return Refused(f"{name} does not allow this (status {status}).", provider_code=str(status))


class Success(msgspec.Struct, frozen=True):
    """What a change answers with."""

    success: bool


class _Used(msgspec.Struct, frozen=True):
    """One line of a usage header: percents, and minutes until there is room again."""

    call_count: float = 0
    total_time: float = 0
    total_cputime: float = 0
    estimated_time_to_regain_access: float = 0

    @property
    def told(self) -> tuple[float, float]:
        return max(self.call_count, self.total_time, self.total_cputime), min(
            max(0.0, self.estimated_time_to_regain_access), 10_000
        )


def usage(answer: Response) -> list[tuple[float, float]]:
    """Of each allowance that an answer tells of: the percent used, and the minutes until there is room again. What cannot be read is none."""
    found: list[_Used] = []
    for name in ("x-app-usage", "x-page-usage"):
        if (said := _header(answer, name, _Used)) is not None:
            found.append(said)
    cases = _header(answer, "x-business-use-case-usage", dict[str, list[_Used]]) or {}
    return [one.told for one in (*found, *(one for lines in cases.values() for one in lines))]


def _header(answer: Response, name: str, kind: type[Entity]) -> Entity | None:
    try:
        return msgspec.json.decode(answer.headers[name], type=kind) if name in answer.headers else None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def proof(token: str, secret: str) -> str:
    """That the app's own server uses a token (docs/facebook-login/security, "Verifying Graph API calls with appsecret_proof")."""
    return hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()


def instant(value: str | int | None) -> datetime | None:
    """A time as the Graph writes it, `2026-05-04T12:00:00+0000` or seconds of POSIX time; None for what is none."""
    try:
        if isinstance(value, int) or (value and value.isascii() and value.isdigit()):
            return datetime.fromtimestamp(int(value), UTC)
        found = datetime.fromisoformat(value or "")
    except (ValueError, OverflowError, OSError):
        return None
    return found.astimezone(UTC) if found.tzinfo is not None else None


def storable(content: bytes) -> bytes:
    """JSON without the one character that no database takes, however it is nested: its escape after an even number of backslashes."""
    return _NUL.sub(rb"\1", content) if b"\\u0000" in content else content


def part(number: str) -> str:
    """An id as a part of a path, whatever the network put in it."""
    return quote(number, safe="=_:")


def short(text: str | None) -> str:
    """Somebody's words on one line."""
    return " ".join((text or "").split())[:300]
