"""Sending: a message is in its conversation at once, in the outbox until its network has it, and can be taken back before it leaves.

Its Message-ID and date are made here, once, so that the copy that the network files is the same message: one row, one id, whatever
comes first. A chat message is known by an id of ours that its network shows with it, or by the key that it told. What is said of
its way (`Delivery`) is read from the outbox. Nothing here waits for a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from providers.formats import mail_writing, mime
from providers.formats.mail_writing import Letter, Mailbox
from resolvers import composing, composing_chat, correcting
from resolvers.composing import Composed, Draft, wrong
from resolvers.composing_chat import ComposedChat
from resolvers.enclosing import Chosen
from resolvers.ingest import Target, conversations, corrections, remove_messages, take_in
from resolvers.ingest.amendments import amend
from resolvers.ingest.states import sum_up
from resolvers.mistakes import NetworkMistake, NodeMistake, not_found
from resolvers.operation import Operation
from resolvers.writes import error_of
from resolvers.writing import Answer, Mistaken, Payload, payload, perform
from store import accounts, leases, outbox, uploads
from store.feed import Recorder
from store.outbox import Write
from store.tables import message, message_source

KIND: Final = "send"
MAX_UNDO: Final = 120  # seconds
LATEST: Final = timedelta(days=366)  # a message can be held so long
_STATES: Final[dict[outbox.State, str]] = {
    "QUEUED": "HELD",
    "RUNNING": "SENDING",
    "CHECKING": "CHECKING",
    "DONE": "SENT",
    "REFUSED": "FAILED",
    "UNCONFIRMED": "UNCONFIRMED",
    "CANCELLED": "CANCELLED",
}


class FileRef(msgspec.Struct, frozen=True, kw_only=True):
    """A file to go with a message: a row of `attachment`, whose bytes are at a source of its message, or an upload."""

    attachment_id: str | None = None
    upload_id: str | None = None
    name: str
    media_type: str


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What the outbox keeps of a message to send: a letter, or what goes to a conversation of a chat network."""

    letter: Letter | None = None
    chat: records.OutgoingChat | None = None
    thread: str | None = None
    files: tuple[FileRef, ...] = ()


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How sending a message goes."""

    state: str
    send_at: datetime
    undoable_until: datetime | None
    attempts: int
    error: NetworkMistake | None
    idempotency_key: str


async def send(operation: Operation, draft: Draft, key: str) -> Payload:
    """Put a message into its conversation and into the outbox."""
    now = operation.now()

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        start = _start(draft, now)
        providers = operation.services.providers
        chat = composing_chat.compose(conn, viewer, providers, draft, start, now)
        composed = chat or composing.compose(conn, viewer, providers, draft, start.replace(microsecond=0), now)
        message_id = _show(conn, viewer, composed, recorder, now)
        request = _request(composed)
        write_id = outbox.add(
            conn, viewer, account_id=composed.account_id, kind=KIND, mutation="sendMessage", node_ids=[message_id],
            request=msgspec.msgpack.encode(request), now=now, key=key, starts_at=start,
        )  # fmt: skip
        uploads.use(conn, viewer, write_id, [f.upload_id for f in request.files if f.upload_id is not None])
        leases.enqueue(conn, viewer, "identity", viewer, now)
        return Answer(node_id=message_id)

    done = await perform(operation, "sendMessage", key, draft, write)
    return payload(operation, done, message_id="node_id")


async def undo(operation: Operation, message_id: str, key: str | None) -> Payload:
    """Take a message back: one that has not left stays as a draft, one that has is deleted at a network that does that for everybody."""
    now = operation.now()

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        row = conn.execute(select(message).where(message.c.viewer_id == viewer, message.c.id == message_id)).one_or_none()
        if row is None:
            raise Mistaken(not_found(message_id, "messageId"))
        sent = outbox.latest(conn, viewer, KIND, [message_id]).get(message_id)
        if sent is None:
            text = "This message was not sent through Kith."
            raise Mistaken(NodeMistake(code="NOT_WRITABLE", message=text, field=("messageId",), node_id=message_id))
        if sent.state == "CANCELLED" or row.deleted_at is not None:
            return Answer(node_id=message_id)
        if not outbox.cancel(conn, viewer, sent.id, now):
            if sent.state == "DONE" and correcting.deletable(conn, viewer, operation.services.providers, row):
                correcting.take_back(
                    conn, viewer, operation.services.providers, row, True, "undoSend", recorder, now, key
                )  # fmt: skip
                return Answer(node_id=message_id)
            text = "This message has left, or is just leaving: it cannot be taken back any more."
            raise Mistaken(NodeMistake(code="TOO_LATE", message=text, field=("messageId",), node_id=message_id))
        ours = sa.update(message_source).where(
            message_source.c.viewer_id == viewer, message_source.c.message_id == message_id,
            message_source.c.container == outbox.CONTAINER,
        )  # fmt: skip
        conn.execute(ours.values(flags="DRAFT"))
        conversations.rebuild(conn, viewer, sum_up(conn, viewer, [message_id], recorder), recorder, now)
        told(conn, viewer, message_id, recorder)
        return Answer(node_id=message_id)

    done = await perform(operation, "undoSend", key, [message_id], write)
    return payload(operation, done, message_id="node_id")


def told(conn: Connection, viewer: str, message_id: str, recorder: Recorder) -> None:
    """The message's way has changed: a newer version, told in the feed."""
    newer = sa.update(message).where(message.c.viewer_id == viewer, message.c.id == message_id, message.c.version.is_not(None))
    version = conn.execute(newer.values(version=message.c.version + 1).returning(message.c.version)).scalar_one_or_none()
    if version is not None:
        recorder.upsert("MESSAGE", message_id, version, fields=("delivery",))


