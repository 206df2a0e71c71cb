"""Everything in one order, gaps included."""

from __future__ import annotations

import strawberry

from resolvers import timeline
from schema import loads
from schema.declare import UNSET, asked, field, input_type, interface_type, object_type
from schema.lists import ITEMS, NODE, Edge, LiveList
from schema.references import AccountRef
from schema.scalars import DateTime
from schema.vocabulary import Direction, SourceState, TimelineKind


@interface_type("Something with a moment.")
class TimelineItem:
    occurred_at: DateTime = field("Its place in the timeline.")


@object_type("A stretch of time where something is missing.", of=timeline.TimelineGap)
class TimelineGap(TimelineItem):
    key: str = field("Stable for lists.")
    occurred_at: DateTime = field("Latest moment of the stretch.")
    from_: DateTime | None = field("Earliest moment; null when it reaches back to the beginning.", name="from")
    account: AccountRef = field("The account that is missing.", loads.account)
    state: SourceState = field("Why.")
    message: str = field("Why, in words.")
    closes_at: DateTime | None = field("When it is expected to close.")


@input_type("Which items.")
class TimelineFilter:
    kinds: list[TimelineKind] | None = asked("Of any of these kinds.", default=UNSET)
    account_ids: list[strawberry.ID] | None = asked("Through any of these accounts.", default=UNSET)
    providers: list[str] | None = asked("From any of these providers, by key.", default=UNSET)
    direction: Direction | None = asked("Messages of this direction.", default=UNSET)


@object_type("Items of a timeline.")
class TimelineConnection(LiveList):
    edges: list[TimelineEdge] = field(ITEMS)


@object_type("An item of TimelineConnection.")
class TimelineEdge(Edge):
    node: TimelineItem | None = field(NODE, semantic=True)
