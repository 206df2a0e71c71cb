"""The schema put together: all types, no extensions, and resolvers called as directly as GraphQL allows.

Strawberry wraps every field; `shorten` takes the wrapper off again where it does nothing: fields that read an attribute of
their record, and resolvers without arguments. Who made a mistake is told, not logged: `process_errors` is silent, and the
gateway logs and masks what is no Refusal.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import strawberry
from graphql import GraphQLError, GraphQLObjectType
from strawberry.schema.config import StrawberryConfig
from strawberry.types.arguments import convert_arguments
from strawberry.types.execution import ExecutionContext

from resolvers.refusals import Refusal
from schema import (
    account,
    activity,
    annotation,
    attachment,
    change,
    contact,
    conversation,
    enrichment,
    errors,
    evidence,
    identity,
    influence,
    keys,
    label,
    linking,
    meeting,
    merge,
    merge_suggestion,
    message,
    person,
    profile_change,
    provider,
    stream,
    timeline,
    upload,
    viewer,
    writes,
)
from schema.declare import MARK
from schema.marks import Converts, Reads
from schema.mutations import Mutation
from schema.query import Query
from schema.scalars import SCALARS
from schema.subscription import Subscription

MAX_LIST: Final = 1_000  # values of one argument; databases have an end of parameters, and so has patience
DESCRIPTION: Final = "Kith: one API for the people you know."
# types that are met behind interfaces only
_BEHIND: Final[list[Any]] = [
    account.Account,
    activity.Activity,
    annotation.Note,
    annotation.Reminder,
    annotation.Tag,
    attachment.Attachment,
    change.FeedAdvanced,
    change.NodeDeleted,
    change.NodesMerged,
    change.NodeSplit,
    change.NodeUpserted,
    change.ResyncRequired,
    contact.Contact,
    enrichment.Disclosure,
    enrichment.EnrichmentRun,
    conversation.Conversation,
    errors.InputError,
    errors.NodeError,
    errors.ProviderError,
    errors.StreamRuleError,
    evidence.DecisionEvidence,
    evidence.EmailEvidence,
    evidence.PhoneEvidence,
    evidence.ProfileLinkEvidence,
    evidence.ProviderIdEvidence,
    influence.AcquaintanceEvidence,
    evidence.LikenessEvidence,
    evidence.NameEvidence,
    evidence.AttributeEvidence,
    merge_suggestion.MergeSuggestion,
    identity.Identity,
    keys.ApiKey,
    label.Label,
    linking.LinkSession,
    meeting.Meeting,
    merge.Merge,
    profile_change.ProfileChange,
    message.Message,
    stream.Stream,
    person.Person,
    provider.Provider,
    timeline.TimelineGap,
    upload.UploadTicket,
    viewer.Viewer,
    change.WriteSettled,
    writes.PendingWrite,
]


class Schema(strawberry.Schema):
    """A schema that logs nothing by itself."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Errors are looked at by whoever executes, which knows what is a bug and what the caller's mistake."""


@cache
def build_schema() -> strawberry.Schema:
    """The schema of this release; one object a process, since building it takes a while."""
    built = Schema(
        query=Query, mutation=Mutation, subscription=Subscription, types=_BEHIND, config=StrawberryConfig(scalar_map=SCALARS)
    )
    built._schema.description = DESCRIPTION
    shorten(built)
    return built


def shorten(built: strawberry.Schema) -> None:
    """Take Strawberry's wrappers off the resolvers that do not need them."""
    graphql = built._schema
    for kind in graphql.type_map.values():
        if not isinstance(kind, GraphQLObjectType) or "strawberry-definition" not in kind.extensions:
            continue
        for field in kind.fields.values():
            short = _short(field.extensions["strawberry-definition"])
            if field.subscribe is not None:
                field.subscribe = _checked(field.subscribe)
            elif short is not None:
                field.resolve = short
            elif field.args and field.resolve is not None:
                field.resolve = _converting(built, field.extensions["strawberry-definition"], _checked(field.resolve))


def _checked(resolver: Callable[..., Any]) -> Callable[..., Any]:
    """The resolver, given only arguments that a database can be asked with."""

    def resolve(source: Any, info: Any, **arguments: Any) -> Any:
        check(arguments)
        return resolver(source, info, **arguments)

    return resolve


def _converting(built: strawberry.Schema, declared: Any, call: Callable[..., Any]) -> Callable[..., Any]:
    """The resolver with what it is made of, where its function takes the parent and info and then what was asked."""
    function = declared.base_resolver.wrapped_func
    names = [{"parent": "source", "info": "info"}.get(name, "") for name in inspect.signature(function).parameters]
    leads = tuple(name for name in names if name)
    if leads != tuple(names[: len(leads)]):
        return call
    registry, config = built.schema_converter.scalar_registry, built.config

    def converted(arguments: dict[str, Any]) -> dict[str, Any]:
        check(arguments)
        return convert_arguments(arguments, declared.arguments, scalar_registry=registry, config=config)

    return Converts(call, function, leads, converted, declared, config.info_class)


def check(value: Any) -> None:
    """Refuse what no list or text of ours can hold, however deep it stands: thousands of values, NUL, half characters."""
    if isinstance(value, str):
        if "\x00" in value or (not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value)):
            raise Refusal("BAD_ARGUMENTS", "a text holds a character that no text can hold (NUL or half of a surrogate pair)")
    elif isinstance(value, list):
        if len(value) > MAX_LIST:
            raise Refusal("BAD_ARGUMENTS", f"a list holds {len(value)} values; ask with at most {MAX_LIST} at a time")
        for one in value:
            check(one)
    elif isinstance(value, dict):
        for one in value.values():
            check(one)


def _short(declared: Any) -> Callable[..., Any] | None:
    """The resolver without its wrapper, where nothing is lost by that."""
    resolver = declared.base_resolver
    mark: Callable[..., Any] | None = declared.metadata.get(MARK)
    if mark is not None:
        return mark
    if resolver is None:
        return Reads(declared.python_name)
    function = resolver.wrapped_func
    names = list(inspect.signature(function).parameters)
    if not names:
        return lambda source, info: function()
    if names == ["parent", "info"]:
        return function  # type: ignore[no-any-return]
    if names == ["parent"]:
        return lambda source, info: function(source)
    if names == ["info"]:
        return lambda source, info: function(info)
    return None
