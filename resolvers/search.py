"""Search over people, conversations and messages: all words must be there, the last one as a beginning.

The index answers with node ids; what matched is told by folding the node's own text the same way. `before:` and `after:` are
understood, other operators are named in a warning and left out, never searched for as words.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from resolvers import conversations, freshness, messages, nodes, paging, people
from resolvers.operation import Operation
from resolvers.paging import Ask, Listing, PageInfo
from resolvers.sources import Freshness
from store import search_index
from store.search_index import Hit
from store.tables import search_doc

KINDS: Final = {"PEOPLE": "PERSON", "CONVERSATIONS": "CONVERSATION", "MESSAGES": "MESSAGE"}
OPERATORS: Final = ("from", "to", "with", "in", "before", "after", "has", "is", "subject", "label")
MAX_QUERY: Final = 1_000  # characters
MAX_RANKED: Final = 500  # hits that are put in order of relevance; the latest ones where there are more
MAX_SUGGESTIONS: Final = 20
MAX_HIGHLIGHTS: Final = 5
MAX_SPANS: Final = 20
WINDOW: Final = 80  # characters shown on either side of a match
_OPERATOR: Final = re.compile(rf"(?<!\S)({'|'.join(OPERATORS)}):(\"[^\"]*\"|\S+)", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W_]+")
_AGES: Final = 1e11  # seconds that make the moment a tie-breaker below every other part of a score


class TextSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a text in UTF-16 code units; line and column from 1."""

    start: int
    end: int
    line: int
    column: int


class SearchWarning(msgspec.Struct, frozen=True, kw_only=True):
    """Something in the query that was ignored."""

    message: str
    span: TextSpan


class SearchInterpretation(msgspec.Struct, frozen=True, kw_only=True):
    """How the query was read."""

    canonical: str
    warnings: list[SearchWarning]


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A query taken apart: words for the index, and a stretch of time (`since` inclusive, `until` exclusive)."""

    words: str
    since: datetime | None
    until: datetime | None
    interpretation: SearchInterpretation


class Highlight(msgspec.Struct, frozen=True, kw_only=True):
    """A matching part of a result."""

    field: str
    text: str
    spans: list[TextSpan]


class SearchEdge(msgspec.Struct, frozen=True, kw_only=True):
    """A result with its place; `words` are what its highlights look for."""

    cursor: str
    node: Any
    score: float
    words: tuple[str, ...]


class SearchListing(Listing, frozen=True, kw_only=True):
    """A page of results."""

    interpretation: SearchInterpretation


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A completion while typing."""

    text: str
    kind: str
    result: Any
    spans: list[TextSpan]


def read(text: str) -> Query:
    """The query that a user typed; what cannot be understood becomes a warning."""
    text = text[:MAX_QUERY]
    warnings: list[SearchWarning] = []
    known: list[str] = []
    moments: dict[str, datetime] = {}
    for found in _OPERATOR.finditer(text):
        name, value = found.group(1).lower(), found.group(2).strip('"')
        moment = _day(value) if name in ("before", "after") else None
        if moment is not None:
            moments[name] = moment
            known.append(f"{name}:{value}")
        else:
            reason = "needs a day, such as 2026-01-31" if name in ("before", "after") else "is not understood here"
            warnings.append(SearchWarning(message=f"{name}: {reason} and was left out.", span=span(text, *found.span())))
    words = " ".join(_OPERATOR.sub(" ", text).split())
    return Query(
        words=words,
        since=moments.get("after"),
        until=moments.get("before"),
        interpretation=SearchInterpretation(canonical=" ".join([*([words] if words else []), *known]), warnings=warnings[:20]),
    )


def _day(value: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(value), time(), UTC)
    except ValueError:
        return None


