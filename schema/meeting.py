"""Meetings, who is invited and what they answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import strawberry
from strawberry import Parent

from resolvers import accounts, meetings, messages
from resolvers.loaders import load, loading
from resolvers.paging import Ask
from schema.declare import Info, field, loaded, object_type
from schema.interfaces import Versioned
from schema.lists import ITEMS, NODE, Edge, First, LiveList
from schema.references import AccountRef, MessageRef, ParticipantRef
from schema.scalars import URL, Date, DateTime, TimeZone
from schema.timeline import TimelineItem
from schema.vocabulary import MeetingResponse


async def _accounts(parent: Parent[meetings.Meeting], info: Info) -> list[accounts.Account]:
    operation = info.context.operation
    account_ids = await load(operation, meetings.account_ids, parent.series) or []
    found = await asyncio.gather(*(accounts.get(operation, account_id) for account_id in account_ids))
    return [account for account in found if account is not None]


async def _attendees(parent: Parent[meetings.Meeting], info: Info, first: First = 50) -> Sequence[meetings.Attendee]:
    return await load(info.context.operation, meetings.attendees, parent.event_id, Ask(first=first).size) or ()


@object_type("One occurrence of a calendar event.", of=meetings.Meeting)
class Meeting(Versioned, TimelineItem):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field("Grows with each change.")
    accounts: list[AccountRef] = field("Calendars it stands in; at most 20.", _accounts)
    title: str = field("Title; empty when there is none.")
    description: str | None = field("Description, plain text.")
    cancelled: bool = field("Whether it was called off.")
    tentative: bool = field("Whether it is not yet certain.")
    all_day: bool = field("Whether it fills whole days.")
    starts_at: DateTime = field("Start; midnight in timeZone for whole days.")
    ends_at: DateTime = field("End, exclusive.")
    starts_on: Date | None = field("First day, for whole days.")
    time_zone: TimeZone | None = field("Time zone of the organiser.")
    occurred_at: DateTime = field("Same as startsAt; place in a timeline.")
    location: str | None = field("Place.")
    conference_url: URL | None = field("Where to join.")
    organizer: ParticipantRef | None = field("Who invites.", loaded(loading(meetings.organizers), "event_id"))
    attendees: list[Attendee] = field("Who is invited.", _attendees)
    attendee_count: int = field("Number of people invited.")
    viewer_response: MeetingResponse | None = field(
        "The viewer's answer; null when not invited.", loaded(loading(meetings.answers), "event_id")
    )
    recurrence: str | None = field("RRULE of the series; null for single meetings.")
    series_id: strawberry.ID | None = field("Common to all occurrences of a series.")
    invitation: MessageRef | None = field("The message that invited.", loaded(loading(messages.by_id), "message_id"))
    url: URL | None = field("Where to open it at the network.")


@object_type("Somebody invited to a meeting.", of=meetings.Attendee)
class Attendee:
    participant: ParticipantRef = field("Who.")
    response: MeetingResponse = field("Their answer.")


@object_type("Meetings.")
class MeetingConnection(LiveList):
    edges: list[MeetingEdge] = field(ITEMS)


@object_type("An item of MeetingConnection.")
class MeetingEdge(Edge):
    node: Meeting | None = field(NODE, semantic=True)
