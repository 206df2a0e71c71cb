"""How fresh a list is that reads the store: asked once an operation, told for each list that needs it."""

from __future__ import annotations

from typing import Final

from resolvers import sources
from resolvers.loaders import once
from resolvers.operation import Operation
from resolvers.sources import Answered, Freshness

WHOLE: Final = frozenset({"FRESH", "STALE", "REFRESHING"})  # nothing older is missing


async def stored(operation: Operation, fresh: Freshness, account_ids: frozenset[str] | None = None) -> Answered:
    """What `sources.stored` says of these accounts (all of them when None)."""
    answered = await once(operation, ("stored", fresh), lambda: sources.stored(operation, fresh))
    if account_ids is None:
        return answered
    reports = tuple(r for r in answered.reports if r.account_id in account_ids)
    return Answered(
        reports=reports,
        silent_accounts=answered.silent_accounts & account_ids,
        complete=all(r.state in WHOLE for r in reports),
    )
