"""A record as vCard 4.0 (RFC 6350, RFC 9554): what `vcard.py` reads, written so that reading gives the record again.

`written` is the card that clients are shown. `whole` is the one that an export has: with the picture, a UID, and what the card that the record was
read from said besides (`beyond`). What a label, a date or a number needs so as not to be read as something else is written only where it does.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from providers import records
from providers.formats import phone_number, vcard, vcard_own
from providers.formats.vcard_syntax import Card, Property, escape, parse

_EMPTY: Final = b"BEGIN:VCARD\r\nVERSION:4.0\r\nEND:VCARD\r\n"
# RFC 6350 §6.1.4; AUTOMATED has no word there, `application` is RFC 6473's
_KINDS: Final = {"INDIVIDUAL": "individual", "ORGANIZATION": "org", "GROUP": "group", "AUTOMATED": "application"}
# TYPE values that RFC 6350 §5.6 and §6.4.1 know and that are read as labels; any other word says nothing to other programs
_TYPES: Final = frozenset({"home", "work", "cell", "fax", "pager", "video", "textphone"})
#: Properties that have no parts, in which version 2.1 escapes nothing.
_TEXTS: Final = frozenset({"FN", "NOTE", "TITLE", "ROLE", "LABEL", "EMAIL", "MAILER", "UID"})
_DAYS: Final = {"birthday": "BDAY", "anniversary": "ANNIVERSARY", "death": "DEATHDATE"}
#: What a contact has a place for, of which `written` leaves nothing out; all else that a card says is carried over as it is.
CARRIED: Final = frozenset(
    {
        *(
            "BEGIN",
            "END",
            "VERSION",
            "PRODID",
            "REV",
            "UID",
            "CREATED",
            "X-CREATED",
            "KIND",
            "X-ADDRESSBOOKSERVER-KIND",
            "X-ABSHOWAS",
        ),
        *("FN", "N", "NICKNAME", "X-NICKNAME", "X-PHONETIC-FIRST-NAME", "X-PHONETIC-MIDDLE-NAME", "X-PHONETIC-LAST-NAME"),
        *("EMAIL", "TEL", "URL", "X-URL", "X-HOMEPAGE", "BLOG", "X-BLOG-URL", "X-EVOLUTION-BLOG-URL", "ADR", "ORG", "TITLE"),
        *(
            "BDAY",
            "X-BIRTHDAY",
            "ANNIVERSARY",
            "X-ANNIVERSARY",
            "X-EVOLUTION-ANNIVERSARY",
            "X-MS-ANNIVERSARY",
            "DEATHDATE",
            "X-ABDATE",
        ),
        *("X-KADDRESSBOOK-X-ANNIVERSARY", "CATEGORIES", "NOTE", "LANG", "PHOTO", "X-MS-CARDPICTURE", "MEMBER"),
        *("X-ADDRESSBOOKSERVER-MEMBER", "IMPP", "SOCIALPROFILE", "X-SOCIALPROFILE", *vcard_own.PROPERTIES),
    }
)

Parameters = tuple[tuple[str, tuple[str, ...]], ...]


class Line(msgspec.Struct, frozen=True):
    """A property to write; `escaped` says that the value carries its escapes. `label` is what the user calls it."""

    name: str
    value: str
    parameters: Parameters = ()
    escaped: bool = False
    label: str | None = None
    group: str = ""


def written(contact: records.Contact) -> str:
    """The card of a record, its lines ended by CRLF and folded at 75 octets; without its picture."""
    return _card(_lines(contact)).serialise().decode()


def whole(contact: records.Contact, uid: str) -> Card:
    """The card that an export has: `uid` is what it is known by, the record's picture has its bytes or its address.

    A record that came as a card and says what that card says is that card, in version 4.0; with `beyond` of any other.
    """
    told = parse(contact.vcard.encode()) if contact.vcard else None
    today = None if told is None else told if told.version == "4.0" else upgraded(told)
    if today is not None and says(today, contact):
        same = _numbered(today, contact)
        if same is not None:
            return _pictured(same if same.first("UID") else _added(same, [Line("UID", _uid(uid))]), contact.photo)
    named = msgspec.structs.replace(contact, uid=uid)
    card = _card([*_lines(named), *_picture(contact.photo)])
    return card if told is None else _added(card, beyond(told, contact.photo))


def _numbered(told: Card, contact: records.Contact) -> Card | None:
    """A card whose numbers say what the record knows of them: one that lacks its country was read by where its user is, which others do
    not know. None where a card cannot say it.
    """
    known = {phone.raw: phone for phone in contact.phones}
    card = told
    for one in told.all("TEL"):
        phone = known.get(vcard_own.written(one) or vcard.tel(one))
        if phone is not None and _read_alone(Card(version="4.0", properties=(one,))) != phone.number:
            line = _phone(phone)
            ours = tuple(pair for pair in line.parameters if pair[0] in (vcard_own.WRITTEN, vcard_own.LINE))
            theirs = tuple(pair for pair in one.parameters if pair[0] not in ("VALUE", vcard_own.WRITTEN, vcard_own.LINE))
            new = card.new_property("TEL", line.value, group=one.group, parameters=(*theirs, *ours))
            card = card.replaced(one, new)
    if card is told:
        return told
    read = vcard.to_contact(card, key="-", region=None, container="")
    return card if read.phones == contact.phones else None


def _read_alone(card: Card) -> str | None:
    """The number of a card of one, as who does not know where its user is reads it."""
    read = vcard.to_contact(card, key="-", region=None, container="").phones
    return read[0].number if read else None


def _pictured(card: Card, photo: records.Photo | None) -> Card:
    """The card with the record's picture before all others, unless it is there."""
    if photo is None or any(vcard.picture(one) == photo for one in card.all("PHOTO")):
        return card
    made = tuple(card.new_property(line.name, line.value, parameters=line.parameters, escaped=True) for line in _picture(photo))
    at = next(at for at, one in enumerate(card.properties) if one.name in ("PHOTO", "END"))
    return Card(version=card.version, properties=(*card.properties[:at], *made, *card.properties[at:]))


