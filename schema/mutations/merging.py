"""Writing who is who: join, part, keep apart."""

from __future__ import annotations

import asyncio
from typing import Annotated

import strawberry
from strawberry import Parent

from resolvers import merges, merging, people, suggestions
from resolvers.writing import Payload
from schema import loads
from schema.declare import UNSET, Info, argument, asked, field, input_type, object_type
from schema.lists import plain
from schema.mutations.payload import KEY, WHAT, Written
from schema.references import MergeRef, MergeSuggestionRef, PersonRef


async def _merge(parent: Parent[Payload], info: Info) -> merges.Merge | None:
    return await merges.get(info.context.operation, parent.merge_id)


async def _suggestion(parent: Parent[Payload], info: Info) -> suggestions.MergeSuggestion | None:
    return await suggestions.get(info.context.operation, parent.suggestion_id)


def _absorbed(parent: Parent[Payload]) -> tuple[str | None, ...] | None:
    return parent.node_ids


async def _people(parent: Parent[Payload], info: Info) -> list[people.Person] | None:
    if parent.node_ids is None:
        return None
    operation = info.context.operation
    found = await asyncio.gather(*(people.get(operation, i) for i in parent.node_ids if i is not None))
    return [one for one in found if one is not None]


@input_type("Input of mergePeople.")
class MergePeopleInput:
    person_ids: list[strawberry.ID] | None = asked(
        "Two or more people; the first keeps its id. Needed without suggestionId.", default=UNSET
    )
    suggestion_id: strawberry.ID | None = asked("A suggestion to accept.", default=UNSET)
    override: bool | None = asked("Join although the viewer once said never.", default=False)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of mergePeople.")
class MergePeoplePayload(Written):
    person: PersonRef | None = field("The survivor.", loads.person)
    absorbed_ids: list[strawberry.ID] | None = field("Ids that now lead to the survivor.", _absorbed)
    merge: MergeRef | None = field("The decision, to be taken back with unmerge.", _merge)
    suggestion: MergeSuggestionRef | None = field("The suggestion, accepted.", _suggestion)


@input_type("Input of unmerge.")
class UnmergeInput:
    merge_id: strawberry.ID | None = asked("The decision to take back.", default=UNSET)
    person_id: strawberry.ID | None = asked("The person to take records out of; with contactIds.", default=UNSET)
    contact_ids: list[strawberry.ID] | None = asked("The records to take out.", default=UNSET)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of unmerge.")
class UnmergePayload(Written):
    people: list[PersonRef] | None = field("The people after it, the one that keeps its id first.", _people)
    merge: MergeRef | None = field("The decision.", _merge)


@input_type("Input of rejectSuggestion.")
class RejectSuggestionInput:
    suggestion_id: strawberry.ID | None = asked("The suggestion; needed without personIds.", default=UNSET)
    person_ids: list[strawberry.ID] | None = asked("People never to be joined.", default=UNSET)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of rejectSuggestion.")
class RejectSuggestionPayload(Written):
    suggestion: MergeSuggestionRef | None = field("The suggestion, rejected.", _suggestion)
    merge: MergeRef | None = field("The decision, to be taken back with unmerge.", _merge)


async def merge_people(info: Info, input: Annotated[MergePeopleInput, argument(description=WHAT)]) -> Payload:
    """Joins people."""
    return await merging.merge(
        info.context.operation,
        plain(input.person_ids),
        plain(input.suggestion_id),
        plain(input.override) is True,
        plain(input.idempotency_key),
    )


async def unmerge(info: Info, input: Annotated[UnmergeInput, argument(description=WHAT)]) -> Payload:
    """Takes records out of a person or a merge back."""
    return await merging.unmerge(
        info.context.operation,
        plain(input.merge_id),
        plain(input.person_id),
        plain(input.contact_ids),
        plain(input.idempotency_key),
    )


async def reject_suggestion(info: Info, input: Annotated[RejectSuggestionInput, argument(description=WHAT)]) -> Payload:
    """Says that these are different people for good."""
    return await merging.reject(
        info.context.operation, plain(input.person_ids), plain(input.suggestion_id), plain(input.idempotency_key)
    )
