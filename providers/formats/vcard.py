"""vCard properties to a Contact: what each means in 2.1, 3.0 and 4.0, and in the dialects of Apple, Android and Outlook.

Speaks RFC 6350 §6 (and 2426, 6474, 6869, 9554), and the `X-` properties that address books really write. The syntax is in
`vcard_syntax.py` and comes along from here: `split_cards`, `parse`, `Card`. Keeps what it can read and drops only the value
it cannot, never the card. Refuses to know files, accounts and networks; a photo that is only a link stays a link.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeVar
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from providers import records
from providers.formats import email_address, phone_number, vcard_own
from providers.formats.vcard_syntax import Card, Property, RawCard, parse, split_cards

__all__ = [
    "Card",
    "Property",
    "RawCard",
    "bare_uid",
    "contact_key",
    "is_empty",
    "parse",
    "picture",
    "preference",
    "split_cards",
    "tel",
    "to_contact",
]

MAX_PHOTO = 5 * 1024 * 1024  # bytes, decoded
MAX_VALUES = 500  # of one kind on one card
MAX_TEXT = 100_000  # characters of a note; 1,000 of anything short
MAX_SHORT = 1_000
MAX_KEPT = 512 * 1024  # bytes of a card that are kept beside its contact

# Types that say how a value is used, in the words a user knows; the rest (internet, voice, x400 …) says nothing to people.
_LABELS = (
    "work",
    "home",
    "cell",
    "mobile",
    "iphone",
    "main",
    "fax",
    "pager",
    "car",
    "school",
    "other",
    "video",
    "isdn",
    "textphone",
)
_MOBILE_TYPES = frozenset({"cell", "mobile", "iphone", "pcs"})
_FIXED_TYPES = frozenset({"fax", "pager", "isdn", "modem", "bbs"})

_KINDS: dict[str, records.Nature] = {
    "individual": "INDIVIDUAL",
    "org": "ORGANIZATION",
    "organization": "ORGANIZATION",
    "company": "ORGANIZATION",
    "location": "ORGANIZATION",
    "group": "GROUP",
    "application": "AUTOMATED",  # RFC 6473
    "device": "AUTOMATED",  # RFC 6869
    "thing": "AUTOMATED",
}

# Properties that are a handle on one network by their very name.
_HANDLE_PROPERTIES = {
    "X-AIM": "aim",
    "X-ICQ": "icq",
    "X-JABBER": "xmpp",
    "X-XMPP": "xmpp",
    "X-MSN": "msn",
    "X-YAHOO": "yahoo",
    "X-SKYPE": "skype",
    "X-SKYPE-USERNAME": "skype",
    "X-GTALK": "google-talk",
    "X-GOOGLE-TALK": "google-talk",
    "X-GADUGADU": "gadu-gadu",
    "X-GROUPWISE": "groupwise",
    "X-QQ": "qq",
    "X-SIP": "sip",
    "X-TWITTER": "x",
    "X-MATRIX": "matrix",
    "X-TELEGRAM": "telegram",
    "X-SIGNAL": "signal",
    "X-WECHAT": "wechat",
    "X-MASTODON": "mastodon",
    "X-FACEBOOK": "facebook",
    "X-INSTAGRAM": "instagram",
    "X-LINKEDIN": "linkedin",
}
_NETWORK_NAMES = {
    "twitter": "x",
    "jabber": "xmpp",
    "googletalk": "google-talk",
    "gtalk": "google-talk",
    "facebook messenger": "facebook",
    "gadugadu": "gadu-gadu",
    "sinaweibo": "weibo",
    "ymsgr": "yahoo",
}
_PROFILE_HOSTS = {
    "twitter.com": "x",
    "x.com": "x",
    "facebook.com": "facebook",
    "linkedin.com": "linkedin",
    "instagram.com": "instagram",
    "github.com": "github",
    "flickr.com": "flickr",
    "myspace.com": "myspace",
    "weibo.com": "weibo",
    "t.me": "telegram",
    "matrix.to": "matrix",
    "bsky.app": "bluesky",
}
_DATES = {
    "BDAY": "birthday",
    "X-BIRTHDAY": "birthday",
    "ANNIVERSARY": "anniversary",
    "X-ANNIVERSARY": "anniversary",
    "X-EVOLUTION-ANNIVERSARY": "anniversary",
    "X-MS-ANNIVERSARY": "anniversary",
    "X-KADDRESSBOOK-X-ANNIVERSARY": "anniversary",
    "DEATHDATE": "death",
    "X-ABDATE": "",
}
_ANDROID_EVENTS = {"1": "anniversary", "2": "other", "3": "birthday"}
_IMAGES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
_BRANDS = {b"heic": "image/heic", b"heix": "image/heic", b"mif1": "image/heif", b"avif": "image/avif"}

_APPLE_LABEL = re.compile(r"_\$!<(.*)>!\$_\Z", re.S)
# RFC 6350 §4.3.1 in basic and extended form, the same with blanks as some exports write it, and the start of a date-time.
_DATE = re.compile(r"(?:(\d{4})|--)-?(\d\d)-?(\d\d)(?:[T ].*)?\Z", re.S)
_YEAR_MONTH = re.compile(r"(\d{4})-(\d\d)\Z")
_YEAR = re.compile(r"(\d{4})\Z")
_MONTH = re.compile(r"--(\d\d)\Z")
_DAY = re.compile(r"---(\d\d)\Z")
_TIMESTAMP = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)(?:[T ]?(\d\d):?(\d\d)(?::?(\d\d))?(?:[.,]\d+)?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?\Z", re.I
)
_BLANKS = re.compile(r"\s+")
_Value = TypeVar("_Value")
Labels = dict[str, str]  # what is called how, by group prefix


def to_contact(card: Card, *, key: str | None, region: str | None, container: str, keep_card: bool = False) -> records.Contact:
    """The card as a Contact of an address book.

    `key` is the network's own (a CardDAV href); without one it is `contact_key`. `region` (ISO 3166-1) reads numbers that lack
    a country code. `keep_card` puts the card's own text beside, for writing it back.
    """
    labels = _group_labels(card)
    emails = _emails(card, labels)
    phones = _phones(card, labels, region)
    names = _names(card, emails, phones)
    photo = _photo(card)
    return records.Contact(
        key=key or contact_key(card),
        relation="ADDRESS_BOOK",
        nature=_nature(card),
        names=names,
        emails=emails,
        phones=phones,
        urls=_urls(card, labels),
        handles=_handles(card),
        organizations=_organizations(card),
        addresses=_addresses(card, labels),
        dates=_dates(card, labels),
        groups=_distinct(_short(item) for value in card.all("CATEGORIES") for item in value.items)[:MAX_VALUES],
        members=_members(card),
        languages=_distinct(_short(value.text).lower() for value in sorted(card.all("LANG"), key=preference)),
        note=_note(card),
        photo=photo,
        **vcard_own.facts(card),
        uid=_uid(card),
        vcard=text_of(card) if keep_card else None,
        container=container,
        created_at=_instant(card.first("CREATED", "X-CREATED")),
        updated_at=_instant(card.first("REV")),
    )


def contact_key(card: Card) -> str:
    """What a card is known by in its account: its UID, else a hash of its normalised mails, phones and name.

    Does not depend on the viewer's region, the order of values, or the version it was written in.
    """
    if uid := _uid(card):
        return f"uid:{uid}" if len(uid) <= 500 else "uid-hash:" + _digest(uid)
    emails = sorted({(email.address or email.raw).lower() for email in _emails(card, {})})
    phones = sorted({phone_number.comparable(tel(value)) for value in islice(card.all("TEL"), MAX_VALUES) if value.value.strip()})
    names = [_BLANKS.sub(" ", unicodedata.normalize("NFKC", name.full)).casefold() for name in _names(card, (), ())[:1]]
    if not (emails or phones or names):
        names = [item.undecoded for item in card.properties if item.name not in ("REV", "PRODID", "BEGIN", "END", "VERSION")]
    return "hash:" + _digest("\n".join((*emails, "", *phones, "", *names)))


def kept_beside(card: Card) -> str | None:
    """The card's text as it is kept beside a contact that came from a file: the bytes of its picture are elsewhere; without other pictures
    where these are too many, and not at all where the rest is too long.
    """
    shown = next(_pictures(card), None)
    elsewhere = shown[0] if shown is not None and shown[1].data is not None else None
    told = tuple(
        item for item in card.properties if item.name != "X-MS-CARDPICTURE" and (item is not elsewhere or item.name == "LOGO")
    )
    if sum(len(item.raw) for item in told) > MAX_KEPT:
        told = tuple(item for item in told if item.name != "PHOTO")
    if sum(len(item.raw) for item in told) > MAX_KEPT:
        return None
    return text_of(Card(version=card.version, properties=told))


def is_empty(card: Card) -> bool:
    """Whether a card says nothing: no property but the frame that every card has."""
    return not any(
        item.name not in ("", "BEGIN", "END", "VERSION", "PRODID", "REV", "UID") and item.value.strip(b" \t;")
        for item in card.properties
    )


# --- names ----------------------------------------------------------------------------------------------------------------


def _names(card: Card, emails: tuple[records.Email, ...], phones: tuple[records.Phone, ...]) -> tuple[records.Name, ...]:
    parts = _name_parts(card)
    full = [text for value in sorted(card.all("FN"), key=preference) if (text := _shown(value.text))]
    nicknames = (value for value in card.all("NICKNAME", "X-NICKNAME") if not value.parameter("ALTID"))
    nickname = next((text for value in nicknames if (text := _shown(", ".join(value.items)))), None)
    nickname = nickname or _android(card, "nickname")
    if not full:  # FN is often missing or says "null": N, then the organisation, a mail, a number
        joined = " ".join(parts[part] for part in ("prefix", "given", "middle", "family", "suffix") if parts.get(part))
        organization = card.first("ORG")
        company = _shown(" ".join(organization.parts[0])) if organization else ""
        candidates = (
            joined,
            nickname,
            company,
            *(email.address or email.raw for email in emails),
            *(phone.raw for phone in phones),
        )
        full = [next((candidate for candidate in candidates if candidate), "")]
    if not full[0]:
        return ()
    phonetic = " ".join(
        text
        for name in ("X-PHONETIC-FIRST-NAME", "X-PHONETIC-MIDDLE-NAME", "X-PHONETIC-LAST-NAME")
        if (value := card.first(name)) and (text := _shown(value.text))
    )
    main = records.Name(full=full[0], nickname=nickname, phonetic=phonetic or None, **parts)
    return _distinct((main, *vcard_own.further_names(card, full[0], full[1:], _parts)))[:20]


def _name_parts(card: Card) -> dict[str, str]:
    """The parts of the first name: of an N that does not belong to another name."""
    _, *others = [value.parameter("ALTID") for value in sorted(card.all("FN"), key=preference)] or [()]
    belongs = {altid for altids in others for altid in altids}
    return _parts(next((value for value in card.all("N") if not belongs & set(value.parameter("ALTID"))), None))


def _parts(value: Property | None) -> dict[str, str]:
    """N as the five parts of RFC 6350 §6.2.2, those that say something."""
    if value is None:
        return {}
    order = ("family", "given", "middle", "prefix", "suffix")
    named = {
        part: _shown(" ".join(item for item in items if item.strip())) for part, items in zip(order, value.parts, strict=False)
    }
    return {part: text for part, text in named.items() if text}


def _nature(card: Card) -> records.Nature:
    kind = card.first("KIND", "X-ADDRESSBOOKSERVER-KIND")
    if kind is not None and (nature := _KINDS.get(kind.text.strip().lower())):
        return nature
    shown_as = card.first("X-ABSHOWAS")
    if shown_as is not None and shown_as.text.strip().upper() == "COMPANY":
        return "ORGANIZATION"
    return "INDIVIDUAL"


# --- ways to reach somebody -----------------------------------------------------------------------------------------------


def _emails(card: Card, labels: Labels) -> tuple[records.Email, ...]:
    best = _best(card, "EMAIL")
    found: dict[str, records.Email] = {}
    for value in islice(card.all("EMAIL"), MAX_VALUES):
        raw = _short(value.text)
        if not raw or "x400" in value.types:
            continue
        address = email_address.normalised(raw)
        raw = vcard_own.written(value) or raw
        email = records.Email(raw=raw, address=address, label=_label(labels, value), preferred=value is best)
        found.setdefault(address or raw, email)
    return tuple(found.values())[:MAX_VALUES]


def _phones(card: Card, labels: Labels, region: str | None) -> tuple[records.Phone, ...]:
    best = _best(card, "TEL")
    found: dict[tuple[str, str | None], records.Phone] = {}
    for value in islice(card.all("TEL"), MAX_VALUES):
        raw = tel(value)
        if not raw:
            continue
        types = value.types | frozenset((_label(labels, value) or "",))
        line: phone_number.LineType = "MOBILE" if types & _MOBILE_TYPES else "FIXED" if types & _FIXED_TYPES else "UNKNOWN"
        phone = vcard_own.phone(
            value, phone_number.read(raw, region, label=_label(labels, value), line=line, preferred=value is best)
        )
        found.setdefault((phone.number or phone.raw, phone.extension), phone)
    return tuple(found.values())[:MAX_VALUES]


def tel(value: Property) -> str:
    """The number as written; a tel: URI (RFC 3966) without its scheme, its extension in words."""
    text = _short(value.text)
    if text[:4].lower() != "tel:":
        return text
    number, *parameters = unquote(text[4:]).split(";")
    extension = next((item[4:] for item in parameters if item.lower().startswith("ext=")), "")
    context = next((item[14:] for item in parameters if item.lower().startswith("phone-context=+")), "")
    return f"{context}{number}" + (f" ext. {extension}" if extension else "")


def _urls(card: Card, labels: Labels) -> tuple[records.Url, ...]:
    found: dict[str, records.Url] = {}
    for value in card.all("URL", "X-URL", "X-HOMEPAGE", "BLOG", "X-BLOG-URL", "X-EVOLUTION-BLOG-URL"):
        if url := web_address(value.text):
            found.setdefault(url, records.Url(url=url, label=_label(labels, value)))
    return tuple(found.values())[:MAX_VALUES]


def web_address(text: str) -> str | None:
    """`text` as an http or https address, a missing scheme supplied; None for anything else."""
    text = text.strip()
    if len(text) > 2000 or not text or re.search(r"[\s<>\"\x00-\x1f]", text):
        return None
    if "://" not in text and re.match(r"(?:[\w-]+\.)+[A-Za-z]{2,}(?:[/?#:]|\Z)", text):
        text = "https://" + text
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises for a port that is none
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        return None
    return text


def _handles(card: Card) -> tuple[records.Handle, ...]:
    found: list[records.Handle] = []
    for value in card.properties:
        if value.name in ("X-SOCIALPROFILE", "SOCIALPROFILE", "IMPP"):
            found.extend(_profile(value))
        elif value.name in _HANDLE_PROPERTIES and (text := _shown(value.text)):
            provider = _HANDLE_PROPERTIES[value.name]
            url = web_address(text) if "://" in text else None
            found.append(records.Handle(provider=provider, handle=_handle_of(url) if url else text.lstrip("@"), url=url))
    return _distinct(item for item in found if item.handle)[:MAX_VALUES]


def _profile(value: Property) -> Iterator[records.Handle]:
    """Apple's X-SOCIALPROFILE and X-SERVICE-TYPE, RFC 9554's SOCIALPROFILE, RFC 4770's IMPP: a URI, or only a name."""
    text = _shown(value.text)
    if not text:
        return
    service = next(iter((*value.parameter("SERVICE-TYPE"), *value.parameter("X-SERVICE-TYPE"))), "")
    if not service and value.name == "X-SOCIALPROFILE":
        service = next((item for item in value.parameter("TYPE") if item.lower() not in ("home", "work", "pref", "other")), "")
    user = next(iter((*value.parameter("USERNAME"), *value.parameter("X-USER"))), "")
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower() if colon and re.match(r"[a-zA-Z][\w+.-]*\Z", scheme) else ""
    url = web_address(text) if scheme in ("http", "https") else None
    if url:
        provider = service or _PROFILE_HOSTS.get(_host(url), _host(url))
        handle = user or _handle_of(url)
    elif scheme == "x-apple":
        provider, handle = service, user or unquote(rest)
    else:
        provider = service or scheme
        handle = unquote(rest).lstrip("/").partition("?")[0] if scheme else text
        handle = user or handle
    provider = _NETWORK_NAMES.get(provider.strip().lower(), provider.strip().lower())
    if provider:
        yield records.Handle(provider=_short(provider), handle=_short(handle.lstrip("@")), url=url)


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower().removeprefix("www.").removeprefix("m.")


