"""Who to get back to on a day, and why: reminders that are due, whom the viewer meets, whoever waits for an answer, invitations to answer,
birthdays, who has another job since, whom the viewer has lost sight of.

Made when it is asked for, from counts and rows that are there: a fixed number of statements, whatever is in the store. Who waits follows
from what was exchanged, not from what was said: nobody reads here whether a message asks anything. So it has to be somebody with whom
there is a relationship, in a conversation between few, longer than the viewer usually takes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import freshness, notes, profile_changes, viewers
from resolvers.notes import Reminder
from resolvers.operation import Operation
from resolvers.profile_changes import ProfileChange
from resolvers.projection import SourcedDate
from resolvers.refusals import Refusal
from resolvers.relationship import appointments, counting, reading
from resolvers.relationship.appointments import Appointments
from resolvers.relationship.closeness import SEEN_BACK, Closeness, closeness, length
from resolvers.sources import Freshness, SourceReport
from store.tables import annotation, contact, conversation, exchange, person, profile_change

Reason = Literal["REMINDER", "MEETING", "UNANSWERED", "INVITATION", "BIRTHDAY", "JOB_CHANGE", "OVERDUE"]
#: What is more pressing, among equals whoever is closer; what begins at a time by that.
ORDER: Final[tuple[Reason, ...]] = ("REMINDER", "MEETING", "UNANSWERED", "INVITATION", "BIRTHDAY", "JOB_CHANGE", "OVERDUE")
TIMED: Final = frozenset({"MEETING", "INVITATION"})
MAX_ITEMS: Final = 100
CONSIDERED: Final = 500  # people, those with whom most was exchanged within SEEN_BACK
AHEAD: Final = 366  # days
LEAST_WAITING: Final = 15  # score from which somebody is missed who waits, and their invitation told of
LEAST_MISSED: Final = 30  # and from which a silence is noticed
PATIENCE: Final = timedelta(days=1)  # how long whoever never answered before may take
LEAST_WAIT: Final = timedelta(hours=4)  # before anybody is told of, however fast the viewer usually is
NEWS: Final = timedelta(days=14)  # for which somebody's new job is news
LEAST_SILENCE: Final = timedelta(days=7)
PUT_AWAY: Final = frozenset({"ARCHIVED", "SPAM", "TRASHED"})  # of conversations that the viewer is done with
CARDS: Final = ("ADDRESS_BOOK", "CONNECTION")  # contacts that tell birthdays
_MINE: Final = sa.and_(exchange.c.viewer_id == contact.c.viewer_id, exchange.c.contact_id == contact.c.id)


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do. `target_id` is what to open."""

    key: str
    reason: Reason
    sentence: str
    person_id: str | None
    due_at: datetime | None
    target_id: str


class Agenda(msgspec.Struct, frozen=True, kw_only=True):
    """What to do on a day, most pressing first."""

    date: date
    time_zone: str
    items: tuple[Item, ...]
    sources: tuple[SourceReport, ...]


class _Dates(msgspec.Struct, frozen=True):
    """What a birthday needs of a projection."""

    dates: tuple[SourcedDate, ...] = ()


