"""Writing to conversations: their state, here at once and at their sources after."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import strawberry
from strawberry import Parent

from resolvers import conversation_marking, conversations
from resolvers.conversation_marking import Wish
from resolvers.loaders import load
from resolvers.writing import Payload
from schema.declare import UNSET, Info, argument, asked, field, input_type, object_type
from schema.lists import plain
from schema.mutations.payload import KEY, WHAT, Written
from schema.references import ConversationRef


async def _marked(parent: Parent[Payload], info: Info) -> list[Any] | None:
    if parent.node_ids is None:
        return None
    operation = info.context.operation

    async def one(node_id: str | None) -> Any:
        return None if node_id is None else await load(operation, conversations.by_id, node_id)

    return list(await asyncio.gather(*(one(node_id) for node_id in parent.node_ids)))


@input_type("Input of markConversations.")
class MarkConversationsInput:
    conversation_ids: list[strawberry.ID] = asked("The conversations; at most 200.")
    read: bool | None = asked("Read or unread.", default=UNSET)
    read_up_to_message_id: strawberry.ID | None = asked("Read up to this message; only with one conversation.", default=UNSET)
    flagged: bool | None = asked("Starred or not.", default=UNSET)
    archived: bool | None = asked("Out of the inbox or back.", default=UNSET)
    trashed: bool | None = asked("In the trash or back.", default=UNSET)
    spam: bool | None = asked("Junk or not.", default=UNSET)
    add_label_ids: list[strawberry.ID] | None = asked("Labels to put on.", default=UNSET)
    remove_label_ids: list[strawberry.ID] | None = asked("Labels to take off.", default=UNSET)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of markConversations.")
class MarkConversationsPayload(Written):
    conversations: list[ConversationRef | None] | None = field(
        "The conversations in the order asked; null where one failed.", _marked
    )


async def mark_conversations(info: Info, input: Annotated[MarkConversationsInput, argument(description=WHAT)]) -> Payload:
    """Changes the state of conversations."""
    wish = Wish(
        read=plain(input.read), read_up_to=plain(input.read_up_to_message_id), flagged=plain(input.flagged),
        archived=plain(input.archived), trashed=plain(input.trashed), spam=plain(input.spam),
        add_label_ids=tuple(plain(input.add_label_ids) or ()), remove_label_ids=tuple(plain(input.remove_label_ids) or ()),
    )  # fmt: skip
    return await conversation_marking.mark(
        info.context.operation, plain(input.conversation_ids), wish, plain(input.idempotency_key)
    )
