"""A vCard 4.0 as a JSContact Card (RFC 9553), by the rules of RFC 9555 §2.

What JSContact has no place for stands in `vCardProps` and `vCardParams` (RFC 9555 §2.15), so that `jscontact.py` makes the same card of it again.
Only the forms that every program writes are taken apart; a property that says more than its place in JSContact can hold goes there whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from providers.formats.vcard import MAX_VALUES, preference
from providers.formats.vcard_syntax import Card, Property

#: RFC 9555 §2.2.2: components of N and ADR.
NAME_KINDS: Final = ("surname", "given", "given2", "title", "credential")
MORE_NAME_KINDS: Final = ("surname2", "generation")  # RFC 9554 §2.2
ADDRESS_KINDS: Final = ("postOfficeBox", "apartment", "name", "locality", "region", "postcode", "country")
CONTEXTS: Final[Mapping[str, str]] = {"work": "work", "home": "private"}
FEATURES: Final[Mapping[str, str]] = {
    "cell": "mobile", "fax": "fax", "pager": "pager", "text": "text", "textphone": "textphone", "video": "video", "voice": "voice",
}  # fmt: skip
ANNIVERSARIES: Final[Mapping[str, str]] = {"BDAY": "birth", "ANNIVERSARY": "wedding", "DEATHDATE": "death"}
KINDS: Final = frozenset({"individual", "org", "group", "location", "device", "application"})
#: A parameter of what is kept and also stands where other programs look for it.
SHOWN: Final = "x-kith-shown"
MAX_DEPTH: Final = 50
STAMP: Final = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\Z")
DAY: Final = re.compile(r"(?:(\d{4})(?:-(\d\d)|(\d\d)(\d\d))?|--(\d\d)(\d\d)?|---(\d\d))\Z")
_MEMBER: Final = re.compile(r"/(?!@|version|uid|vCardProps)[A-Za-z0-9:.-]{1,100}\Z")
_FRAME: Final = frozenset({"BEGIN", "END", "VERSION", "PRODID"})

Json = dict[str, Any]


def written(card: Card, uid: str) -> Json:
    """The Card of a vCard; `uid` where that has none, or has it under a name that only vCards know."""
    writer = _Writer(card)
    for one in card.properties:
        if one.name and one.name not in _FRAME and one.name != "X-ABLABEL":
            writer.take(one)
    writer.leftovers()
    told = card.first("UID")
    named = told.text.strip() if told is not None and not told.parameters else uid
    return {"@type": "Card", "version": "1.0", "uid": named, **writer.made}


class _Writer:
    def __init__(self, card: Card) -> None:
        self.made: Json = {}
        self._labels: dict[str, Property] = {}
        for one in card.all("X-ABLABEL"):
            self._labels.setdefault(one.group.lower(), one)
        self._all_labels = list(card.all("X-ABLABEL"))
        self._used: set[int] = set()
        self._sharing: dict[str, int] = {}
        for one in card.properties:
            if one.group and one.name != "X-ABLABEL":
                self._sharing[one.group.lower()] = self._sharing.get(one.group.lower(), 0) + 1
        self._jobs: dict[str, str] = {}
        self._full = next(iter(sorted(card.all("FN"), key=preference)), None)
        parts = list(card.all("N"))
        self._parts = next((one for one in parts if not one.parameters), next(iter(parts), None))

    def take(self, one: Property) -> None:
        """Put a property where it belongs, or keep it as it is."""
        place = _PLACES.get(one.name)
        if place is None or one.encoding or not place(self, one):
            self.keep(one, shown=one is self._full or one is self._parts)

    def keep(self, one: Property, *, shown: bool = False) -> None:
        """RFC 9555 §2.15.1: name, parameters, type and value, as jCard has them; the value with its escapes. `shown`: it stands elsewhere too."""
        told: Json = {name.lower(): values[0] if len(values) == 1 else list(values) for name, values in one.parameters}
        if one.group:
            told["group"] = one.group
        if shown:
            told[SHOWN] = "true"
        self.made.setdefault("vCardProps", []).append([one.name.lower(), told, "unknown", one.undecoded])

    def unknown(self, one: Property) -> bool:
        """RFC 9555 §3.3.1: a member of a Card that vCard had no property for is that again."""
        pointer = one.parameter("JSPTR")
        if (
            len(one.parameters) != 1
            or len(pointer) != 1
            or one.group
            or not _MEMBER.match(pointer[0])
            or pointer[0][1:] in self.made
        ):
            return False
        try:
            value = msgspec.json.decode(one.text)
        except (msgspec.DecodeError, RecursionError):
            return False
        if not is_shallow(value, MAX_DEPTH):
            return False
        self.made[pointer[0][1:]] = value
        return True

    def leftovers(self) -> None:
        """Labels of values that were kept as they are."""
        for one in self._all_labels:
            if id(one) not in self._used:
                self.keep(one)

    def put(self, field: str, one: Property, value: Json, *types: Mapping[str, str], jobs: bool = False) -> bool:
        """One of a field of many, with what its parameters say. False where that cannot be said."""
        told = dict(value)
        groups = ("contexts", "features")[: len(types)]
        rest: Json = {}
        for name, values in one.parameters:
            if name == "TYPE" and types:
                named = {word for text in values for part in text.split(",") if (word := part.strip().lower())}
                for group, known in zip(groups, types, strict=True):
                    chosen = {known[word]: True for word in sorted(named) if word in known}
                    if chosen:
                        told[group] = {**told.get(group, {}), **chosen}
                # RFC 9555 §2.15.2: words of their own stay those of the vCard
                others = [word for word in sorted(named) if not any(word in known for known in types)]
                if others:
                    before = rest.get("type", [])
                    words = [*(before if isinstance(before, list) else [before]), *others]
                    rest["type"] = words[0] if len(words) == 1 else words
            elif (
                name == "PREF"
                and len(values) == 1
                and values[0].isascii()
                and values[0].isdigit()
                and 1 <= int(values[0][:4]) <= 100
            ):
                told["pref"] = int(values[0])
            else:
                rest[name.lower()] = values[0] if len(values) == 1 else list(values)
        group = one.group.lower()
        label = self._labels.get(group) if group and self._sharing.get(group) == 1 else None
        if label is not None and not label.parameters:
            self._used.add(id(label))
            told["label"] = label.text
        elif group and not jobs:
            rest["group"] = one.group
        if rest:
            told["vCardParams"] = rest
        many = self.made.setdefault(field, {})
        if len(many) >= MAX_VALUES:
            return False
        many[f"{field[0]}{len(many) + 1}"] = told
        return True

    # --- the places (RFC 9555 §2.2 to §2.14) ------------------------------------------------------------------------

    def kind(self, one: Property) -> bool:
        if one.parameters or one.group or one.text not in KINDS or "kind" in self.made:
            return False
        self.made["kind"] = one.text
        return True

    def uid(self, one: Property) -> bool:
        return not one.parameters and not one.group and self._once("vCardUid", one)

    def _once(self, name: str, one: Property) -> bool:
        """The UID is written by the caller; a second one is kept."""
        if self._jobs.get(name):
            return False
        self._jobs[name] = "taken"
        return True

    def moment(self, one: Property) -> bool:
        field = {"REV": "updated", "CREATED": "created"}[one.name]
        match = STAMP.match(one.text)
        if match is None or one.parameters or one.group or field in self.made:
            return False
        self.made[field] = "{}-{}-{}T{}:{}:{}Z".format(*match.groups())
        return True

    def full(self, one: Property) -> bool:
        """The name that comes first; with parameters it is kept beside, since other programs look for it here (RFC 9553 §2.2.1)."""
        if one is not self._full or not one.text:
            return False
        self.made.setdefault("name", {"@type": "Name"})["full"] = one.text
        return not one.parameters and not one.group

    def name(self, one: Property) -> bool:
        parts = one.parts
        if one is not self._parts or not 5 <= len(parts) <= 7 or not any(item for items in parts for item in items):
            return False
        kinds = (*NAME_KINDS, *MORE_NAME_KINDS)
        self.made.setdefault("name", {"@type": "Name"})["components"] = [
            {"kind": kind, "value": item} for kind, items in zip(kinds, parts, strict=False) for item in items if item
        ]
        return len(parts) == 5 and not one.parameters and not one.group

    def nickname(self, one: Property) -> bool:
        if one.parameters or one.group or "nicknames" in self.made or len(one.items) != 1:
            return False
        return self.put("nicknames", one, {"name": one.text})

    def organization(self, one: Property) -> bool:
        name, *units = one.parts
        if any(len(items) != 1 for items in one.parts):
            return False
        made: Json = {"name": name[0]} if name[0] else {}
        if units:
            made["units"] = [{"name": items[0]} for items in units]
        if not made or not self.put("organizations", one, made, jobs=True):
            return False
        if one.group:
            self._jobs[one.group.lower()] = f"o{len(self.made['organizations'])}"
        return True

    def title(self, one: Property) -> bool:
        job = self._jobs.get(one.group.lower()) if one.group else None
        if one.group and job is None:
            return False
        return self.put("titles", one, {"kind": "title", "name": one.text, **({"organizationId": job} if job else {})}, jobs=True)

    def email(self, one: Property) -> bool:
        return self.put("emails", one, {"address": one.text}, CONTEXTS)

    def phone(self, one: Property) -> bool:
        if one.text[:4].lower() == "tel:":  # which says what kind of value it is
            bare = tuple(pair for pair in one.parameters if pair != ("VALUE", ("uri",)))
            one = Property(raw=one.raw, name=one.name, group=one.group, parameters=bare, value=one.value, version=one.version)
        return self.put("phones", one, {"number": one.text}, CONTEXTS, FEATURES)

    def link(self, one: Property) -> bool:
        return self.put("links", one, {"uri": one.text}, CONTEXTS)

    def language(self, one: Property) -> bool:
        return self.put("preferredLanguages", one, {"language": one.text}, CONTEXTS)

    def service(self, one: Property) -> bool:
        told = dict(one.parameters)
        if len(told) != len(one.parameters) or any(
            len(told.get(name, ("",))) != 1 for name in ("SERVICE-TYPE", "USERNAME", "VALUE")
        ):
            return False
        plain = told.get("VALUE", ("",))[0].lower() == "text"
        user, service = told.get("USERNAME", (None,))[0], told.get("SERVICE-TYPE", (None,))[0]
        if plain and user != one.text:
            return False
        made = {"service": service, "user": user, **({} if plain else {"uri": one.text})}
        bare = tuple((name, values) for name, values in one.parameters if name not in ("SERVICE-TYPE", "USERNAME", "VALUE"))
        stripped = Property(raw=one.raw, name=one.name, group=one.group, parameters=bare, value=one.value, version=one.version)
        return self.put("onlineServices", stripped, {name: value for name, value in made.items() if value is not None}, CONTEXTS)

    def address(self, one: Property) -> bool:
        parts = one.parts
        if len(parts) != 7 or any(len(items) != 1 for items in parts):
            return False
        label = one.parameter("LABEL")
        made: Json = {"full": label[0]} if len(label) == 1 else {}
        components = [{"kind": kind, "value": items[0]} for kind, items in zip(ADDRESS_KINDS, parts, strict=True) if items[0]]
        if components:
            made["components"] = components
        bare = tuple((name, values) for name, values in one.parameters if name != "LABEL" or len(label) != 1)
        stripped = Property(raw=one.raw, name=one.name, group=one.group, parameters=bare, value=one.value, version=one.version)
        return bool(made) and self.put("addresses", stripped, made, CONTEXTS)

    def anniversary(self, one: Property) -> bool:
        match = DAY.match(one.text)
        if match is None or one.parameters or one.group:
            return False
        year, month_of, month, day, alone, with_it, only = match.groups()
        told = {"year": year, "month": month_of or month or alone, "day": day or with_it or only}
        date = {"@type": "PartialDate", **{part: int(value) for part, value in told.items() if value}}
        return self.put("anniversaries", one, {"kind": ANNIVERSARIES[one.name], "date": date})

    def keywords(self, one: Property) -> bool:
        if one.parameters or one.group or "keywords" in self.made or len(set(one.items)) != len(one.items):
            return False
        self.made["keywords"] = dict.fromkeys(one.items, True)
        return True

    def members(self, one: Property) -> bool:
        if one.parameters or one.group:
            return False
        self.made.setdefault("members", {})[one.text] = True
        return True

    def note(self, one: Property) -> bool:
        return self.put("notes", one, {"note": one.text})

    def picture(self, one: Property) -> bool:
        told = tuple(pair for pair in one.parameters if pair != ("VALUE", ("uri",)))
        stripped = Property(raw=one.raw, name=one.name, group=one.group, parameters=told, value=one.value, version=one.version)
        return self.put("media", stripped, {"kind": "photo", "uri": one.text})


def is_shallow(value: Any, levels: int) -> bool:
    """Whether a value has at most so many levels: what is deeper is left as the text that it is."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(is_shallow(one, levels - 1) for one in inner)


_PLACES: Final[Mapping[str, Callable[[_Writer, Property], bool]]] = {
    "KIND": _Writer.kind, "UID": _Writer.uid, "REV": _Writer.moment, "CREATED": _Writer.moment, "FN": _Writer.full, "N": _Writer.name,
    "NICKNAME": _Writer.nickname, "ORG": _Writer.organization, "TITLE": _Writer.title, "EMAIL": _Writer.email, "TEL": _Writer.phone,
    "URL": _Writer.link, "LANG": _Writer.language, "SOCIALPROFILE": _Writer.service, "ADR": _Writer.address, "BDAY": _Writer.anniversary,
    "ANNIVERSARY": _Writer.anniversary, "DEATHDATE": _Writer.anniversary, "CATEGORIES": _Writer.keywords, "MEMBER": _Writer.members,
    "NOTE": _Writer.note, "PHOTO": _Writer.picture, "JSPROP": _Writer.unknown,
}  # fmt: skip
