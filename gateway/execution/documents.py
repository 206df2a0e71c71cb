"""From the text of an operation to a document that may be executed, remembered: parsed, within limits, valid.

A document that was refused is remembered too, so that sending it again is cheap. The memory is bounded by tokens, since that
is what a parsed document's size follows.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    IntValueNode,
    ObjectFieldNode,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    validate,
    visit,
)

from gateway.cost import Policy, Weight, weigh
from gateway.execution.compiled import Known
from gateway.execution.masking import PARSE_FAILED, VALIDATION_FAILED
from gateway.limits import LimitExceeded, Limits, check, parse_bounded

MEMORY_TOKENS: Final = 60_000
MAX_ERRORS: Final = 20  # each costs a search for similar names
_WEIGHTS: Final = 16  # remembered costs a document


class Refused(Exception):
    """The document is not executed; `errors` say why, `code` is for those that have none."""

    def __init__(self, errors: list[GraphQLError], code: str, *, status: int | None = None) -> None:
        super().__init__(errors[0].message)
        self.errors = errors
        self.code = code
        self.status = status


@dataclass(slots=True)
class Prepared:
    """A valid document. `deadlines` are the figures written in it, and the variables that carry one."""

    document: DocumentNode
    operations: dict[str, OperationDefinitionNode]
    deadline_ms: int
    deadline_variables: frozenset[str]
    digest: str = ""  # of its text
    lasting: dict[str, bool] = field(default_factory=dict)  # whether the answers of an operation are kept (keeping.py)
    weights: dict[tuple[Any, ...], Weight] = field(default_factory=dict)
    depends: dict[str, tuple[str, ...]] = field(default_factory=dict)
    plans: Known = field(default_factory=Known)

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation to execute (GraphQL §6.1 GetOperation). Raises Refused."""
        if name is None:
            if len(self.operations) == 1:
                return next(iter(self.operations.values()))
            raise Refused(
                [GraphQLError("Say which operation to run with `operationName`: the document has several.")], VALIDATION_FAILED
            )
        found = self.operations.get(name)
        if found is None:
            raise Refused([GraphQLError(f"There is no operation named {name[:100]!r} in the document.")], VALIDATION_FAILED)
        return found


class Documents:
    """One per process and schema. The documents of `lasting` are never forgotten."""

    def __init__(self, schema: GraphQLSchema, limits: Limits, policy: Policy, lasting: frozenset[str] = frozenset()) -> None:
        self.schema = schema
        self.limits = limits
        self.policy = policy
        self._known: OrderedDict[str, tuple[Prepared | Refused, int]] = OrderedDict()
        self._tokens = 0
        self._lasting = lasting
        self._kept: dict[str, Prepared | Refused] = {}

    def prepare(self, query: str) -> Prepared:
        """The document. Raises Refused."""
        known = self._known.get(query)
        if known is not None:
            self._known.move_to_end(query)
            found = known[0]
        elif query in self._kept:
            found = self._kept[query]
        else:
            found, tokens = self._read(query)
            if query in self._lasting:
                self._kept[query] = found
            elif len(query) <= self.limits.bytes:
                self._remember(query, found, tokens)
        if isinstance(found, Refused):
            raise Refused(found.errors, found.code)
        return found

    def weigh(self, prepared: Prepared, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> Weight:
        """Cost and scopes, remembered for the values of the variables that sizes depend on."""
        name = operation.name.value if operation.name else ""
        depends = prepared.depends.get(name)
        key: tuple[Any, ...] | None = None
        if depends is not None:
            key = (name, *(_size(variables.get(variable, ...)) for variable in depends))
            if (known := prepared.weights.get(key)) is not None:
                return known
        weight = weigh(self.schema, self.policy, prepared.document, operation, variables)
        prepared.depends[name] = depends = tuple(sorted(weight.variables))
        if len(prepared.weights) >= _WEIGHTS:
            prepared.weights.clear()
        prepared.weights[(name, *(_size(variables.get(variable, ...)) for variable in depends))] = weight
        return weight

    def _read(self, query: str) -> tuple[Prepared | Refused, int]:
        try:
            document = parse_bounded(query, self.limits)
        except LimitExceeded as error:
            return Refused([error], VALIDATION_FAILED), 10
        except GraphQLError as error:
            return Refused([error], PARSE_FAILED), 10
        tokens = getattr(document, "token_count", 0) or len(query) // 4
        try:
            check(document, self.limits)
            errors = validate(self.schema, document, max_errors=MAX_ERRORS)
        except GraphQLError as error:
            return Refused([error], VALIDATION_FAILED), 10
        except RecursionError:
            return Refused([GraphQLError("This document is nested too deeply to be checked.")], VALIDATION_FAILED), 10
        if errors:
            return Refused(errors, VALIDATION_FAILED), 50
        operations = {d.name.value if d.name else "": d for d in document.definitions if isinstance(d, OperationDefinitionNode)}
        if not operations:
            return Refused([GraphQLError("The document has no operation.")], VALIDATION_FAILED), 10
        found = _Deadlines()
        visit(document, found)
        return Prepared(document, operations, found.most, frozenset(found.variables), digest_of(query)), tokens

    def _remember(self, query: str, found: Prepared | Refused, tokens: int) -> None:
        charge = tokens + len(query) // 16
        self._known[query] = (found, charge)
        self._tokens += charge
        while self._tokens > MEMORY_TOKENS and len(self._known) > 1:
            _, (_, freed) = self._known.popitem(last=False)
            self._tokens -= freed


def digest_of(query: str) -> str:
    """The name of a document's text."""
    return hashlib.blake2b(query.encode(errors="replace"), digest_size=16).hexdigest()


def deadline(prepared: Prepared, variables: Mapping[str, Any], default: int) -> int:
    """The largest `deadlineMs` asked for, in the document or its variables; `default` when none is."""
    most = prepared.deadline_ms
    for name in prepared.deadline_variables:
        value = variables.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            most = max(most, value)
    if variables:
        most = max(most, _deepest_deadline(variables))
    return most if most > 0 else default


def kind_of(operation: OperationDefinitionNode) -> str:
    """query, mutation or subscription."""
    return operation.operation.value


def _deepest_deadline(value: object) -> int:
    """The largest entry `deadlineMs` of input objects in the variables (bounded by the body's size)."""
    most, stack = 0, [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            asked = item.get("deadlineMs")
            if isinstance(asked, int) and not isinstance(asked, bool):
                most = max(most, asked)
            stack.extend(v for v in item.values() if isinstance(v, dict | list))
        elif isinstance(item, list):
            stack.extend(v for v in item if isinstance(v, dict | list))
    return most


def _size(value: object) -> object:
    """What of a variable a cost can depend on."""
    if isinstance(value, list):
        return ("list", len(value))
    return value if isinstance(value, int | float | str | bool | None) or value is ... else type(value).__name__


class _Deadlines(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.most = 0
        self.variables: set[str] = set()

    def enter_object_field(self, node: ObjectFieldNode, *_: Any) -> None:
        if node.name.value != "deadlineMs":
            return
        if isinstance(node.value, IntValueNode) and len(node.value.value) < 12:
            self.most = max(self.most, int(node.value.value))
        elif isinstance(node.value, VariableNode):
            self.variables.add(node.value.name.value)
