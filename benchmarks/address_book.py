"""One invented address book in every form in which programs export theirs, and what each form can hold.

The same seed gives the same people; each form is written here by hand, as its program writes it, so that reader and writer share
nothing. `LACKS` says as data what a form has no place for; `seen` reduces a record to what can be compared. `break_rows` spoils
rows the way editors and spreadsheets do. Nobody here exists: hosts are example domains, numbers Ofcom's for drama.
"""

from __future__ import annotations

import base64
import csv
import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.universe import CODAS, GIVEN, MIDDLES, ONSETS
from providers import records

FIELDS: Final = (
    "name", "nickname", "emails", "phones", "organization", "department", "title", "addresses", "birthday", "birthday without year",
    "note", "groups", "url",
)  # fmt: skip
LACKS: Final[dict[str, frozenset[str]]] = {
    "vcard3": frozenset(),
    "vcard4": frozenset(),
    "apple": frozenset({"groups"}),  # kept as cards of their own, which an export leaves out
    "google": frozenset(),
    "outlook": frozenset({"nickname", "birthday without year"}),
    "yahoo": frozenset({"department", "birthday without year"}),
    "ldif": frozenset({"groups"}),  # lists are entries of their own
}
PLACES: Final = (
    ("Łódź", "Łódzkie", "90-001", "Poland"), ("Köln", "NRW", "50667", "Germany"), ("São Paulo", "SP", "01000-000", "Brazil"),
    ("Genève", "GE", "1201", "Switzerland"), ("Leeds", "Yorkshire", "LS1 1AA", "United Kingdom"),
)  # fmt: skip
STREETS: Final = ("Hafenstraße", "Mill Lane", "Rue de l'Été", "Ulica Żółta", "Calle Mayor")
COMPANIES: Final = ("Boats, Bells & Co", "Ünal; Söhne", "Quay “Nine”", "Café Œuvre", "Paper")
GROUPS: Final = ("Choir", "Friends", "Work")


@dataclass(frozen=True)
class Card:
    """Somebody who does not exist, with everything that an address book may know."""

    number: int
    given: str
    middle: str
    family: str
    nickname: str
    emails: tuple[tuple[str, str], ...]  # home or work, address
    mobile: str
    work_phone: str
    company: str
    department: str
    title: str
    home: tuple[str, str, str, str, str] | None  # street, city, region, code, country
    work: tuple[str, str, str, str, str] | None
    birthday: tuple[int | None, int, int] | None
    note: str
    groups: tuple[str, ...]
    url: str

    @property
    def full(self) -> str:
        return " ".join(part for part in (self.given, self.middle, self.family) if part)


def people(count: int, seed: int = 7) -> list[Card]:
    """So many people; all names, addresses and most other things differ."""
    return [_person(number, random.Random(seed * 1_000_003 + number)) for number in range(count)]


def _person(number: int, dice: random.Random) -> Card:
    given = GIVEN[number % len(GIVEN)]
    rest = number // len(GIVEN)
    family = f"{ONSETS[rest % len(ONSETS)]}{MIDDLES[rest // len(ONSETS) % len(MIDDLES)]}{CODAS[rest // len(ONSETS) // len(MIDDLES) % len(CODAS)]}"
    family = dice.choice((family, family + "-Żuk", "O'" + family, "de " + family, family + "ß"))
    host = dice.choice(("example.org", "example.com", "example.net"))
    address = f"{given}.{number}@{host}".lower()
    second = f"n{number}@work.example" if dice.random() < 0.5 else ""
    place, office = dice.choice(PLACES), dice.choice(PLACES)
    born: tuple[int | None, int, int] | None = None
    if dice.random() < 0.6:
        born = (None if dice.random() < 0.2 else dice.randrange(1930, 2010), dice.randrange(1, 13), dice.randrange(1, 29))
    note = dice.choice(
        ("", "", "met at the quay; owes me a map", 'says "soon",\nalways\n\nlate', "ключ у Греты, 鍵", "a = b, c; d\\n e")
    )
    company = dice.choice(("", *COMPANIES))
    return Card(
        number=number, given=given, middle=dice.choice(("", "", "Q.", "Noël")), family=family,
        nickname=dice.choice(("", "", f"{given}chen")), emails=(("home", address), *((("work", second),) if second else ())),
        mobile=f"+447700{900000 + number % 1000}" if dice.random() < 0.8 else "",
        work_phone=f"+44 20 7946 0{number % 1000:03}" if dice.random() < 0.4 else "", company=company,
        department=dice.choice(("", "Sails")) if company else "", title=dice.choice(("", "Maker of maps")) if company else "",
        home=(f"{dice.choice(STREETS)} {number}", *place) if dice.random() < 0.5 else None,
        work=(f"{dice.choice(STREETS)} {number}a", *office) if dice.random() < 0.3 else None, birthday=born, note=note,
        groups=(dice.choice(GROUPS),) if dice.random() < 0.3 else (), url=f"https://example.org/~{number}" if dice.random() < 0.2 else "",
    )  # fmt: skip


