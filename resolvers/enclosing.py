"""Which files go with a message: files of other messages and uploads, in the order in which the caller named them.

Nothing is fetched here: an attachment stays at its source until the message leaves. An upload has to be complete, and is held from here on
until the write that takes it along is settled (store/uploads.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from resolvers import attachments
from resolvers.mistakes import Mistake, not_found
from resolvers.uploads import ready
from resolvers.writing import Mistaken
from store import uploads
from store.tables import attachment
from store.uploads import Upload

MAX_FILES: Final = 100
MAX_BYTES: Final = 25_000_000  # of all files together, before they are encoded: what large providers take


class Attached(msgspec.Struct, frozen=True, kw_only=True):
    """One way to name a file; exactly one is set."""

    attachment_id: str | None = None
    upload_id: str | None = None


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """A file that goes along: one of another message, or an upload."""

    attachment_id: str | None = None
    upload_id: str | None = None
    name: str
    media_type: str
    size: int | None
    sha256: str | None


def choose(conn: Connection, viewer: str, named: Sequence[Attached], now: datetime) -> tuple[Chosen, ...]:
    """The files that are named, each once. Raises Mistaken; uploads stay until the transaction ends."""
    wanted = list(dict.fromkeys(named))
    if len(wanted) > MAX_FILES:
        raise Mistaken(
            Mistake(code="LIMIT_REACHED", message=f"A message takes at most {MAX_FILES} files.", field=("attachments",))
        )
    kept = attachments.by_id(conn, viewer, [one.attachment_id for one in wanted if one.attachment_id is not None])
    put_up = uploads.by_id(conn, viewer, [one.upload_id for one in wanted if one.upload_id is not None], lock=True)
    found: list[Chosen] = []
    for n, one in enumerate(wanted):
        if one.upload_id is not None:
            found.append(_upload(put_up.get(one.upload_id), one.upload_id, ("attachments", str(n), "uploadId"), now))
            continue
        file = kept.get(one.attachment_id or "")
        if file is None:
            raise Mistaken(not_found(one.attachment_id or "", "attachments", str(n), "attachmentId"))
        found.append(Chosen(attachment_id=file.id, name=file.name, media_type=file.media_type, size=file.size, sha256=file.hash))
    if sum(one.size or 0 for one in found) > MAX_BYTES:
        text = f"Files of a message have at most {MAX_BYTES // 1_000_000} MB together."
        raise Mistaken(Mistake(code="LIMIT_REACHED", message=text, field=("attachments",)))
    return tuple(found)


def of_message(conn: Connection, viewer: str, message_id: str) -> tuple[Attached, ...]:
    """The files of a message, to go with another one."""
    theirs = select(attachment.c.id).where(attachment.c.viewer_id == viewer, attachment.c.message_id == message_id)
    return tuple(Attached(attachment_id=one) for one in conn.execute(theirs.order_by(attachment.c.position)).scalars())


def _upload(found: Upload | None, upload_id: str, field: tuple[str, ...], now: datetime) -> Chosen:
    file = ready(found, upload_id, field, now)
    return Chosen(upload_id=file.id, name=file.name, media_type=file.media_type, size=file.size, sha256=file.sha256)
