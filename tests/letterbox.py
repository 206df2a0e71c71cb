"""An account that sends through a submission server, and a viewer who writes: what tests of sending share.

The letterbox is a provider of the tests. Its own side keeps Sent copies or not, as servers do; what the submission server has taken
(`server.taken`) is the recipients' side and is looked at by tests alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection

from gateway import writes
from gateway.accounts import Accounts
from gateway.sending import Sending
from providers import records
from providers.base import Adapter, Provider
from providers.errors import Refused
from providers.formats import mime
from providers.http import Session
from providers.session import Secret
from providers.smtp import Place, submit
from resolvers.sending import KIND
from store import accounts
from store.outbox import Write
from tests.asking import Clock, Desk
from tests.household import ME, Household
from tests.submission import Submission
from tests.workshop import Workshop, workshop

SECRET = Secret(username=ME, password="secret")


@dataclass
class Box:
    """The account's own side: what it says when it is asked, and its files."""

    server: Submission
    certain: bool = False  # whether it can say for sure that something is not there
    parts: dict[tuple[str, str], bytes] = field(default_factory=dict)
    key: str | None = None


class Letterbox:
    """The account, opened."""

    def __init__(self, box: Box, session: Session) -> None:
        self._box, self._session = box, session

    async def profile(self) -> records.Profile:
        return records.Profile(user_id=ME, label=ME)

    def pages(self, cursor: bytes | None) -> AsyncIterator[records.Page]:
        raise NotImplementedError

    async def send(self, mail: records.Outgoing, note: Callable[[bytes], Awaitable[None]]) -> records.Submitted:
        place = Place(host="127.0.0.1", port=self._box.server.port, security="NONE", user=ME)
        sent = await submit(self._session, place, mail, note)
        return msgspec.structs.replace(sent, key=self._box.key) if sent.fate == "TAKEN" else sent

    async def look_up(self, mail: records.Outgoing, step: bytes) -> records.Submitted:
        assert step == b"data"
        if any(mime.message(data).internet_message_id == mail.message_id for data in self._box.server.filed):
            return records.Submitted(fate="TAKEN", evidence="It is in Sent.")
        if self._box.certain:
            return records.Submitted(fate="NOT_TAKEN")
        return records.Submitted(fate="UNKNOWN", evidence="It is not in Sent, which says nothing here.")

    async def part(self, key: str, part: str) -> AsyncIterator[bytes]:
        if (key, part) not in self._box.parts:
            raise Refused("It is gone.", provider_code="not-found")
        data = self._box.parts[key, part]
        for n in range(0, len(data), 1000):
            yield data[n : n + 1000]


@dataclass
class PostOffice:
    """A viewer with a letterbox, and the worker that carries the outbox out."""

    shop: Workshop
    household: Household
    account_id: str
    box: Box
    desk: Desk
    clock: Clock

    @property
    def server(self) -> Submission:
        return self.box.server

    async def send(self, compose: str, rest: str = "", *, key: str = "k-1", undo: int = 0, **variables: Any) -> Any:
        """The payload of sendMessage."""
        fields = "id subject text direction flags conversation { id } delivery { state sendAt undoableUntil attempts error { code message } }"
        call = f'sendMessage(input: {{ idempotencyKey: "{key}", compose: {{ {compose} }}, undoSeconds: {undo}, {rest} }})'
        errors = "errors { __typename code message field }"
        query = f"mutation {{ done: {call} {{ message {{ {fields} }} conversation {{ id subject }} {errors} feedCursor }} }}"
        return (await self.desk.ask(query, **variables))["done"]

    async def write(self, to: str = "ada@example.org", text: str = "Hello", *, key: str = "k-1", undo: int = 0) -> Any:
        """A new message that is accepted."""
        compose = f'newMessage: {{ accountId: "{self.account_id}", to: [{{ email: "{to}" }}], subject: "Hello" }}'
        done = await self.send(compose, f'text: "{text}"', key=key, undo=undo)
        assert done["errors"] == [], done
        return done["message"]

    async def undo(self, message_id: str) -> Any:
        query = "mutation($id: ID!) { undoSend(input: { messageId: $id }) { message { flags delivery { state } } errors { code field } } }"
        return (await self.desk.ask(query, id=message_id))["undoSend"]

    async def work(self) -> timedelta | None:
        kinds = {KIND: Sending(self.shop.accounts, self.shop.blobs)}
        return await writes.run(
            self.shop.accounts, self.household.database, self.clock, kinds, self.household.viewer, self.account_id
        )

    async def work_to_the_end(self) -> None:
        while (wait := await self.work()) is not None:
            self.clock.time += wait

    async def state(self, message_id: str) -> str:
        query = "query($id: ID!) { node(id: $id) { ... on Message { delivery { state } } } }"
        return str((await self.desk.ask(query, id=message_id))["node"]["delivery"]["state"])


@asynccontextmanager
async def post_office(household: Household, home: Path, server: Submission) -> AsyncIterator[PostOffice]:
    """A viewer who can write."""
    box = Box(server)

    def opened(session: Session) -> Adapter:
        return Letterbox(box, session)

    provider = Provider(
        key="letterbox",
        name="Letterbox",
        kind="MAIL",
        mode="MIRRORED",
        capabilities=frozenset({"SEND", "REPLY", "ATTACHMENTS"}),
        open=opened,
    )
    async with workshop(household.database, home, "127.0.0.0/8:*") as shop:
        clock = Clock()
        providers = {"letterbox": provider}
        shop.accounts = Accounts(
            database=household.database, vault=shop.vault, clock=clock, transport=shop.transport, providers=providers
        )
        account_id = await household.account("letterbox", ME, own=[ME])
        sealed = shop.vault.seal(
            msgspec.json.encode(SECRET), household.viewer, *accounts.PLACE[:1], account_id, accounts.PLACE[1]
        )

        def keep(conn: Connection, viewer: str) -> None:
            accounts.seal(conn, viewer, account_id, sealed)

        await household.database.write(household.viewer, keep)
        yield PostOffice(shop, household, account_id, box, Desk(household, clock=clock, providers=providers), clock)


def request_of(write: Write) -> bytes:
    """What the outbox holds of a message."""
    return write.request or b""
