"""Writes to networks: a row first, then done once, in order, whatever dies in between, and told in the feed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from gateway import writes
from gateway.accounts import Accounts
from gateway.writes import DONE, NOT_DONE, Note, Outcome
from providers import records
from providers.base import Adapter, Provider
from providers.errors import ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.http import Session
from store import leases, outbox
from store.feed import Recorder
from store.outbox import Write
from tests.asking import Clock, Desk, nodes
from tests.household import Household
from tests.workshop import Workshop, workshop


class Killed(BaseException):
    """The process ends here."""


class Board:
    """A network that keeps what is pinned to it, and can be told what to do next."""

    def __init__(self) -> None:
        self.pinned: list[str] = []
        self.before: list[ProviderError] = []  # said to the next writes, before anything happens
        self.cut: list[Callable[[], None]] = []  # called once a write has been taken and before it is told
        self.blind = 0  # how many questions it cannot answer

    async def profile(self) -> records.Profile:
        return records.Profile(user_id="board", label="board")

    def pages(self, cursor: bytes | None) -> AsyncIterator[records.Page]:
        raise NotImplementedError

    def pin(self, text: str) -> bool:
        """Takes it; False when the line is cut before it says so."""
        self.pinned.append(text)
        if self.cut:
            self.cut.pop(0)()
            return False
        return True


class Pinning:
    """A kind of write for the board."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.states: list[tuple[str, str]] = []

    async def carry_out(self, adapter: Adapter, viewer: str, write: Write, note: Note) -> Outcome:
        if self.board.before:
            raise self.board.before.pop(0)
        await note(b"about to pin")
        taken = self.board.pin((write.request or b"").decode())
        return DONE if taken else Outcome(verdict="DOUBT", evidence="The line was cut.")

    async def check(self, adapter: Adapter, viewer: str, write: Write) -> Outcome:
        assert write.step == b"about to pin"
        if self.board.blind:
            self.board.blind -= 1
            return Outcome(verdict="DOUBT", evidence="The board is hidden.")
        return DONE if (write.request or b"").decode() in self.board.pinned else NOT_DONE

    def moved(self, conn: Connection, viewer: str, write: Write, recorder: Recorder, now: Any) -> None:
        self.states.append(((write.request or b"").decode(), write.state))


class Office:
    """One viewer with an account at the board."""

    def __init__(self, shop: Workshop, household: Household, account_id: str, board: Board, clock: Clock) -> None:
        self.shop, self.household, self.account_id, self.board, self.clock = shop, household, account_id, board, clock
        self.kind = Pinning(board)

    async def pin(self, text: str, *, lane: str | None = None, after: float = 0, key: str | None = None) -> str:
        now = self.clock.now()

        def add(conn: Connection, viewer: str) -> str:
            return outbox.add(
                conn, viewer, account_id=self.account_id, kind="pin", mutation="pinNote", node_ids=["m_1", "m_2"],
                request=text.encode(), now=now, key=key, lane=lane, starts_at=now + timedelta(seconds=after),
            )  # fmt: skip

        return await self.household.database.write(self.household.viewer, add)

    async def work(self) -> timedelta | None:
        return await writes.run(
            self.shop.accounts, self.household.database, self.clock, {"pin": self.kind}, self.household.viewer, self.account_id
        )

    async def work_to_the_end(self) -> None:
        while (wait := await self.work()) is not None:
            self.clock.time += wait

    async def write(self, write_id: str) -> Write:
        found = await self.household.database.read(self.household.viewer, outbox.get, write_id)
        assert found is not None
        return found


@pytest.fixture
async def office(household: Household, tmp_path: Path) -> AsyncIterator[Office]:
    board = Board()

    def opened(session: Session) -> Adapter:
        return board

    async with workshop(household.database, tmp_path) as shop:
        clock = Clock()
        provider = Provider(key="board", name="Board", kind="NOTES", mode="MIRRORED", capabilities=frozenset(), open=opened)
        accounts = Accounts(
            database=household.database, vault=shop.vault, clock=clock, transport=shop.transport, providers={"board": provider}
        )
        shop.accounts = accounts
        yield Office(shop, household, await household.account("board", "robin"), board, clock)


async def test_a_write_is_done_once_and_the_feed_says_so_with_its_key(office: Office) -> None:
    head = await office.household.head()
    write_id = await office.pin("milk", key="k-1")
    assert await office.work() is None
    assert office.board.pinned == ["milk"]
    done = await office.write(write_id)
    assert (done.state, done.attempts, done.request) == ("DONE", 1, None)
    (told,) = await office.household.changes(head)
    assert (told.op, told.node_id, told.names, told.reason) == ("SETTLE", write_id, ("m_1", "m_2"), "DONE")
    assert (told.fields, told.idempotency_key, told.account_id) == (("pinNote",), "k-1", office.account_id)
    assert [state for _, state in office.kind.states] == ["RUNNING", "DONE"]


