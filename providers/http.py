"""What adapters speak HTTP with: a `Session` that carries everything that is common to all networks.

`await session.request(...)` takes a call from the source's budget, adds the account's credentials (RFC 6750 Bearer, RFC
7617 Basic) where they may go, refreshes a token, follows redirects by hand (RFC 9110 §15.4) keeping method and body,
retries what is idempotent, honours Retry-After and rate headers, leaves failing hosts alone, reads no more than it may,
and maps every failure onto `providers/errors.py`: nothing else escapes. httpx is httpx2, its maintained continuation.
Knows no network's paths or fields.
"""

from __future__ import annotations

import asyncio
import base64
import math
import random
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Container, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx2 as httpx
import msgspec

from providers.breaker import Breakers
from providers.budget import LONGEST_PAUSE, TokenBudget
from providers.errors import ForbiddenAddress, Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.quota import Quota
from providers.session import Account, Budget, Clock, Credentials, Forgetful, Inbox, Memory, NoInbox, Observer, Secret
from providers.stream import READ_SECONDS as STREAM_READ_SECONDS
from providers.stream import Security, Stream, open_stream
from providers.time_limit import TimeLimit
from providers.transport import ACCEPT_ENCODING, Transport, header_lines
from providers.web_address import Address, address, joined
from providers.wire import TooLarge

if TYPE_CHECKING:
    from providers.web_socket import WebSocket

__all__ = ["Response", "RetryPolicy", "Session", "TokenBudget", "Transport", "all_links", "links"]

MAX_BYTES = 32 * 1024 * 1024
SUCCESS = range(200, 300)
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 5
#: A token that another process has just renewed may be at its end when we use it: so it is renewed once more.
RENEWALS = 2
#: RFC 9110 §9.2.2, RFC 4918 §9, RFC 3253 §3.6: doing it twice is doing it once.
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PROPFIND", "REPORT"})
#: Bodies that say what is asked for, not who asks: they may follow a redirect to another host.
HARMLESS_BODIES = frozenset({"PROPFIND", "REPORT"})
#: Seconds to connect and between two pieces of an answer, and for a whole call: of somebody who waits, and of the worker.
CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
INTERACTIVE_SECONDS = 10.0
BACKGROUND_SECONDS = 120.0
STREAM_SECONDS = 10.0
#: Seconds without a byte after which a line that a server keeps open is taken for dead, and the longest line that is read.
SILENT_SECONDS = 60.0
MAX_LINE = 1024 * 1024
#: A network that says 429 without saying until when.
DEFAULT_PAUSE = timedelta(seconds=60)
DEFAULT_QUOTA = Quota(calls=60, seconds=60.0)
USER_AGENT = "Kith"
#: (method, address) → headers.
Sign = Callable[[str, httpx.URL], Mapping[str, str]]


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Exponential backoff with full jitter; a server's own Retry-After up to `longest_wait` is waited for."""

    attempts: int = 3
    first_wait: float = 0.5
    longest_wait: float = 30.0


class _Heads(httpx.Headers):
    """The headers of an answer, looked at when somebody asks for one: most are asked for none."""

    def __init__(self, raw: list[tuple[bytes, bytes]], rated: bool) -> None:
        self._raw = raw
        self._encoding = None
        self.rated = rated

    def __getattr__(self, name: str) -> Any:
        if name != "_list":
            raise AttributeError(name)
        self._list = [(given, given.lower(), value) for given, value in self._raw]
        return self._list

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        return self._raw


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, read whole. `url` is where it finally came from."""

    status: int
    headers: httpx.Headers
    content: bytes
    url: str

    @property
    def media_type(self) -> str:
        """The media type in lower case, without parameters; empty when the server names none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """The body as JSON. Raises Malformed, naming a web page for what it is."""
        try:
            return msgspec.json.decode(self.content)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise self.malformed("JSON") from None

    def malformed(self, expected: str) -> Malformed:
        """The error that says what came instead of `expected`."""
        host = httpx.URL(self.url).host
        if self.media_type in ("text/html", "application/xhtml+xml") or self.content.lstrip()[:14].lower().startswith(
            (b"<!doctype html", b"<html")
        ):
            what = "a web page, perhaps a sign-in or error page"
        else:
            what = self.media_type or ("nothing" if not self.content else "something else")
        return Malformed(
            f"{host} answered with {what} where {expected} was expected. Check that the address is the one of its interface.",
            provider_code="not-" + expected.lower(),
        )

    def links(self) -> dict[str, str]:
        """The Link header's targets by relation, absolute (RFC 8288)."""
        return links(self.headers.get("link", ""), self.url)


