"""Writing direct messages on X (`POST /2/dm_conversations/…/messages`), and finding out whether one is there.

X takes no id of ours. After a cut the conversation is read back to the moment of sending, which its messages' ids tell: one of the
user's own that says the same is the one. Knows nothing of histories.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from providers.errors import Malformed, ReauthRequired, Refused, Unavailable
from providers.http import Session
from providers.records import OutgoingChat, Submitted
from providers.x.api import WRITING, Calls, tell
from providers.x.item import Event, List, Meta, members, text_of

LONGEST: Final = 10_000
LOOK: Final = 20  # messages that are looked through, each of which X charges for
AROUND: Final = 120.0  # seconds that clocks may differ
SURE: Final = 600.0  # seconds after which what X was told shows
EPOCH: Final = 1_288_834_974.657  # X's ids count milliseconds from here, above their lowest 22 bits


class _Sent(msgspec.Struct, frozen=True):
    class Data(msgspec.Struct, frozen=True):
        dm_event_id: str

    data: Data


async def say(session: Session, message: OutgoingChat, me: str, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
    """Write into a conversation. Raises ProviderError when it was certainly not taken."""
    scope = (await session.credentials()).scope
    if scope and WRITING not in scope.split():
        raise ReauthRequired("X was not allowed to send: link the account again and grant all of it.", provider_code="scope")
    if len(message.text) > LONGEST:
        raise Refused(f"X takes messages of at most {LONGEST:,} characters. Write less.", provider_code="too-large")
    others = [each for each in members(message.conversation) if each != me]
    place = f"with/{others[0]}" if others else message.conversation
    await note(str(int(session.clock.now().timestamp())).encode())
    try:
        sent = await tell(session, f"/dm_conversations/{place}/messages", _Sent, {"text": message.text})
    except (Unavailable, Malformed) as error:
        return Submitted(fate="UNKNOWN", evidence=f"X did not say whether it took the message. ({error.message})")
    return Submitted(fate="TAKEN", key=sent.data.dm_event_id)


async def was_said(session: Session, message: OutgoingChat, me: str, step: bytes) -> Submitted:
    """Whether a message is in its conversation, back to the moment at which it was sent. Raises ProviderError."""
    since = int(step) if step.isdigit() else 0
    path = f"/dm_conversations/{message.conversation}/dm_events"
    asked = [
        ("max_results", str(LOOK)), ("event_types", "MessageCreate"), ("dm_event.fields", "id,text,entities,event_type,dm_conversation_id"),
        ("expansions", "sender_id"),
    ]  # fmt: skip
    page = await Calls(session, {}).ask("talk", path, List, asked)
    found = [event for raw in page.data if (event := _event(raw)) is not None]
    for event in found:
        if written(event.id) >= since - AROUND and event.sender_id == me and text_of(event).strip() == message.text.strip():
            return Submitted(fate="TAKEN", key=event.id)
    if found and (page.meta or Meta(result_count=0)).next_token and written(found[-1].id) > since - AROUND:
        return Submitted(fate="UNKNOWN", evidence="Too much was written there since to find the message.")
    if session.clock.now().timestamp() - since >= SURE:
        return Submitted(fate="NOT_TAKEN", evidence="It is not in the conversation.")
    return Submitted(fate="UNKNOWN", evidence="The message is not in the conversation, where it may still appear.")


def written(number: str) -> float:
    """When something with this id was made (POSIX seconds)."""
    return (int(number) >> 22) / 1000 + EPOCH if number.isascii() and number.isdigit() and len(number) <= 19 else 0.0


def _event(raw: msgspec.Raw) -> Event | None:
    try:
        return msgspec.json.decode(raw, type=Event)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