def _handle_of(url: str) -> str:
    """The name in a profile's address: its last path segment, with the host where the network has many hosts."""
    segments = [unquote(item) for item in urlsplit(url).path.split("/") if item]
    name = segments[-1] if segments else ""
    if name.startswith("@") and _host(url) not in _PROFILE_HOSTS:
        return f"{name[1:]}@{_host(url)}" if "@" not in name[1:] else name[1:]
    return name.lstrip("@")


def _addresses(card: Card, labels: Labels) -> tuple[records.Address, ...]:
    found: list[records.Address] = []
    for value in islice(card.all("ADR"), MAX_VALUES):
        # RFC 6350 §6.3.1: post office box, extended address, street, locality, region, code, country
        parts = [_lines(", ".join(item for item in items if item.strip())) for items in value.parts]
        box, extended, street, locality, region, code, country = (*parts, *("",) * 7)[:7]
        lines = [line for line in (", ".join(item for item in (box, extended) if item), street) if line]
        city = " ".join(item for item in (code, locality) if item)
        # RFC 6350 §6.3.1 has lines in its own example end with \\n, RFC 6868 with ^n
        formatted = next(iter(value.parameter("LABEL")), "").replace("\\n", "\n") or "\n".join(
            item for item in (*lines, city, region, country) if item
        )
        if formatted:
            found.append(
                records.Address(
                    formatted=formatted[:MAX_SHORT],
                    street="\n".join(lines) or None,
                    locality=locality or None,
                    region=region or None,
                    postal_code=code or None,
                    country=country or None,
                    label=_label(labels, value),
                )
            )
    if not found:  # 2.1 and 3.0: the printed label may be all there is
        found = [
            records.Address(formatted=text, label=_label(labels, value))
            for value in card.all("LABEL")
            if (text := _short(value.text.strip()))
        ]
    return _distinct(found)[:MAX_VALUES]


