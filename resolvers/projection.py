"""A person as the store keeps it: best values with their sources, computed from contacts and nothing else.

`project` is pure: the same contacts in any order give the same projection. It is what Person's fields are read from; it is
rebuilt from facts whenever a member changes, never edited. Stored as msgpack in `person.projection`.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a value was read: becomes ValueSource."""

    account_id: str
    contact_id: str
    as_of: datetime
    verified: bool = False


class Sourced(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all values of a person: where it comes from, and whether it is the one to show."""

    sources: tuple[Source, ...] = ()
    preferred: bool = False


class SourcedName(Sourced, frozen=True, kw_only=True, omit_defaults=True):
    full: str
    prefix: str | None = None
    given: str | None = None
    middle: str | None = None
    family: str | None = None
    suffix: str | None = None
    nickname: str | None = None
    phonetic: str | None = None


class SourcedEmail(Sourced, frozen=True, kw_only=True, omit_defaults=True):
    raw: str
    address: str | None = None
    label: str | None = None
    verified: bool = False
    shared: bool = False


class SourcedPhone(Sourced, frozen=True, kw_only=True, omit_defaults=True):
    raw: str
    number: str | None = None
    extension: str | None = None
    label: str | None = None
    verified: bool = False
    shared: bool = False


class SourcedUrl(Sourced, frozen=True, kw_only=True, omit_defaults=True):
    url: str
    label: str | None = None


class SourcedOrganization(Sourced, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    department: str | None = None
    title: str | None = None


class SourcedAddress(Sourced, frozen=True, kw_only=True, omit_defaults=True):
    formatted: str
    street: str | None = None
    locality: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None
    label: str | None = None


class SourcedDate(Sourced, frozen=True, kw_only=True, omit_defaults=True):
    year: int | None = None
    month: int | None = None
    day: int | None = None
    label: str | None = None


class SourcedText(Sourced, frozen=True, kw_only=True, omit_defaults=True):
    value: str


class Projection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that Person shows and that depends on its contacts alone."""

    name: str
    sort_name: str
    initials: str
    nature: str = "INDIVIDUAL"
    names: tuple[SourcedName, ...] = ()
    emails: tuple[SourcedEmail, ...] = ()
    phones: tuple[SourcedPhone, ...] = ()
    urls: tuple[SourcedUrl, ...] = ()
    organizations: tuple[SourcedOrganization, ...] = ()
    addresses: tuple[SourcedAddress, ...] = ()
    dates: tuple[SourcedDate, ...] = ()
    bio: SourcedText | None = None
    photo_hash: str | None = None
