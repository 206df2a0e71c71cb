"""`kith doctor --verify`: an account's ids compared with what its network lists, what differs repaired, and the ledger read out.

The comparison is the account's own sync, asked for it (`gateway/sync.py`); here it is only waited for and told.
"""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import Connection, select

from gateway import worker as working
from gateway.settle import settle
from store import accounts, leases
from store.tables import container

ABLE: Final = ("ACTIVE", "DEGRADED")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A container as the network states it and as it is stored, before and after the comparison."""

    kind: str
    container: str
    expected: int | None
    before: int
    stored: int

    @property
    def agrees(self) -> bool:
        """Whether nothing is missing and nothing is too much."""
        return self.expected is None or self.expected == self.stored


class CannotVerify(Exception):
    """The account cannot be compared; the message says why and what to do."""


async def verify(installation: working.Pieces, viewer: str, account_id: str) -> list[Line]:
    """Compare one account and repair it. Raises CannotVerify, and JobDead when its sync was given up."""
    database, now = installation.database, installation.clock.now()
    found = await database.read(viewer, accounts.get, account_id)
    provider = None if found is None else installation.providers.get(found.provider)
    if found is None or provider is None or provider.open is None or not provider.follows(found.base_url):
        raise CannotVerify("It was imported from files: import them again to compare.")
    if found.status not in ABLE:
        raise CannotVerify(f"It is {found.status.replace('_', ' ').lower()}: {found.status_reason or 'let it go on first'}.")
    before = await database.read(viewer, _ledger, account_id)

    def ask(conn: Connection, viewer: str) -> None:
        accounts.ask_to_verify(conn, viewer, account_id)
        leases.enqueue(conn, viewer, "sync", account_id, now)

    await database.write(viewer, ask)
    await settle(working.of(installation), viewer, [("sync", account_id), ("identity", viewer)])
    after = await database.read(viewer, _ledger, account_id)
    return [
        Line(kind=kind, container=name, expected=expected, before=before.get((kind, name), (None, 0))[1], stored=stored)
        for (kind, name), (expected, stored) in after.items()
    ]


def _ledger(conn: Connection, viewer: str, account_id: str) -> dict[tuple[str, str], tuple[int | None, int]]:
    mine = container.c
    rows = conn.execute(
        select(mine.kind, mine.name, mine.expected, mine.stored)
        .where(mine.viewer_id == viewer, mine.account_id == account_id).order_by(mine.kind, mine.name)
    )  # fmt: skip
    return {(row.kind, row.name): (row.expected, row.stored) for row in rows}
