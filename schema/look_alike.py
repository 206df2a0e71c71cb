"""People who look like others, and those who seem to pose as them."""

from __future__ import annotations

from strawberry import Parent

from resolvers import look_alikes, people
from schema import loads
from schema.declare import Info, field, object_type
from schema.references import PersonRef
from schema.vocabulary import Likeness


async def _impostor(parent: Parent[look_alikes.LookAlike], info: Info) -> people.Person | None:
    return None if parent.impostor_id is None else await people.get(info.context.operation, parent.impostor_id)


@object_type("A person who looks like another and is kept apart.", of=look_alikes.LookAlike)
class LookAlike:
    person: PersonRef = field("The other person.", loads.person)
    likeness: Likeness = field("In what they are alike.")
    sentence: str = field("Why they are kept apart.")
    suspicious: bool = field("Whether it looks like an impostor.")
    impostor: PersonRef | None = field("Which of the two seems to pose as the other; null where neither does.", _impostor)
