"""The door: a bearer key or a session becomes a Principal, or NotSignedIn.

Looked up in the database, with a memory of `MEMORY` seconds, so that a busy key costs no query each time and a revoked one
ends everywhere within 5 seconds, open sockets included (they ask `still` every `WATCH` seconds).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from gateway.signin import keys
from gateway.signin.principal import ALL_SCOPES, NotSignedIn, Principal, read_scopes
from resolvers.operation import Clock
from store import viewers
from store.database import Database
from store.viewers import Viewer

MEMORY: Final = 1.5  # seconds
WATCH: Final = 2.0  # seconds
REMEMBERED: Final = 2_000
COMMAND: Final = "command"  # the credential of somebody at the machine itself
USED_UP: Final = "this sign-in link was used already or is older than 15 minutes: `kith login` prints a new one"
LOGIN_LIFETIME: Final = timedelta(minutes=15)
SESSION_LIFETIME: Final = timedelta(days=30)


class Door:
    """One per process."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[bytes, tuple[float, Principal | None]] = {}
        self._noted: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def bearer(self, token: str) -> Principal:
        """Whose API key this is (RFC 6750 §2.1). Raises NotSignedIn."""
        if keys.SHAPE.fullmatch(token) is None:  # hostile input never reaches the database
            raise NotSignedIn("this is no key of Kith: make one with `kith token create`")
        found = await self._remembered(keys.digest(token), self._key)
        if found is None:
            raise NotSignedIn("this key is unknown, expired or revoked: make a new one with `kith token create`")
        self._note_use(found.credential)
        return found

    async def browser(self, cookie: str) -> Principal:
        """Whose session this is. Raises NotSignedIn."""
        found = await self._remembered(keys.digest(cookie), self._session) if 20 <= len(cookie) <= 100 else None
        if found is None:
            raise NotSignedIn("this browser is not signed in: open a sign-in link (`kith login` prints one)")
        return found

    async def still(self, principal: Principal, secret: str) -> bool:
        """Whether a principal may still be here; for sockets that stay open."""
        if principal.kind == "COMMAND":
            return True
        try:
            found = await (self.bearer(secret) if principal.kind == "KEY" else self.browser(secret))
        except NotSignedIn:
            return False
        return found.viewer == principal.viewer and principal.scopes <= found.scopes

    async def holds(self, viewer: str, credential: str) -> bool:
        """Whether a credential, as a Principal names it, still lets that viewer in; for what it has given out."""
        if credential in ("", COMMAND):
            return True
        return await self._database.system_read(viewers.holds, viewer, credential, self._clock.now())

    async def login_link(self, viewer_id: str) -> str:
        """The secret of a sign-in link that works once, for 15 minutes."""
        secret, _ = keys.mint()
        await self._database.system(
            viewers.open_session, keys.digest(secret), viewer_id, "login", self._clock.now(), LOGIN_LIFETIME
        )
        return secret

    async def whose_link(self, secret: str) -> Viewer:
        """Whom a sign-in link would sign in, without using it up. Raises NotSignedIn."""
        digest = keys.digest(secret)
        found = await self._database.system_read(viewers.session_by_hash, digest, self._clock.now(), kind="login")
        if found is None or found[1].disabled_at is not None:
            raise NotSignedIn(USED_UP)
        return found[1]

    async def sign_in(self, secret: str) -> str:
        """Use a sign-in link up: the cookie value of a new browser session. Raises NotSignedIn."""
        now = self._clock.now()
        link = await self._database.system(viewers.take_session, keys.digest(secret), "login", now)
        whose = None if link is None else await self._database.system_read(viewers.get, link.viewer_id)
        if whose is None or whose.disabled_at is not None:
            raise NotSignedIn(USED_UP)
        cookie, _ = keys.mint()
        await self._database.system(viewers.open_session, keys.digest(cookie), whose.id, "browser", now, SESSION_LIFETIME)
        return cookie

    async def sign_out(self, cookie: str) -> None:
        digest = keys.digest(cookie)
        await self._database.system(viewers.close_session, digest)
        self._known.pop(digest, None)

    async def _remembered(self, digest: bytes, look: Callable[[bytes], object]) -> Principal | None:
        now = time.monotonic()
        known = self._known.get(digest)
        if known is not None and known[0] > now:
            return known[1]
        found: Principal | None = await look(digest)  # type: ignore[misc]
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[digest] = (now + MEMORY, found)
        return found

    async def _key(self, digest: bytes) -> Principal | None:
        found = await self._database.system_read(viewers.key_by_hash, digest)
        if found is None:
            return None
        key, whose = found
        dead = key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= self._clock.now())
        if dead or whose.disabled_at is not None:
            return None
        return Principal(whose.id, whose.name, read_scopes(key.scopes), key.id, key.name, "KEY", whose.owner)

    async def _session(self, digest: bytes) -> Principal | None:
        found = await self._database.system_read(viewers.session_by_hash, digest, self._clock.now())
        if found is None or found[1].disabled_at is not None:
            return None
        return Principal(found[1].id, found[1].name, ALL_SCOPES, digest.hex(), "browser", "BROWSER", found[1].owner)

    def _note_use(self, key_id: str) -> None:
        """Write `last_used_at` beside the request, once an hour a key."""
        now = time.monotonic()
        if self._noted.get(key_id, 0.0) > now:
            return
        if len(self._noted) >= REMEMBERED:
            self._noted.clear()
        self._noted[key_id] = now + viewers.USE_RESOLUTION.total_seconds()
        task = asyncio.ensure_future(self._database.system(viewers.used_key, key_id, self._clock.now()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for what is still being written."""
        await asyncio.gather(*self._tasks, return_exceptions=True)


def command(viewer: Viewer) -> Principal:
    """The principal of somebody at the machine's own command line."""
    return Principal(viewer.id, viewer.name, ALL_SCOPES, COMMAND, "kith", "COMMAND", viewer.owner)
