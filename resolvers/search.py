"""Search over people, conversations, messages and names of files: what the index finds, as pages that stay stable.

By relevance come first the people, then what names all the words in its subject or among its people, then what holds them in its
text, the latest first in each: tiers that depend on the document alone, so that every page is one walk through the index and no
hit is lost behind a limit. "met in Lisbon" finds, after whoever has these words, those who were at a meeting there.
Then come people whose names sound like the words or are short for them, and, only when nobody has the
words themselves, those from whose names they differ by a letter (`sounding.py`). Only what is stored is searched: of LIVE accounts, the people.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from resolvers import attachments, conversations, freshness, highlights, messages, nodes, paging, people, search_query, sounding
from resolvers.highlights import Highlight
from resolvers.identity import documents
from resolvers.operation import Operation
from resolvers.paging import Ask, Listing, PageInfo
from resolvers.search_query import Place, Query, SearchInterpretation, TextSpan
from resolvers.sources import Freshness
from store import search_index
from store.search_index import Column, Hit, Term, facet
from store.tables import account
from store.words import fold

KINDS: Final = {"PEOPLE": "PERSON", "CONVERSATIONS": "CONVERSATION", "MESSAGES": "MESSAGE", "ATTACHMENTS": "ATTACHMENT"}
MAX_SUGGESTIONS: Final = 20
NAMED, KNOWN, MET, ABOUT, WITHIN, SOUNDING, AMISS = 7, 6, 5, 4, 3, 2, 1  # tiers of relevance
MIN_SOUND: Final = 2  # letters of a word that is looked for by its sound
_PLACES: Final = float(2**63)

Position = tuple[int, int, str]  # tier, place, node id


class SearchEdge(msgspec.Struct, frozen=True, kw_only=True):
    """A result with its place; `terms` are what its highlights look for."""

    cursor: str
    node: Any
    score: float
    terms: tuple[Term, ...]


class SearchListing(Listing, frozen=True, kw_only=True):
    """A page of results."""

    interpretation: SearchInterpretation


class _Tier(msgspec.Struct, frozen=True, kw_only=True):
    """A rank and what belongs to it."""

    rank: int
    kinds: Sequence[str]
    terms: Sequence[Term]
    unless: Sequence[Term] = ()


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A completion while typing."""

    text: str
    kind: str
    result: Any
    spans: list[TextSpan]


