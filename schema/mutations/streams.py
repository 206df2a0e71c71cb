"""Writing to streams: save, change, delete."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import Parent

from resolvers.streams import reading, writing
from resolvers.writing import Payload
from schema.declare import UNSET, Info, argument, asked, field, input_type, object_type
from schema.lists import plain
from schema.mutations.payload import KEY, WHAT, Written
from schema.references import StreamRef


async def _stream(parent: Parent[Payload], info: Info) -> reading.Shown | None:
    return None if parent.stream_id is None else await reading.get(info.context.operation, parent.stream_id)


@input_type("Input of createStream.")
class CreateStreamInput:
    name: str = asked("Name.")
    rule: str = asked("The rule; mistakes come back as StreamRuleError with their place.")
    enabled: bool | None = asked("Whether it matches at once.", default=True)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of createStream.")
class CreateStreamPayload(Written):
    stream: StreamRef | None = field("The stream.", _stream)


@input_type("Input of updateStream.")
class UpdateStreamInput:
    stream_id: strawberry.ID = asked("The stream.")
    name: str | None = asked("New name.", default=UNSET)
    rule: str | None = asked("New rule.", default=UNSET)
    enabled: bool | None = asked("On or off.", default=UNSET)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of updateStream.")
class UpdateStreamPayload(Written):
    stream: StreamRef | None = field("The stream.", _stream)


@input_type("Input of deleteStream.")
class DeleteStreamInput:
    stream_id: strawberry.ID = asked("The stream.")
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of deleteStream.")
class DeleteStreamPayload(Written):
    stream_id: strawberry.ID | None = field("The stream that is gone.")


async def create_stream(info: Info, input: Annotated[CreateStreamInput, argument(description=WHAT)]) -> Payload:
    """Saves a rule over activities."""
    on = plain(input.enabled) is not False
    return await writing.create(info.context.operation, input.name, input.rule, on, plain(input.idempotency_key))


async def update_stream(info: Info, input: Annotated[UpdateStreamInput, argument(description=WHAT)]) -> Payload:
    """Changes a stream."""
    return await writing.update(
        info.context.operation,
        input.stream_id,
        plain(input.name),
        plain(input.rule),
        plain(input.enabled),
        plain(input.idempotency_key),
    )


async def delete_stream(info: Info, input: Annotated[DeleteStreamInput, argument(description=WHAT)]) -> Payload:
    """Deletes a stream."""
    return await writing.delete(info.context.operation, input.stream_id, plain(input.idempotency_key))
