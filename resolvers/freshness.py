"""How fresh a list is that reads the store: asked once an operation, told for each list that needs it.

An account belongs to a list when its network has such items at all: an address book is nobody's missing mail.
"""

from __future__ import annotations

from typing import Final

from providers.base import Capability
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


async def having(operation: Operation, answered: Answered, *capabilities: Capability) -> Answered:
    """Only what accounts with any of the capabilities answered."""
    reports = []
    networks = {account.id: account.provider for account in await sources.linked(operation)}
    for report in answered.reports:
        provider = operation.services.providers.get(networks.get(report.account_id, ""))
        if provider is None or not provider.capabilities.isdisjoint(capabilities):
            reports.append(report)
    if len(reports) == len(answered.reports):
        return answered
    return Answered(
        reports=tuple(reports),
        silent_accounts=answered.silent_accounts,
        complete=all(r.state in WHOLE and r.served_from is not None for r in reports),
    )
