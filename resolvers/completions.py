"""What a contact lacks and others know: from the viewer's own contacts of the same person first, then from sources that they have allowed.

Each value says where it is from; nothing is written into the contact: that is `updateContact`, by whoever reads this. What a source says is
only asked for where the viewer's own records say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

import msgspec

from resolvers import contacts, enrichment, people
from resolvers.operation import Operation
from resolvers.projection import Sourced, SourcedDate

MAX_COMPLETIONS: Final = 50
#: Fields of a person, whether a contact with one value may take another, and how its value is written.
ATTRIBUTES: Final[Mapping[str, tuple[str, bool, str]]] = {
    "NAME": ("names", False, "full"),
    "EMAIL": ("emails", True, "raw"),
    "PHONE": ("phones", True, "raw"),
    "URL": ("urls", True, "url"),
    "ORGANIZATION": ("organizations", False, "name"),
    "ADDRESS": ("addresses", False, "formatted"),
}


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """A value that a contact lacks: of another contact of the same person, or of a source."""

    field: str
    value: str
    label: str | None = None
    contact_id: str | None = None
    source: str | None = None
    confidence: float | None = None
    as_of: datetime | None = None


async def of_contact(operation: Operation, contact: contacts.Contact) -> list[Completion]:
    """What can be added to a contact; nothing for one that is nobody's."""
    person = None if contact.person_id is None else await people.get(operation, contact.person_id)
    if person is None:
        return []
    found = list(_own(contact, person))
    has = {field for field, (name, _, _) in ATTRIBUTES.items() if getattr(contact, name)}
    has |= {
        field
        for field, value in (("BIO", contact.record.bio), ("BIRTHDAY", contact.record.dates), ("PHOTO", contact.photo_hash))
        if value
    }
    has |= {one.field for one in found}
    told = await enrichment.of_person(operation, person, None)
    for fact in [] if told is None else told.facts:
        if fact.field in has or fact.field == "JOB_TITLE":
            continue
        found.append(
            Completion(
                field=fact.field, value=fact.value, label=fact.label, source=fact.source, confidence=fact.confidence, as_of=fact.as_of
            )
        )  # fmt: skip
    return found[:MAX_COMPLETIONS]


def _own(contact: contacts.Contact, person: people.Person) -> Iterator[Completion]:
    """What other contacts of the person have and this one has not."""
    for field, (name, several, text) in ATTRIBUTES.items():
        if getattr(contact, name) and not several:
            continue
        for value in getattr(person, name):
            if (one := _of_others(contact, field, value, str(getattr(value, text)))) is not None:
                yield one
    bio = None if contact.record.bio else person.bio
    if bio is not None and (one := _of_others(contact, "BIO", bio, bio.value)) is not None:
        yield one
    born = None if contact.record.dates else person.birthday
    if born is not None and (one := _of_others(contact, "BIRTHDAY", born, _day(born))) is not None:
        yield one


def _day(born: SourcedDate) -> str:
    """A birthday as vCard 4 writes it (RFC 6350 §4.3.1), in the extended form where the year is known."""
    if born.year is not None and born.month is not None and born.day is not None:
        return f"{born.year:04}-{born.month:02}-{born.day:02}"
    year = "--" if born.year is None else f"{born.year:04}"
    return year + (f"{born.month:02}" if born.month else "") + (f"{born.day:02}" if born.day else "")


def _of_others(contact: contacts.Contact, field: str, value: Sourced, text: str) -> Completion | None:
    """A value as a completion, unless the contact has it itself."""
    if not value.sources or any(source.contact_id == contact.id for source in value.sources):
        return None
    first = value.sources[0]
    label = getattr(value, "label", None)
    return Completion(field=field, value=text, label=label, contact_id=first.contact_id, as_of=first.as_of)
