"""Where a result holds what was searched for: the text around it, and the matches in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from resolvers import attachments, conversations, messages, people
from resolvers.operation import Operation
from resolvers.search_query import TextSpan, span
from store import words
from store.search_index import Term

MAX_HIGHLIGHTS: Final = 5
MAX_SPANS: Final = 20
MAX_LOOKED_AT: Final = 50_000  # characters of a text
WINDOW: Final = 80  # characters shown on either side of a match


class Highlight(msgspec.Struct, frozen=True, kw_only=True):
    """A matching part of a result."""

    field: str
    text: str
    spans: list[TextSpan]


async def of(operation: Operation, node: Any, terms: Sequence[Term]) -> list[Highlight]:
    """Where the terms stand in what the result shows; at most MAX_HIGHLIGHTS."""
    fields: list[tuple[str, str | None]] = []
    if isinstance(node, people.Person):
        fields = [("name", node.name), *(("emails", e.raw) for e in node.emails)]
        fields += [("organizations", o.name) for o in node.organizations]
    elif isinstance(node, conversations.Conversation):
        fields = [("subject", await conversations.subject(operation, node))]
    elif isinstance(node, messages.Message):
        fields = [("subject", node.subject), ("text", await messages.text(operation, node))]
    elif isinstance(node, attachments.Attachment):
        fields = [("name", node.name)]
    found = [around(name, value, terms) for name, value in fields if value and terms]
    return [one for one in found if one is not None][:MAX_HIGHLIGHTS]


def matches(text: str, terms: Sequence[Term]) -> list[TextSpan]:
    """Where `text` holds the terms: whole words, the unfinished one as a beginning, several only side by side."""
    return [span(text, start, end) for start, end in _places(text, terms)][:MAX_SPANS]


def around(name: str, value: str, terms: Sequence[Term]) -> Highlight | None:
    """The text around the first match, on word boundaries; None where there is none."""
    if not terms:
        return None
    first = next(iter(_places(value[:MAX_LOOKED_AT], terms)), None)
    if first is None:
        return None
    start, end = max(0, first[0] - WINDOW), min(len(value), first[1] + WINDOW)
    if start:
        start = value.find(" ", start, first[0]) + 1 or start
    part = value[start:end]
    return Highlight(field=name, text=part, spans=matches(part, terms))


def _places(text: str, terms: Sequence[Term]) -> Iterator[tuple[int, int]]:
    """Matches in their order, none within another."""
    there = list(words.tokens(text))
    done = 0
    for n, first in enumerate(there):
        if first.start < done:
            continue
        ends = [end for term in terms if (end := _reach(there, n, term)) is not None]
        if ends:
            done = max(ends)
            yield first.start, done


def _reach(there: Sequence[words.Token], n: int, term: Term) -> int | None:
    """Where a term that begins with the n-th word ends; None when it does not stand there."""
    part = there[n : n + len(term.words)]
    if len(part) < len(term.words):
        return None
    *whole, last = zip(part, term.words, strict=True)
    if any(token.word != wanted for token, wanted in whole):
        return None
    token, wanted = last
    return token.end if (token.word.startswith(wanted) if term.prefix else token.word == wanted) else None