class _Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation in which somebody wrote last."""

    person_id: str
    conversation_id: str
    since: datetime


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    close: dict[str, Closeness]
    waiting: list[_Waiting]
    reminders: list[tuple[Reminder, str | None]]  # with the person that each is about
    birthdays: dict[str, SourcedDate]
    names: dict[str, str]
    jobs: dict[str, ProfileChange]  # the latest of each person
    appointments: Appointments


_dates = msgspec.msgpack.Decoder(_Dates).decode


async def agenda(operation: Operation, on: date | None) -> Agenda:
    """The agenda of today or of a day to come. Raises Refusal for any other day."""
    zone = ZoneInfo((await viewers.get(operation)).time_zone)
    now = operation.hour()
    today = _today(operation, now, zone)
    day = on or today
    if not today <= day <= today + timedelta(days=AHEAD):
        raise Refusal("BAD_ARGUMENTS", f"an agenda is of today or one of the {AHEAD} days to come")
    ends = _end(day, zone)
    moment = now if day == today else ends
    answered = await freshness.stored(operation, Freshness())
    begins = now if day == today else _end(day - timedelta(days=1), zone) + timedelta.resolution
    facts = await operation.read(_facts, begins, moment, ends, day)
    items = sorted(_items(facts, moment, day, zone), key=lambda item: _pressing(item, facts))
    return Agenda(date=day, time_zone=zone.key, items=tuple(items[:MAX_ITEMS]), sources=answered.reports)


def _today(operation: Operation, now: datetime, zone: ZoneInfo) -> date:
    """The viewer's day; zones that are half an hour off change it within the hour."""
    day = now.astimezone(zone).date()
    return day + timedelta(days=1) if operation.past(_end(day, zone)) else day


def _end(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC) - timedelta.resolution


# --- what is there --------------------------------------------------------------------------------------------------------


def _facts(conn: Connection, viewer: str, begins: datetime, moment: datetime, ends: datetime, day: date) -> _Facts:
    since = moment - SEEN_BACK
    person_ids = _considered(conn, viewer, since)
    exchanged = reading.exchanged(conn, viewer, person_ids, since)
    close = {person_id: closeness(found, moment) for person_id, found in exchanged.items()}
    waiting = _waiting(conn, viewer, person_ids, moment)
    reminders = _reminders(conn, viewer, ends)
    birthdays = _birthdays(conn, viewer, day)
    jobs = _jobs(conn, viewer, sorted(close), moment)
    held = appointments.read(conn, viewer, day, begins, moment, ends)
    named = {*close, *birthdays, *(about for _, about in reminders if about is not None)}
    named.update(person_id for one in (*held.of_day, *held.unanswered) for person_id in one.person_ids)
    rows = conn.execute(select(person.c.id, person.c.name).where(person.c.viewer_id == viewer, person.c.id.in_(sorted(named))))
    names = {row.id: row.name for row in rows}
    return _Facts(
        close=close, waiting=waiting, reminders=reminders, birthdays=birthdays, names=names, jobs=jobs, appointments=held
    )  # fmt: skip


def _considered(conn: Connection, viewer: str, since: datetime) -> list[str]:
    """Those with whom most was exchanged, both ways."""
    heard, said = sa.func.sum(exchange.c.heard), sa.func.sum(exchange.c.said)
    query = (
        select(contact.c.person_id).select_from(contact).join(exchange, _MINE)
        .where(contact.c.viewer_id == viewer, contact.c.person_id.is_not(None), exchange.c.period >= counting.period_of(since))
        .group_by(contact.c.person_id).having(heard > 0).having(said > 0)
        .order_by((heard + said).desc(), contact.c.person_id).limit(CONSIDERED)
    )  # fmt: skip
    return list(conn.execute(query).scalars())


def _waiting(conn: Connection, viewer: str, person_ids: Sequence[str], moment: datetime) -> list[_Waiting]:
    """Conversations between few in which one of these wrote last, while it can still be answered."""
    e = exchange.c
    since = moment - counting.LOOK_BACK
    heard, said = (
        sa.func.max(e.last_inbound_at, type_=e.last_inbound_at.type),
        sa.func.max(e.last_outbound_at, type_=e.first_at.type),
    )
    query = (
        select(contact.c.person_id, e.conversation_id, conversation.c.flags, heard.label("heard_at"), said.label("said_at"))
        .select_from(contact).join(exchange, _MINE)
        .join(conversation, sa.and_(conversation.c.viewer_id == e.viewer_id, conversation.c.id == e.conversation_id))
        .where(contact.c.viewer_id == viewer, contact.c.person_id.in_(person_ids), e.period >= counting.period_of(since))
        .group_by(contact.c.person_id, e.conversation_id, conversation.c.flags)
        .having(sa.func.sum(e.heard) * counting.FEW >= sa.func.sum(e.inbound) * counting.WHOLE)
        .order_by(contact.c.person_id, e.conversation_id)
    )  # fmt: skip
    return [
        _Waiting(person_id=row.person_id, conversation_id=row.conversation_id, since=row.heard_at)
        for row in conn.execute(query)
        if row.heard_at is not None and row.heard_at > since and (row.said_at is None or row.said_at < row.heard_at)
        and PUT_AWAY.isdisjoint(row.flags.split())
    ]  # fmt: skip


