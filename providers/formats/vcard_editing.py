"""A card with some of its values changed and everything else left byte for byte as it was.

A change is told as a record and the fields of it that count. A value that stays keeps its property untouched; one that only got
another label keeps its parameters; a new value takes the place of one that goes, and with it whatever its property says besides
(RFC 6350 §3.3 allows any further property and parameter, and §6.7.4 wants REV to follow). UID, VERSION and all that is not
understood here are never touched. Labels are written as the address books of Apple and others do: a type where there is one,
else `item1.X-ABLabel` beside the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from providers import records
from providers.formats import vcard
from providers.formats.vcard_syntax import Card, Property, Version, escape, parse

_FRAME: Final = "BEGIN:VCARD\r\nVERSION:{version}\r\nEND:VCARD\r\n"
# TYPE values that readers know (RFC 6350 §5.6, §6.4.1; RFC 2426 §3.3.1); any other label stands beside its value
_TYPES: Final = frozenset({"home", "work", "cell", "fax", "pager", "video", "textphone", "car"})
#: Parameters that tell how a value was encoded, or repeat it: they go with the old value.
_OF_THE_VALUE: Final = frozenset({"ENCODING", "CHARSET", "VALUE", "LABEL"})
_LABELS: Final = frozenset({"X-ABLABEL", "X-ABADR"})
#: The year that Apple writes where none is known; earlier versions than 4.0 cannot leave it out.
_NO_YEAR: Final = "1604"
_ITEM: Final = re.compile(r"item(\d{1,6})\Z", re.I)

Value = Any  # one of the records of a list field
Text = tuple[str, bool]  # a value, and whether it carries its escapes already
Parameters = tuple[tuple[str, tuple[str, ...]], ...]


class _Kind(NamedTuple):
    """How one list field stands on a card."""

    names: tuple[str, ...]  # properties that hold its values; new ones get the first name
    read: Callable[[Card], Sequence[Value]]
    same: Callable[[Value], Hashable]  # what makes two values equal but for their label
    text: Callable[[Value, Version], Text]
    labelled: bool = True


def edited(
    card: Card, wanted: records.Contact, fields: frozenset[records.ContactField], *, region: str | None, now: datetime
) -> Card:
    """`card` with these fields as they are in `wanted`; the same card when it holds them already."""
    before = card
    if "names" in fields:
        card = _named(card, wanted.names)
    for field, kind in _kinds(region).items():
        if field in fields:
            card = _listed(card, kind, getattr(wanted, field))
    if "organizations" in fields:
        card = _employed(card, wanted.organizations)
    if "dates" in fields:
        card = _born(card, next((day for day in wanted.dates if day.label == "birthday"), None))
    if "note" in fields:
        card = _single(card, ("NOTE",), wanted.note, vcard.to_contact(card, key="", region=None, container="").note)
    if "groups" in fields:
        card = grouped(card, wanted.groups)
    if card.properties != before.properties and (revised := card.first("REV")) is not None:
        card = card.replaced(revised, _with(card, revised, (now.strftime("%Y%m%dT%H%M%SZ"), False)))
    return card


def made(wanted: records.Contact, version: Version, *, now: datetime) -> Card:
    """A new card of version 3.0 or 4.0, with what the record says that `edited` can write. The record has a uid."""
    card = parse(_FRAME.format(version=version).encode())
    uid = wanted.uid or ""
    card = card.added(card.new_property("UID", f"urn:uuid:{uid}" if version == "4.0" else uid))
    named = msgspec.structs.replace(wanted, names=wanted.names or (records.Name(full=_stand_in(wanted)),))
    card = edited(card, named, frozenset(FIELDS), region=None, now=now)
    if card.first("N") is None and version != "4.0":  # RFC 2426 §3.1.2: N is always there
        full = escape(named.names[0].full, card.version)
        card = card.added(card.new_property("N", f"{full};;;;", escaped=True))
    return card.added(card.new_property("REV", now.strftime("%Y%m%dT%H%M%SZ")))


FIELDS: Final[tuple[records.ContactField, ...]] = (
    "names", "emails", "phones", "urls", "organizations", "addresses", "dates", "note", "groups",
)  # fmt: skip


def _kinds(region: str | None) -> dict[str, _Kind]:
    def read(field: str) -> Callable[[Card], Sequence[Value]]:
        return lambda card: getattr(vcard.to_contact(card, key="", region=region, container=""), field)

    return {
        "emails": _Kind(("EMAIL",), read("emails"), lambda e: e.address or e.raw, lambda e, _: (e.raw, False)),
        "phones": _Kind(("TEL",), read("phones"), lambda p: (p.number or p.raw, p.extension), lambda p, _: (p.raw, False)),
        "urls": _Kind(("URL", "X-URL", "X-HOMEPAGE", "BLOG", "X-BLOG-URL", "X-EVOLUTION-BLOG-URL"), read("urls"),
                      lambda u: u.url, lambda u, _: (u.url, True)),
        "addresses": _Kind(("ADR",), read("addresses"), lambda a: (a.street, a.locality, a.region, a.postal_code, a.country)
                           if (a.street or a.locality or a.region or a.postal_code or a.country) else a.formatted, _address),
    }  # fmt: skip


# --- values that there may be several of ----------------------------------------------------------------------------------


def _listed(card: Card, kind: _Kind, wanted: Sequence[Value]) -> Card:
    """The card with exactly these values of a kind: what stays stays where it is, what comes takes the place of what goes."""
    held = [(item, found) for item in card.all(*kind.names) if (found := _alone(card, item, kind)) is not None]
    left = list(wanted)
    unmatched: list[tuple[Property, Value]] = []
    for item, value in held:
        match = next((one for one in left if kind.same(one) == kind.same(value)), None)
        if match is None:
            if any(kind.same(one) == kind.same(value) for one in wanted):
                card = _without(card, item)  # the same value twice: the first one stays
            else:
                unmatched.append((item, value))
            continue
        left.remove(match)
        if match.label != value.label:
            card = _relabelled(card, item, match.label)
    for new in left:
        place = next((pair for pair in unmatched if pair[1].label == new.label), None)
        if place is None:
            card = _added(card, kind, new)
            continue
        unmatched.remove(place)
        card = card.replaced(place[0], _with(card, place[0], kind.text(new, card.version)))
    for item, _ in unmatched:
        card = _without(card, item)
    return card


def _alone(card: Card, item: Property, kind: _Kind) -> Value | None:
    """What one property says, with the label that stands beside it; None when it says nothing that is shown."""
    beside = tuple(each for each in card.all("X-ABLABEL") if item.group and each.group.lower() == item.group.lower())
    values = kind.read(Card(version=card.version, properties=(item, *beside)))
    return values[0] if values else None


def _added(card: Card, kind: _Kind, value: Value) -> Card:
    """The card with one value more, after the last of its kind."""
    text, escaped = kind.text(value, card.version)
    label = (value.label or "").strip()
    words = label.lower().split()
    if not label or (words and all(word in _TYPES for word in words)):
        types: Parameters = (("TYPE", tuple(words)),) if words else ()
        return _after(card, kind.names, card.new_property(kind.names[0], text, parameters=types, escaped=escaped))
    group = _free_group(card)
    card = _after(card, kind.names, card.new_property(kind.names[0], text, group=group, escaped=escaped))
    last = [item for item in card.properties if item.group == group][-1]
    return _behind(card, last, card.new_property("X-ABLabel", label, group=group))


def _relabelled(card: Card, item: Property, label: str | None) -> Card:
    """A property under another label, its value and further parameters as they were."""
    words = (label or "").lower().split()
    typed = bool(words) and all(word in _TYPES for word in words)
    beside = next((each for each in card.all("X-ABLABEL") if item.group and each.group.lower() == item.group.lower()), None)
    kept = tuple(word for word in _types_of(item) if word.lower() in ("pref", "internet", "voice"))
    types = (*kept, *(words if typed else ()))
    parameters = tuple(pair for pair in item.parameters if pair[0] != "TYPE") + ((("TYPE", types),) if types else ())
    group = item.group
    if typed or not words:
        if beside is not None:
            card = card.replaced(beside, None)
        return card.replaced(item, _rewritten(card, item, parameters, group))
    assert label is not None
    if beside is not None:
        return card.replaced(beside, _with(card, beside, (label, False)))
    group = group or _free_group(card)
    new = _rewritten(card, item, parameters, group)
    return _behind(card.replaced(item, new), new, card.new_property("X-ABLabel", label, group=group))


def _types_of(item: Property) -> tuple[str, ...]:
    return tuple(part.strip() for value in item.parameter("TYPE") for part in value.split(",") if part.strip())


def _without(card: Card, item: Property) -> Card:
    """The card without a property, and without the label that stood beside it alone."""
    card = card.replaced(item, None)
    rest = [each for each in card.properties if item.group and each.group.lower() == item.group.lower()]
    if rest and all(each.name in _LABELS for each in rest):
        for each in rest:
            card = card.replaced(each, None)
    return card


def _address(value: records.Address, version: Version) -> Text:
    fields = ("", "", value.street, value.locality, value.region, value.postal_code, value.country)
    if not any(fields):
        fields = ("", "", value.formatted, "", "", "", "")
    return ";".join(escape(field or "", version) for field in fields), True


# --- names and employers --------------------------------------------------------------------------------------------------


def _named(card: Card, names: Sequence[records.Name]) -> Card:
    """The first name: FN, N and NICKNAME, each only where it says something else by now."""
    if not names:
        return card
    new = names[0]
    now = vcard.to_contact(card, key="", region=None, container="").names
    old = now[0] if now else records.Name(full="")
    if new.full != old.full or card.first("FN") is None:
        card = _single(card, ("FN",), new.full, None)
    parts = (new.family, new.given, new.middle, new.prefix, new.suffix)
    if parts != (old.family, old.given, old.middle, old.prefix, old.suffix):
        text = ";".join(escape(part or "", card.version) for part in parts)
        held = card.first("N")
        if held is not None:
            card = card.replaced(held, _with(card, held, (text, True)))
        elif any(parts):
            card = _after(card, ("N", "FN"), card.new_property("N", text, escaped=True))
    if new.nickname != old.nickname:
        card = _single(card, ("NICKNAME", "X-NICKNAME"), new.nickname, old.nickname)
    return card


def _employed(card: Card, wanted: Sequence[records.Organization]) -> Card:
    """ORG and TITLE, which belong together by their order alone: those with a title come first."""
    if tuple(wanted) == vcard.to_contact(card, key="", region=None, container="").organizations:
        return card
    wanted = sorted(wanted, key=lambda one: one.title is None)
    employers = [one for one in wanted if one.name or one.department]
    texts = [";".join(escape(part, card.version) for part in (one.name, one.department) if part is not None) for one in employers]
    card = _texts(card, ("ORG",), [(text, True) for text in texts])
    titled = "TITLE" if card.first("TITLE") is not None or card.first("ROLE") is None else "ROLE"
    return _texts(card, (titled,), [(one.title, False) for one in wanted if one.title is not None])


def _texts(card: Card, names: tuple[str, ...], wanted: Sequence[Text]) -> Card:
    """The properties of these names with these values, in order; one whose value stays is not touched."""
    held = [item for item in card.all(*names) if item.value.strip()]
    for item, text in zip(held, wanted, strict=False):
        new = _with(card, item, text)
        if new.value != item.value:
            card = card.replaced(item, new)
    for item in held[len(wanted) :]:
        card = _without(card, item)
    for value, escaped in wanted[len(held) :]:
        card = _after(card, names, card.new_property(names[0], value, escaped=escaped))
    return card


# --- what there is one of ---------------------------------------------------------------------------------------------------


def _born(card: Card, day: records.PartialDate | None) -> Card:
    held = next(iter(card.all("BDAY", "X-BIRTHDAY")), None)
    now = [each for each in vcard.to_contact(card, key="", region=None, container="").dates if each.label == "birthday"]
    if (now[0] if now else None) == day:
        return card
    for item in list(card.all("BDAY", "X-BIRTHDAY"))[1:] if day is not None else list(card.all("BDAY", "X-BIRTHDAY")):
        card = _without(card, item)
    if day is None:
        return card
    parameters: Parameters = ()
    if card.version == "4.0":
        text = _day(day)
    elif day.month is None or day.day is None:
        text = f"{day.year or _NO_YEAR}" + (f"-{day.month:02}" if day.month is not None else "")
    else:
        text = f"{day.year or _NO_YEAR}-{day.month:02}-{day.day:02}"
    if card.version != "4.0" and day.year is None:
        parameters = (("X-APPLE-OMIT-YEAR", (_NO_YEAR,)),)
    new = card.new_property(held.name if held is not None else "BDAY", text, parameters=parameters)
    return card.added(new) if held is None else card.replaced(held, new)


def _day(day: records.PartialDate) -> str:
    """RFC 6350 §4.3.1."""
    year = f"{day.year:04}" if day.year is not None else "--"
    if day.month is None:
        return year if day.year is not None else f"---{day.day or 1:02}"
    if day.day is None:
        return f"{year}-{day.month:02}" if day.year is not None else f"--{day.month:02}"
    return f"{year}{day.month:02}{day.day:02}"


def grouped(card: Card, wanted: Sequence[str]) -> Card:
    """The card filed under these words (CATEGORIES, RFC 6350 §6.7.1); the same card when it is already."""
    now = vcard.to_contact(card, key="", region=None, container="").groups
    if tuple(wanted) == now:
        return card
    text = ",".join(escape(group, card.version) for group in wanted)
    return _texts(card, ("CATEGORIES",), [(text, True)] if wanted else [])


def _single(card: Card, names: tuple[str, ...], text: str | None, old: str | None) -> Card:
    """The one property of these names, where its text is another by now; further ones go."""
    if text is not None and text == old:
        return card
    return _texts(card, names, [(text, False)] if text is not None else [])


# --- properties -------------------------------------------------------------------------------------------------------------


def _with(card: Card, item: Property, text: Text) -> Property:
    """A property with another value; what it says besides stays."""
    parameters = tuple(pair for pair in item.parameters if pair[0] not in _OF_THE_VALUE)
    value, escaped = text
    return _spelled(card, item, card.new_property(item.name, value, group=item.group, parameters=parameters, escaped=escaped))


def _rewritten(card: Card, item: Property, parameters: Parameters, group: str) -> Property:
    """A property with other parameters and its value byte for byte."""
    plain = tuple(pair for pair in parameters if pair[0] not in ("ENCODING", "CHARSET")) if item.encoding else parameters
    value = item.undecoded if item.encoding == "QUOTED-PRINTABLE" else item.value.decode("utf-8", "replace")
    return _spelled(card, item, card.new_property(item.name, value, group=group, parameters=plain, escaped=True))


def _spelled(card: Card, old: Property, new: Property) -> Property:
    """The name as its card spells it: `X-ABLabel`, not `X-ABLABEL`."""
    at = old.raw.upper().find(old.name.encode())
    spelled = old.raw[at : at + len(old.name)]
    head = new.raw.find(new.name.encode())
    if at < 0 or spelled == new.name.encode() or head < 0:
        return new
    return msgspec.structs.replace(new, raw=new.raw[:head] + spelled + new.raw[head + len(spelled) :])


def _after(card: Card, names: tuple[str, ...], new: Property) -> Card:
    """The card with a property more, behind the last of these names, else at its end."""
    last = [item for item in card.properties if item.name in names]
    return _behind(card, last[-1], new) if last else card.added(new)


def _behind(card: Card, place: Property, new: Property) -> Card:
    at = next(index for index, item in enumerate(card.properties) if item is place) + 1
    return Card(version=card.version, properties=(*card.properties[:at], new, *card.properties[at:]))


def _free_group(card: Card) -> str:
    taken = [int(found[1]) for item in card.properties if (found := _ITEM.match(item.group))]
    return f"item{max(taken, default=0) + 1}"


def _stand_in(wanted: records.Contact) -> str:
    """RFC 6350 §6.2.1: a card has a name; an employer or an address stands in for one."""
    values = (
        *(one.name for one in wanted.organizations), *(one.raw for one in wanted.emails), *(one.raw for one in wanted.phones),
    )  # fmt: skip
    return next((value for value in values if value), "Unnamed")
