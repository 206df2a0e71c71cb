"""What a score is made of, and the messages behind it."""

from __future__ import annotations

from strawberry import Parent

from resolvers import messages
from resolvers.influence import answers
from resolvers.influence.weighing import Part
from resolvers.relationship import reading
from schema.declare import Info, field, object_type
from schema.lists import First
from schema.references import MessageRef
from schema.vocabulary import ScoreFactor


async def _messages(parent: Parent[reading.Weighed | Part], info: Info, first: First = 20) -> list[messages.Message]:
    size = 20 if first is None else first
    if isinstance(parent, Part):
        return await answers.messages_of(info.context.operation, parent, size)
    return await reading.messages_of(info.context.operation, parent, size)


@object_type("One part of a score.", of=(reading.Weighed, Part))
class ScorePart:
    factor: ScoreFactor = field("What it measures.")
    value: float = field("0 to 1.")
    weight: float = field("Share in the score, 0 to 1.")
    sentence: str = field("The part in words.")
    messages: list[MessageRef] | None = field(
        "The messages that it was counted from, latest first; at most 100.", _messages, semantic=True
    )