# --- what somebody is -----------------------------------------------------------------------------------------------------


def _organizations(card: Card) -> tuple[records.Organization, ...]:
    by_group, alone = vcard_own.titles(card)
    titles = [text for title in alone if (text := _shown(title))]
    titles = titles or ([] if by_group else [text for value in card.all("ROLE") if (text := _shown(value.text))])
    found: list[records.Organization] = []
    for index, value in enumerate(card.all("ORG")):
        # RFC 6350 §6.6.4: the name, then units; a comma in it is meant as one, whatever the version says
        name, *units = [_shown(", ".join(items)) for items in value.parts]
        title = titles[index] if index < len(titles) else None
        if by_group:  # a job's title stands in its group
            title = _shown(by_group.get(value.group.lower(), "")) or None
        if name or any(units):
            department = "; ".join(unit for unit in units if unit) or None
            found.append(records.Organization(name=name, department=department, title=title))
    if not found and titles:
        found = [records.Organization(name="", title=titles[0])]
    return _distinct(found)[:MAX_VALUES]


def _dates(card: Card, labels: Labels) -> tuple[records.PartialDate, ...]:
    found: list[records.PartialDate] = []
    for value in card.properties:
        if value.name in _DATES:
            label = _DATES[value.name] or _label(labels, value) or "other"
            if date := partial_date(value.text, label, unknown_year=next(iter(value.parameter("X-APPLE-OMIT-YEAR")), None)):
                found.append(date)
    for text in card.all("X-ANDROID-CUSTOM"):
        kind, _, rest = text.undecoded.partition(";")
        if kind.endswith("/contact_event"):
            when, event, *words = (*rest.split(";"), "")
            if date := partial_date(when, (words[0] if words and words[0] else _ANDROID_EVENTS.get(event, "other"))):
                found.append(date)
    return _distinct(found)[:MAX_VALUES]


