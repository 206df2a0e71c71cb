"""Choosing by hand what is shown first of a person."""

from __future__ import annotations

from typing import Annotated

import strawberry

from resolvers import choosing
from resolvers.writing import Payload
from schema import loads
from schema.declare import UNSET, Info, argument, asked, field, input_type, object_type
from schema.lists import plain
from schema.mutations.payload import KEY, WHAT, Written
from schema.references import PersonRef
from schema.vocabulary import PersonField


@input_type("Input of choosePreferred.")
class ChoosePreferredInput:
    person_id: strawberry.ID = asked("The person.")
    field: PersonField = asked("The field.")
    contact_id: strawberry.ID | None = asked("The record whose value wins; null goes back to the rules.", default=UNSET)
    value: str | None = asked("The value, when the record holds several.", default=UNSET)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of choosePreferred.")
class ChoosePreferredPayload(Written):
    person: PersonRef | None = field("The person.", loads.person)


async def choose_preferred(info: Info, input: Annotated[ChoosePreferredInput, argument(description=WHAT)]) -> Payload:
    """Chooses what is shown first of a person."""
    return await choosing.prefer(
        info.context.operation,
        input.person_id,
        input.field.value,
        plain(input.contact_id),
        plain(input.value),
        plain(input.idempotency_key),
    )
