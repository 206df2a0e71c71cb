"""Relationships of people, summed up when they are asked for: over the counts of all contacts that a person has at that moment.

So a person that was joined or parted needs no upkeep. However many people are asked for together, it is two statements.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import messages
from resolvers.loaders import load
from resolvers.messages import Message
from resolvers.operation import Operation
from resolvers.relationship import closeness, counting, tallying
from resolvers.relationship.closeness import SEEN_BACK, Exchanged, Factor
from resolvers.relationship.counting import Event
from store.tables import account, contact, exchange

MAX_TRACED: Final = 100  # messages that are shown of a part, or answers
PERIODS_AT_ONCE: Final = 6  # whose messages are read again together to find these
_MINE: Final = sa.and_(exchange.c.viewer_id == contact.c.viewer_id, exchange.c.contact_id == contact.c.id)
_DAYS: Final = counting.PERIOD.days


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, what it answers, and how long that had waited (ISO 8601)."""

    message_id: str
    question_id: str
    answered_at: datetime
    waited: str
    direction: str


class Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """A part of somebody's score."""

    person_id: str
    factor: Factor
    value: float
    weight: float
    sentence: str


class Relationship(msgspec.Struct, frozen=True, kw_only=True):
    """How close the viewer and a person are, at a moment; spans in ISO 8601."""

    score: int
    parts: tuple[Weighed, ...]
    trend: str
    inbound_count: int
    outbound_count: int
    last_inbound_at: datetime | None
    last_outbound_at: datetime | None
    first_contact_at: datetime | None
    usual_interval: str | None
    next_due_at: datetime | None
    their_response_time: str | None
    own_response_time: str | None
    answered: tuple[Answered, ...]  # latest first
    sentence: str
    computed_at: datetime


def exchanged(conn: Connection, viewer: str, person_ids: Sequence[str], since: datetime) -> dict[str, Exchanged]:
    """All that was exchanged with each person, days and answers since a moment."""
    e = exchange.c
    of_people = sa.and_(contact.c.viewer_id == viewer, contact.c.person_id.in_(person_ids))
    sums: dict[str, list[closeness.Sums]] = defaultdict(list)
    counts = [sa.func.sum(e[name]).label(name) for name in ("inbound", "outbound", "heard", "said", "begun", "opened")]
    lasts = [sa.func.max(e[name], type_=e[name].type).label(name) for name in ("last_inbound_at", "last_outbound_at")]
    for row in conn.execute(
        select(
            contact.c.person_id, account.c.provider, e.period, *counts, *lasts,
            sa.func.min(e.first_at, type_=e.first_at.type).label("first_at"),
        )
        .select_from(contact)
        .join(exchange, _MINE)
        .join(account, sa.and_(account.c.viewer_id == contact.c.viewer_id, account.c.id == contact.c.account_id))
        .where(of_people)
        .group_by(contact.c.person_id, account.c.provider, e.period)
        .order_by(e.period, account.c.provider)
    ):  # fmt: skip
        sums[row.person_id].append(
            closeness.Sums(
                period=row.period, network=row.provider, inbound=int(row.inbound), outbound=int(row.outbound), heard=int(row.heard),
                said=int(row.said), begun=int(row.begun), opened=int(row.opened), first_at=row.first_at,
                last_inbound_at=row.last_inbound_at, last_outbound_at=row.last_outbound_at,
            )
        )  # fmt: skip
    days: dict[str, set[int]] = defaultdict(set)
    answers: dict[str, list[counting.Answer]] = defaultdict(list)
    for lately in conn.execute(
        select(contact.c.person_id, e.period, e.days, e.answers).select_from(contact).join(exchange, _MINE)
        .where(of_people, e.period >= counting.period_of(since))
    ):  # fmt: skip
        days[lately.person_id].update(lately.period * _DAYS + n for n in range(_DAYS) if lately.days >> n & 1)
        if lately.answers is not None:
            answers[lately.person_id] += (one for one in tallying.read_answers(lately.answers) if one.at >= since)
    return {
        person_id: Exchanged(
            sums=tuple(found),
            days=frozenset(day for day in days[person_id] if day >= counting.day_number(since)),
            answers=tuple(sorted(answers[person_id], key=lambda one: (one.at, one.message_id), reverse=True)),
        )
        for person_id, found in sums.items()
    }


