"""Values with where they come from: names, addresses, numbers, days of people and contacts."""

from __future__ import annotations

from datetime import date

from strawberry import Parent

from resolvers import disagreeing
from resolvers import projection as facts
from schema import loads
from schema.declare import field, interface_type, object_type
from schema.references import AccountRef, ContactRef
from schema.scalars import URL, Date, DateTime, EmailAddress, PhoneNumber
from schema.vocabulary import PersonField


def _full_date(parent: Parent[facts.SourcedDate]) -> date | None:
    if parent.year is None or parent.month is None or parent.day is None:
        return None
    try:
        return date(parent.year, parent.month, parent.day)
    except ValueError:
        return None  # as the source writes it there is no such day


@interface_type("A value with where it comes from.")
class SourcedValue:
    sources: list[ValueSource] = field("Where it was read; at most 50.")
    preferred: bool = field("Whether it is shown first.")
    chosen: bool = field("Whether the viewer chose it by hand.")


@object_type("One place a value was read.")
class ValueSource:
    account: AccountRef = field("The account.", loads.account)
    contact: ContactRef | None = field("The record; null when read elsewhere, such as in a signature.", loads.contact)
    verified: bool = field("Whether the network vouches for it.")
    as_of: DateTime = field("When it was last seen.")


@object_type("A name.", of=facts.SourcedName)
class SourcedName(SourcedValue):
    full: str = field("Whole name as to be shown.")
    prefix: str | None = field("Title before the name.")
    given: str | None = field("Given names.")
    middle: str | None = field("Middle names.")
    family: str | None = field("Family names.")
    suffix: str | None = field("What follows the name.")
    nickname: str | None = field("Nickname.")
    phonetic: str | None = field("Phonetic or transliterated form.")
    sources: list[ValueSource] = field("Where it was read; at most 50.")
    preferred: bool = field("Whether it is shown first.")
    chosen: bool = field("Whether the viewer chose it by hand.")


@object_type("A text.", of=facts.SourcedText)
class SourcedText(SourcedValue):
    value: str = field("The text.")
    sources: list[ValueSource] = field("Where it was read; at most 50.")
    preferred: bool = field("Whether it is shown first.")
    chosen: bool = field("Whether the viewer chose it by hand.")


@object_type("An e-mail address.", of=facts.SourcedEmail)
class SourcedEmail(SourcedValue):
    address: EmailAddress | None = field("Normalised address; null when what the source holds is not one.")
    raw: str = field("As the source writes it.")
    label: str | None = field("home, work or the source's own word.")
    verified: bool = field("Whether a network vouches for it.")
    shared: bool = field("Role, list or family address that proves nobody's identity.")
    sources: list[ValueSource] = field("Where it was read; at most 50.")
    preferred: bool = field("Whether it is shown first.")
    chosen: bool = field("Whether the viewer chose it by hand.")


@object_type("A phone number.", of=facts.SourcedPhone)
class SourcedPhone(SourcedValue):
    number: PhoneNumber | None = field("Normalised number; null when it cannot be read as one.")
    raw: str = field("As the source writes it.")
    extension: str | None = field("Extension.")
    label: str | None = field("cell, home, work or the source's own word.")
    verified: bool = field("Whether a network vouches for it.")
    shared: bool = field("Switchboard or family line that proves nobody's identity.")
    sources: list[ValueSource] = field("Where it was read; at most 50.")
    preferred: bool = field("Whether it is shown first.")
    chosen: bool = field("Whether the viewer chose it by hand.")


@object_type("A web address.", of=facts.SourcedUrl)
class SourcedUrl(SourcedValue):
    url: URL = field("The address.")
    label: str | None = field("home, work, blog or the source's own word.")
    sources: list[ValueSource] = field("Where it was read; at most 50.")
    preferred: bool = field("Whether it is shown first.")
    chosen: bool = field("Whether the viewer chose it by hand.")


@object_type("An employer or membership.", of=facts.SourcedOrganization)
class SourcedOrganization(SourcedValue):
    name: str = field("Organisation.")
    department: str | None = field("Department.")
    title: str | None = field("Job title or role.")
    sources: list[ValueSource] = field("Where it was read; at most 50.")
    preferred: bool = field("Whether it is shown first.")
    chosen: bool = field("Whether the viewer chose it by hand.")


@object_type("A postal address.", of=facts.SourcedAddress)
class SourcedAddress(SourcedValue):
    formatted: str = field("As on an envelope.")
    street: str | None = field("Street and number.")
    locality: str | None = field("Town.")
    region: str | None = field("Region.")
    postal_code: str | None = field("Postal code.")
    country: str | None = field("ISO 3166 country code.")
    label: str | None = field("home, work or the source's own word.")
    sources: list[ValueSource] = field("Where it was read; at most 50.")
    preferred: bool = field("Whether it is shown first.")
    chosen: bool = field("Whether the viewer chose it by hand.")


@object_type("A day whose year may be unknown.", of=facts.SourcedDate)
class SourcedDate(SourcedValue):
    date: Date | None = field("Full date; null when a part is unknown.", _full_date)
    year: int | None = field("Year, where known.")
    month: int | None = field("Month, where known.")
    day: int | None = field("Day, where known.")
    label: str | None = field("birthday, anniversary or the source's own word.")
    sources: list[ValueSource] = field("Where it was read; at most 50.")
    preferred: bool = field("Whether it is shown first.")
    chosen: bool = field("Whether the viewer chose it by hand.")


@object_type("A field where sources disagree.", of=disagreeing.Conflict)
class FieldConflict:
    values: list[SourcedValue] = field("What they say, best first; at most 20.")
    sentence: str = field("Why the first is shown.")
    field: PersonField = field("The field.")  # last: from here on the name means the attribute
