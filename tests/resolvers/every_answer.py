"""One question for everything that can be asked without a required argument, written from the schema itself: a new field is asked too.

Knows no field by name but those that are history by their nature.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any, Final

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_required_argument,
)

from schema import build_schema

#: What tells how something came about, or when it was reckoned: another after each change, whatever that was.
HISTORY: Final = frozenset(
    {"version", "changes", "feed", "merges", "formerIds", "cursor", "pageInfo", "computedAt", "auditLog", "sources", "facets"}
)
SCHEMA: Final = build_schema()._schema


@cache
def everything(depth: int, besides: frozenset[str] = HISTORY) -> str:
    """All that the viewer's fields tell of, so many objects deep."""
    kind = SCHEMA.type_map["Viewer"]
    return "{ viewer " + _selected(kind, depth, besides, (), alone=True) + " }"


def _selected(kind: GraphQLNamedType, depth: int, besides: Collection[str], path: tuple[str, ...], *, alone: bool) -> str:
    if is_abstract_type(kind):
        kinds = SCHEMA.get_possible_types(kind)
        each = [f"... on {one.name} {_selected(one, depth, besides, path, alone=False)}" for one in kinds]
        return "{ __typename " + " ".join(each) + " }"
    assert isinstance(kind, GraphQLObjectType)
    found = []
    for name, field in kind.fields.items():
        if name in besides or any(map(is_required_argument, field.args.values())):
            continue
        below = _below(field, depth, besides, (*path, kind.name))
        if below is not None:  # kinds of a union may have fields of one name that are of different types
            found.append(f"{'' if alone else f'{kind.name}_{name}: '}{name} {below}".strip())
    return "{ __typename " + " ".join(found) + " }"


def _below(field: GraphQLField, depth: int, besides: Collection[str], path: tuple[str, ...]) -> str | None:
    """What is selected of a field's value: nothing of a leaf, None where it goes no deeper."""
    kind = get_named_type(field.type)
    if is_leaf_type(kind):
        return ""
    carries = kind.name.endswith(("Connection", "Edge"))
    if kind.name in path or not depth:
        return None
    return _selected(kind, depth - (not carries), besides, path, alone=True)


def settled(answer: Any) -> Any:
    """An answer without the decisions in its timelines, and without what lists could not tell at that moment."""
    if isinstance(answer, list):
        return [settled(one) for one in answer]
    if not isinstance(answer, dict):
        return answer
    if answer.get("__typename") == "TimelineConnection":
        edges = [edge for edge in answer["edges"] if edge.get("node", {}).get("__typename") not in ("Merge", "TimelineGap")]
        answer = {"edges": edges}
    return {name: settled(value) for name, value in answer.items()}


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two answers differ, by their places."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [text for name in one for text in differences(one[name], other[name], f"{path}.{name}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [text for at, (a, b) in enumerate(zip(one, other, strict=True)) for text in differences(a, b, f"{path}[{at}]")]
    return [] if one == other else [f"{path}: {one!r:.200} / {other!r:.200}"]
