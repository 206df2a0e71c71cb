"""Everything in one order, latest first: messages, meetings, what people did on their networks, notes, decisions on who is who, changes of
profiles, and the stretches of time in which an account's data is missing.

All kinds are read beside each other from the same place and merged; what does not fit on the page begins the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import activities, freshness, messages, paging, sources, strands
from resolvers.activities import ActivityFilter
from resolvers.conversations import live_accounts
from resolvers.loaders import batched, load
from resolvers.operation import Operation
from resolvers.paging import Ask, Cut, Edge, Listing, Order, PageInfo
from resolvers.sources import Answered, Freshness, SourceReport
from resolvers.strands import Strand
from store.tables import account, contact, message, message_participant, message_source

ORDER: Final = Order((message.c.sent_at, message.c.id), descending=True)
_REASONS: Final = {
    "SYNCING": "Still being synchronised; older items will follow.",
    "TIMED_OUT": "This account did not answer in time.",
    "RATE_LIMITED": "The network takes no more calls at the moment.",
    "BUDGET_SPENT": "This account was not asked, since the calls allowed were spent.",
    "REAUTH_REQUIRED": "Sign in to the network again to see what is newer.",
    "UNAVAILABLE": "The network cannot be reached.",
}


class TimelineFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which items; what is None does not count."""

    kinds: tuple[str, ...] | None = None
    account_ids: tuple[str, ...] | None = None
    providers: tuple[str, ...] | None = None
    direction: str | None = None


