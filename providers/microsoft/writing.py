"""What of a contact at Outlook is written, from the fields of a record that changed.

Speaks `contact` of Microsoft Graph v1.0 as POST and PATCH take it (learn.microsoft.com/graph/api/contact-update): a list is replaced whole
and a structured property is told with all its parts, so what stays is sent back as it came. Outlook has room for a fixed number of
numbers, addresses and so on; what has no room is refused, never dropped. Knows no calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from providers import records
from providers.errors import Refused
from providers.microsoft.item import INTERNAL, NO_YEAR

#: Where our own mark stands on a contact that was made here (learn.microsoft.com/graph/api/resources/extended-properties-overview).
MARK: Final = "String {5b1a4d5e-3c0f-4f43-9a55-6d0c1f6a9b27} Name KithUid"
MAX_EMAILS: Final = 3
#: The year that stands for none at Outlook, and a time of day that is the same day everywhere from Honolulu to Auckland.
YEARLESS: Final = max(NO_YEAR)
NOON: Final = "T11:59:00Z"
#: Labels of ours → where Outlook has a place for it. What has another label takes the first place that is free.
PHONES: Final[Mapping[str, str]] = {
    "cell": "mobilePhone", "mobile": "mobilePhone", "home": "homePhones", "work": "businessPhones",
}  # fmt: skip
PLACES: Final[Mapping[str, str]] = {"home": "homeAddress", "work": "businessAddress", "other": "otherAddress"}
_PARTS: Final = ("street", "city", "state", "postalCode", "countryOrRegion")

Json = dict[str, Any]


def body(held: Json, wanted: records.Contact, fields: frozenset[records.ContactField]) -> Json:
    """The properties of a contact as they are to be. `held` is the contact as Outlook has it.

    Raises Refused for what Outlook has no room for.
    """
    found: Json = {}
    for field in fields:
        match field:
            case "names":
                found |= _names(wanted.names)
            case "emails":
                found["emailAddresses"] = _emails(held, wanted.emails)
            case "phones":
                found |= _phones(wanted.phones)
            case "urls":
                found["businessHomePage"] = _one("web address", [each.url for each in wanted.urls])
            case "organizations":
                one = _one("organisation", wanted.organizations)
                found["companyName"], found["department"], found["jobTitle"] = (
                    (None, None, None) if one is None else (one.name or None, one.department, one.title)
                )
            case "addresses":
                found |= _addresses(wanted.addresses)
            case "dates":
                found["birthday"] = _birthday(wanted.dates)
            case "note":
                found["personalNotes"] = wanted.note or ""
            case "groups":
                found["categories"] = list(dict.fromkeys(wanted.groups))
    return found


def holds(held: Json, wanted: Json) -> bool:
    """Whether a contact has these properties already; for Outlook nothing, null and empty are the same."""

    def bare(name: str, value: Any) -> Any:
        if name == "birthday":
            return (value or "")[:10]
        if name == "emailAddresses":
            return [(each.get("address") or "").lower() for each in value or ()]
        if isinstance(value, dict):
            return {part: inner for part, inner in value.items() if inner}
        return value or None

    return all((bare(name, held.get(name)) or None) == (bare(name, value) or None) for name, value in wanted.items())


def marked(uid: str) -> Json:
    """What says on a new contact that we made it."""
    return {"singleValueExtendedProperties": [{"id": MARK, "value": uid}]}


def mark_filter(uid: str) -> str:
    """The filter that finds a contact by our mark."""
    quoted = uid.replace("'", "''")
    return f"singleValueExtendedProperties/Any(ep: ep/id eq '{MARK}' and ep/value eq '{quoted}')"


def _names(names: Sequence[records.Name]) -> Json:
    new = names[0] if names else records.Name(full="")
    return {
        "displayName": new.full, "givenName": new.given, "middleName": new.middle, "surname": new.family, "title": new.prefix,
        "generation": new.suffix, "nickName": new.nickname,
    }  # fmt: skip


def _emails(held: Json, wanted: Sequence[records.Email]) -> list[Json]:
    """The addresses; one that stays keeps its name, and those of an organisation's directory, which are not shown, stay."""
    left = [each for each in held.get("emailAddresses") or () if isinstance(each, dict)]
    found = [each for each in left if INTERNAL.match(each.get("address") or "")]
    for one in wanted:
        old = next((each for each in left if (each.get("address") or "").lower() == one.raw.lower()), None)
        found.append({"address": one.raw, "name": (old or {}).get("name") or one.raw})
    if len(found) > MAX_EMAILS:
        raise _no_room(f"{MAX_EMAILS} e-mail addresses")
    return found


def _phones(wanted: Sequence[records.Phone]) -> Json:
    found: Json = {"mobilePhone": None, "homePhones": [], "businessPhones": []}
    for one in wanted:
        place = PHONES.get(one.label or "") or (
            "mobilePhone" if one.mobile and found["mobilePhone"] is None else "businessPhones"
        )
        if place == "mobilePhone" and found[place] is not None:
            raise _no_room("one mobile number; call the others home or work")
        if place == "mobilePhone":
            found[place] = one.raw
        else:
            found[place].append(one.raw)
    return found


def _addresses(wanted: Sequence[records.Address]) -> Json:
    found: Json = dict.fromkeys(PLACES.values())
    later = []
    for one in wanted:
        place = PLACES.get(one.label or "")
        if place is None:
            later.append(one)
        elif found[place] is not None:
            raise _no_room("one address each of home, work and other")
        else:
            found[place] = _place(one)
    for one in later:
        free = next((place for place in reversed([*PLACES.values()]) if found[place] is None), None)
        if free is None:
            raise _no_room("three addresses")
        found[free] = _place(one)
    # all parts are named: of a structured property that is told in part Graph keeps the rest
    return {place: dict.fromkeys(_PARTS) | (value or {}) for place, value in found.items()}


def _place(one: records.Address) -> Json:
    parts = (one.street, one.locality, one.region, one.postal_code, one.country)
    if not any(parts):
        return {"street": one.formatted}
    return {name: value for name, value in zip(_PARTS, parts, strict=True) if value}


def _birthday(dates: Sequence[records.PartialDate]) -> str | None:
    day = next((each for each in dates if each.label == "birthday"), None)
    if day is None:
        return None
    if day.month is None or day.day is None:
        raise Refused("Outlook keeps a birthday only with its day and month.", provider_code="no-room")
    return f"{day.year or YEARLESS:04}-{day.month:02}-{day.day:02}{NOON}"


def _one(what: str, values: Sequence[Any]) -> Any:
    if len(values) > 1:
        raise _no_room(f"one {what}")
    return values[0] if values else None


def _no_room(what: str) -> Refused:
    return Refused(f"Outlook has room for {what} of a contact.", provider_code="no-room")
