"""Streams as their owner sees them: the list, what met each, how a rule is read, and what it would have met.

Each row that met a rule is shown, copies of one act in several places too: a rule may ask for one network of them. A dry run walks through
the stored activities from the latest back with the same evaluator as the job, as far as one question may take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers import activities, changes, highlights, paging
from resolvers.highlights import Highlight
from resolvers.loaders import batched, load
from resolvers.mistakes import RuleMistake
from resolvers.operation import Operation
from resolvers.paging import Ask, Cut, Listing, Order, PageInfo
from resolvers.search_query import span
from resolvers.sources import Freshness
from resolvers.streams import circles
from resolvers.streams.documents import content
from resolvers.streams.matcher import compiled
from resolvers.streams.matching import looked_at
from resolvers.streams.rules import parse
from resolvers.streams.tokens import BadRule
from resolvers.streams.tree import Node, Words, canonical, circles_of, is_letter, wanted
from store import feed, streams
from store.search_index import Term
from store.stream_circles import by_contact, present
from store.streams import Stream
from store.tables import account, activity, stream, stream_match

DAY: Final = timedelta(days=1)
MAX_OF_ACTIVITY: Final = 100  # streams that one activity names
LOOKED_AT: Final = 500  # activities that a dry run reads at once
MAX_LOOKED_AT: Final = 20_000  # and altogether for one page
SHARE: Final = 0.7  # of the time that an operation has, which a dry run may take
_decode = msgspec.msgpack.Decoder(records.Activity).decode
_m = stream_match.c
_ORDER: Final = Order((_m.occurred_at, _m.activity_id), descending=True)
_MET: Final = sa.and_(activity.c.viewer_id == _m.viewer_id, activity.c.id == _m.activity_id)
_OWN: Final = sa.and_(stream.c.viewer_id == _m.viewer_id, stream.c.id == _m.stream_id, stream.c.revision == _m.revision)


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """How far stored activities have been looked at; done at `finished_at`."""

    done: int
    total: int
    finished_at: datetime | None


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A stream. `position` is that of the feed up to which activities have been matched."""

    id: str
    version: int
    name: str
    rule: str
    enabled: bool
    revision: int
    circles: dict[str, str]
    created_at: datetime
    position: int
    replay: Replay


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that was read; `rule` is None where it is none."""

    rule: Node | None
    canonical: str | None
    errors: tuple[RuleMistake, ...]

    @property
    def valid(self) -> bool:
        return self.rule is not None


class PreviewEdge(msgspec.Struct, frozen=True, kw_only=True):
    """An activity that would have met a rule, and what of it the rule looks for."""

    cursor: str
    node: Any
    highlights: list[Highlight]


class Preview(Listing, frozen=True, kw_only=True):
    """A page of a dry run: how many activities were looked at for it, and how far back."""

    looked_at: int
    reached: datetime | None


async def check(operation: Operation, text: str, *field: str, bound: Mapping[str, str] | None = None) -> Check:
    """How a rule is read; mistakes name `field` of the input they are in. `bound` is what names of circles stand for in it by now."""
    try:
        rule = parse(text, operation.services.providers, await circles.nameable(operation, text, bound or {}))
    except BadRule as bad:
        mistakes = tuple(
            RuleMistake(message=one.message, field=field, span=span(text, one.start, one.end), expected=one.expected)
            for one in bad.errors
        )
        return Check(rule=None, canonical=None, errors=mistakes)
    return Check(rule=rule, canonical=canonical(rule), errors=())


# --- streams --------------------------------------------------------------------------------------------------------------


async def of_viewer(operation: Operation) -> list[Shown]:
    """The viewer's streams, oldest first."""
    return await operation.read(_all)


async def get(operation: Operation, stream_id: str) -> Shown | None:
    """One stream."""
    return await load(operation, by_id, stream_id)


def by_id(conn: Connection, viewer: str, stream_ids: Sequence[str]) -> dict[str, Shown]:
    """Streams by id."""
    position = _matched_to(conn, viewer)
    return {key: _shown(one, position) for key, one in streams.by_id(conn, viewer, stream_ids).items()}


def _all(conn: Connection, viewer: str) -> list[Shown]:
    position = _matched_to(conn, viewer)
    return [_shown(one, position) for one in streams.listed(conn, viewer)]


def _matched_to(conn: Connection, viewer: str) -> int:
    return streams.reach(conn, viewer, feed.head(conn, viewer).position)[0]


