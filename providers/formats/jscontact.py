"""A JSContact Card (RFC 9553) as a vCard 4.0, by the rules of RFC 9555 §3: so that it becomes a contact by the one reading in `vcard.py`.

What vCard has no property for is kept as JSPROP with its pointer (RFC 9555 §3.3.1), what came from a vCard (`vCardProps`, `vCardParams`)
is that again. A Card of which this leaves something out (ids, the order of parts, what stands beside a value) is kept whole beside it, and is
what `exported` gives as long as the vCard still says the same. Whatever somebody writes, a value that is not what it should be costs itself and
no more. Knows no file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from providers.formats import jscontact_writing, vcard, vcard_own, vcard_writing
from providers.formats.jscontact_writing import ADDRESS_KINDS, ANNIVERSARIES, CONTEXTS, FEATURES, NAME_KINDS, SHOWN
from providers.formats.vcard import MAX_VALUES
from providers.formats.vcard_syntax import Card, Property, escape, parse, unescaped

_EMPTY: Final = b"BEGIN:VCARD\r\nVERSION:4.0\r\nEND:VCARD\r\n"
MAX_KEPT: Final = 100_000  # characters of a value that is kept as JSON
_PROPERTIES: Final = {kind: name for name, kind in ANNIVERSARIES.items()}
_TYPES: Final = {word: name for known in (CONTEXTS, FEATURES) for name, word in known.items()}
_STAMP: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?Z\Z")
_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,100}\Z")
_GROUP: Final = re.compile(r"[A-Za-z0-9-]{1,100}\Z")
#: Kinds of parts of a street's name (RFC 9553 §2.5.1.2), in the order in which they are written where no order is told.
_STREET: Final = (
    "number",
    "name",
    "block",
    "direction",
    "landmark",
    "subdistrict",
    "district",
    "building",
    "floor",
    "apartment",
    "room",
)

Parameters = list[tuple[str, tuple[str, ...]]]


def card(value: Any) -> Card | None:
    """The vCard of a JSContact Card; None for what is none."""
    if not isinstance(value, Mapping) or value.get("@type", "Card") != "Card":
        return None
    reader = _Reader(value)
    reader.read()
    frame = parse(_EMPTY)
    made = Card(version="4.0", properties=(*frame.properties[:-1], *reader.made, frame.properties[-1]))
    if vcard.is_empty(made) or jscontact_writing.written(made, "") == value:
        return made
    text = _encoded(_without_pictures(value))
    return made if text is None else made.added(made.new_property(vcard_own.JSCARD, text))


def exported(told: Card, uid: str) -> dict[str, Any]:
    """The Card of a vCard: the one that it came as, where it still says the same."""
    kept = told.first(vcard_own.JSCARD)
    plain = Card(version=told.version, properties=tuple(one for one in told.properties if one.name != vcard_own.JSCARD))
    value = None if kept is None else _decoded(kept.text)
    again = None if value is None else card(value)
    if value is None or again is None or not _alike(again, plain):
        return jscontact_writing.written(plain, uid)
    spelled = _text(value.get("uid"))
    found = {**value, "uid": spelled if vcard.bare_uid(spelled) == vcard.bare_uid(uid) else uid}
    return _with_numbers(_with_pictures(found, plain), plain)


def _alike(again: Card, told: Card) -> bool:
    """Whether two cards say the same of somebody, but for the countries of numbers and for pictures."""
    contact = vcard.to_contact(told, key="-", region=None, container="")

    def rest(of: Card) -> list[tuple[str, str]]:
        return sorted((one.name, one.value) for one in vcard_writing.beyond(of) if one.name not in ("PHOTO", vcard_own.JSCARD))

    return vcard_writing.says(again, contact) and rest(again) == rest(told)


def _without_pictures(value: Mapping[str, Any]) -> dict[str, Any]:
    """A Card without the bytes of its photos, which are kept elsewhere."""
    media = value.get("media")
    if not isinstance(media, Mapping):
        return dict(value)
    return {**value, "media": {key: {**one, "uri": ""} if _is_picture(one) else one for key, one in media.items()}}


def _with_pictures(value: dict[str, Any], told: Card) -> dict[str, Any]:
    """The Card with its photos again, in their order; those that are gone are left out."""
    media = value.get("media")
    photos = [text for one in told.all("PHOTO") if (text := one.text.strip())[:5].lower() == "data:"]
    kept = dict(media) if isinstance(media, Mapping) else {}
    for key, one in list(kept.items()):
        if isinstance(one, Mapping) and one.get("kind") == "photo" and one.get("uri") == "":
            kept[key] = {**one, "uri": photos.pop(0)} if photos else None
    kept |= {f"photo{n}": {"kind": "photo", "uri": uri} for n, uri in enumerate(photos, 1)}
    found = {key: one for key, one in kept.items() if one is not None}
    return {**value, "media": found} if found else {name: one for name, one in value.items() if name != "media"}


def _with_numbers(value: dict[str, Any], told: Card) -> dict[str, Any]:
    """The Card with what its user's country adds to its numbers."""
    phones = value.get("phones")
    named = {key: one for key, one in phones.items() if isinstance(one, Mapping)} if isinstance(phones, Mapping) else {}
    numbers = {written: one for one in told.all("TEL") if (written := vcard_own.written(one))}
    for key, one in named.items():
        known = numbers.get(_text(one.get("number")).strip())
        if known is not None:
            own = {name.lower(): texts[0] for name, texts in known.parameters if name in (vcard_own.WRITTEN, vcard_own.LINE)}
            params = one.get("vCardParams")
            told_before = params if isinstance(params, Mapping) else {}
            named[key] = {**one, "number": known.text, "vCardParams": {**told_before, **own}}
    return {**value, "phones": named} if named else value