def _reminders(conn: Connection, viewer: str, ends: datetime) -> list[tuple[Reminder, str | None]]:
    """What is open and due, with the person, as they are now, that it is about."""
    mine = annotation.c
    rows = conn.execute(
        select(annotation, sa.func.coalesce(person.c.redirect_to, person.c.id).label("whose"))
        .join(person, sa.and_(person.c.viewer_id == mine.viewer_id, person.c.id == mine.about_id), isouter=True)
        .where(mine.viewer_id == viewer, mine.kind == "REMINDER", mine.done_at.is_(None), mine.at <= ends)
        .order_by(mine.at, mine.id).limit(MAX_ITEMS)
    )  # fmt: skip
    found = [(notes.of_row(row), row.whose) for row in rows]
    return [(reminder, whose) for reminder, whose in found if isinstance(reminder, Reminder)]


def _birthdays(conn: Connection, viewer: str, day: date) -> dict[str, SourcedDate]:
    """Whose birthday it is, of people with a card. That of 29 February is kept on the 28th in common years."""
    card = select(sa.literal(1)).where(
        contact.c.viewer_id == viewer, contact.c.person_id == person.c.id, contact.c.relation.in_(CARDS)
    )  # fmt: skip
    wanted = {(day.month, day.day)}
    if wanted == {(2, 28)} and (day + timedelta(days=1)).month == 3:
        wanted.add((2, 29))
    query = select(person.c.id, person.c.projection).where(
        person.c.viewer_id == viewer, person.c.redirect_to.is_(None), person.c.projection.is_not(None), card.exists()
    )  # fmt: skip
    found: dict[str, SourcedDate] = {}
    for row in conn.execute(query):
        try:
            dates = _dates(row.projection).dates
        except msgspec.MsgspecError:
            continue  # a damaged row is told where the person is shown
        born = next((one for one in dates if one.label == "birthday"), None)
        if born is not None and (born.month, born.day) in wanted:
            found[row.id] = born
    return found


def _jobs(conn: Connection, viewer: str, person_ids: Sequence[str], moment: datetime) -> dict[str, ProfileChange]:
    """Who of these has another job since a few days, by what a source says."""
    at, field = profile_change.c.at, profile_change.c.field
    query, _ = profile_changes.of_people(viewer, person_ids)
    news = query.where(field == "ORGANIZATION", at > moment - NEWS, at <= moment).order_by(at, profile_change.c.id)
    return {row.person_id: profile_changes.of_row(row) for row in conn.execute(news)}


# --- what follows ---------------------------------------------------------------------------------------------------------