def _shown(one: Stream, position: int) -> Shown:
    return Shown(
        id=one.id, version=one.version, name=one.name, rule=one.rule, enabled=one.enabled, revision=one.revision, circles=one.circles,
        created_at=one.created_at, position=position,
        replay=Replay(done=one.replayed, total=max(one.replay_total, one.replayed), finished_at=one.replayed_at),
    )  # fmt: skip


def cursor(operation: Operation, shown: Shown) -> str:
    """From where to read the feed so that nothing is missed beside a list that is read after the stream."""
    return changes.cursor(operation, changes.at_head(shown.position))


def of_activities(conn: Connection, viewer: str, activity_ids: Sequence[str]) -> dict[str, list[Shown]]:
    """The streams that each activity meets, oldest first."""
    position = _matched_to(conn, viewer)
    rows = conn.execute(
        select(_m.activity_id, stream)
        .select_from(stream_match.join(stream, _OWN))
        .where(_m.viewer_id == viewer, _m.activity_id.in_(activity_ids), sa.not_(_m.ended))
        .order_by(stream.c.created_at, stream.c.id)
    )
    found: dict[str, list[Shown]] = {}
    for row in rows:
        mine = found.setdefault(row.activity_id, [])
        if len(mine) < MAX_OF_ACTIVITY:
            mine.append(_shown(streams.of_row(row), position))
    return found


def counts(
    conn: Connection, viewer: str, stream_ids: Sequence[str], since: datetime | None, start: datetime | None
) -> dict[str, int]:
    """How many activities meet each stream, of those from `since` on and up to `start`."""
    query = _listed(viewer, stream_ids, start)
    if since is not None:
        query = query.where(_m.occurred_at >= since)
    rows = conn.execute(query.with_only_columns(_m.stream_id, sa.func.count().label("n")).group_by(_m.stream_id))
    return {row.stream_id: row.n for row in rows}


async def match_count(operation: Operation, shown: Shown) -> int | None:
    """Matches of the last 24 hours; None while stored ones are still looked for."""
    if shown.replay.finished_at is None:
        return None
    minute = operation.now().replace(second=0, microsecond=0)  # all streams of a page ask in one statement
    return await load(operation, counts, shown.id, minute - DAY, None) or 0


# --- what met them --------------------------------------------------------------------------------------------------------


async def page(operation: Operation, shown: Shown, ask: Ask, start: datetime | None) -> Listing:
    """What met a rule, latest first, from `start` back. First pages of many streams are read at once."""
    scope = paging.bound("stream", shown.id, shown.revision, start)
    size = ask.size
    after = None if ask.after is None else paging.position(operation, scope, ask.after, tuple[datetime, str])

    async def batch(stream_ids: list[str]) -> Mapping[str, Cut]:
        return await operation.read(_pages, stream_ids, start, size, after)

    cut = await batched(operation, ("stream", start, size, after), batch, shown.id) or paging.EMPTY

    async def count() -> int:
        return await load(operation, counts, shown.id, None, start) or 0

    answered = await activities.sources_of(operation, None, Freshness())
    listing = paging.listing(
        operation, scope, cut, key=lambda row: (row.met_at, row.id), node=activities.of_row, count=count, answered=answered
    )
    whole = shown.replay.finished_at is not None
    return msgspec.structs.replace(listing, complete=listing.complete and whole)


def _listed(viewer: str, stream_ids: Sequence[str], start: datetime | None) -> sa.Select[Any]:
    query = (
        select(*activities.COLUMNS, _m.occurred_at.label("met_at"), _m.stream_id)
        .select_from(stream_match.join(stream, _OWN).join(activity, _MET))
        .where(_m.viewer_id == viewer, _m.stream_id.in_(stream_ids), sa.not_(_m.ended))
    )
    return query if start is None else query.where(_m.occurred_at <= start)


def _pages(
    conn: Connection,
    viewer: str,
    stream_ids: Sequence[str],
    start: datetime | None,
    size: int,
    after: tuple[datetime, str] | None,
) -> dict[str, Cut]:
    query = _listed(viewer, stream_ids, start)
    if len(stream_ids) == 1:
        return {stream_ids[0]: paging.cut(conn, query, _ORDER, size, after=after)}
    if after is not None:
        query = query.where(paging.beyond(_ORDER, after, forwards=True))
    return paging.tops(conn, query, _m.stream_id, _ORDER, size)


# --- what would have met them ---------------------------------------------------------------------------------------------


