"""Writing into Matrix rooms (Client-Server API v1.15, `/rooms/{roomId}/send`), changing and taking back what was written, saying what was
read, and finding out what became of a message.

A message goes out under our own id as its transaction id: a server takes an event of one device once under each ("Transaction
identifiers"), and shows the id to that device with the event for good. What is answered in a thread stays in it. An
encrypted room gets nothing: it would be readable to all the servers in between. Knows nothing of reading rooms.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from providers.errors import Malformed, ProviderError, Refused, Unavailable
from providers.http import Session
from providers.matrix import files as matrix_files
from providers.matrix.api import CLOSED, decoded, get, segment, tell, who
from providers.matrix.event import FILE_TYPES, HTML_FORMAT, Event, instant, readable
from providers.records import Gone, OutgoingChat, OutgoingDeletion, OutgoingEdit, OutgoingReaction, Submitted

#: "Size limits": an event has at most 65,536 bytes, of which the server and its signatures need some.
LARGEST: Final = 56_000
SURE: Final = 600.0  # seconds after which what a server was told shows
AROUND: Final = 120  # seconds that clocks may differ
LOOK: Final = 100  # events at a time
LOOKS: Final = 20  # so often a room is paged back to look for a message


class Sent(msgspec.Struct, frozen=True):
    event_id: str


class Latest(msgspec.Struct, frozen=True):
    """The answer to /messages, backwards."""

    chunk: list[msgspec.Raw]
    end: str | None = None


async def say(session: Session, message: OutgoingChat, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
    """Write into a room, as an answer and in a thread where it is one. Raises ProviderError when it was certainly not taken."""
    room = f"/_matrix/client/v3/rooms/{segment(message.conversation)}"
    await _check_open(session, room)
    answered = None if message.answers is None else await _event(session, room, message.answers)
    said = content(message, answered)
    if len(msgspec.json.encode(said)) > LARGEST:
        raise Refused(f"Matrix takes messages of at most {LARGEST:,} bytes. Write less.", provider_code="too-large")
    await matrix_files.check(session, message.files)
    for file in message.files:  # one at most: an event shows one
        shown = matrix_files.content(file, await matrix_files.put_up(session, file))
        said |= {**shown, "body": message.text or file.name}
    device = (await who(session)).device_id or ""
    await note(f"{int(session.clock.now().timestamp())} {device}".encode())
    try:
        answer = await tell(session, "PUT", f"{room}/send/m.room.message/{segment(message.id)}", said, once=True)
        return Submitted(fate="TAKEN", key=decoded(answer, Sent).event_id)
    except (Unavailable, Malformed) as error:
        return Submitted(fate="UNKNOWN", evidence=f"The homeserver did not say whether it took the message. ({error.message})")


async def edit(session: Session, change: OutgoingEdit) -> datetime | None:
    """Put another text in the place of an event's own ("Event replacements"). Raises ProviderError.

    Under one transaction id a server takes the replacement once, however often it is told; another client's later one stays the later one.
    """
    room = f"/_matrix/client/v3/rooms/{segment(change.conversation)}"
    original = await _event(session, room, change.message)
    if original is None or original.redacted:
        raise Refused("This message is not in its room any more.", provider_code="not-found")
    if original.type == "m.room.encrypted":
        raise Refused("This message is encrypted, and Kith has no keys: edit it with a Matrix client.", provider_code="encrypted")
    if original.sender != (await who(session)).user_id:
        raise Refused("Matrix shows an edit only from whoever wrote the message.", provider_code="not-yours")
    said = replacement(change, original)
    if len(msgspec.json.encode(said)) > LARGEST:  # the text is in it twice
        raise Refused(f"With its edit this message is larger than {LARGEST:,} bytes. Write less.", provider_code="too-large")
    answer = await tell(session, "PUT", f"{room}/send/m.room.message/{segment(change.id)}", said)
    try:
        edited = await _event(session, room, decoded(answer, Sent).event_id)
    except ProviderError:
        return None  # it is taken all the same, and the sync will say when
    return None if edited is None else instant(edited.origin_server_ts)


async def delete(session: Session, deletion: OutgoingDeletion) -> Gone:
    """Redact an event ("Redactions"): its place stays, what it said is gone for everybody. Raises ProviderError."""
    room = f"/_matrix/client/v3/rooms/{segment(deletion.conversation)}"
    gone = Gone(kind="MESSAGE", key=deletion.message, deleted_at=session.clock.now())
    try:
        await tell(session, "PUT", f"{room}/redact/{segment(deletion.message)}/{segment(deletion.id)}", {})
    except Refused as error:
        if error.provider_code != "M_NOT_FOUND":
            raise
        return Gone(kind="MESSAGE", key=deletion.message)  # the server keeps no such event: it shows no place either
    return gone


async def react(session: Session, reaction: OutgoingReaction) -> str | None:
    """Annotate an event, or redact the annotations that stand ("Event annotations and reactions"). Raises ProviderError.

    Under one transaction id a server takes an event once, and of one person one annotation with each sign.
    """
    room = f"/_matrix/client/v3/rooms/{segment(reaction.conversation)}"
    if reaction.remove:
        for n, key in enumerate(reaction.keys):
            await tell(session, "PUT", f"{room}/redact/{segment(key)}/{segment(f'{reaction.id}.{n}')}", {})
        return None
    relation = {"rel_type": "m.annotation", "event_id": reaction.message, "key": reaction.emoji}
    try:
        answer = await tell(session, "PUT", f"{room}/send/m.reaction/{segment(reaction.id)}", {"m.relates_to": relation})
    except Refused as error:
        if error.provider_code != "M_DUPLICATE_ANNOTATION":
            raise
        return None  # another client was quicker: the sync will tell of that one
    return decoded(answer, Sent).event_id


async def read_up_to(session: Session, latest: Mapping[str, str]) -> None:
    """Say of rooms up to which event they were read, as other clients do ("Fully read markers", "Receipts"). Raises ProviderError."""
    for room_id, event_id in latest.items():
        marks = {"m.fully_read": event_id, "m.read": event_id}
        try:
            await tell(session, "POST", f"/_matrix/client/v3/rooms/{segment(room_id)}/read_markers", marks)
        except Refused as error:
            if error.provider_code not in CLOSED:
                raise  # a room that was left has nobody who could read on


async def was_said(session: Session, message: OutgoingChat, step: bytes) -> Submitted:
    """Whether a message is in its room, read back to the moment at which it was sent. Raises ProviderError."""
    began, _, device = step.decode().partition(" ")
    since = int(began) if began.isdigit() else 0
    me = await who(session)
    room = f"/_matrix/client/v3/rooms/{segment(message.conversation)}"
    query = [("dir", "b"), ("limit", str(LOOK))]
    for _ in range(LOOKS):
        page = await get(session, f"{room}/messages", Latest, query)
        events, _ = readable(page.chunk, message.conversation)
        for event in events:
            if event.sent_as == message.id or (me.device_id != device and _alike(event, message, me.user_id, since)):
                return Submitted(fate="TAKEN", key=event.event_id)
        if page.end is None or any(event.origin_server_ts < (since - AROUND) * 1000 for event in events):
            break
        query = [("dir", "b"), ("limit", str(LOOK)), ("from", page.end)]
    else:
        return Submitted(fate="UNKNOWN", evidence="Too much was written in the room since to find the message in it.")
    if me.device_id == device or session.clock.now().timestamp() - since >= SURE:
        return Submitted(fate="NOT_TAKEN", evidence="It is not in the room.")  # the id keeps a late one from being there twice
    return Submitted(fate="UNKNOWN", evidence="The message is not in the room, where it may still appear.")


def content(message: OutgoingChat, answered: Event | None) -> dict[str, Any]:
    """The content of the event ("m.room.message"), related to the one that it answers."""
    said: dict[str, Any] = {"msgtype": "m.text", "body": message.text}
    if message.html is not None:
        said |= {"format": HTML_FORMAT, "formatted_body": message.html}
    if message.answers is None:
        return said
    relation: dict[str, Any] = {"m.in_reply_to": {"event_id": message.answers}}
    thread = answered.thread if answered is not None else ""
    if thread or message.in_thread:  # "Threading": whoever shows no threads takes its first message for an answer
        relation |= {"rel_type": "m.thread", "event_id": thread or message.answers, "is_falling_back": not thread}
    if answered is not None:  # "User and room mentions": an answer is meant for whom it answers
        said["m.mentions"] = {"user_ids": [answered.sender]}
    return said | {"m.relates_to": relation}


def replacement(change: OutgoingEdit, original: Event) -> dict[str, Any]:
    """The content of the event that puts `change` in the place of `original`: the kind of message, its file and whom it mentions stay."""
    kept = {name: value for name, value in original.content.items() if name not in ("m.relates_to", "format", "formatted_body")}
    new = {**kept, "body": change.text}
    if new.setdefault("msgtype", "m.text") in FILE_TYPES:  # v1.10: with `filename` the body is a caption
        new.setdefault("filename", original.content.get("body", ""))
    return {
        "msgtype": "m.text", "body": f"* {change.text}",  # what clients show that know no replacements
        "m.new_content": new, "m.mentions": {}, "m.relates_to": {"rel_type": "m.replace", "event_id": change.message},
    }  # fmt: skip


def _alike(event: Event, message: OutgoingChat, me: str, since: int) -> bool:
    """Whether an event says the same: a device that is linked anew is not told the ids of the one before."""
    mine = event.sender == me and event.origin_server_ts >= (since - AROUND) * 1000
    return mine and event.content.get("body") == (message.text or next((file.name for file in message.files), ""))


async def _check_open(session: Session, room: str) -> None:
    try:
        await get(session, f"{room}/state/m.room.encryption", msgspec.Raw)
    except Refused as error:
        if error.provider_code in ("M_NOT_FOUND", "not-found"):
            return
        raise
    raise Refused("This room is encrypted, and Kith has no keys: write there with a Matrix client.", provider_code="encrypted")


async def _event(session: Session, room: str, event_id: str) -> Event | None:
    try:
        raw = await get(session, f"{room}/event/{segment(event_id)}", msgspec.Raw)
    except Refused as error:
        if error.provider_code not in CLOSED:
            raise
        return None
    found, _ = readable([raw], room)
    return found[0] if found else None
