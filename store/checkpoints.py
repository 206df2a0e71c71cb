"""SQLite's write-ahead log put back into the database, beside the work that fills it (sqlite.org/wal.html §2.2, §3.1).

Left to itself SQLite does so within some commit, which then writes thousands of pages and waits for the disk while everybody who
wants to write waits for it. Here a thread of its own does nearly all of it meanwhile, and only the last few pages are put back in a
writer's turn, so that the log can begin anew. How full the log is stands in the head of the wal-index (sqlite.org/walformat.html
§2.1). Knows no tables.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from typing import Final

PAGES: Final = 8_000  # of 4 KiB in the log before they go to their places: ids are hashes, and many commits touch the same ones
NET: Final = 5 * PAGES  # at which SQLite does it within a commit all the same
FEW: Final = 400  # pages that may be put back in a writer's turn
TRIES: Final = 6
_IN_LOG: Final = 16  # mxFrame, in the native byte order
_BACK: Final = 96  # nBackfill
_HEAD: Final = 100


class Checkpoints:
    """The log of the database at `path`. `put_back` is for one thread, which also closes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._index = -1

    def waiting(self) -> tuple[int, int]:
        """Pages in the log, and how many of them are not in their places yet."""
        try:
            if self._index < 0:
                self._index = os.open(f"{self._path}-shm", os.O_RDONLY | os.O_CLOEXEC)
            head = os.pread(self._index, _HEAD, 0)
        except OSError:
            return 0, 0  # no log yet
        if len(head) < _HEAD:
            return 0, 0
        (in_log,) = struct.unpack_from("=I", head, _IN_LOG)
        (back,) = struct.unpack_from("=I", head, _BACK)
        return in_log, max(0, in_log - back)

    def due(self) -> bool:
        """Whether the log is so full that it should be put back."""
        in_log, left = self.waiting()
        return in_log >= PAGES and left > 0

    def put_back(self) -> None:
        """Put back what is in the log, again and again, until little is left; nobody waits for it (PASSIVE)."""
        if self._connection is None:
            self._connection = sqlite3.connect(self._path, check_same_thread=False)
        for _ in range(TRIES):
            # who else does so at the moment is left to it
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            if self.waiting()[1] <= FEW:
                return

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._index >= 0:
            os.close(self._index)
