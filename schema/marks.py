"""Functions of the schema that say what they do, so that whoever executes operations need not call them to know.

Each can be called as GraphQL calls any resolver, `is_type_of` or `resolve_type`, and answers the same; its attributes tell a
compiled operation how to get there without the call. Knows nothing of who reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any


class Reads:
    """A resolver that reads an attribute of its record."""

    __slots__ = ("_read", "attribute")

    def __init__(self, attribute: str) -> None:
        self.attribute = attribute
        self._read = attrgetter(attribute)

    def __call__(self, source: Any, info: Any) -> Any:
        return self._read(source)


class Loads:
    """A resolver that gives what a loader brings for an attribute of its record, and null where that is null.

    `loader` gives the loader (`resolvers.loaders.Loader`), by the context of the operation.
    """

    __slots__ = ("attribute", "loader", "read")

    def __init__(self, loader: Callable[[Any], Any], attribute: str) -> None:
        self.loader = loader
        self.attribute = attribute
        self.read = attrgetter(attribute)

    def __call__(self, source: Any, info: Any) -> Any:
        key = self.read(source)
        return None if key is None else self.loader(info.context).load(key)


class Shows:
    """An `is_type_of` that goes by the class of the record; without classes, whatever comes is one."""

    __slots__ = ("records",)

    def __init__(self, *records: type) -> None:
        self.records = frozenset(records)

    def __call__(self, value: Any, info: Any) -> bool:
        return not self.records or type(value) in self.records


class ByRecord:
    """A `resolve_type` that goes by the class of the record. `shown_as` may still grow."""

    __slots__ = ("shown_as",)

    def __init__(self, shown_as: Mapping[type, str]) -> None:
        self.shown_as = shown_as

    def __call__(self, value: Any, info: Any, abstract: Any) -> str | None:
        return self.shown_as.get(type(value))


class Converts:
    """A resolver with arguments: `call` is GraphQL's way to it, wrapper and all.

    `function` is what the wrapper calls in the end, with `converted` arguments by keyword after what `leads` names, in this
    order: "source", "info".
    """

    __slots__ = ("call", "converted", "field", "function", "info_class", "leads")

    def __init__(
        self,
        call: Callable[..., Any],
        function: Callable[..., Any],
        leads: tuple[str, ...],
        converted: Callable[[dict[str, Any]], dict[str, Any]],
        field: Any,
        info_class: Callable[..., Any],
    ) -> None:
        self.call = call
        self.function = function
        self.leads = leads
        self.converted = converted
        self.field = field
        self.info_class = info_class

    def __call__(self, source: Any, info: Any, **arguments: Any) -> Any:
        return self.call(source, info, **arguments)
