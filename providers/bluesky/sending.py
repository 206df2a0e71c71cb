"""Writing into Bluesky's chat (`chat.bsky.convo.sendMessage`), finding out whether a message is there, reacting, deleting, and saying what
was read.

The service takes no id of ours: the newest message is noted before, and after a cut the conversation is asked whether one of us that
says the same came after it. Links are told beside the text, by their places in its UTF-8. Knows nothing of reading conversations.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from providers.atproto import Xrpc, readable
from providers.bluesky.chat import SERVICE, MessageView
from providers.errors import Malformed, ReauthRequired, Refused, Unavailable
from providers.http import Session
from providers.records import Gone, OutgoingChat, OutgoingDeletion, OutgoingReaction, Submitted

#: chat.bsky.convo.defs#messageInput; its limit of graphemes is the service's to judge.
LARGEST: Final = 10_000
SURE: Final = 600.0  # seconds after which what the service was told shows
LOOK: Final = 100  # messages at a time
LOOKS: Final = 20
#: Names of errors of addReaction and removeReaction.
REACTIONS_REFUSED: Final = {
    "ReactionInvalidValue": "Bluesky takes one emoji as a reaction: choose another sign.",
    "ReactionLimitReached": "Bluesky takes no more reactions of yours to this message: take one back first.",
    "ReactionMessageDeleted": "The message was deleted, so nobody can react to it any more.",
    "ReactionNotAllowed": "Nobody can react to a note of the service.",
}
_LINK: Final = re.compile(rb"https?://[^\s<>\"]+[^\s<>\".,;:!?')\]]")


class Latest(msgspec.Struct, frozen=True):
    """chat.bsky.convo.getMessages."""

    messages: list[msgspec.Raw]
    cursor: str | None = None


class Reacted(msgspec.Struct, frozen=True):
    """chat.bsky.convo.addReaction, removeReaction: the message as it is now."""

    message: MessageView


class Deleted(msgspec.Struct, frozen=True):
    """chat.bsky.convo.deleteMessageForSelf."""

    id: str


class Marked(msgspec.Struct, frozen=True):
    """chat.bsky.convo.updateRead: the conversation as it is now, which the log tells, too."""

    convo: msgspec.Raw


async def say(session: Session, message: OutgoingChat, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
    """Write into a conversation. Raises ProviderError when it was certainly not taken."""
    calls = Xrpc(session)
    if len(message.text.encode()) > LARGEST:
        raise Refused(f"Bluesky takes messages of at most {LARGEST:,} bytes. Write less.", provider_code="too-large")
    newest = next(iter((await _page(calls, message.conversation, "", 1))[0]), None)
    await note(f"{int(session.clock.now().timestamp())} {'' if newest is None else newest.id}".encode())
    said = {"convoId": message.conversation, "message": content(message)}
    try:
        made = await calls.procedure("chat.bsky.convo.sendMessage", MessageView, said, proxy=SERVICE)
        return Submitted(fate="TAKEN", key=made.id)
    except (Unavailable, Malformed) as error:
        return Submitted(fate="UNKNOWN", evidence=f"The chat service did not say whether it took the message. ({error.message})")


async def was_said(session: Session, message: OutgoingChat, step: bytes, me: str) -> Submitted:
    """Whether a message is in its conversation, after the one that was the newest then. Raises ProviderError."""
    began, _, newest = step.decode().partition(" ")
    since = int(began) if began.isdigit() else 0
    calls, token = Xrpc(session), ""
    for _ in range(LOOKS):
        views, token = await _page(calls, message.conversation, token, LOOK)
        for view in views:
            if view.id > newest and view.sender is not None and view.sender.did == me and view.text == message.text:
                return Submitted(fate="TAKEN", key=view.id)
        if not token or any(view.id <= newest for view in views):
            break
    else:
        return Submitted(fate="UNKNOWN", evidence="Too much was written since to find the message in its conversation.")
    if session.clock.now().timestamp() - since >= SURE:
        return Submitted(fate="NOT_TAKEN", evidence="It is not in the conversation.")
    return Submitted(fate="UNKNOWN", evidence="The message is not in the conversation, where it may still appear.")


async def react(session: Session, reaction: OutgoingReaction) -> None:
    """React to a message, or take it back; doing it twice is doing it once there. Raises ReauthRequired (`scope`) and ProviderError.

    One person has a sign once on a message, so that it needs no key.
    """
    method = "removeReaction" if reaction.remove else "addReaction"
    said = {"convoId": reaction.conversation, "messageId": reaction.message, "value": reaction.emoji}
    try:
        await Xrpc(session).procedure(f"chat.bsky.convo.{method}", Reacted, said, proxy=SERVICE)
    except Refused as error:
        if error.provider_code == "scope":
            raise _not_allowed("Reacting") from error
        if error.provider_code in REACTIONS_REFUSED:
            raise Refused(REACTIONS_REFUSED[error.provider_code], provider_code=error.provider_code) from error
        raise


async def delete(session: Session, deletion: OutgoingDeletion) -> Gone:
    """Delete a message for oneself: there is no way to take it from the others. Raises ReauthRequired (`scope`) and ProviderError."""
    said = {"convoId": deletion.conversation, "messageId": deletion.message}
    try:
        await Xrpc(session).procedure("chat.bsky.convo.deleteMessageForSelf", Deleted, said, proxy=SERVICE)
    except Refused as error:
        if error.provider_code == "scope":
            raise _not_allowed("Deleting") from error
        if error.provider_code == "InvalidConvo":
            raise Refused("You have left this conversation, so nothing in it can be deleted.", provider_code="gone") from error
        if error.provider_code == "MessageDeleteNotAllowed":
            raise Refused("A note of the service cannot be deleted.", provider_code=error.provider_code) from error
        raise
    return Gone(kind="MESSAGE", key=deletion.message)


async def read_up_to(session: Session, latest: Mapping[str, str]) -> None:
    """Say of conversations up to which message they were read. Raises ReauthRequired (`scope`) where the password may not, and ProviderError."""
    calls = Xrpc(session)
    for convo, message in latest.items():
        read = {"convoId": convo, "messageId": message}
        try:
            await calls.procedure("chat.bsky.convo.updateRead", Marked, read, proxy=SERVICE)
        except Refused as error:
            if error.provider_code == "scope":
                raise _not_allowed("Marking as read") from error
            if error.provider_code != "InvalidConvo":
                raise  # one that was left has nobody who could read on


def _not_allowed(what: str) -> ReauthRequired:
    return ReauthRequired(
        f"{what} was not allowed: link again with a sign-in that allows direct messages.", provider_code="scope"
    )


def content(message: OutgoingChat) -> dict[str, Any]:
    """chat.bsky.convo.defs#messageInput."""
    said: dict[str, Any] = {"text": message.text}
    links = [
        {
            "index": {"byteStart": found.start(), "byteEnd": found.end()},
            "features": [{"$type": "app.bsky.richtext.facet#link", "uri": found.group().decode()}],
        }
        for found in _LINK.finditer(message.text.encode())
    ]
    if links:
        said["facets"] = links
    if message.answers is not None:
        said["replyTo"] = {"messageId": message.answers}
    return said


async def _page(calls: Xrpc, convo: str, token: str, limit: int) -> tuple[list[MessageView], str]:
    """Messages, newest first, and the place of the next page."""
    asked = [("convoId", convo), ("limit", str(limit)), *([("cursor", token)] if token else [])]
    answer = await calls.query("chat.bsky.convo.getMessages", Latest, asked, proxy=SERVICE)
    return readable(answer.messages, MessageView)[0], answer.cursor or ""
