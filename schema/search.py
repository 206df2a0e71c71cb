"""Search results, how the query was read, and completions while typing."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import Parent

from resolvers import highlights, search
from schema.activity import Activity
from schema.declare import Info, field, object_type
from schema.lists import ITEMS, NODE, Edge, LiveList
from schema.references import AttachmentRef, ContactRef, ConversationRef, MessageRef, PersonRef
from schema.vocabulary import SuggestionKind


async def _highlights(parent: Parent[search.SearchEdge], info: Info) -> list[highlights.Highlight]:
    return await search.highlighted(info.context.operation, parent)


SearchResult = Annotated[
    PersonRef | ContactRef | ConversationRef | MessageRef | Activity | AttachmentRef,
    strawberry.union("SearchResult", description="Anything a search can find."),
]


@object_type("Results of a search.")
class SearchConnection(LiveList):
    edges: list[SearchEdge] = field(ITEMS)
    interpretation: SearchInterpretation = field("How the query was read.")


@object_type("An item of SearchConnection.")
class SearchEdge(Edge):
    node: SearchResult | None = field(NODE, semantic=True)
    score: float = field("Relevance, comparable within one search.")
    highlights: list[Highlight] = field("Where it matches; at most 5.", _highlights)


@object_type("How a search was read.")
class SearchInterpretation:
    canonical: str = field("The query in normal form.")
    warnings: list[SearchWarning] = field("What was ignored or guessed; at most 20.")


@object_type("Something in a search that was ignored or guessed.")
class SearchWarning:
    message: str = field("What, in words.")
    span: TextSpan = field("Where in the query.")


@object_type("A matching part of a result.")
class Highlight:
    text: str = field("Text around the match, plain.")
    spans: list[TextSpan] = field("The matches within text; at most 20.")
    field: str = field("Field it is from.")  # last: from here on the name means the attribute


@object_type("A part of a text, counted in UTF-16 code units as editors do.")
class TextSpan:
    start: int = field("Offset of the first unit, from 0.")
    end: int = field("Offset after the last unit.")
    line: int = field("Line of start, from 1.")
    column: int = field("Column of start, from 1.")


@object_type("A completion while typing.")
class Suggestion:
    text: str = field("What would be searched for.")
    kind: SuggestionKind = field("What it is.")
    result: SearchResult | None = field("What it leads to, for RESULT.")
    spans: list[TextSpan] = field("What matched within text; at most 10.")
