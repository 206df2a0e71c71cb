"""Uploads: files that a viewer puts up to send or import them, from their reservation until that is done or their time is over.

A row is there before its file and goes before it (store/blobs.py). `received` counts bytes that are on disk for sure. What a write in the
outbox or an import needs is held by `upload_use`: as long as that is open its uploads stay, whatever their time. Knows nothing of HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store import leases, outbox
from store.tables import import_run, upload, upload_use
from store.tables import outbox as writes

JOB: Final = "uploads"  # the leased job that erases what is over; one for each viewer
OPEN_IMPORTS: Final = ("QUEUED", "RUNNING")  # states of imports that have still to read their file
FORGOTTEN_AT_ONCE: Final = 500  # rows in one transaction
_u = upload.c


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A file on its way in. `media_type` and `sha256` are the client's word until it is complete, then what its bytes say."""

    id: str
    name: str
    media_type: str
    size: int
    sha256: str | None
    received: int
    created_at: datetime
    expires_at: datetime
    completed_at: datetime | None

    @property
    def complete(self) -> bool:
        """Whether all bytes are there and are what was announced."""
        return self.completed_at is not None


def reserve(conn: Connection, viewer: str, made: Upload, *, most: int, room: int) -> bool:
    """Keep room for a file; when its time is over it is erased. False when there would be more than `most`, or more bytes than `room`."""
    # the job's row is the viewer's turn: of two that come at once the second one sees the first
    leases.enqueue(conn, viewer, JOB, viewer, made.created_at, due=made.expires_at)
    count, size = conn.execute(
        select(sa.func.count(), sa.func.coalesce(sa.func.sum(_u.size), 0)).where(_u.viewer_id == viewer)
    ).one()
    if count >= most or int(size) + made.size > room:
        return False
    conn.execute(upload.insert().values(viewer_id=viewer, **msgspec.structs.asdict(made)))
    return True


def get(conn: Connection, viewer: str, upload_id: str) -> Upload | None:
    """One upload, over or not."""
    return by_id(conn, viewer, [upload_id]).get(upload_id)


def by_id(conn: Connection, viewer: str, upload_ids: Sequence[str], *, lock: bool = False) -> dict[str, Upload]:
    """Uploads by id; with `lock` they stay until this transaction ends."""
    query = select(upload).where(_u.viewer_id == viewer, _u.id.in_(upload_ids))
    rows = conn.execute(query.order_by(_u.id).with_for_update() if lock else query)
    return {row.id: _upload(row) for row in rows}


def progressed(conn: Connection, viewer: str, upload_id: str, received: int) -> bool:
    """So many bytes are on disk; False when the upload is gone."""
    mine = sa.update(upload).where(_u.viewer_id == viewer, _u.id == upload_id, _u.completed_at.is_(None))
    return conn.execute(mine.values(received=received)).rowcount == 1


def completed(conn: Connection, viewer: str, upload_id: str, sha256: str, media_type: str, now: datetime) -> bool:
    """All bytes are on disk, and this is what they are; False when the upload is gone."""
    mine = sa.update(upload).where(_u.viewer_id == viewer, _u.id == upload_id)
    done = mine.values(received=_u.size, sha256=sha256, media_type=media_type, completed_at=now)
    return conn.execute(done).rowcount == 1


def use(conn: Connection, viewer: str, write_id: str, upload_ids: Sequence[str]) -> None:
    """A write in the outbox, or an import, needs these uploads, which the caller has locked."""
    rows = [{"viewer_id": viewer, "write_id": write_id, "upload_id": one} for one in dict.fromkeys(upload_ids)]
    if rows:
        conn.execute(upload_use.insert(), rows)


def forget_over(conn: Connection, viewer: str, now: datetime) -> list[str]:
    """Drop uploads whose time is over and that nothing open needs; their ids, whose files may go once this is committed."""
    over = select(_u.id).where(_u.viewer_id == viewer, _u.expires_at <= now, ~_needed(viewer))
    # locked first, asked again after: whoever is just taking one of them into a message has then said so
    found = conn.execute(over.order_by(_u.id).limit(FORGOTTEN_AT_ONCE).with_for_update()).scalars().all()
    gone = conn.execute(
        sa.delete(upload).where(_u.viewer_id == viewer, _u.id.in_(found), ~_needed(viewer)).returning(_u.id)
    ).scalars()
    ids = [str(one) for one in gone]
    conn.execute(sa.delete(upload_use).where(upload_use.c.viewer_id == viewer, upload_use.c.upload_id.in_(ids)))
    return ids


def next_over(conn: Connection, viewer: str) -> datetime | None:
    """When the time of an upload is over next; None without any."""
    found: datetime | None = conn.execute(
        select(_u.expires_at).where(_u.viewer_id == viewer).order_by(_u.expires_at).limit(1)
    ).scalar_one_or_none()
    return found


def known(conn: Connection, viewer: str, upload_ids: Sequence[str]) -> set[str]:
    """Those of the ids that there are."""
    rows = conn.execute(select(_u.id).where(_u.viewer_id == viewer, _u.id.in_(upload_ids)))
    return set(rows.scalars())


def _needed(viewer: str) -> sa.ColumnElement[bool]:
    return sa.or_(_held(viewer, writes, outbox.OPEN), _held(viewer, import_run, OPEN_IMPORTS))


def _held(viewer: str, holders: sa.Table, states: Sequence[str]) -> sa.ColumnElement[bool]:
    """Whether a row of `holders` in one of these states needs the upload."""
    h, used = holders.c, upload_use.c
    return (
        select(sa.literal(1))
        .select_from(upload_use.join(holders, sa.and_(h.viewer_id == used.viewer_id, h.id == used.write_id)))
        .where(used.viewer_id == viewer, used.upload_id == _u.id, h.state.in_(states))
        .exists()
    )


def _upload(row: Any) -> Upload:
    return Upload(**{name: getattr(row, name) for name in Upload.__struct_fields__})