# --- what can be compared -------------------------------------------------------------------------------------------------


def seen(contact: records.Contact) -> dict[str, object]:
    """A record as the fields that every form is compared by."""
    name = contact.names[0] if contact.names else records.Name(full="")
    organization = contact.organizations[0] if contact.organizations else records.Organization(name="")
    born = next((day for day in contact.dates if day.label == "birthday"), None)
    return {
        "name": (name.full, name.given, name.middle, name.family),
        "nickname": name.nickname,
        "emails": frozenset(email.address for email in contact.emails),
        "phones": frozenset(phone.number for phone in contact.phones),
        "organization": organization.name or None,
        "department": organization.department,
        "title": organization.title,
        "addresses": frozenset((a.label, a.street, a.locality, a.region, a.postal_code, a.country) for a in contact.addresses),
        "birthday": None if born is None or born.year is None else (born.year, born.month, born.day),
        "birthday without year": None if born is None or born.year is not None else (born.month, born.day),
        "note": contact.note,
        "groups": contact.groups,
        "url": contact.urls[0].url if contact.urls else None,
    }


def held(card: Card, form: str) -> dict[str, object]:
    """What a form must give of somebody: all that it can hold, nothing for what it cannot."""
    born = card.birthday
    places = (("home", card.home), ("work", card.work))
    whole: dict[str, object] = {
        "name": (card.full, card.given, card.middle or None, card.family),
        "nickname": card.nickname or None,
        "emails": frozenset(address for _, address in card.emails),
        "phones": frozenset(number.replace(" ", "") for number in (card.mobile, card.work_phone) if number),
        "organization": card.company or None,
        "department": card.department or None,
        "title": card.title or None,
        "addresses": frozenset((label, *parts) for label, parts in places if parts),
        "birthday": born if born and born[0] else None,
        "birthday without year": born[1:] if born and not born[0] else None,
        "note": card.note or None,
        "groups": card.groups,
        "url": card.url or None,
    }
    empty: dict[str, object] = {"groups": ()}
    return {field: empty.get(field) if field in LACKS[form] else value for field, value in whole.items()}


# --- the forms ------------------------------------------------------------------------------------------------------------


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(",", "\\,").replace(";", "\\;").replace("\n", "\\n")


def _vcard(card: Card, version: str) -> str:
    three = version == "3.0"
    lines = ["BEGIN:VCARD", f"VERSION:{version}", f"FN:{_escaped(card.full)}"]
    lines.append("N:" + ";".join(_escaped(part) for part in (card.family, card.given, card.middle, "", "")))
    lines += [f"NICKNAME:{_escaped(card.nickname)}"] if card.nickname else []
    lines += [f"EMAIL;TYPE={'INTERNET,' if three else ''}{label}:{address}" for label, address in card.emails]
    if card.mobile:
        lines.append(f"TEL;TYPE=CELL:{card.mobile}" if three else f"TEL;VALUE=uri;TYPE=cell:tel:{card.mobile}")
    lines += [f"TEL;TYPE=work{',VOICE' if three else ''}:{card.work_phone}"] if card.work_phone else []
    for label, parts in (("home", card.home), ("work", card.work)):
        lines += [f"ADR;TYPE={label}:;;" + ";".join(map(_escaped, parts))] if parts else []
    if card.company:
        lines.append("ORG:" + ";".join(_escaped(part) for part in (card.company, card.department) if part))
    lines += [f"TITLE:{_escaped(card.title)}"] if card.title else []
    if card.birthday:
        year, month, day = card.birthday
        written = f"{year}-{month:02}-{day:02}" if three else f"{year}{month:02}{day:02}"
        lines.append("BDAY:" + (written if year else f"--{month:02}-{day:02}" if three else f"--{month:02}{day:02}"))
    lines += [f"NOTE:{_escaped(card.note)}"] if card.note else []
    lines += ["CATEGORIES:" + ",".join(map(_escaped, card.groups))] if card.groups else []
    lines += [f"URL:{card.url}"] if card.url else []
    return "\r\n".join([*map(_folded, lines), "END:VCARD", ""])


