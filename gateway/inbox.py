"""What networks that call have told an account, and the sealed half of the address at which they do.

An adapter whose network tells nothing twice reads here what the hooks kept (`providers/session.py`, `Inbox`). Knows nothing of HTTP.
"""

from __future__ import annotations

import msgspec

from providers.session import Kept
from store import kept_calls, push_routes
from store.database import Database
from store.push_routes import PLACE
from store.vault import SealBroken, Vault


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """The sealed half of a route: the address's random part, what the network shows, its own name for the subscription."""

    token: str
    secret: str
    key: str | None = None


def opened(vault: Vault, viewer: str, account_id: str, blob: bytes) -> Held | None:
    """The sealed half of a route; None when it cannot be read any more, and a new one is due."""
    try:
        return msgspec.msgpack.decode(vault.open(blob, viewer, PLACE[0], account_id, PLACE[1]), type=Held)
    except (SealBroken, msgspec.MsgspecError):
        return None


class AccountInbox:
    """One account's."""

    def __init__(self, database: Database, vault: Vault, viewer: str, account_id: str) -> None:
        self._database = database
        self._vault = vault
        self._viewer = viewer
        self._account_id = account_id

    async def subscription(self) -> str | None:
        """The network's own name of the subscription by which it calls; None where it was not asked to."""
        blob = await self._database.read(self._viewer, push_routes.sealed, self._account_id)
        held = None if blob is None else opened(self._vault, self._viewer, self._account_id, blob)
        return None if held is None else held.key

    async def after(self, position: int, limit: int) -> list[Kept]:
        """The calls that came after this one, in their order."""
        return await self._database.read(self._viewer, kept_calls.after, self._account_id, position, limit)

    async def forget(self, position: int) -> None:
        """All up to this one is stored elsewhere."""
        await self._database.write_behind(self._viewer, kept_calls.forget, self._account_id, position)
