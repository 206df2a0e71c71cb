"""The outbox carried out: one run of the leased job `write` for one account, write after write.

A kind of write says how it is carried out at an opened account, how to find out after a crash or a cut whether it took place, and
what a new state of it means here (a refused one is undone). When it is tried again, when somebody gives up and what is in doubt is
decided here for all kinds. The states are drawn in store/outbox.py. An error of `providers/errors.py` that leaves a kind always
means: it certainly did not take place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

import msgspec
import structlog
from sqlalchemy import Connection

from gateway.accounts import Accounts
from providers.base import Adapter
from providers.errors import Conflict, ForbiddenAddress, Malformed, ProviderError, RateLimited, ReauthRequired, Refused
from store import outbox
from store.database import Database
from store.feed import Recorder
from store.outbox import Trouble, Write

log = structlog.get_logger()

AGAIN: Final = (5, 15, 60, 300, 900, 3600)  # seconds before the second, third, … attempt
CHECKS: Final = (2, 10, 30, 120, 600, 3600)  # seconds before the first, second, … question whether it took place
PATIENCE: Final = timedelta(days=4)  # RFC 5321 §4.5.4.1: so long a message is tried at the least


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a write: DONE, NOT_DONE (only a check can tell), or DOUBT; `evidence` is a sentence for people.

    `told` is what the network said of it that the kind wants to see again when it is settled, as the `step` of the write.
    """

    verdict: Literal["DONE", "NOT_DONE", "DOUBT"]
    evidence: str = ""
    told: bytes | None = None


DONE: Final = Outcome(verdict="DONE")
NOT_DONE: Final = Outcome(verdict="NOT_DONE")
Note = Callable[[bytes], Awaitable[None]]


class Kind(Protocol):
    """One kind of write, found by `Write.kind`."""

    async def carry_out(self, adapter: Adapter, viewer: str, write: Write, note: Note) -> Outcome:
        """Do it at the network. `await note(step)` before the first step that must not happen twice.

        Answers DONE, or DOUBT when the line was cut after that step. Raises ProviderError when it certainly did not take
        place: Refused and Malformed for good, the others for now.
        """
        ...

    async def check(self, adapter: Adapter, viewer: str, write: Write) -> Outcome:
        """Whether it took place, after `write.step` was noted: DOUBT while nobody can say. Raises ProviderError."""
        ...

    def moved(self, conn: Connection, viewer: str, write: Write, recorder: Recorder, now: datetime) -> None:
        """The write is in a new state: what that means here, in the same transaction. REFUSED is undone."""
        ...


class Clock(Protocol):
    def now(self) -> datetime: ...


class TakenUp(Exception):
    """Somebody else has taken the write up: stop at once, and say nothing of it any more."""


async def run(
    opener: Accounts, database: Database, clock: Clock, kinds: Mapping[str, Kind], viewer: str, account_id: str
) -> timedelta | None:
    """Carry out what is due of one account. Returns how long until something is due again; None when nothing is open."""
    run = _Run(opener, database, clock, kinds, viewer, account_id)
    if not await database.read(viewer, outbox.writable, account_id):
        return None  # whoever lets the account go on asks for the job again (outbox.wake)
    pause: datetime | None = None
    while pause is None and (write := await run.begin()) is not None:
        pause = await run.one(write)
    due = await database.read(viewer, outbox.next_due, account_id)
    if due is None:
        return None
    return max(timedelta(0), max(due, pause or due) - clock.now())


