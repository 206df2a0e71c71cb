"""Sending: new messages, replies and forwards, and taking them back."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry import Parent

from resolvers import composing, conversations, enclosing, messages, sending
from resolvers.writing import Payload
from schema.declare import UNSET, Info, argument, asked, field, input_type, object_type
from schema.lists import plain
from schema.mutations.payload import KEY, WHAT, Written
from schema.references import ConversationRef, MessageRef
from schema.scalars import DateTime, EmailAddress, PhoneNumber


@input_type("Exactly one way to name a recipient.", one_of=True)
class RecipientInput:
    person_id: strawberry.ID | None = asked("Their best address for the account.", default=UNSET)
    email: EmailAddress | None = asked("An e-mail address.", default=UNSET)
    phone: PhoneNumber | None = asked("A phone number.", default=UNSET)
    handle: str | None = asked("A handle on the account's network.", default=UNSET)
    conversation_id: strawberry.ID | None = asked("A room on the account's network.", default=UNSET)


@input_type("A new conversation.")
class NewMessageInput:
    account_id: strawberry.ID = asked("The account to send by.")
    from_address: str | None = asked("Own address to send from.", default=UNSET)
    to: list[RecipientInput] = asked("To whom.")
    cc: list[RecipientInput] | None = asked("Copies.", default=UNSET)
    bcc: list[RecipientInput] | None = asked("Unseen copies.", default=UNSET)
    subject: str | None = asked("Subject.", default=UNSET)


@input_type("A reply.")
class ReplyInput:
    message_id: strawberry.ID = asked("The message to answer.")
    all: bool = asked("Answer everybody.", default=False)
    from_address: str | None = asked("Own address to send from; the one that was addressed by default.", default=UNSET)
    add_to: list[RecipientInput] | None = asked("More recipients.", default=UNSET)
    cc: list[RecipientInput] | None = asked("More copies.", default=UNSET)
    in_thread: bool = asked("Answer in a side thread, where the network has them.", default=False)


@input_type("A forward.")
class ForwardInput:
    message_id: strawberry.ID = asked("The message to forward.")
    account_id: strawberry.ID | None = asked("The account to send by.", default=UNSET)
    to: list[RecipientInput] = asked("To whom.")
    include_attachments: bool = asked("With its files.", default=True)


@input_type("Exactly one way to begin a message.", one_of=True)
class ComposeInput:
    new_message: NewMessageInput | None = asked("A new conversation.", default=UNSET)
    reply: ReplyInput | None = asked("A reply.", default=UNSET)
    forward: ForwardInput | None = asked("A forward.", default=UNSET)


@input_type("Exactly one way to attach a file.", one_of=True)
class AttachmentInput:
    upload_id: strawberry.ID | None = asked("A complete upload.", default=UNSET)
    attachment_id: strawberry.ID | None = asked("A file the viewer already has.", default=UNSET)


@input_type("Input of sendMessage.")
class SendMessageInput:
    idempotency_key: str = asked("Made by the client, a UUID; the same key never sends twice, kept 30 days.")
    compose: ComposeInput = asked("New, reply or forward.")
    text: str | None = asked("Plain text; one of text and html is needed unless there are attachments.", default=UNSET)
    html: str | None = asked("HTML, sanitised before sending.", default=UNSET)
    attachments: list[AttachmentInput] | None = asked("Files, in order.", default=UNSET)
    send_at: DateTime | None = asked("Send later.", default=UNSET)
    undo_seconds: int | None = asked("Time to take it back, 0 to 120.", default=10)


async def _message(parent: Parent[Payload], info: Info) -> messages.Message | None:
    if parent.message_id is None:
        return None
    return await messages.get(info.context.operation, parent.message_id)


async def _conversation(parent: Parent[Payload], info: Info) -> conversations.Conversation | None:
    found = await _message(parent, info)
    return None if found is None else await conversations.get(info.context.operation, found.conversation_id)


@object_type("Answer of sendMessage.")
class SendMessagePayload(Written):
    message: MessageRef | None = field("The message as it stands in the outbox; its id stays when it is sent.", _message)
    conversation: ConversationRef | None = field("Its conversation.", _conversation)


@input_type("Input of undoSend.")
class UndoSendInput:
    message_id: strawberry.ID = asked("The message.")
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of undoSend.")
class UndoSendPayload(Written):
    message: MessageRef | None = field("The message; delivery tells what became of it.", _message)


async def send_message(info: Info, input: Annotated[SendMessageInput, argument(description=WHAT)]) -> Payload:
    """Puts a message into the outbox."""
    undo_seconds = plain(input.undo_seconds)
    draft = composing.Draft(
        begin=_begin(input.compose),
        text=plain(input.text),
        html=plain(input.html),
        attachments=tuple(
            enclosing.Attached(attachment_id=plain(one.attachment_id), upload_id=plain(one.upload_id))
            for one in plain(input.attachments) or ()
        ),
        send_at=plain(input.send_at),
        undo_seconds=10 if undo_seconds is None else undo_seconds,
    )
    return await sending.send(info.context.operation, draft, input.idempotency_key)


async def undo_send(info: Info, input: Annotated[UndoSendInput, argument(description=WHAT)]) -> Payload:
    """Takes a message back."""
    return await sending.undo(info.context.operation, input.message_id, plain(input.idempotency_key))


def _begin(compose: ComposeInput) -> composing.NewMessage | composing.Answer | composing.Forward:
    if (new := plain(compose.new_message)) is not None:
        return composing.NewMessage(
            account_id=new.account_id, from_address=plain(new.from_address), to=_people(new.to), cc=_people(new.cc),
            bcc=_people(new.bcc), subject=plain(new.subject),
        )  # fmt: skip
    if (reply := plain(compose.reply)) is not None:
        return composing.Answer(
            message_id=reply.message_id, all=reply.all, from_address=plain(reply.from_address), add_to=_people(reply.add_to),
            cc=_people(reply.cc), in_thread=reply.in_thread,
        )  # fmt: skip
    forward: Any = compose.forward
    return composing.Forward(
        message_id=forward.message_id, account_id=plain(forward.account_id), to=_people(forward.to),
        include_attachments=forward.include_attachments,
    )  # fmt: skip


def _people(given: Any) -> tuple[composing.Recipient, ...]:
    return tuple(
        composing.Recipient(
            person_id=plain(one.person_id), email=plain(one.email), phone=plain(one.phone), handle=plain(one.handle),
            conversation_id=plain(one.conversation_id),
        )
        for one in plain(given) or ()
    )  # fmt: skip
