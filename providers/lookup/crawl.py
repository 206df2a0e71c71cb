"""The way to strangers' hosts: one call at a time at each, at its pace, as much as a document may take, and never where the guard forbids.

Hosts are asked in turn and no faster than `PACE`, whoever asks; one that hangs or fails twice is left alone for a while. Redirects are
followed by hand (RFC 9110 §15.4), each to a host with a turn of its own, never from TLS to plain; which of them are for good is told.
Pages that only another page named are read where robots.txt allows it (RFC 9309). No cookies, no credentials, no retries. Keeps no
documents; of robots.txt what it says, for a day.
"""

from __future__ import annotations

import asyncio
import copy
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx2 as httpx
import msgspec
from protego import Protego

from providers import disclosing
from providers.breaker import Breakers
from providers.breaker import Policy as BreakerPolicy
from providers.disclosing import Log, Logged, Outgoing
from providers.errors import Malformed, ProviderError, RateLimited, Refused
from providers.formats import charset
from providers.http import MAX_REDIRECTS, REDIRECTS, USER_AGENT, Response, Session
from providers.lookup import resources
from providers.quota import Quota
from providers.session import Account, Clock, Observer, Secret

#: One call a second at each host, after a few at once: whom a person is asked about has its account, its profile and its page there.
PACE: Final = Quota(calls=4, seconds=4.0, concurrency=1, interactive_reserve=0.0, sentence="It is asked no faster than that.")
#: For one answer, connection included; a host that drips bytes for longer is not waited for.
SECONDS: Final = 5.0
MAX_BYTES: Final = 1024 * 1024
ROBOTS_BYTES: Final = 500 * 1024  # RFC 9309 §2.5
ROBOTS_DAYS: Final = timedelta(days=1)  # RFC 9309 §2.4
ROBOTS_AGAIN: Final = timedelta(minutes=10)
TROUBLED: Final = BreakerPolicy(failures=2, seconds=60.0)
#: Hosts that are remembered.
HOSTS: Final = 10_000
PERMANENT: Final = frozenset({301, 308})  # RFC 9110 §15.4.2, §15.4.9
_PROVIDER: Final = "web"
#: Statuses that are an answer; the others are trouble (429, 5xx).
ANSWERS: Final = frozenset(range(200, 500)) - {408, 425, 429}
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Spent(Exception):
    """There was no time left to ask: nothing was sent."""


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """An answer. `url` is where it came from, `moved` where the asked address leads for good, `target` where it was not followed to."""

    response: Response
    url: str
    moved: str | None = None
    target: str | None = None

    @property
    def there(self) -> bool:
        return self.response.status == 200


