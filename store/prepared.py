"""SELECTs of the pages that are asked for most: built and compiled once, then sent to the database as the text they are.

SQLAlchemy remembers what it has compiled, yet a statement is built anew each time to find that out; for a page that is made from the store
alone, that was more work than the database had. A `Prepared` is the function that builds the statement from its shape (whatever decides its
text, as filters do); what differs from one time to the next is a `bindparam`, lists of keys are `store.among`. Rows are named tuples of
what the columns' types make of the driver's values. Knows nothing of what is selected.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

SHAPES: Final = 64  # of one statement, each with its text on one database; those not used for longest go
ROWS: Final = 256  # kinds of rows
Processor = Callable[[Any], Any]
_named: Final[Callable[..., Any]] = namedtuple  # of columns that are known when it runs, which no type checker follows


class Prepared:
    """A statement in all its shapes; a decorator of the function that builds it. May be used from several threads."""

    def __init__(self, build: Callable[..., sa.Select[Any]]) -> None:
        self._build = build
        self._text = lru_cache(SHAPES)(self._compiled)

    def rows(self, conn: Connection, *shape: Hashable, **values: Any) -> list[Any]:
        """The rows of the statement of this shape with these values."""
        return self._text(conn.dialect, *shape).rows(conn, values)

    def _compiled(self, dialect: Dialect, *shape: Hashable) -> _Text:
        return _Text(self._build(*shape), dialect)


class _Text:
    """A statement as one database takes it."""

    def __init__(self, select: sa.Select[Any], dialect: Dialect) -> None:
        compiled = select.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        # lists that belong to the shape are written into it; what is to come is bound
        written = compiled.construct_expanded_state(
            {name: None for name, one in compiled.binds.items() if one.required}, escape_names=False
        )
        self._sql = written.statement
        self._names = list(written.positiontup or ())
        self._constant = dict(written.parameters)
        self._bound = {
            name: process
            for name, one in compiled.binds.items()
            if (process := one.type.dialect_impl(dialect).bind_processor(dialect)) is not None
        }
        for name, of in written.parameter_expansion.items():
            if name in self._bound:
                self._bound |= dict.fromkeys(of, self._bound[name])
        columns = list(select.selected_columns)
        self._made: Callable[[Sequence[Any]], Any] = _row(*(str(column.key) for column in columns))._make
        read = [c.type.dialect_impl(dialect).result_processor(dialect, None) for c in columns]
        self._read = [(place, process) for place, process in enumerate(read) if process is not None]

    def rows(self, conn: Connection, values: dict[str, Any]) -> list[Any]:
        bound = self._bound
        given = self._constant | values
        found = conn.exec_driver_sql(
            self._sql, tuple(bound[name](given[name]) if name in bound else given[name] for name in self._names)
        ).all()
        make, read = self._made, self._read
        if not read:
            return [make(row) for row in found]
        return [make(_read(row, read)) for row in found]


@lru_cache(ROWS)
def _row(*columns: str) -> Any:
    """The kind of row with these columns, one for all shapes of a statement: ten kilobytes each."""
    return _named("row", columns)


def _read(row: Sequence[Any], read: Sequence[tuple[int, Processor]]) -> list[Any]:
    values = list(row)
    for place, process in read:
        if values[place] is not None:
            values[place] = process(values[place])
    return values
