"""A directory entry to a card: inetOrgPerson and the attributes that Thunderbird, Mozilla and Evolution add.

Speaks RFC 4519 and RFC 2798, Mozilla's abPerson schema and Evolution's evolutionPerson. Attributes that nobody should have
exported (passwords, keys) are dropped; those that a card has no place for are kept as X-COLUMN. Knows no files and no accounts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from providers.formats.card_draft import Draft
from providers.formats.ldif import Attribute, Broken
from providers.formats.vcard import image_type
from providers.formats.vcard_syntax import Card

PEOPLE: Final = frozenset(
    {"person", "inetorgperson", "organizationalperson", "mozillaabpersonalpha", "mozillaabpersonobsolete", "evolutionperson", "abperson",
     "residentialperson", "newpilotperson", "pilotperson", "user", "contact", "officeperson"}
)  # fmt: skip
GROUPS: Final = frozenset({"groupofnames", "groupofuniquenames", "mailgroup"})

_NAMES: Final = {
    "sn": 0, "surname": 0, "givenname": 1, "gn": 1, "middlename": 2, "personaltitle": 3, "generationqualifier": 4,
}  # fmt: skip
_TEXTS: Final = {
    "mail": ("EMAIL", ""), "rfc822mailbox": ("EMAIL", ""), "mozillasecondemail": ("EMAIL", ""), "xmozillasecondemail": ("EMAIL", ""),
    "email": ("EMAIL", ""), "othermailbox": ("EMAIL", ""),
    "telephonenumber": ("TEL", "work"), "homephone": ("TEL", "home"), "hometelephonenumber": ("TEL", "home"), "mobile": ("TEL", "cell"),
    "cellphone": ("TEL", "cell"), "mobiletelephonenumber": ("TEL", "cell"), "facsimiletelephonenumber": ("TEL", "fax"), "fax": ("TEL", "fax"),
    "pager": ("TEL", "pager"), "pagerphone": ("TEL", "pager"), "pagertelephonenumber": ("TEL", "pager"), "otherphone": ("TEL", "other"),
    "primaryphone": ("TEL", "main"), "companyphone": ("TEL", "main"), "carphone": ("TEL", "car"),
    "homefacsimiletelephonenumber": ("TEL", "home fax"), "otherfacsimiletelephonenumber": ("TEL", "other fax"),
    "internationalisdnnumber": ("TEL", "isdn"),
    "mozillanickname": ("NICKNAME", ""), "xmozillanickname": ("NICKNAME", ""), "nickname": ("NICKNAME", ""),
    "workurl": ("URL", "work"), "mozillaworkurl": ("URL", "work"), "homeurl": ("URL", "home"), "mozillahomeurl": ("URL", "home"),
    "labeleduri": ("URL", ""), "url": ("URL", ""), "bloguri": ("URL", ""),
    "description": ("NOTE", ""), "notes": ("NOTE", ""), "note": ("NOTE", ""), "info": ("NOTE", ""),
    "title": ("TITLE", ""), "businessrole": ("ROLE", ""), "preferredlanguage": ("LANG", ""), "entryuuid": ("UID", ""),
    "birthdate": ("BDAY", ""), "anniversary": ("ANNIVERSARY", ""),
    "nsaimid": ("X-AIM", ""), "mozillaaimscreenname": ("X-AIM", ""), "nscpaimscreenname": ("X-AIM", ""), "icq": ("X-ICQ", ""),
    "jabberid": ("X-JABBER", ""), "skypename": ("X-SKYPE", ""), "matrixid": ("X-MATRIX", ""),
}  # fmt: skip
_ADDRESSES: Final = {
    "work": {
        "box": ("postofficebox",), "extended": ("mozillaworkstreet2",), "street": ("street", "streetaddress", "mozillaworkstreet"),
        "city": ("l", "locality", "localityname"), "region": ("st", "stateorprovincename", "region"), "code": ("postalcode", "zip"),
        "country": ("co", "c", "countryname", "friendlycountryname", "mozillaworkcountryname"),
    },
    "home": {
        "box": ("mozillahomepostofficebox",), "extended": ("mozillahomestreet2",), "street": ("mozillahomestreet", "homestreet"),
        "city": ("mozillahomelocalityname",), "region": ("mozillahomestate",), "code": ("mozillahomepostalcode",),
        "country": ("mozillahomecountryname",),
    },
}  # fmt: skip
_PRINTED: Final = {"postaladdress": "work", "homepostaladdress": "home", "otherpostaladdress": "other"}
_SECRET: Final = frozenset(
    {"userpassword", "usercertificate", "usersmimecertificate", "userpkcs12", "sambantpassword", "unixuserpassword"}
)
_FRAME: Final = frozenset(
    {"dn", "objectclass", "changetype", "initials", "cn", "commonname", "displayname", "fileas", "mozillausehtmlmail", "xmozillausehtmlmail",
     "modifytimestamp", "createtimestamp", "member", "uniquemember", "o", "company", "organizationname", "ou", "department", "departmentnumber",
     "orgunit", "organizationalunitname", "jpegphoto", "photo", "thumbnailphoto", "birthyear", "birthmonth", "birthday", "businesscategory",
     "category", "categories"}
)  # fmt: skip
_ADDRESSED: Final = frozenset(name for parts in _ADDRESSES.values() for names in parts.values() for name in names)
_TIME: Final = re.compile(r"(\d{14})(?:\.\d+)?Z\Z")


def card(entry: Sequence[Attribute]) -> Card | None:
    """The card of an entry; None for what is neither a person nor a list (a directory's own branches).

    Raises Broken for a change record that is more than an addition (RFC 2849 §4).
    """
    values: dict[str, list[Attribute]] = {}
    for attribute in entry:
        values.setdefault(attribute.name, []).append(attribute)

    def texts(*names: str) -> list[str]:
        return [text for name in names for attribute in values.get(name, ()) if (text := attribute.text)]

    change = next(iter(texts("changetype")), "add").lower()
    if change != "add":
        raise Broken(f"This is a change to an entry ({change}), not an entry. Export the address book itself, not its changes.")
    if "dn" not in values and "objectclass" not in values and "mail" not in values and "cn" not in values:
        raise Broken("The entry has no name (dn) and no kind (objectClass). Export the address book again.")
    classes = {text.lower() for text in texts("objectclass")}
    if classes and not classes & (PEOPLE | GROUPS) and not texts("mail", "mozillasecondemail"):
        return None
    draft = Draft()
    if classes & GROUPS and not classes & PEOPLE:
        draft.add("KIND", "group")
    full = texts("displayname", "cn", "commonname")
    if full:
        draft.add("FN", full[0])
    parts = [""] * 5
    for name, place in _NAMES.items():
        parts[place] = parts[place] or next(iter(texts(name)), "")
    if any(parts):
        draft.structure("N", parts)
    for name, (means, label) in _TEXTS.items():
        for text in texts(name):
            if name == "labeleduri":  # RFC 2079: the URI, a blank, what it is called
                text, _, label = text.partition(" ")
            draft.add(means, text, label)
    _address(draft, texts)
    companies, units = texts("o", "company", "organizationname"), texts("ou", "department", "organizationalunitname", "orgunit")
    if companies or units:
        draft.structure("ORG", [*(companies[:1] or [""]), *units[:1]])
    born = {
        part: next(iter(texts(name)), "") for part, name in (("year", "birthyear"), ("month", "birthmonth"), ("day", "birthday"))
    }
    if born["month"].isdecimal() and born["day"].isdecimal():
        year = f"{int(born['year']):04}" if born["year"].isdecimal() and len(born["year"]) <= 4 else "--"
        draft.add("BDAY", f"{year}{int(born['month']):02}{int(born['day']):02}")
    if groups := texts("businesscategory", "category", "categories"):
        draft.listed("CATEGORIES", groups)
    for picture in (attribute.value for name in ("jpegphoto", "photo", "thumbnailphoto") for attribute in values.get(name, ())):
        if media_type := image_type(picture):
            draft.picture(picture, media_type)
    if stamp := _instant(next(iter(texts("modifytimestamp")), "")):
        draft.add("REV", stamp)
    known = _FRAME | _SECRET | _ADDRESSED | _NAMES.keys() | _TEXTS.keys() | _PRINTED.keys()
    for attribute in entry:
        if attribute.name not in known and "binary" not in attribute.options and (text := attribute.text):
            draft.kept(attribute.name, text[:10_000])
    return draft.card()


def _address(draft: Draft, texts: Callable[..., list[str]]) -> None:
    for label, names in _ADDRESSES.items():
        parts = [
            next(iter(texts(*names[part])), "") for part in ("box", "extended", "street", "city", "region", "code", "country")
        ]
        if any(parts):
            draft.structure("ADR", parts, label)
    for name, label in _PRINTED.items():
        for text in texts(name):  # RFC 4517 §3.3.28: lines are parted by dollar signs
            lines = [line.strip().replace("\\24", "$").replace("\\5C", "\\") for line in text.split("$")]
            draft.structure("ADR", ("",) * 7, label, printed="\n".join(line for line in lines if line))


def _instant(text: str) -> str | None:
    """A generalised time (RFC 4517 §3.3.13), or Mozilla's seconds since 1970, as REV writes it; zero is none."""
    if match := _TIME.match(text):
        return f"{match[1][:8]}T{match[1][8:]}Z"
    if text.isdecimal() and 0 < int(text[:12]) < 4_102_444_800 and len(text) < 12:
        return datetime.fromtimestamp(int(text), UTC).strftime("%Y%m%dT%H%M%SZ")
    return None
