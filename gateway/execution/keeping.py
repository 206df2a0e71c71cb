"""Which operations have answers that last: queries all of whose fields are from the store alone (schema/lasting.py).

Found once for each operation of a document, whatever its variables: a field that @skip leaves out counts as asked for. A field of an
interface counts as the interface's. Knows nothing of where answers are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    is_composite_type,
)

TYPENAME: Final = "__typename"
Stored = Callable[[str, str], bool]


def lasts(schema: GraphQLSchema, stored: Stored, document: DocumentNode, operation: OperationDefinitionNode) -> bool:
    """Whether the store alone decides the answer of a valid operation."""
    if operation.operation is not OperationType.QUERY or schema.query_type is None:
        return False
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    return _Walk(schema, stored, fragments).over(schema.query_type, operation.selection_set)


class _Walk:
    def __init__(self, schema: GraphQLSchema, stored: Stored, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._schema = schema
        self._stored = stored
        self._fragments = fragments
        self._seen: set[str] = set()

    def over(self, kind: GraphQLNamedType, selections: SelectionSetNode) -> bool:
        return all(self._one(kind, selection) for selection in selections.selections)

    def _one(self, kind: GraphQLNamedType, selection: object) -> bool:
        if isinstance(selection, FieldNode):
            return self._field(kind, selection)
        if isinstance(selection, FragmentSpreadNode):
            name = selection.name.value
            if name in self._seen:  # a fragment has one type, wherever it is spread
                return True
            self._seen.add(name)
            fragment = self._fragments[name]
            return self.over(self._named(fragment.type_condition.name.value), fragment.selection_set)
        if isinstance(selection, InlineFragmentNode):
            condition = selection.type_condition
            return self.over(kind if condition is None else self._named(condition.name.value), selection.selection_set)
        return False

    def _field(self, kind: GraphQLNamedType, node: FieldNode) -> bool:
        name = node.name.value
        if name == TYPENAME:
            return True
        if not self._stored(kind.name, name):
            return False
        if node.selection_set is None:
            return True
        definition = self._schema.get_field(kind, name) if is_composite_type(kind) else None
        return definition is not None and self.over(get_named_type(definition.type), node.selection_set)

    def _named(self, name: str) -> GraphQLNamedType:
        return self._schema.type_map[name]
