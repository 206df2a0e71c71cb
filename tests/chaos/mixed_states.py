"""One installation with accounts of many networks, each twice: one is well, the other throttled, revoked, downgraded or only partly permitted.

The worker does what it always does, round after round of six hours each on a clock that is moved on here. What is compared is counted, never timed:
the looks and calls of the accounts that are well, with the others beside them and without, and the calls that came to a network although it
had said until when it takes none. What an account says of itself is read as a front-end reads it.
"""

from __future__ import annotations

import asyncio
import http.client
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from unittest import mock
from urllib.parse import urlsplit

from gateway.linking.service import LinkService
from gateway.people import named
from gateway.worker import WATCHES
from providers.base import Mode
from providers.google import people as google_people
from providers.google.api import SCOPE
from providers.microsoft.graph import SCOPES as GRAPH_SCOPES
from providers.session import Secret
from resolvers.linking import CredentialForm, OAuthRedirect
from schema import build_schema
from store import leases
from tests import servers
from tests.asking import Context
from tests.chaos.lost_marks import CARD
from tests.chaos.report import Report
from tests.fediverse import Person
from tests.gateway.running import opened
from tests.household import Household, open_sqlite
from tests.providers.feed_site import Site
from tests.providers.feed_site import page as site_page
from tests.providers.github_stub import SCOPES as GITHUB_SCOPES
from tests.providers.github_stub import GitHub
from tests.providers.google_stub import Mailbox, People
from tests.providers.graph_stub import Graph
from tests.providers.slack_stub import Slack
from tests.providers.stub_http import Answer, Request, running
from tests.providers.test_gmail import mail
from tests.providers.x_stub import SCOPES as X_SCOPES
from tests.providers.x_stub import X
from tests.workshop import Workshop, workshop

STEP: Final = timedelta(hours=6)
BAN: Final = 10 * 3600  # seconds for which a throttled network takes no call
WATCHED: Final = frozenset({"Mastodon"})  # what is told as it happens has no time at which it is looked at again
ITEMS: Final = 5
VIEWERS: Final = ("ada", "bo", "cy", "di")
ACCOUNTS: Final = """{ viewer { accounts(first: 50) { edges { node {
  id status statusReason nextSyncAt lastSyncedAt capabilities } } } } }"""


