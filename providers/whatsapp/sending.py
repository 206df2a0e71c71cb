"""Writing as a business (`POST /{phone number id}/messages`): texts, reactions and read marks; and what WhatsApp's own error codes mean.

A text is taken within 24 hours of the other's last message; outside of that only templates are, which Meta has approved and Kith does not
make. WhatsApp may say so at once, or when it has tried (a status `failed`). It takes no id of ours and shows nothing of what was
sent: after a cut nobody can tell. Knows nothing of what comes in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from providers.errors import Malformed, ProviderError, RateLimited, Refused, Unavailable
from providers.meta.api import NARROW, Dialect, Fault, Graph, part
from providers.records import OutgoingChat, OutgoingReaction, Submitted
from providers.whatsapp.item import GROUP, reaction_key

LONGEST: Final = 4096
TEMPLATE: Final = (
    "WhatsApp takes a text only within 24 hours of their last message. After that it takes an approved template, which is sent in WhatsApp "
    "Manager: use one there, or wait until they write again."
)
#: How long to wait after which limit (cloud-api/support/error-codes): of the number, of one pair of numbers, for what was reported as spam.
PAUSES: Final = {
    130429: timedelta(seconds=5),
    131056: timedelta(seconds=30),
    131048: timedelta(hours=1),
    80007: timedelta(minutes=5),
}
PASSING: Final = {131000, 131016, 131057, 133004}
REFUSED: Final = {
    131026: "WhatsApp cannot deliver to this number: it is not on WhatsApp, has not taken the newest terms, or uses an old version.",
    131031: "Meta has locked this business account: look into WhatsApp Manager why.",
    131042: "Meta has a problem with the payment of this business account: look into WhatsApp Manager.",
    131045: "This number is not registered for the Cloud API: register it in WhatsApp Manager.",
    131051: "WhatsApp does not take this kind of message.",
    133010: "This number is not registered for the Cloud API: register it in WhatsApp Manager.",
}
WINDOW: Final = 131047
NARROWED: Final = (
    "WhatsApp does not allow this to the token: give the system user the permissions whatsapp_business_messaging and "
    "whatsapp_business_management and the business account, make a new token, and link again."
)


class Sent(msgspec.Struct, frozen=True):
    class One(msgspec.Struct, frozen=True):
        id: str

    messages: list[One]


class Marked(msgspec.Struct, frozen=True):
    success: bool = True


def own(fault: Fault, now: datetime) -> ProviderError | None:
    """The error of codes that only WhatsApp has."""
    code = str(fault.code)
    if fault.code == WINDOW:
        return Refused(TEMPLATE, provider_code="window")
    if (wait := PAUSES.get(fault.code)) is not None:
        return RateLimited("WhatsApp takes no more messages of this number for a while.", retry_at=now + wait, provider_code=code)
    if fault.code in PASSING:
        return Unavailable(f"WhatsApp has trouble of its own (error {code}).", provider_code=code)
    if (text := REFUSED.get(fault.code)) is not None:
        return Refused(text, provider_code=code)
    if fault.code in NARROW:
        return Refused(f"{NARROWED} ({fault.said})", provider_code="permission")
    return None


def undelivered(code: int, title: str) -> str:
    """Why a message that was taken did not arrive, and what to do."""
    if code == WINDOW:
        return TEMPLATE
    if code in PAUSES or code in PASSING:
        return f"It had trouble of its own, or took no more for a while (error {code}): send the message again."
    return REFUSED.get(code) or f"{title or 'It gives no reason.'} ({code})"


DIALECT: Final = Dialect(name="WhatsApp", own=own)


async def say(graph: Graph, number: str, message: OutgoingChat, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
    """Write to somebody. Raises ProviderError when it was certainly not taken."""
    if len(message.text) > LONGEST:
        raise Refused(f"WhatsApp takes messages of at most {LONGEST:,} characters. Write less.", provider_code="too-large")
    body = _to(message.conversation) | {"type": "text", "text": {"body": message.text, "preview_url": False}}
    if message.answers is not None:
        body["context"] = {"message_id": message.answers}
    await note(b"sent")
    try:
        sent = await graph.tell(f"{part(number)}/messages", Sent, body)
    except (Unavailable, Malformed) as error:
        if error.provider_code in {str(code) for code in PASSING}:
            raise  # it says itself that it did not
        return Submitted(fate="UNKNOWN", evidence=f"WhatsApp did not say whether it took the message. ({error.message})")
    if not sent.messages:
        return Submitted(fate="UNKNOWN", evidence="WhatsApp did not say whether it took the message.")
    return Submitted(fate="TAKEN", key=sent.messages[0].id)


async def was_said(message: OutgoingChat, step: bytes) -> Submitted:
    """Nobody can tell: there is no reading of chats."""
    return Submitted(fate="UNKNOWN", evidence="WhatsApp does not show a program what it has sent. Ask whom it was for.")


async def react(graph: Graph, number: str, reaction: OutgoingReaction, me: str) -> str | None:
    """React to a message, in the place of a former reaction, or take it back. Raises ProviderError."""
    sign = "" if reaction.remove else reaction.emoji
    body = _to(reaction.conversation) | {"type": "reaction", "reaction": {"message_id": reaction.message, "emoji": sign}}
    await graph.tell(f"{part(number)}/messages", Sent, body)
    return None if reaction.remove else reaction_key(reaction.message, me)


async def read_up_to(graph: Graph, number: str, latest: Mapping[str, str]) -> None:
    """Show others that their messages were read: of each chat the latest, and with it all before. Raises ProviderError."""
    for key in latest.values():
        try:
            await graph.tell(
                f"{part(number)}/messages", Marked, {"messaging_product": "whatsapp", "status": "read", "message_id": key}
            )
        except Refused as error:
            if error.provider_code not in ("100", "131009", "not-found"):
                raise  # a message of more than 30 days ago is not marked any more


def _to(conversation: str) -> dict[str, Any]:
    group = conversation.removeprefix(GROUP)
    kind = "individual" if group == conversation else "group"
    return {"messaging_product": "whatsapp", "recipient_type": kind, "to": group}
