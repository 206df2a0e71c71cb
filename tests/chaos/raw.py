"""Counts straight from the database file of an embedded installation: nothing of Kith is asked."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from tests.patience import PATIENCE


def rows(home: Path, query: str, *values: object) -> list[tuple[object, ...]]:
    """What a query gives. The file is opened for reading only, and closed again."""
    with contextlib.closing(sqlite3.connect(f"file:{home / 'kith.db'}?mode=ro", uri=True, timeout=PATIENCE)) as connection:
        return list(connection.execute(query, values))


def count(home: Path, query: str, *values: object) -> int:
    """The one number that a query gives; 0 for none."""
    found = rows(home, query, *values)
    return int(str(found[0][0] or 0)) if found else 0


def open_jobs(home: Path, *kinds: str) -> int:
    """Jobs of these kinds that are still to be done."""
    marks = ", ".join("?" for _ in kinds)
    return count(home, f"select count(*) from job where dead_reason is null and kind in ({marks})", *kinds)