async def page(
    operation: Operation, text: str, scopes: Sequence[str] | None, ask: Ask, by: str, fresh: Freshness
) -> SearchListing:
    """Results, best (`by` RELEVANCE) or latest first (RECENCY)."""
    query = search_query.read(text)
    kinds = tuple(KINDS[s] for s in scopes) if scopes is not None else tuple(KINDS.values())
    scope = paging.bound("search by meeting", query.interpretation.canonical, text[-1:].isspace(), kinds, by)
    size = ask.size
    answered = await freshness.stored(operation, fresh)
    after = None if ask.after is None else paging.position(operation, scope, ask.after, tuple[int, int, str])
    hits = await operation.read(_found, query, kinds, by, size + 1, after)
    shown = hits[:size]
    found = await asyncio.gather(*(nodes.get(operation, hit.node_id) for _, hit in shown), return_exceptions=True)
    edges = [
        SearchEdge(
            cursor=paging.cursor(operation, scope, (tier, hit.place, hit.node_id)), node=node, score=_score(tier, hit), terms=query.words
        )
        for (tier, hit), node in zip(shown, found, strict=True)
        if node is not None  # gone between the index and the look at it
    ]  # fmt: skip

    async def count() -> int | None:
        return await operation.read(_counted, query, kinds, by)

    return SearchListing(
        edges=edges,
        page_info=PageInfo(
            has_next_page=len(hits) > size,
            has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
        count=count,
        complete=answered.complete,
        sources=answered.reports,
        interpretation=query.interpretation,
    )


def _found(
    conn: Connection, viewer: str, query: Query, kinds: Sequence[str], by: str, limit: int, after: Position | None
) -> list[tuple[int, Hit]]:
    """At most `limit` hits with their tiers, from `after` on."""
    if query.empty:
        return []
    terms = _terms(conn, viewer, query)
    hits: list[tuple[int, Hit]] = []
    for tier in (
        _ordered([*_tiers(terms, kinds), *_met(query, terms, kinds), *_alike(query, kinds)])
        if by == "RELEVANCE"
        else [_Tier(rank=0, kinds=kinds, terms=terms)]
    ):
        if len(hits) >= limit:
            break
        if after is not None and tier.rank > after[0]:
            continue
        if tier.rank == AMISS and _bears(conn, viewer, terms, hits, after):
            break
        found = search_index.find(
            conn, viewer, tier.terms, unless=tier.unless, kinds=tier.kinds, limit=limit - len(hits), since=query.since,
            until=query.until, before=after[1:] if after is not None and tier.rank == after[0] else None,
        )  # fmt: skip
        hits += [(tier.rank, hit) for hit in found]
    return hits


def _tiers(terms: Sequence[Term], kinds: Sequence[str]) -> list[_Tier]:
    """What is asked one after the other: disjoint, and together all."""
    persons, others = [k for k in kinds if k == "PERSON"], [k for k in kinds if k != "PERSON"]
    words = [term for term in terms if term.column == "any" and not term.negated]
    if not words:
        return [_Tier(rank=KNOWN, kinds=persons, terms=terms), _Tier(rank=WITHIN, kinds=others, terms=terms)]
    # a phrase stands anywhere, each of its words in the head: so much the index can tell without reading
    implied = [term for term in words if len(term.words) == 1]
    kept = [term for term in terms if term not in implied]
    tiers = []
    columns: tuple[tuple[int, int, list[str], Column], ...] = ((NAMED, KNOWN, persons, "title"), (ABOUT, WITHIN, others, "head"))
    for upper, lower, of_tier, column in columns:
        heads = [
            Term(column=column, words=(word,), prefix=term.prefix and n == len(term.words) - 1)
            for term in words
            for n, word in enumerate(term.words)
        ]
        tiers.append(_Tier(rank=upper, kinds=of_tier, terms=[*kept, *heads]))
        tiers.append(_Tier(rank=lower, kinds=of_tier, terms=terms, unless=heads))
    return tiers


def _ordered(tiers: Sequence[_Tier]) -> list[_Tier]:
    return sorted(tiers, key=lambda tier: -tier.rank)


def _met(query: Query, terms: Sequence[Term], kinds: Sequence[str]) -> list[_Tier]:
    """People who were met somewhere, beside those who have the words as they stand."""
    if "PERSON" not in kinds or query.met is None:
        return []
    whom, places = query.met
    where = [Term(column="facets", words=(facet(documents.MET, term.words[0]),), prefix=term.prefix) for term in places]
    exact = [
        Term(words=(word,), prefix=term.prefix and n == len(term.words) - 1)
        for term in terms
        for n, word in enumerate(term.words)
    ]
    return [_Tier(rank=MET, kinds=["PERSON"], terms=[*whom, *where], unless=exact)]


def _alike(query: Query, kinds: Sequence[str]) -> list[_Tier]:
    """People by the sound of their names and by words with a letter amiss: for plain words alone, as nothing else has a sound."""
    plain = len(query.words) == len(query.terms) and not query.places and query.since is None and query.until is None
    plain = plain and query.met is None
    words = [(word, term.prefix and n == len(term.words) - 1) for term in query.words for n, word in enumerate(term.words)]
    if (
        "PERSON" not in kinds
        or not plain
        or not words
        or any(len(word) < MIN_SOUND or not sounding.sounds_of(word) for word, _ in words)
    ):
        return []
    exact = [Term(words=(word,), prefix=prefix) for word, prefix in words]
    sounds = [Term(column="facets", words=sounding.sounds_of(word), prefix=prefix) for word, prefix in words]
    slips = [Term(column="facets", words=sounding.slips_of(word)) for word, _ in words]
    return [
        _Tier(rank=SOUNDING, kinds=["PERSON"], terms=sounds, unless=exact),
        _Tier(rank=AMISS, kinds=["PERSON"], terms=slips, unless=sounds),
    ]


def _bears(conn: Connection, viewer: str, terms: Sequence[Term], hits: Sequence[tuple[int, Hit]], after: Position | None) -> bool:
    """Whether somebody has the words themselves: the hits before the last tier tell, unless former pages had some of them."""
    if after is None or any(rank >= KNOWN for rank, _ in hits):
        return any(rank >= KNOWN for rank, _ in hits)
    return after[0] > AMISS and _anybody(conn, viewer, terms)


def _anybody(conn: Connection, viewer: str, terms: Sequence[Term]) -> bool:
    return bool(search_index.find(conn, viewer, terms, kinds=["PERSON"], limit=1))


def _terms(conn: Connection, viewer: str, query: Query) -> list[Term]:
    """The terms of a query; `in:` means a folder, a label or an account that is called so."""
    if not query.places:
        return list(query.terms)
    rows = conn.execute(select(account.c.id, account.c.provider, account.c.label).where(account.c.viewer_id == viewer)).all()
    return [*query.terms, *(_placed(place, rows) for place in query.places)]


def _placed(place: Place, accounts: Sequence[Any]) -> Term:
    wanted = f" {fold(place.value)} "
    called = [row.id for row in accounts if wanted in f" {fold(row.label)} " or wanted == f" {fold(row.provider)} "]
    words = (facet("in", place.value), *(facet("at", account_id) for account_id in called))
    return Term(column="facets", words=words, negated=place.negated)


def _counted(conn: Connection, viewer: str, query: Query, kinds: Sequence[str], by: str) -> int:
    if query.empty:
        return 0
    terms = _terms(conn, viewer, query)
    found = search_index.count(conn, viewer, terms, kinds=kinds, since=query.since, until=query.until)
    for tier in [*_met(query, terms, kinds), *_alike(query, kinds)] if by == "RELEVANCE" else []:
        if tier.rank != AMISS or not _anybody(conn, viewer, terms):
            found += search_index.count(conn, viewer, tier.terms, kinds=tier.kinds, unless=tier.unless)
    return found


def _score(tier: int, hit: Hit) -> float:
    """Grows with the tier, and within it with the place."""
    return round(tier + hit.place / _PLACES, 12)


async def suggest(operation: Operation, text: str, scopes: Sequence[str] | None, first: int) -> list[Suggestion]:
    """People and conversations that hold the words typed so far; at most 20."""
    kinds = tuple(KINDS[s] for s in scopes) if scopes is not None else ("PERSON", "CONVERSATION")
    query = search_query.read(text)
    size = max(0, min(first, MAX_SUGGESTIONS))
    hits = await operation.read(_found, query, kinds, "RELEVANCE", size, None)
    found = await asyncio.gather(*(nodes.get(operation, hit.node_id) for _, hit in hits), return_exceptions=True)
    suggestions = []
    for node in found:
        if node is None or isinstance(node, BaseException):
            continue
        title = await _title(operation, node)
        if title:
            spans = highlights.matches(title, query.words)[:10]
            suggestions.append(Suggestion(text=title, kind="RESULT", result=node, spans=spans))
    return suggestions


async def _title(operation: Operation, node: Any) -> str | None:
    if isinstance(node, people.Person | attachments.Attachment):
        return node.name
    if isinstance(node, conversations.Conversation):
        return await conversations.subject(operation, node)
    if isinstance(node, messages.Message):
        return await messages.subject(operation, node) or node.snippet
    return None


async def highlighted(operation: Operation, edge: SearchEdge) -> list[Highlight]:
    """Where the words stand in what the result shows."""
    return await highlights.of(operation, edge.node, edge.terms)
