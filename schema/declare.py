"""How types are declared here: thin decorators over Strawberry's, which keep a field to one line.

A declared class is never instantiated: resolvers return records (msgspec structs), a field without a resolver reads the
attribute of the same name, and `of=` says which record a type shows, so that interfaces and unions find it. Cost and scope
come from `schema/policy.py`; `semantic=True` marks what is null only together with an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

import strawberry
from strawberry.schema_directive import Location
from strawberry.types.base import get_object_definition
from strawberry.utils.str_converters import to_camel_case

from resolvers.loaders import Of
from resolvers.operation import Operation
from schema import policy
from schema.marks import ByRecord, Loads, Shows
from schema.vocabulary import ApiScope

T = TypeVar("T")
UNSET: Final[Any] = strawberry.UNSET
argument = strawberry.argument
MARK: Final = "mark"  # of a field's metadata: the resolver that says what it does (schema/marks.py)

# the record that a type shows → the type's name; a record shows as one type only
SHOWN_AS: Final[dict[type, str]] = {}


class Context(Protocol):
    """What the gateway hands to resolvers."""

    operation: Operation


Info = strawberry.Info[Context, Any]


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="semanticNonNull",
    description="Null here always has an entry in errors; generators that know it make the field non-null.",
)
class SemanticNonNull:
    levels: list[int] = strawberry.field(default=(0,), description="List levels that are meant; 0 is the field itself.")


@strawberry.schema_directive(
    locations=[
        Location.ARGUMENT_DEFINITION, Location.ENUM, Location.FIELD_DEFINITION, Location.INPUT_FIELD_DEFINITION, Location.OBJECT,
        Location.SCALAR,
    ],
    name="cost",
    description="Weight of a field in the cost model; 1 where absent for objects, 0 for leaves. "
    "A connection costs its page size times its node.",
)  # fmt: skip
class Cost:
    weight: str = strawberry.field(description="The weight, a decimal number.")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION], name="requiresScope", description="An API key needs this scope for the field."
)
class RequiresScope:
    scope: ApiScope = strawberry.field(description="The scope needed.")


def field(
    description: str, resolver: Callable[..., Any] | None = None, *, name: str | None = None, semantic: bool = False
) -> Any:
    """A field of an output type."""
    directives = [SemanticNonNull(levels=UNSET)] if semantic else []
    if resolver is None:
        return strawberry.field(description=description, name=name, directives=directives)
    marked = {MARK: resolver} if isinstance(resolver, Loads) else None
    function = resolver if marked is None else _called(resolver)
    return strawberry.field(resolver=function, description=description, name=name, directives=directives, metadata=marked)


def loaded(loader: Of, attribute: str) -> Loads:
    """A resolver that gives what the operation's loader brings for an attribute of the record; null where that is null."""
    return Loads(lambda context: loader(context.operation), attribute)


def _called(mark: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """As Strawberry wants functions: it goes by their signatures."""

    def resolve(parent: strawberry.Parent[Any], info: Info) -> Any:
        return mark(parent, info)

    return resolve


def subscription(description: str, resolver: Callable[..., Any]) -> Any:
    """A field of the subscription type; the resolver is an async generator."""
    return strawberry.subscription(resolver=resolver, description=description)


def asked(description: str, **default: Any) -> Any:
    """A field of an input type; `default` or `default_factory` make it optional."""
    return strawberry.field(description=description, **default)


def object_type(description: str = "", *, of: type | tuple[type, ...] = ()) -> Callable[[type[T]], type[T]]:
    """An output type; `of` is the record (or records) that it shows."""
    shown = of if isinstance(of, tuple) else (of,)

    def declare(cls: type[T]) -> type[T]:
        if shown:
            SHOWN_AS.update(dict.fromkeys(shown, cls.__name__))
        # without a record it is met where its field says so, never behind an abstract type
        declared: Any = cls
        declared.is_type_of = Shows(*shown)
        made = strawberry.type(cls, description=description or None)
        _apply_policy(made)
        return made

    return declare


def interface_type(description: str) -> Callable[[type[T]], type[T]]:
    """An interface; the type of a value follows from its record."""

    def declare(cls: type[T]) -> type[T]:
        declared: Any = cls
        declared.resolve_type = ByRecord(SHOWN_AS)
        return strawberry.interface(cls, description=description)

    return declare


def input_type(description: str = "", *, one_of: bool = False) -> Callable[[type[T]], type[T]]:
    """An input object."""

    def declare(cls: type[T]) -> type[T]:
        return strawberry.input(cls, description=description or None, one_of=one_of)

    return declare


def _apply_policy(cls: type) -> None:
    definition = get_object_definition(cls, strict=True)
    for one in definition.fields:
        name = one.graphql_name or to_camel_case(one.python_name)
        if (scope := policy.SCOPES.get((definition.name, name))) is not None:
            one.directives = [RequiresScope(scope=ApiScope(scope)), *one.directives]
        if (weight := policy.WEIGHTS.get((definition.name, name))) is not None:
            one.directives = [*one.directives, Cost(weight=str(weight))]