async def test_a_write_asks_for_the_accounts_job_no_earlier_than_it_may_leave(office: Office) -> None:
    await office.pin("later", after=20)
    (job,) = await office.household.database.system_read(leases.listed, kind="write")
    assert (job.subject, job.due) == (office.account_id, office.clock.now() + timedelta(seconds=20))
    assert await office.work() == timedelta(seconds=20)
    assert office.board.pinned == []
    await office.work_to_the_end()
    assert office.board.pinned == ["later"]


async def test_writes_leave_in_the_order_in_which_they_were_accepted(office: Office) -> None:
    for n in range(12):
        await office.pin(f"{n}")
    await office.work()
    assert office.board.pinned == [f"{n}" for n in range(12)]


async def test_who_waits_holds_up_its_own_lane_only(office: Office) -> None:
    office.board.before = [Unavailable("away")]
    await office.pin("one", lane="shelf")
    await office.pin("two", lane="shelf")
    await office.pin("three")
    await office.work()
    assert office.board.pinned == ["three"]
    await office.work_to_the_end()
    assert office.board.pinned == ["three", "one", "two"]


async def test_what_the_network_refuses_is_refused_at_once_and_told_with_the_reason(office: Office) -> None:
    office.board.before = [Refused("The board is full.", provider_code="full")]
    write_id = await office.pin("milk")
    await office.work_to_the_end()
    refused = await office.write(write_id)
    assert refused.state == "REFUSED"
    assert refused.trouble == outbox.Trouble(code="PROVIDER_REFUSED", message="The board is full.", provider_code="full")
    assert office.board.pinned == []
    assert office.kind.states[-1] == ("milk", "REFUSED")


async def test_a_network_that_is_away_is_asked_again_for_days_and_then_given_up(office: Office) -> None:
    office.board.before = [Unavailable("The board is away.") for _ in range(1000)]
    write_id = await office.pin("milk")
    await office.work()
    waiting = await office.write(write_id)
    assert (waiting.state, waiting.attempts) == ("QUEUED", 1)
    began = office.clock.now()
    await office.work_to_the_end()
    assert (await office.write(write_id)).state == "REFUSED"
    assert writes.PATIENCE <= office.clock.now() - began < writes.PATIENCE + timedelta(hours=2)
    assert (await office.write(write_id)).attempts < 200


@pytest.mark.parametrize("error", [RateLimited("slowly"), ReauthRequired("sign in again")])
async def test_a_network_that_wants_us_to_wait_is_left_alone_with_everything(office: Office, error: ProviderError) -> None:
    office.board.before = [error]
    await office.pin("one")
    await office.pin("two")
    wait = await office.work()
    assert wait == timedelta(seconds=writes.AGAIN[0])
    assert office.board.pinned == []
    office.clock.time += wait
    await office.work_to_the_end()
    assert office.board.pinned == ["one", "two"]


async def test_after_a_cut_the_network_is_asked_and_what_it_has_is_not_sent_again(office: Office) -> None:
    office.board.cut = [lambda: None]
    write_id = await office.pin("milk")
    await office.work()
    assert (await office.write(write_id)).state == "CHECKING"
    await office.work_to_the_end()
    assert office.board.pinned == ["milk"]
    assert (await office.write(write_id)).state == "DONE"


async def test_after_a_cut_what_the_network_does_not_have_is_sent_again(office: Office) -> None:
    office.board.cut = [office.board.pinned.clear]
    write_id = await office.pin("milk")
    await office.work_to_the_end()
    assert office.board.pinned == ["milk"]
    assert (await office.write(write_id)).attempts == 2


async def test_what_nobody_can_say_is_unconfirmed_and_never_sent_again(office: Office) -> None:
    office.board.cut, office.board.blind = [lambda: None], 1000
    head = await office.household.head()
    write_id = await office.pin("milk")
    await office.work_to_the_end()
    doubtful = await office.write(write_id)
    assert (doubtful.state, doubtful.checks) == ("UNCONFIRMED", len(writes.CHECKS))
    assert doubtful.trouble is not None
    assert doubtful.trouble.message == "The board is hidden."
    assert office.board.pinned == ["milk"]
    assert [c.reason for c in await office.household.changes(head)] == ["UNCONFIRMED"]
    assert await office.work() is None


async def test_a_process_that_dies_before_the_step_that_counts_does_it_again(office: Office) -> None:
    write_id = await office.pin("milk")
    await office.household.database.write(office.household.viewer, outbox.begin, office.account_id, office.clock.now())
    assert (await office.write(write_id)).state == "RUNNING"  # and nobody is left who runs
    await office.work()
    assert office.board.pinned == ["milk"]
    assert (await office.write(write_id)).attempts == 2


async def test_a_process_that_dies_after_the_step_that_counts_leaves_a_question(office: Office) -> None:
    def die() -> None:
        raise Killed

    office.board.cut = [die]
    write_id = await office.pin("milk")
    with pytest.raises(Killed):
        await office.work()
    assert (await office.write(write_id)).state == "RUNNING"
    await office.work_to_the_end()
    assert office.board.pinned == ["milk"]
    done = await office.write(write_id)
    assert (done.state, done.attempts, done.checks) == ("DONE", 1, 1)


