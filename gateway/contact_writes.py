"""Contacts written back: the kind `contact` of the outbox.

An edit may be carried out twice: the adapters see to it that this is doing it once (providers/base.py, ContactWriter). So nothing is
ever in doubt, and what a crash interrupted is done again. What the network has now is told with the end of a write: after a change,
and, noted before it is refused, when its version is another.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from gateway.writes import DONE, NOT_DONE, Note, Outcome
from providers import records
from providers.base import Adapter, ContactWriter
from providers.errors import Conflict, Refused
from resolvers.ingest import Target, edits, put_contacts, remove_contacts
from resolvers.ingest.edits import Edit
from store import leases, outbox, photos
from store.database import Database
from store.feed import Recorder
from store.outbox import Write
from store.tables import contact

_decode = msgspec.msgpack.Decoder(records.Contact).decode


class ContactWrites:
    """Creates, changes and deletes contacts at their networks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def carry_out(self, adapter: Adapter, viewer: str, write: Write, note: Note) -> Outcome:
        """One edit of one contact. Raises ProviderError."""
        if not isinstance(adapter, ContactWriter):
            raise Refused("Contacts of this account can only be read.", provider_code="read-only")
        edit = edits.decoded(write.request or b"")
        key = await self._database.read(viewer, _key, write.node_ids[0]) or edit.wanted.key
        wanted = msgspec.structs.replace(edit.wanted, key=key, etag=edit.etag)
        done = Outcome(verdict="DONE", told=_photos(edit)) if edit.action == "DELETE" else DONE
        try:
            if edit.action == "CREATE":
                answer = await adapter.create_contact(wanted, again=write.attempts > 1)
            elif key.startswith(edits.UNBORN):
                return done  # it was never made, so there is nothing to change or delete
            elif edit.action == "UPDATE":
                answer = await adapter.update_contact(wanted, frozenset(edit.fields))
            else:
                await adapter.delete_contact(key, edit.etag)
                return done
        except Conflict as refused:
            if refused.current is not None:
                await note(msgspec.msgpack.encode(refused.current))
            raise
        return Outcome(verdict="DONE", told=msgspec.msgpack.encode(answer))

    async def check(self, adapter: Adapter, viewer: str, write: Write) -> Outcome:
        """Whatever was noted, doing it again tells it again."""
        return NOT_DONE

    def moved(self, conn: Connection, viewer: str, write: Write, recorder: Recorder, now: datetime) -> None:
        """Show what the network has now, in place of what was written over it."""
        if write.state not in outbox.SETTLED:
            return
        contact_id = write.node_ids[0]
        target = Target(account_id=write.account_id)
        if write.step is not None:
            outbox.forget_told(conn, viewer, write.id)
        held = partial(edits.held_photos, conn, viewer)
        if write.state == "DONE" and write.mutation == edits.DELETION:
            photos.let_go(conn, viewer, _digests(write.step or b""), held)
            leases.enqueue(conn, viewer, "identity", viewer, now)
            return
        answer = _decode(write.step) if write.step else None
        row = conn.execute(
            select(contact.c.id, contact.c.pristine).where(contact.c.viewer_id == viewer, contact.c.id == contact_id)
        ).one_or_none()
        if write.state == "DONE":
            if answer is not None:
                _taken(conn, viewer, target, contact_id, row, answer, recorder, now)
        elif write.request is not None:
            gone = write.trouble is not None and write.trouble.provider_code == "not-found"
            _undo(conn, viewer, target, contact_id, row, edits.decoded(write.request), answer, gone, recorder, now)
        leases.enqueue(conn, viewer, "identity", viewer, now)


def _photos(edit: Edit) -> bytes:
    """What is told with the end of a deletion: which photos nobody needs any more."""
    return " ".join(sorted(edits.photos_of(edit))).encode()


def _digests(told: bytes) -> list[str]:
    return told.decode().split()


def _key(conn: Connection, viewer: str, contact_id: str) -> str | None:
    key: str | None = conn.execute(
        select(contact.c.key).where(contact.c.viewer_id == viewer, contact.c.id == contact_id)
    ).scalar_one_or_none()
    return key


def _taken(
    conn: Connection,
    viewer: str,
    target: Target,
    contact_id: str,
    row: Any,
    answer: records.Contact,
    recorder: Recorder,
    now: datetime,
) -> None:
    """The network took an edit: the contact is what it answered, and edits that wait are made from that version."""
    for waiting in outbox.unsettled(conn, viewer, edits.KIND, [contact_id]):
        edit = edits.decoded(waiting.request or b"")
        known = edit.wanted if edit.wanted.key.startswith(edits.UNBORN) else None
        wanted = msgspec.structs.replace(edit.wanted, key=answer.key) if known is not None else edit.wanted
        etag = answer.etag if edit.etag is not None else None
        later = msgspec.structs.replace(edit, wanted=wanted, etag=etag, base=answer)
        outbox.amend(conn, viewer, waiting.id, edits.encoded(later))
    if row is None:
        return  # deleted here meanwhile; that is the edit that waits
    _known_by(conn, viewer, target, contact_id, answer.key, recorder, now)
    put_contacts(conn, viewer, target, [answer], recorder, now)


def _known_by(
    conn: Connection, viewer: str, target: Target, contact_id: str, key: str, recorder: Recorder, now: datetime
) -> None:
    """A contact that was made here gets its key; a sync that was faster has shown it under another id, which goes."""
    mine = contact.c
    twin = select(mine.id).where(
        mine.viewer_id == viewer, mine.account_id == target.account_id, mine.key == key, mine.id != contact_id
    )
    remove_contacts(conn, viewer, list(conn.execute(twin).scalars()), recorder, now)
    conn.execute(sa.update(contact).where(mine.viewer_id == viewer, mine.id == contact_id).values(key=key))


def _undo(
    conn: Connection,
    viewer: str,
    target: Target,
    contact_id: str,
    row: Any,
    edit: Edit,
    theirs: records.Contact | None,
    gone: bool,
    recorder: Recorder,
    now: datetime,
) -> None:
    """The network did not take an edit: the contact is what the network has, with the edits over it that still wait."""
    if edit.action == "CREATE" or gone:
        remove_contacts(conn, viewer, [contact_id], recorder, now)
    elif edit.action == "DELETE":
        back = theirs or edit.base or edit.wanted
        put_contacts(conn, viewer, target, [back], recorder, now, known_as={back.key: contact_id})
    elif row is not None and row.pristine is not None:
        put_contacts(conn, viewer, target, [theirs or _decode(row.pristine)], recorder, now)