class Web:
    """Everybody's way out of this process to the open web. `pace` is what one host is asked in which time."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        clock: Clock,
        *,
        observer: Observer | None = None,
        pace: Quota = PACE,
        seconds: float = SECONDS,
        troubled: BreakerPolicy = TROUBLED,
    ) -> None:
        self.clock = clock
        self._transport = transport
        self._log: Log | None = None
        self._observer = observer
        self._pace = pace
        self._seconds = seconds
        self._breakers = Breakers(clock, troubled)
        self._hosts: OrderedDict[str, _Host] = OrderedDict()

    def logged(self, log: Log) -> Web:
        """The same way out for one viewer, whose log is told of all that leaves; paces, troubled hosts and robots.txt are everybody's."""
        view = copy.copy(self)
        view._log = log
        return view

    async def get(
        self,
        url: str,
        *,
        accept: str,
        until: datetime,
        crawled: bool = False,
        tls: bool = False,
        follow: bool = True,
        hand_over: bool = False,
        max_bytes: int = MAX_BYTES,
    ) -> Fetched:
        """A document, whatever its status. `tls`: nothing of it may come in plain; `follow` False: a redirect is no answer;
        `hand_over`: one that is for good, or leads to another host, is the answer, so that its target is read once whoever leads there.

        Raises Spent when the host's turn does not come before `until`, and what `providers/errors.py` names: RateLimited for 429,
        Unavailable for 5xx and hosts that hang, Refused for redirects to plain and for what robots.txt closes, Malformed for documents
        that are too large, ForbiddenAddress.
        """
        place = resources.web(url)
        if place is None:
            raise Malformed(f"{url[:100]!r} is no web address.", provider_code="not-a-url")
        url = place
        moved: str | None = None
        for_good = True
        seen = {url}
        for _ in range(MAX_REDIRECTS + 1):
            if tls and not url.startswith("https://"):
                raise Refused(f"{_host(url)} would be asked in plain.", provider_code="plain")
            if crawled and not await self._allowed(url, until):
                raise Refused(f"{_host(url)} asks robots not to read this page.", provider_code="robots")
            response = await self._ask(url, accept, until, max_bytes)
            if response.status not in REDIRECTS:
                return Fetched(response=response, url=url, moved=moved)
            if not follow:
                raise Refused(f"{_host(url)} redirects where that is not allowed.", provider_code="redirects")
            target = _target(url, response)
            permanent = response.status in PERMANENT
            if hand_over and (permanent or _host(target) != _host(url)):
                return Fetched(response=response, url=url, moved=target if permanent else None, target=target)
            if target in seen:
                break
            seen.add(target)
            for_good = for_good and permanent
            moved = target if for_good else moved
            url = target
        raise Malformed(f"{_host(url)} redirects in circles.", provider_code="redirects")

    def leave(self, url: str, until: datetime) -> None:
        """Ask the host of an address nothing more before a moment, since it has said so in its own way."""
        self._place(_host(url)).closed_until = until

    async def texts(self, name: str) -> Sequence[str]:
        """The TXT records of a name."""
        asking = self._session(f"https://{name}/", self._transport).texts(name)
        if self._log is None:
            return await asking
        outgoing = Outgoing(method="DNS", url=f"dns:{name}?type=TXT", recipient=name, body=None)  # RFC 4501
        try:
            entry = await disclosing.begin(self._log, outgoing)
        except BaseException:
            asking.close()
            raise
        found = await asking
        await disclosing.end(self._log, entry, "ANSWERED", None)
        return found

    async def _ask(self, url: str, accept: str, until: datetime, max_bytes: int) -> Response:
        host = self._place(_host(url))
        left = (until - self.clock.now()).total_seconds()
        if left <= 0:
            raise Spent
        try:
            async with asyncio.timeout(left):
                await host.turn.acquire()
        except TimeoutError:
            raise Spent from None
        try:
            host.check(self.clock.now())
            wait = host.wait(self.clock.now())
            if self.clock.now() + timedelta(seconds=wait) >= until:
                raise Spent
            if wait > 0:
                await self.clock.sleep(wait)
            wire: httpx.AsyncBaseTransport = _Paced(self._transport, host, self.clock)
            if self._log is not None:
                wire = Logged(wire, self._log)
            return await self._session(url, wire).request(
                "GET", url, headers={"Accept": accept}, auth=False, accept_statuses=ANSWERS, max_bytes=max_bytes, follow=False
            )
        except RateLimited as error:
            host.closed_until = error.retry_at
            raise
        finally:
            host.turn.release()

    def _session(self, url: str, transport: httpx.AsyncBaseTransport) -> Session:
        return Session(
            account=Account(provider=_PROVIDER, base_url=url),
            credentials=NOBODY,
            clock=self.clock,
            transport=transport,
            breakers=self._breakers,
            observer=self._observer,
            interactive=True,
            deadline=self.clock.now().timestamp() + self._seconds,
        )

    def _place(self, host: str) -> _Host:
        found = self._hosts.get(host)
        if found is None:
            found = self._hosts[host] = _Host(self._pace)
            for name in list(self._hosts)[: max(0, len(self._hosts) - HOSTS)]:
                if not self._hosts[name].turn.locked():
                    del self._hosts[name]
        self._hosts.move_to_end(host)
        return found

    async def _allowed(self, url: str, until: datetime) -> bool:
        """Whether a page may be crawled. Raises Spent, or the trouble that there is with its host."""
        place = httpx.URL(url)
        host = self._place(_host(url))
        async with host.asking:
            if host.robots is None or host.robots_until <= self.clock.now():
                host.robots = await self._robots(f"{place.scheme}://{_host(url)}/robots.txt", until)
                host.robots_until = self.clock.now() + (ROBOTS_AGAIN if host.robots.trouble else ROBOTS_DAYS)
        return host.robots.allows(url)

    async def _robots(self, url: str, until: datetime) -> _Robots:
        """RFC 9309 §2.3.1: what is not there closes nothing, what cannot be reached closes everything."""
        try:
            found = await self.get(url, accept="text/plain, */*;q=0.1", until=until, max_bytes=ROBOTS_BYTES)
        except Malformed:
            return _Robots()  # redirects in circles, or more than anybody has to read (§2.3.1.2, §2.5)
        except ProviderError as error:
            return _Robots(trouble=error)
        if not found.there:
            return _Robots()
        text = charset.decode(found.response.content)
        return _Robots(rules=await asyncio.to_thread(Protego.parse, text))


