"""What compiled source asks of a value that is not plainly what the schema says.

Each function either gives what graphql-core would put into the answer or raises; it never says why, since graphql-core will
(replay.py). Values that are still to come are none of their business: a resolver's are awaited before, all others are raised
for. Knows nothing of operations.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import date, datetime
from types import CoroutineType
from typing import Any, Final, NoReturn, TypeGuard, cast

from graphql import GraphQLEnumType, GraphQLLeafType, GraphQLScalarType, Undefined
from strawberry.execution import optimized_is_awaitable

from schema.scalars import unchanged

is_awaitable = cast("Callable[[Any], TypeGuard[Awaitable[Any]]]", optimized_is_awaitable)
INT_MAX: Final = 2**31 - 1  # GraphQL §3.5.1
PLAIN: Final = frozenset({str, int, float, bool, list, tuple, dict, bytes, type(None), datetime, date})
_NO_LISTS: Final = (str, bytes, bytearray, memoryview, Mapping)  # graphql-core's is_iterable
_KNOWN: Final = 10_000  # classes remembered; a program that makes classes as it goes shall not grow us


class Irregular(Exception):
    """A value is not what the way without errors needs; what is wrong with it, graphql-core says."""


class Classes:
    """Classes whose values have been looked at once: never awaitable, no exception, not null."""

    def __init__(self) -> None:
        self.objects: set[type] = set()
        self.settled: set[type] = set(PLAIN)

    def is_object(self, value: Any) -> bool:
        """Whether it may be asked for fields; False is null. Raises Irregular for all that graphql-core treats otherwise."""
        if value is None:
            return False
        if value is Undefined or isinstance(value, BaseException) or is_awaitable(value):
            raise Irregular
        if len(self.objects) < _KNOWN:
            self.objects.add(type(value))
        return True

    def is_later(self, value: Any) -> bool:
        """Whether it is still to come."""
        if is_awaitable(value):
            return True
        kind = type(value)
        if len(self.settled) < _KNOWN and not hasattr(kind, "__next__") and not hasattr(kind, "__getattr__"):
            self.settled.add(kind)
        return False


def items(value: Any) -> Collection[Any]:
    """The items of a list that is not null. What can be read only once is left to graphql-core."""
    kind = type(value)
    if kind is list or kind is tuple:
        plain: Collection[Any] = value
        return plain
    if not isinstance(value, Collection) or isinstance(value, _NO_LISTS) or hasattr(value, "__aiter__"):
        raise Irregular
    return value


def items_or_none(value: Any) -> Collection[Any] | None:
    """The items of a list, or null."""
    return None if value is None else items(value)


def kept(value: Collection[Any]) -> Collection[Any]:
    """The items of a list, the same however often they are gone through."""
    return value if type(value) is list or type(value) is tuple else list(value)


def bad(value: Any) -> NoReturn:
    """Where only a value of another kind may stand."""
    raise Irregular


def said(answer: Any) -> Any:
    """What a function of the schema says of a value. Raises Irregular when it would rather say it later."""
    if is_awaitable(answer):
        if isinstance(answer, CoroutineType):
            answer.close()  # it will be asked again
        raise Irregular
    return answer


def leaf(kind: GraphQLLeafType, *, nullable: bool) -> Callable[[Any], Any]:
    """How a value of this scalar or enum goes out (graphql-core's complete_leaf_value)."""
    coerce = kind.coerce_output_value

    def completed(value: Any) -> Any:
        if value is None:
            if nullable:
                return None
            raise Irregular
        if type(value) not in PLAIN and (value is Undefined or isinstance(value, BaseException) or is_awaitable(value)):
            raise Irregular
        out = coerce(value)
        if out is None or out is Undefined:
            raise Irregular
        return out

    return completed


def passes_strings(kind: GraphQLLeafType) -> bool:
    """Whether a str goes out as it is."""
    if kind.name in ("String", "ID"):
        return isinstance(kind, GraphQLScalarType) and "strawberry-definition" not in kind.extensions
    return isinstance(kind, GraphQLScalarType) and kind.coerce_output_value is unchanged


def words(kind: GraphQLLeafType) -> dict[str, str]:
    """Of an enum: the strings that stand for a value, and what goes out for each."""
    found = {}
    if isinstance(kind, GraphQLEnumType):
        for value in [*kind.values, *(one.value for one in kind.values.values())]:
            if type(value) is str:
                with contextlib.suppress(Exception):  # no value by this enum's own rules
                    found[value] = kind.coerce_output_value(value)
    return found