def _apple(card: Card) -> str:
    lines = ["BEGIN:VCARD", "VERSION:3.0", "PRODID:-//Apple Inc.//macOS 14//EN"]
    lines += [
        "N:" + ";".join(_escaped(part) for part in (card.family, card.given, card.middle, "", "")),
        f"FN:{_escaped(card.full)}",
    ]
    lines += [f"NICKNAME:{_escaped(card.nickname)}"] if card.nickname else []
    lines += [f"ORG:{_escaped(card.company)};{_escaped(card.department)}"] if card.company else []
    lines += [f"TITLE:{_escaped(card.title)}"] if card.title else []
    for n, (label, address) in enumerate(card.emails, 1):
        lines += [f"item{n}.EMAIL;type=INTERNET:{address}", f"item{n}.X-ABLabel:_$!<{label.title()}>!$_"]
    lines += [f"TEL;type=CELL;type=VOICE;type=pref:{card.mobile}"] if card.mobile else []
    lines += [f"TEL;type=WORK;type=VOICE:{card.work_phone}"] if card.work_phone else []
    for n, (label, parts) in enumerate((("HOME", card.home), ("WORK", card.work)), 7):
        lines += [f"item{n}.ADR;type={label}:;;" + ";".join(map(_escaped, parts)), f"item{n}.X-ABADR:us"] if parts else []
    if card.birthday:
        year, month, day = card.birthday
        lines.append(f"BDAY:{year}-{month:02}-{day:02}" if year else f"BDAY;X-APPLE-OMIT-YEAR=1604:1604-{month:02}-{day:02}")
    lines += [f"NOTE:{_escaped(card.note)}"] if card.note else []
    lines += [f"item9.URL;type=pref:{card.url}", "item9.X-ABLabel:_$!<HomePage>!$_"] if card.url else []
    return "\r\n".join([*map(_folded, lines), "END:VCARD", ""])


def _folded(line: str) -> str:
    """RFC 6350 §3.2: at 75 octets, wherever that is."""
    data, pieces = line.encode(), []
    while len(data) > 75:
        cut = 75
        while data[cut] & 0xC0 == 0x80:
            cut -= 1
        pieces.append(data[:cut])
        data = b" " + data[cut:]
    return b"\r\n".join([*pieces, data]).decode()


GOOGLE: Final = (
    "First Name", "Middle Name", "Last Name", "Phonetic First Name", "Phonetic Middle Name", "Phonetic Last Name", "Name Prefix",
    "Name Suffix", "Nickname", "File As", "Organization Name", "Organization Title", "Organization Department", "Birthday", "Notes",
    "Photo", "Labels", "E-mail 1 - Label", "E-mail 1 - Value", "E-mail 2 - Label", "E-mail 2 - Value", "Phone 1 - Label",
    "Phone 1 - Value", "Phone 2 - Label", "Phone 2 - Value", *(
        f"Address {n} - {part}" for n in (1, 2)
        for part in ("Label", "Formatted", "Street", "City", "PO Box", "Region", "Postal Code", "Country", "Extended Address")
    ), "Website 1 - Label", "Website 1 - Value",
)  # fmt: skip
OUTLOOK: Final = (
    "Title", "First Name", "Middle Name", "Last Name", "Suffix", "Company", "Department", "Job Title", "Business Street",
    "Business Street 2", "Business Street 3", "Business City", "Business State", "Business Postal Code", "Business Country/Region",
    "Home Street", "Home Street 2", "Home Street 3", "Home City", "Home State", "Home Postal Code", "Home Country/Region",
    "Assistant's Phone", "Business Fax", "Business Phone", "Business Phone 2", "Callback", "Car Phone", "Company Main Phone", "Home Fax",
    "Home Phone", "Home Phone 2", "ISDN", "Mobile Phone", "Other Fax", "Other Phone", "Pager", "Primary Phone", "Radio Phone",
    "TTY/TDD Phone", "Telex", "Account", "Anniversary", "Assistant's Name", "Billing Information", "Birthday", "Business Address PO Box",
    "Categories", "Children", "E-mail Address", "E-mail Type", "E-mail Display Name", "E-mail 2 Address", "E-mail 2 Type",
    "E-mail 2 Display Name", "Gender", "Hobby", "Initials", "Keywords", "Location", "Manager's Name", "Notes", "Office Location",
    "Priority", "Private", "Sensitivity", "Spouse", "User 1", "Web Page",
)  # fmt: skip
YAHOO: Final = (
    "First", "Middle", "Last", "Nickname", "Email", "Category", "Distribution Lists", "Messenger ID", "Home", "Work", "Pager", "Fax",
    "Mobile", "Other", "Yahoo Phone", "Primary", "Alternate Email 1", "Alternate Email 2", "Personal Website", "Business Website", "Title",
    "Company", "Work Address", "Work City", "Work State", "Work ZIP", "Work Country", "Home Address", "Home City", "Home State", "Home ZIP",
    "Home Country", "Birthday", "Anniversary", "Comments",
)  # fmt: skip


