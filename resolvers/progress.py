"""Following long work: synchronisation, imports and linking, at most twice a second; not part of the change feed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from sqlalchemy import Connection, select

from resolvers import accounts, imports
from resolvers.accounts import SyncProgress
from resolvers.imports import Import
from resolvers.linking import LinkSession
from resolvers.operation import Operation
from resolvers.refusals import Refusal
from store.tables import account

PACE: Final = 0.5  # seconds between two events
ENDED: Final = frozenset({"DONE", "FAILED", "CANCELLED", "EXPIRED"})
LINKED: Final = frozenset({"LINKED", "FAILED", "EXPIRED", "CANCELLED"})


async def syncs(operation: Operation, account_id: str | None) -> AsyncIterator[SyncProgress]:
    """The progress of one or all accounts whenever it moves. Ends when the credential is revoked."""
    told: dict[str, SyncProgress] = {}
    if account_id is not None and await accounts.get(operation, account_id) is None:
        raise Refusal("UNKNOWN_NODE", "there is no such account; read the list of accounts again")
    while await operation.alive():
        for progress in await operation.read(_running, account_id):
            key = progress.account_id or ""
            if told.get(key) != progress:
                told[key] = progress
                operation.renew()
                yield progress
        await operation.services.clock.sleep(PACE)


def _running(conn: Connection, viewer: str, account_id: str | None) -> list[SyncProgress]:
    query = select(account).where(account.c.viewer_id == viewer, account.c.phase.is_not(None)).order_by(account.c.id)
    if account_id is not None:
        query = query.where(account.c.id == account_id)
    shown = [accounts.of_row(row) for row in conn.execute(query)]
    return [one.progress for one in shown if one.progress is not None]


async def import_run(operation: Operation, import_id: str) -> AsyncIterator[Import]:
    """An import whenever it moves, until it has ended."""
    told: Import | None = None
    while await operation.alive():
        shown: Any = (await operation.read(imports.by_id, [import_id])).get(import_id)
        if shown is None:
            raise Refusal("UNKNOWN_NODE", "there is no such import; read the list of imports again")
        if shown != told:
            told = shown
            operation.renew()
            yield shown
        if shown.state in ENDED:
            return
        await operation.services.clock.sleep(PACE)


async def link(operation: Operation, link_id: str) -> AsyncIterator[LinkSession]:
    """A link session at each of its steps, until it has ended."""
    linking = operation.services.linking
    told: LinkSession | None = None
    while await operation.alive():
        shown = None if linking is None else await linking.get(operation.viewer, link_id)
        if shown is None:
            raise Refusal("UNKNOWN_NODE", "there is no such link session; begin to link again")
        if shown != told:
            told = shown
            operation.renew()
            yield shown
        if shown.state in LINKED:
            return
        await operation.services.clock.sleep(PACE)
