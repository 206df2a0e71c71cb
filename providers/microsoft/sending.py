"""Sending by Microsoft Graph: a draft with an immutable id first, then the order to send it.

The draft's id stays when the message moves to Sent Items, so that afterwards one look at it says whether it left. A draft that a crash
left behind is found by its Message-ID and used again. The message goes up as MIME in base64; Graph reads the recipients from its
header, Bcc among them, which it takes out for all others. One that is too large for a call goes up without its files, which follow one
by one (learn.microsoft.com/graph/outlook-large-attachments): those under 3 MB in a call each, larger ones in pieces to an address that
Graph gives out for it. Only a draft that has all of them is sent. Knows nothing of reading a mailbox.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from providers.errors import Malformed, Refused, Unavailable
from providers.http import Session
from providers.microsoft.graph import ask, decoded, path_of, post, tell
from providers.records import Outgoing, OutgoingFile, Submitted

SENDING: Final = ("Mail.Send", "Mail.ReadWrite")  # for the order, and for the draft before it
LARGEST: Final = 3 * 1024 * 1024  # bytes of a message: Graph takes requests of 4 MB, and base64 adds a third
LARGE_FILE: Final = 2_900_000  # bytes; "under 3 MB" goes in one call
PIECE: Final = 12 * 320 * 1024  # bytes of a large file in a call: up to 4 MB
SURE: Final = 600.0  # seconds after which a draft that is still one was not sent


class Draft(msgspec.Struct, frozen=True, rename="camel"):
    """Message, as much of it as is asked for."""

    id: str
    is_draft: bool | None = None


class Drafts(msgspec.Struct, frozen=True):
    value: list[Draft] = []


class Files(msgspec.Struct, frozen=True):
    value: list[Draft] = []


class UploadSession(msgspec.Struct, frozen=True, rename="camel"):
    upload_url: str


async def send(session: Session, mail: Outgoing, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
    """Hand a message over. Raises ProviderError when it was certainly not taken."""
    key = await _draft_left(session, mail) or await _draft(session, mail)
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


async def _draft(session: Session, mail: Outgoing) -> str:
    """A new draft with all of the message. Raises Refused (`size`) for a text that is too large by itself."""
    one_call = _fits(mail)
    raw = mail.blind + (mail.data if one_call else mail.bare)
    if len(raw) > LARGEST:
        text = f"Outlook takes texts up to {LARGEST // 1_000_000} MB; put the rest into files."
        raise Refused(text, provider_code="size")
    answer = await post(session, path_of("me", "messages"), base64.b64encode(raw), content_type="text/plain")
    key = decoded(answer.content, Draft).id
    for file in () if one_call else mail.files:
        await (_attach if len(file.data) < LARGE_FILE else _put_up)(session, key, file)
    return key


async def _draft_left(session: Session, mail: Outgoing) -> str | None:
    """A draft of this very message, from an attempt that died before it was sent; one that lacks files is deleted."""
    quoted = mail.message_id.replace("'", "''")
    path = path_of("me", "messages", filter=f"internetMessageId eq '<{quoted}>'", select="id,isDraft", top="5")
    found = decoded((await ask(session, path)).content, Drafts).value
    for each in found:
        if not each.is_draft:
            continue
        if _fits(mail) or await _files_there(session, each.id) == len(mail.files):
            return each.id
        await tell(session, "DELETE", path_of("me", "messages", each.id), accept=frozenset({404}))
    return None


def _fits(mail: Outgoing) -> bool:
    """Whether a message goes up in one call, files included."""
    return len(mail.blind) + len(mail.data) <= LARGEST


async def _files_there(session: Session, key: str) -> int:
    path = path_of("me", "messages", key, "attachments", select="id", top="500")
    return len(decoded((await ask(session, path)).content, Files).value)


async def _attach(session: Session, key: str, file: OutgoingFile) -> None:
    """A file in one call."""
    said = {
        "@odata.type": "#microsoft.graph.fileAttachment", "name": file.name, "contentType": file.media_type,
        "contentBytes": base64.b64encode(file.data).decode(),
    }  # fmt: skip
    await tell(session, "POST", path_of("me", "messages", key, "attachments"), said)


async def _put_up(session: Session, key: str, file: OutgoingFile) -> None:
    """A large file, piece by piece, to an address that needs no sign-in and gets none."""
    item = {"attachmentType": "file", "name": file.name, "contentType": file.media_type, "size": len(file.data)}
    path = path_of("me", "messages", key, "attachments", "createUploadSession")
    where = decoded((await tell(session, "POST", path, {"AttachmentItem": item})).content, UploadSession).upload_url
    if session.absolute(where).scheme != "https" and not session.may_carry(session.absolute(where)):
        raise Malformed("Microsoft wants a file at an address that is not encrypted.", provider_code="upload")
    for start in range(0, len(file.data), PIECE):
        piece = file.data[start : start + PIECE]
        headers = {
            "Content-Range": f"bytes {start}-{start + len(piece) - 1}/{len(file.data)}",
            "Content-Type": "application/octet-stream",
        }
        try:
            await session.request(
                "PUT", where, headers=headers, content=piece, auth=False, accept_statuses=frozenset({200, 201, 202})
            )
        except Refused as error:  # the address has ended, or lost its place: the next attempt begins anew
            raise Unavailable(f"Outlook broke off taking the file {file.name}.", provider_code="upload") from error