class TimelineGap(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time where something is missing, from `from_` (None: the beginning) to `occurred_at`."""

    key: str
    occurred_at: datetime
    from_: datetime | None
    account_id: str
    state: str
    message: str
    closes_at: datetime | None


async def page(
    operation: Operation, ask: Ask, where: TimelineFilter, start: datetime | None, fresh: Freshness, person_id: str | None = None
) -> Listing:
    """The timeline of a person, or of everybody. First pages of many people are read at once."""
    scope = paging.bound("timeline", person_id, where, start)
    size = ask.size
    after = None if ask.after is None else paging.position(operation, scope, ask.after, tuple[datetime, str])
    cut, answered = await _messages(operation, person_id, where, start, fresh, size, after)
    acts = (
        await activities.cut_of(operation, person_id, _acts(where), start, size, after)
        if _shows(where, "ACTIVITY")
        else paging.EMPTY
    )
    read: list[tuple[Cut, str, Callable[[Any], Any]]] = [
        (cut, "sent_at", messages.of_row),
        (acts, "occurred_at", activities.of_row),
    ]
    through = strands.Through(where.account_ids, where.providers, where.direction)
    besides = [strand for strand in strands.shown(through) if _shows(where, strand.kind)]
    for strand in besides:
        cut = await strands.cut_of(operation, strand, person_id, _begin(operation, strand, start), size, after, through)
        read.append((cut, "at", strand.node))
    gaps = _gaps(answered.reports, lambda: start or operation.now()) if _shows(where, "GAP") else []
    edges = _merged(operation, scope, read, gaps, after)

    async def count() -> int:
        found = 0
        if _shows(where, "MESSAGE"):
            if person_id is None:
                found += await paging.counted(operation, lambda viewer: _wanted(viewer, where, start, answered.silent_accounts))
            else:
                found += (await load(operation, _counts, person_id, where, start, answered.silent_accounts)) or 0
        if _shows(where, "ACTIVITY"):
            found += await activities.counted(operation, person_id, _acts(where), start)
        for strand in besides:
            found += await strands.counted(operation, strand, person_id, _begin(operation, strand, start), through)
        return found

    shown = edges[:size]
    return Listing(
        edges=shown,
        page_info=PageInfo(
            has_next_page=any(one.has_next for one, *_ in read) or len(edges) > size,
            has_previous_page=after is not None,
            start_cursor=shown[0].cursor if shown else None,
            end_cursor=shown[-1].cursor if shown else None,
        ),
        count=count,
        complete=answered.complete,
        sources=answered.reports,
    )


async def _messages(
    operation: Operation,
    person_id: str | None,
    where: TimelineFilter,
    start: datetime | None,
    fresh: Freshness,
    size: int,
    after: tuple[datetime, str] | None,
) -> tuple[Cut, Answered]:
    wanted = _shows(where, "MESSAGE")
    if person_id is None:
        answered = await _refreshed(operation, None, where, fresh, size)

        def read(conn: Connection, viewer: str) -> Cut:
            return paging.cut(conn, _wanted(viewer, where, start, answered.silent_accounts), ORDER, size, after=after)

        return (await operation.read(read) if wanted else paging.EMPTY), answered

    async def batch(person_ids: list[str]) -> Mapping[str, tuple[Cut, Answered]]:
        answers = {p: await _refreshed(operation, p, where, fresh, size) for p in person_ids}
        silent = frozenset[str]().union(*(a.silent_accounts for a in answers.values()))
        cuts = await operation.read(_firsts, person_ids, where, start, silent, size, after) if wanted else {}
        return {p: (cuts.get(p, paging.EMPTY), answers[p]) for p in person_ids}

    found = await batched(operation, ("timeline", where, start, fresh, size, after), batch, person_id)
    assert found is not None
    return found


async def _refreshed(operation: Operation, person_id: str | None, where: TimelineFilter, fresh: Freshness, size: int) -> Answered:
    if await live_accounts(operation):
        answered = await sources.refresh_timeline(operation, fresh, person_id, size)
    else:
        answered = await freshness.stored(operation, fresh, None if where.account_ids is None else frozenset(where.account_ids))
    return await freshness.having(operation, answered, "CONVERSATIONS", "ACTIVITIES")


def _begin(operation: Operation, strand: Strand, start: datetime | None) -> datetime | None:
    """Where a strand begins: of what lies ahead there is what begins within this hour, unless a later moment is asked for."""
    return operation.hour() + timedelta(hours=1) if strand.ahead and start is None else start


def _shows(where: TimelineFilter, kind: str) -> bool:
    return where.kinds is None or kind in where.kinds


def _acts(where: TimelineFilter) -> ActivityFilter:
    return ActivityFilter(account_ids=where.account_ids, providers=where.providers)


def _wanted(viewer: str, where: TimelineFilter, start: datetime | None, silent: frozenset[str]) -> sa.Select[Any]:
    query = select(*messages.COLUMNS).where(message.c.viewer_id == viewer)
    if start is not None:
        query = query.where(message.c.sent_at <= start)
    if where.direction is not None:
        query = query.where(message.c.direction == where.direction)
    through = message_source.c
    if where.account_ids is not None:
        query = query.where(_through(through.account_id.in_(where.account_ids)))
    if where.providers is not None:
        ours = select(account.c.id).where(account.c.viewer_id == viewer, account.c.provider.in_(where.providers))
        query = query.where(_through(through.account_id.in_(ours)))
    if silent:
        query = query.where(sa.not_(sa.and_(message.c.live, _through(through.account_id.in_(sorted(silent))))))
    return query


def _through(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    s = message_source.c
    return select(sa.literal(1)).where(s.viewer_id == message.c.viewer_id, s.message_id == message.c.id, condition).exists()


def _with_people(query: sa.Select[Any], viewer: str, person_ids: Sequence[str]) -> tuple[sa.Select[Any], sa.ColumnElement[str]]:
    p = message_participant
    pairs = (
        select(contact.c.person_id, p.c.message_id)
        .join(p, sa.and_(p.c.viewer_id == contact.c.viewer_id, p.c.contact_id == contact.c.id))
        .where(contact.c.viewer_id == viewer, contact.c.person_id.in_(person_ids))
        .distinct()
        .subquery("pairs")
    )
    return query.join(pairs, pairs.c.message_id == message.c.id), pairs.c.person_id


def _firsts(
    conn: Connection,
    viewer: str,
    person_ids: Sequence[str],
    where: TimelineFilter,
    start: datetime | None,
    silent: frozenset[str],
    size: int,
    after: tuple[datetime, str] | None,
) -> dict[str, Cut]:
    query, group = _with_people(_wanted(viewer, where, start, silent), viewer, person_ids)
    if after is not None:
        query = query.where(paging.beyond(ORDER, after, forwards=True))
    return paging.tops(conn, query, group, ORDER, size)


def _counts(
    conn: Connection,
    viewer: str,
    person_ids: Sequence[str],
    where: TimelineFilter,
    start: datetime | None,
    silent: frozenset[str],
) -> dict[str, int]:
    query, group = _with_people(_wanted(viewer, where, start, silent), viewer, person_ids)
    rows = conn.execute(query.with_only_columns(group.label("person_id"), sa.func.count().label("n")).group_by(group))
    return {row.person_id: row.n for row in rows}


def _gaps(reports: Sequence[SourceReport], beginning: Callable[[], datetime]) -> list[TimelineGap]:
    """What each account leaves open before the beginning."""
    found = []
    for report in reports:
        if report.state not in _REASONS:
            continue
        start = beginning()
        # a first synchronisation goes from new to old: what is missing is older than the oldest item we have
        syncing = report.state == "SYNCING"
        found.append(
            TimelineGap(
                key=f"gap:{report.account_id}:{report.state}",
                occurred_at=min(report.oldest or start, start) if syncing else start,
                from_=None if syncing else report.as_of,
                account_id=report.account_id,
                state=report.state,
                message=report.message or _REASONS[report.state],
                closes_at=report.retry_at,
            )
        )
    return found


def _merged(
    operation: Operation,
    scope: paging.Scope,
    read: Sequence[tuple[Cut, str, Callable[[Any], Any]]],
    gaps: Sequence[TimelineGap],
    after: tuple[datetime, str] | None,
) -> list[Edge]:
    """What was read of each kind (rows, the column of their moment, what makes an item of one) and gaps in one order; a gap stands on the
    page that its moment falls into."""
    placed: list[tuple[tuple[datetime, str], Any]] = []
    ends = []
    for cut, column, node in read:
        placed += [((getattr(row, column), row.id), paging.readable(row, node)) for row in cut.rows]
        if cut.rows and cut.has_next:
            ends.append((getattr(cut.rows[-1], column), cut.rows[-1].id))
    # what lies below where any of them goes on belongs to a later page
    lowest = max(ends, default=None)
    placed = [one for one in placed if lowest is None or one[0] >= lowest]
    for gap in gaps:
        at = (gap.occurred_at, gap.key)
        if (after is None or at < after) and (lowest is None or at > lowest):
            placed.append((at, gap))
    placed.sort(key=lambda one: one[0], reverse=True)
    return [Edge(paging.cursor(operation, scope, at), item) for at, item in placed]
