"""What every list is made of: pages, edges, cursors, and how the accounts behind a list have answered."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Final, TypeVar

import msgspec
import strawberry
from strawberry import Parent
from strawberry.types.base import get_object_definition, has_object_definition
from strawberry.utils.str_converters import to_camel_case

from resolvers import changes
from resolvers.operation import Operation
from resolvers.paging import Listing
from resolvers.sources import Freshness as Fresh
from schema import loads
from schema.declare import UNSET, argument, asked, field, input_type, interface_type, object_type
from schema.references import AccountRef
from schema.scalars import Cursor, DateTime
from schema.vocabulary import DataOrigin, SourceState

S = TypeVar("S", bound=msgspec.Struct)

ITEMS: Final = "Items of this page."
NODE: Final = "The item; null when this one item could not be read."
_TOTAL: Final = "Number of items over all pages; counted only when asked, null where a source cannot tell."
_PAGE_INFO: Final = "Where this page stands."

First = Annotated[int | None, argument(description="Size of the page, or of the list, from the front.")]
After = Annotated[Cursor | None, argument(description="Only what follows this cursor.")]
To = Annotated[DateTime | None, argument(description="Latest moment, exclusive.")]
From = Annotated[DateTime | None, argument(description="Earliest or starting moment.", name="from")]


@input_type("How old an answer may be and how long it may take.")
class Freshness:
    max_age_seconds: int | None = asked("Older cached answers are refreshed; 0 always asks the networks.", default=300)
    deadline_ms: int | None = asked("What has not answered by then is reported in sources.", default=1500)
    max_provider_calls: int | None = asked("Upper bound of calls to networks for this field.", default=UNSET)
    at_least: Cursor | None = asked("Stored data must include this feed position: read your own writes.", default=UNSET)


AskedFreshness = Annotated[Freshness | None, argument(description="How old and how slow the answer may be.")]


async def _total_count(parent: Parent[Listing]) -> int | None:
    return await parent.count()


@object_type("Position of a page in its connection.")
class PageInfo:
    has_next_page: bool = field("Whether items follow endCursor.")
    has_previous_page: bool = field("Whether items precede startCursor.")
    start_cursor: Cursor | None = field("Cursor of the first edge; null on an empty page.")
    end_cursor: Cursor | None = field("Cursor of the last edge; null on an empty page.")


@object_type()
class Edge:
    cursor: Cursor = field("Position of the item.")


@object_type()
class Connection:
    page_info: PageInfo = field(_PAGE_INFO)
    total_count: int | None = field(_TOTAL, _total_count)


@interface_type("A list assembled from several accounts.")
class LiveList:
    page_info: PageInfo = field(_PAGE_INFO)
    total_count: int | None = field(_TOTAL, _total_count)
    complete: bool = field(
        "True when every account that belongs to the list has answered for this page and is not missing older data."
    )
    sources: list[SourceStatus] = field("How each account answered, one entry an account.")


@object_type("How one account answered for a list.")
class SourceStatus:
    account: AccountRef = field("The account asked.", loads.account)
    state: SourceState = field("Outcome.")
    served_from: DataOrigin | None = field("Where the items came from; null when there were none to serve.")
    as_of: DateTime | None = field("Moment the items were true at the network.")
    oldest: DateTime | None = field("How far back this account's data reaches so far.")
    retry_at: DateTime | None = field("When asking again makes sense.")
    message: str | None = field("Sentence for people; absent when all is well.")


def plain(value: Any) -> Any:
    """An input as the floors below know it: enums by name, lists as tuples, what was not given as None."""
    if value is UNSET:
        return None
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list):
        return tuple(plain(one) for one in value)
    return value


def told(asked_for: Any) -> dict[str, Any]:
    """The fields of an input object that were given, by their GraphQL names, as plain values: absent is not null."""
    definition = get_object_definition(type(asked_for), strict=True)
    found = {}
    for one in definition.fields:
        value = getattr(asked_for, one.python_name)
        if value is not UNSET:
            found[one.graphql_name or to_camel_case(one.python_name)] = _told(value)
    return found


def _told(value: Any) -> Any:
    if isinstance(value, list):
        return [_told(one) for one in value]
    return told(value) if has_object_definition(value) else plain(value)


def given(asked_for: Any, shape: type[S]) -> S:
    """An input object as the record of the same fields; the record's defaults where the object was not given at all."""
    if asked_for is UNSET or asked_for is None:
        return shape()
    return shape(**{name: plain(getattr(asked_for, name)) for name in shape.__struct_fields__})


def freshness(operation: Operation, asked_for: Freshness | None) -> Fresh:
    """The caller's wish, with the feed position taken out of its cursor. A longer deadline moves the operation's."""
    if asked_for is UNSET or asked_for is None:
        return Fresh()
    default = Fresh()
    deadline = default.deadline_ms if asked_for.deadline_ms is None else max(0, asked_for.deadline_ms)
    operation.deadline_ms = min(max(operation.deadline_ms, deadline), operation.services.max_deadline_ms)
    at_least = plain(asked_for.at_least)
    return Fresh(
        max_age_seconds=default.max_age_seconds if asked_for.max_age_seconds is None else max(0, asked_for.max_age_seconds),
        deadline_ms=min(deadline, operation.services.max_deadline_ms),
        max_provider_calls=plain(asked_for.max_provider_calls),
        at_least=None if at_least is None else changes.place(operation, at_least).position,
    )


ID = strawberry.ID