def filed(conn: Connection, viewer: str, account_id: str, message_id: str, key: str, recorder: Recorder, now: datetime) -> None:
    """The network has named its copy of a sent message: what it shows under `key` is this one, however it rewrote it.

    A sync that was quicker and could not know that has made a message of it, which goes; what the network shows stays with ours.
    """
    mine = message_source.c
    at = sa.and_(mine.viewer_id == viewer, mine.account_id == account_id)
    shown = conn.execute(select(mine.message_id).where(at, mine.key == key)).scalar_one_or_none()
    if shown == message_id:
        return
    held = sa.and_(at, mine.message_id == message_id, mine.container == outbox.CONTAINER)
    unnamed = conn.execute(select(mine.key).where(held)).scalar_one_or_none()
    if shown is None:
        conn.execute(sa.update(message_source).where(held).values(key=key, seen_at=now))
    elif unnamed is None:
        remove_messages(conn, viewer, account_id, [key], recorder, now)
    else:
        _change_places(conn, viewer, account_id, (message_id, unnamed), (shown, key), recorder, now)


def _change_places(
    conn: Connection,
    viewer: str,
    account_id: str,
    ours: tuple[str, str],
    theirs: tuple[str, str],
    recorder: Recorder,
    now: datetime,
) -> None:
    """Our message (its id and its key in the outbox) gets the place of the network's copy, which goes with ours.

    A chat tells of a message again only when it has changed: so its wording comes along, and its reactions, which its key has, stay.
    """
    (message_id, unnamed), (copy, key) = ours, theirs
    mine, kept = message_source.c, message.c
    for place, whose in ((key, message_id), (unnamed, copy)):
        there = sa.and_(mine.viewer_id == viewer, mine.account_id == account_id, mine.key == place)
        conn.execute(sa.update(message_source).where(there).values(message_id=whose))
    of_copy = select(message).where(kept.viewer_id == viewer, kept.id == copy, kept.internet_message_id.is_(None))
    if (row := conn.execute(of_copy).one_or_none()) is not None and not row.live:
        said = corrections.stored(conn, viewer, account_id, copy, key)
        amend(conn, viewer, account_id, {message_id: msgspec.structs.replace(said, deleted_at=row.deleted_at)}, recorder)
    remove_messages(conn, viewer, account_id, [unnamed], recorder, now)
    conversations.rebuild(conn, viewer, sum_up(conn, viewer, [message_id], recorder), recorder, now)


def deliveries(conn: Connection, viewer: str, message_ids: Sequence[str]) -> dict[str, Delivery]:
    """How sending each message goes; what was not sent through Kith is left out."""
    return {i: delivery(write) for i, write in outbox.latest(conn, viewer, KIND, message_ids).items()}


def delivery(write: Write) -> Delivery:
    """What the outbox says of a message."""
    return Delivery(
        state=_STATES[write.state],
        send_at=write.starts_at,
        undoable_until=write.due if write.state == "QUEUED" else None,
        attempts=write.attempts,
        error=error_of(write),
        idempotency_key=write.idempotency_key or "",
    )


def _start(draft: Draft, now: datetime) -> datetime:
    if not 0 <= draft.undo_seconds <= MAX_UNDO:
        raise wrong("INVALID", f"undoSeconds goes from 0 to {MAX_UNDO}.", "undoSeconds")
    undoable = now + timedelta(seconds=draft.undo_seconds)
    if draft.send_at is None:
        return undoable
    if draft.send_at > now + LATEST:
        raise wrong("INVALID", "A message can be held for a year at most.", "sendAt")
    return max(undoable, draft.send_at)


def _request(composed: Composed | ComposedChat) -> Request:
    files = tuple(
        FileRef(attachment_id=f.attachment_id, upload_id=f.upload_id, name=f.name, media_type=f.media_type)
        for f in composed.files
    )
    if isinstance(composed, ComposedChat):
        return Request(chat=composed.message, files=files)
    return Request(letter=composed.letter, thread=composed.thread, files=files)


def _show(conn: Connection, viewer: str, composed: Composed | ComposedChat, recorder: Recorder, now: datetime) -> str:
    """The message in its conversation."""
    own = accounts.own_values(conn, viewer)
    item = composed.shown if isinstance(composed, ComposedChat) else _read(composed, own)
    target = Target(account_id=composed.account_id, own=own)
    (result,) = take_in(conn, viewer, target, [records.Row(item=item)], recorder, now)
    assert result.node_id is not None
    return result.node_id


def _read(composed: Composed, own: frozenset[str]) -> records.Message:
    """A mail, read from the very bytes that will leave: the network's copy will equal it."""
    letter = composed.letter
    try:
        data = mail_writing.compose(letter)
    except mail_writing.Unwritable as error:
        raise wrong("INVALID", f"This cannot be written as a mail: {error}.") from error
    read = mime.message(data, own=own, key=f"outbox:{letter.message_id}")
    return msgspec.structs.replace(
        read, container=outbox.CONTAINER, sent_at=letter.date, received_at=None, conversation_key=composed.thread,
        participants=(*read.participants, *(_blind(one) for one in letter.bcc)), attachments=_attachments(composed.files),
        attachment_count=len(composed.files), unread=None, category="PERSONAL", category_reason="You wrote it.",
    )  # fmt: skip


def _blind(one: Mailbox) -> records.Participant:
    return records.Participant(role="BCC", address=one.address, name=one.name)


def _attachments(files: Sequence[Chosen]) -> tuple[records.Attachment, ...]:
    # the parts of multipart/mixed behind the text, as compose() writes them
    return tuple(
        records.Attachment(part=str(n), name=f.name, media_type=f.media_type, size=f.size, sha256=f.sha256)
        for n, f in enumerate(files, start=2)
    )
