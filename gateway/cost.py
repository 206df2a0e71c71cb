"""What an operation may cost, from the document alone: how many nodes it can return, dear fields weighing more.

A leaf costs nothing, an object 1, a field with a weight of its own (schema/policy.py) that weight; a list multiplies what it
holds by its size: `first`, `last` or how many `ids` are asked, variables included. A selection on an interface or union costs its
dearest member, since an item is only ever one of them. The same walk finds the scopes that the fields need. Works on documents
that are not valid yet: what the schema does not know costs nothing and is refused later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_composite_type,
    is_leaf_type,
    is_list_type,
)

PAGE: Final = 50  # a connection asked without a size
LIST: Final = 3  # a plain list of objects
SIZES: Final = ("first", "last")
LISTS: Final = ("ids", "keys", "addresses", "resources")
INTROSPECTION: Final[Mapping[str, int]] = {"__schema": 2_000, "__type": 100, "__typename": 0}
_CAP: Final = 10**12


class Policy(Protocol):
    """What the schema declares of its fields (schema/policy.py)."""

    def cost_of(self, type_name: str, field_name: str, /) -> int | None: ...

    def scope_of(self, type_name: str, field_name: str, /) -> str | None: ...


@dataclass(slots=True)
class Weight:
    """An operation's cost and the scopes it needs. `variables` are those that its sizes depend on."""

    cost: int = 0
    scopes: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)


def weigh(
    schema: GraphQLSchema,
    policy: Policy,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
) -> Weight:
    """Cost and scopes of one operation with these variables (raw, as the client sent them)."""
    root = schema.get_root_type(operation.operation)
    weight = Weight()
    if root is not None:
        weight.cost = _Scale(schema, policy, document, operation, variables, weight).of(operation.selection_set, root, None)
    return weight


class _Scale:
    def __init__(
        self,
        schema: GraphQLSchema,
        policy: Policy,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
        weight: Weight,
    ) -> None:
        self.schema = schema
        self.policy = policy
        self.fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        self.variables = variables
        self.defaults = {d.variable.name.value: d.default_value for d in operation.variable_definitions or ()}
        self.weight = weight
        self.memo: dict[tuple[int, str, int | None], int] = {}
        self.open: set[tuple[int, str, int | None]] = set()

    def of(self, selection_set: SelectionSetNode, kind: GraphQLCompositeType, pending: int | None) -> int:
        """What the selection costs once on `kind`; `pending` is the page size that `edges` below will multiply by."""
        if is_abstract_type(kind):
            return max((self.of(selection_set, member, pending) for member in self.schema.get_possible_types(kind)), default=0)
        assert isinstance(kind, GraphQLObjectType)
        key = (id(selection_set), kind.name, pending)
        if key not in self.memo:
            if key in self.open:  # a fragment cycle: validation refuses it
                return 0
            self.open.add(key)
            self.memo[key] = min(_CAP, self._selections(selection_set, kind, pending))
            self.open.discard(key)
        return self.memo[key]

    def _selections(self, selection_set: SelectionSetNode, kind: GraphQLObjectType, pending: int | None) -> int:
        total = 0
        spread: set[str] = set()  # execution takes a fragment once into a selection (GraphQL §6.3.2)
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                total += self._field(node, kind, pending)
                continue
            inner: InlineFragmentNode | FragmentDefinitionNode | None = None
            if isinstance(node, InlineFragmentNode):
                inner = node
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                spread.add(node.name.value)
                inner = self.fragments.get(node.name.value)
            if inner is not None and self._applies(inner, kind):
                total += self.of(inner.selection_set, kind, pending)
        return total

    def _applies(self, fragment: InlineFragmentNode | FragmentDefinitionNode, kind: GraphQLObjectType) -> bool:
        if fragment.type_condition is None:
            return True
        condition = self.schema.type_map.get(fragment.type_condition.name.value)
        if condition is None or condition is kind:
            return condition is kind
        return is_abstract_type(condition) and self.schema.is_sub_type(condition, kind)

    def _field(self, node: FieldNode, kind: GraphQLObjectType, pending: int | None) -> int:
        name = node.name.value
        if name in INTROSPECTION:
            return INTROSPECTION[name]
        known = kind.fields.get(name)
        if known is None:
            return 0
        if scope := self.policy.scope_of(kind.name, name):
            self.weight.scopes.add(scope)
        target = get_named_type(known.type)
        declared = self.policy.cost_of(kind.name, name)
        own = declared if declared is not None else 0 if is_leaf_type(target) else 1
        if node.selection_set is None or not is_composite_type(target):
            return own
        size, page = self._size(node, known, target, pending)
        return own + size * self.of(node.selection_set, target, page)

    def _size(
        self, node: FieldNode, known: GraphQLField, target: GraphQLNamedType, pending: int | None
    ) -> tuple[int, int | None]:
        """How often the selection below is answered, and the page size that a connection hands down to its edges."""
        if target.name.endswith("Connection"):
            asked = self._argument(node, known, SIZES)
            return 1, PAGE if asked is None else asked
        if not is_list_type(get_nullable_type(known.type)):
            return 1, None
        if node.name.value in ("edges", "nodes") and pending is not None:
            return pending, None
        asked = self._argument(node, known, SIZES + LISTS)
        return LIST if asked is None else asked, None

    def _argument(self, node: FieldNode, known: GraphQLField, names: tuple[str, ...]) -> int | None:
        for argument in node.arguments or ():
            if argument.name.value in names and (size := self._value(argument.value)) is not None:
                return size
        for name in names:
            default = known.args[name].default_value if name in known.args else None
            if isinstance(default, int) and not isinstance(default, bool):
                return default
        return None

    def _value(self, value: ValueNode | None) -> int | None:
        if isinstance(value, VariableNode):
            name = value.name.value
            self.weight.variables.add(name)
            if name not in self.variables:
                return self._value(self.defaults.get(name))
            given = self.variables[name]
            if isinstance(given, list):
                return len(given)
            return max(0, int(given)) if isinstance(given, int | float) and abs(given) < _CAP else None
        if isinstance(value, IntValueNode):
            return max(0, int(value.value)) if len(value.value) < 13 else _CAP
        return len(value.values) if isinstance(value, ListValueNode) else None
