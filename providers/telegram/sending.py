"""Writing as a bot, editing and deleting (sendMessage, editMessageText, deleteMessage), and its one reaction to a message (setMessageReaction).

Telegram takes no id of ours with a message, and shows a bot nothing of what it has sent: after a cut nobody can tell, and it is said so. A group that
has become a supergroup is followed. In the chats of a person who attached the bot, it writes in their name, where they let it. Knows
nothing of updates.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

import msgspec

from providers.errors import Malformed, Refused, Unavailable
from providers.http import Session
from providers.records import Gone, OutgoingChat, OutgoingDeletion, OutgoingEdit, OutgoingReaction, Submitted
from providers.telegram.api import Migrated, ask, tell
from providers.telegram.item import Business, Chat, chat_id, instant, reaction_key

LONGEST: Final = 4096  # UTF-16 units ("1-4096 characters after entities parsing")


class Sent(msgspec.Struct, frozen=True):
    message_id: int
    chat: Chat


class Edited(msgspec.Struct, frozen=True):
    edit_date: int | None = None


async def say(session: Session, message: OutgoingChat, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
    """Write into a chat, a topic of it, or a person's own chat. Raises ProviderError when it was certainly not taken."""
    _check_length(message.text)
    place, _, connection = message.conversation.partition("@")
    chat, _, topic = place.partition("/")
    to = chat_id(chat)
    if to is None:
        raise Refused("This is no chat of Telegram's.", provider_code="not-found")
    asked: dict[str, Any] = {"chat_id": to, "text": message.text}
    home = ""
    if connection:
        home = f"user{(await _owner(session, connection)).user.id}/"
        asked["business_connection_id"] = connection
    if topic.isdigit():
        asked["message_thread_id"] = int(topic)
    if message.answers is not None:
        asked["reply_parameters"] = _answer(message.answers, to, home)
    await note(b"sent")
    try:
        try:
            sent = await tell(session, "sendMessage", Sent, **asked)
        except Migrated as moved:  # refused, so that it is in neither of both
            sent = await tell(session, "sendMessage", Sent, **asked | {"chat_id": moved.chat})
    except (Unavailable, Malformed) as error:
        return Submitted(fate="UNKNOWN", evidence=f"Telegram did not say whether it took the message. ({error.message})")
    return Submitted(fate="TAKEN", key=f"{home}{sent.chat.key}/{sent.message_id}")


async def was_said(session: Session, message: OutgoingChat, step: bytes) -> Submitted:
    """Nobody can tell: a bot cannot read a chat."""
    return Submitted(
        fate="UNKNOWN", evidence="Telegram does not show a bot what it has sent. Look into the chat with Telegram itself."
    )


async def edit(session: Session, change: OutgoingEdit) -> datetime | None:
    """Put another text in the place of one that the bot sent; nobody else can. Raises ProviderError."""
    _check_length(change.text)
    to, number, connection = _named(change.message, change.conversation)
    asked = {
        "chat_id": to,
        "message_id": number,
        "text": change.text,
        **({"business_connection_id": connection} if connection else {}),
    }
    try:
        edited = await ask(session, "editMessageText", Edited, **asked)
    except Migrated as moved:
        raise Refused(_BEFORE, provider_code="gone") from moved
    except Refused as error:
        if "not modified" in error.message:
            return None  # an earlier call has done it
        raise
    return instant(edited.edit_date) if edited.edit_date else None


async def delete(session: Session, deletion: OutgoingDeletion) -> Gone:
    """Delete a message for everybody, where Telegram lets the bot; one that is gone is deleted. Raises ProviderError."""
    to, number, connection = _named(deletion.message, deletion.conversation)
    try:
        if connection:
            await ask(session, "deleteBusinessMessages", bool, business_connection_id=connection, message_ids=[number])
        else:
            await ask(session, "deleteMessage", bool, chat_id=to, message_id=number)
    except Migrated as moved:
        raise Refused(_BEFORE, provider_code="gone") from moved
    except Refused as error:
        if "can't be deleted" in error.message:
            text = "Telegram deletes messages within 48 hours, and in groups those of others only for administrators who may."
            raise Refused(text, provider_code=error.provider_code) from error
        if "message to delete not found" not in error.message:
            raise
    return Gone(kind="MESSAGE", key=deletion.message)


async def react(session: Session, reaction: OutgoingReaction) -> str | None:
    """Make the bot's reaction to a message, in the place of its former one, or take it back. Raises ProviderError."""
    chat, _, number = reaction.message.partition("/")
    to = chat_id(chat)
    if to is None or not number.isdigit():
        raise Refused("Telegram lets no bot react in the chats of a person who attached it.", provider_code="business")
    sign = [] if reaction.remove else [{"type": "emoji", "emoji": reaction.emoji}]
    asked = {"chat_id": to, "message_id": int(number), "reaction": sign}
    try:
        await ask(session, "setMessageReaction", bool, **asked)
    except Migrated as moved:
        raise Refused(_BEFORE, provider_code="gone") from moved
    except Refused as error:
        if "REACTION_INVALID" in error.message:
            text = f"Telegram takes no {reaction.emoji} as a reaction there. Choose one of those that it shows."
            raise Refused(text, provider_code="reaction") from error
        raise
    return None if reaction.remove else reaction_key(reaction.message, f"user{session.account.user_id}", reaction.emoji)


#: The messages of before are in the group that was.
_BEFORE: Final = "This group has become a supergroup: what was written before can no longer be changed or reacted to."


def _check_length(text: str) -> None:
    """Raises Refused (`too-large`)."""
    if len(text.encode("utf-16-le", "replace")) // 2 > LONGEST:
        raise Refused(f"Telegram takes messages of at most {LONGEST:,} characters. Write less.", provider_code="too-large")


def _named(key: str, conversation: str) -> tuple[int, int, str]:
    """The chat and number of a message, and the connection that its conversation is of, where it is a person's own. Raises Refused."""
    _, _, connection = conversation.partition("@")
    chat, _, number = key.rpartition("/")
    to = chat_id(chat.rpartition("/")[2])
    if to is None or not (number.isascii() and number.isdigit()):
        raise Refused("This is no message of Telegram's.", provider_code="not-found")
    return to, int(number), connection


async def _owner(session: Session, connection: str) -> Business:
    """The person in whose name is written. Raises Refused where they do not let the bot."""
    found = await ask(session, "getBusinessConnection", Business, business_connection_id=connection)
    if not found.is_enabled:
        text = "The bot is no longer attached to this account: attach it again in Telegram, under Telegram Business → Chatbots."
        raise Refused(text, provider_code="business")
    if found.rights is None or not found.rights.can_reply:
        text = "The bot may not write in this person's name: allow it in Telegram, under Telegram Business → Chatbots → Reply to messages."
        raise Refused(text, provider_code="business")
    return found


def _answer(key: str, to: int, home: str) -> dict[str, Any]:
    """reply_parameters. What is gone by now is answered all the same."""
    chat, _, number = key.removeprefix(home).partition("/")
    there = chat_id(chat)
    if there is None or not number.isdigit():
        raise Refused("This message is in another chat: it cannot be answered here.", provider_code="not-found")
    elsewhere = {} if there == to else {"chat_id": there}
    return {"message_id": int(number), "allow_sending_without_reply": True, **elsewhere}
