"""Where an interface or union stands: which object type a value has, and the source for the fields it is then asked for.

The source for a type is written when the first value of it comes: of twenty types behind an interface an answer has two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from graphql import GraphQLAbstractType, default_type_resolver, is_object_type
from graphql.execution.collect_fields import FieldDetails

from gateway.execution.compiled.values import Irregular, said
from schema.marks import ByRecord, Shows

if TYPE_CHECKING:
    from gateway.execution.compiled.plan import Plan, Way
    from gateway.execution.compiled.run import Call, Run

Answers = Callable[[Any, "Run", "Call | None", tuple[int, ...]], dict[str, Any]]


class Fork:
    """One place in an operation where the type is only known from the value."""

    __slots__ = ("_by_name", "_by_record", "_details", "_kind", "_plan", "_way", "asks_info")

    def __init__(self, plan: Plan, kind: GraphQLAbstractType, details: Sequence[FieldDetails], way: Way) -> None:
        self._plan = plan
        self._kind = kind
        self._details = details
        self._way = way
        self._by_name: dict[str, Answers] = {}
        self._by_record: dict[type, Answers] = {}
        possible = plan.schema.get_possible_types(kind)
        self.asks_info = not isinstance(kind.resolve_type, ByRecord) or not all(isinstance(t.is_type_of, Shows) for t in possible)

    def __call__(self, value: Any, run: Run, call: Call | None, indexes: tuple[int, ...], info: Call | None) -> dict[str, Any]:
        answers = self._by_record.get(type(value))
        if answers is None:
            answers = self._find(value, info)
        return answers(value, run, call, indexes)

    def _find(self, value: Any, info: Call | None) -> Answers:
        """As graphql-core's complete_abstract_value, ensure_valid_runtime_type and complete_object_value have it."""
        resolve: Callable[..., Any] = self._kind.resolve_type or default_type_resolver
        name = said(resolve(value, info, self._kind))
        if not isinstance(name, str):
            raise Irregular
        kind = self._plan.schema.get_type(name)
        if not is_object_type(kind) or not self._plan.schema.is_sub_type(self._kind, kind):
            raise Irregular
        is_it: Callable[..., Any] | None = kind.is_type_of  # with our own `info`, which has what a GraphQLResolveInfo has
        if is_it is not None and not said(is_it(value, info)):
            raise Irregular
        answers = self._by_name.get(name)
        if answers is None:
            answers = self._by_name[name] = self._plan.unit(kind, self._details, self._way)
        if not self.asks_info:
            self._by_record[type(value)] = answers
        return answers
