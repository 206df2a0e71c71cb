"""Contacts as files that import again without loss: vCard 4.0 (RFC 6350, RFC 9554) and JSContact (RFC 9553, by RFC 9555).

Cards come one by one, in the order of their contacts' ids, read in slices: the memory that it takes does not depend on how many there are.
Each card has a UID of its own, by which an import tells it from all others: the contact's, unless another contact has the same. It is filed under
the tags of its person: an import makes them of that again. Knows no HTTP.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from providers.formats import jscontact, vcard_editing, vcard_writing
from providers.formats.vcard_syntax import parse
from resolvers import photos
from resolvers.operation import Operation
from store.among import among, asked
from store.tables import category, contact, tag
from store.tags import by_hand, folded

Form = Literal["vcard", "jscontact"]
MEDIA_TYPES: Final[dict[Form, str]] = {
    "vcard": "text/vcard; charset=utf-8; version=4.0",
    "jscontact": "application/jscontact+json; version=1.0",
}
SUFFIXES: Final[dict[Form, str]] = {"vcard": "vcf", "jscontact": "json"}
SLICE: Final = 50  # contacts that are read at a time: a note has at most 100,000 letters
_decode: Final = msgspec.msgpack.Decoder(records.Contact).decode


class Row(msgspec.Struct, frozen=True):
    """A contact to write: `uid` is the one that it has in the file, `filed` are the words that it is filed under there."""

    uid: str
    photo_hash: str | None
    record: records.Contact
    filed: tuple[str, ...]


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
        card = vcard_editing.grouped(card, row.filed)
        text = card.serialise()
        return text if text.endswith(b"\n") else text + b"\r\n"  # the last one of a file may have come without
    value = jscontact.exported(card, row.uid)
    if row.filed != record.groups:  # RFC 9553 §2.8.2: a set of words
        value = {name: one for name, one in value.items() if name != "keywords"}
        value |= {"keywords": dict.fromkeys(row.filed, True)} if row.filed else {}
    return msgspec.json.encode(value)


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
    tags = _tags(conn, viewer, rows)
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
        made.append(Row(uid, row.photo_hash, record, _filed(record, tags[row.id])))
    return made


class Tags(msgspec.Struct, frozen=True):
    """What there is to say of a contact: the tags that the viewer put on its person, by name, and what became of the words that it is filed
    under, by what makes two the same: the name of the tag, None where the viewer took it off."""

    put_on: list[str]
    filed: dict[str, str | None]


def _tags(conn: Connection, viewer: str, rows: Sequence[Any]) -> dict[str, Tags]:
    found = {row.id: Tags([], {}) for row in rows}
    of_people = by_hand(viewer, whose={row.person_id for row in rows if row.person_id is not None}).subquery("put_on")
    hand: dict[str, list[str]] = {}
    named = select(of_people.c.whose, tag.c.name).join(tag, sa.and_(tag.c.viewer_id == viewer, tag.c.id == of_people.c.tag_id))
    for one in conn.execute(named.distinct().order_by(tag.c.name)):
        hand.setdefault(one.whose, []).append(one.name)
    called = sa.and_(tag.c.viewer_id == category.c.viewer_id, tag.c.id == category.c.tag_id)
    filed = (
        select(category.c.contact_id, category.c.folded, tag.c.name).outerjoin(tag, called).where(among(category.c.contact_id))
    )
    for contact_id, word, name in conn.execute(filed, asked(viewer, found)):
        found[contact_id].filed[word] = name
    return {row.id: Tags(hand.get(row.person_id or "", []), found[row.id].filed) for row in rows}


def _filed(record: records.Contact, tags: Tags) -> tuple[str, ...]:
    """What a card is filed under: its own words, as the viewer calls them by now, without those that they took off, and with what they put on."""
    own: list[str] = []
    for word in record.groups:
        name = tags.filed.get(folded(word), word)
        if name is not None:
            own.append(word if folded(name) == folded(word) else name)
    known = {folded(word) for word in own}
    return (*dict.fromkeys(own), *(name for name in tags.put_on if folded(name) not in known))


def _renamed(card: str | None) -> str | None:
    """A card without its UID, which an earlier contact has too."""
    if card is None:
        return None
    parsed = parse(card.encode())
    kept = tuple(one for one in parsed.properties if one.name != "UID")
    return msgspec.structs.replace(parsed, properties=kept).serialise().decode()
