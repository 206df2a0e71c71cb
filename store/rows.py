"""Many rows by one statement, at what they cost the database.

For every row SQLAlchemy looks at every value of every parameter again, which takes SQLite longer than some of the inserts themselves
(measured: a tenth of a long sync). Here an INSERT is compiled once for its columns, and rows go to the driver as tuples; types that
have something to convert still do. On PostgreSQL SQLAlchemy does it: its driver wants each parameter's type. Knows no table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite

from store.tables import Instant, microseconds

_DIALECT: Final = sqlite.dialect(paramstyle="qmark")


class _Ready(NamedTuple):
    """A statement of SQLite: its text, and the columns of its parameters in order, each with what converts it."""

    text: str
    columns: tuple[tuple[str, Callable[[Any], Any] | None], ...]


def insert(conn: Connection, into: sa.Table | sa.Insert, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all name the same columns, at least two of these: into a table, or by an INSERT that says what it does ON CONFLICT.

    Such a statement is made once by whoever has it: it is known by itself, and one that is made anew is compiled anew.
    """
    if not rows:
        return
    statement = _plain(into) if isinstance(into, sa.Table) else into
    if conn.dialect.name != "sqlite":
        conn.execute(statement, rows)
        return
    ready = _ready(statement, tuple(rows[0]))
    # column by column: what is done with a value is decided once for all of them
    columns = [
        [row[name] for row in rows] if convert is None else [convert(row[name]) for row in rows]
        for name, convert in ready.columns
    ]  # fmt: skip
    conn.exec_driver_sql(ready.text, list(zip(*columns, strict=True)))


@lru_cache(200)
def _plain(table: sa.Table) -> sa.Insert:
    return table.insert()


@lru_cache(200)
def _ready(statement: sa.Insert, columns: tuple[str, ...]) -> _Ready:
    compiled = statement.compile(dialect=_DIALECT, column_keys=list(columns))
    names: list[str] = compiled.positiontup or []
    types = {column.key: column.type for column in statement.table.columns}
    return _Ready(str(compiled), tuple((name, _converter(types[name])) for name in names))


def _converter(kind: sa.types.TypeEngine[Any]) -> Callable[[Any], Any] | None:
    """What makes a value of a type one that the driver takes; None for what it takes as it is."""
    if isinstance(kind, sa.LargeBinary):
        return None
    if isinstance(kind, Instant):
        return _instant  # two of three that are converted, without what SQLAlchemy has around it
    return kind.dialect_impl(_DIALECT).bind_processor(_DIALECT)


def _instant(value: datetime | None) -> int | None:
    if value is None:
        return None
    # the moment of a mail is in eight tables; elsewhere than in UTC two moments of a changed clock are equal that are an hour apart
    return _again(value) if value.tzinfo is UTC else microseconds(value)


@lru_cache(1_000)
def _again(value: datetime) -> int:
    return microseconds(value)