def _is_picture(one: Any) -> bool:
    return isinstance(one, Mapping) and one.get("kind") == "photo" and _text(one.get("uri"))[:5].lower() == "data:"


def _encoded(value: Any) -> str | None:
    try:
        text = msgspec.json.encode(value).decode()
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        return None
    return text if len(text) <= MAX_KEPT else None


def _decoded(text: str) -> Mapping[str, Any] | None:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    shallow = jscontact_writing.is_shallow(found, jscontact_writing.MAX_DEPTH)
    return found if isinstance(found, Mapping) and shallow else None


class _Reader:
    def __init__(self, value: Mapping[str, Any]) -> None:
        self._value = value
        self._frame = parse(_EMPTY)
        self._labels = 0
        self._renamed = False  # its name is another one than the vCard's that it came from
        self.made: list[Property] = []

    def read(self) -> None:
        value = self._value
        for field, name in (("kind", "KIND"), ("uid", "UID")):
            if text := _text(value.get(field)):
                self.add(name, escape(text, "4.0"))
        for field, name in (("created", "CREATED"), ("updated", "REV")):
            if match := _STAMP.match(_text(value.get(field))):
                self.add(name, "{}{}{}T{}{}{}Z".format(*match.groups()))
        self._name(value.get("name"))
        self._nicknames()
        self._jobs()
        for one in self._many("emails"):
            self.named("EMAIL", one, _text(one.get("address")))
        for one in self._many("phones"):
            self._phone(one)
        for one in self._many("addresses"):
            self._address(one)
        for one in self._many("links"):
            self.named("URL", one, _text(one.get("uri")), raw=True)
        for one in self._many("onlineServices"):
            self._service(one)
        for one in self._many("preferredLanguages"):
            self.named("LANG", one, _text(one.get("language")))
        for one in self._many("anniversaries"):
            self._anniversary(one)
        if keywords := self._set("keywords"):
            self.add("CATEGORIES", ",".join(escape(word, "4.0") for word in keywords))
        for member in self._set("members"):
            self.add("MEMBER", escape(member, "4.0"))
        for one in self._many("notes"):
            self.named("NOTE", one, _text(one.get("note")))
        for one in self._many("media"):
            self._media(one)
        self._kept()
        for field, rest in value.items():
            if field not in _READ and isinstance(field, str):
                self._unknown(f"/{field}", rest)

    def add(self, name: str, value: str, parameters: Parameters | None = None, group: str = "") -> None:
        """A property whose value carries its escapes."""
        value = value.replace("\r", "").replace("\n", "\\n")
        if value.strip():
            self.made.append(self._frame.new_property(name, value, group=group, parameters=tuple(parameters or ()), escaped=True))

    def named(
        self,
        name: str,
        one: Mapping[str, Any],
        text: str,
        parameters: Parameters | None = None,
        *,
        raw: bool = False,
        ready: bool = False,
    ) -> None:
        """One of a field of many, with its contexts, features, preference and label, and what is left of a vCard's parameters."""
        if not text:
            return
        told = [*_typed(one), *(parameters or [])]
        pref = one.get("pref")
        if isinstance(pref, int) and not isinstance(pref, bool) and 1 <= pref <= 100:
            told.append(("PREF", (str(pref),)))
        params, group = _parameters(one.get("vCardParams"))
        label = _text(one.get("label"))
        if label:
            self._labels += 1
            group = f"label{self._labels}"
        self.add(name, text if raw or ready else escape(text, "4.0"), [*told, *params], group)
        if label:
            self.add("X-ABLABEL", escape(label, "4.0"), group=group)

    # --- fields -------------------------------------------------------------------------------------------------------

    def _name(self, name: Any) -> None:
        if not isinstance(name, Mapping):
            return
        components = [one for one in _list(name.get("components")) if isinstance(one, Mapping) and _text(one.get("value"))]
        told: dict[str, list[str]] = {kind: [] for kind in NAME_KINDS}
        for one in components:
            kind = {"surname2": "surname", "generation": "credential"}.get(_text(one.get("kind")), _text(one.get("kind")))
            if kind in told:
                told[kind].append(_text(one["value"]))
        full = _text(name.get("full"))
        if not full:  # RFC 9553 §2.2.1.1: then the components are all there is, in their order where they have one
            ordered = [_text(one["value"]) for one in components if one.get("kind") != "separator"]
            full = " ".join(
                ordered
                if name.get("isOrdered")
                else [w for k in ("title", "given", "given2", "surname", "credential") for w in told[k]]
            )
        known = self._shown("fn")
        self._renamed = known is not None and full != unescaped(known, "4.0")
        if known is None or self._renamed:
            self.add("FN", escape(full, "4.0"))
        if any(told.values()) and (self._shown("n") is None or self._renamed):
            self.add("N", ";".join(",".join(escape(word, "4.0") for word in told[kind]) for kind in NAME_KINDS))

    def _phone(self, one: Mapping[str, Any]) -> None:
        number = _text(one.get("number"))
        if number[:4].lower() == "tel:":  # RFC 6350 §6.4.1: an address, which has no escapes
            self.named("TEL", one, number, [("VALUE", ("uri",))], raw=True)
        else:
            self.named("TEL", one, number)

    def _nicknames(self) -> None:
        names = [text for one in self._many("nicknames") if (text := _text(one.get("name")))]
        if names:
            self.add("NICKNAME", ",".join(escape(name, "4.0") for name in names))

    def _jobs(self) -> None:
        """Organisations with their titles; a title that names its organisation shares a group with it."""
        found = self._value.get("organizations")
        jobs = {str(key): one for key, one in found.items() if isinstance(one, Mapping)} if isinstance(found, Mapping) else {}
        titles = [one for one in self._many("titles") if one.get("kind", "title") == "title"]
        paired = bool(jobs) and any(_text(one.get("organizationId")) in jobs for one in titles)
        for at, (key, one) in enumerate(list(jobs.items())[:MAX_VALUES], 1):
            units = [_text(unit.get("name")) for unit in _list(one.get("units")) if isinstance(unit, Mapping)]
            value = ";".join(escape(word, "4.0") for word in (_text(one.get("name")), *units))
            group = f"job{at}" if paired else ""
            params, own = _parameters(one.get("vCardParams"))
            self.add("ORG", value, [*_typed(one), *params], group or own)
            for title in titles:
                if paired and _text(title.get("organizationId")) == key:
                    self.add("TITLE", escape(_text(title.get("name")), "4.0"), _parameters(title.get("vCardParams"))[0], group)
        for one in titles:
            if not (paired and _text(one.get("organizationId")) in jobs):
                self.named("TITLE", one, _text(one.get("name")))
        for one in self._many("titles"):
            if one.get("kind") == "role":
                self.named("ROLE", one, _text(one.get("name")))

    def _address(self, one: Mapping[str, Any]) -> None:
        components = [part for part in _list(one.get("components")) if isinstance(part, Mapping)]
        told = dict.fromkeys(ADDRESS_KINDS, "")
        street: list[tuple[int, str]] = []
        for part in components:
            kind, text = _text(part.get("kind")), _text(part.get("value"))
            if kind in told and kind not in ("apartment", "name"):
                told[kind] = text
            elif kind in _STREET and text:
                street.append((len(street) if one.get("isOrdered") else _STREET.index(kind), text))
        plain = [text for part in components if part.get("kind") == "apartment" and (text := _text(part.get("value")))]
        names = [text for part in components if part.get("kind") == "name" and (text := _text(part.get("value")))]
        if len(street) == len(plain) + len(names):  # as vCards have them
            told["apartment"], told["name"] = ", ".join(plain), "\n".join(names)
        else:
            told["name"] = " ".join(text for _, text in sorted(street))
        full = _text(one.get("full"))
        value = ";".join(escape(told[kind], "4.0") for kind in ADDRESS_KINDS)
        if full or any(told.values()):
            self.named("ADR", one, value, [("LABEL", (full,))] if full else None, ready=True)

    def _service(self, one: Mapping[str, Any]) -> None:
        uri, user, service = (_text(one.get(field)) for field in ("uri", "user", "service"))
        told: Parameters = [] if uri else [("VALUE", ("text",))]
        told += [("SERVICE-TYPE", (service,))] if service else []
        told += [("USERNAME", (user,))] if user else []
        name = "IMPP" if _text(one.get("vCardName")).lower() == "impp" and uri else "SOCIALPROFILE"
        self.named(name, one, uri or user, told)

    def _anniversary(self, one: Mapping[str, Any]) -> None:
        name, date = _PROPERTIES.get(_text(one.get("kind"))), one.get("date")
        written = _day(date) if isinstance(date, Mapping) else None
        if name is not None and written is not None:
            self.named(name, one, written, raw=True)
        elif written is not None:
            self.named("X-ABDATE", {**one, "label": _text(one.get("label")) or _text(one.get("kind"))}, written, raw=True)

    def _media(self, one: Mapping[str, Any]) -> None:
        kind, uri = _text(one.get("kind")), one.get("uri")
        name = {"photo": "PHOTO", "logo": "LOGO", "sound": "SOUND"}.get(kind)
        if name is None or not isinstance(uri, str):
            return
        data = uri[:5].lower() == "data:"
        self.named(name, one, uri.strip(), None if data else [("VALUE", ("uri",))], raw=True)

    def _shown(self, name: str) -> str | None:
        """The value of a property that came from a vCard and stands among the members too, with what its parameters say."""
        for one in _list(self._value.get("vCardProps")):
            if isinstance(one, list) and len(one) == 4 and one[0] == name and isinstance(one[3], str) and _is_shown(one[1]):
                return one[3]
        return None

    def _kept(self) -> None:
        """RFC 9555 §2.15.1: properties of a vCard that JSContact has no place for."""
        for one in _list(self._value.get("vCardProps"))[:MAX_VALUES]:
            if not (isinstance(one, list) and len(one) >= 4 and isinstance(one[0], str) and _NAME.match(one[0])):
                continue
            name, params, _, value, *more = one
            if name.upper() in ("BEGIN", "END", "VERSION") or not isinstance(value, str) or more:
                continue
            told, group = _parameters(params)
            if not (self._renamed and _is_shown(params)):
                self.add(name, value, [pair for pair in told if pair[0] != SHOWN.upper()], group)

    def _unknown(self, pointer: str, rest: Any) -> None:
        if (text := _encoded(rest)) is not None:
            self.add("JSPROP", escape(text, "4.0"), [("JSPTR", (pointer,))])

    # --- values -------------------------------------------------------------------------------------------------------

    def _many(self, field: str) -> Iterator[Mapping[str, Any]]:
        found = self._value.get(field)
        for one in list(found.values())[:MAX_VALUES] if isinstance(found, Mapping) else []:
            if isinstance(one, Mapping):
                yield one

    def _set(self, field: str) -> list[str]:
        found = self._value.get(field)
        return (
            [text for key, held in found.items() if held is True and (text := _text(key))] if isinstance(found, Mapping) else []
        )


