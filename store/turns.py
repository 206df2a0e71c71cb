"""Turns at SQLite's one writer, between processes: who waits knocks, and who works in the background lets them in.

SQLite's lock is not fair: who waits sleeps up to a tenth of a second between two tries, while a process that writes one transaction
after the other has long taken the lock again. So whoever wants to write holds a shared flock(2) on a file beside the database until
its transaction has begun, and background work looks after each of its own whether anybody does: alone it never pauses, in company
everybody gets their turn. A process that dies leaves no lock. Knows no database.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import Final

PATIENCE: Final = 0.25  # seconds: longer than SQLite sleeps between two tries
LOOK: Final = 0.002  # seconds between two looks


class Turns:
    """The knocks at one database, which is the file at `path`. `close` it."""

    def __init__(self, path: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        # two of them: a lock belongs to what was opened, and we look for those of others and for our own alike
        self._bell = os.open(f"{path}-turn", flags, 0o600)
        self._door = os.open(f"{path}-turn", flags, 0o600)

    @contextlib.contextmanager
    def knocking(self) -> Iterator[None]:
        """Hold this while a transaction is waited for; from one thread at a time."""
        fcntl.flock(self._bell, fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(self._bell, fcntl.LOCK_UN)

    def somebody_waits(self) -> bool:
        try:
            fcntl.flock(self._door, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._door, fcntl.LOCK_UN)
        return False

    async def give_way(self) -> None:
        """Wait until nobody waits, at most PATIENCE."""
        for _ in range(round(PATIENCE / LOOK)):
            if not self.somebody_waits():
                return
            await asyncio.sleep(LOOK)

    def close(self) -> None:
        os.close(self._bell)
        os.close(self._door)
