"""Mirror or live: which accounts answer a list, how fresh they are, and the content of what is only read live.

Keys of everything seen live stand in the store beside what is mirrored (same tables, `live` set, no content), so lists are
paged by one keyset query over both. Before the query, `refresh` asks the live accounts, within the operation's deadline, to
bring the store's keys up to what the page needs; afterwards `head_of` and `message_of` give the content of live rows
from the cache or from the network. Trouble with an account is a `SourceReport`, never an exception.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from providers import records
from resolvers.operation import Operation

SourceState = Literal["FRESH", "STALE", "REFRESHING", "SYNCING", "TIMED_OUT", "RATE_LIMITED", "BUDGET_SPENT", "REAUTH_REQUIRED",
                      "UNAVAILABLE", "UNSUPPORTED"]  # fmt: skip


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """The contract's Freshness input."""

    max_age_seconds: int = 300
    deadline_ms: int = 1500
    max_provider_calls: int | None = None
    at_least: int | None = None  # feed position


class SourceReport(msgspec.Struct, frozen=True, kw_only=True):
    """How one account answered; becomes SourceStatus."""

    account_id: str
    state: SourceState
    served_from: Literal["MIRROR", "CACHE", "LIVE"] | None = None
    as_of: datetime | None = None
    oldest: datetime | None = None
    retry_at: datetime | None = None
    message: str | None = None


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What `refresh` did: one report an account asked, and the live accounts whose rows must not be shown (no answer)."""

    reports: tuple[SourceReport, ...] = ()
    silent_accounts: frozenset[str] = frozenset()
    complete: bool = True


async def stored(operation: Operation, freshness: Freshness, account_ids: frozenset[str] | None = None) -> Answered:
    """For lists that always read the store (people, contacts, search): how fresh each account's part is."""
    raise AssertionError("replaced in the next commit")


async def refresh_conversations(
    operation: Operation,
    freshness: Freshness,
    *,
    account_ids: frozenset[str] | None = None,
    person_id: str | None = None,
    before: datetime | None = None,
    count: int = 50,
) -> Answered:
    """Bring the keys of live conversations up to date, at least `count` of them older than `before` (now when None)."""
    raise AssertionError("replaced in the next commit")


async def refresh_messages(operation: Operation, freshness: Freshness, conversation_ids: list[str]) -> Answered:
    """Bring the keys of the messages of live conversations up to date; mirrored conversations cost nothing."""
    raise AssertionError("replaced in the next commit")


async def refresh_timeline(operation: Operation, freshness: Freshness, person_id: str | None, count: int) -> Answered:
    """Bring the keys of live messages with a person (or anybody) up to date."""
    raise AssertionError("replaced in the next commit")


async def head_of(operation: Operation, conversation_id: str) -> records.ConversationHead | None:
    """The content of a live conversation; None when its network does not answer in time."""
    raise AssertionError("replaced in the next commit")


async def message_of(operation: Operation, message_id: str) -> records.Message | None:
    """The content of a live message; None when its network does not answer in time."""
    raise AssertionError("replaced in the next commit")
