"""One person of Google's People API as a contact: its entities as the discovery document describes them, and their fields.

Speaks `Person` of the People API v1. Every item of a field says which source it comes from; the address book is the source CONTACT.
Knows no calls and no lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from providers.formats import email_address, phone_number
from providers.formats.html_text import text_of
from providers.formats.vcard import web_address
from providers.records import (
    Address,
    Contact,
    Email,
    Handle,
    Name,
    Organization,
    PartialDate,
    Phone,
    Photo,
    Relation,
    Url,
)

#: What is asked for. The mask of other contacts may hold no more than these five.
FIELDS = (
    "addresses,biographies,birthdays,emailAddresses,events,imClients,locales,memberships,metadata,names,nicknames,"
    "organizations,phoneNumbers,photos,urls"
)
OTHER_FIELDS = "emailAddresses,metadata,names,phoneNumbers,photos"
MAX_SHORT = 1_000
MAX_TEXT = 100_000
MAX_VALUES = 200
#: People write 1604 where a year is unknown, because Apple does.
NO_YEAR = 1604
PHOTO_SIDE = 512
#: A phone's type as the plan of North American numbers cannot tell it.
LINES: Mapping[str, phone_number.LineType] = {
    "mobile": "MOBILE", "workMobile": "MOBILE", "home": "FIXED", "work": "FIXED", "homeFax": "FIXED", "workFax": "FIXED",
}  # fmt: skip
NETWORKS = {"googleTalk": "google-talk", "netMeeting": "netmeeting"}
#: Sources whose items Google itself has verified where it says so.
PROVEN = frozenset({"ACCOUNT", "PROFILE", "DOMAIN_PROFILE"})
_BOOK_NAME = re.compile(r"people/c(\d{1,20})\Z")
_SIZE = re.compile(r"=s\d{1,5}(-[a-z-]{1,10})?\Z")


class Source(msgspec.Struct, frozen=True, rename="camel"):
    type: str | None = None
    id: str | None = None
    etag: str | None = None
    update_time: str | None = None


class Meta(msgspec.Struct, frozen=True, rename="camel"):
    """PersonMetadata."""

    sources: list[Source] = []
    previous_resource_names: list[str] = []
    deleted: bool = False


class FieldMeta(msgspec.Struct, frozen=True, rename="camel"):
    """FieldMetadata."""

    primary: bool = False
    verified: bool = False
    source: Source | None = None


class Field(msgspec.Struct, frozen=True, rename="camel"):
    """What every item of a field may bear."""

    metadata: FieldMeta | None = None
    type: str | None = None
    formatted_type: str | None = None
    value: str | None = None

    @property
    def primary(self) -> bool:
        return self.metadata is not None and self.metadata.primary

    @property
    def proven(self) -> bool:
        found = self.metadata
        return found is not None and found.verified and found.source is not None and found.source.type in PROVEN


class PersonName(Field, frozen=True, rename="camel"):
    display_name: str | None = None
    unstructured_name: str | None = None
    given_name: str | None = None
    middle_name: str | None = None
    family_name: str | None = None
    honorific_prefix: str | None = None
    honorific_suffix: str | None = None
    phonetic_full_name: str | None = None
    phonetic_given_name: str | None = None
    phonetic_family_name: str | None = None


class Number(Field, frozen=True, rename="camel"):
    canonical_form: str | None = None


class Employer(Field, frozen=True, rename="camel"):
    name: str | None = None
    department: str | None = None
    title: str | None = None
    current: bool = False


class Place(Field, frozen=True, rename="camel"):
    formatted_value: str | None = None
    street_address: str | None = None
    extended_address: str | None = None
    po_box: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None


class Day(msgspec.Struct, frozen=True):
    year: int | None = None
    month: int | None = None
    day: int | None = None


class Dated(Field, frozen=True, rename="camel"):
    date: Day | None = None


class Biography(Field, frozen=True, rename="camel"):
    content_type: str | None = None


class Picture(Field, frozen=True, rename="camel"):
    url: str | None = None
    default: bool = False


class GroupMembership(msgspec.Struct, frozen=True, rename="camel"):
    contact_group_resource_name: str | None = None


class Membership(msgspec.Struct, frozen=True, rename="camel"):
    contact_group_membership: GroupMembership | None = None


class Chat(Field, frozen=True, rename="camel"):
    protocol: str | None = None
    username: str | None = None


class Person(msgspec.Struct, frozen=True, rename="camel"):
    """Person, as far as it is used."""

    resource_name: str
    etag: str | None = None
    metadata: Meta | None = None
    names: list[PersonName] = []
    nicknames: list[Field] = []
    email_addresses: list[Field] = []
    phone_numbers: list[Number] = []
    organizations: list[Employer] = []
    addresses: list[Place] = []
    birthdays: list[Dated] = []
    events: list[Dated] = []
    urls: list[Field] = []
    im_clients: list[Chat] = []
    biographies: list[Biography] = []
    photos: list[Picture] = []
    locales: list[Field] = []
    memberships: list[Membership] = []


def keys_of(person: Person, book: str) -> tuple[str, tuple[str, ...]]:
    """What a person is known by in a list, and what it was known by before where that differs.

    A contact's resource name changes when a profile is linked to it or leaves; its number in the address book does not.
    """
    meta = person.metadata or Meta()
    if book != "contacts":
        prefix = "directory/" if book == "directory" else ""
        return prefix + person.resource_name, tuple(prefix + name for name in meta.previous_resource_names)
    key = _book_key(person.resource_name) or next(
        (found for each in meta.sources if each.type == "CONTACT" and (found := _from_hex(each.id))), person.resource_name
    )
    before = [_book_key(name) or name for name in meta.previous_resource_names]
    return key, tuple(name for name in dict.fromkeys(before) if name != key)


def contact(
    person: Person, *, key: str, container: str, relation: Relation, groups: Mapping[str, str], region: str | None
) -> Contact:
    """The record of a person. `groups` are names by resource name, `region` reads numbers that lack a country code."""
    meta = person.metadata or Meta()
    source = next((each for each in meta.sources if each.type == "CONTACT"), meta.sources[0] if meta.sources else Source())
    emails = tuple(_emails(person.email_addresses))
    phones = tuple(_phones(person.phone_numbers, region))
    organizations = tuple(_organizations(person.organizations))
    names = _names(
        person, (*(each.name for each in organizations), *(each.raw for each in emails), *(each.raw for each in phones))
    )
    mine = [each.contact_group_membership for each in person.memberships[:MAX_VALUES] if each.contact_group_membership]
    return Contact(
        key=key,
        relation=relation,
        nature="ORGANIZATION" if organizations and not _named(person) else "INDIVIDUAL",
        names=names,
        emails=emails,
        phones=phones,
        urls=tuple(
            Url(url=url, label=_label(each)) for each in person.urls[:MAX_VALUES] if (url := web_address(_short(each.value)))
        ),
        handles=tuple(
            Handle(provider=NETWORKS.get(each.protocol or "", _short(each.protocol).lower() or "chat"), handle=name)
            for each in person.im_clients[:MAX_VALUES]
            if (name := _short(each.username))
        ),
        organizations=organizations,
        addresses=tuple(_addresses(person.addresses)),
        dates=(*_dates(person.birthdays, "birthday"), *_dates(person.events, None)),
        groups=tuple(sorted({groups[name] for each in mine if (name := each.contact_group_resource_name or "") in groups})),
        languages=tuple(dict.fromkeys(_short(each.value).lower() for each in person.locales[:MAX_VALUES] if _short(each.value))),
        note=_note(person.biographies),
        photo=_photo(person.photos),
        url=f"https://contacts.google.com/person/{key.removeprefix('people/')}" if relation == "ADDRESS_BOOK" else None,
        etag=source.etag or person.etag,  # a write has to bear the etag of the source CONTACT
        container=container,
        updated_at=_instant(source.update_time),
    )


def _named(person: Person) -> bool:
    return any(_short(each.display_name or each.given_name or each.family_name) for each in person.names)


def _names(person: Person, otherwise: Iterable[str]) -> tuple[Name, ...]:
    nickname = next((text for each in person.nicknames if (text := _short(each.value))), None)
    found = []
    for each in sorted(person.names[:MAX_VALUES], key=lambda name: not name.primary):
        parts = {
            "prefix": each.honorific_prefix,
            "given": each.given_name,
            "middle": each.middle_name,
            "family": each.family_name,
            "suffix": each.honorific_suffix,
        }
        told = {name: text for name, value in parts.items() if (text := _short(value))}
        full = _short(each.display_name) or _short(each.unstructured_name) or " ".join(told.values())
        spoken = _short(each.phonetic_full_name) or " ".join(
            filter(None, (_short(each.phonetic_given_name), _short(each.phonetic_family_name)))
        )
        if full:
            found.append(Name(full=full, nickname=nickname, phonetic=spoken or None, **told))
    if not found:
        full = next((text for text in (nickname or "", *otherwise) if text), "")
        return (Name(full=full, nickname=nickname),) if full else ()
    return tuple(dict.fromkeys(found))


def _emails(items: list[Field]) -> Iterable[Email]:
    for each in items[:MAX_VALUES]:
        if raw := _short(each.value):
            yield Email(
                raw=raw,
                address=email_address.normalised(raw),
                label=_label(each),
                preferred=each.primary and len(items) > 1,
                verified=each.proven,
            )


def _phones(items: list[Number], region: str | None) -> Iterable[Phone]:
    for each in items[:MAX_VALUES]:
        if raw := _short(each.value):
            found = phone_number.read(
                raw,
                region,
                label=_label(each),
                line=LINES.get(each.type or "", "UNKNOWN"),
                preferred=each.primary and len(items) > 1,
            )
            if found.number is None and each.canonical_form:  # Google knows the account's country
                read = phone_number.read(_short(each.canonical_form), None, line=LINES.get(each.type or "", "UNKNOWN"))
                found = msgspec.structs.replace(found, number=read.number, extension=read.extension, mobile=read.mobile)
            yield msgspec.structs.replace(found, verified=each.proven)


def _organizations(items: list[Employer]) -> Iterable[Organization]:
    for each in sorted(items[:MAX_VALUES], key=lambda item: not (item.current or item.primary)):
        name, department, title = _short(each.name), _short(each.department) or None, _short(each.title) or None
        if name or department or title:
            yield Organization(name=name, department=department, title=title)


def _addresses(items: list[Place]) -> Iterable[Address]:
    for each in items[:MAX_VALUES]:
        street = "\n".join(filter(None, (_short(each.street_address), _short(each.extended_address), _short(each.po_box))))
        city, region, code, country = (_short(value) for value in (each.city, each.region, each.postal_code, each.country))
        formatted = _short(each.formatted_value) or "\n".join(filter(None, (street, f"{code} {city}".strip(), region, country)))
        if formatted:
            yield Address(
                formatted=formatted,
                street=street or None,
                locality=city or None,
                region=region or None,
                postal_code=code or None,
                country=country or None,
                label=_label(each),
            )


def _dates(items: list[Dated], label: str | None) -> Iterable[PartialDate]:
    seen = set()
    for each in items[:MAX_VALUES]:
        day = each.date
        if day is None:
            continue
        found = PartialDate(
            year=day.year if day.year and day.year != NO_YEAR and 0 < day.year < 10_000 else None,
            month=day.month if day.month and 1 <= day.month <= 12 else None,
            day=day.day if day.day and 1 <= day.day <= 31 else None,
            label=label or _label(each),
        )
        if (found.year or found.month or found.day) and found not in seen:
            seen.add(found)
            yield found


def _note(items: list[Biography]) -> str | None:
    texts = []
    for each in items[:MAX_VALUES]:
        text = (each.value or "").replace("\x00", "")[:MAX_TEXT].strip()
        texts.append(text_of(text) if each.content_type == "TEXT_HTML" else text)
    return "\n\n".join(filter(None, texts)) or None


def _photo(items: list[Picture]) -> Photo | None:
    """A real picture, not the coloured letter that stands in for one."""
    for each in sorted(items[:MAX_VALUES], key=lambda item: not item.primary):
        url = web_address(_short(each.url))
        if url and not each.default:
            return Photo(url=_SIZE.sub(f"=s{PHOTO_SIDE}", url))
    return None


def _label(each: Field) -> str | None:
    return _short(each.type) or _short(each.formatted_type) or None


def _book_key(resource_name: str) -> str | None:
    """`people/c<decimal>`, when a resource name is of that form."""
    return resource_name if _BOOK_NAME.match(resource_name) else None


def _from_hex(identifier: str | None) -> str | None:
    """The same from the source's id, which is the same number in hexadecimal."""
    text = identifier or ""
    return f"people/c{int(text, 16)}" if re.fullmatch(r"[0-9a-fA-F]{1,16}", text) else None


def _instant(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
        return moment.astimezone(UTC) if moment and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _short(text: str | None) -> str:
    return (text or "").replace("\x00", "").strip()[:MAX_SHORT]