class Hours:
    """A clock that is moved on by whoever waits for it, and by the scenario."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 2, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def seconds(self) -> float:
        return self.time.timestamp()

    async def sleep(self, seconds: float) -> None:
        until = self.time + timedelta(seconds=seconds)
        await asyncio.sleep(0)
        self.time = max(self.time, until)


class Door:
    """What stands before a network: counts the calls, and those that come although it said that it takes none."""

    def __init__(self, stub: Any, clock: Hours) -> None:
        self.stub = stub  # what befalls it is its network's own
        self.clock = clock
        self.calls = 0
        self.early = 0
        self.closed_until = 0.0
        self.refusal: Callable[[], Answer] | None = None
        self.bans = False  # the refusal names a time until which there is no other answer

    @property
    def url(self) -> str:
        return str(self.stub.url)

    @url.setter
    def url(self, value: str) -> None:
        self.stub.url = value

    def answer(self, request: Request) -> Answer:
        self.calls += 1
        if self.clock.seconds() < self.closed_until:
            self.early += 1
        elif self.refusal is not None:
            self.closed_until = self.clock.seconds() + BAN if self.bans else 0.0
        else:
            found: Answer = self.stub.answer(request)
            return found
        assert self.refusal is not None
        return self.refusal()


class Forward:
    """A real server behind the door, from which each answer is fetched as it is."""

    def __init__(self, target: str) -> None:
        self.url = ""
        self.target = urlsplit(target)

    def answer(self, request: Request) -> Answer:
        if "/streaming" in request.target:  # an answer without an end cannot be fetched whole: this server is one without streams
            return Answer(404, b'{"error": "Record not found"}')
        kept = {name: value for name, value in request.headers.items() if name not in ("connection", "accept-encoding")}
        line = http.client.HTTPConnection(self.target.hostname or "", self.target.port, timeout=30)
        try:
            line.request(request.method, request.target, request.body or None, kept)
            said = line.getresponse()
            found = Answer(said.status, said.read())
        finally:
            line.close()
        own = ("connection", "content-length", "transfer-encoding", "date", "server")
        found.headers.update({name: value for name, value in said.getheaders() if name.lower() not in own})
        return found


# --- networks ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Network:
    """What an account's network holds, and by what it is reached: `path` is what stands behind the stub's address.

    `mode` is the account's, where its network would otherwise only be asked live.
    """

    provider: str
    make: Callable[[Hours], Any]
    secret: Secret
    path: str = ""
    mode: Mode | None = None


def _slack(clock: Hours) -> Slack:
    team = Slack(clock.seconds)
    grace = team.member(100, "grace", real_name="Grace Hopper")
    direct = team.channel(2, user=grace, last_read=f"{clock.seconds() - 1000:.6f}")
    for n in range(ITEMS):
        team.post(direct, grace, f"Lunch {n}?", clock.seconds() - 900 + n)
    return team


def _github(clock: Hours) -> GitHub:
    github = GitHub(clock.seconds)
    grace = github.user(100, "grace", name="Grace Hopper")
    github.following, github.organizations = [100], {"acme": [77]}
    leak = github.thread(12, "Leak", github.me, "02-01T10:00:00")
    github.comment(leak, grace, "Where, @ada?", "02-01T11:00:00")
    github.notify(leak)
    return github


def _x(clock: Hours) -> X:
    net = X(clock.seconds)
    net.following.append(net.person("100", "grace", name="Grace Hopper"))
    net.event("10-100", "100", "Lunch?", clock.seconds() - 900)
    return net


def _gmail(clock: Hours) -> Mailbox:
    mailbox = Mailbox()
    for n in range(ITEMS):
        mailbox.deliver(mail(n))
    return mailbox


def _people(clock: Hours) -> People:
    people = People()
    for n in range(ITEMS):
        people.put("connections", n)
    return people


def _graph(clock: Hours) -> Graph:
    graph = Graph()
    for n in range(ITEMS):
        graph.deliver(mail(n), "inbox")
        graph.put_contact(n)
    return graph


def _feed(clock: Hours) -> Site:
    site = Site()
    site.posts = [f"Post {n}" for n in range(ITEMS)]
    site.pages["/"] = site_page('<link rel="alternate" type="application/atom+xml" href="/feed.xml">')
    return site


NETWORKS: Final = {
    "Slack": Network("slack", _slack, Secret(access_token="xoxp-1"), "/api"),
    "GitHub": Network("github", _github, Secret(access_token="token-1")),
    "X": Network("x", _x, Secret(access_token="token-1", scope=" ".join(sorted(X_SCOPES)))),
    "Gmail": Network("gmail", _gmail, Secret(access_token="token-1", scope=SCOPE + "gmail.readonly")),
    "Google contacts": Network("google", _people, Secret(access_token="token-1", scope=" ".join(google_people.SCOPES))),
    "Microsoft": Network("microsoft", _graph, Secret(access_token="token-1", scope=" ".join(GRAPH_SCOPES)), "/v1.0"),
    "feed": Network("feeds", _feed, Secret()),
}


# --- troubles ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """What befalls an account after its first look, or before it is linked (`at_first`), and what it then says.

    `state` is the account's status; `says` are words of its reason: what is the matter, and what to do.
    """

    name: str
    network: str
    befall: Callable[[Door], None]
    state: str
    says: tuple[str, ...]
    at_first: bool = False


def _throttle(*, status: int = 429, body: object = None, **headers: str) -> Callable[[Door], None]:
    def befall(door: Door) -> None:
        door.bans = True
        door.refusal = lambda: Answer(status, body if body is not None else {}, Retry_After=str(BAN), **headers)

    return befall


def _revoke(door: Door) -> None:
    door.stub.tokens.clear()


def _narrow(token: str, scopes: frozenset[str]) -> Callable[[Door], None]:
    def befall(door: Door) -> None:
        door.stub.tokens[token] = scopes

    return befall


def _unenrol(door: Door) -> None:
    """X answers so to apps whose plan no longer has an interface (`client-not-enrolled`)."""
    detail = "When authenticating requests to the X API v2 endpoints, you must use keys of an App that is attached to a Project."
    kind = "https://api.x.com/2/problems/client-forbidden"
    said = {"type": kind, "title": "Client Forbidden", "status": 403, "reason": "client-not-enrolled", "detail": detail}
    door.refusal = lambda: Answer(403, said)


def _end(door: Door) -> None:
    door.stub.pages["/feed.xml"] = Answer(410, b"")


def _refuse(status: int, body: object = b"") -> Callable[[Door], None]:
    def befall(door: Door) -> None:
        door.refusal = lambda: Answer(status, body)

    return befall


WAITS: Final = ("nothing to do", "by itself")
TROUBLES: Final = (
    Trouble("Slack, revoked", "Slack", _revoke, "REAUTH_REQUIRED", ("again",)),
    Trouble("Slack, throttled", "Slack", _throttle(body={"ok": False, "error": "ratelimited"}), "ACTIVE", WAITS),
    Trouble("GitHub, throttled", "GitHub", _throttle(body={"message": "You have exceeded a secondary rate limit."}), "ACTIVE", WAITS),
    Trouble("GitHub, partly permitted", "GitHub", _narrow("token-1", GITHUB_SCOPES - {"read:org"}), "ACTIVE", ("read:org",), at_first=True),
    Trouble("GitHub, revoked", "GitHub", _revoke, "REAUTH_REQUIRED", ("again",)),
    Trouble("X, downgraded", "X", _unenrol, "DEGRADED", ("put the app into a project",)),
    Trouble("X, throttled", "X", _throttle(body={"title": "Too Many Requests", "status": 429}), "ACTIVE", WAITS),
    Trouble("Gmail, revoked", "Gmail", _revoke, "REAUTH_REQUIRED", ("again",)),
    Trouble("Gmail, throttled", "Gmail", _throttle(body={"error": {"code": 429, "message": "No.", "status": "RESOURCE_EXHAUSTED"}}), "ACTIVE", WAITS),
    Trouble("Google contacts, throttled", "Google contacts", _throttle(body={"error": {"code": 429, "message": "No."}}), "ACTIVE", WAITS),
    Trouble("Microsoft, partly permitted", "Microsoft", _narrow("token-1", frozenset({"Mail.Read", "User.Read"})), "REAUTH_REQUIRED",
            ("link the account again and allow everything",), at_first=True),
    Trouble("Microsoft, throttled", "Microsoft", _throttle(body={"error": {"code": "TooManyRequests", "message": "No."}}), "ACTIVE", WAITS),
    Trouble("feed, ended", "feed", _end, "DEGRADED", ("ended (410)",)),
    Trouble("feed, throttled", "feed", _throttle(), "ACTIVE", WAITS),
    Trouble("Mastodon, revoked", "Mastodon", _refuse(401, {"error": "The access token was revoked"}), "REAUTH_REQUIRED", ("again",)),
    Trouble("Mastodon, throttled", "Mastodon", _throttle(body={"error": "Too many requests"}), "ACTIVE", WAITS),
    Trouble("CardDAV, revoked", "CardDAV", _refuse(401), "REAUTH_REQUIRED", ("again",)),
    Trouble("CardDAV, throttled", "CardDAV", _throttle(), "ACTIVE", WAITS),
)  # fmt: skip


# --- the run ----------------------------------------------------------------------------------------------------------------------


@dataclass
class Seen:
    """What became of the accounts that are well: looks and calls by name; and of the others: what they say, and calls out of turn."""

    looks: dict[str, int] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    said: dict[str, dict[str, Any]] = field(default_factory=dict)
    early: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    ended: str = ""


async def live_with_trouble(home: Path, *, rounds: int) -> Report:
    """So many rounds with the well accounts alone, and as many with the troubled ones beside them."""
    report = Report()
    home.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - nobody else waits
    with servers.mastodon() as fediverse, servers.radicale() as books:
        networks = {**NETWORKS, **_served(fediverse, books)}
        alone = await _lived(home / "alone", rounds, networks, ())
        mixed = await _lived(home / "mixed", rounds, networks, TROUBLES)
    report.figures["accounts: well, in trouble"] = f"{len(networks)}, {len(TROUBLES)}"
    report.expect("looks of the well accounts beside the others", mixed.looks, dict.fromkeys(networks, rounds))
    report.expect("looks without the others", alone.looks, mixed.looks)
    # how often a line is taken up again follows the machine's own time
    counted = [{name: calls for name, calls in seen.calls.items() if name not in WATCHED} for seen in (mixed, alone)]
    report.expect("calls of the well accounts beside the others", *counted)
    report.expect("calls before a network's Retry-After had passed", sum(mixed.early.values()), 0)
    report.expect("calls that the networks' contracts do not allow", [*alone.faults, *mixed.faults][:3], [])
    for name in networks:
        well = mixed.said[name]
        state = (well["status"], well["statusReason"])
        report.hold(f"{name}, well, is {state}", state == ("ACTIVE", None))
        if name not in WATCHED:
            report.hold(f"{name}, well, says when it is looked at again", (well["nextSyncAt"] or "") > mixed.ended)
    for trouble in TROUBLES:
        said = mixed.said[trouble.name]
        report.figures[trouble.name] = f"{said['status']}: {said['statusReason']}"
        if trouble.says == WAITS:
            report.hold(f"{trouble.name} says when it goes on", (said["nextSyncAt"] or "") > mixed.ended)
        report.hold(f"{trouble.name} is {said['status']}, not {trouble.state}", said["status"] == trouble.state)
        words = (said["statusReason"] or "").casefold()
        report.hold(f"{trouble.name} says {words!r} and not {trouble.says}", all(one.casefold() in words for one in trouble.says))
    await _price(report, home / "price")
    return report


async def _price(report: Report, home: Path) -> None:
    """What X would charge for a month is said before the browser goes there."""
    home.mkdir()  # noqa: ASYNC240 - nobody else waits
    with mock.patch.dict(os.environ, {"KITH_X_CLIENT_ID": "client"}):
        async with opened(home) as there:
            viewer = (await named(there, "ada")).id
            begun = await LinkService(there).begin(viewer, provider="x", method="OAUTH_REDIRECT")
            form = {"monthly_limit": "20", "following": "100", "followers": "50", "own_app": "true"}
            estimated = await LinkService(there).complete(viewer, begun.id, form=form)
    said = [one.message for one in estimated.attempts if one.method == "price"]
    report.figures["a month's price on X, before it is linked"] = said
    report.hold(f"the price is said once, beside the limit: {said}", len(said) == 1 and "limit of $20.00" in said[0])
    before = isinstance(begun.step, CredentialForm) and isinstance(estimated.step, OAuthRedirect)
    report.hold("the browser has not gone to X before", before)


def _served(fediverse: servers.Mastodon, books: servers.CardDav) -> dict[str, Network]:
    """The networks that are real servers."""
    other = Person(fediverse, "grace")
    other.posts(f"@{fediverse.username} are you at the quay?", visibility="direct")
    for n in range(ITEMS):
        books.put(f"p{n}", CARD.format(n=n))
    secret = Secret(username=books.username, password=books.password)
    return {
        "Mastodon": Network(
            "mastodon", lambda clock: Forward(fediverse.url), Secret(access_token=fediverse.token), mode="MIRRORED"
        ),
        "CardDAV": Network("carddav", lambda clock: Forward(books.url), secret),
    }


async def _lived(home: Path, rounds: int, networks: Mapping[str, Network], troubles: Sequence[Trouble]) -> Seen:
    home.mkdir()  # noqa: ASYNC240 - nobody else waits
    clock, seen = Hours(), Seen()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_sqlite(home))
        households = [await Household.open(database, f"u_{name}") for name in VIEWERS]
        shop = await stack.enter_async_context(workshop(database, home, "127.0.0.0/8:*", clock=clock))
        doors: dict[str, Door] = {}
        ids: dict[str, str] = {}
        for name, network, household in _shared(households, networks, troubles):
            kind = networks[network]
            doors[name] = Door(kind.make(clock), clock)
            url = await stack.enter_async_context(running(doors[name]))
            befallen = next((one for one in troubles if one.name == name and one.at_first), None)
            if befallen is not None:
                befallen.befall(doors[name])
            ids[name] = await shop.link(household.viewer, kind.provider, url + kind.path, kind.secret, sync=False, mode=kind.mode)
            clock.time += timedelta(seconds=1)
        for number in range(rounds):
            await _round(shop, clock)
            looked = await _accounts(shop, households)
            for name in networks:
                at = looked[ids[name]]["lastSyncedAt"]
                fresh = at is not None and clock.now() - datetime.fromisoformat(at) < STEP
                seen.looks[name] = seen.looks.get(name, 0) + fresh
            if number == 0:
                for one in troubles:
                    if not one.at_first:
                        one.befall(doors[one.name])
        found = await _accounts(shop, households)
        seen.said = {name: found[id_] for name, id_ in ids.items()}
        seen.ended = clock.now().isoformat()
        seen.calls = {name: doors[name].calls for name in networks}
        seen.early = {name: door.early for name, door in doors.items()}
        seen.faults = [f"{name}: {fault}" for name, door in doors.items() for fault in getattr(door.stub, "violations", ())]
    return seen


async def _round(shop: Workshop, clock: Hours) -> None:
    """Six hours pass, and the worker does all that is due then."""
    clock.time += STEP
    stop = asyncio.Event()
    working = asyncio.create_task(shop.worker.work(stop))
    try:
        while await _busy(shop, clock):  # noqa: ASYNC110 - a worker tells nobody that it has nothing to do
            await asyncio.sleep(0.05)
    finally:
        stop.set()
        await working


async def _busy(shop: Workshop, clock: Hours) -> bool:
    """Whether a job is at work or due; a line that is only kept open is neither."""
    jobs: list[leases.Job] = await shop.database.system_read(leases.listed)
    alive = [job for job in jobs if job.dead_reason is None and job.kind not in WATCHES]
    return any(job.lease_owner is not None or job.due <= clock.now() for job in alive)


def _shared(
    households: Sequence[Household], networks: Mapping[str, Network], troubles: Sequence[Trouble]
) -> Iterator[tuple[str, str, Household]]:
    """Who has which account: everybody at most one of a network, of which some are well and some are not."""
    for n, network in enumerate(networks):
        names = [network, *(one.name for one in troubles if one.network == network)]
        for m, name in enumerate(names):
            yield name, network, households[(n + m) % len(households)]


async def _accounts(shop: Workshop, households: Sequence[Household]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for household in households:
        result = await build_schema().execute(ACCOUNTS, context_value=Context(shop.operation(household.viewer)))
        assert not result.errors, result.errors
        assert result.data is not None
        found |= {edge["node"]["id"]: edge["node"] for edge in result.data["viewer"]["accounts"]["edges"]}
    return found
