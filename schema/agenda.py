"""Who to get back to on a day, and why."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry import Parent

from resolvers import nodes
from resolvers.relationship import agenda
from schema import loads
from schema.annotation import Reminder
from schema.conversation import Conversation
from schema.declare import Info, field, object_type
from schema.lists import SourceStatus
from schema.meeting import Meeting
from schema.person import Person
from schema.references import PersonRef
from schema.scalars import Date, DateTime, TimeZone
from schema.vocabulary import AgendaReason

AgendaTarget = Annotated[
    Conversation | Meeting | Reminder | Person, strawberry.union("AgendaTarget", description="What to open for an agenda item.")
]


async def _target(parent: Parent[agenda.Item], info: Info) -> Any:
    return await nodes.get(info.context.operation, parent.target_id)


@object_type("One thing to do and why.", of=agenda.Item)
class AgendaItem:
    key: str = field("Stable within the day, for lists.")
    reason: AgendaReason = field("Why.")
    sentence: str = field("Why, in words.")
    person: PersonRef | None = field("Whom it concerns.", loads.person)
    due_at: DateTime | None = field("When it is due.")
    target: AgendaTarget | None = field("What to open.", _target)


@object_type("Who to get back to on a day.", of=agenda.Agenda)
class Agenda:
    date: Date = field("The day.")
    time_zone: TimeZone = field("Where the day begins.")
    items: list[AgendaItem] = field("What to do, most pressing first; at most 100.")
    sources: list[SourceStatus] = field("How each account answered.")
