"""INSERT … ON CONFLICT, which both databases take in the same words and SQLAlchemy has in the dialect of each.

PostgreSQL's is loaded by who has a PostgreSQL: two megabytes of every process that has none (`tests/gateway/test_serving.py`).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite


def insert_into(table: sa.Table, dialect: str) -> Any:
    """An INSERT that has `on_conflict_do_update`, `on_conflict_do_nothing` and `excluded`; `dialect`: `sqlite` or `postgresql`."""
    if dialect == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)
