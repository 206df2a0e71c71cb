"""Edits, deletions and reactions of which nobody could say whether the network took them, on both databases: what it shows later settles them.

Kith ─▶ line ─▶ Synapse        the line loses each answer; the process dies once when the request is there
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from gateway import writes
from gateway.kinds import kinds
from providers import records
from providers.session import Secret
from store import outbox
from tests.asking import Clock, nodes
from tests.chaos.mixed_networks import Forward
from tests.chat_servers import Matrix, MatrixUser
from tests.gateway.rooms import ask
from tests.gateway.test_correcting import DELETE, EDIT, SHOWN
from tests.gateway.test_matrix_sending import REACT
from tests.household import Household
from tests.providers.stub_http import Answer, Request, running
from tests.workshop import Workshop, workshop


class Line(Forward):
    """What lies before the server: while it is `lossy`, no answer to what is told comes back; what is told while it is `dead` does not
    arrive either.
    """

    lossy = dead = False
    taken: Callable[[], object] | None = None  # done once, when something has arrived

    def answer(self, request: Request) -> Answer:
        found = Answer() if self.dead and request.method == "PUT" else super().answer(request)
        if (self.lossy or self.dead) and request.method == "PUT":
            found.cut = True
            if self.taken is not None:
                self.taken()
                self.taken = None
        return found


@dataclass
class Room:
    """Ada's Kith, behind the line, and Bob, with whom she has a room."""

    shop: Workshop
    household: Household
    account_id: str
    line: Line
    clock: Clock
    bob: MatrixUser
    room: str

    async def messages(self) -> dict[str | None, Any]:
        (room,) = nodes((await ask(self.shop, self.household, SHOWN))["viewer"]["conversations"])
        return {message["text"]: message for message in nodes(room["messages"])}

    async def told(self) -> dict[str, records.Message]:
        """The messages as the server tells them to whoever comes anew."""
        adapter = await self.shop.accounts.open(self.household.viewer, self.account_id)
        rows = [row async for page in adapter.pages(None) for row in page.rows]
        return {row.item.text: row.item for row in rows if isinstance(row.item, records.Message)}

    async def once(self) -> timedelta | None:
        made = kinds(self.shop.accounts, self.shop.blobs)
        return await writes.run(
            self.shop.accounts, self.household.database, self.clock, made, self.household.viewer, self.account_id
        )

    async def dies(self) -> None:
        """One run of the outbox, whose process ends when the server has what it was told."""
        working = asyncio.ensure_future(self.once())
        self.line.taken = working.cancel
        with contextlib.suppress(asyncio.CancelledError):
            await working
        assert self.line.taken is None

    async def wait(self) -> None:
        """For as long as anybody tries, with a look every few hours."""
        while (wait := await self.once()) is not None:
            self.clock.time += max(wait, timedelta(hours=8))

    async def ends(self, since: int) -> list[str | None]:
        return [c.reason for c in await self.household.changes(since) if c.op == "SETTLE"]


@asynccontextmanager
async def opened(household: Household, server: Matrix, home: Path) -> AsyncIterator[Room]:
    ada, bob = server.new_user("ada"), server.new_user("bob")
    room = bob.create_room(ada, name="Boat club")
    bob.send(room, "Lunch?")
    ada.send(room, "The boat is ready")
    ada.send(room, "Never mind")
    clock, line = Clock(), Line(server.url, ada)
    async with (
        running(line) as url,
        workshop(household.database, home, f"127.0.0.1/32:{urlsplit(url).port}", clock=clock) as shop,
    ):
        account_id = await shop.link(household.viewer, "matrix", url, Secret(access_token=ada.token))
        yield Room(shop, household, account_id, line, clock, bob, room)


async def test_what_got_no_answer_for_days_is_done_when_a_sync_shows_it(
    household: Household, synapse_server: Matrix, tmp_path: Path
) -> None:
    async with opened(household, synapse_server, tmp_path) as at:
        before = await at.messages()
        for query, named in (
            (EDIT, {"id": before["The boat is ready"]["id"], "text": "The boat sails"}),
            (DELETE, {"id": before["Never mind"]["id"], "all": True}),
            (REACT, {"id": before["Lunch?"]["id"], "emoji": "👍"}),
        ):
            last, head = await at.messages(), await household.head()
            at.line.lossy = True
            await ask(at.shop, household, query, **named)
            await at.dies()
            await at.wait()
            assert await at.ends(head) == ["UNCONFIRMED"]
            assert await at.messages() == last  # what the server last said
            at.line.lossy = False
            at.clock.time += timedelta(hours=1)  # a server that never answers is left alone for a while
            head = await household.head()
            await at.shop.sync(household.viewer, at.account_id)
            assert await at.ends(head) == ["DONE"]
        shown = await at.messages()
        assert {text for text in shown if text} == {"Lunch?", "The boat sails"}
        assert shown["Lunch?"]["reactions"] == [{"emoji": "👍", "viewer": True}]
        edits = [e for e in at.bob.timeline(at.room) if "m.new_content" in e["content"]]
        assert len(edits) == 1  # tried for days, done once
        head = await household.head()
        await at.shop.sync(household.viewer, at.account_id)
        assert await at.ends(head) == []


async def test_what_got_no_answer_for_days_can_be_done_again_when_a_sync_shows_what_was_there_before(
    household: Household, synapse_server: Matrix, tmp_path: Path
) -> None:
    async with opened(household, synapse_server, tmp_path) as at:
        told = await at.told()
        before = await at.messages()
        head = await household.head()
        at.line.dead = True
        edited, deleted, liked = (before[text]["id"] for text in ("The boat is ready", "Never mind", "Lunch?"))
        await ask(at.shop, household, EDIT, id=edited, text="The boat sails")
        await ask(at.shop, household, DELETE, id=deleted, all=True)
        await ask(at.shop, household, REACT, id=liked, emoji="👍")
        await at.wait()
        assert await at.ends(head) == ["UNCONFIRMED"] * 3
        as_it_was = [
            told["The boat is ready"], told["Never mind"], msgspec.structs.replace(told["Lunch?"], reactions=()),
        ]  # fmt: skip
        head = await household.head()
        household.now = at.clock.now()  # at once: it may have been read before the last attempt
        await household.take(at.account_id, *as_it_was)
        assert await at.ends(head) == []
        household.now = at.clock.now() + timedelta(hours=1)
        other = msgspec.structs.replace(as_it_was[0], text="The boat leaks", edited_at=household.now)
        await household.take(at.account_id, other)  # somebody else's: it says nothing of ours
        assert await at.ends(head) == []
        await household.take(at.account_id, *as_it_was)
        assert await at.ends(head) == ["REFUSED"] * 3
        settled = [c.node_id for c in await household.changes(head) if c.op == "SETTLE"]
        kept = await household.database.read(household.viewer, outbox.by_id, settled)
        said = sorted(write.trouble.message for write in kept.values() if write.trouble is not None)
        assert [text.rpartition(": ")[2] for text in said] == [
            "delete the message again.",
            "edit the message again.",
            "react again.",
        ]
        at.line.dead = False
        head = await household.head()
        await ask(at.shop, household, DELETE, id=deleted, all=True)  # as it says
        await at.wait()
        assert await at.ends(head) == ["DONE"]