def partial_date(text: str, label: str, *, unknown_year: str | None = None) -> records.PartialDate | None:
    """A date of which parts may be missing (RFC 6350 §4.3.1); `unknown_year` is the year that Apple writes for none."""
    text = text.strip()[:40]
    year: str | None = None
    month: str | None = None
    day: str | None = None
    if match := _DATE.match(text):
        year, month, day = match.groups()
    elif match := _YEAR_MONTH.match(text):
        year, month = match.groups()
    elif match := _YEAR.match(text):
        year = match[1]
    elif match := _MONTH.match(text):
        month = match[1]
    elif match := _DAY.match(text):
        day = match[1]
    else:
        return None
    if year is not None and (year == unknown_year or year == "0000"):
        year = None
    numbers = [int(part) if part else None for part in (year, month, day)]
    if (numbers[1] is not None and not 1 <= numbers[1] <= 12) or (numbers[2] is not None and not 1 <= numbers[2] <= 31):
        return None
    if numbers == [None, None, None]:
        return None
    return records.PartialDate(year=numbers[0], month=numbers[1], day=numbers[2], label=label.strip().lower() or None)


def _note(card: Card) -> str | None:
    notes = _distinct(
        text for value in card.all("NOTE") if (text := value.text.replace("\r\n", "\n").replace("\r", "\n").strip())
    )
    return "\n\n".join(notes)[:MAX_TEXT] or None


