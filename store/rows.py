"""Many rows by one statement, at what they cost the database.

For every row SQLAlchemy looks at every value of every parameter again, which takes SQLite longer than some of the inserts themselves
(measured: a tenth of a long sync). Here an INSERT is compiled once for its columns, and rows go to the driver as tuples; types that
have something to convert still do. On PostgreSQL SQLAlchemy does it: its driver wants each parameter's type. Knows no table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite

_DIALECT: Final = sqlite.dialect(paramstyle="qmark")


class _Ready(NamedTuple):
    """A statement of SQLite: its text, the columns of its parameters in order, and what converts some of them."""

    text: str
    values: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    converted: tuple[tuple[int, Callable[[Any], Any]], ...]


def insert(conn: Connection, statement: sa.Insert, rows: Sequence[Mapping[str, Any]]) -> None:
    """Execute an INSERT, with whatever it does ON CONFLICT, for rows that all name the same columns; at least two of these."""
    if not rows:
        return
    if conn.dialect.name != "sqlite":
        conn.execute(statement, rows)
        return
    ready = _ready(statement, tuple(rows[0]))
    if not ready.converted:
        found = [ready.values(row) for row in rows]
    else:
        found = []
        for row in rows:
            values = list(ready.values(row))
            for n, convert in ready.converted:
                values[n] = convert(values[n])
            found.append(tuple(values))
    conn.exec_driver_sql(ready.text, found)


@lru_cache(200)
def _ready(statement: sa.Insert, columns: tuple[str, ...]) -> _Ready:
    compiled = statement.compile(dialect=_DIALECT, column_keys=list(columns))
    names: list[str] = compiled.positiontup or []
    types = {column.key: column.type for column in statement.table.columns}
    converted = []
    for n, name in enumerate(names):
        # the driver takes bytes as they are
        plain = isinstance(types[name], sa.LargeBinary)
        process = None if plain else types[name].dialect_impl(_DIALECT).bind_processor(_DIALECT)
        if process is not None:
            converted.append((n, process))
    return _Ready(str(compiled), itemgetter(*names), tuple(converted))
