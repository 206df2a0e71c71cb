"""Editing and deleting messages that were sent."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import Parent

from resolvers import conversations, correcting, messages
from resolvers.writing import Payload
from schema.declare import UNSET, Info, argument, asked, field, input_type, object_type
from schema.lists import plain
from schema.mutations.payload import KEY, WHAT, Written
from schema.references import ConversationRef, MessageRef


async def _message(parent: Parent[Payload], info: Info) -> messages.Message | None:
    return None if parent.message_id is None else await messages.get(info.context.operation, parent.message_id)


async def _conversation(parent: Parent[Payload], info: Info) -> conversations.Conversation | None:
    (conversation_id,) = parent.node_ids or (None,)
    return None if conversation_id is None else await conversations.get(info.context.operation, conversation_id)


@input_type("Input of editMessage.")
class EditMessageInput:
    message_id: strawberry.ID = asked("The message.")
    text: str = asked("New text.")
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of editMessage.")
class EditMessagePayload(Written):
    message: MessageRef | None = field("The message.", _message)


@input_type("Input of deleteMessage.")
class DeleteMessageInput:
    message_id: strawberry.ID = asked("The message.")
    for_everyone: bool | None = asked("Also for the others, where the network can.", default=False)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of deleteMessage.")
class DeleteMessagePayload(Written):
    message_id: strawberry.ID | None = field("The message that is gone.")
    conversation: ConversationRef | None = field("Its conversation.", _conversation)


async def edit_message(info: Info, input: Annotated[EditMessageInput, argument(description=WHAT)]) -> Payload:
    """Edits a sent message."""
    return await correcting.edit(info.context.operation, input.message_id, input.text, plain(input.idempotency_key))


async def delete_message(info: Info, input: Annotated[DeleteMessageInput, argument(description=WHAT)]) -> Payload:
    """Deletes a message at the network."""
    return await correcting.delete(
        info.context.operation, input.message_id, bool(plain(input.for_everyone)), plain(input.idempotency_key)
    )