def _photo(card: Card) -> records.Photo | None:
    """The first picture that is one."""
    return next((photo for _, photo in _pictures(card)), None)


def _pictures(card: Card) -> Iterator[tuple[Property, records.Photo]]:
    """Those of the person before the mark of an organisation, wherever they stand."""
    for name in ("PHOTO", "X-MS-CARDPICTURE", "LOGO"):
        for value in card.all(name):
            if photo := picture(value):
                yield value, photo


def picture(value: Property) -> records.Photo | None:
    """A picture: its bytes where they came along, else the link; None for what is none, and for one over MAX_PHOTO."""
    if len(value.value) > MAX_PHOTO * 4 // 3 + 200_000:  # room for the line ends within base64
        return None
    data, url = b"", None
    if value.encoding == "BASE64":
        data = value.data
    else:
        text = value.text.strip()
        if text[:5].lower() == "data:":
            data = _data_uri(value.undecoded.strip().replace("\\,", ",").replace("\\;", ";"))
        elif text[:7].lower() in ("http://", "https:/"):
            url = web_address(text)
        elif value.parameter("TYPE") and len(text) > 100 and re.match(r"[A-Za-z0-9+/=\s]+\Z", text):
            data = value.data  # base64 whose writer forgot to say so
    if url:
        return records.Photo(url=url)
    if data and len(data) <= MAX_PHOTO and (media_type := image_type(data)):
        return records.Photo(media_type=media_type, data=data)
    return None


