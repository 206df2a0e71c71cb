"""What of a person at Google's People API is written, from the fields of a record that changed.

Speaks `Person` of the People API v1 as `people.createContact` and `people.updateContact` take it: a field named in
`updatePersonFields` is replaced whole, so each item that stays is sent back as it came, with all that is not understood here. Knows no
calls.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final

from providers import records
from providers.errors import Refused

#: Where our own mark stands on a contact that was made here.
MARK: Final = "kith"
MY_CONTACTS: Final = "contactGroups/myContacts"
#: Fields of ours → fields of Google's.
PERSON_FIELDS: Final[Mapping[records.ContactField, tuple[str, ...]]] = {
    "names": ("names", "nicknames"),
    "emails": ("emailAddresses",),
    "phones": ("phoneNumbers",),
    "urls": ("urls",),
    "organizations": ("organizations",),
    "addresses": ("addresses",),
    "dates": ("birthdays",),
    "note": ("biographies",),
    "groups": ("memberships",),
}
#: Types by which Google calls what a label of ours means; any other word is a type of the user's own.
PHONE_TYPES: Final = {"cell": "mobile", "home fax": "homeFax", "work fax": "workFax"}
_STRUCTURE: Final = ("givenName", "middleName", "familyName", "honorificPrefix", "honorificSuffix")

#: What Google makes of an item by itself.
OUTPUT: Final = frozenset({
    "metadata", "formattedType", "displayName", "displayNameLastFirst", "unstructuredName", "formattedValue", "canonicalForm",
    "contactGroupId", "text",
})  # fmt: skip

Json = dict[str, Any]


def fields_of(fields: frozenset[records.ContactField]) -> list[str]:
    """The names for `updatePersonFields`."""
    return sorted(name for field in fields for name in PERSON_FIELDS[field])


def body(held: Json, wanted: records.Contact, fields: frozenset[records.ContactField], groups: Mapping[str, str]) -> Json:
    """The fields of a person as they are to be. `held` is the person as Google has it, `groups` are names by resource name.

    Raises Refused for a group that Google does not have.
    """
    found: Json = {}
    for field in fields:
        match field:
            case "names":
                found |= _names(held, wanted.names)
            case "emails":
                found["emailAddresses"] = _items(held, "emailAddresses", wanted.emails, lambda e: e.raw, lambda each: each.get("value"),
                                                 lambda e: {"value": e.raw, **_typed(e.label)})  # fmt: skip
            case "phones":
                found["phoneNumbers"] = _items(held, "phoneNumbers", wanted.phones, lambda p: p.raw, lambda each: each.get("value"),
                                               lambda p: {"value": p.raw, **_typed(p.label, PHONE_TYPES)})  # fmt: skip
            case "urls":
                found["urls"] = _items(held, "urls", wanted.urls, lambda u: u.url, lambda each: each.get("value"),
                                       lambda u: {"value": u.url, **_typed(u.label)})  # fmt: skip
            case "organizations":
                found["organizations"] = _items(held, "organizations", wanted.organizations, lambda o: (o.name, o.department, o.title),
                    lambda each: (each.get("name") or "", each.get("department"), each.get("title")),
                    lambda o: _told({"name": o.name, "department": o.department, "title": o.title}))  # fmt: skip
            case "addresses":
                found["addresses"] = _items(held, "addresses", wanted.addresses, _place, _held_place,
                    lambda a: _told({"streetAddress": a.street, "city": a.locality, "region": a.region, "postalCode": a.postal_code,
                                     "country": a.country}) | _typed(a.label))  # fmt: skip
            case "dates":
                day = next((each for each in wanted.dates if each.label == "birthday"), None)
                told = None if day is None else _told({"year": day.year, "month": day.month, "day": day.day})
                found["birthdays"] = [] if told is None else [{"date": told}]
            case "note":
                found["biographies"] = [] if wanted.note is None else [{"value": wanted.note, "contentType": "TEXT_PLAIN"}]
            case "groups":
                found["memberships"] = _memberships(held, wanted.groups, groups)
    return found


def holds(held: Json, wanted: Json) -> bool:
    """Whether a person has these fields already, whatever Google added to them by itself."""

    def bare(value: Any) -> Any:
        if isinstance(value, list):
            return [bare(each) for each in value]
        if isinstance(value, dict):
            return {name: bare(inner) for name, inner in value.items() if name not in OUTPUT}
        return value

    return all(bare(held.get(name) or []) == bare(value) for name, value in wanted.items())


def marked(uid: str) -> Json:
    """What says on a new contact that we made it."""
    return {"clientData": [{"key": MARK, "value": uid}]}


def is_marked(person: Json, uid: str) -> bool:
    """Whether a contact is the one that was made under this mark."""
    return any(each.get("key") == MARK and each.get("value") == uid for each in person.get("clientData") or ())


def _items(
    held: Json,
    name: str,
    wanted: Sequence[Any],
    same: Callable[[Any], Hashable],
    same_held: Callable[[Json], Hashable],
    make: Callable[[Any], Json],
) -> list[Json]:
    """The items of a list field: one that stays comes back as it was, but for a type that changed."""
    left = [each for each in held.get(name) or () if isinstance(each, dict) and _is_written(each)]
    found = []
    for one in wanted:
        new = make(one)
        old = next((each for each in left if same_held(each) == same(one)), None)
        if old is None:
            found.append(new)
            continue
        left.remove(old)
        kept = {key: value for key, value in old.items() if key != "formattedType"}
        if "type" in new:
            kept["type"] = new["type"]
        elif hasattr(one, "label"):
            kept.pop("type", None)
        found.append(kept)
    return found


def _is_written(item: Json) -> bool:
    """Whether the user wrote it: what a profile says comes along and is not theirs to write."""
    source = (item.get("metadata") or {}).get("source") or {}
    return source.get("type") in (None, "CONTACT")


def _names(held: Json, names: Sequence[records.Name]) -> Json:
    if not names:
        return {"names": [], "nicknames": []}
    new = names[0]
    old: Json = next((each for each in held.get("names") or () if _is_written(each)), {})
    parts = (new.given, new.middle, new.family, new.prefix, new.suffix)
    kept = {
        key: value
        for key, value in old.items()
        if key not in (*_STRUCTURE, "displayName", "displayNameLastFirst", "unstructuredName")
    }
    name = {**kept, **_told(dict(zip(_STRUCTURE, parts, strict=True)))}
    if not any(parts):
        name["unstructuredName"] = new.full
    nicknames = _items(held, "nicknames", [new.nickname] if new.nickname else [], lambda text: text,
                       lambda each: each.get("value"), lambda text: {"value": text})  # fmt: skip
    return {"names": [name], "nicknames": nicknames}


def _memberships(held: Json, wanted: Sequence[str], groups: Mapping[str, str]) -> list[Json]:
    by_name = {name: resource for resource, name in groups.items()}
    if unknown := [name for name in wanted if name not in by_name]:
        raise Refused(f"There is no group '{unknown[0][:100]}' at Google: make it there first.", provider_code="no-group")

    def resource(each: Json) -> str:
        return str((each.get("contactGroupMembership") or {}).get("contactGroupResourceName") or "")

    # without any group Google would refuse, and take it for nobody's contact
    kept = [each for each in held.get("memberships") or () if resource(each) not in groups]
    mine = kept or [{"contactGroupMembership": {"contactGroupResourceName": MY_CONTACTS}}]
    return [*mine, *({"contactGroupMembership": {"contactGroupResourceName": by_name[name]}} for name in dict.fromkeys(wanted))]


def _place(value: records.Address) -> Hashable:
    return (value.street or "", value.locality or "", value.region or "", value.postal_code or "", value.country or "")


def _held_place(each: Json) -> Hashable:
    street = "\n".join(filter(None, (each.get("streetAddress"), each.get("extendedAddress"), each.get("poBox"))))
    return (street, *(each.get(name) or "" for name in ("city", "region", "postalCode", "country")))


def _typed(label: str | None, types: Mapping[str, str] | None = None) -> Json:
    return {"type": (types or {}).get(label, label)} if label else {}


def _told(values: Mapping[str, Any]) -> Json:
    return {name: value for name, value in values.items() if value not in (None, "")}
