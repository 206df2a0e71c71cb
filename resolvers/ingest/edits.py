"""Changes of contacts that were made here and are on their way to their network, and what a contact shows meanwhile.

An edit is the request of a write in the outbox (kind `contact`). Edits of one contact are carried out one after the other (its id is
their lane). Until they are settled the contact shows what its network says with the edits over it; what the network says is kept
beside (`contact.pristine`), so that a refused edit leaves no trace. Knows no networks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Literal

import msgspec
from sqlalchemy import Connection

from providers import records
from resolvers.ingest.profile_changes import STORED
from store import outbox

KIND: Final = "contact"
DELETION: Final = "deleteContact"  # the mutation whose edits are DELETE
#: What a contact's key begins with until its network has given it one.
UNBORN: Final = "new:"


class Edit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A change of one contact.

    `wanted` is the contact after it, of which `fields` are new (all of them for CREATE); of DELETE it is the contact that goes.
    `etag` is the version that it was made from, None writes over any. `base` is what the network had when it was accepted.
    """

    action: Literal["CREATE", "UPDATE", "DELETE"]
    wanted: records.Contact
    fields: tuple[records.ContactField, ...] = ()
    etag: str | None = None
    base: records.Contact | None = None


def encoded(edit: Edit) -> bytes:
    return msgspec.msgpack.encode(edit)


def decoded(request: bytes) -> Edit:
    return msgspec.msgpack.decode(request, type=Edit)


def pending(conn: Connection, viewer: str, contact_ids: Sequence[str]) -> dict[str, list[Edit]]:
    """The edits of each contact that are not settled, in order of acceptance."""
    found: dict[str, list[Edit]] = {}
    for write in outbox.unsettled(conn, viewer, KIND, contact_ids) if contact_ids else ():
        if write.request is not None:
            found.setdefault(write.node_ids[0], []).append(decoded(write.request))
    return found


def held_photos(conn: Connection, viewer: str, hashes: Collection[str]) -> set[str]:
    """Those of these photos that are not to go even if no contact shows them: of contacts whose deletion is on its way to their network,
    which can refuse it."""
    requests = outbox.open_requests(conn, viewer, KIND, DELETION)
    return {hashed for hashed in hashes if any(hashed.encode() in request for request in requests)}


def photos_of(edit: Edit) -> set[str]:
    """The digests of the photos that a contact shows again when this is refused."""
    pictures = [record.photo.url for record in (edit.wanted, edit.base) if record is not None and record.photo is not None]
    return {url.removeprefix(STORED) for url in pictures if url is not None and url.startswith(STORED)}


def over(record: records.Contact, edits: Sequence[Edit]) -> records.Contact:
    """A record with edits over it. It is no longer the card that it came as."""
    for edit in edits:
        if edit.action == "UPDATE":
            changes = {field: getattr(edit.wanted, field) for field in edit.fields if field not in ("names", "dates")}
            if "names" in edit.fields:  # what is changed is the first name and the birthday; others stay
                changes["names"] = (*edit.wanted.names[:1], *record.names[1:])
            if "dates" in edit.fields:
                mine = [day for day in edit.wanted.dates if day.label == "birthday"]
                changes["dates"] = (*mine, *(day for day in record.dates if day.label != "birthday"))
            record = msgspec.structs.replace(record, vcard=None, **changes)
    return record
