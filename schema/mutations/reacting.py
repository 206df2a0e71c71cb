"""Reacting to messages."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import Parent

from resolvers import messages, reacting
from resolvers.writing import Payload
from schema.declare import UNSET, Info, argument, asked, field, input_type, object_type
from schema.lists import plain
from schema.mutations.payload import KEY, WHAT, Written
from schema.references import MessageRef


async def _message(parent: Parent[Payload], info: Info) -> messages.Message | None:
    return None if parent.message_id is None else await messages.get(info.context.operation, parent.message_id)


@input_type("Input of react.")
class ReactInput:
    message_id: strawberry.ID = asked("The message.")
    emoji: str = asked("Emoji or the network's short name.")
    remove: bool | None = asked("Take it back.", default=False)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of react.")
class ReactPayload(Written):
    message: MessageRef | None = field("The message.", _message)


async def react(info: Info, input: Annotated[ReactInput, argument(description=WHAT)]) -> Payload:
    """Adds or removes a reaction."""
    return await reacting.react(
        info.context.operation, input.message_id, input.emoji, bool(plain(input.remove)), plain(input.idempotency_key)
    )