async def preview(operation: Operation, checked: Check, ask: Ask, start: datetime | None) -> Preview | None:
    """What of the stored activities meets a rule that nobody has saved, latest first. A page ends when it is full, when enough has been
    looked at or time is up; the next one goes on from there. None for a rule that is none.
    """
    if checked.rule is None:
        return None
    scope = paging.bound("preview", checked.canonical, start)
    at = None if ask.after is None else paging.position(operation, scope, ask.after, tuple[datetime, str])
    size, until = ask.size, operation.elapsed() + operation.remaining() * SHARE
    meets, terms = compiled(checked.rule), _terms(checked.rule)
    named = {*circles_of(checked.rule).values()}
    members = by_contact(await operation.read(present, named)) if named else {}
    edges: list[PreviewEdge] = []
    looked_at, more = 0, True
    while more and len(edges) < size and looked_at < MAX_LOOKED_AT and operation.elapsed() < until:
        rows, networks = await operation.read(_stretch, at, start)
        found = await asyncio.to_thread(_met, rows, networks, members, meets, size - len(edges))
        edges += [_edge(operation, scope, row, terms) for row in found.rows]
        looked_at += found.looked_at
        more = len(rows) == LOOKED_AT or found.looked_at < len(rows)
        if found.looked_at:
            last = rows[found.looked_at - 1]
            at = (last.occurred_at, last.id)
    return Preview(
        edges=edges,
        page_info=PageInfo(
            has_next_page=more and size > 0,
            has_previous_page=ask.after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=None if at is None else paging.cursor(operation, scope, at),
        ),
        complete=True,
        looked_at=looked_at,
        reached=None if at is None else at[0],
    )


class _Met(msgspec.Struct, frozen=True):
    rows: list[Any]
    looked_at: int


def _met(
    rows: Sequence[Any], networks: Mapping[str, str], members: Mapping[str, tuple[str, ...]], meets: Any, wanted_: int
) -> _Met:
    """Those that meet a rule, at most so many; and how many were looked at for it."""
    found: list[Any] = []
    for n, row in enumerate(rows):
        if len(found) == wanted_:
            return _Met(found, n)
        said = looked_at(row, networks, members).document
        if said is not None and meets(said):  # not where it is damaged, as in a saved stream
            found.append(row)
    return _Met(found, len(rows))


def _stretch(
    conn: Connection, viewer: str, at: tuple[datetime, str] | None, start: datetime | None
) -> tuple[list[Any], dict[str, str]]:
    query = select(*activities.COLUMNS).where(activity.c.viewer_id == viewer)
    if start is not None:
        query = query.where(activity.c.occurred_at <= start)
    if at is not None:
        query = query.where(paging.beyond(activities.ORDER, at, forwards=True))
    rows = conn.execute(query.order_by(*(c.desc() for c in activities.ORDER.columns)).limit(LOOKED_AT)).all()
    networks = conn.execute(select(account.c.id, account.c.provider).where(account.c.viewer_id == viewer))
    return list(rows), {row.id: row.provider for row in networks}


def _edge(operation: Operation, scope: paging.Scope, row: Any, terms: Mapping[str, list[Term]]) -> PreviewEdge:
    shown = paging.readable(row, activities.of_row)
    mark = paging.cursor(operation, scope, (row.occurred_at, row.id))
    return PreviewEdge(cursor=mark, node=shown, highlights=_highlights(_decode(row.record), terms))


def _terms(rule: Node) -> dict[str, list[Term]]:
    """What is looked for, by column; a letter of a script without blanks begins a pair."""
    found: dict[str, list[Term]] = {}
    for leaf in wanted(rule):
        if isinstance(leaf, Words):
            found.setdefault(leaf.column, []).append(Term(words=leaf.words, prefix=is_letter(leaf.words[-1])))
    return found


def _highlights(record: records.Activity, terms: Mapping[str, list[Term]]) -> list[Highlight]:
    thing = record.object or record.target
    said: list[tuple[str, str | None, str]] = [
        ("actor.name", record.actor.name, "from"),
        ("actor.handle", record.actor.handle, "from"),
        *(("mentions.name", one.name, "to") for one in record.mentions),
    ]
    if thing is not None:
        said += [("object.name", thing.name, "text"), ("object.name", thing.name, "about")]
        said += [("object.summary", thing.summary, "text"), ("object.text", content(thing), "text")]
    found = [highlights.around(name, value, terms.get(column, ())) for name, value, column in said if value]
    return [one for one in found if one is not None][: highlights.MAX_HIGHLIGHTS]