#: Members of a Card that are read; all else is kept as JSPROP.
_READ: Final = frozenset(
    {
        *(
            "@type",
            "version",
            "uid",
            "kind",
            "created",
            "updated",
            "prodId",
            "name",
            "nicknames",
            "organizations",
            "titles",
            "emails",
        ),
        *(
            "phones",
            "addresses",
            "links",
            "onlineServices",
            "preferredLanguages",
            "anniversaries",
            "keywords",
            "members",
            "notes",
            "media",
        ),
        "vCardProps",
    }
)


def _typed(one: Mapping[str, Any]) -> Parameters:
    """Contexts and features as TYPE."""
    words = [
        _TYPES[str(word)]
        for field in ("contexts", "features")
        for word, held in (one[field].items() if isinstance(one.get(field), Mapping) else ())
        if held is True and str(word) in _TYPES
    ]
    return [("TYPE", tuple(words))] if words else []


def _is_shown(params: Any) -> bool:
    return isinstance(params, Mapping) and SHOWN in params


def _parameters(told: Any) -> tuple[Parameters, str]:
    """Parameters of a vCard that JSContact has no place for, and the group."""
    if not isinstance(told, Mapping):
        return [], ""
    found: Parameters = []
    for name, values in told.items():
        texts = tuple(value for value in (values if isinstance(values, list) else [values]) if isinstance(value, str))
        if name != "group" and isinstance(name, str) and _NAME.match(name) and texts:
            found.append((name.upper(), texts))
    group = told.get("group")
    return found, group if isinstance(group, str) and _GROUP.match(group) else ""


def _day(date: Mapping[str, Any]) -> str | None:
    """A PartialDate or Timestamp (RFC 9553 §2.8.1) as RFC 6350 §4.3.1 writes it."""
    if match := _STAMP.match(_text(date.get("utc"))):
        return "".join(match.groups()[:3])
    numbers = [date.get(part) for part in ("year", "month", "day")]
    year, month, day = (
        one if isinstance(one, int) and not isinstance(one, bool) and 0 < one < 10_000 else None for one in numbers
    )
    if (month or 1) > 12 or (day or 1) > 31 or (year is None and month is None and day is None):
        return None
    if month is None:
        return f"{year:04}" if year is not None else f"---{day:02}"
    if day is None:
        return f"{year:04}-{month:02}" if year is not None else f"--{month:02}"
    return f"{year:04}{month:02}{day:02}" if year is not None else f"--{month:02}{day:02}"


def _list(value: Any) -> list[Any]:
    return value[:MAX_VALUES] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else ""
