"""A record as vCard 4.0 (RFC 6350): what `vcard.py` reads, written.

For records that never were a card, and for cards of older versions. A card that came as 4.0 is better kept as it came. Photos
and what a record does not carry are left out; nothing is invented.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from providers import records
from providers.formats.vcard_syntax import Property, escape, parse

_EMPTY: Final = b"BEGIN:VCARD\r\nVERSION:4.0\r\nEND:VCARD\r\n"
# RFC 6350 §6.1.4; AUTOMATED has no word there, `application` is RFC 6473's
_KINDS: Final = {"INDIVIDUAL": "individual", "ORGANIZATION": "org", "GROUP": "group", "AUTOMATED": "application"}
# TYPE values that RFC 6350 §5.6 and §6.4.1 know; any other word says nothing to other programs
_TYPES: Final = frozenset({"home", "work", "cell", "voice", "fax", "pager", "text", "video", "textphone"})

Parameters = tuple[tuple[str, tuple[str, ...]], ...]


def written(contact: records.Contact) -> str:
    """The card of a record, its lines ended by CRLF and folded at 75 octets."""
    card = parse(_EMPTY)
    for name, text, parameters, escaped in _properties(contact):
        made: Property = card.new_property(name, text, parameters=parameters, escaped=escaped)
        card = card.added(made)
    return card.serialise().decode()


def _properties(contact: records.Contact) -> Iterator[tuple[str, str, Parameters, bool]]:
    """Name, value, parameters and whether the value carries its escapes, in the order of RFC 6350 §6."""
    yield "KIND", _KINDS[contact.nature], (), False
    names = contact.names or (records.Name(full=_stand_in(contact)),)
    for name in names:
        yield "FN", name.full, (), False
    first = names[0]
    if first.given or first.family:
        parts = (first.family, first.given, first.middle, first.prefix, first.suffix)
        yield "N", ";".join(escape(part or "", "4.0") for part in parts), (), True
    if first.nickname:
        yield "NICKNAME", first.nickname, (), False
    for day in contact.dates:
        if day.label in ("birthday", "anniversary"):
            yield "BDAY" if day.label == "birthday" else "ANNIVERSARY", _day(day), (), False
    for address in contact.addresses:
        fields = ("", "", address.street, address.locality, address.region, address.postal_code, address.country)
        parameters = (*_typed(address.label), ("LABEL", (address.formatted.replace("\n", " "),)))
        yield "ADR", ";".join(escape(field or "", "4.0") for field in fields), parameters, True
    for phone in contact.phones:
        yield "TEL", phone.number or phone.raw, (*_typed(phone.label), *_preferred(phone.preferred)), False
    for email in contact.emails:
        yield "EMAIL", email.address or email.raw, (*_typed(email.label), *_preferred(email.preferred)), False
    for handle in contact.handles:
        # RFC 9554 §3.5: a handle that is no address is a text, its network a parameter
        value = (("SERVICE-TYPE", (handle.provider,)), ("USERNAME", (handle.handle,)))
        yield "SOCIALPROFILE", handle.url or handle.handle, value if handle.url else (("VALUE", ("text",)), *value[:1]), False
    for language in contact.languages:
        yield "LANG", language, (), False
    for organization in contact.organizations:
        units = [organization.name] if organization.department is None else [organization.name, organization.department]
        yield "ORG", ";".join(escape(unit, "4.0") for unit in units), (), True
        if organization.title:
            yield "TITLE", organization.title, (), False
    if contact.groups:
        yield "CATEGORIES", ",".join(escape(group, "4.0") for group in contact.groups), (), True
    for note in (contact.note, contact.bio):
        if note:
            yield "NOTE", note, (), False
    if contact.uid:
        yield "UID", contact.uid, (), False
    for url in [u.url for u in contact.urls] + ([contact.url] if contact.url else []):
        yield "URL", url, (), False
    if contact.updated_at is not None:
        yield "REV", contact.updated_at.strftime("%Y%m%dT%H%M%SZ"), (), False


def _stand_in(contact: records.Contact) -> str:
    """RFC 6350 §6.2.1: a card has a name; an address stands in for one."""
    values = [e.raw for e in contact.emails] + [p.raw for p in contact.phones] + [h.handle for h in contact.handles]
    return next(iter(values), contact.key)


def _day(day: records.PartialDate) -> str:
    """A date with the parts that are known (RFC 6350 §4.3.1)."""
    year = f"{day.year:04}" if day.year is not None else "--"
    if day.month is None:
        return year if day.year is not None else f"---{day.day or 1:02}"
    if day.day is None:
        return f"{year}-{day.month:02}" if day.year is not None else f"--{day.month:02}"
    return f"{year}{day.month:02}{day.day:02}"


def _typed(label: str | None) -> Parameters:
    if not label:
        return ()
    word = label.strip().lower()
    return (("TYPE", (word,)),) if word in _TYPES else ()


def _preferred(preferred: bool) -> Parameters:
    return (("PREF", ("1",)),) if preferred else ()