async def page(
    operation: Operation, text: str, scopes: Sequence[str] | None, ask: Ask, by: str, fresh: Freshness
) -> SearchListing:
    """Results, best (`by` RELEVANCE) or latest first (RECENCY). Only what is stored is searched: of LIVE accounts, the people."""
    query = read(text)
    kinds = tuple(KINDS[s] for s in scopes) if scopes is not None else tuple(KINDS.values())
    scope = paging.bound("search", query.words, query.since, query.until, kinds, by)
    size = ask.size
    answered = await freshness.stored(operation, fresh)
    after = None if ask.after is None else paging.position(operation, scope, ask.after, tuple[float, str])
    ranked = await operation.read(_ranked, query, kinds, by)
    rest = [one for one in ranked if after is None or (one[0], one[1].node_id) < after]
    shown = rest[:size]
    found = await asyncio.gather(*(nodes.get(operation, hit.node_id) for _, hit in shown), return_exceptions=True)
    words = tuple(search_index.fold(query.words).split())
    edges = [
        SearchEdge(cursor=paging.cursor(operation, scope, (score, hit.node_id)), node=node, score=score, words=words)
        for (score, hit), node in zip(shown, found, strict=True)
        if node is not None  # gone between the index and the look at it
    ]

    async def count() -> int | None:
        return None if len(ranked) >= MAX_RANKED else len(ranked)

    return SearchListing(
        edges=edges,
        page_info=PageInfo(
            has_next_page=len(rest) > size,
            has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
        count=count,
        complete=answered.complete,
        sources=answered.reports,
        interpretation=query.interpretation,
    )


def _ranked(conn: Connection, viewer: str, query: Query, kinds: Sequence[str], by: str) -> list[tuple[float, Hit]]:
    """Hits with their scores, the highest first. A score depends on the hit alone, so that pages agree."""
    before = None if query.until is None else (query.until, "")
    hits = search_index.match(conn, viewer, query.words, kinds=kinds, limit=MAX_RANKED, before=before)
    if query.since is not None:
        hits = [hit for hit in hits if hit.at is not None and hit.at >= query.since]
    titles: dict[str, str] = {}
    if by == "RELEVANCE" and hits:
        rows = conn.execute(
            select(search_doc.c.node_id, search_doc.c.title).where(
                search_doc.c.viewer_id == viewer, search_doc.c.node_id.in_([hit.node_id for hit in hits])
            )
        )
        titles = {row.node_id: row.title for row in rows}
    words = search_index.fold(query.words).split()
    scored = []
    for hit in hits:
        moment = 0.0 if hit.at is None else hit.at.timestamp() / _AGES
        if by == "RELEVANCE":
            moment += _share(titles.get(hit.node_id, "").split(), words) + (0.5 if hit.kind == "PERSON" else 0.0)
        elif hit.at is None:
            moment = 1.0  # people have no moment: they stand before everything that has one
        scored.append((round(moment, 12), hit))
    return sorted(scored, key=lambda one: (one[0], one[1].node_id), reverse=True)


def _share(title: Sequence[str], words: Sequence[str]) -> float:
    """How much of the query stands in the title, whole words counting more than beginnings."""
    if not words:
        return 0.0
    there = frozenset(title)
    return sum(1.0 if w in there else 0.7 if any(t.startswith(w) for t in there) else 0.0 for w in words) / len(words)


async def suggest(operation: Operation, text: str, scopes: Sequence[str] | None, first: int) -> list[Suggestion]:
    """People and conversations that hold the words typed so far; at most 20."""
    kinds = tuple(KINDS[s] for s in scopes) if scopes is not None else ("PERSON", "CONVERSATION")
    query = read(text)
    size = max(0, min(first, MAX_SUGGESTIONS))
    ranked = (await operation.read(_ranked, query, kinds, "RELEVANCE"))[:size]
    words = search_index.fold(query.words).split()
    found = await asyncio.gather(*(nodes.get(operation, hit.node_id) for _, hit in ranked), return_exceptions=True)
    suggestions = []
    for node in found:
        if node is None or isinstance(node, BaseException):
            continue
        title = await _title(operation, node)
        if title:
            suggestions.append(Suggestion(text=title, kind="RESULT", result=node, spans=matches(title, words)[:10]))
    return suggestions


async def _title(operation: Operation, node: Any) -> str | None:
    if isinstance(node, people.Person):
        return node.name
    if isinstance(node, conversations.Conversation):
        return await conversations.subject(operation, node)
    if isinstance(node, messages.Message):
        return await messages.subject(operation, node) or node.snippet
    return None


async def highlights(operation: Operation, edge: SearchEdge) -> list[Highlight]:
    """Where the words stand in what the result shows."""
    fields: list[tuple[str, str | None]] = []
    if isinstance(edge.node, people.Person):
        fields = [("name", edge.node.name), *(("emails", e.raw) for e in edge.node.emails)]
        fields += [("organizations", o.name) for o in edge.node.organizations]
    elif isinstance(edge.node, conversations.Conversation):
        fields = [("subject", await conversations.subject(operation, edge.node))]
    elif isinstance(edge.node, messages.Message):
        fields = [("subject", edge.node.subject), ("text", await messages.text(operation, edge.node))]
    found = []
    for name, value in fields:
        spans = matches(value or "", edge.words)
        if value and spans:
            found.append(_window(name, value, edge.words))
    return found[:MAX_HIGHLIGHTS]


def _window(name: str, value: str, words: Sequence[str]) -> Highlight:
    """The text around the first match, on word boundaries."""
    first = next(m for m in _WORD.finditer(value) if _hits(m.group(), words))
    start, end = max(0, first.start() - WINDOW), min(len(value), first.end() + WINDOW)
    if start:
        start = value.find(" ", start, first.start()) + 1 or start
    part = value[start:end]
    return Highlight(field=name, text=part, spans=matches(part, words)[:MAX_SPANS])


def matches(text: str, words: Sequence[str]) -> list[TextSpan]:
    """Where `text` holds one of the folded words, as a whole word or its beginning."""
    return [span(text, *found.span()) for found in _WORD.finditer(text) if _hits(found.group(), words)][:MAX_SPANS]


def _hits(word: str, words: Sequence[str]) -> bool:
    folded = search_index.fold(word).split()
    return any(part.startswith(w) for part in folded for w in words)


def span(text: str, start: int, end: int) -> TextSpan:
    """A stretch of characters as editors count it: UTF-16 code units, lines and columns from 1."""
    before = text[:start]
    line_start = before.rfind("\n") + 1
    return TextSpan(
        start=_units(before), end=_units(text[:end]), line=before.count("\n") + 1, column=_units(before[line_start:]) + 1
    )


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