def _google(card: Card) -> dict[str, str]:
    row = {
        "First Name": card.given, "Middle Name": card.middle, "Last Name": card.family, "Nickname": card.nickname, "File As": card.full,
        "Organization Name": card.company, "Organization Title": card.title, "Organization Department": card.department, "Notes": card.note,
        "Labels": " ::: ".join(card.groups),
    }  # fmt: skip
    for n, (label, address) in enumerate(card.emails, 1):
        row |= {f"E-mail {n} - Label": ("* " if n == 1 else "") + label.title(), f"E-mail {n} - Value": address}
    phones = [(label, number) for label, number in (("Mobile", card.mobile), ("Work", card.work_phone)) if number]
    for n, (label, number) in enumerate(phones, 1):
        row |= {f"Phone {n} - Label": label, f"Phone {n} - Value": number}
    places = [(label, parts) for label, parts in (("Home", card.home), ("Work", card.work)) if parts]
    for n, (label, parts) in enumerate(places, 1):
        street, city, region, code, country = parts
        row |= {
            f"Address {n} - Label": label, f"Address {n} - Street": street, f"Address {n} - City": city, f"Address {n} - Region": region,
            f"Address {n} - Postal Code": code, f"Address {n} - Country": country,
            f"Address {n} - Formatted": f"{street}\n{city}, {region} {code}\n{country}",
        }  # fmt: skip
    if card.birthday:
        year, month, day = card.birthday
        row["Birthday"] = f"{year}-{month:02}-{day:02}" if year else f" --{month:02}-{day:02}"
    if card.url:
        row |= {"Website 1 - Label": "Home Page", "Website 1 - Value": card.url}
    return row


def _outlook(card: Card) -> dict[str, str]:
    row = {
        "First Name": card.given, "Middle Name": card.middle, "Last Name": card.family, "Company": card.company,
        "Department": card.department, "Job Title": card.title, "Mobile Phone": card.mobile, "Business Phone": card.work_phone,
        "Notes": card.note, "Categories": ";".join(card.groups), "Web Page": card.url, "Birthday": "0/0/00", "Anniversary": "0/0/00",
        "Gender": "Unspecified", "Priority": "Normal", "Private": "False", "Sensitivity": "Normal",
    }  # fmt: skip
    for number, (_, address) in zip(("", " 2"), card.emails, strict=False):
        row |= {
            f"E-mail{number} Address": address,
            f"E-mail{number} Type": "SMTP",
            f"E-mail{number} Display Name": f"{card.full} ({address})",
        }
    for label, parts in (("Home", card.home), ("Business", card.work)):
        if parts:
            names = ("Street", "City", "State", "Postal Code", "Country/Region")
            row |= {f"{label} {name}": part for name, part in zip(names, parts, strict=True)}
    if card.birthday and card.birthday[0]:
        year, month, day = card.birthday
        row["Birthday"] = f"{month}/{day}/{year}"
    return row


def _yahoo(card: Card) -> dict[str, str]:
    row = {
        "First": card.given, "Middle": card.middle, "Last": card.family, "Nickname": card.nickname, "Email": card.emails[0][1],
        "Alternate Email 1": card.emails[1][1] if len(card.emails) > 1 else "", "Category": ";".join(card.groups), "Work": card.work_phone,
        "Mobile": card.mobile, "Personal Website": card.url, "Title": card.title, "Company": card.company, "Comments": card.note,
    }  # fmt: skip
    for label, parts in (("Home", card.home), ("Work", card.work)):
        if parts:
            row |= {
                f"{label} {name}": part for name, part in zip(("Address", "City", "State", "ZIP", "Country"), parts, strict=True)
            }
    if card.birthday and card.birthday[0]:
        year, month, day = card.birthday
        row["Birthday"] = f"{month}/{day}/{year}"
    return row


