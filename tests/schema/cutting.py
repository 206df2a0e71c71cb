"""Cuts an operation to what a schema has: unknown fields, arguments and values, then whatever that leaves empty or unused."""

from __future__ import annotations

from dataclasses import replace

from graphql import (
    ArgumentNode,
    DirectiveNode,
    DocumentNode,
    EnumValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    Visitor,
    do_types_overlap,
    get_named_type,
    is_composite_type,
    parse,
    type_from_ast,
    visit,
)

LATER = "defer"


class Cutter:
    """One schema; `cuts` collects what was taken away, as `Operation: Type.field`."""

    def __init__(self, schema: GraphQLSchema, text: str) -> None:
        self.schema = schema
        document = parse(text, no_location=True)
        self.fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        self.operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
        self.cuts: list[str] = []
        self._name = ""
        self._kept: dict[str, FragmentDefinitionNode] = {}

    def cut(self, operation: OperationDefinitionNode) -> DocumentNode | None:
        """The document of the operation, None when nothing is left of it."""
        assert operation.name is not None
        self._name = operation.name.value
        self._kept = {}
        root = self.schema.get_root_type(operation.operation)
        if root is None:
            self._note("everything")
            return None
        selections = self._selections(operation.selection_set, root)
        if selections is None:
            return None
        shrunk = replace(operation, selection_set=selections)
        used = _variables(DocumentNode(definitions=(shrunk, *self._kept.values())))
        kept_variables = tuple(
            v
            for v in operation.variable_definitions or ()
            if v.variable.name.value in used and type_from_ast(self.schema, v.type) is not None
        )
        return DocumentNode(definitions=(replace(shrunk, variable_definitions=kept_variables), *self._kept.values()))

    def _note(self, what: str) -> None:
        self.cuts.append(f"{self._name}: {what}")

    def _selections(self, selection_set: SelectionSetNode, kind: GraphQLNamedType) -> SelectionSetNode | None:
        kept = [one for selection in selection_set.selections if (one := self._selection(selection, kind)) is not None]
        return replace(selection_set, selections=tuple(kept)) if kept else None

    def _selection(
        self, selection: FieldNode | FragmentSpreadNode | InlineFragmentNode | object, kind: GraphQLNamedType
    ) -> FieldNode | FragmentSpreadNode | InlineFragmentNode | None:
        if isinstance(selection, FieldNode):
            return self._field(selection, kind)
        if isinstance(selection, InlineFragmentNode):
            on = kind if selection.type_condition is None else self.schema.type_map.get(selection.type_condition.name.value)
            if on is None or not self._can_be(on, kind):
                self._note(f"... on {selection.type_condition.name.value if selection.type_condition else ''}")
                return None
            inner = self._selections(selection.selection_set, on)
            if inner is None:
                return None
            return replace(selection, selection_set=inner, directives=_now(selection.directives))
        assert isinstance(selection, FragmentSpreadNode)
        name = selection.name.value
        fragment = self.fragments[name]
        on = self.schema.type_map.get(fragment.type_condition.name.value)
        if on is None:
            self._note(f"...{name}")
            return None
        if name not in self._kept:
            inner = self._selections(fragment.selection_set, on)
            if inner is None:
                return None
            self._kept[name] = replace(fragment, selection_set=inner)
        return replace(selection, directives=_now(selection.directives))

    def _can_be(self, one: GraphQLNamedType, other: GraphQLNamedType) -> bool:
        """Whether anything is of both types."""
        return is_composite_type(one) and is_composite_type(other) and do_types_overlap(self.schema, one, other)

    def _field(self, field: FieldNode, kind: GraphQLNamedType) -> FieldNode | None:
        name = field.name.value
        if name == "__typename":
            return field
        if isinstance(kind, GraphQLUnionType):
            return None
        assert isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
        known = kind.fields.get(name)
        if known is None:
            self._note(f"{kind.name}.{name}")
            return None
        arguments: list[ArgumentNode] = []
        for argument in field.arguments or ():
            if argument.name.value not in known.args:
                self._note(f"{kind.name}.{name}({argument.name.value})")
                continue
            value = self._value(argument.value, get_named_type(known.args[argument.name.value].type))
            if value is not None:
                arguments.append(replace(argument, value=value))
        inner = None
        if field.selection_set is not None:
            inner = self._selections(field.selection_set, get_named_type(known.type))
            if inner is None:
                return None
        return replace(field, arguments=tuple(arguments), selection_set=inner, directives=_now(field.directives))

    def _value(self, value: ValueNode, kind: GraphQLNamedType) -> ValueNode | None:
        if isinstance(value, ObjectValueNode) and isinstance(kind, GraphQLInputObjectType):
            fields = []
            for one in value.fields or ():
                if one.name.value not in kind.fields:
                    self._note(f"{kind.name}.{one.name.value}")
                    continue
                inner = self._value(one.value, get_named_type(kind.fields[one.name.value].type))
                if inner is not None:
                    fields.append(replace(one, value=inner))
            if value.fields and not fields:
                return None  # nothing is left of what was meant
            return replace(value, fields=tuple(fields))
        if isinstance(value, ListValueNode):
            return replace(value, values=tuple(v for one in value.values or () if (v := self._value(one, kind)) is not None))
        if isinstance(value, EnumValueNode) and isinstance(kind, GraphQLEnumType) and value.value not in kind.values:
            self._note(f"{kind.name}.{value.value}")
            return None
        return value


def _now(directives: tuple[DirectiveNode, ...] | None) -> tuple[DirectiveNode, ...]:
    return tuple(d for d in directives or () if d.name.value != LATER)


def _variables(document: DocumentNode) -> set[str]:
    found: set[str] = set()

    class Used(Visitor):
        def enter_operation_definition(self, node: OperationDefinitionNode, *_: object) -> None:
            for directive in node.directives or ():
                visit(directive, self)

        def enter_field(self, node: FieldNode, *_: object) -> None:
            for argument in node.arguments or ():
                visit(argument, Names())

    class Names(Visitor):
        def enter_variable(self, node: VariableNode, *_: object) -> None:
            found.add(node.name.value)

    visit(document, Used())
    return found
