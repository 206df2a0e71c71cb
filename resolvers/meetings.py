"""Meetings as they are shown: each time of a series is one. Who is there, what they answered, and by which mail it is known.

What mails say of meetings is made one by `ingest/meetings.py`. A page of meetings reads people, accounts and mails of all of them at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import freshness, messages, paging, web
from resolvers.loaders import batched, load
from resolvers.messages import Participant
from resolvers.operation import Operation
from resolvers.paging import Ask, Cut, Listing, Order
from resolvers.sources import Freshness
from store.among import among, asked
from store.tables import attendee, contact, invitation, meeting, meeting_event, message_source

ORDER: Final = Order((meeting.c.at, meeting.c.id), descending=False)
AHEAD: Final = timedelta(days=30)  # of lists whose end nobody says
MAX_ACCOUNTS: Final = 20
_M, _E, _A = meeting.c, meeting_event.c, attendee.c
_OF: Final = sa.and_(_E.viewer_id == _M.viewer_id, _E.id == _M.event_id)
_DETAILS: Final = tuple(_E[name] for name in (
    "series_id", "direction", "title", "description", "location", "conference_url", "url", "time_zone", "rule", "all_day", "tentative",
    "recurring", "attendee_count", "message_id",
))  # fmt: skip
_SHOWN: Final = select(meeting, *_DETAILS).join(meeting_event, _OF)


class Meeting(msgspec.Struct, frozen=True, kw_only=True):
    """A meeting, or one time of a series."""

    id: str
    version: int
    event_id: str
    series: str
    title: str
    description: str | None
    cancelled: bool
    tentative: bool
    all_day: bool
    starts_at: datetime
    ends_at: datetime
    time_zone: str | None
    location: str | None
    conference_url: str | None
    attendee_count: int
    recurrence: str | None
    recurring: bool
    url: str | None
    message_id: str | None
    direction: str

    @property
    def occurred_at(self) -> datetime:
        return self.starts_at

    @property
    def starts_on(self) -> date | None:
        return self.starts_at.date() if self.all_day else None  # a whole day begins at its midnight in UTC, wherever it is

    @property
    def series_id(self) -> str | None:
        return self.series if self.recurring else None


class Attendee(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody invited, with their answer."""

    participant: Participant
    response: str


def of_row(row: Any) -> Meeting:
    """The meeting of a row of `all_of`."""
    return Meeting(
        id=row.id, version=row.version, event_id=row.event_id, series=row.series_id, title=row.title, description=row.description or None,
        cancelled=row.cancelled, tentative=row.tentative and not row.cancelled, all_day=row.all_day, starts_at=row.at, ends_at=row.ends_at,
        time_zone=row.time_zone, location=row.location or None, conference_url=web.safe(row.conference_url),
        attendee_count=row.attendee_count, recurrence=row.rule, recurring=row.recurring, url=web.safe(row.url), message_id=row.message_id,
        direction=row.direction,
    )  # fmt: skip


def all_of(viewer: str) -> sa.Select[Any]:
    """Every meeting of a viewer."""
    return _SHOWN.where(_M.viewer_id == viewer)


def of_people(viewer: str, person_ids: Sequence[str]) -> tuple[sa.Select[Any], sa.ColumnElement[str]]:
    """The meetings of people, who organize them or are invited, and whose each is."""
    theirs = (
        select(contact.c.person_id, _A.event_id)
        .join(attendee, sa.and_(_A.viewer_id == contact.c.viewer_id, _A.contact_id == contact.c.id))
        .where(contact.c.viewer_id == viewer, contact.c.person_id.in_(person_ids))
        .distinct()
        .subquery("theirs")
    )
    return all_of(viewer).join(theirs, theirs.c.event_id == _M.event_id), theirs.c.person_id


