"""Messages carried out of the outbox: put together with their files, handed to the account's network, looked up when in doubt.

Files come from where they are, at the moment of sending: an account, or what the viewer has put up. Whether a message was taken is
asked of the sender's own side alone (`providers.base.Sender`): nobody's inbox is read to find out.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from gateway.accounts import Accounts
from gateway.writes import Note, Outcome
from providers.base import Adapter, ChatSender, Parts, Sender
from providers.errors import ProviderError, Refused, Unavailable
from providers.formats import mail_writing
from providers.formats.mail_writing import File
from providers.records import Outgoing, OutgoingChat, OutgoingFile, Submitted
from resolvers import attachments, sending
from resolvers.enclosing import MAX_BYTES
from resolvers.sending import FileRef, Request
from store import uploads
from store.blobs import Blobs
from store.feed import Recorder
from store.outbox import Write

FILE_SECONDS: Final = 120.0  # for all bytes of one file to come
_VERDICTS: Final[dict[str, Any]] = {"TAKEN": "DONE", "NOT_TAKEN": "NOT_DONE", "UNKNOWN": "DOUBT"}


class Sending:
    """The kind of write that sends a message."""

    def __init__(self, accounts: Accounts, blobs: Blobs) -> None:
        self._accounts = accounts
        self._blobs = blobs

    async def carry_out(self, adapter: Adapter, viewer: str, write: Write, note: Note) -> Outcome:
        request = _request(write)
        if request.chat is not None:
            chat = _with_files(request.chat, await self._files(viewer, request.files))
            return _outcome(await _chat_sender(adapter).say(chat, note))
        mail = _outgoing(request, await self._files(viewer, request.files))
        return _outcome(await _sender(adapter).send(mail, note))

    async def check(self, adapter: Adapter, viewer: str, write: Write) -> Outcome:
        request = _request(write)
        if request.chat is not None:
            named = [File(name=one.name, media_type=one.media_type, data=b"") for one in request.files]
            return _outcome(await _chat_sender(adapter).was_said(_with_files(request.chat, named), write.step or b""))
        try:
            files = await self._files(viewer, request.files)
        except ProviderError:
            return _outcome(await _sender(adapter).look_up(_outgoing(request, None), write.step or b""))
        return _outcome(await _sender(adapter).look_up(_outgoing(request, files), write.step or b""))

    def moved(self, conn: Connection, viewer: str, write: Write, recorder: Recorder, now: datetime) -> None:
        for message_id in write.node_ids:
            sending.told(conn, viewer, message_id, recorder)
            if write.state == "DONE" and write.step is not None:
                sending.filed(conn, viewer, write.account_id, message_id, write.step.decode(), recorder, now)

    async def _files(self, viewer: str, wanted: tuple[FileRef, ...]) -> list[File]:
        files: list[File] = []
        room = MAX_BYTES
        for one in wanted:
            data = await (self._put_up(viewer, one, room) if one.upload_id is not None else self._bytes(viewer, one, room))
            room -= len(data)
            files.append(File(name=one.name, media_type=one.media_type, data=data))
        return files

    async def _put_up(self, viewer: str, wanted: FileRef, room: int) -> bytes:
        assert wanted.upload_id is not None
        found = await self._accounts.database.read(viewer, uploads.get, wanted.upload_id)
        if found is None:
            raise Refused(f"The file {wanted.name} was erased.", provider_code="file-gone")
        if found.size > room:
            raise _too_large(wanted.name)
        try:
            data = await asyncio.to_thread(lambda: b"".join(self._blobs.pieces(viewer, found.id)))
        except FileNotFoundError:
            # another machine's folder may have it: whoever shares that one carries the message out
            raise Unavailable(f"The file {wanted.name} is not in this worker's data folder (KITH_HOME).") from None
        if hashlib.sha256(data).hexdigest() != found.sha256:
            raise Refused(f"The file {wanted.name} was damaged on disk. Put it up again.", provider_code="file-damaged")
        return data

    async def _bytes(self, viewer: str, wanted: FileRef, room: int) -> bytes:
        database = self._accounts.database
        attachment_id = wanted.attachment_id or ""
        file = (await database.read(viewer, attachments.by_id, [attachment_id])).get(attachment_id)
        if file is None:
            raise Refused(f"The file {wanted.name} is no longer there: its message is gone.", provider_code="file-gone")
        places = await database.read(viewer, attachments.places, [file.message_id])
        trouble: ProviderError | None = None
        for place in attachments.reachable(self._accounts.providers, file, places.get(file.message_id, [])):
            try:
                adapter = await self._accounts.open(viewer, place.account_id)
                if not isinstance(adapter, Parts):
                    continue
                async with asyncio.timeout(FILE_SECONDS):
                    return await _read(adapter, place.key, file.part, wanted.name, room)
            except TimeoutError:
                trouble = Unavailable(f"The file {wanted.name} does not come from where it is kept.")
            except ProviderError as error:
                trouble = error
        raise trouble or Refused(f"The file {wanted.name} is no longer at any account.", provider_code="file-gone")


async def _read(adapter: Parts, key: str, part: str, name: str, room: int) -> bytes:
    opening: Any = adapter.part(key, part)
    if inspect.isawaitable(opening):
        opening = await opening
    pieces: AsyncIterator[bytes] = opening
    found = bytearray()
    async for piece in pieces:
        found += piece
        if len(found) > room:
            raise _too_large(name)
    return bytes(found)


def _too_large(name: str) -> Refused:
    return Refused(f"With {name} the files have more than {MAX_BYTES // 1_000_000} MB.", provider_code="size")


def _request(write: Write) -> Request:
    if write.request is None:
        raise Refused("What was to be sent is gone.", provider_code="request-gone")
    return msgspec.msgpack.decode(write.request, type=Request)


def _outgoing(request: Request, files: list[File] | None) -> Outgoing:
    """The message as it leaves; without bytes (None) where its files cannot be had and it is only looked for."""
    letter = request.letter
    if letter is None:
        raise Refused("What was to be sent is no mail.", provider_code="unwritable")
    try:
        data = b"" if files is None else mail_writing.compose(letter, files)
        bare = mail_writing.compose(letter) if files else data
    except mail_writing.Unwritable as error:
        raise Refused(f"This message cannot be written: {error}.", provider_code="unwritable") from error
    return Outgoing(
        message_id=letter.message_id, sender=letter.sender.address, data=data, blind=mail_writing.blind(letter), thread=request.thread,
        recipients=tuple(dict.fromkeys(one.address for one in (*letter.to, *letter.cc, *letter.bcc))), bare=bare,
        files=_ready(files or ()),
    )  # fmt: skip


def _with_files(chat: OutgoingChat, files: Sequence[File]) -> OutgoingChat:
    return msgspec.structs.replace(chat, files=_ready(files))


def _ready(files: Sequence[File]) -> tuple[OutgoingFile, ...]:
    return tuple(OutgoingFile(name=one.name, media_type=one.media_type, data=one.data) for one in files)


def _sender(adapter: Adapter) -> Sender:
    if not isinstance(adapter, Sender):
        raise Refused("Nothing can be sent by this account.", provider_code="unsupported")
    return adapter


def _chat_sender(adapter: Adapter) -> ChatSender:
    if not isinstance(adapter, ChatSender):
        raise Refused("Nothing can be written in conversations of this account.", provider_code="unsupported")
    return adapter


def _outcome(found: Submitted) -> Outcome:
    told = None if found.key is None else found.key.encode()
    return Outcome(verdict=_VERDICTS[found.fate], evidence=found.evidence, told=told)
