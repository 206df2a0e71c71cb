"""Messages, their text, participants and sources."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Annotated

import strawberry
from strawberry import Parent

from providers import records
from resolvers import attachments, conversations, html, labels, meetings, messages, reactions, sending
from resolvers.loaders import load, loading
from resolvers.paging import Ask
from schema import loads
from schema.declare import Info, argument, field, loaded, object_type
from schema.interfaces import Versioned
from schema.lists import ITEMS, NODE, Edge, First, LiveList
from schema.references import AccountRef, AttachmentRef, ConversationRef, LabelRef, MeetingRef, ParticipantRef, UserErrorRef
from schema.scalars import URL, DateTime
from schema.timeline import TimelineItem
from schema.vocabulary import BodyState, DeliveryState, Direction, Flag, MessageAuthentication, MessageCategory, RemoteContent


async def _recipient_count(parent: Parent[messages.Message], info: Info) -> int:
    return await load(info.context.operation, messages.recipient_counts, parent.id) or 0


# what is stored is answered without a task of its own: a page has hundreds of these


def _subject(parent: Parent[messages.Message], info: Info) -> str | Awaitable[str | None] | None:
    return messages.subject(info.context.operation, parent) if parent.live else parent.subject


def _snippet(parent: Parent[messages.Message], info: Info) -> str | Awaitable[str]:
    return messages.snippet(info.context.operation, parent) if parent.live else parent.snippet


def _body_state(parent: Parent[messages.Message], info: Info) -> str | Awaitable[str]:
    return messages.body_state(info.context.operation, parent) if parent.live else parent.body_state


async def _text(parent: Parent[messages.Message], info: Info) -> str | None:
    return await messages.text(info.context.operation, parent)


async def _new_text(parent: Parent[messages.Message], info: Info) -> str | None:
    return await messages.new_text(info.context.operation, parent)


async def _in_reply_to(parent: Parent[messages.Message], info: Info) -> messages.Message | None:
    return await messages.answered(info.context.operation, parent)


async def _reactions(parent: Parent[messages.Message], info: Info) -> Sequence[reactions.Reaction]:
    return await reactions.of_message(info.context.operation, parent)


async def _reaction_participants(
    parent: Parent[reactions.Reaction],
    info: Info,
    first: First = 10,
) -> Sequence[messages.Participant]:
    return parent.people[: Ask(first=first).size]


async def _message_labels(parent: Parent[messages.Message], info: Info) -> list[labels.Label]:
    return await load(info.context.operation, labels.of_messages, parent.id) or []


async def _sources(parent: Parent[messages.Message], info: Info) -> Sequence[messages.MessageSource]:
    return await load(info.context.operation, messages.places, parent.id) or ()


async def _headers(parent: Parent[messages.Message], info: Info) -> Sequence[records.Header]:
    return await load(info.context.operation, messages.headers, parent.id) or ()


async def _message_recipients(
    parent: Parent[messages.Message],
    info: Info,
    first: First = 50,
) -> Sequence[messages.Participant]:
    size = Ask(first=first).size
    return await load(info.context.operation, messages.recipients, parent.id, size) or ()


async def _message_attachments(
    parent: Parent[messages.Message],
    info: Info,
    first: First = 20,
) -> Sequence[attachments.Attachment]:
    return await attachments.of_message(info.context.operation, parent.id, first)


async def _message_html(
    parent: Parent[messages.Message],
    info: Info,
    remote_content: Annotated[
        RemoteContent | None, argument(description="What to do with content on other hosts.")
    ] = RemoteContent.BLOCK,
) -> str | None:
    return await html.of_message(info.context.operation, parent, proxy=remote_content is RemoteContent.PROXY)


@object_type("One message, however many accounts and folders hold it.", of=messages.Message)
class Message(Versioned, TimelineItem):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field("Grows with each change.")
    conversation: ConversationRef | None = field(
        "The conversation it is in; null only for the moment before it is threaded.",
        loaded(loading(conversations.by_id), "conversation_id"),
    )
    sender: ParticipantRef | None = field("Author; null when the network does not tell.", loaded(loading(messages.senders), "id"))
    recipients: list[ParticipantRef] = field("To whom it went.", _message_recipients)
    recipient_count: int = field("Number of recipients.", _recipient_count)
    sent_at: DateTime = field("When it was sent; when it was received, if the sender's date is missing or absurd.")
    received_at: DateTime | None = field("When it arrived.")
    edited_at: DateTime | None = field("Last edit.")
    deleted_at: DateTime | None = field("When its author deleted it; the text is gone.")
    occurred_at: DateTime = field("Same as sentAt; place in a timeline.")
    subject: str | None = field("Subject.", _subject)
    snippet: str = field("First words, plain text, at most 200 characters; empty when there are none.", _snippet)
    body_state: BodyState = field("Whether there is a text to read and why not.", _body_state)
    text: str | None = field("Plain text.", _text)
    new_text: str | None = field("Plain text without quoted history and signature.", _new_text)
    html: str | None = field("Sanitised HTML; null when there is only plain text.", _message_html)
    attachments: list[AttachmentRef] = field("Files that came with it.", _message_attachments)
    attachment_count: int = field("Number of files.")
    reactions: list[Reaction] = field("Reactions, most used first; at most 50.", _reactions)
    in_reply_to: Message | None = field("The message it answers, where we have it.", _in_reply_to)
    flags: list[Flag] = field("State.")
    direction: Direction = field("Which way it went.")
    category: MessageCategory = field("Whether a person wrote it to the viewer.")
    category_reason: str = field("Why we think so, as a sentence.")
    authentication: MessageAuthentication = field("Whether the receiving side vouches for the sender's address.")
    meeting: MeetingRef | None = field("The meeting it invites to or answers.", loaded(loading(meetings.of_messages), "id"))
    delivery: Delivery | None = field(
        "How sending it goes; null for what was not sent through Kith.", loaded(loading(sending.deliveries), "id")
    )
    labels: list[LabelRef] = field("Labels and folders of this message; at most 100.", _message_labels)
    sources: list[MessageSource] = field("Every place it was reached through; at most 50.", _sources)
    internet_message_id: str | None = field("Message-ID header, for mail.")
    headers: list[MessageHeader] | None = field("Header fields, for mail; at most 500.", _headers, semantic=True)
    url: URL | None = field("Where to open it at the network.")


@object_type("A header field.")
class MessageHeader:
    name: str = field("Name.")
    value: str = field("Value, decoded.")


@object_type("A place a message was reached through.")
class MessageSource:
    account: AccountRef = field("The account.", loads.account)
    container: str | None = field("Folder, room or file.")
    external_id: str = field("The network's id there.")
    url: URL | None = field("Where to open it there.")
    seen_at: DateTime = field("When it was first seen there.")


@object_type("One kind of reaction to a message.", of=reactions.Reaction)
class Reaction:
    emoji: str = field("Emoji or the network's short name.")
    count: int = field("How many.")
    viewer: bool = field("Whether the signed-in user reacted so.")
    participants: list[ParticipantRef] = field("Who reacted so.", _reaction_participants)


@object_type("How sending a message goes.", of=sending.Delivery)
class Delivery:
    state: DeliveryState = field("Where it stands.")
    send_at: DateTime = field("When it leaves; until then it can be taken back.")
    undoable_until: DateTime | None = field("Last moment of undoSend; null when too late.")
    attempts: int = field("Tries so far.")
    error: UserErrorRef | None = field("What went wrong.")
    idempotency_key: str = field("Key of the mutation.")


@object_type("Messages.")
class MessageConnection(LiveList):
    edges: list[MessageEdge] = field(ITEMS)


@object_type("An item of MessageConnection.")
class MessageEdge(Edge):
    node: Message | None = field(NODE, semantic=True)