def through(accounts: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Meetings of which a mail tells that came through accounts: a condition on `message_source.account_id`."""
    i, s = invitation.c, message_source.c
    told = sa.and_(s.viewer_id == i.viewer_id, s.message_id == i.message_id)
    return (
        select(sa.literal(1))
        .join_from(invitation, message_source, told)
        .where(i.viewer_id == _E.viewer_id, i.series_id == _E.series_id, accounts)
        .exists()
    )


def by_id(conn: Connection, viewer: str, meeting_ids: Sequence[str]) -> dict[str, Any]:
    """Meetings by id."""
    return {row.id: paging.readable(row, of_row) for row in conn.execute(_SHOWN.where(among(_M.id)), asked(viewer, meeting_ids))}


def of_messages(conn: Connection, viewer: str, message_ids: Sequence[str]) -> dict[str, Any]:
    """The meeting that each message tells of: what it is known from itself, else the first of those that it is about."""
    i, other = invitation.c, meeting_event.alias("other")
    about = select(meeting, *_DETAILS).join(meeting_event, _OF)
    about = about.join(invitation, sa.and_(i.viewer_id == _E.viewer_id, i.series_id == _E.series_id))
    itself = (
        select(sa.literal(1))
        .where(other.c.viewer_id == i.viewer_id, other.c.series_id == i.series_id, other.c.message_id == i.message_id)
        .exists()
    )
    query = about.where(
        i.viewer_id == viewer, i.message_id.in_(message_ids), sa.or_(_E.message_id == i.message_id, sa.not_(itself))
    )
    cuts = paging.tops(conn, query, i.message_id, ORDER, 1)
    return {message_id: paging.readable(cut.rows[0], of_row) for message_id, cut in cuts.items()}


def _people(viewer: str, event_ids: Sequence[str]) -> sa.Select[Any]:
    whose = sa.and_(contact.c.viewer_id == _A.viewer_id, contact.c.id == _A.contact_id)
    return (
        select(attendee, contact.c.person_id).outerjoin(contact, whose).where(_A.viewer_id == viewer, _A.event_id.in_(event_ids))
    )


def organizers(conn: Connection, viewer: str, event_ids: Sequence[str]) -> dict[str, Participant]:
    """Who invites."""
    own = messages.own_values(conn, viewer)
    rows = conn.execute(_people(viewer, event_ids).where(_A.position == 0))
    return {row.event_id: messages.participant(row, own) for row in rows}


def attendees(conn: Connection, viewer: str, event_ids: Sequence[str], first: int) -> dict[str, list[Attendee]]:
    """At most `first` of the invited, as their invitation lists them."""
    own = messages.own_values(conn, viewer)
    cuts = paging.tops(conn, _people(viewer, event_ids).where(_A.position > 0), _A.event_id, Order((_A.position,)), first)
    return {
        event_id: [Attendee(participant=messages.participant(row, own), response=row.response) for row in cut.rows]
        for event_id, cut in cuts.items()
    }


def answers(conn: Connection, viewer: str, event_ids: Sequence[str]) -> dict[str, str]:
    """What the viewer answered, where they are invited."""
    own = sorted(value for kind, value in messages.own_values(conn, viewer) if kind == "EMAIL")
    rows = conn.execute(
        select(_A.event_id, _A.response)
        .where(_A.viewer_id == viewer, _A.event_id.in_(event_ids), _A.position > 0, _A.address.in_(own))
        .order_by(_A.position.desc())
    )
    return {row.event_id: row.response for row in rows}


def account_ids(conn: Connection, viewer: str, series_ids: Sequence[str]) -> dict[str, list[str]]:
    """The accounts whose mail tells of each, the first one first."""
    i, s = invitation.c, message_source.c
    rows = conn.execute(
        select(i.series_id, s.account_id)
        .join(message_source, sa.and_(s.viewer_id == i.viewer_id, s.message_id == i.message_id))
        .where(i.viewer_id == viewer, i.series_id.in_(series_ids))
        .group_by(i.series_id, s.account_id)
        .order_by(sa.func.min(s.seen_at), s.account_id)
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        if len(found.setdefault(row.series_id, [])) < MAX_ACCOUNTS:
            found[row.series_id].append(row.account_id)
    return found


async def page(
    operation: Operation,
    ask: Ask,
    start: datetime | None,
    end: datetime | None,
    fresh: Freshness,
    person_id: str | None = None,
) -> Listing:
    """The meetings of a person, or all, by their beginning: from `start`, by default this hour, to before `end`, by default AHEAD later."""
    scope = paging.bound("meetings", person_id, start, end)
    after = None if ask.after is None else paging.position(operation, scope, ask.after, tuple[datetime, str])
    begin = start or operation.hour()
    window = (begin, end or begin + AHEAD)
    answered = await freshness.having(operation, await freshness.stored(operation, fresh), "CONVERSATIONS")

    def within(viewer: str) -> sa.Select[Any]:
        return _within(all_of(viewer), window)

    async def count() -> int:
        if person_id is None:
            return await paging.counted(operation, within)
        return (await load(operation, _counts, person_id, window)) or 0

    if person_id is None:
        cut = await operation.read(lambda conn, viewer: paging.cut(conn, within(viewer), ORDER, ask.size, after=after))
    else:

        async def batch(person_ids: list[str]) -> Mapping[str, Cut]:
            return await operation.read(_firsts, person_ids, window, ask.size, after)

        cut = await batched(operation, ("meetings", window, ask.size, after), batch, person_id) or paging.EMPTY
    if after is not None:
        cut = Cut(cut.rows, has_next=cut.has_next, has_previous=True)
    return paging.listing(operation, scope, cut, key=lambda row: (row.at, row.id), node=of_row, count=count, answered=answered)


def _within(query: sa.Select[Any], window: tuple[datetime, datetime]) -> sa.Select[Any]:
    return query.where(_M.at >= window[0], _M.at < window[1])


def _firsts(
    conn: Connection,
    viewer: str,
    person_ids: Sequence[str],
    window: tuple[datetime, datetime],
    size: int,
    after: tuple[datetime, str] | None,
) -> dict[str, Cut]:
    query, group = of_people(viewer, person_ids)
    if after is not None:
        query = query.where(paging.beyond(ORDER, after, forwards=True))
    return paging.tops(conn, _within(query, window), group, ORDER, size)


def _counts(conn: Connection, viewer: str, person_ids: Sequence[str], window: tuple[datetime, datetime]) -> dict[str, int]:
    query, group = of_people(viewer, person_ids)
    counted = _within(query, window).with_only_columns(group.label("person_id"), sa.func.count().label("n")).group_by(group)
    return {row.person_id: row.n for row in conn.execute(counted)}
