"""What a GraphQL document may be, checked in time linear in its size before anything slower sees it.

Order: bytes, tokens (the parser counts them), directives, then one walk over the operation with fragments expanded level by
level, as execution will merge it. The walk stops at its first excess, so an exponential document costs no more than an
honest one at the limit. It bounds how often a response name repeats in a merged selection, because the validation rule
OverlappingFieldsCanBeMerged (GraphQL §5.3.2) compares each with each. Needs no schema; list sizes are cost.py's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
)

from gateway.settings import Settings

CODE: Final = "QUERY_TOO_COMPLEX"
ADVICE: Final[Mapping[str, str]] = {
    "bytes": "send a shorter document",
    "tokens": "ask for less in one document, or use fragments",
    "depth": "nest less, or ask for the rest by id in a second operation",
    "aliases": "ask for fewer things under other names",
    "root fields": "split the operation",
    "directives": "use fewer directives",
    "repeated response names": "write each field once",
    "fields": "ask for fewer fields, or split the operation",
    "introspection lists": "nest the lists of the introspection less",
    "cost": "ask for shorter pages with first or last, or split the operation",
}
#: §4.2: these lists lead back to types, so nesting them multiplies the answer.
_INTROSPECTION_LISTS: Final = frozenset({"fields", "interfaces", "possibleTypes", "inputFields"})
_INTROSPECTION_DEPTH: Final = 2
_CAP: Final = 10**12
_BRACES: Final = re.compile(r'#[^\n\r]*|"""(?:[^"\\]|\\.|"(?!""))*"""|"(?:[^"\\\n]|\\.)*"|[{}\[\]]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Limits:
    """Figures of an installation."""

    bytes: int
    tokens: int
    depth: int
    aliases: int
    root_fields: int
    directives: int
    repeats: int
    fields: int
    cost: int

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        return cls(
            bytes=settings.max_query_bytes,
            tokens=settings.max_tokens,
            depth=settings.max_depth,
            aliases=settings.max_aliases,
            root_fields=settings.max_root_fields,
            directives=settings.max_directives,
            repeats=settings.max_repeats,
            fields=settings.max_fields,
            cost=settings.max_cost,
        )


class LimitExceeded(GraphQLError):
    """A document is too much: `extensions` say of what, the limit and the figure."""

    def __init__(self, what: str, limit: int, actual: int, *, at_least: bool = False) -> None:
        figure = f"{'at least ' if at_least else ''}{actual:,}"
        super().__init__(
            f"This operation is too complex: {what} {figure}, the limit is {limit:,}. To go on, {ADVICE[what]}.",
            extensions={"code": CODE, "what": what, "limit": limit, "actual": actual},
        )


def parse_bounded(query: str, limits: Limits) -> DocumentNode:
    """The document. Raises LimitExceeded, or GraphQLSyntaxError for what is no GraphQL."""
    size = len(query) if query.isascii() else len(query.encode("utf-8", "surrogatepass"))
    if size > limits.bytes:  # first of all: comments are no tokens, and lexing them takes time too
        raise LimitExceeded("bytes", limits.bytes, size)
    try:
        return parse(query, max_tokens=limits.tokens)
    except GraphQLSyntaxError as error:
        if "tokens. Parsing aborted" in error.message:
            raise LimitExceeded("tokens", limits.tokens, limits.tokens + 1, at_least=True) from None
        if (depth := _bracket_depth(query)) > limits.depth * 4:
            raise LimitExceeded("depth", limits.depth, depth) from None
        raise
    except RecursionError:
        raise LimitExceeded("depth", limits.depth, _bracket_depth(query)) from None


def check(document: DocumentNode, limits: Limits) -> None:
    """Raises LimitExceeded when the document, parsed but not yet validated, is too much."""
    fragments: dict[str, FragmentDefinitionNode] = {}
    operations: list[OperationDefinitionNode] = []
    for definition in document.definitions:
        if isinstance(definition, FragmentDefinitionNode):
            fragments.setdefault(definition.name.value, definition)
        elif isinstance(definition, OperationDefinitionNode):
            operations.append(definition)
    seen = _Walk(limits, fragments)
    for operation in operations:
        seen.directives += len(operation.directives or ())
        seen.operation(operation.selection_set)
    for fragment in fragments.values():  # validation also works on fragments that nothing spreads
        seen.directives += len(fragment.directives or ())
        if fragment.name.value not in seen.reached:
            seen.operation(fragment.selection_set)


class _Walk:
    """One document's walk; counts are per operation, directives per document."""

    def __init__(self, limits: Limits, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self.limits = limits
        self.fragments = fragments
        self.reached: set[str] = set()
        self.sizes: dict[str, int] = {}
        self.directives = 0
        self.fields = self.aliases = self.visits = 0

    def operation(self, selection_set: SelectionSetNode) -> None:
        self.fields = self.aliases = self.visits = 0
        self.level([selection_set], 1, None)
        if (written_out := self.written_out(selection_set, set())) > self.limits.fields:
            raise LimitExceeded("fields", self.limits.fields, written_out)

    def level(self, selection_sets: list[SelectionSetNode], depth: int, introspection: int | None) -> None:
        """Merge the selections as execution does (§6.3.2), judge them, go one level deeper."""
        limits = self.limits
        groups: dict[str, list[FieldNode]] = {}
        for node in self.collect(selection_sets):
            key = node.alias or node.name
            group = groups.setdefault(key.value, [])
            group.append(node)
            if len(group) > limits.repeats:
                raise LimitExceeded("repeated response names", limits.repeats, len(group), at_least=True)
        if depth == 1 and (roots := sum(map(len, groups.values()))) > limits.root_fields:
            raise LimitExceeded("root fields", limits.root_fields, roots)
        for group in groups.values():
            deeper = [node.selection_set for node in group if node.selection_set]
            if not deeper:
                continue
            if depth >= limits.depth:
                raise self.too_deep(depth + 1)
            name = group[0].name.value
            below = introspection
            if depth == 1 and name in ("__schema", "__type"):
                below = 0
            elif introspection is not None and name in _INTROSPECTION_LISTS:
                below = introspection + 1
                if below > _INTROSPECTION_DEPTH:
                    raise LimitExceeded("introspection lists", _INTROSPECTION_DEPTH, below, at_least=True)
            self.level(deeper, depth + 1, below)

    def collect(self, selection_sets: Iterable[SelectionSetNode]) -> list[FieldNode]:
        limits = self.limits
        found: list[FieldNode] = []
        spread: set[str] = set()
        stack = [(selection_set, 0) for selection_set in selection_sets]
        while stack:
            selection_set, nesting = stack.pop()
            if nesting > limits.depth * 2:
                raise self.too_deep(nesting)
            for node in selection_set.selections:
                self.visits += 1
                if node.directives:
                    self.directives += len(node.directives)
                    if self.directives > limits.directives:
                        raise LimitExceeded("directives", limits.directives, self.directives, at_least=True)
                if isinstance(node, FieldNode):
                    self.fields += 1
                    if node.alias is not None:
                        self.aliases += 1
                        if self.aliases > limits.aliases:
                            raise LimitExceeded("aliases", limits.aliases, self.aliases, at_least=True)
                    found.append(node)
                elif isinstance(node, InlineFragmentNode):
                    stack.append((node.selection_set, nesting + 1))
                elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                    spread.add(node.name.value)
                    fragment = self.fragments.get(node.name.value)  # an unknown one is for validation to report
                    if fragment is not None:
                        self.reached.add(node.name.value)
                        stack.append((fragment.selection_set, nesting + 1))
            if self.visits > limits.fields * 2 or self.fields > limits.fields:
                raise LimitExceeded("fields", limits.fields, max(self.fields, self.visits), at_least=True)
        return found

    def written_out(self, selection_set: SelectionSetNode, within: set[str]) -> int:
        """Fields if every spread were written out where it stands: what a tool that does not merge would work through.

        Remembered per fragment, hence linear; as deep as the walk above has allowed.
        """
        total = 0
        for node in selection_set.selections:
            if isinstance(node, FragmentSpreadNode):
                name = node.name.value
                fragment = self.fragments.get(name)
                if fragment is None or name in within:
                    continue
                if name not in self.sizes:
                    self.sizes[name] = self.written_out(fragment.selection_set, within | {name})
                total += self.sizes[name]
            elif isinstance(node, FieldNode | InlineFragmentNode):
                total += isinstance(node, FieldNode)
                if node.selection_set:
                    total += self.written_out(node.selection_set, within)
        return min(total, _CAP)

    def too_deep(self, depth: int) -> GraphQLError:
        if cycle := self.cycle():
            return GraphQLError(
                f"Cannot spread fragment {cycle!r} within itself.", extensions={"code": "GRAPHQL_VALIDATION_FAILED"}
            )
        return LimitExceeded("depth", self.limits.depth, depth, at_least=True)

    def cycle(self) -> str | None:
        """A fragment that leads back to itself, by depth-first search in linear time."""
        spreads = {name: _spreads(fragment.selection_set) for name, fragment in self.fragments.items()}
        state: dict[str, bool] = {}  # True while on the path
        for start in spreads:
            path = [(start, iter(spreads[start]))] if start not in state else []
            state.setdefault(start, True)
            while path:
                name, rest = path[-1]
                following = next(rest, None)
                if following is None:
                    state[name] = False
                    path.pop()
                elif state.get(following):
                    return following
                elif following not in state and following in spreads:
                    state[following] = True
                    path.append((following, iter(spreads[following])))
        return None


def _spreads(selection_set: SelectionSetNode) -> list[str]:
    names, stack = [], [selection_set]
    while stack:
        for node in stack.pop().selections:
            if isinstance(node, FragmentSpreadNode):
                names.append(node.name.value)
            elif isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set:
                stack.append(node.selection_set)
    return names


def _bracket_depth(query: str) -> int:
    """How deep brackets nest, strings and comments aside; for a document too deep to be parsed."""
    depth = deepest = 0
    for match in _BRACES.finditer(query):
        if match[0] in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif match[0] in "}]":
            depth -= 1
    return deepest
