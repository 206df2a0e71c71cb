"""An entry of PortableContacts 1.0 (Draft C §7) as a contact, as servers really write it.

Fields of many may be one object, `primary` a text, a number a text; OpenSocial's extra fields are read where a contact has a place for them.
What has none (relationships, gender, utcOffset, sizes of photos) is left out. Knows no HTTP.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from providers import records
from providers.formats import email_address, phone_number
from providers.formats.vcard import partial_date, web_address

CONTAINER: Final = "contacts"
MAX_SHORT: Final = 1_000
MAX_TEXT: Final = 100_000
MAX_VALUES: Final = 500
MAX_KEY: Final = 500
#: Where networks' handles are at home (§7.6: the domain of an account), by the name that Kith has for the network.
NETWORKS: Final[Mapping[str, str]] = {
    "bsky.app": "bluesky", "github.com": "github", "x.com": "x", "twitter.com": "x", "t.me": "telegram", "linkedin.com": "linkedin",
    "facebook.com": "facebook", "instagram.com": "instagram",
}  # fmt: skip
MOBILE: Final = frozenset({"mobile", "cell"})
FIXED: Final = frozenset({"fax", "pager"})

Entry = Mapping[str, Any]


def key_of(entry: Entry) -> str | None:
    """What the server knows it by (§7.2: `id`); None where it has none. One that is too long to be kept is known by its hash."""
    value = entry.get("id")
    text = (
        value.strip() if isinstance(value, str) else str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
    )
    if not text or "\x00" in text:
        return None
    return text if len(text) <= MAX_KEY else "id-hash:" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def contact(entry: Entry, key: str, region: str | None) -> records.Contact:
    """The contact that an entry describes; `region` (ISO 3166-1) reads numbers without a country code."""
    bio, note = (_text(entry.get(field))[:MAX_TEXT] or None for field in ("aboutMe", "note"))
    return records.Contact(
        key=key,
        relation="CONNECTION" if _true(entry.get("connected")) else "ADDRESS_BOOK",
        names=_names(entry),
        emails=tuple(_emails(entry)),
        phones=tuple(_phones(entry, region)),
        urls=tuple(_urls(entry)),
        handles=tuple(_handles(entry)),
        organizations=tuple(_organizations(entry)),
        addresses=tuple(_addresses(entry)),
        dates=tuple(_dates(entry)),
        groups=tuple(dict.fromkeys(_short(_value(tag)) for tag in _many(entry, "tags") if _short(_value(tag)))),
        languages=tuple(dict.fromkeys(_short(_value(one)) for one in _many(entry, "languagesSpoken") if _short(_value(one)))),
        bio=bio,
        note=note
        if note != bio
        else None,  # for clients that know the draft alone, what people say of themselves is told as a note
        photo=_photo(entry),
        url=web_address(_text(entry.get("profileUrl"))),
        container=CONTAINER,
        created_at=moment(entry.get("published")),
        updated_at=moment(entry.get("updated")),
    )


def moment(value: Any) -> datetime | None:
    """an xs:dateTime (§7.2.1); one without a zone is UTC. None for anything else."""
    try:
        found = datetime.fromisoformat(_text(value))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def many(value: Any) -> list[Any]:
    """A field of many (§7.2.2), which some servers write as one object where there is one."""
    if value is None:
        return []
    return list(value[:MAX_VALUES]) if isinstance(value, list) else [value]


# --- fields -------------------------------------------------------------------------------------------------------------------


def _names(entry: Entry) -> tuple[records.Name, ...]:
    parts = entry.get("name")
    name: Mapping[str, Any] = parts if isinstance(parts, Mapping) else {}
    shown, formatted = _short(entry.get("displayName")), _short(name.get("formatted"))
    nickname = next((text for one in _many(entry, "nickname") if (text := _short(_value(one)))), None)
    told = {
        "prefix": _short(name.get("honorificPrefix")), "given": _short(name.get("givenName")), "middle": _short(name.get("middleName")),
        "family": _short(name.get("familyName")), "suffix": _short(name.get("honorificSuffix")),
    }  # fmt: skip
    given = {part: text for part, text in told.items() if text}
    joined = " ".join(told[part] for part in ("prefix", "given", "middle", "family", "suffix") if told[part])
    full = formatted or ("" if _is_identifier(entry, shown) else shown) or joined or nickname or ""
    if not full:
        return ()
    found = [records.Name(full=full, nickname=nickname, **given)]
    if shown and shown != full and not _is_identifier(entry, shown):
        found.append(records.Name(full=shown))
    return tuple(found)


def _is_identifier(entry: Entry, shown: str) -> bool:
    """§7.2.1: a display name is never empty, so an address or user name stands in for one."""
    stand_ins = [_value(one) for field in ("emails", "phoneNumbers") for one in _many(entry, field)]
    for one in _many(entry, "accounts"):
        if isinstance(one, Mapping):
            stand_ins += [one.get("username"), f"{_text(one.get('username'))}@{_text(one.get('domain'))}"]
    return shown in (_text(entry.get("preferredUsername")), *(_text(one) for one in stand_ins))


def _emails(entry: Entry) -> Iterator[records.Email]:
    for one in _many(entry, "emails"):
        if raw := _short(_value(one)):
            yield records.Email(raw=raw, address=email_address.normalised(raw), label=_label(one), preferred=_primary(one))


def _phones(entry: Entry, region: str | None) -> Iterator[records.Phone]:
    for one in _many(entry, "phoneNumbers"):
        if raw := _short(_value(one)):
            label = _label(one)
            line: phone_number.LineType = "MOBILE" if label in MOBILE else "FIXED" if label in FIXED else "UNKNOWN"
            yield phone_number.read(raw, region, label="cell" if label == "mobile" else label, line=line, preferred=_primary(one))


def _urls(entry: Entry) -> Iterator[records.Url]:
    for one in _many(entry, "urls"):
        if url := web_address(_text(_value(one))):
            yield records.Url(url=url, label=_label(one))


def _handles(entry: Entry) -> Iterator[records.Handle]:
    for one in _many(entry, "accounts"):
        if not isinstance(one, Mapping):
            continue
        domain, name = _short(one.get("domain")).lower(), _short(one.get("username")) or _short(one.get("userid"))
        if domain and name:
            yield records.Handle(provider=NETWORKS.get(domain.removeprefix("www."), domain), handle=name.lstrip("@") or name)
    for one in _many(entry, "ims"):
        if (name := _short(_value(one))) and (network := _label(one)):
            yield records.Handle(provider=network, handle=name)


def _organizations(entry: Entry) -> Iterator[records.Organization]:
    for one in _many(entry, "organizations"):
        if isinstance(one, Mapping):
            name, department, title = (_short(one.get(part)) for part in ("name", "department", "title"))
            if name or department or title:
                yield records.Organization(name=name, department=department or None, title=title or None)


def _addresses(entry: Entry) -> Iterator[records.Address]:
    for one in _many(entry, "addresses"):
        if not isinstance(one, Mapping):
            continue
        street, locality, region, code, country = (
            _text(one.get(part))[:MAX_SHORT] for part in ("streetAddress", "locality", "region", "postalCode", "country")
        )
        city = " ".join(part for part in (code, locality) if part)
        formatted = _text(one.get("formatted"))[:MAX_SHORT] or "\n".join(part for part in (street, city, region, country) if part)
        if formatted:
            yield records.Address(
                formatted=formatted,
                street=street or None,
                locality=locality or None,
                region=region or None,
                postal_code=code or None,
                country=country or None,
                label=_label(one),
            )


def _dates(entry: Entry) -> Iterator[records.PartialDate]:
    """§7.2.1: the year 0000 stands for one that is unknown."""
    for label in ("birthday", "anniversary"):
        if (date := partial_date(_text(entry.get(label)), label)) is not None:
            yield date


def _photo(entry: Entry) -> records.Photo | None:
    """The picture to show: the primary one, a small copy of one only where there is nothing else."""
    found = [one for one in _many(entry, "photos") if web_address(_text(_value(one)))]
    ranked = sorted(found, key=lambda one: (_label(one) == "thumbnail", not _primary(one)))
    url = _text(_value(ranked[0])) if ranked else _text(entry.get("thumbnailUrl"))
    return records.Photo(url=address) if (address := web_address(url)) else None


# --- values -------------------------------------------------------------------------------------------------------------------


def _many(entry: Entry, field: str) -> list[Any]:
    return many(entry.get(field))


def _value(one: Any) -> Any:
    """What a value of a field of many says: `value`, or the value itself (§7.2.2: tags are plain texts)."""
    return one.get("value") if isinstance(one, Mapping) else one


def _label(one: Any) -> str | None:
    """What a value is for; `other` says nothing (§7.2.2)."""
    word = _short(one.get("type")).lower() if isinstance(one, Mapping) else ""
    return word if word and word != "other" else None


def _primary(one: Any) -> bool:
    return isinstance(one, Mapping) and _true(one.get("primary"))


def _true(value: Any) -> bool:
    """A boolean; the draft's own example writes a text."""
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
    return text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n").strip()


def _short(value: Any) -> str:
    return " ".join(_text(value)[:MAX_SHORT].split())