def beyond(card: Card, photo: records.Photo | None = None) -> list[Line]:
    """What a card of any version says that a contact has no place for, as lines of version 4.0; pictures besides `photo` too."""
    found = []
    groups = {one.group.lower() for one in card.properties if one.name not in (*CARRIED, "X-ABLABEL", "") and one.group}
    for one in card.properties:
        other = one.name == "PHOTO" and vcard.picture(one) not in (None, photo)
        if not one.name or (one.name in CARRIED and not other) or (one.name == "X-ABLABEL" and one.group.lower() not in groups):
            continue
        found.append(msgspec.structs.replace(_today(one), group=_group(one)))
    return found


def upgraded(card: Card) -> Card:
    """A card of version 2.1 or 3.0 in 4.0, property by property (RFC 6350, appendix A)."""
    lines = [_today(one) for one in card.properties if one.name not in ("", "BEGIN", "END", "VERSION", "PRODID")]
    return _added(parse(_EMPTY), lines)


def _today(one: Property) -> Line:
    """A property as version 4.0 writes it, in its group."""
    parameters: list[tuple[str, tuple[str, ...]]] = []
    for name, values in one.parameters:
        if name == "TYPE" and one.version != "4.0":  # RFC 6350 §5.3: what is preferred is told by PREF
            words = [word for value in values for word in value.split(",")]
            parameters += [("PREF", ("1",))] if any(word.lower() == "pref" for word in words) else []
            values = tuple(word for word in words if word and word.lower() not in ("pref", "internet"))  # as all mail is
        if values and name not in ("ENCODING", "CHARSET"):
            parameters.append((name, values))
    if one.encoding == "BASE64":  # RFC 6350 §5.2: bytes are a data: URI
        kind = vcard.image_type(one.data) or ""
        value = f"data:{kind};base64,{base64.b64encode(one.data).decode()}"
    elif one.version == "2.1" and one.name in _TEXTS:
        value = escape(one.text.replace("\r\n", "\n"), "4.0")
    elif one.version == "2.1":
        value = ";".join(",".join(escape(item, "4.0") for item in items) for items in one.parts)
    else:
        value = one.undecoded.replace("\r", "").replace("\n", "\\n")
    return Line(one.name, value, tuple(parameters), True, group=one.group)


def _group(one: Property) -> str:
    """The group of what is kept, apart from those that are written."""
    return one.group if not one.group or one.group.startswith("kept-") else f"kept-{one.group}"


