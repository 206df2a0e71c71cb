"""Streams: saved rules over activities, what met them, and how a rule is read before it is saved."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import Parent

from resolvers.paging import Ask, Listing
from resolvers.streams import circles, reading
from schema.activity import Activity
from schema.declare import UNSET, Info, argument, field, object_type
from schema.errors import StreamRuleError
from schema.interfaces import Versioned
from schema.lists import ITEMS, NODE, After, Connection, Edge, First, From, plain
from schema.references import ActivityConnectionRef, CircleRef, HighlightRef
from schema.scalars import Cursor, DateTime


async def _activities(
    parent: Parent[reading.Shown], info: Info, first: First = 50, after: After = UNSET, from_: From = UNSET
) -> Listing:
    return await reading.page(info.context.operation, parent, Ask(first=first, after=plain(after)), plain(from_))


async def _match_count(parent: Parent[reading.Shown], info: Info) -> int | None:
    return await reading.match_count(info.context.operation, parent)


async def _circles(parent: Parent[reading.Shown], info: Info) -> list[circles.Named]:
    return await circles.of_stream(info.context.operation, parent.circles)


async def _matched_to(parent: Parent[reading.Shown], info: Info) -> str:
    return reading.cursor(info.context.operation, parent)


async def _matches(
    parent: Parent[reading.Check], info: Info, first: First = 20, after: After = UNSET, from_: From = UNSET
) -> reading.Preview | None:
    return await reading.preview(info.context.operation, parent, Ask(first=first, after=plain(after)), plain(from_))


@object_type("A saved rule over activities.", of=reading.Shown)
class Stream(Versioned):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field("Grows with each change.")
    name: str = field("Name.")
    rule: str = field("The rule.")
    enabled: bool = field("Whether it matches new activities.")
    activities: ActivityConnectionRef | None = field(
        "What met the rule, latest first; reaching back replays stored history.",
        _activities,
        semantic=True,
    )
    match_count: int | None = field("Matches of the last 24 hours; null while unknown.", _match_count)
    named_circles: list[StreamCircle] = field("The circles that the rule names, and what has become of them.", _circles)
    replay: StreamReplay = field("How far the rule has been asked of stored history.")
    matched_to: Cursor = field(
        "Position of the feed up to which activities were matched: changes from here with this stream as filter leave no hole beside activities.",
        _matched_to,
    )
    created_at: DateTime = field("When it was made.")


@object_type("A circle that a rule names.", of=circles.Named)
class StreamCircle:
    written: str = field("How the rule writes it: a name that it had, or its id.")
    circle_id: strawberry.ID = field("Id of the circle that this stood for when the rule was saved.")
    circle: CircleRef | None = field("That circle, whatever it is called by now; null when it is not there.", semantic=True)
    problem: str | None = field("Why nobody new can be of it, in words; null when all is well.")


@object_type("How far a rule has been asked of what was stored before it.", of=reading.Replay)
class StreamReplay:
    done: int = field("Activities that were looked at.")
    total: int = field("Activities that there were to look at.")
    finished_at: DateTime | None = field("When all were; null while it goes on.")


@object_type("Result of reading a stream rule.", of=reading.Check)
class StreamRuleCheck:
    valid: bool = field("Whether it can be saved.")
    canonical: str | None = field("The rule in normal form; null when invalid.")
    errors: list[StreamRuleError] = field("What is wrong, in order; at most 20.")
    matches: StreamPreview | None = field(
        "Dry run: what of stored history would have met the rule, latest first; null when invalid.", _matches
    )


@object_type(
    "A page of a dry run; it ends when it is full or enough history has been looked at, and the next one goes on from there."
)
class StreamPreview(Connection):
    edges: list[StreamPreviewEdge] = field(ITEMS)
    looked_at: int = field("Activities that were looked at for this page.")
    reached: DateTime | None = field("How far back they went; null when there are none.")


@object_type("An item of StreamPreview.")
class StreamPreviewEdge(Edge):
    node: Activity | None = field(NODE, semantic=True)
    highlights: list[HighlightRef] = field("Where the rule matches; at most 5.")


async def rule_check(info: Info, text: Annotated[str, argument(description="What has been typed.")]) -> reading.Check:
    """Parses a rule without saving it."""
    return await reading.check(info.context.operation, text, "text")
