"""The networks of `mixed_states.py`, by their stubs or as real servers, and what stands before each of them.

It counts the calls, and those that come although the network said that it takes none. What befalls accounts is in `mixed_troubles.py`.
"""

from __future__ import annotations

import http.client
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from providers.base import Mode
from providers.google import people as google_people
from providers.google.api import SCOPE
from providers.instagram.adapter import SCOPES as INSTAGRAM_SCOPES
from providers.microsoft.graph import SCOPES as GRAPH_SCOPES
from providers.session import Secret
from providers.whatsapp.adapter import APP_SECRET
from tests import servers
from tests.atproto_servers import AtProto
from tests.chaos.lost_marks import CARD
from tests.chat_servers import Matrix, MatrixUser
from tests.fediverse import Person
from tests.patience import PATIENCE
from tests.providers import meta_stub, stub_http, telegram_stub, whatsapp_stub
from tests.providers.bluesky_stub import Bluesky
from tests.providers.discord_stub import Discord
from tests.providers.feed_site import Site
from tests.providers.feed_site import page as site_page
from tests.providers.github_stub import GitHub
from tests.providers.google_stub import Mailbox, People
from tests.providers.graph_stub import Graph
from tests.providers.imap_fake import PASSWORD, USER, Fake, faked
from tests.providers.linkedin_stub import EVERYTHING, LinkedIn
from tests.providers.linkedin_stub import url as profile_url
from tests.providers.slack_stub import Slack
from tests.providers.stub_http import Answer, Request
from tests.providers.telegram_stub import BotApi
from tests.providers.test_gmail import mail
from tests.providers.whatsapp_stub import CloudApi
from tests.providers.x_stub import SCOPES as X_SCOPES
from tests.providers.x_stub import X

BAN: Final = 10 * 3600  # seconds for which a throttled network takes no call
ITEMS: Final = 5


class Clock(Protocol):
    def seconds(self) -> float: ...


class Door:
    """What stands before a network that speaks HTTP."""

    def __init__(self, stub: Any, clock: Clock) -> None:
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

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[str]:
        """Its address, until the end."""
        async with stub_http.running(self) as url:
            yield url

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


class MailDoor(Door):
    """What stands before a mail server: `refusals` are answers by the first word of a command. None of them says how long it is meant."""

    stub: Fake

    def __init__(self, stub: Fake, clock: Clock) -> None:
        super().__init__(stub, clock)
        self.refusals: dict[str, bytes] = {}
        stub.tamper = self._judged

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[str]:
        """Its address, until the end."""
        async with faked(self.stub) as fake:
            yield fake.url

    def _judged(self, words: str, honest: bytes) -> bytes:
        self.calls += 1
        return self.refusals.get(words.partition(" ")[0].upper(), honest)