def says(card: Card, contact: records.Contact) -> bool:
    """Whether a card, read without knowing the account's region, gives the record again, but for the countries of its numbers."""
    beside: dict[str, Any] = {
        "relation": "ADDRESS_BOOK", "etag": None, "vcard": None, "photo": None, "uid": None, "container": "", "key": "", "phones": (),
    }  # fmt: skip
    read = vcard.to_contact(card, key="-", region=None, container="")
    return (
        [(phone.raw, phone.label, phone.preferred) for phone in read.phones]
        == [(phone.raw, phone.label, phone.preferred) for phone in contact.phones]
    ) and msgspec.structs.replace(read, **beside) == msgspec.structs.replace(contact, **beside)


def _card(lines: list[Line]) -> Card:
    return _added(parse(_EMPTY), lines)


def _added(card: Card, lines: list[Line]) -> Card:
    made: list[Property] = []
    labels = 0
    for line in lines:
        group = line.group
        if line.label:
            labels += 1
            group = f"item{labels}"
        made.append(card.new_property(line.name, line.value, group=group, parameters=line.parameters, escaped=line.escaped))
        if line.label:
            made.append(card.new_property("X-ABLABEL", line.label, group=group))
    end = next((at for at, one in enumerate(card.properties) if one.name == "END"), len(card.properties))
    return Card(version=card.version, properties=(*card.properties[:end], *made, *card.properties[end:]))


# --- properties, in the order of RFC 6350 §6 ------------------------------------------------------------------------------


def _lines(contact: records.Contact) -> list[Line]:
    return [
        Line("KIND", _KINDS[contact.nature]),
        *_names(contact),
        *_dates(contact),
        *(line for one in contact.addresses for line in _address(one)),
        *(_phone(one) for one in contact.phones),
        *(_email(one) for one in contact.emails),
        *(_handle(one) for one in contact.handles),
        *(Line("LANG", language) for language in contact.languages),
        *_jobs(contact),
        *([Line("CATEGORIES", ",".join(escape(group, "4.0") for group in contact.groups), (), True)] if contact.groups else []),
        *([Line("NOTE", contact.note)] if contact.note else []),
        *([Line(vcard_own.BIO, contact.bio)] if contact.bio else []),
        *([Line("UID", _uid(contact.uid))] if contact.uid else []),
        *(Line("MEMBER", _uid(member)) for member in contact.members),
        *(_url(one) for one in contact.urls),
        *([Line(vcard_own.PROFILE, contact.url)] if contact.url else []),
        *([Line(vcard_own.FOLLOWERS, str(contact.followers))] if contact.followers is not None else []),
        *([Line(vcard_own.FOLLOWING, str(contact.following))] if contact.following is not None else []),
        *([Line("CREATED", contact.created_at.strftime("%Y%m%dT%H%M%SZ"))] if contact.created_at is not None else []),
        *([Line("REV", contact.updated_at.strftime("%Y%m%dT%H%M%SZ"))] if contact.updated_at is not None else []),
    ]


def _uid(uid: str) -> str:
    """RFC 6350 §6.7.6: an address, where it is a UUID."""
    dashed = len(uid) == 36 and [len(part) for part in uid.split("-")] == [8, 4, 4, 4, 12]
    return f"urn:uuid:{uid}" if dashed and not set(uid.lower()) - set("0123456789abcdef-") else uid


def _names(contact: records.Contact) -> Iterator[Line]:
    names = contact.names or (records.Name(full=_stand_in(contact)),)
    for at, name in enumerate(names):
        parts = (name.family, name.given, name.middle, name.prefix, name.suffix)
        told = any(parts) or name.nickname
        altid: Parameters = (("ALTID", (str(at),)),) if at and told else ()
        yield Line("FN", name.full, altid)
        if any(parts):
            yield Line("N", ";".join(escape(part or "", "4.0") for part in parts), altid, True)
        if name.nickname:
            yield Line("NICKNAME", name.nickname, altid)
    if names[0].phonetic:
        yield Line("X-PHONETIC-FIRST-NAME", names[0].phonetic)


def _stand_in(contact: records.Contact) -> str:
    """RFC 6350 §6.2.1: a card has a name; an address stands in for one."""
    values = [e.raw for e in contact.emails] + [p.raw for p in contact.phones] + [h.handle for h in contact.handles]
    return next(iter(values), contact.key)


