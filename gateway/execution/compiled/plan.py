"""The plan of one operation: its fields collected, its source written, its arguments coerced where they are constant.

Collecting is graphql-core's own (merged response names, @skip, @include, fragments by type), done once for each combination of
the variables that decide it. Not taken, and left to graphql-core whole: introspection (`__schema`, `__type`), @defer and
@stream, fragments with variables, and what is larger than `UNITS`.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    Undefined,
    VariableNode,
    Visitor,
    visit,
)
from graphql.execution.collect_fields import CollectedFields, FieldDetails, FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues, get_argument_values

from gateway.execution.compiled.fork import Answers
from gateway.execution.compiled.run import Call, Run
from gateway.execution.compiled.source import Source
from gateway.execution.compiled.values import Classes, Irregular
from schema.marks import Converts

UNITS: Final = 500  # object types written for one plan
FIELDS: Final = 5_000
Way = tuple[tuple[str | int, str | None], ...]
_FIXED: Final = (str, int, float, bool, type(None), enum.Enum, dt.date, dt.time, decimal.Decimal, uuid.UUID)


class Untaken(Exception):
    """The operation is for graphql-core; the message is why, in a word."""


class Field:
    """A field at one place of an operation, on one object type. `way` leads to it from the call above it; `plain` says that what its
    resolver gives is completed from that alone, whichever object it is a field of. `complete` gives what goes into the answer for it.
    """

    __slots__ = ("_node", "complete", "definition", "details", "key", "name", "nodes", "number", "parent_type", "plain", "way")

    def __init__(
        self,
        number: int,
        parent_type: GraphQLObjectType,
        key: str,
        definition: GraphQLField,
        details: list[FieldDetails],
        way: Way,
    ) -> None:
        self.number = number
        self.parent_type = parent_type
        self.key = key
        self.definition = definition
        self.details = details
        self.nodes: list[FieldNode] = [one.node for one in details]
        self._node = self.nodes[0]
        self.name = self._node.name.value
        self.plain = False
        self.complete: Callable[[Any, Call | None, Run], Any]  # of a field with a resolver; once its source is written
        self.way: Way = (*way, (key, parent_type.name))

    def arguments(self, variables: VariableValues | None) -> dict[str, Any]:
        """What the resolver's function is called with."""
        given = get_argument_values(self.definition, self._node, variables)
        resolver = self.definition.resolve
        return resolver.converted(given) if isinstance(resolver, Converts) else given

    def constant_arguments(self) -> dict[str, Any] | None:
        """The same, where neither variables nor a resolver could change them; else None."""
        if _variables(self._node):
            return None
        try:
            found = self.arguments(VariableValues({}, {}))
        except Exception:
            return None  # said where it belongs, when the field is executed
        return found if self.shares(found) else None

    @staticmethod
    def shares(arguments: Mapping[str, Any]) -> bool:
        """Whether calls may get the very same values, as none of them can be changed."""
        return all(isinstance(value, _FIXED) or value is strawberry.UNSET or value is Undefined for value in arguments.values())


class Plan:
    """An operation ready to run. Raises Untaken when it is not for us."""

    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        operation_name: str | None,
        variables: VariableValues,
        classes: Classes,
    ) -> None:
        self.schema = schema
        self.document = document
        self.operation = operation
        self.operation_name = operation_name
        self.classes = classes
        self.subscribes = operation.operation is OperationType.SUBSCRIPTION
        self.fragment_definitions = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        if any(d.variable_definitions for d in self.fragment_definitions.values()):
            raise Untaken("fragment variables")
        self._fragments = {name: FragmentDetails(d) for name, d in self.fragment_definitions.items()}
        self._variables = variables  # of the run that asked for it: the ones that decide what is collected are the same in all
        self._fields = 0
        self._units = 0
        self.runs = 0
        self.replays = 0
        self._source = Source(self)
        root = schema.get_root_type(operation.operation)
        if root is None:
            raise Untaken("no such operation type")
        fields = self._taken(collect_fields(schema, self._fragments, variables, root, operation))
        parts = [{key: details} for key, details in fields.items()] if operation.operation is OperationType.MUTATION else [fields]
        self.roots: list[Answers] = [self._source.function(root, part, ()) for part in parts]

    @property
    def size(self) -> int:
        """Fields written so far."""
        return self._fields

    def field(self, kind: GraphQLObjectType, key: str, details: Sequence[FieldDetails], way: Way) -> Field | None:
        """The field at this place; None when the type has none of that name."""
        name = details[0].node.name.value
        if name in ("__schema", "__type"):
            raise Untaken("introspection")
        definition = self.schema.get_field(kind, name)
        if definition is None:
            return None
        if any(d.name.value == "stream" for one in details for d in one.node.directives or ()):
            raise Untaken("stream")
        self._fields += 1
        if self._fields > FIELDS:
            raise Untaken("size")
        return Field(self._fields, kind, key, definition, list(details), way)

    def subfields(self, kind: GraphQLObjectType, details: list[FieldDetails]) -> Mapping[str, list[FieldDetails]]:
        """What is asked of an object of `kind` where these fields lead."""
        return self._taken(collect_subfields(self.schema, self._fragments, self._variables, self.operation, kind, details))

    def unit(self, kind: GraphQLObjectType, details: Sequence[FieldDetails], way: Way) -> Answers:
        """The function for an object type that was met behind an interface or union."""
        self._units += 1
        if self._units > UNITS:
            raise Irregular
        made: Answers = self._source.function(kind, self.subfields(kind, list(details)), way)
        return made

    @staticmethod
    def _taken(collected: CollectedFields) -> Mapping[str, list[FieldDetails]]:
        if collected.new_defer_usages:
            raise Untaken("defer")
        return collected.grouped_field_set


def deciding(document: DocumentNode) -> tuple[str, ...]:
    """The variables that decide which fields an operation of the document has: those of @skip and @include."""
    found = _Deciding()
    visit(document, found)
    return tuple(sorted(found.names))


class _Deciding(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: Any, *_: Any) -> None:
        if node.name.value in ("skip", "include"):
            self.names.update(_variables(node))


def _variables(node: Any) -> set[str]:
    """Names of the variables in the arguments of a field or directive."""
    found: set[str] = set()
    stack: list[Any] = [argument.value for argument in node.arguments or ()]
    while stack:
        value = stack.pop()
        if isinstance(value, VariableNode):
            found.add(value.name.value)
        stack.extend(getattr(value, "values", None) or ())
        stack.extend(one.value for one in getattr(value, "fields", None) or ())
    return found
