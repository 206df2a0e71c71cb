"""Choosing by hand what is shown first of a person: it wins over every rule until it is taken back.

Whoever names a record chooses what that record says, now and later; whoever names a value too chooses this value, whatever the record says
later. Either outlives the record. Pictures do not: they are erased with the account they came from.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers.identity.people import reproject
from resolvers.mistakes import Mistake, NodeMistake, not_found
from resolvers.operation import Operation
from resolvers.projection import Member, Sourced, SourcedDate, SourcedEmail, SourcedPhone, member_of, values_of
from resolvers.writing import Answer, Mistaken, Payload, payload, perform
from store import choices, ids, locks
from store.feed import Recorder
from store.tables import contact, person

MAX_VALUE: Final = 10_000  # characters
_encode = msgspec.msgpack.Encoder().encode


async def prefer(
    operation: Operation, person_id: str, field: str, contact_id: str | None, value: str | None, key: str | None
) -> Payload:
    """Show what this record says first, or go back to the rules where no record is named."""
    now = operation.now()

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        locks.people(conn, viewer)  # nobody joins or parts the person meanwhile
        owner = _owner(conn, viewer, person_id)
        if contact_id is None:
            if value is not None:
                text = "Name the record that says so; without one the choice goes back to the rules."
                raise Mistaken(Mistake(code="REQUIRED", message=text, field=("contactId",)))
            choices.drop(conn, viewer, owner, field)
        else:
            member = _record(conn, viewer, owner, contact_id)
            chosen = _value(member, field, value)
            kept = None if chosen is None else _encode(chosen)
            choices.put(conn, viewer, owner, field, contact_id, kept, now, pinned=value is not None)
        reproject(conn, viewer, [owner], recorder, now)
        return Answer(node_id=owner)

    done = await perform(operation, "choosePreferred", key, [person_id, field, contact_id, value], write)
    return payload(operation, done, person_id="node_id")


def _owner(conn: Connection, viewer: str, person_id: str) -> str:
    """The person that this id leads to."""
    mine = sa.and_(person.c.viewer_id == viewer, person.c.id == person_id)
    row = conn.execute(select(person.c.id, person.c.redirect_to).where(mine)).one_or_none()
    if row is None:
        raise Mistaken(_strange(person_id, "PERSON", "not the id of a person", "personId"))
    return str(row.redirect_to or row.id)


def _record(conn: Connection, viewer: str, owner: str, contact_id: str) -> Member:
    """A record of this person, kept from changing until the transaction ends."""
    mine = sa.and_(contact.c.viewer_id == viewer, contact.c.id == contact_id, contact.c.person_id == owner)
    row = conn.execute(select(contact).where(mine).with_for_update()).one_or_none()
    if row is None:
        raise Mistaken(_strange(contact_id, "CONTACT", "no record of this person", "contactId"))
    return member_of(row)


def _strange(node_id: str, kind: ids.Kind, what: str, field: str) -> NodeMistake:
    if ids.kind_of(node_id) not in (kind, None):
        return NodeMistake(code="WRONG_KIND", message=f"This is {what}.", field=(field,), node_id=node_id)
    return not_found(node_id, field)


def _value(member: Member, field: str, wanted: str | None) -> Sourced | None:
    """What the record says in the field: the value that is wanted, else its first; None for a picture."""
    if field == "PHOTO":
        if wanted is not None or member.photo_hash is None:
            text = "A picture is chosen by its record alone." if wanted is not None else "This record has no picture."
            raise Mistaken(Mistake(code="INVALID", message=text, field=("value" if wanted is not None else "contactId",)))
        return None
    if wanted is not None and len(wanted) > MAX_VALUE:
        raise Mistaken(Mistake(code="TOO_LONG", message=f"A value has at most {MAX_VALUE:,} characters.", field=("value",)))
    said: list[Any] = values_of[field](member)
    if not said:
        raise Mistaken(Mistake(code="INVALID", message="This record says nothing in that field.", field=("contactId",)))
    found = said[0] if wanted is None else next((v for v in said if wanted.strip().casefold() in _spellings(v)), None)
    if found is None:
        text = "This record says something else in that field; give a value as it is shown."
        raise Mistaken(Mistake(code="INVALID", message=text, field=("value",)))
    kept: Sourced = msgspec.structs.replace(found, sources=(), preferred=False)
    return kept


def _spellings(value: Any) -> set[str]:
    """The texts by which a value can be named."""
    if isinstance(value, SourcedEmail):
        texts = [value.raw, value.address]
    elif isinstance(value, SourcedPhone):
        texts = [value.raw, value.number]
    elif isinstance(value, SourcedDate):
        year = "-" if value.year is None else f"{value.year:04d}"
        texts = [f"{year}-{value.month or 0:02d}-{value.day or 0:02d}", str(value.year) if value.month is None else None]
    else:
        texts = [getattr(value, name, None) for name in ("full", "url", "name", "formatted", "value")]
    return {text.strip().casefold() for text in texts if text}