def _dates(contact: records.Contact) -> Iterator[Line]:
    told: set[str] = set()
    for day in contact.dates:
        name = _DAYS.get(day.label or "")
        if name is not None and name not in told:  # RFC 6350 §6.2.5: one of each
            told.add(name)
            yield Line(name, _day(day))
        else:
            yield Line("X-ABDATE", _day(day), label=None if day.label == "other" else day.label)


def _day(day: records.PartialDate) -> str:
    """A date with the parts that are known (RFC 6350 §4.3.1)."""
    year = f"{day.year:04}" if day.year is not None else "--"
    if day.month is None:
        return year if day.year is not None else f"---{day.day or 1:02}"
    if day.day is None:
        return f"{year}-{day.month:02}" if day.year is not None else f"--{day.month:02}"
    return f"{year}{day.month:02}{day.day:02}"


def _address(address: records.Address) -> Iterator[Line]:
    parts = (address.street, address.locality, address.region, address.postal_code, address.country)
    value = ";".join(("", "", *(escape(part or "", "4.0") for part in parts)))
    types, label = _labelled(address.label)
    yield Line("ADR", value, (*types, ("LABEL", (address.formatted,))), True, label)


def _phone(phone: records.Phone) -> Line:
    """The number as every program reads it; what its network wrote beside it, where that is something else."""
    types, label = _labelled(phone.label)
    value = phone.raw
    if phone.number is not None:
        value = f"{phone.number} ext. {phone.extension}" if phone.extension else phone.number
    line: phone_number.LineType = (
        "MOBILE" if "cell" in (phone.label or "") else "FIXED" if phone.label in ("fax", "pager") else "UNKNOWN"
    )
    read = phone_number.read(value, None, label=phone.label, line=line)
    more: Parameters = (*_preferred(phone.preferred),)
    if phone.raw != value:
        more = (*more, (vcard_own.WRITTEN, (phone.raw,)))
    if read.mobile != phone.mobile:
        more = (*more, (vcard_own.LINE, ("UNKNOWN" if phone.mobile is None else "MOBILE" if phone.mobile else "FIXED",)))
    return Line("TEL", value, (*types, *more), False, label)


def _email(email: records.Email) -> Line:
    types, label = _labelled(email.label)
    more: Parameters = (*_preferred(email.preferred),)
    if email.address is not None and email.raw != email.address:
        more = (*more, (vcard_own.WRITTEN, (email.raw,)))
    return Line("EMAIL", email.address or email.raw, (*types, *more), False, label)


def _url(url: records.Url) -> Line:
    types, label = _labelled(url.label)
    return Line("URL", url.url, types, False, label)


def _handle(handle: records.Handle) -> Line:
    # RFC 9554 §3.5: a handle that is no address is a text, its network a parameter
    named: Parameters = (("SERVICE-TYPE", (handle.provider,)), ("USERNAME", (handle.handle,)))
    return Line("SOCIALPROFILE", handle.url or handle.handle, named if handle.url else (("VALUE", ("text",)), *named))


def _jobs(contact: records.Contact) -> Iterator[Line]:
    """Organisations with their titles; each pair in a group where the order alone would not tell which belong together."""
    jobs = contact.organizations
    plain = all(job.title for job in jobs) or not any(job.title for job in jobs[1:])
    for at, job in enumerate(jobs, 1):
        group = "" if plain else f"job{at}"
        if job.name or job.department or not plain:
            units = [job.name] if job.department is None else [job.name, job.department]
            yield Line("ORG", ";".join(escape(unit, "4.0") for unit in units), (), True, group=group)
        if job.title:
            yield Line("TITLE", job.title, group=group)


def _picture(photo: records.Photo | None) -> Iterator[Line]:
    if photo is not None and photo.data is not None:
        yield Line("PHOTO", f"data:{photo.media_type or 'image/jpeg'};base64,{base64.b64encode(photo.data).decode()}", (), True)
    elif photo is not None and photo.url:
        yield Line("PHOTO", photo.url, (("VALUE", ("uri",)),), True)


def _labelled(label: str | None) -> tuple[Parameters, str | None]:
    """How a label is written: as TYPE where its words are those of the standard, else beside the value, as Apple does."""
    if not label:
        return (), None
    words = tuple(label.split(" "))
    if all(word in _TYPES for word in words) and len(words) <= 2 and vcard.label_of(words) == label:
        return (("TYPE", words),), None
    return (), label


def _preferred(preferred: bool) -> Parameters:
    return (("PREF", ("1",)),) if preferred else ()