def _ldif(card: Card) -> str:
    lines = [_attribute("dn", f"cn={card.full},mail={card.emails[0][1]}")]
    lines += [
        f"objectclass: {name}" for name in ("top", "person", "organizationalPerson", "inetOrgPerson", "mozillaAbPersonAlpha")
    ]
    born = card.birthday
    pairs: list[tuple[str, str]] = [
        ("givenName", card.given), ("middleName", card.middle), ("sn", card.family), ("cn", card.full), ("mozillaNickname", card.nickname),
        ("mail", card.emails[0][1]), ("mozillaSecondEmail", card.emails[1][1] if len(card.emails) > 1 else ""),
        ("telephoneNumber", card.work_phone), ("mobile", card.mobile), ("o", card.company), ("ou", card.department), ("title", card.title),
        ("description", card.note), ("mozillaHomeUrl", card.url),
        *zip(("mozillaHomeStreet", "mozillaHomeLocalityName", "mozillaHomeState", "mozillaHomePostalCode", "mozillaHomeCountryName"),
             card.home or (), strict=False),
        *zip(("street", "l", "st", "postalCode", "c"), card.work or (), strict=False),
    ]  # fmt: skip
    if born:
        pairs += [("birthyear", f"{born[0] or ''}"), ("birthmonth", f"{born[1]}"), ("birthday", f"{born[2]}")]
    return "\n".join([*lines, *(_attribute(name, text) for name, text in pairs if text), "", ""])


def _attribute(name: str, text: str) -> str:
    """RFC 2849 §2: base64 for what is not a SAFE-STRING, folded at 76 columns."""
    safe = text.isascii() and "\n" not in text and text[:1] not in " :<" and not text.endswith(" ")
    line = f"{name}: {text}" if safe else f"{name}:: {base64.b64encode(text.encode()).decode()}"
    return "\n ".join(line[at : at + 76] for at in range(0, len(line), 76))


def _table(cards: Sequence[Card], columns: Sequence[str], row: Callable[[Card], dict[str, str]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, restval="", quoting=csv.QUOTE_ALL if columns is OUTLOOK else csv.QUOTE_MINIMAL)
    writer.writeheader()
    writer.writerows(row(card) for card in cards)
    return out.getvalue()


WRITERS: Final[dict[str, Callable[[Sequence[Card]], str]]] = {
    "vcard3": lambda cards: "".join(_vcard(card, "3.0") for card in cards),
    "vcard4": lambda cards: "".join(_vcard(card, "4.0") for card in cards),
    "apple": lambda cards: "".join(_apple(card) for card in cards),
    "google": lambda cards: _table(cards, GOOGLE, _google),
    "outlook": lambda cards: _table(cards, OUTLOOK, _outlook),
    "yahoo": lambda cards: _table(cards, YAHOO, _yahoo),
    "ldif": lambda cards: "version: 1\n\n" + "".join(_ldif(card) for card in cards),
}
PROVIDER_OF: Final = {
    "vcard3": "vcard",
    "vcard4": "vcard",
    "apple": "vcard",
    "google": "csv",
    "outlook": "csv",
    "yahoo": "csv",
    "ldif": "ldif",
}


def write(cards: Sequence[Card], form: str, path: Path) -> Path:
    """One form on disk; Google's begins with a byte order mark, as its does."""
    path.write_bytes((b"\xef\xbb\xbf" if form == "google" else b"") + WRITERS[form](cards).encode())
    return path


# --- broken rows ----------------------------------------------------------------------------------------------------------


def break_rows(cards: Sequence[Card], form: str, spoiled: Sequence[int]) -> bytes:
    """The form with the rows of these numbers (from 0) spoiled, each in one of the ways that its kind of file knows."""
    provider = PROVIDER_OF[form]
    pieces: list[str] = []
    header = ""
    if provider == "csv":
        header = WRITERS[form]([])
    for number, card in enumerate(cards):
        text = WRITERS[form]([card]).removeprefix(header).removeprefix("version: 1\n\n")
        pieces.append(_spoiled(text, provider, number) if number in set(spoiled) else text)
    return (header + "".join(pieces)).encode()


def _spoiled(text: str, provider: str, number: int) -> str:
    way = number % 3
    if provider == "vcard":  # cut in the middle, empty, or its end lost
        frame = text.split("\r\n")[:2]
        return (
            "\r\n".join([*frame, "END:VCARD", ""]),
            text.replace("END:VCARD\r\n", ""),
            "\r\n".join([*frame, "FN:Cu"]) + "\r\n",
        )[way]
    if provider == "csv":  # a quotation mark never closed, cells too many, nothing in it
        commas = "," * (text.count(",") + 1) if '"' not in text else ",,,"
        return ('"Ada,lost\r\n', f"a,b,c{',x' * 120}\r\n", f"{commas[:3]}\r\n")[way]
    return ("dn: cn=broken\nthis is no attribute\n\n", "dn: cn=x\nmail:: %%%\n\n", "dn: cn=y\nchangetype: delete\n\n")[way]
