"""Whether the process lives, and whether it should be sent work: /healthz and /readyz.

Ready means that the database answers, its migrations are those of this release, and nobody has told the process to stop. The
cache is named but never decides: without it answers are slower, not wrong.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from store import migrate
from store.database import DatabaseUnavailable

if TYPE_CHECKING:
    from gateway.installation import Installation

TIMEOUT: Final = 3.0
MIGRATIONS_KNOWN: Final = 30.0  # seconds: they change by `kith migrate`, not by themselves


class Health:
    """The two addresses."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._migrated: tuple[float, str] = (0.0, "")

    async def healthz(self, request: Request) -> Response:
        """The process answers; nothing else is asked, so that a slow database does not get it killed."""
        return PlainTextResponse("ok\n")

    async def readyz(self, request: Request) -> Response:
        """Each part by name; 503 when one that counts is missing."""
        parts = {
            "database": await _in_time(self._database()),
            "migrations": await _in_time(self._migrations()),
            "cache": "ok" if await self._installation.cache.ping() else "down: answers are slower",
        }
        ready = parts["database"] == parts["migrations"] == "ok"
        if self._installation.draining.is_set():
            ready, parts["process"] = False, "stopping"
        return JSONResponse({"ready": ready, **parts}, 200 if ready else 503, {"cache-control": "no-store"})

    async def _database(self) -> str:
        await self._installation.database.system_read(_ask)
        return "ok"

    async def _migrations(self) -> str:
        known_until, state = self._migrated
        if time.monotonic() >= known_until:
            state = "run `kith migrate`" if await migrate.pending(self._installation.settings.database) else "ok"
            self._migrated = (time.monotonic() + (MIGRATIONS_KNOWN if state == "ok" else 0.0), state)
        return state


def _ask(conn: Connection) -> None:
    conn.execute(text("SELECT 1"))


async def _in_time(check: object) -> str:
    try:
        async with asyncio.timeout(TIMEOUT):
            return str(await check)  # type: ignore[misc]
    except TimeoutError:
        return f"no answer in {TIMEOUT:.0f} s"
    except (DatabaseUnavailable, SQLAlchemyError, OSError):
        return "unreachable"