class Session:
    """One account's way to its network, for one operation or one sync run. Cheap to make.

    `interactive`: somebody waits, so nothing is retried and no call takes longer than until `deadline` (POSIX seconds, as
    `clock.now().timestamp()` counts). `realm` are host suffixes, besides the account's own host and its subdomains, to
    which the network's own credentials may go; an adapter sets it from its declared data, never from an answer.
    """

    def __init__(
        self,
        *,
        account: Account,
        credentials: Credentials,
        clock: Clock,
        transport: httpx.AsyncBaseTransport,
        budget: Budget | None = None,
        observer: Observer | None = None,
        interactive: bool = False,
        deadline: float | None = None,
        quota: Quota | None = None,
        breakers: Breakers | None = None,
        retry: RetryPolicy | None = None,
        jitter: Callable[[], float] = random.random,
        inbox: Inbox | None = None,
        memory: Memory | None = None,
    ) -> None:
        self.account = account
        self.clock = clock
        self.inbox: Inbox = inbox or NoInbox()
        self.memory: Memory = memory or Forgetful()
        self.interactive = interactive
        self.deadline = deadline
        self.realm: tuple[str, ...] = ()
        self._credentials = credentials
        self._transport = transport
        if budget is None:
            bucket = TokenBudget(quota or DEFAULT_QUOTA, clock)
            budget = bucket.interactive if interactive else bucket
        self._budget: Budget = budget
        self._observer = observer
        self._breakers = breakers or Breakers(clock)
        self._retry = retry or RetryPolicy()
        self._jitter = jitter
        self._usual: tuple[Secret | None, bytes] | None = None  # header lines of calls that bring none of their own

    async def credentials(self) -> Secret:
        """The account's secret, for the few adapters that need more of it than a header."""
        return await self._credentials.read()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | list[tuple[str, str]] | None = None,
        content: bytes | str | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        auth: bool = True,
        accept_statuses: Container[int] = SUCCESS,
        max_bytes: int = MAX_BYTES,
        follow: bool = True,
        calls: int = 1,
        reads: bool = False,
        once: bool = False,
        stranger: bool = False,
        sign: Sign | None = None,
    ) -> Response:
        """One call and its answer; `url` may be relative to the account's base URL.

        `calls` is what the network charges for it. `reads`: a POST that only asks, and may be repeated like a GET.
        `once`: a call that only its caller may repeat, whatever its method. `stranger`: it goes to somebody else than the account's network,
        whose word on how often to call closes nothing but itself. `sign` gives headers that are good for one request
        to one address only, and is asked before each.

        Statuses in `accept_statuses` come back, all others raise: ReauthRequired for 401, RateLimited for 429, Refused for
        403 and (code `not-found`) 404 and 410, Unavailable for 5xx, timeouts, cut connections and DNS, Malformed for what
        is no HTTP or (code `too-large`) more than `max_bytes`.
        """
        body, extra = _body(content, json, form)
        call = _Call(
            method=method.upper(),
            url=self.absolute(url, params),
            headers={**extra, **(headers or {})},
            body=body,
            auth=auth,
            accept=accept_statuses,
            max_bytes=max_bytes,
            follow=follow,
            calls=calls,
            reads=reads,
            once=once,
            stranger=stranger,
            sign=sign,
        )
        seconds = self._seconds_left()
        try:
            with TimeLimit(seconds, self._loop):
                return await (self._authorised(call) if self.interactive else self._persistently(call))
        except TimeoutError:
            raise Unavailable(f"{call.url.host} did not answer in time.", provider_code="timeout") from None

    async def lines(self, url: str, *, media_type: str) -> AsyncGenerator[bytes]:
        """The lines of an answer that its server goes on with for as long as it likes, without their ends; the first one is empty
        and says that the answer has begun. Such a line is no call under way: it takes nothing from those that are.

        Raises as `request` does, Refused (`media-type`) where the answer is of another kind, and Unavailable when it ends, or when
        nothing came for SILENT_SECONDS.
        """
        target = self.absolute(url)
        async with self._opened(target, {"Accept": media_type, "Accept-Encoding": "identity"}) as response:
            if Response(status=200, headers=response.headers, content=b"", url=str(target)).media_type != media_type:
                raise Refused(f"{target.host} does not answer with {media_type}.", provider_code="media-type")
            yield b""
            rest = bytearray()
            async for piece in _pieces(response):
                rest += piece
                *whole, rest = rest.split(b"\n")
                for line in whole:
                    yield bytes(line.removesuffix(b"\r"))
                if len(rest) > MAX_LINE:
                    raise _too_large(target.host, MAX_LINE)
        raise Unavailable(f"{target.host} has ended what it went on telling.", provider_code="cut")

    def backoff(self, failures: int) -> float:
        """Seconds to wait before something is tried again that failed so often in a row."""
        ceiling = min(self._retry.longest_wait, self._retry.first_wait * 2.0 ** (failures - 1))
        return float(ceiling * (0.5 + 0.5 * self._jitter()))

    def absolute(self, url: str, params: Mapping[str, str] | list[tuple[str, str]] | None = None) -> httpx.URL:
        """`url` against the account's base URL, with `params` added. Raises Malformed for what is no web address."""
        try:
            target: httpx.URL = address(url) if url.startswith(("https://", "http://")) else joined(self.account.base_url, url)
            if params:
                pairs = params.items() if isinstance(params, Mapping) else params
                target = target.copy_merge_params(httpx.QueryParams(tuple(pairs)))
        except (httpx.InvalidURL, ValueError, TypeError):
            raise Malformed(f"{url[:100]!r} is not a web address.", provider_code="not-a-url") from None
        if target.scheme not in ("http", "https") or not target.host:
            raise Malformed(f"{url[:100]!r} is not a web address.", provider_code="not-a-url")
        if target.userinfo:
            target = target.copy_with(username=None, password=None)
        return target

    def may_carry(self, target: httpx.URL) -> bool:
        """Whether the account's credentials may go to `target`: its own origin, or by TLS its host's subdomains and `realm`."""
        home = self.home
        if (target if isinstance(target, Address) else Address(target)).site == home.site:
            return True
        if target.scheme != "https":
            return False
        if target.host == home.host or target.host in self.realm:
            return True
        return any(target.host.endswith("." + host) for host in (home.host, *self.realm) if "." in host)

    async def services(self, name: str) -> list[tuple[str, int]]:
        """The hosts and ports that DNS names for a service such as `_carddavs._tcp.example.org` (RFC 2782), best first."""
        return list(await self._transport.guard.services(name)) if isinstance(self._transport, Transport) else []

    async def exchanges(self, domain: str) -> list[str]:
        """The hosts that take a domain's mail (MX, RFC 5321 §5.1), the preferred first."""
        return list(await self._transport.guard.exchanges(domain)) if isinstance(self._transport, Transport) else []

    async def texts(self, name: str) -> list[str]:
        """The TXT records that DNS has of a name."""
        return list(await self._transport.guard.texts(name)) if isinstance(self._transport, Transport) else []

    async def refreshed(self, old: Secret) -> Secret:
        """A newer secret than `old`, for adapters that sign in with another protocol. Raises ReauthRequired."""
        return await self._credentials.refreshed(old)

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What connections are encrypted with where the installation has a say in it; None stands for the system's own."""
        return self._transport.tls if isinstance(self._transport, Transport) else None

    async def stream(self, host: str, port: int, *, security: Security = "TLS") -> Stream:
        """A connection for a protocol that is not HTTP; it counts as a call under way until it is closed.

        Raises ForbiddenAddress, Unavailable, RateLimited, or Refused for plain connections to the public internet.
        """
        if not isinstance(self._transport, Transport):
            raise Refused(f"There is no way to {host} from here.", provider_code="no-transport")
        seconds = min(STREAM_SECONDS, self._seconds_left())
        place = f"{host}:{port}"
        self._breakers.before(place)
        held = False

        def release() -> None:
            nonlocal held
            if held:
                held = False
                self._budget.release()

        began = self.clock.now()
        outcome = "cancelled"
        try:
            await self._budget.acquire()
            held = True
            found = await open_stream(
                self._transport.guard,
                host,
                port,
                security,
                context=self.tls,
                seconds=seconds,
                patience=self._patience,
                closed=release,
            )
            outcome = "connected"
            return found
        except ProviderError as error:
            outcome = type(error).__name__
            raise
        finally:
            match outcome:
                case "connected":
                    self._breakers.succeeded(place)
                case "Unavailable":
                    self._breakers.failed(place)
                case _:
                    self._breakers.unsettled(place)
            if outcome != "connected":
                release()
            if self._observer is not None:
                self._observer.call(self.account.provider, outcome, (self.clock.now() - began).total_seconds())

    @asynccontextmanager
    async def web_socket(
        self, url: str, *, ended: int, carries_secret: bool = False, heartbeat: float | None = None
    ) -> AsyncIterator[WebSocket]:
        """A WebSocket (RFC 6455) that both sides write into; opening it is a call, keeping it open is none. It is ended with the code `ended`.

        With `carries_secret` the token goes along, in the Authorization header, and as subprotocol for servers that look there; without,
        one will be said: so it may only lead to where the account's credentials may go. With a `heartbeat` a peer that leaves a ping of
        every so many seconds unanswered is gone. Raises Refused for other places, and as `request` does.
        """
        target = self.absolute(url.replace("ws", "http", 1) if url.startswith(("ws://", "wss://")) else url)
        secret = await self._carried(target)
        token = secret.access_token if carries_secret else None
        request = self._request("GET", target, {}, None, secret if carries_secret else None)
        if not isinstance(self._transport, Transport):
            raise Refused(f"There is no way to {target.host} from here.", provider_code="no-transport")
        with _OnTheWire(target.host):
            async with self._counted(target) as answered:
                try:
                    async with asyncio.timeout(STREAM_SECONDS):
                        opened = await self._transport.open_socket(
                            request, protocols=(token,) if token else (), heartbeat=heartbeat, max_bytes=MAX_BYTES
                        )
                except httpx.HTTPStatusError as error:
                    refused = Response(status=error.response.status_code, headers=httpx.Headers(), content=b"", url=str(target))
                    answered(refused.status, refused.headers)
                    raise self._refusal(refused, target) from error
                answered(101, httpx.Headers())
        from providers.web_socket import WebSocket  # loads aiohttp, as opening it did

        line = WebSocket(opened, target.host)
        try:
            yield line
        finally:
            await line.close(ended)

    def _patience(self) -> float:
        """Seconds that may pass without a byte on a stream."""
        return max(0.01, min(STREAM_READ_SECONDS, self._seconds_left())) if self.deadline is not None else STREAM_READ_SECONDS

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """The loop in which it is used."""
        return asyncio.get_running_loop()

    @cached_property
    def home(self) -> Address:
        """The account's base URL. Raises Malformed when it is none."""
        try:
            return address(self.account.base_url)
        except (httpx.InvalidURL, ValueError, TypeError):
            raise Malformed("The server's address is no web address.", provider_code="not-a-url") from None

    # --- one call, in layers: retries, redirects and refresh, the wire -----------------------------------------------

    async def _persistently(self, call: _Call) -> Response:
        repeatable = not call.once and (call.reads or call.method in IDEMPOTENT)
        attempts = self._retry.attempts if repeatable else 1
        for attempt in count(1):
            try:
                return await self._authorised(call)
            except Unavailable as error:
                wait = self._wait(error, attempt)
                if attempt >= attempts or wait is None:
                    raise
                await self.clock.sleep(wait)
        raise AssertionError  # count() does not end

    def _wait(self, error: Unavailable, attempt: int) -> float | None:
        """Seconds before the next attempt, None when there should be none."""
        if error.provider_code == "circuit-open":
            return None
        if error.retry_at is not None:
            seconds = (error.retry_at - self.clock.now()).total_seconds()
            return max(0.0, seconds) if seconds <= self._retry.longest_wait else None
        return self.backoff(attempt)

    async def _authorised(self, call: _Call) -> Response:
        secret = await self._credentials.read() if call.auth else None
        renewals = 0
        method, url, body = call.method, call.url, call.body
        redirects = 0
        while True:
            carried = secret if secret is not None and self.may_carry(url) else None
            headers = {**call.headers, **call.sign(method, url)} if call.sign is not None else call.headers
            response = await self._send(method, url, headers, body, carried, call)
            status = response.status
            if status in call.accept:
                return response
            if status in REDIRECTS and call.follow and "location" in response.headers:
                redirects += 1
                method, url, body = self._redirected(method, url, body, response, redirects)
            elif status == 401 and carried is not None and carried.refresh_token and renewals < RENEWALS:
                secret = await self._credentials.refreshed(carried)
                renewals += 1
            elif status == 401 and call.auth and carried is None:
                raise Refused(
                    f"{self.home.host} sends us to {url.host}, which wants to know who asks. Your secret "
                    f"was not given to it: if you trust it, link the account again with {_origin(url)} as its address.",
                    provider_code="other-host",
                )
            else:
                raise self._refusal(response, url)

    def _redirected(
        self, method: str, url: httpx.URL, body: bytes | None, response: Response, redirects: int
    ) -> tuple[str, httpx.URL, bytes | None]:
        if redirects > MAX_REDIRECTS:
            raise Malformed(f"{url.host} redirects in circles.", provider_code="redirects")
        try:
            target = url.join(response.headers["location"])
        except (httpx.InvalidURL, ValueError, TypeError):
            raise Malformed(f"{url.host} redirects to something that is no web address.", provider_code="redirects") from None
        if target.scheme not in ("http", "https") or not target.host:
            raise Malformed(f"{url.host} redirects to something that is no web address.", provider_code="redirects")
        if url.scheme == "https" and target.scheme != "https":
            raise Refused(f"{url.host} redirects to an unencrypted address ({target.host}).", provider_code="downgrade")
        if target.userinfo:
            target = target.copy_with(username=None, password=None)
        if response.status == 303 and method not in HARMLESS_BODIES and method != "HEAD":
            method, body = "GET", None  # RFC 9110 §15.4.4
        if body and method not in HARMLESS_BODIES and _origin(target) != _origin(url):
            raise Refused(f"{url.host} redirects what was sent to it to {target.host}.", provider_code="other-host")
        return method, target, body

    async def _send(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        body: bytes | None,
        secret: Secret | None,
        call: _Call,
    ) -> Response:
        """One exchange, counted. Everything that can go wrong on the wire is named here."""
        place = _authority(url)
        transport, max_bytes = self._transport, call.max_bytes
        self._breakers.before(place)
        began = self.clock.now()
        if not self._budget.take(call.calls, began):
            began = await self._turn(place, call.calls)
        outcome = ""
        try:
            try:
                if isinstance(transport, Transport) and method != "HEAD":
                    coming = transport.exchange(
                        method, url, self._lines(headers, secret), body,
                        connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS, max_bytes=max_bytes,
                    )  # fmt: skip
                    if self.interactive:  # who waits has a limit of their own (`request`)
                        answer = await coming
                    else:
                        with TimeLimit(BACKGROUND_SECONDS):  # a trickle resets the time between pieces, not this one
                            answer = await coming
                    response = Response(
                        status=answer.status, headers=_Heads(answer.headers, answer.rated), content=answer.content, url=str(url)
                    )
                else:
                    with TimeLimit(BACKGROUND_SECONDS):
                        response = await self._streamed(self._request(method, url, headers, body, secret), max_bytes)
            except TooLarge:
                raise _too_large(url.host, max_bytes) from None
            except BaseException as error:
                if (named := _named(error, url.host)) is None:
                    raise
                raise named from error
            if not 200 <= response.status <= 599:
                raise Malformed(f"{url.host} answered with status {response.status}.", provider_code="status")
            outcome = self._answered(place, response.status)
            if not call.stranger:
                self._told(response.status, response.headers)
            return response
        except BaseException as error:
            outcome = outcome or self._unanswered(place, error)
            raise
        finally:
            self._ended(began, outcome)

    # a call as budget, breakers and observer see it: its turn, what came of it, its end

    async def _turn(self, place: str, calls: int) -> datetime:
        """Waits for the budget; the moment at which it had room. Raises what the budget has against it."""
        try:
            await self._budget.acquire(calls)
        except BaseException:
            self._breakers.unsettled(place)
            raise
        return self.clock.now()

    def _answered(self, place: str, status: int) -> str:
        """Tells the breakers of an answer, and what it is called."""
        if status >= 500:
            self._breakers.failed(place)
        else:
            self._breakers.succeeded(place)
        return str(status)

    def _unanswered(self, place: str, error: BaseException) -> str:
        """Tells the breakers of what came instead of an answer, and what it is called."""
        if isinstance(error, Unavailable):
            self._breakers.failed(place)
        else:
            self._breakers.unsettled(place)
        return type(error).__name__ if isinstance(error, ProviderError) else "cancelled"

    def _ended(self, began: datetime, outcome: str) -> None:
        self._budget.release()
        if self._observer is not None:
            self._observer.call(self.account.provider, outcome, (self.clock.now() - began).total_seconds())

    @asynccontextmanager
    async def _counted(self, url: httpx.URL) -> AsyncIterator[Callable[[int, httpx.Headers], None]]:
        """A call of another kind, from its turn to its answer, of which it gives the way to tell. Raises what is against it."""
        place = _authority(url)
        self._breakers.before(place)
        began = self.clock.now()
        if not self._budget.take(1, began):
            began = await self._turn(place, 1)
        outcome = ""

        def answered(status: int, headers: httpx.Headers) -> None:
            nonlocal outcome
            outcome = self._answered(place, status)
            self._told(status, headers)

        try:
            yield answered
        except BaseException as error:
            outcome = outcome or self._unanswered(place, error)
            raise
        finally:
            self._ended(began, outcome or "cancelled")

    def _request(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes | None, secret: Secret | None, **more: Any
    ) -> httpx.Request:
        return httpx.Request(
            method,
            url,
            headers=_all_headers(headers, secret),
            content=body,
            extensions={"timeout": {"connect": CONNECT_SECONDS, "pool": CONNECT_SECONDS, "read": READ_SECONDS}, **more},
        )

    async def _streamed(self, request: httpx.Request, max_bytes: int) -> Response:
        answer = await self._transport.handle_async_request(request)
        try:
            content = await _content(answer, request.url.host, max_bytes)
        finally:
            await answer.aclose()
        return Response(status=answer.status_code, headers=answer.headers, content=content, url=str(request.url))

    def _lines(self, headers: Mapping[str, str], secret: Secret | None) -> bytes:
        """The headers as they are sent. Most calls of a session have the same, which are those of its secret."""
        if headers:
            return header_lines(_all_headers(headers, secret))
        usual = self._usual
        if usual is None or usual[0] is not secret:
            usual = self._usual = (secret, header_lines(_all_headers(headers, secret)))
        return usual[1]

    @asynccontextmanager
    async def _opened(self, url: httpx.URL, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """A successful answer whose body is read by the caller, as it comes. Redirects are not followed."""
        timeout = {"connect": CONNECT_SECONDS, "pool": CONNECT_SECONDS, "read": SILENT_SECONDS}
        secret = await self._carried(url)
        with _OnTheWire(url.host):
            for renewals in range(RENEWALS + 1):
                request = self._request("GET", url, headers, None, secret, timeout=timeout, line=True)
                async with self._counted(url) as answered:
                    async with asyncio.timeout(STREAM_SECONDS):
                        answer = await self._transport.handle_async_request(request)
                    answered(answer.status_code, answer.headers)
                try:
                    if answer.status_code in SUCCESS:
                        yield answer
                        return
                    if answer.status_code != 401 or not secret.refresh_token or renewals == RENEWALS:
                        refused = Response(status=answer.status_code, headers=answer.headers, content=b"", url=str(url))
                        raise self._refusal(refused, url)
                finally:
                    await answer.aclose()
                secret = await self._credentials.refreshed(secret)

    async def _carried(self, url: httpx.URL) -> Secret:
        """The account's secret, for a place to which it may go. Raises Refused for all others."""
        if not self.may_carry(url):
            raise Refused(f"{self.home.host} names {url.host}, which is not given your secret.", provider_code="other-host")
        return await self._credentials.read()

    # --- what the network says about itself ------------------------------------------------------------------------

    def _told(self, status: int, headers: httpx.Headers) -> None:
        rated = headers.rated if isinstance(headers, _Heads) else any(b"ratelimit" in name.lower() for name, _ in headers.raw)
        if status != 429 and not rated:
            return
        reset_at = self._reset_at(headers)
        limit, remaining = (_whole(_rate(headers, name)) for name in ("limit", "remaining"))
        if status == 429:
            remaining, reset_at = 0, self._retry_at(headers) or reset_at or self.clock.now() + DEFAULT_PAUSE
        if remaining is not None or reset_at is not None:
            self._budget.told(limit=limit, remaining=remaining, reset_at=reset_at)

    def _refusal(self, response: Response, url: httpx.URL) -> ProviderError:
        """The error that a status stands for."""
        host, status = url.host, response.status
        retry_at = self._retry_at(response.headers)
        if status == 401:
            return ReauthRequired(f"{host} no longer accepts your sign-in. Link the account again.", provider_code="401")
        if status == 403:
            return Refused(f"{host} does not allow this to your account.", provider_code="403")
        if status in (404, 410):
            return Refused(f"There is nothing (any more) at this address of {host}.", provider_code="not-found")
        if status == 429:
            return RateLimited(
                f"{host} takes no more calls at the moment.",
                retry_at=retry_at or self._reset_at(response.headers) or self.clock.now() + DEFAULT_PAUSE,
                provider_code="429",
            )
        if status >= 500 or status in (408, 425):
            return Unavailable(f"{host} has trouble of its own (status {status}).", retry_at=retry_at, provider_code=str(status))
        if status in REDIRECTS or status < 200 or status == 304:
            return Malformed(f"{host} answered with status {status} and nowhere to go.", provider_code=str(status))
        return Refused(f"{host} refused the request (status {status}).", provider_code=str(status))

    def _retry_at(self, headers: httpx.Headers) -> datetime | None:
        """RFC 9110 §10.2.3: seconds, or a date."""
        text = headers.get("retry-after", "").strip()
        if not text:
            return None
        if (seconds := _whole(text)) is not None:
            return self._bounded(self.clock.now() + timedelta(seconds=min(seconds, 10**6)))
        try:
            moment = parsedate_to_datetime(text)
            return self._bounded(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        except (ValueError, TypeError, OverflowError):
            return None

    def _reset_at(self, headers: httpx.Headers) -> datetime | None:
        """RateLimit-Reset: an ISO 8601 time (Mastodon), an epoch in (milli)seconds (most), or seconds to go (the rest)."""
        text = _rate(headers, "reset").strip()
        if not text:
            return None
        try:
            number = float(text)
        except ValueError:
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                return None
            return self._bounded(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        if not math.isfinite(number):
            return None
        if number > 1e11:
            number /= 1000
        if number > 1e8:
            number -= self.clock.now().timestamp()
        # within what a datetime can hold: a sum that overflows would be an error of ours
        return self._bounded(self.clock.now() + timedelta(seconds=min(max(0.0, number), LONGEST_PAUSE.total_seconds())))

    def _bounded(self, moment: datetime) -> datetime:
        """No network is believed that wants us back next year, or yesterday."""
        now = self.clock.now()
        return min(max(moment.astimezone(UTC), now), now + LONGEST_PAUSE)

    def _seconds_left(self) -> float:
        seconds = INTERACTIVE_SECONDS if self.interactive else BACKGROUND_SECONDS * (self._retry.attempts + 1)
        if self.deadline is not None:
            seconds = self.deadline - self.clock.now().timestamp()
        if seconds <= 0:
            raise Unavailable("There was no time left to ask.", provider_code="deadline")
        return seconds


class _Call(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    url: httpx.URL
    headers: Mapping[str, str]
    body: bytes | None
    auth: bool
    accept: Container[int]
    max_bytes: int
    follow: bool
    calls: int
    reads: bool
    once: bool
    stranger: bool
    sign: Sign | None


def links(header: str, base: str) -> dict[str, str]:
    """The targets of a Link header by relation, absolute (RFC 8288 §3): the first of each relation counts."""
    found: dict[str, str] = {}
    for relation, target in all_links(header, base):
        found.setdefault(relation, target)
    return found


def all_links(header: str, base: str) -> list[tuple[str, str]]:
    """The relations and targets of a Link header, in their order."""
    found: list[tuple[str, str]] = []
    rest = header
    while (start := rest.find("<")) >= 0 and (end := rest.find(">", start)) >= 0:
        target, rest = rest[start + 1 : end], rest[end + 1 :]
        following = rest.find("<")
        parameters = rest if following < 0 else rest[:following]
        for parameter in parameters.split(";"):
            name, _, value = parameter.strip(" ,\t").partition("=")
            if name.strip().lower() == "rel":
                for relation in value.strip().strip('"').lower().split():
                    try:
                        found.append((relation, str(httpx.URL(base).join(target))))
                    except (httpx.InvalidURL, ValueError, TypeError):
                        continue
    return found


class _OnTheWire:
    """Names everything that can go wrong while something is asked of a host."""

    __slots__ = ("_host",)

    def __init__(self, host: str) -> None:
        self._host = host

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if error is not None and (named := _named(error, self._host)) is not None:
            raise named from error


def _named(error: BaseException, host: str) -> ProviderError | None:
    """What went wrong on the wire in our words; None for what did not."""
    match error:
        case ProviderError():
            return None
        case httpx.TimeoutException() | TimeoutError():
            return Unavailable(f"{host} does not answer in time.", provider_code="timeout")
        case httpx.UnsupportedProtocol() | httpx.InvalidURL() | httpx.LocalProtocolError():
            return Malformed(f"The address at {host} cannot be asked for.", provider_code="not-a-url")
        case httpx.DecodingError():
            return Malformed(f"{host} sent a compressed answer that cannot be unpacked.", provider_code="encoding")
        case httpx.RemoteProtocolError() | httpx.ReadError() | httpx.WriteError():
            return Unavailable(f"{host} broke off in the middle of its answer.", provider_code="cut")
        case UnicodeError():  # a host name that is none (RFC 5890)
            return Malformed(f"{host[:100]!r} is no server name.", provider_code="not-a-url")
        case httpx.HTTPError() | OSError():
            return _unreachable(host, error)
    return None


async def _content(answer: httpx.Response, host: str, max_bytes: int) -> bytes:
    if (_whole(answer.headers.get("content-length")) or 0) > max_bytes:
        raise _too_large(host, max_bytes)
    content = bytearray()
    async for piece in _pieces(answer):
        content += piece
        if len(content) > max_bytes:
            raise _too_large(host, max_bytes)
    return bytes(content)


async def _pieces(answer: httpx.Response) -> AsyncIterator[bytes]:
    async for piece in answer.aiter_raw():
        yield piece


def _too_large(host: str, max_bytes: int) -> Malformed:
    return Malformed(f"{host} sent more than {max_bytes // 1024} KiB at once.", provider_code="too-large")


def _unreachable(host: str, error: BaseException) -> ProviderError:
    """Why no connection came about, from the chain of causes."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ForbiddenAddress | Unavailable):
            return cause
        certificate = getattr(cause, "certificate_error", cause)
        if isinstance(certificate, ssl.SSLCertVerificationError):
            return Unavailable(
                f"The certificate of {host} is not valid ({certificate.verify_message}).", provider_code="certificate"
            )
        cause = cause.__cause__
    return Unavailable(f"{host} cannot be reached.", provider_code="connect")


def _all_headers(headers: Mapping[str, str], secret: Secret | None) -> dict[str, str]:
    usual = {"Accept": "*/*", "Accept-Encoding": ACCEPT_ENCODING, "User-Agent": USER_AGENT}
    return {**usual, **headers, **_authorization(secret)}


def _authorization(secret: Secret | None) -> dict[str, str]:
    if secret is None:
        return {}
    if secret.access_token is not None:
        if not secret.access_token.isascii() or not secret.access_token.isprintable():
            raise ReauthRequired("The stored token has characters that no token has. Enter it again.", provider_code="token")
        return {"Authorization": f"Bearer {secret.access_token}"}  # RFC 6750 §2.1
    if secret.username is not None and secret.password is not None:
        pair = f"{secret.username}:{secret.password}".encode()  # RFC 7617 §2.1: UTF-8
        return {"Authorization": "Basic " + base64.b64encode(pair).decode("ascii")}
    return {}


def _rate(headers: httpx.Headers, name: str) -> str:
    """What a network says of its limit, with or without the `X-` (draft-polli-ratelimit-headers-02, AT Protocol)."""
    return str(headers.get(f"x-ratelimit-{name}") or headers.get(f"ratelimit-{name}") or "")


def _body(content: bytes | str | None, json: Any, form: Mapping[str, str] | None) -> tuple[bytes | None, dict[str, str]]:
    if json is not None:
        return msgspec.json.encode(json), {"Content-Type": "application/json"}
    if form is not None:
        return urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    return (content.encode() if isinstance(content, str) else content), {}


def _authority(url: httpx.URL) -> str:
    """Host and port: what has a breaker of its own."""
    return url.authority if isinstance(url, Address) else url.netloc.decode("ascii", "replace")


def _origin(url: httpx.URL) -> str:
    """RFC 6454: scheme, host, and the port where it is not the scheme's own."""
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}"


def _whole(text: str | None) -> int | None:
    """A whole number not below zero, however long it is written; None for anything else."""
    text = (text or "").strip()
    return int(text[:18]) if text.isascii() and text.isdigit() else None