class Forward:
    """A real server behind the door, from which each answer is fetched as it is; `user` is whose account it is there."""

    def __init__(self, target: str, user: Any = None) -> None:
        self.url = ""
        self.target = urlsplit(target)
        self.user = user

    def answer(self, request: Request) -> Answer:
        if request.path == "/.well-known/matrix/client":  # it would name the server's own address, past the door
            return Answer(404, b"")
        kept = {name: value for name, value in request.headers.items() if name not in ("connection", "accept-encoding")}
        line = http.client.HTTPConnection(self.target.hostname or "", self.target.port, timeout=PATIENCE)
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

    `secret` gives that of an account at what was made. `mode` is the account's, where its network would otherwise only be asked live.
    `says` are words that a well account has for its owner; one that is `watched` has no time at which it is looked at again.
    """

    provider: str
    make: Callable[[Clock], Any]
    secret: Callable[[Any], Secret]
    path: str = ""
    mode: Mode | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    watched: bool = False

    def door(self, clock: Clock) -> Door:
        """A network of its own, with what stands before it."""
        made = self.make(clock)
        return MailDoor(made, clock) if isinstance(made, Fake) else Door(made, clock)


def given(secret: Secret) -> Callable[[Any], Secret]:
    return lambda network: secret


def _slack(clock: Clock) -> Slack:
    team = Slack(clock.seconds)
    grace = team.member(100, "grace", real_name="Grace Hopper")
    direct = team.channel(2, user=grace, last_read=f"{clock.seconds() - 1000:.6f}")
    for n in range(ITEMS):
        team.post(direct, grace, f"Lunch {n}?", clock.seconds() - 900 + n)
    return team


def _github(clock: Clock) -> GitHub:
    github = GitHub(clock.seconds)
    grace = github.user(100, "grace", name="Grace Hopper")
    github.following, github.organizations = [100], {"acme": [77]}
    leak = github.thread(12, "Leak", github.me, "02-01T10:00:00")
    github.comment(leak, grace, "Where, @ada?", "02-01T11:00:00")
    github.notify(leak)
    return github


def _x(clock: Clock) -> X:
    net = X(clock.seconds)
    net.following.append(net.person("100", "grace", name="Grace Hopper"))
    net.event("10-100", "100", "Lunch?", clock.seconds() - 900)
    return net


def _gmail(clock: Clock) -> Mailbox:
    mailbox = Mailbox()
    for n in range(ITEMS):
        mailbox.deliver(mail(n))
    return mailbox


def _people(clock: Clock) -> People:
    people = People()
    for n in range(ITEMS):
        people.put("connections", n)
    return people


def _graph(clock: Clock) -> Graph:
    graph = Graph()
    for n in range(ITEMS):
        graph.deliver(mail(n), "inbox")
        graph.put_contact(n)
    return graph


def _feed(clock: Clock) -> Site:
    site = Site()
    site.posts = [f"Post {n}" for n in range(ITEMS)]
    site.pages["/"] = site_page('<link rel="alternate" type="application/atom+xml" href="/feed.xml">')
    return site


def _facebook(clock: Clock) -> meta_stub.Graph:
    net = meta_stub.Graph(clock.seconds)
    net.own_page("700", "Bakery")
    net.said(net.thread("700", {"id": "9001", "name": "Grace Hopper"}), "Rolls?", clock.seconds() - 900)
    return net


def _instagram(clock: Clock) -> meta_stub.Graph:
    net = meta_stub.Graph(clock.seconds, instagram=True)
    owner = net.account["user_id"]
    net.said(net.thread(owner, {"id": "9001", "username": "grace"}, "instagram"), "Rolls?", clock.seconds() - 900)
    return net


def _linkedin(clock: Clock) -> LinkedIn:
    net = LinkedIn(clock.seconds)
    net.connection("grace", "Grace", "Hopper")
    net.message("2-1==", "grace", "Grace Hopper", ("robin-ray",), "2026-02-01 10:00:00 UTC", "Lunch?")
    return net


_bots = itertools.count(1)


def _discord(clock: Clock) -> Discord:
    net = Discord(clock.seconds)
    net.token = f"token-{next(_bots)}"  # what is known of a bot is known to all of a process
    net.guild()
    net.channel("700000000000000001")
    net.say("700000000000000001", net.member("100000000000000001", "grace"), "Tea?", clock.seconds() - 900)
    return net


def _telegram(clock: Clock) -> BotApi:
    net = BotApi(clock.seconds)
    grace = telegram_stub.user(5, "Grace")
    net.post(telegram_stub.private(grace), grace, "Lunch?")
    return net


def _mailbox(clock: Clock) -> Fake:
    fake = Fake(folders=("INBOX", "Projects"))
    for n in range(ITEMS):
        fake.deliver(mail(n))
    fake.deliver(mail(ITEMS), "Projects")
    return fake


GRANTED: Final = Secret(
    access_token="token-1", client_id=meta_stub.APP, client_secret=meta_stub.SECRET, scope=" ".join(INSTAGRAM_SCOPES)
)
BUSINESS: Final = Secret(access_token=whatsapp_stub.TOKEN, extra={APP_SECRET: whatsapp_stub.APP_SECRET})
NUMBER: Final = {"phone_number_id": whatsapp_stub.NUMBER, "waba_id": whatsapp_stub.ACCOUNT}
MEMBER: Final = {"profile": profile_url("robin-ray")}
NETWORKS: Final = {
    "Slack": Network("slack", _slack, given(Secret(access_token="xoxp-1")), "/api"),
    "GitHub": Network("github", _github, given(Secret(access_token="token-1"))),
    "X": Network("x", _x, given(Secret(access_token="token-1", scope=" ".join(sorted(X_SCOPES))))),
    "Gmail": Network("gmail", _gmail, given(Secret(access_token="token-1", scope=SCOPE + "gmail.readonly"))),
    "Google contacts": Network("google", _people, given(Secret(access_token="token-1", scope=" ".join(google_people.SCOPES)))),
    "Microsoft": Network("microsoft", _graph, given(Secret(access_token="token-1", scope=" ".join(GRAPH_SCOPES))), "/v1.0"),
    "feed": Network("feeds", _feed, given(Secret())),
    "Facebook": Network("facebook", _facebook, given(GRANTED)),
    "Instagram": Network("instagram", _instagram, given(GRANTED)),
    "LinkedIn": Network(
        "linkedin", _linkedin, given(Secret(access_token="token-1", scope=",".join(sorted(EVERYTHING)))), settings=MEMBER
    ),
    "Discord": Network("discord", _discord, lambda net: Secret(access_token=net.token), watched=True),
    "Telegram": Network("telegram", _telegram, given(Secret(access_token=telegram_stub.TOKEN)), watched=True),
    "WhatsApp": Network(
        "whatsapp", lambda clock: CloudApi(clock.seconds), given(BUSINESS), settings=NUMBER, says=("public address",)
    ),
    "IMAP": Network("imap", _mailbox, given(Secret(username=USER, password=PASSWORD)), watched=True),
}


def served(fediverse: servers.Mastodon, books: servers.CardDav, homeserver: Matrix, pds: AtProto) -> dict[str, Network]:
    """The networks that are real servers."""
    other = Person(fediverse, "grace")
    other.posts(f"@{fediverse.username} are you at the quay?", visibility="direct")
    for n in range(ITEMS):
        books.put(f"p{n}", CARD.format(n=n))
    secret = Secret(username=books.username, password=books.password)
    grace = homeserver.new_user("grace")
    return {
        "Mastodon": Network(
            "mastodon",
            lambda clock: Forward(fediverse.url),
            given(Secret(access_token=fediverse.token)),
            mode="MIRRORED",
            watched=True,
        ),
        "CardDAV": Network("carddav", lambda clock: Forward(books.url), given(secret)),
        "Matrix": Network(
            "matrix", lambda clock: _roomed(homeserver, grace), lambda net: Secret(access_token=net.user.token), watched=True
        ),
        "Bluesky": Network("bluesky", lambda clock: _moved_in(pds), app_password, watched=True),
    }


def _roomed(homeserver: Matrix, grace: MatrixUser) -> Forward:
    """Somebody to whom Grace has written."""
    ada = homeserver.new_user()
    grace.send(grace.create_room(ada, is_direct=True), "Lunch?")
    return Forward(homeserver.url, ada)


def _moved_in(pds: AtProto) -> Bluesky:
    """Somebody who follows one who has written."""
    network = Bluesky(pds.new_user())
    network.people[network.user.did] = {"did": network.user.did, "handle": network.user.handle, "displayName": "Ada"}
    grace = network.person(1)
    network.user.follow(grace)
    network.say(network.convo(grace), grace, "Lunch?")
    return network


def app_password(network: Bluesky, *, privileged: bool = True) -> Secret:
    """What is typed in to link it; `privileged` shows chat."""
    return Secret(username=network.user.handle, password=network.user.app_password("kith", privileged=privileged))
