"""From an operation to its answer: the one way in for HTTP, WebSocket, event streams and the command line.

A request is prepared (documents.py), weighed, its scopes checked, its cost taken from the credential's allowance; then its
plan (compiled/) executes it with one `Operation` as context, or graphql-core what has no plan. Subscriptions renew that
operation for each event. Resolvers see a `Context`; the library's own view and extension pipeline are left out, as they cost
more than most operations.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import structlog
from graphql import ExecutionResult, GraphQLError, OperationDefinitionNode
from graphql import execute as graphql_execute
from graphql.execution import create_source_event_stream, execute_subscription_event
from strawberry import Schema

from gateway.cost import Policy, Weight
from gateway.execution.answers import Answers, Found, Made
from gateway.execution.compiled import Plans, Ready
from gateway.execution.compiled.values import is_awaitable
from gateway.execution.documents import Documents, Prepared, Refused, deadline, kind_of
from gateway.execution.keeping import lasts
from gateway.execution.masking import BAD_INPUT, INTERNAL, VALIDATION_FAILED, origin, present
from gateway.execution.persisted import Persisted
from gateway.execution.rate import Rate
from gateway.execution.request import Answer, GraphQLRequest
from gateway.limits import LimitExceeded, Limits
from gateway.signin.principal import Principal
from gateway.telemetry import Telemetry
from providers.time_limit import TimeLimit
from resolvers.changes import FeedAdvanced
from resolvers.operation import DEFAULT_DEADLINE_MS, Operation, Services, Spending, always
from schema.lasting import stored

GRACE: Final = 15.0  # seconds an operation may take beyond the longest deadline before it is ended as broken
QUERIES: Final = frozenset({"query"})
ALL_AT_ONCE: Final = frozenset({"query", "mutation"})
log = structlog.get_logger("kith.execution")


@dataclass(slots=True)
class Context:
    """What resolvers get as `info.context`."""

    operation: Operation
    principal: Principal
    last_event_id: str | None = None


class Observer(Protocol):
    """Learns from what is asked, to answer it before it is asked again (gateway/prewarming.py)."""

    def began(self) -> None: ...
    def ended(self) -> None: ...
    def asked(self, principal: Principal, document: str, request: GraphQLRequest, found: Found) -> None: ...
    def opened(self, viewer: str) -> None: ...
    def closed(self, viewer: str) -> None: ...
    def told(self, viewer: str) -> None: ...


@dataclass(slots=True)
class _Admitted:
    """A request that may be executed."""

    prepared: Prepared
    node: OperationDefinitionNode
    weight: Weight
    name: str
    kind: str


class Execution:
    """One per process."""

    def __init__(
        self,
        schema: Schema,
        services: Services,
        limits: Limits,
        policy: Policy,
        rate: Rate,
        telemetry: Telemetry,
        *,
        compiled: bool = True,
        persisted: Persisted | None = None,
        answers: Answers | None = None,
    ) -> None:
        self._schema = schema._schema
        self._executor = schema.execution_context_class
        self._services = services
        self._limits = limits
        self._rate = rate
        self._telemetry = telemetry
        self._plans = Plans(self._schema, self._executor) if compiled else None
        self.persisted = persisted or Persisted({})
        self._answers = answers
        self.observer: Observer | None = None
        self.documents = Documents(self._schema, limits, policy, self.persisted.texts)

    async def execute(
        self,
        request: GraphQLRequest,
        principal: Principal,
        *,
        allowed: frozenset[str] = ALL_AT_ONCE,
        alive: Callable[[], Awaitable[bool]] = always,
    ) -> Answer:
        """Run a query or mutation. Never raises for what the client sent."""
        return (await self._found(request, principal, allowed, alive, None, ())).answer

    async def reply(
        self,
        request: GraphQLRequest,
        principal: Principal,
        *,
        allowed: frozenset[str] = ALL_AT_ONCE,
        alive: Callable[[], Awaitable[bool]] = always,
        tags: Sequence[str] = (),
    ) -> Found:
        """`execute`, unless there is an answer already that is still true (answers.py); `tags` are of those that the client has."""
        return await self._found(request, principal, allowed, alive, self._answers, tags)

    async def ahead(self, principal: Principal, request: GraphQLRequest) -> bool | None:
        """Make the answer to a query that nobody has asked yet, from the store alone: no network, no allowance of anybody's, no count of
        operations. False when there is none to keep, None when it is at hand.
        """
        try:
            prepared = self.documents.prepare(request.query)
            node = prepared.operation(request.operation_name)
            weight = self.documents.weigh(prepared, node, request.variables)
        except Refused:
            return False
        admitted = _Admitted(prepared, node, weight, node.name.value if node.name else "", kind_of(node))
        if weight.cost > self._limits.cost or not weight.scopes <= principal.scopes or not self._lasts(admitted):
            return False
        answers = self._answers
        key = None if answers is None else answers.key(principal, prepared.digest, admitted.name, request.variables)
        if answers is None or key is None:
            return False

        async def make() -> Made:
            operation = self._operation(request, principal, admitted, always, None, ahead=True)
            try:
                result = await self._run(request, admitted, Context(operation, principal))
            finally:
                operation.close()
            # what it could not do without more than the store is an error like any other: nobody is shown it, and nothing is kept
            return Answer(data=result.data, errors=[{} for _ in result.errors or ()]), operation

        return await answers.ahead(key, make)

    async def _found(
        self,
        request: GraphQLRequest,
        principal: Principal,
        allowed: frozenset[str],
        alive: Callable[[], Awaitable[bool]],
        answers: Answers | None,
        tags: Sequence[str],
    ) -> Found:
        observer = self.observer
        if observer is None:
            return await self._looked_up(request, principal, allowed, alive, answers, tags)
        observer.began()
        try:
            return await self._looked_up(request, principal, allowed, alive, answers, tags)
        finally:
            observer.ended()

    async def _looked_up(
        self,
        request: GraphQLRequest,
        principal: Principal,
        allowed: frozenset[str],
        alive: Callable[[], Awaitable[bool]],
        answers: Answers | None,
        tags: Sequence[str],
    ) -> Found:
        began = time.perf_counter()
        try:
            admitted = await self._admit(request, principal, allowed)
        except Refused as refused:
            self._telemetry.operation("refused", "refused", time.perf_counter() - began)
            return Found(_refusal(refused, principal))

        async def make() -> Made:
            operation = self._operation(request, principal, admitted, alive, None)
            try:
                result = await self._run(request, admitted, Context(operation, principal))
            finally:
                operation.close()
            return self._answer(result, admitted, operation, principal), operation

        key = None
        if answers is not None and self._lasts(admitted):
            key = answers.key(principal, admitted.prepared.digest, admitted.name, request.variables)
        if answers is None or key is None:
            found = Found((await make())[0])
        else:
            found = await answers.answer(key, make, tags)
            if found.kept is not None and not found.answer.extensions:
                found.answer.extensions["kith"] = _told(Spending(cost=admitted.weight.cost, cache_hits=1))
            if self.observer is not None:
                self.observer.asked(principal, admitted.prepared.digest, request, found)
        self._telemetry.operation(admitted.kind, _outcome(found.answer), time.perf_counter() - began)
        return found

    def _lasts(self, admitted: _Admitted) -> bool:
        """Whether answers of the operation are kept at all."""
        prepared, name = admitted.prepared, admitted.name
        found = prepared.lasting.get(name)
        if found is None:
            found = prepared.lasting[name] = lasts(self._schema, stored, prepared.document, admitted.node)
        return found

    async def stream(
        self,
        request: GraphQLRequest,
        principal: Principal,
        *,
        last_event_id: str | None = None,
        alive: Callable[[], Awaitable[bool]] = always,
    ) -> AsyncGenerator[Answer]:
        """Run any operation as a stream of answers: one for a query or mutation, one an event for a subscription.

        A request error is a single answer with `refused` set. Close the iterator to end the subscription.
        """
        try:
            admitted = await self._admit(request, principal, ALL_AT_ONCE | {"subscription"})
        except Refused as refused:
            self._telemetry.operation("refused", "refused", 0.0)
            yield _refusal(refused, principal)
            return
        if admitted.kind != "subscription":
            yield await self.execute(request, principal, alive=alive)
            return
        operation = self._operation(request, principal, admitted, alive, last_event_id)
        context = Context(operation, principal, last_event_id)
        observer = self.observer
        if observer is not None:
            observer.opened(principal.viewer)
        try:
            async with aclosing(self._events(request, admitted, context)) as events:
                async for answer in events:
                    yield answer
        finally:
            if observer is not None:
                observer.closed(principal.viewer)

    async def _events(self, request: GraphQLRequest, admitted: _Admitted, context: Context) -> AsyncGenerator[Answer]:
        principal, operation = context.principal, context.operation
        executor = self._executor.build(
            self._schema,
            admitted.prepared.document,
            context_value=context,
            raw_variable_values=request.variables,
            operation_name=request.operation_name,
            is_awaitable=is_awaitable,
        )
        if isinstance(executor, list):
            yield self._answer(ExecutionResult(None, executor), admitted, operation, principal)
            return
        source = create_source_event_stream(executor)
        if inspect.isawaitable(source):
            source = await source
        if isinstance(source, ExecutionResult):
            self._telemetry.operation("subscription", "error", 0.0)
            answer = self._answer(source, admitted, operation, principal)
            answer.refused = True
            yield answer
            return
        self._telemetry.operation("subscription", "ok", 0.0)
        planned = self._planned(request, admitted)
        ready = planned if isinstance(planned, Ready) else None
        otherwise = executor if ready is None else None
        del executor  # a kilobyte and more, for as long as the stream is open
        iterator = cast("AsyncIterator[Any]", source)
        try:
            while True:
                try:
                    event = await anext(iterator)
                except StopAsyncIteration:
                    return
                except Exception as error:  # the source broke: say so under a reference, and end
                    broken = GraphQLError(str(error), original_error=error)
                    shown = present(broken, operation=admitted.name, viewer=principal.viewer, code=INTERNAL)
                    yield Answer(errors=[shown], refused=True)
                    return
                operation.renew()
                if otherwise is None:
                    assert ready is not None
                    result = await self._run_plan(ready, context, event)
                else:
                    told = execute_subscription_event(otherwise.build_per_event_executor(event))
                    result = await told if inspect.isawaitable(told) else told
                    self._telemetry.executed("graphql-core")
                answer = self._answer(result, admitted, operation, principal)
                answer.event_id = _cursor(event, answer)
                if self.observer is not None and not isinstance(event, FeedAdvanced):  # which tells that nothing was told
                    self.observer.told(principal.viewer)
                operation.close()
                yield answer
        finally:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()

    async def _admit(self, request: GraphQLRequest, principal: Principal, allowed: frozenset[str]) -> _Admitted:
        prepared = self.documents.prepare(self.persisted.document(request, trusted=principal.kind == "COMMAND"))
        self.persisted.executed(request)
        node = prepared.operation(request.operation_name)
        kind = kind_of(node)
        if kind not in allowed:
            raise _wrong_way(kind)
        weight = self.documents.weigh(prepared, node, request.variables)
        if weight.cost > self._limits.cost:
            raise Refused([LimitExceeded("cost", self._limits.cost, weight.cost)], VALIDATION_FAILED)
        if not weight.scopes <= principal.scopes:
            missing = sorted(weight.scopes - principal.scopes)
            names = " and ".join(scope.lower() for scope in missing)
            error = GraphQLError(
                f"This key lacks the scope {names}: make one with `kith token create --scope …`.",
                extensions={"code": "FORBIDDEN", "missingScopes": missing},
            )
            raise Refused([error], "FORBIDDEN")
        if self._rate.limited and (wait := await self._rate.take(principal.viewer, principal.credential, max(1, weight.cost))):
            error = GraphQLError(
                f"This key has spent its cost for this minute: try again in {wait} s, with shorter pages.",
                extensions={"code": "RATE_LIMITED", "retryAfter": wait},
            )
            raise Refused([error], "RATE_LIMITED", status=429)
        return _Admitted(prepared, node, weight, node.name.value if node.name else "", kind)

    def _operation(
        self,
        request: GraphQLRequest,
        principal: Principal,
        admitted: _Admitted,
        alive: Callable[[], Awaitable[bool]],
        last_event_id: str | None,
        *,
        ahead: bool = False,
    ) -> Operation:
        operation = Operation(
            self._services,
            principal.viewer,
            frozenset(scope.lower() for scope in principal.scopes),
            deadline_ms=deadline(admitted.prepared, request.variables, DEFAULT_DEADLINE_MS),
            credential=principal.credential,
            alive=alive,
            last_event_id=last_event_id,
            ahead=ahead,
        )
        operation.spending.cost = admitted.weight.cost
        return operation

    async def _run(self, request: GraphQLRequest, admitted: _Admitted, context: Context) -> ExecutionResult:
        try:
            with TimeLimit(self._services.max_deadline_ms / 1000 + GRACE):
                planned = self._planned(request, admitted)
                if isinstance(planned, Ready):
                    return await self._run_plan(planned, context)
                if planned is not None:
                    return planned
                self._telemetry.executed("graphql-core")
                result = graphql_execute(
                    self._schema,
                    admitted.prepared.document,
                    context_value=context,
                    variable_values=request.variables,
                    operation_name=request.operation_name,
                    is_awaitable=is_awaitable,
                    executor_class=self._executor,
                )
                return await result if inspect.isawaitable(result) else result
        except TimeoutError as error:
            return ExecutionResult(None, [GraphQLError("timed out", path=[], original_error=error)])

    def _planned(self, request: GraphQLRequest, admitted: _Admitted) -> Ready | ExecutionResult | None:
        """The operation ready to run as compiled, the errors of its variables, or None: graphql-core executes it."""
        if self._plans is None:
            return None
        prepared = admitted.prepared
        return self._plans.ready(prepared.plans, prepared.document, admitted.node, request.operation_name, request.variables)

    async def _run_plan(self, ready: Ready, context: Context, root: Any = None) -> ExecutionResult:
        assert self._plans is not None
        result, replayed = await self._plans.run(ready, context, root)
        self._telemetry.executed("replayed" if replayed else "compiled")
        return result

    def _answer(self, result: ExecutionResult, admitted: _Admitted, operation: Operation, principal: Principal) -> Answer:
        errors = result.errors or []
        answer = Answer(
            data=result.data,
            errors=[present(e, operation=admitted.name, viewer=principal.viewer) for e in errors],
            # §6.4.1: without data and without a path nothing was executed, such as when a variable has the wrong type
            refused=result.data is None and bool(errors) and all(e.path is None and origin(e) is None for e in errors),
        )
        spending = operation.spending
        self._telemetry.spent(spending)
        answer.extensions["kith"] = _told(spending)
        return answer


def _told(spending: Spending) -> dict[str, Any]:
    """What `extensions.kith` says."""
    return {
        "cost": spending.cost,
        "providerCalls": {"planned": spending.planned, "made": spending.made, "avoided": spending.avoided},
        "cacheHits": spending.cache_hits,
        "sources": [
            {"accountId": s.account_id, "state": s.state, "milliseconds": round(s.milliseconds, 1), "calls": s.calls}
            for s in spending.sources
        ],
    }


def _wrong_way(kind: str) -> Refused:
    if kind == "subscription":
        return Refused(
            [
                GraphQLError(
                    "Subscriptions need a stream: use graphql-transport-ws on this address, or send `Accept: text/event-stream`.",
                    extensions={"code": "SUBSCRIPTION_NEEDS_STREAM"},
                )
            ],
            BAD_INPUT,
            status=400,
        )
    return Refused(
        [GraphQLError("Mutations go by POST, never by GET.", extensions={"code": "METHOD_NOT_ALLOWED"})], BAD_INPUT, status=405
    )


def _refusal(refused: Refused, principal: Principal) -> Answer:
    shown = [present(error, operation=None, viewer=principal.viewer, code=refused.code) for error in refused.errors]
    answer = Answer(errors=shown, refused=True, status=refused.status)
    if refused.status == 405:
        answer.headers["allow"] = "POST"
    if refused.status == 429:
        answer.headers["retry-after"] = str(shown[0]["extensions"]["retryAfter"])
    return answer


def _cursor(event: object, answer: Answer) -> str | None:
    """What an event stream gives as `id:`: the change's cursor, whatever the client calls or leaves out."""
    cursor = getattr(event, "cursor", None)
    if isinstance(cursor, str):
        return cursor
    for value in (answer.data or {}).values():
        if isinstance(value, dict) and isinstance(value.get("cursor"), str):
            return str(value["cursor"])
    return None


def _outcome(answer: Answer) -> str:
    if answer.refused:
        return "refused"
    if any(error["extensions"].get("code") == INTERNAL for error in answer.errors):
        return "failed"
    return "partial" if answer.errors else "ok"
