"""Plans of the documents that are known, and executing by them.

A plan belongs to a document, an operation of it and the values of the variables that decide which fields it has; a document has
few, and all together are bounded by their fields, since that is what their size follows (some 2 KB a field). A plan that ends in
graphql-core more often than not is not used again: going there twice costs more than going there at once.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from graphql import DocumentNode, ExecutionResult, GraphQLError, GraphQLSchema, OperationDefinitionNode
from graphql.execution import Executor
from graphql.execution.values import VariableValues, get_variable_values

from gateway.execution.compiled.plan import Plan, Untaken, deciding
from gateway.execution.compiled.replay import replay
from gateway.execution.compiled.run import Run
from gateway.execution.compiled.values import Classes

PLANS: Final = 8  # to a document: each combination of @skip and @include is one
FIELDS: Final = 10_000  # of all plans together
PATIENCE: Final = 20  # replays before a plan is judged by its share of them
MAX_COERCION_ERRORS: Final = 50  # graphql-core's default
NONE: Final = VariableValues({}, {})
log = structlog.get_logger("kith.execution")


@dataclass(slots=True)
class Known:
    """The plans of one document; None where graphql-core is the one to ask."""

    deciding: tuple[str, ...] | None = None
    plans: dict[tuple[Any, ...], Plan | None] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Ready:
    """An operation that may be run any number of times with these variables."""

    plan: Plan
    raw_variables: dict[str, Any]
    variables: VariableValues


class Plans:
    """One per schema."""

    def __init__(self, schema: GraphQLSchema, executor_class: type[Executor[Any]]) -> None:
        self.schema = schema
        self._executor_class = executor_class
        self._classes = Classes()
        self._used: OrderedDict[Plan, tuple[Known, tuple[Any, ...]]] = OrderedDict()  # longest ago first
        # graphql-core's own `execute` refuses such a schema
        self._takes = schema.get_directive("defer") is None and schema.get_directive("stream") is None

    def ready(
        self, known: Known, document: DocumentNode, operation: OperationDefinitionNode, name: str | None, raw: dict[str, Any]
    ) -> Ready | ExecutionResult | None:
        """The operation with its variables; the errors of these; None when graphql-core executes it."""
        if not self._takes:
            return None
        variables: VariableValues | list[GraphQLError] = NONE
        if operation.variable_definitions:
            variables = get_variable_values(self.schema, operation.variable_definitions, raw, max_errors=MAX_COERCION_ERRORS)
        if isinstance(variables, list):
            return ExecutionResult(None, variables)
        if known.deciding is None:
            known.deciding = deciding(document)
        key = (name, *(variables.coerced.get(one) for one in known.deciding))
        if key in known.plans:
            plan = known.plans[key]
            if plan is not None:
                self._used.move_to_end(plan)
        elif len(known.plans) < PLANS:
            plan = known.plans[key] = self._made(document, operation, name, variables)
            if plan is not None:
                self._used[plan] = (known, key)
                self._forget()
        else:
            plan = None
        if plan is None or (plan.replays > PATIENCE and 2 * plan.replays > plan.runs):
            return None
        return Ready(plan, raw, variables)

    async def run(self, ready: Ready, context: Any, root: Any = None) -> tuple[ExecutionResult, bool]:
        """The answer, and whether it is graphql-core's."""
        plan = ready.plan
        plan.runs += 1
        run = Run(plan, self._classes, root, context, ready.variables)
        data = await run.through(root)
        if data is not None:
            run.close()
            return ExecutionResult(data, None), False
        plan.replays += 1
        return await replay(run, self._executor_class, ready.raw_variables), True

    def _forget(self) -> None:
        """Let go of the plans that were not used for longest, until the others have room."""
        fields = sum(plan.size for plan in self._used)
        while fields > FIELDS and len(self._used) > 1:
            plan, (known, key) = self._used.popitem(last=False)
            fields -= plan.size
            known.plans.pop(key, None)

    def _made(
        self, document: DocumentNode, operation: OperationDefinitionNode, name: str | None, variables: VariableValues
    ) -> Plan | None:
        try:
            return Plan(self.schema, document, operation, name, variables, self._classes)
        except Untaken:
            return None
        except Exception as error:
            log.warning("operation not compiled", operation=name, exc_info=error)
            return None
