"""Conversations, who takes part in them, and the filters over them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Annotated

import strawberry
from strawberry import Parent

from resolvers import accounts, conversation_messages, conversations, labels, messages, participants
from resolvers.loaders import load
from resolvers.paging import Ask, Listing
from schema import loads
from schema.annotation import Annotatable
from schema.declare import UNSET, Info, argument, asked, field, input_type, object_type
from schema.interfaces import Versioned
from schema.lists import ITEMS, NODE, After, Connection, Edge, First, LiveList, given, plain
from schema.references import AccountRef, LabelRef, MessageConnectionRef, MessageRef, PersonRef
from schema.scalars import URL, Cursor, DateTime
from schema.vocabulary import AddressKind, ConversationKind, Flag, LabelRole, MessageCategory, MessageMarker, ParticipantRole


@input_type("Exactly one place in a conversation.", one_of=True)
class MessageAnchor:
    message_id: strawberry.ID | None = asked("This message.", default=UNSET)
    at: DateTime | None = asked("The first message at or after this moment.", default=UNSET)
    marker: MessageMarker | None = asked("A place the server knows.", default=UNSET)


@input_type("Which conversations.")
class ConversationFilter:
    text: str | None = asked("Words of subject, participants and latest message.", default=UNSET)
    account_ids: list[strawberry.ID] | None = asked("Of any of these accounts.", default=UNSET)
    kinds: list[ConversationKind] | None = asked("Of any of these kinds.", default=UNSET)
    label_ids: list[strawberry.ID] | None = asked("With any of these labels.", default=UNSET)
    roles: list[LabelRole] | None = asked("With a label of any of these roles.", default=UNSET)
    person_ids: list[strawberry.ID] | None = asked("With all of these people.", default=UNSET)
    unread: bool | None = asked("Unread or not.", default=UNSET)
    flags: list[Flag] | None = asked("With all of these flags.", default=UNSET)
    without_flags: list[Flag] | None = asked("With none of these flags.", default_factory=lambda: [Flag.TRASHED, Flag.SPAM])
    categories: list[MessageCategory] | None = asked("Whose latest message is of any of these categories.", default=UNSET)
    active_after: DateTime | None = asked("Active after.", default=UNSET)
    active_before: DateTime | None = asked("Active before.", default=UNSET)


async def _accounts(parent: Parent[conversations.Conversation], info: Info) -> list[accounts.Account]:
    operation = info.context.operation
    account_ids = await load(operation, conversations.account_ids, parent.id) or []
    found = await asyncio.gather(*(accounts.get(operation, account_id) for account_id in account_ids))
    return [account for account in found if account is not None]


# what is stored is answered without a task of its own: a page has hundreds of these


def _subject(parent: Parent[conversations.Conversation], info: Info) -> str | Awaitable[str | None] | None:
    return conversations.subject(info.context.operation, parent) if parent.live else parent.stored_subject


def _url(parent: Parent[conversations.Conversation], info: Info) -> str | Awaitable[str | None] | None:
    return conversations.url(info.context.operation, parent) if parent.live else parent.stored_url


async def _conversation_labels(parent: Parent[conversations.Conversation], info: Info) -> list[labels.Label]:
    return await load(info.context.operation, labels.of_conversations, parent.id) or []


async def _first_message(parent: Parent[conversations.Conversation], info: Info) -> messages.Message | None:
    return await conversation_messages.first(info.context.operation, parent)


def _last_message(parent: Parent[conversations.Conversation], info: Info) -> Awaitable[messages.Message | None]:
    return conversation_messages.last(info.context.operation, parent)


async def _conversation_participants(
    parent: Parent[conversations.Conversation],
    info: Info,
    first: First = 50,
    after: After = UNSET,
) -> Listing:
    return await participants.page(info.context.operation, parent.id, Ask(first=first, after=plain(after)))


async def _conversation_messages(
    parent: Parent[conversations.Conversation],
    info: Info,
    first: First = UNSET,
    after: After = UNSET,
    last: Annotated[int | None, argument(description="Size of the page from the back.")] = UNSET,
    before: Annotated[Cursor | None, argument(description="Only what precedes this cursor.")] = UNSET,
    around: Annotated[MessageAnchor | None, argument(description="Place to centre the page on.")] = UNSET,
) -> Listing:
    ask = Ask(first=plain(first), after=plain(after), last=plain(last), before=plain(before))
    anchor = None if around is UNSET or around is None else given(around, conversation_messages.Anchor)
    return await conversation_messages.page(info.context.operation, parent, ask, anchor)


@object_type("A mail thread, chat, channel, side thread or post with its answers.", of=conversations.Conversation)
class Conversation(Versioned, Annotatable):
    id: strawberry.ID = field("Opaque global id; a thread joined with another leads to the survivor.")
    version: int | None = field("Grows with each change.")
    accounts: list[AccountRef] = field("Accounts it was reached through, the one replies go out by first; at most 20.", _accounts)
    kind: ConversationKind = field("What it is.")
    subject: str | None = field("Subject or name of the room.", _subject)
    participants: ParticipantConnection | None = field(
        "Who takes part, latest active first.", _conversation_participants, semantic=True
    )
    messages: MessageConnectionRef | None = field(
        "Messages, oldest first. last pages backwards; around centres the page on an anchor and excludes after and before. "
        "Without arguments: the last 50.",
        _conversation_messages,
        semantic=True,
    )
    first_message: MessageRef | None = field("Message that began it.", _first_message)
    last_message: MessageRef | None = field("Latest message.", _last_message)
    last_activity_at: DateTime = field("When anything last happened in it; order of lists, ties by id.")
    message_count: int | None = field("Messages in it; null where the network cannot tell.")
    unread_count: int | None = field("Unread messages; null where the network keeps no read state.")
    labels: list[LabelRef] = field("Labels and folders; at most 100.", _conversation_labels)
    flags: list[Flag] = field("State.")
    url: URL | None = field("Where to open it at the network.", _url)


@object_type("Conversations.")
class ConversationConnection(LiveList):
    edges: list[ConversationEdge] = field(ITEMS)


@object_type("An item of ConversationConnection.")
class ConversationEdge(Edge):
    node: Conversation | None = field(NODE, semantic=True)


@object_type("Somebody in a conversation or message, with the address used.")
class Participant:
    name: str = field("Name to show.")
    address: str | None = field("Address or handle used.")
    kind: AddressKind = field("What the address is.")
    role: ParticipantRole = field("Part played.")
    viewer: bool = field("Whether it is the signed-in user.")
    person: PersonRef | None = field("Who it is; null while unknown.", loads.person)


@object_type("Participants.")
class ParticipantConnection(Connection):
    edges: list[ParticipantEdge] = field(ITEMS)


@object_type("An item of ParticipantConnection.")
class ParticipantEdge(Edge):
    node: Participant | None = field(NODE, semantic=True)
