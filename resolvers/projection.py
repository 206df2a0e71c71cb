"""A person as the store keeps it: best values with their sources, computed from contacts and nothing else.

`project` is pure: the same contacts in any order, with what the viewer chose, give the same projection. It is what Person's fields
are read from; it is rebuilt from facts whenever a member changes, never edited. Stored as msgpack in `person.projection`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec

from providers import records
from resolvers.identity.keys import is_role
from store.words import fold

_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_record = msgspec.msgpack.Decoder(records.Contact).decode


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
    chosen: bool = False  # by hand


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


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A contact of the person, with what the store knows of it."""

    contact_id: str
    account_id: str
    born: int
    updated_at: datetime
    photo_hash: str | None
    record: records.Contact


def member_of(row: Any) -> Member:
    """The contact of a row. Raises MsgspecError where it is damaged."""
    return Member(
        contact_id=row.id, account_id=row.account_id, born=row.born, updated_at=row.updated_at, photo_hash=row.photo_hash,
        record=_record(row.record),
    )  # fmt: skip


# whose name is shown: what the viewer wrote, before what people call themselves, before what mail headers say
_RELATION_RANK: Final = {"ADDRESS_BOOK": 0, "CONNECTION": 1, "PROFILE": 1, "FOLLOWING": 2, "FOLLOWER": 3, "MEMBER": 3, "ATTENDEE": 4,
                         "CORRESPONDENT": 5}  # fmt: skip
# where somebody works and lives, and their face, change: who knows them goes before who only says so, then the latest word counts
_FRESH_RANK: Final = {"ADDRESS_BOOK": 0, "CONNECTION": 0, "PROFILE": 0, "FOLLOWING": 1, "MEMBER": 1, "FOLLOWER": 2, "ATTENDEE": 3,
                      "CORRESPONDENT": 3}  # fmt: skip