class _Robots:
    """What a host's robots.txt says to us."""

    def __init__(self, *, rules: Protego | None = None, trouble: ProviderError | None = None) -> None:
        self._rules = rules
        self.trouble = trouble

    def allows(self, url: str) -> bool:
        """Whether a page is open to us. Raises the trouble that its host had to say so."""
        if self.trouble is not None:
            raise self.trouble
        return self._rules is None or self._rules.can_fetch(url, USER_AGENT)


class _Host:
    """Whose turn it is at a host, when it may be asked again, and what it says to robots."""

    def __init__(self, pace: Quota) -> None:
        self.turn = asyncio.Lock()
        self.asking = asyncio.Lock()
        self.closed_until: datetime | None = None
        self.robots: _Robots | None = None
        self.robots_until = _LONG_AGO
        self._each = timedelta(seconds=pace.seconds / pace.calls)
        self._at_once = self._each * (pace.calls - 1)
        self._owed = _LONG_AGO  # when all calls so far would be over at an even pace (the generic cell rate algorithm)

    def check(self, now: datetime) -> None:
        """Raises RateLimited while the host wants to be left alone."""
        if self.closed_until is not None and now < self.closed_until:
            raise RateLimited("This host wants to be left alone for a while.", retry_at=self.closed_until)

    def wait(self, now: datetime) -> float:
        """Seconds until the next call."""
        return max(0.0, (self._owed - self._at_once - now).total_seconds())

    def took(self, now: datetime) -> None:
        self._owed = max(self._owed, now) + self._each


class _Nobody:
    """Nobody's credentials: strangers' hosts are asked without any."""

    async def read(self) -> Secret:
        return Secret()

    async def refreshed(self, old: Secret) -> Secret:
        return old


NOBODY: Final = _Nobody()


def _host(url: str) -> str:
    return httpx.URL(url).netloc.decode("ascii", "replace")


def _target(url: str, response: Response) -> str:
    try:
        target = httpx.URL(url).join(response.headers.get("location", ""))
    except (httpx.InvalidURL, ValueError, TypeError):
        target = httpx.URL("")
    if target.scheme not in ("http", "https") or not target.host or "location" not in response.headers:
        raise Malformed(f"{_host(url)} redirects to something that is no web address.", provider_code="redirects")
    if url.startswith("https:") and target.scheme != "https":
        raise Refused(f"{_host(url)} redirects to an unencrypted address ({target.host}).", provider_code="downgrade")
    return str(target.copy_with(username=None, password=None, fragment=None))


class _Paced(httpx.AsyncBaseTransport):
    """Counts a call of a host when it leaves, however long what stands above has taken to let it: paces are kept where calls are sent."""

    def __init__(self, transport: httpx.AsyncBaseTransport, host: _Host, clock: Clock) -> None:
        self._transport = transport
        self._host = host
        self._clock = clock

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._host.took(self._clock.now())
        return await self._transport.handle_async_request(request)
