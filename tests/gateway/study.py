"""A desk and a worker over one viewer's mail: what tests of marks and labels do, and the mailboxes that they do it to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Connection, select

from providers.google.api import SCOPE
from providers.microsoft.graph import SCOPES
from providers.session import Secret
from store import outbox as writes
from store.tables import outbox
from tests.asking import Desk, nodes
from tests.household import Household
from tests.providers.google_stub import Mailbox
from tests.providers.stub_http import running
from tests.providers.test_gmail import mail
from tests.schema.test_writing import write
from tests.workshop import Workshop

GMAIL = Secret(access_token="token-1", scope=f"{SCOPE}gmail.readonly {SCOPE}gmail.modify")
GRAPH = Secret(access_token="token-1", scope=" ".join(SCOPES))
LISTED = """{ viewer { conversations(first: 50%s) { edges { node {
  id subject unreadCount flags messages { edges { node { id flags } } } } } } } }"""
EVERYWHERE = ", filter: { withoutFlags: null }"
BORNE = """{ viewer { conversations(filter: { withoutFlags: null }) { edges { node { subject labels { name }
  messages { edges { node { labels { name } } } } } } } } }"""
DONE = "conversations { id unreadCount flags }"


class Study:
    """A desk and a worker over one viewer's mail."""

    def __init__(self, shop: Workshop, household: Household) -> None:
        self.shop, self.household = shop, household
        self.desk = Desk(household)
        self.desk.services = shop.services

    async def link(self, provider: str, url: str, secret: Secret) -> str:
        return await self.shop.link(self.household.viewer, provider, url, secret)

    async def sync(self, account_id: str) -> None:
        await self.shop.sync(self.household.viewer, account_id)

    async def write_back(self, account_id: str) -> None:
        def wake(conn: Connection, viewer: str) -> None:
            writes.wake(conn, viewer, account_id, self.shop.clock.now())

        await self.household.database.write(self.household.viewer, wake)
        await self.shop.write_back(self.household.viewer, account_id)

    async def conversations(self, where: str = "") -> list[Any]:
        return nodes((await self.desk.ask(LISTED % where))["viewer"]["conversations"])

    async def labels_of_conversations(self) -> dict[str, list[str]]:
        """The names of the labels of each conversation, by its subject; its messages bear the same between them."""
        found = {}
        for one in nodes((await self.desk.ask(BORNE))["viewer"]["conversations"]):
            found[one["subject"]] = [each["name"] for each in one["labels"]]
            assert {each["name"] for message in nodes(one["messages"]) for each in message["labels"]} == set(
                found[one["subject"]]
            )
        return found

    async def mark(self, what: str, *conversation_ids: str) -> Any:
        quoted = ", ".join(f'"{each}"' for each in conversation_ids)
        return await write(self.desk, f"markConversations(input: {{ conversationIds: [{quoted}], {what} }})", DONE)

    async def states(self) -> list[str]:
        def read(conn: Connection, viewer: str) -> list[str]:
            mine = select(outbox.c.state).where(outbox.c.viewer_id == viewer).order_by(outbox.c.position)
            return list(conn.execute(mine).scalars())

        return await self.household.database.read(self.household.viewer, read)


@asynccontextmanager
async def gmail(study: Study, count: int = 3, labels: Mapping[str, str] | None = None) -> AsyncIterator[tuple[Mailbox, str]]:
    """A mailbox at Gmail with so many mails and these labels by id, linked."""
    stub = Mailbox()
    stub.labels |= labels or {}
    for number in range(count):
        stub.deliver(mail(number))
    async with running(stub) as url:
        yield stub, await study.link("gmail", url, GMAIL)
    assert stub.violations == []
