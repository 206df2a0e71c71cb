"""How close the viewer and a person are, with what it was counted from."""

from __future__ import annotations

from strawberry import Parent

from resolvers import messages
from resolvers.loaders import loading
from resolvers.relationship import reading
from schema.declare import field, loaded, object_type
from schema.lists import First
from schema.references import MessageRef
from schema.scalars import DateTime, Duration
from schema.score import ScorePart
from schema.vocabulary import Direction, Trend


def _answers(parent: Parent[reading.Relationship], first: First = 20) -> list[reading.Answered]:
    return list(parent.answered[: min(max(20 if first is None else first, 0), reading.MAX_TRACED)])


@object_type("An answer, and how long it was waited for.", of=reading.Answered)
class Answered:
    answer: MessageRef | None = field(
        "The answer; null when it is just being removed.", loaded(loading(messages.by_id), "message_id")
    )
    question: MessageRef | None = field(
        "The first message that waited for it; null when it is just being removed.",
        loaded(loading(messages.by_id), "question_id"),
    )
    direction: Direction = field("INBOUND when they answered, OUTBOUND when the viewer did.")
    answered_at: DateTime = field("When it was answered.")
    waited: Duration = field("From the one to the other.")


@object_type("How close the viewer and a person are.", of=reading.Relationship)
class Relationship:
    score: int = field("0 to 100.")
    parts: list[ScorePart] = field("What the score is made of.")
    trend: Trend = field("Which way it goes.")
    inbound_count: int = field("Messages from them that count.")
    outbound_count: int = field("Messages to them that count.")
    last_inbound_at: DateTime | None = field("Last message or meeting from them.")
    last_outbound_at: DateTime | None = field("Last message to them.")
    first_contact_at: DateTime | None = field("First exchange.")
    usual_interval: Duration | None = field("Usual time between exchanges.")
    next_due_at: DateTime | None = field("When they would usually hear from the viewer next.")
    their_response_time: Duration | None = field("Median time in which they answered, within the last year.")
    own_response_time: Duration | None = field("Median time in which the viewer answered, within the last year.")
    answers: list[Answered] = field(
        "Answers of the last year that these times were counted from, latest first; at most 100.", _answers
    )
    sentence: str = field("The score in words.")
    computed_at: DateTime = field("When it was computed.")
