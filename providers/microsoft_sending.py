"""Sending by Microsoft Graph: a draft with an immutable id first, then the order to send it.

The draft's id stays when the message moves to Sent Items, so that afterwards one look at it says whether it left. A draft that a crash
left behind is found by its Message-ID and used again. The message goes up as MIME in base64; Graph reads the recipients from its
header, Bcc among them, which it takes out for all others. Knows nothing of reading a mailbox.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from providers.errors import Malformed, Refused, Unavailable
from providers.graph import ask, decoded, path_of, post
from providers.http import Session
from providers.records import Outgoing, Submitted

SENDING: Final = ("Mail.Send", "Mail.ReadWrite")  # for the order, and for the draft before it
LARGEST: Final = 3 * 1024 * 1024  # bytes of a message: Graph takes requests of 4 MB, and base64 adds a third
SURE: Final = 600.0  # seconds after which a draft that is still one was not sent


class Draft(msgspec.Struct, frozen=True, rename="camel"):
    """Message, as much of it as is asked for."""

    id: str
    is_draft: bool | None = None


class Drafts(msgspec.Struct, frozen=True):
    value: list[Draft] = []


async def send(session: Session, mail: Outgoing, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
    """Hand a message over. Raises ProviderError when it was certainly not taken."""
    raw = mail.blind + mail.data
    if len(raw) > LARGEST:
        text = f"Outlook takes messages up to {LARGEST // 1_000_000} MB this way; share the files by a link instead."
        raise Refused(text, provider_code="size")
    key = await _draft_left(session, mail) or await _draft(session, raw)
    await note(f"{int(session.clock.now().timestamp())} {key}".encode())
    try:
        await post(session, path_of("me", "messages", key, "send"))
    except (Unavailable, Malformed) as error:
        return Submitted(fate="UNKNOWN", evidence=f"Outlook did not say whether it sent the draft. ({error.message})")
    return Submitted(fate="TAKEN", key=key)


async def look_up(session: Session, mail: Outgoing, step: bytes) -> Submitted:
    """Whether the draft is one still. Raises ProviderError."""
    began, _, key = step.decode().partition(" ")
    try:
        answer = await ask(session, path_of("me", "messages", key, select="id,isDraft"))
    except Refused as error:
        if error.provider_code != "not-found":
            raise
        return Submitted(fate="UNKNOWN", evidence="The message is neither among the drafts nor in Sent Items of this mailbox.")
    if decoded(answer.content, Draft).is_draft is False:
        return Submitted(fate="TAKEN", key=key)
    if session.clock.now().timestamp() - int(began) >= SURE:
        return Submitted(fate="NOT_TAKEN", evidence="It is still a draft.")
    return Submitted(fate="UNKNOWN", evidence="It is still a draft, which may change in the next minutes.")


async def _draft(session: Session, raw: bytes) -> str:
    answer = await post(session, path_of("me", "messages"), base64.b64encode(raw), content_type="text/plain")
    return decoded(answer.content, Draft).id


async def _draft_left(session: Session, mail: Outgoing) -> str | None:
    """A draft of this very message, from an attempt that died before it was sent."""
    quoted = mail.message_id.replace("'", "''")
    path = path_of("me", "messages", filter=f"internetMessageId eq '<{quoted}>'", select="id,isDraft", top="5")
    found = decoded((await ask(session, path)).content, Drafts).value
    return next((each.id for each in found if each.is_draft), None)