async def test_a_worker_that_lost_its_write_says_nothing_of_it_any_more(office: Office) -> None:
    database, viewer = office.household.database, office.household.viewer
    write_id = await office.pin("milk")
    mine = await database.write(viewer, outbox.begin, office.account_id, office.clock.now())
    theirs = await database.write(viewer, outbox.begin, office.account_id, office.clock.now())
    assert mine is not None and theirs is not None
    assert not await database.write(viewer, outbox.note, mine, b"step")
    assert await database.write(viewer, outbox.note, theirs, b"step")

    def settle(conn: Connection, viewer: str, write: Write) -> bool:
        return outbox.settle(conn, viewer, write, "DONE", None, Recorder(office.clock.now()), office.clock.now())

    assert not await database.write(viewer, settle, mine)
    assert (await office.write(write_id)).state == "RUNNING"


async def test_what_has_not_left_can_be_taken_back_and_nothing_else(office: Office) -> None:
    database, viewer = office.household.database, office.household.viewer
    held = await office.pin("held", after=10)
    gone = await office.pin("gone")
    await office.work()
    assert await database.write(viewer, outbox.cancel, held, office.clock.now())
    assert not await database.write(viewer, outbox.cancel, gone, office.clock.now())
    await office.work_to_the_end()
    assert office.board.pinned == ["gone"]
    assert (await office.write(held)).state == "CANCELLED"


async def test_a_paused_account_keeps_its_writes_until_it_goes_on(office: Office) -> None:
    await office.pin("milk")
    desk = Desk(office.household, clock=office.clock, providers=office.shop.accounts.providers)
    pause = "mutation($id: ID!, $p: Boolean!) { updateAccount(input: { accountId: $id, paused: $p }) { errors { message } } }"
    await desk.ask(pause, id=office.account_id, p=True)
    assert await office.work() is None
    assert office.board.pinned == []
    await desk.ask(pause, id=office.account_id, p=False)
    assert await office.household.database.system_read(leases.pending, office.household.viewer, "write") is not None
    await office.work_to_the_end()
    assert office.board.pinned == ["milk"]


async def test_writes_go_with_their_account(office: Office) -> None:
    write_id = await office.pin("milk")
    await office.household.forget(office.account_id)
    assert await office.household.database.read(office.household.viewer, outbox.get, write_id) is None


async def test_clients_see_what_waits_why_and_how_it_ended(office: Office) -> None:
    desk = Desk(office.household, clock=office.clock)
    office.board.before = [Unavailable("The board is away.")]
    await office.pin("one", key="k-1")
    await office.pin("two", after=30)
    await office.work()
    listing = """{ viewer { accounts { edges { node { writes(first: 1) { totalCount pageInfo { hasNextPage endCursor } edges { node {
        id mutation idempotencyKey state nodeIds attempts retryAt createdAt error { code message } } } } } } } feed { head } } }"""
    viewer = (await desk.ask(listing))["viewer"]
    (account,) = nodes(viewer["accounts"])
    (waiting,) = nodes(account["writes"])
    assert (account["writes"]["totalCount"], account["writes"]["pageInfo"]["hasNextPage"]) == (2, True)
    assert (waiting["mutation"], waiting["state"], waiting["attempts"]) == ("pinNote", "QUEUED", 1)
    assert waiting["error"] == {"code": "PROVIDER_UNAVAILABLE", "message": "The board is away."}
    assert waiting["retryAt"] is not None
    office.board.before = [Refused("Too late.")]
    await office.work_to_the_end()
    settled = """query($since: Cursor) { viewer { changes(since: $since) { edges { node { idempotencyKey ... on WriteSettled {
        mutation state nodeIds error { code message } } } } } } }"""
    told = [c for c in nodes((await desk.ask(settled, since=viewer["feed"]["head"]))["viewer"]["changes"]) if "state" in c]
    assert [(c["idempotencyKey"], c["state"], c["nodeIds"]) for c in told] == [
        ("k-1", "REFUSED", ["m_1", "m_2"]),
        (None, "DONE", ["m_1", "m_2"]),
    ]
    assert told[0]["error"] == {"code": "PROVIDER_REFUSED", "message": "Too late."}
    node = "query($id: ID!) { node(id: $id) { ... on PendingWrite { state } } }"
    assert (await desk.ask(node, id=waiting["id"]))["node"] == {"state": "REFUSED"}


async def test_another_viewer_sees_no_write(office: Office) -> None:
    write_id = await office.pin("milk")
    other = Desk(await Household.open(office.household.database, "u_eve"), clock=office.clock)
    node = "query($id: ID!) { node(id: $id) { id } }"
    assert (await other.ask(node, id=write_id))["node"] is None
