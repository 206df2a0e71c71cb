"""Contacts as files that import again without loss: vCard 4.0 (RFC 6350, RFC 9554) and JSContact (RFC 9553, by RFC 9555).

Cards come one by one, in the order of their contacts' ids, read in slices: the memory that it takes does not depend on how many there are.
Each card has a UID of its own, by which an import tells it from all others: the contact's, unless another contact has the same. Knows no HTTP.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from providers.formats import jscontact, vcard_writing
from providers.formats.vcard_syntax import parse
from resolvers import photos
from resolvers.operation import Operation
from store.among import among, asked
from store.tables import contact

Form = Literal["vcard", "jscontact"]
MEDIA_TYPES: Final[dict[Form, str]] = {
    "vcard": "text/vcard; charset=utf-8; version=4.0",
    "jscontact": "application/jscontact+json; version=1.0",
}
SUFFIXES: Final[dict[Form, str]] = {"vcard": "vcf", "jscontact": "json"}
SLICE: Final = 50  # contacts that are read at a time: a note has at most 100,000 letters
_decode: Final = msgspec.msgpack.Decoder(records.Contact).decode


class Row(msgspec.Struct, frozen=True):
    """A contact to write: `uid` is the one that it has in the file."""

    uid: str
    photo_hash: str | None
    record: records.Contact


async def contacts(operation: Operation, form: Form) -> AsyncIterator[bytes]:
    """A file of all contacts, in pieces."""
    if form == "jscontact":
        yield b"["
    after: str | None = ""
    first = True
    while after is not None:
        rows, after = await operation.read(_rows, after)
        for row in rows:
            text = await _written(operation, row, form)
            yield text if form == "vcard" else (b"\n" if first else b",\n") + text
            first = False
    if form == "jscontact":
        yield b"\n]\n"


async def contact_of(operation: Operation, contact_id: str, form: Form) -> bytes | None:
    """A file of one contact; None where there is none of this id."""
    row = await operation.read(_row, contact_id)
    return None if row is None else await _written(operation, row, form) + (b"\n" if form == "jscontact" else b"")


async def _written(operation: Operation, row: Row, form: Form) -> bytes:
    record = row.record
    if row.photo_hash is not None:
        data = await operation.read(photos.original, row.photo_hash)
        picture = None if data is None else records.Photo(media_type=record.photo.media_type if record.photo else None, data=data)
        record = msgspec.structs.replace(record, photo=picture)
    card = vcard_writing.whole(record, row.uid)
    if form == "vcard":
        text = card.serialise()
        return text if text.endswith(b"\n") else text + b"\r\n"  # the last one of a file may have come without
    return msgspec.json.encode(jscontact.exported(card, row.uid))


def _rows(conn: Connection, viewer: str, after: str) -> tuple[list[Row], str | None]:
    """The next rows, and the id after which the ones after them come; None at the end."""
    query = select(contact).where(contact.c.viewer_id == viewer, contact.c.id > after).order_by(contact.c.id).limit(SLICE)
    found = conn.execute(query).all()
    return _made(conn, viewer, found), found[-1].id if len(found) == SLICE else None


def _row(conn: Connection, viewer: str, contact_id: str) -> Row | None:
    found = conn.execute(select(contact).where(contact.c.viewer_id == viewer, contact.c.id == contact_id)).all()
    return next(iter(_made(conn, viewer, found)), None)


def _made(conn: Connection, viewer: str, rows: Sequence[Any]) -> list[Row]:
    """Rows with their UIDs. A record that is stored damaged is left out: `kith doctor` says so."""
    first = conn.execute(
        select(contact.c.uid, sa.func.min(contact.c.id)).where(among(contact.c.uid)).group_by(contact.c.uid),
        asked(viewer, [row.uid for row in rows if row.uid]),
    )
    owners = {row[0]: row[1] for row in first}
    made = []
    for row in rows:
        try:
            record = _decode(row.record)
        except msgspec.MsgspecError:
            continue
        own = row.uid is not None and owners.get(row.uid) == row.id
        # RFC 9562 §5.5: the same for the same contact, whenever it is exported
        uid = row.uid if own else str(uuid.uuid5(uuid.NAMESPACE_OID, row.id))
        if not own:
            record = msgspec.structs.replace(record, uid=None, vcard=_renamed(record.vcard))
        made.append(Row(uid, row.photo_hash, record))
    return made


def _renamed(card: str | None) -> str | None:
    """A card without its UID, which an earlier contact has too."""
    if card is None:
        return None
    parsed = parse(card.encode())
    kept = tuple(one for one in parsed.properties if one.name != "UID")
    return msgspec.structs.replace(parsed, properties=kept).serialise().decode()
