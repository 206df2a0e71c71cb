"""Each network forgets what we knew it by, and everything is read anew: nobody and nothing is there twice, and nobody is told.

    IMAP            the folder gets another UIDVALIDITY, at a real Dovecot
    CardDAV         the sync token is refused, at a real Radicale
    Gmail           the history has expired
    Graph           the delta tokens are gone
    Google People   the sync tokens have expired

What people would see is counted before and after: persons, contacts, conversations, messages, and rows of the change feed.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from providers.google import people as google_people
from providers.google.api import SCOPE
from providers.microsoft.graph import SCOPES
from providers.session import Secret
from tests import mail_servers, servers
from tests.chaos.report import Report
from tests.household import Household, open_sqlite
from tests.mail_servers import PASSWORD, mail
from tests.providers.google_stub import Mailbox, People
from tests.providers.graph_stub import Graph
from tests.providers.stub_http import running
from tests.providers.test_gmail import mail as gmail_mail
from tests.workshop import workshop

COUNTED: Final = {
    "persons": "select count(*) from person where redirect_to is null",
    "contacts": "select count(*) from contact",
    "conversations": "select count(*) from conversation where redirect_to is null",
    "messages": "select count(*) from message",
    "places of messages": "select count(*) from message_source",
    "open gaps": "select count(*) from gap",
    "folders whose ledger does not agree": "select count(*) from container where expected <> stored",
}
TOLD: Final = frozenset({"PERSON", "CONTACT", "CONVERSATION", "MESSAGE"})
CARD: Final = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:p{n}\r\nFN:Person {n} Example\r\nN:Example;Person {n};;;\r\nEMAIL:p{n}@example.org\r\nEND:VCARD\r\n"


@dataclass
class Network:
    """One account that is linked, and how its network forgets."""

    provider: str
    url: str
    secret: Secret
    port: int
    forget: Callable[[], Awaitable[None] | None]


async def lose_every_mark(home: Path, *, items: int) -> Report:
    """All five with so many items each."""
    report = Report()
    home.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - nobody else waits
    for name, network in NETWORKS.items():
        folder = home / name.replace(" ", "-")
        folder.mkdir()
        async with network(items) as found, open_sqlite(folder) as database:
            household = await Household.open(database)
            async with workshop(database, folder, f"127.0.0.1/32:{found.port}") as shop:
                account_id = await shop.link(household.viewer, found.provider, found.url, found.secret)
                before = {what: await shop.count(household.viewer, query) for what, query in COUNTED.items()}
                head = await household.head()
                found.forget()
                await shop.sync(household.viewer, account_id)
                after = {what: await shop.count(household.viewer, query) for what, query in COUNTED.items()}
                told = [change for change in await household.changes(head) if change.kind in TOLD]
        report.figures[f"{name}: persons, contacts, conversations, messages"] = ", ".join(
            str(n) for n in list(before.values())[:4]
        )
        report.hold(f"{name}: {before} became {after}", before == after)
        report.hold(f"{name}: {before} is not all", before["places of messages"] + before["contacts"] >= items)
        report.expect(f"{name}: rows of the feed", len(told), 0)
    return report


@asynccontextmanager
async def _imap(items: int) -> AsyncIterator[Network]:
    with mail_servers.dovecot(tls=False) as server:
        user = server.new_user()
        with server.mailbox(user) as box:
            box.fill("INBOX", (mail(f"Subject {n}", sender=f"p{n}@example.com", to=user) for n in range(items)))

        def forget() -> None:
            server.doveadm("mailbox", "update", "-u", user, "--uid-validity", "1234567", "INBOX")

        url = f"imap-plain://127.0.0.1:{server.port}"
        yield Network("imap", url, Secret(username=user, password=PASSWORD), server.port, forget)


@asynccontextmanager
async def _carddav(items: int) -> AsyncIterator[Network]:
    with servers.radicale() as server:
        for n in range(items):
            server.put(f"p{n}", CARD.format(n=n))

        def forget() -> None:
            for cache in server.server.folder.rglob(".Radicale.cache"):
                shutil.rmtree(cache)

        secret = Secret(username=server.username, password=server.password)
        yield Network("carddav", server.url, secret, server.server.port, forget)


@asynccontextmanager
async def _gmail(items: int) -> AsyncIterator[Network]:
    mailbox = Mailbox()
    for n in range(items):
        mailbox.deliver(gmail_mail(n))
    async with running(mailbox) as url:
        secret = Secret(access_token="token-1", scope=SCOPE + "gmail.readonly")
        yield Network("gmail", url, secret, _port(url), mailbox.forget_history)


@asynccontextmanager
async def _graph(items: int) -> AsyncIterator[Network]:
    graph = Graph()
    for n in range(items):
        graph.deliver(gmail_mail(n), "inbox")
        graph.put_contact(n)
    async with running(graph) as url:
        secret = Secret(access_token="token-1", scope=" ".join(SCOPES))
        yield Network("microsoft", url + graph.base, secret, _port(url), graph.forget_marks)


@asynccontextmanager
async def _people(items: int) -> AsyncIterator[Network]:
    people = People()
    for n in range(items):
        people.put("connections", n)
    async with running(people) as url:
        secret = Secret(access_token="token-1", scope=" ".join(google_people.SCOPES))
        yield Network("google", url, secret, _port(url), people.sync_tokens.clear)


def _port(url: str) -> int:
    return urlsplit(url).port or 80


NETWORKS: Final = {
    "IMAP, another UIDVALIDITY": _imap,
    "CardDAV, token refused": _carddav,
    "Gmail, history expired": _gmail,
    "Graph, delta tokens gone": _graph,
    "People, tokens expired": _people,
}