class _Run:
    def __init__(
        self, opener: Accounts, database: Database, clock: Clock, kinds: Mapping[str, Kind], viewer: str, account_id: str
    ) -> None:
        self._opener = opener
        self._database = database
        self._clock = clock
        self._kinds = kinds
        self._viewer = viewer
        self._account_id = account_id
        self._adapter: Adapter | None = None

    async def begin(self) -> Write | None:
        now = self._clock.now()

        def take(conn: Connection, viewer: str) -> Write | None:
            write = outbox.begin(conn, viewer, self._account_id, now)
            if write is not None:
                self._moved(conn, write, now)
            return write

        return await self._database.write(self._viewer, take)

    async def one(self, write: Write) -> datetime | None:
        """Carry out or check one write. Returns until when the whole account has to wait, if it has."""
        kind = self._kinds.get(write.kind)
        if kind is None:
            text = f"No worker here knows writes of kind {write.kind}."
            await self._settle(write, "REFUSED", Trouble(code="UNSUPPORTED", message=text))
            return None
        try:
            if self._adapter is None:
                self._adapter = await self._opener.open(self._viewer, self._account_id)
            if write.state == "CHECKING":
                outcome = await kind.check(self._adapter, self._viewer, write)
            else:
                outcome = await kind.carry_out(self._adapter, self._viewer, write, self._noting(write))
        except TakenUp:
            log.warning("a write was taken up by another worker", write=write.id)
            return None
        except ProviderError as error:
            return await self._failed(write, error)
        await self._concluded(write, outcome)
        return None

    def _noting(self, write: Write) -> Note:
        async def note(step: bytes) -> None:
            if not await self._database.write(self._viewer, outbox.note, write, step):
                raise TakenUp

        return note

    async def _concluded(self, write: Write, outcome: Outcome) -> None:
        now = self._clock.now()
        if outcome.verdict == "DONE":
            await self._settle(write, "DONE", None, outcome.told)
        elif outcome.verdict == "NOT_DONE":
            await self._postpone(write, now, None, doubt=False)
        elif write.checks >= len(CHECKS):
            await self._settle(write, "UNCONFIRMED", Trouble(code="PROVIDER_UNAVAILABLE", message=outcome.evidence))
        else:
            trouble = Trouble(code="PROVIDER_UNAVAILABLE", message=outcome.evidence)
            await self._postpone(write, now + timedelta(seconds=CHECKS[write.checks]), trouble, doubt=True)

    async def _failed(self, write: Write, error: ProviderError) -> datetime | None:
        now = self._clock.now()
        doubt = write.state == "CHECKING"
        trouble = trouble_of(error)
        over = now - write.starts_at >= PATIENCE
        if doubt and over:
            await self._settle(write, "UNCONFIRMED", trouble)
            return None
        if not doubt and (over or isinstance(error, Refused | Malformed)):
            await self._settle(write, "REFUSED", trouble)
            return None
        tries = write.checks if doubt else write.attempts
        again = now + timedelta(seconds=AGAIN[min(tries, len(AGAIN)) - 1])
        due = max(again, error.retry_at or again)
        await self._postpone(write, due, trouble, doubt=doubt)
        return due if isinstance(error, RateLimited | ReauthRequired) else None

    async def _postpone(self, write: Write, due: datetime, trouble: Trouble | None, *, doubt: bool) -> None:
        now = self._clock.now()

        def change(conn: Connection, viewer: str) -> None:
            if outbox.postpone(conn, viewer, write, now, due, trouble, doubt=doubt):
                later = outbox.get(conn, viewer, write.id)
                assert later is not None
                self._moved(conn, later, now)

        await asyncio.shield(self._database.write(self._viewer, change))

    async def _settle(self, write: Write, state: outbox.State, trouble: Trouble | None, told: bytes | None = None) -> None:
        now = self._clock.now()

        def change(conn: Connection, viewer: str) -> None:
            recorder = Recorder(now, account_id=self._account_id)
            if outbox.settle(conn, viewer, write, state, trouble, recorder, now, told=told):
                settled = outbox.get(conn, viewer, write.id)
                assert settled is not None
                self._moved(conn, settled, now, recorder)

        await asyncio.shield(self._database.write(self._viewer, change))
        log.info("a write is settled", write=write.id, mutation=write.mutation, state=state)

    def _moved(self, conn: Connection, write: Write, now: datetime, recorder: Recorder | None = None) -> None:
        recorder = recorder or Recorder(now, account_id=self._account_id, key=write.idempotency_key)
        if (kind := self._kinds.get(write.kind)) is not None:
            kind.moved(conn, self._viewer, write, recorder, now)
        recorder.flush(conn, self._viewer)


def trouble_of(error: ProviderError) -> Trouble:
    """An error of a network as the caller's mistakes are told."""
    code = "PROVIDER_UNAVAILABLE"
    if isinstance(error, ReauthRequired):
        code = "REAUTH_REQUIRED"
    elif isinstance(error, ForbiddenAddress):
        code = "FORBIDDEN_ADDRESS"
    elif isinstance(error, Conflict):
        code = "CONFLICT"
    elif isinstance(error, Refused | Malformed):
        code = "PROVIDER_REFUSED"
    return Trouble(code=code, message=error.message, provider_code=error.provider_code)
