"""Uploads as a viewer sees them: room for a file is reserved here, its bytes come by HTTP (gateway/uploads.py), a message or an
import takes it.

Nothing about a file is believed before its bytes are there. What is too large, or has no room beside the viewer's other files, is refused
before a byte of it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy import Connection

from providers.formats import file_kind, file_name
from resolvers import links
from resolvers.loaders import load
from resolvers.mistakes import Mistake, NodeMistake, not_found
from resolvers.operation import Operation
from resolvers.writing import Answer, Mistaken, Payload, payload, perform
from store import ids, uploads
from store.feed import Recorder
from store.uploads import Upload

LIFETIME: Final = timedelta(days=1)  # of an upload that nothing takes
MAX_NAME: Final = 1_000  # characters that are looked at
MAX_UPLOADS: Final = 500  # of one viewer at a time
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}\Z")


class HttpHeader(msgspec.Struct, frozen=True, kw_only=True):
    """A header to send."""

    name: str
    value: str


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A reserved place; `received` bytes are there, `complete` once they are what was announced."""

    id: str
    received: int
    complete: bool
    expires_at: datetime


#: What a client sends with the bytes: what they are is told by themselves.
HEADERS: Final = (HttpHeader(name="Content-Type", value="application/octet-stream"),)


def by_id(conn: Connection, viewer: str, upload_ids: Sequence[str]) -> dict[str, Ticket]:
    """Uploads by id."""
    return {
        one.id: Ticket(id=one.id, received=one.received, complete=one.complete, expires_at=one.expires_at)
        for one in uploads.by_id(conn, viewer, upload_ids).values()
    }


def get(operation: Operation, upload_id: str) -> Awaitable[Ticket | None]:
    """One upload, loaded together with the others that the operation asks for."""
    return load(operation, by_id, upload_id)


def url(operation: Operation, shown: Ticket) -> str:
    """Where to PUT the bytes: for an hour, by whoever holds it, as long as the credential lives that asked for it."""
    return links.upload_link(operation, shown.id, shown.expires_at)


async def create(
    operation: Operation, name: str, size: int, media_type: str | None, sha256: str | None, key: str | None
) -> Payload:
    """Reserve room for one file."""
    now = operation.now()
    limits = operation.services.facts.limits

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        shown = file_name.safe(name[:MAX_NAME])
        if not shown:
            raise _wrong("INVALID", "A file needs a name.", "name")
        if size < 1:
            raise _wrong("INVALID", "A file has at least one byte.", "size")
        if size > limits.max_upload_bytes:
            raise _wrong("LIMIT_REACHED", f"A file has at most {limits.max_upload_bytes:,} bytes.", "size")
        if sha256 is not None and not _SHA256.match(sha256):
            raise _wrong("INVALID", "A SHA-256 is written as 64 hexadecimal digits.", "sha256")
        made = Upload(
            id=ids.mint("UPLOAD"), name=shown, media_type=media_type or file_kind.UNKNOWN, size=size, received=0, created_at=now,
            sha256=None if sha256 is None else sha256.lower(), expires_at=now + LIFETIME, completed_at=None,
        )  # fmt: skip
        if not uploads.reserve(conn, viewer, made, most=MAX_UPLOADS, room=limits.max_uploads_bytes):
            text = (
                f"Your files take all the room there is, {limits.max_uploads_bytes:,} bytes; each goes a day after it was put up."
            )
            raise _wrong("LIMIT_REACHED", text, "size")
        return Answer(node_id=made.id)

    done = await perform(operation, "createUpload", key, [name, size, media_type, sha256], write)
    if isinstance(done, Answer) and (done.node_id is None or await get(operation, done.node_id) is None):
        return Payload(errors=(Mistake(code="EXPIRED", message="This upload is over. Make a new one under another key."),))
    return payload(operation, done, upload_id="node_id")


def ready(found: Upload | None, upload_id: str, field: tuple[str, ...], now: datetime) -> Upload:
    """An upload that can be used. Raises Mistaken when it is nobody's or another viewer's, over, or not complete."""
    if found is None:
        raise Mistaken(not_found(upload_id, *field))
    if found.expires_at <= now:
        text = "This upload's time is over. Put the file up again."
        raise Mistaken(NodeMistake(code="EXPIRED", message=text, field=field, node_id=upload_id))
    if not found.complete:
        text = f"This upload is not complete: {found.received:,} of {found.size:,} bytes are there."
        raise Mistaken(NodeMistake(code="INVALID", message=text, field=field, node_id=upload_id))
    return found


def _wrong(code: str, text: str, *field: str) -> Mistaken:
    return Mistaken(Mistake(code=code, message=text, field=field))