def _items(facts: _Facts, moment: datetime, day: date, zone: ZoneInfo) -> list[Item]:
    found = [
        Item(key=one.id, reason="REMINDER", sentence=one.body, person_id=whose, due_at=one.due_at, target_id=one.id)
        for one, whose in facts.reminders
    ]
    for one in facts.waiting:
        close = facts.close.get(one.person_id)
        if close is not None and close.score >= LEAST_WAITING:
            usual = close.own_response
            due = one.since + (PATIENCE if usual is None else max(usual, LEAST_WAIT))
            if due <= moment:
                name, waited = facts.names.get(one.person_id, ""), length(moment - one.since)
                how = "" if usual is None else f" You usually answer within {length(usual)}."
                found.append(
                    Item(key=f"{one.person_id}/{one.conversation_id}", reason="UNANSWERED", person_id=one.person_id, due_at=due,
                         sentence=f"{name} wrote {waited} ago, and you have not answered.{how}", target_id=one.conversation_id)
                )  # fmt: skip
    waiting = {item.person_id for item in found if item.reason == "UNANSWERED" and item.person_id is not None}
    found += _appointments(facts, day, zone, waiting)
    for person_id, born in facts.birthdays.items():
        name = facts.names.get(person_id, "")
        age = "" if born.year is None or born.year >= day.year else f" They are {day.year - born.year}."
        found.append(
            Item(key=f"{person_id}/birthday", reason="BIRTHDAY", sentence=f"It is {name}'s birthday.{age}", person_id=person_id,
                 due_at=None, target_id=person_id)
        )  # fmt: skip
    found += [
        Item(
            key=f"{person_id}/job",
            reason="JOB_CHANGE",
            sentence=news.sentence,
            person_id=person_id,
            due_at=None,
            target_id=person_id,
        )
        for person_id, news in facts.jobs.items()
        if facts.close[person_id].score >= LEAST_WAITING and not _wrote_since(facts.close[person_id], news.occurred_at)
    ]
    found += [
        Item(key=f"{person_id}/overdue", reason="OVERDUE", sentence=_silence(facts.names.get(person_id, ""), close, moment),
             person_id=person_id, due_at=close.next_due_at, target_id=person_id)
        for person_id, close in facts.close.items()
        if person_id not in waiting and _is_overdue(close, moment)
    ]  # fmt: skip
    return found


def _appointments(facts: _Facts, day: date, zone: ZoneInfo, waiting: Collection[str]) -> list[Item]:
    """Whom the viewer meets, and whose invitation they have not answered: what they agreed to, and else what comes from whom they know."""
    known = {person_id for person_id, close in facts.close.items() if close.score >= LEAST_WAITING}
    found = [
        Item(key=one.meeting.id, reason="MEETING", person_id=one.person_ids[0], due_at=one.meeting.starts_at, target_id=one.meeting.id,
             sentence=appointments.meets(one, day, zone, facts.names, waiting))
        for one in facts.appointments.of_day
        if one.agreed or one.organizer in known
    ]  # fmt: skip
    found += [
        Item(key=f"{one.meeting.series}/invitation", reason="INVITATION", person_id=one.organizer, due_at=one.meeting.starts_at,
             target_id=one.meeting.id, sentence=appointments.invites(one, zone, facts.names))
        for one in facts.appointments.unanswered
        if one.organizer in known
    ]  # fmt: skip
    return found


def _wrote_since(close: Closeness, at: datetime) -> bool:
    """Whether the viewer has written to them since, be it of that or not."""
    return close.last_outbound_at is not None and close.last_outbound_at > at


def _is_overdue(close: Closeness, moment: datetime) -> bool:
    """A silence that is longer than nine in ten between the two were, and than twice the usual one."""
    if close.score < LEAST_MISSED or close.usual_interval is None or close.longest_usual is None:
        return False
    silence = moment - _last(close)
    return silence > max(close.longest_usual, 2 * close.usual_interval, LEAST_SILENCE)


def _last(close: Closeness) -> datetime:
    moments = [at for at in (close.last_inbound_at, close.last_outbound_at) if at is not None]
    return max(moments, default=datetime.max.replace(tzinfo=UTC))


def _silence(name: str, close: Closeness, moment: datetime) -> str:
    assert close.usual_interval is not None
    every = length(close.usual_interval)
    return f"You and {name} usually write to each other every {every}; the last time is {length(moment - _last(close))} ago."


def _pressing(item: Item, facts: _Facts) -> tuple[Any, ...]:
    close = None if item.reason in TIMED else facts.close.get(item.person_id or "")
    due = item.due_at or datetime.max.replace(tzinfo=UTC)
    return ORDER.index(item.reason), 0 if close is None else -close.score, due, item.key