def image_type(data: bytes) -> str | None:
    """The media type that the first bytes of a picture show; None when it is not a picture, whatever its card says."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12])
    return next((media_type for magic, media_type in _IMAGES if data.startswith(magic)), None)


def _data_uri(text: str) -> bytes:
    """RFC 2397."""
    head, _, body = text.partition(",")
    if not head.lower().endswith(";base64"):
        return unquote_to_bytes(body)
    try:
        return base64.b64decode(re.sub(r"[^A-Za-z0-9+/]", "", unquote(body)) + "==")
    except (binascii.Error, ValueError):
        return b""


# --- the card itself ------------------------------------------------------------------------------------------------------


def _uid(card: Card) -> str | None:
    """The UID without `urn:uuid:`; a UUID in lower case (RFC 9562 §4)."""
    value = card.first("UID")
    return bare_uid(value.text) if value else None


def _members(card: Card) -> tuple[str, ...]:
    """The UIDs in a group (RFC 6350 §6.6.5, and Apple's in cards of 3.0). A member named by its address alone is none of them."""
    if _nature(card) != "GROUP":
        return ()
    named = (value.text.strip() for value in card.all("MEMBER", "X-ADDRESSBOOKSERVER-MEMBER"))
    return _distinct(uid for text in named if text[:7].lower() != "mailto:" and (uid := bare_uid(text)))


def bare_uid(text: str) -> str | None:
    """A UID without `urn:uuid:`; a UUID in lower case (RFC 9562 §4)."""
    text = text.strip()
    if text[:9].lower() == "urn:uuid:":
        text = text[9:]
    if re.match(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\Z", text):
        text = text.lower()
    return text[:2000] or None


def _instant(value: Property | None) -> datetime | None:
    """A timestamp (RFC 6350 §4.3.5); without a zone it is taken as UTC."""
    match = _TIMESTAMP.match(value.text.strip()[:64]) if value else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    zone = match[7] or "Z"
    try:
        found = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        if zone.upper() != "Z":
            digits = zone[1:].replace(":", "").ljust(4, "0")
            offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
            found = found - offset if zone[0] == "+" else found + offset
    except (ValueError, OverflowError):
        return None
    return found


def text_of(card: Card) -> str | None:
    """The card as text when that is lossless: UTF-8, and nothing that a store refuses."""
    try:
        text = card.serialise().decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if "\x00" not in text else None


def _group_labels(card: Card) -> Labels:
    """Apple's labels by group prefix: `item1.X-ABLabel` names what `item1.EMAIL` is."""
    found: Labels = {}
    for value in card.all("X-ABLABEL"):
        if value.group and (text := _short(value.text)):
            apple = _APPLE_LABEL.match(text)
            found.setdefault(value.group.lower(), apple[1].lower() if apple else text)
    return found


def _label(labels: Labels, value: Property) -> str | None:
    """What the user calls a value: Apple's label beside it, else the first type that says something to people."""
    if value.group and (beside := labels.get(value.group.lower())):
        return beside
    if found := label_of(value.types):
        return found
    custom = next((item for item in value.parameter("TYPE") if item.lower().startswith("x-") and len(item) > 2), None)
    return _short(custom[2:]) if custom else None


def label_of(types: Iterable[str]) -> str | None:
    """The label that TYPE values make, those that say something to people."""
    told = frozenset(types)
    found = [label for label in _LABELS if label in told]
    return " ".join("cell" if label in ("mobile", "iphone") else label for label in found[:2]) or None


def _best(card: Card, name: str) -> Property | None:
    """The value its owner prefers: lowest PREF of 4.0, or the type `pref` of earlier versions; None when nothing says so."""
    ranked = [(rank, value) for value in card.all(name) if (rank := preference(value)) < 101]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def preference(value: Property) -> int:
    """1 to 100 (RFC 6350 §5.3), 101 when nothing is said."""
    if "pref" in value.types:
        return 1
    text = next(iter(value.parameter("PREF")), "")
    return min(max(int(text), 1), 100) if text.isdecimal() and len(text) < 5 else 101


def _android(card: Card, kind: str) -> str | None:
    """A value of X-ANDROID-CUSTOM: `vnd.android.cursor.item/<kind>;<value>;…`."""
    for value in card.all("X-ANDROID-CUSTOM"):
        found, _, rest = value.text.partition(";")
        if found.endswith("/" + kind) and (text := _shown(rest.partition(";")[0])):
            return text
    return None


def _shown(text: str, limit: int = MAX_SHORT) -> str:
    """A short text in one line; empty for what stands for nothing."""
    text = _BLANKS.sub(" ", text[:limit]).strip()
    return "" if text.lower() in ("null", "(null)", "undefined") else text


def _lines(text: str) -> str:
    """A short text whose lines stay apart."""
    return "\n".join(line for part in text[:MAX_SHORT].splitlines() if (line := _shown(part)))


def _short(text: str) -> str:
    return text[:MAX_SHORT].strip()


def _distinct(values: Iterable[_Value]) -> tuple[_Value, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
