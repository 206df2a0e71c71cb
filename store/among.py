"""Rows of a viewer by a list of values, in statements that are made once.

A list is bound as one value: JSON on SQLite (https://www.sqlite.org/json1.html#jeach), an array on PostgreSQL. However long it is, the
statement stays the same, so that neither SQLAlchemy nor the database reads it again, and no limit on parameters is met. The viewer
is part of the condition: it cannot be forgotten. Knows no table.

PostgreSQL takes a viewer's rows for one in two hundred of a table as long as it has no statistics of it, and so finds it no dearer to
read them all, by whatever index, than to look up ten values one by one. Plans made so are kept while a first sync fills the tables.
`those` leaves it no such choice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Text, bindparam
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

VIEWER: Final = bindparam("viewer", type_=Text)


def among(column: sa.Column[Any], name: str = "ids") -> ColumnElement[bool]:
    """The rows of `:viewer` whose column is one of the list bound as `name`; execute with `asked`."""
    owner: sa.Table = column.table
    return sa.and_(
        owner.c.viewer_id == VIEWER, _Among(column, bindparam(name, type_=_List(isinstance(column.type, sa.BigInteger))))
    )


def each(kind: TypeEngine[Any], name: str = "ids") -> dict[str, sa.TableValuedAlias]:
    """By dialect the list bound as `name` as rows with one column, `value`; execute with `asked`.

    PostgreSQL calls the column of a function by the name of its rows, so that both have one name.
    """
    listed = bindparam(name, type_=_List(isinstance(kind, sa.BigInteger)))
    value: sa.Column[Any] = sa.Column("value", kind)
    return {
        "sqlite": sa.func.json_each(listed).table_valued(value, name="value"),
        "postgresql": sa.func.unnest(listed).table_valued(value, name="value"),
    }


class Those(NamedTuple):
    """Rows to select from: where they come from, what has their columns, and the condition without which they would be others."""

    rows: sa.FromClause
    of: sa.FromClause
    are: ColumnElement[bool]


def those(column: sa.Column[Any], name: str = "ids") -> dict[str, Those]:
    """By dialect the rows of `among`, on PostgreSQL looked up for one value after the other by the index that begins with the viewer and
    the column, whatever its statistics say; execute with `asked`.

    An OFFSET keeps PostgreSQL from planning a subquery together with what is around it (src/backend/optimizer/prep/prepjointree.c,
    is_simple_subquery): within, all that is left to choose is the index.
    """
    owner: sa.Table = column.table
    value = each(column.type, name)["postgresql"]
    mine = sa.select(owner).where(owner.c.viewer_id == VIEWER, column == value.c.value).offset(sa.literal_column("0"))
    found = mine.correlate(value).lateral(owner.name)
    return {
        "sqlite": Those(owner, owner, among(column, name)),
        "postgresql": Those(sa.join(value, found, sa.true()), found, sa.true()),
    }


def asked(viewer: str, values: Iterable[str] | Iterable[int], **more: Any) -> dict[str, Any]:
    """The parameters of a statement with `among`, each value once."""
    return {"viewer": viewer, "ids": values if isinstance(values, set | frozenset | dict) else dict.fromkeys(values), **more}


class _List(TypeDecorator[Iterable[Any]]):
    """Texts, or whole numbers of 8 bytes."""

    impl = Text
    cache_ok = True

    def __init__(self, numbers: bool = False) -> None:
        super().__init__()
        self.numbers = numbers

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name != "postgresql":
            return dialect.type_descriptor(Text())
        from sqlalchemy.dialects import postgresql  # two megabytes that SQLite can do without

        return dialect.type_descriptor(postgresql.ARRAY(sa.BigInteger if self.numbers else Text))

    def process_bind_param(self, value: Iterable[Any] | None, dialect: Dialect) -> Any:
        # in order: the database walks its index from one end to the other, and takes locks in one order
        values = sorted(value or ())
        return values if dialect.name == "postgresql" else msgspec.json.encode(values).decode()


class _Among(FunctionElement[bool]):
    type = sa.Boolean()
    name = "among"
    inherit_cache = True

    def self_group(self, against: object = None) -> _Among:
        return self  # a condition already: SQLite is not to compare it with 1, which would keep it from using an index


@compiles(_Among, "sqlite")
def _on_sqlite(element: _Among, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = element.clauses
    listed = sa.select(sa.func.json_each(values).table_valued("value").c.value)
    return compiler.process(column.in_(listed), **kw)


@compiles(_Among, "postgresql")
def _on_postgresql(element: _Among, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = element.clauses
    return f"{compiler.process(column, **kw)} = ANY({compiler.process(values, **kw)})"


__all__ = ["VIEWER", "Those", "among", "asked", "each", "those"]