_V = TypeVar("_V", bound=Sourced)


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A value that the viewer chose by hand: of which contact, whether that very value or whatever the contact says, and the value."""

    contact_id: str
    pinned: bool
    value: Sourced | None = None  # None for a photo, and when it is erased


Choices = Mapping[str, Choice]  # by PersonField
_NO_CHOICES: Final[Choices] = {}


def project(members: Sequence[Member], choices: Choices = _NO_CHOICES) -> Projection:
    """The person that these contacts make. Empty `members` make an empty person."""
    ordered = sorted(members, key=lambda m: (_RELATION_RANK[m.record.relation], m.born, m.contact_id))
    latest = sorted(ordered, key=_freshness)
    chosen = {name: _chosen(choice, name, ordered) for name, choice in choices.items()}
    names = _put_first(_collect(ordered, values_of["NAME"]), chosen.get("NAME"))
    emails = _collect(ordered, values_of["EMAIL"])
    phones = _collect(ordered, values_of["PHONE"])
    organizations = _collect(latest, values_of["ORGANIZATION"])
    best = names[0] if names and names[0].chosen else _best_name(names)
    shown = (
        best.full if best else next((e.raw for e in emails), next((p.raw for p in phones), "")) or _handle(ordered) or "Unknown"
    )
    if best:
        names = tuple(msgspec.structs.replace(n, preferred=n is best) for n in names)
    bios = _prefer(_collect(ordered, values_of["BIO"]), chosen.get("BIO"))
    natures = {m.record.nature for m in ordered}
    return Projection(
        name=shown,
        sort_name=_sort_name(best, shown),
        initials=_initials(best, shown),
        nature="INDIVIDUAL"
        if "INDIVIDUAL" in natures or not natures
        else "ORGANIZATION"
        if "ORGANIZATION" in natures
        else "AUTOMATED",
        names=names,
        emails=_prefer(emails, chosen.get("EMAIL")),
        phones=_prefer(phones, chosen.get("PHONE")),
        urls=_prefer(_collect(ordered, values_of["URL"]), chosen.get("URL")),
        organizations=_prefer(organizations, chosen.get("ORGANIZATION")),
        addresses=_prefer(_collect(latest, values_of["ADDRESS"]), chosen.get("ADDRESS")),
        dates=_days(ordered, chosen.get("BIRTHDAY")),
        bio=bios[0] if bios else None,
        photo_hash=_photo(latest, choices.get("PHOTO")),
    )


def _freshness(member: Member) -> tuple[int, float]:
    """Who knows them first, then the latest; of a card that does not say when it was changed, since when it says so here."""
    at = member.record.updated_at or member.updated_at
    return _FRESH_RANK[member.record.relation], -(at.replace(tzinfo=UTC) if at.tzinfo is None else at).timestamp()


def _chosen(choice: Choice, name: str, members: Sequence[Member]) -> Sourced | None:
    """The value of a choice: what its contact says now, unless it is that very value that was chosen or the contact says nothing more."""
    if not choice.pinned or choice.value is None:
        of_contact = (v for m in members if m.contact_id == choice.contact_id for v in values_of.get(name, _nothing)(m))
        return next(of_contact, choice.value)
    return choice.value


def _put_first(values: tuple[_V, ...], chosen: Sourced | None) -> tuple[_V, ...]:
    """What was chosen before everything else, whoever still says it."""
    if chosen is None:
        return values
    said: Any = next((v for v in values if identity(v) == identity(chosen)), chosen)
    first = msgspec.structs.replace(said, preferred=True, chosen=True)
    return first, *(msgspec.structs.replace(v, preferred=False) for v in values if v is not said)


def _days(members: Sequence[Member], chosen: Sourced | None) -> tuple[SourcedDate, ...]:
    """Birthdays first: a whole day before a part of one, then what the better source says, then what more of them say."""
    rank = {m.contact_id: _RELATION_RANK[m.record.relation] for m in members}

    def worth(day: SourcedDate) -> tuple[bool, bool, int, int]:
        return None in (day.month, day.day), day.year is None, min(rank[s.contact_id] for s in day.sources), -len(day.sources)

    births = sorted(_collect(members, _birthdays), key=worth)
    return _prefer((*births, *_collect(members, _other_days)), chosen)


def is_birthday(day: SourcedDate) -> bool:
    """Whether a date is when somebody was born."""
    return day.label == "birthday"


def _photo(members: Sequence[Member], choice: Choice | None) -> str | None:
    """The picture to show. What came with an account goes with it, chosen or not."""
    mine = next((m.photo_hash for m in members if choice is not None and m.contact_id == choice.contact_id), None)
    return mine or next((m.photo_hash for m in members if m.photo_hash), None)


def name_of(record: records.Contact) -> str:
    """The name to show for one contact."""
    return project([Member(contact_id="", account_id="", born=0, updated_at=_NEVER, photo_hash=None, record=record)]).name


def _collect(members: Sequence[Member], values: Callable[[Member], Iterable[_V]]) -> tuple[_V, ...]:
    """Each distinct value once, in the order of the members, with every contact that has it as a source."""
    found: dict[tuple[object, ...], _V] = {}
    for member in members:
        for value in values(member):
            key = identity(value)
            verified = bool(getattr(value, "verified", False))
            source = Source(
                contact_id=member.contact_id, account_id=member.account_id, as_of=member.updated_at, verified=verified
            )
            old = found.get(key)
            if old is None:
                found[key] = msgspec.structs.replace(value, sources=(source,))
            elif source not in old.sources:
                changes: dict[str, object] = {"sources": (*old.sources, source), "preferred": old.preferred or value.preferred}
                if verified:
                    changes["verified"] = True
                found[key] = msgspec.structs.replace(old, **changes)
    return tuple(found.values())


def identity(value: Sourced) -> tuple[object, ...]:
    """What makes two values the same one: the normalised form, else the text without case."""
    if isinstance(value, SourcedEmail):
        return ((value.address or value.raw).casefold(),)
    if isinstance(value, SourcedPhone):
        return (value.number or value.raw, value.extension)
    if isinstance(value, SourcedName):
        return (value.full.casefold(),)
    if isinstance(value, SourcedUrl):
        return (value.url,)
    if isinstance(value, SourcedOrganization):
        return (value.name.casefold(), value.department, value.title)
    if isinstance(value, SourcedAddress):
        return (value.formatted.casefold(),)
    if isinstance(value, SourcedDate):
        return (value.label, value.year, value.month, value.day)
    return (value.value,) if isinstance(value, SourcedText) else (value,)


def _prefer(values: tuple[_V, ...], chosen: Sourced | None = None) -> tuple[_V, ...]:
    """Exactly one preferred value: what was chosen, else the first that its source prefers, else the first."""
    if chosen is not None:
        return _put_first(values, chosen)
    first = next((v for v in values if v.preferred), next(iter(values), None))
    return tuple(msgspec.structs.replace(v, preferred=v is first) for v in values)


def _names(member: Member) -> list[SourcedName]:
    return [
        SourcedName(full=n.full, prefix=n.prefix, given=n.given, middle=n.middle, family=n.family, suffix=n.suffix,
                    nickname=n.nickname, phonetic=n.phonetic)
        for n in member.record.names if n.full.strip()
    ]  # fmt: skip


def _emails(member: Member) -> list[SourcedEmail]:
    return [
        SourcedEmail(raw=e.raw, address=e.address, label=e.label, verified=e.verified, preferred=e.preferred,
                     shared=e.address is not None and is_role(e.address))
        for e in member.record.emails
    ]  # fmt: skip


def _phones(member: Member) -> list[SourcedPhone]:
    return [
        SourcedPhone(raw=p.raw, number=p.number, extension=p.extension, label=p.label, verified=p.verified, preferred=p.preferred)
        for p in member.record.phones
    ]


def _organizations(member: Member) -> list[SourcedOrganization]:
    return [SourcedOrganization(name=o.name, department=o.department, title=o.title) for o in member.record.organizations]


def _addresses(member: Member) -> list[SourcedAddress]:
    return [
        SourcedAddress(formatted=a.formatted, street=a.street, locality=a.locality, region=a.region, postal_code=a.postal_code,
                       country=a.country, label=a.label)
        for a in member.record.addresses
    ]  # fmt: skip


def _birthdays(member: Member) -> list[SourcedDate]:
    return [d for d in _dates(member) if is_birthday(d)]


def _other_days(member: Member) -> list[SourcedDate]:
    return [d for d in _dates(member) if not is_birthday(d)]


def _dates(member: Member) -> list[SourcedDate]:
    return [SourcedDate(year=d.year, month=d.month, day=d.day, label=d.label) for d in member.record.dates]


def _urls(member: Member) -> list[SourcedUrl]:
    return [SourcedUrl(url=u.url, label=u.label) for u in member.record.urls]


def _bios(member: Member) -> list[SourcedText]:
    return [SourcedText(value=member.record.bio)] if member.record.bio else []


def _nothing(member: Member) -> list[Any]:
    return []


#: What a contact says in each field that has a best value, in its own order; pictures are no values.
values_of: Final[dict[str, Callable[[Member], list[Any]]]] = {
    "NAME": _names, "EMAIL": _emails, "PHONE": _phones, "URL": _urls, "ORGANIZATION": _organizations, "ADDRESS": _addresses,
    "BIRTHDAY": _birthdays, "BIO": _bios,
}  # fmt: skip
VALUES: Final[dict[str, type[Sourced]]] = {
    "NAME": SourcedName, "EMAIL": SourcedEmail, "PHONE": SourcedPhone, "URL": SourcedUrl, "ORGANIZATION": SourcedOrganization,
    "ADDRESS": SourcedAddress, "BIRTHDAY": SourcedDate, "BIO": SourcedText,
}  # fmt: skip


def _best_name(names: Sequence[SourcedName]) -> SourcedName | None:
    """The first of the best-ranked source, unless it is a fragment and a fuller form of it is known."""
    real = [n for n in names if "@" not in n.full]
    if not real:
        return names[0] if names else None
    first = real[0]
    words = set(fold(first.full).split())
    if len(words) < 2:
        return next((n for n in real if words < set(fold(n.full).split())), first)
    return first


def _sort_name(best: SourcedName | None, shown: str) -> str:
    if best is not None and best.family:
        return fold(f"{best.family} {best.given or ''}") or shown.casefold()
    words = shown.split()
    # without parts the last word is taken for the family name, except where names are written without spaces
    return fold(" ".join([words[-1], *words[:-1]])) if words and "@" not in shown else shown.casefold()


def _initials(best: SourcedName | None, shown: str) -> str:
    if best is not None and best.given and best.family:
        return (best.given[0] + best.family[0]).upper()
    words = [w for w in shown.replace("@", " ").split() if w[0].isalnum()]
    return "".join(w[0] for w in (words[:1] + words[-1:] if len(words) > 1 else words)).upper() or "?"


def _handle(members: Sequence[Member]) -> str | None:
    return next((h.handle for m in members for h in m.record.handles), None)