async def of_person(operation: Operation, person_id: str) -> Relationship:
    """A person's relationship, read together with the others that the operation asks for."""
    now = operation.hour()  # everybody's at one moment: people are compared with each other
    found = await load(operation, exchanged, person_id, since=now - SEEN_BACK) or Exchanged()
    return weighed(person_id, found, now)


def weighed(person_id: str, found: Exchanged, now: datetime) -> Relationship:
    """What was exchanged with a person, weighed, as it is shown."""
    close = closeness.closeness(found, now)
    answered = tuple(
        Answered(
            message_id=one.message_id, question_id=one.question_id, answered_at=one.at,
            waited=duration(timedelta(microseconds=one.waited)), direction="OUTBOUND" if one.own else "INBOUND",
        )
        for one in found.answers
    )  # fmt: skip
    parts = tuple(
        Weighed(person_id=person_id, factor=part.factor, value=part.value, weight=part.weight, sentence=part.sentence)
        for part in close.parts
    )
    return Relationship(
        score=close.score, parts=parts, trend=close.trend, inbound_count=close.inbound_count, outbound_count=close.outbound_count,
        last_inbound_at=close.last_inbound_at, last_outbound_at=close.last_outbound_at, first_contact_at=close.first_contact_at,
        usual_interval=_told(close.usual_interval), next_due_at=close.next_due_at, their_response_time=_told(close.their_response),
        own_response_time=_told(close.own_response), answered=answered, sentence=close.sentence, computed_at=now,
    )  # fmt: skip


def _told(span: timedelta | None) -> str | None:
    return None if span is None else duration(span)


def duration(span: timedelta) -> str:
    """A span as ISO 8601 has it, which counts no months here: P3DT4H, PT0.5S."""
    hours, rest = divmod(span.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    fraction = f".{span.microseconds:06}".rstrip("0") if span.microseconds else ""
    time = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M")) if n)
    time += f"{seconds}{fraction}S" if seconds or fraction else ""
    days = f"{span.days}D" if span.days else ""
    return f"P{days}T{time}" if time else f"P{days}" if days else "PT0S"


# --- which messages a number comes from -----------------------------------------------------------------------------------


def traced(conn: Connection, viewer: str, person_id: str, factor: Factor, first: int) -> list[str]:
    """The ids of the messages that a part was counted from, latest first."""
    e = exchange.c
    rows = conn.execute(
        select(e.period, e.conversation_id).select_from(contact).join(exchange, _MINE)
        .where(contact.c.viewer_id == viewer, contact.c.person_id == person_id).distinct().order_by(e.period.desc())
    ).all()  # fmt: skip
    mine = set(
        conn.execute(select(contact.c.id).where(contact.c.viewer_id == viewer, contact.c.person_id == person_id)).scalars()
    )
    periods = sorted({row.period for row in rows}, reverse=True)
    found: dict[str, Event] = {}
    for n in range(0, len(periods), PERIODS_AT_ONCE):
        wanted: dict[str, set[int]] = defaultdict(set)
        for row in rows:
            if row.period in periods[n : n + PERIODS_AT_ONCE]:
                wanted[row.conversation_id].add(row.period)
        for events in tallying.counted(conn, viewer, wanted).values():
            for event in events:
                if event.contact_id in mine and _tells_of(event, factor):
                    found[event.message_id] = event
        if len(found) >= first:
            break
    latest = sorted(found.values(), key=lambda event: (event.at, event.message_id), reverse=True)
    return [event.message_id for event in latest[:first]]


def _tells_of(event: Event, factor: Factor) -> bool:
    match factor:
        case "RESPONSE_TIME":
            return event.answer is not None
        case "INITIATIVE":
            return event.begins
        case _:
            return True


async def messages_of(operation: Operation, weighed: Weighed, first: int) -> list[Message]:
    """The messages that a part was counted from, latest first."""
    ids = await operation.read(traced, weighed.person_id, weighed.factor, min(max(first, 0), MAX_TRACED))
    found: list[Any] = [await message for message in [messages.get(operation, message_id) for message_id in ids]]
    return [message for message in found if message is not None]
