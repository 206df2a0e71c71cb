"""Contacts that nobody has, with all that Kith stores of one: every field, many scripts, odd labels, long notes, pictures, unknown properties.

The same seed gives the same contacts. Values are as adapters hand them over (trimmed, labels in lower case), so that what comes back from a file
can be compared field by field. Nobody here exists: hosts are example domains, numbers Ofcom's for drama.
"""

from __future__ import annotations

import base64
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from providers import records
from providers.formats import vcard_writing
from providers.formats.vcard_syntax import parse

NAMES: Final = (
    "Ada",
    "Łukasz",
    "Zoë",
    "Мария",
    "李",
    "小明",
    "محمد",
    "נועה",
    "Σοφία",
    "สมชาย",
    "O'Brien",
    "de la Cruz",
    "أحمد",
    "👩‍🚀",
    "Ång;ström",
    "A, B",
)
WORDS: Final = (
    "quay", "Boote & Söhne", "семь; восемь", "地図, 鍵", "back\\slash", "caret ^ 'quote\"", "colon: x=1", "emoji 🛶", "tab", "ไทย", "שלום", "n\\n",
)  # fmt: skip
LABELS: Final = (None, "work", "home", "school", "summer house", "büro", "other", "main")
PHONE_LABELS: Final = (*LABELS, "cell", "fax", "pager", "work fax", "home cell", "car")
NETWORKS: Final = ("mastodon", "x", "matrix", "telegram", "xmpp", "github", "a network of its own")
DAYS: Final = ("birthday", "anniversary", "death", "name day", "other")
#: The smallest PNG, GIF and JPEG-like pictures that are told apart by their first bytes; what follows differs.
PICTURES: Final = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"GIF89a", "image/gif"), (b"\xff\xd8\xff\xe0", "image/jpeg"))
UNKNOWN: Final = (
    "X-SHOE-SIZE:44", "GENDER:O;intersex", "GEO:geo:12.3457,78.910", "TZ:Europe/Berlin", "X-HOBBY;LEVEL=high;TYPE=x-mine:kayaks\\, canoes",
    "item9.X-THING:one\\;two\nitem9.X-ABLABEL:of mine", "RELATED;TYPE=friend:urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "KEY:data:;base64,AAEC",
    "SOUND;VALUE=uri:https://example.org/ada.ogg", "EXPERTISE;INDEX=1;LEVEL=expert:boats",
)  # fmt: skip


def contacts(count: int, seed: int = 11) -> list[records.Contact]:
    """So many contacts, all of them different."""
    return [contact(number, random.Random(seed * 1_000_003 + number)) for number in range(count)]


def contact(number: int, dice: random.Random) -> records.Contact:
    """One contact; about half of all fields are there."""

    def text() -> str:
        return " ".join(dice.choice((*WORDS, *NAMES)) for _ in range(dice.randint(1, 4)))

    def maybe(value: str) -> str | None:
        return value if dice.random() < 0.5 else None

    card = maybe(_card(dice))
    return records.Contact(
        key=f"key {number}",
        relation=dice.choice(("ADDRESS_BOOK", "FOLLOWING", "CONNECTION")),
        nature=dice.choice(("INDIVIDUAL", "INDIVIDUAL", "ORGANIZATION", "AUTOMATED", "GROUP")),
        names=tuple(_name(number, at, dice) for at in range(dice.choice((1, 1, 1, 2, 3)))),
        emails=tuple(_email(number, at, dice) for at in range(dice.randint(0, 3))),
        phones=_phones(number, dice),
        urls=tuple(
            records.Url(url=f"https://example.org/~{number}/{at}?a=1&b=2,3;4", label=dice.choice(LABELS)) for at in range(dice.randint(0, 2))
        ),
        handles=tuple(_handle(number, at, dice) for at in range(dice.randint(0, 3))),
        organizations=tuple(
            records.Organization(name=f"{text()} {at}", department=maybe(text()), title=maybe(text())) for at in range(dice.randint(0, 3))
        ),
        addresses=tuple(_address(at, dice, text) for at in range(dice.randint(0, 2))),
        dates=_dates(dice),
        groups=tuple(dict.fromkeys(text() for _ in range(dice.randint(0, 3)))),
        languages=("pt-br", "de", "zh-hant")[: dice.randint(0, 3)],
        bio=maybe(f"{text()}\n\n{text()}"),
        note=dice.choice((None, text(), f"{text()}\n{text()}", "very long, " * 9_000 + "and done", "\\n is not a line\nthis is")),
        photo=_photo(number, dice),
        url=maybe(f"https://social.example/@n{number}"),
        followers=dice.choice((None, 0, 12_345)),
        following=dice.choice((None, 7)),
        uid=dice.choice((None, str(uuid.UUID(int=dice.getrandbits(128))), f"https://example.org/uid/{number}", f"plain uid {number}")),
        vcard=card,
        created_at=_moment(dice),
        updated_at=_moment(dice),
    )  # fmt: skip


def _card(dice: random.Random) -> str:
    """An older card that the contact came from: what it says besides is to be carried along."""
    lines = "\n".join(dice.sample(UNKNOWN, dice.randint(1, 4))).split("\n")
    return "\r\n".join(("BEGIN:VCARD", "VERSION:3.0", "FN:Somebody", *lines, "END:VCARD", ""))


def _name(number: int, at: int, dice: random.Random) -> records.Name:
    given, family = dice.choice(NAMES), f"{dice.choice(NAMES)}{number}"
    parts = {
        "prefix": "Dr.",
        "given": given,
        "middle": "van, der",
        "family": family,
        "suffix": "Jr.; PhD",
        "nickname": f"{given}, the {at}",
    }
    told = {part: value for part, value in parts.items() if dice.random() < 0.6}
    return records.Name(full=f"{given} {family} {at}", phonetic="アダ" if not at and dice.random() < 0.3 else None, **told)


def _email(number: int, at: int, dice: random.Random) -> records.Email:
    address = f"n{number}.{at}@{dice.choice(('example.org', 'bücher.example'))}"
    raw = dice.choice((address, f"N {number} <{address}>", f"mailto:{address}"))
    if dice.random() < 0.1:
        return records.Email(raw=f"no address {number}, {at}", label=dice.choice(LABELS))
    return records.Email(raw=raw, address=address, label=dice.choice(LABELS), preferred=not at and dice.random() < 0.4)


def _phones(number: int, dice: random.Random) -> tuple[records.Phone, ...]:
    label = dice.choice(PHONE_LABELS)
    mobile = records.Phone(
        raw=f"07700 90{number % 10_000:04}",
        number=f"+44770090{number % 10_000:04}",
        label=label,
        mobile=True,
        preferred=dice.random() < 0.4,
    )
    fixed = records.Phone(
        raw=f"+44 20 7946 0{number % 1_000:03} ext. 17", number=f"+442079460{number % 1_000:03}", extension="17", label=dice.choice(PHONE_LABELS),
        mobile=False,
    )  # fmt: skip
    american = records.Phone(
        raw=f"(201) 555-0{number % 1_000:03}", number=f"+120155{50000 + number % 1_000}", mobile=dice.choice((True, None))
    )
    word = records.Phone(raw=f"KLONDIKE {number}", label=dice.choice(LABELS))
    return tuple(one for one in (mobile, fixed, american, word) if dice.random() < 0.4)


def _handle(number: int, at: int, dice: random.Random) -> records.Handle:
    provider = dice.choice(NETWORKS)
    name = dice.choice((f"n{number}_{at}", f"n{number}.{at}@social.example", f"n{number}:{at}.example.org", f"名{number}{at}"))
    return records.Handle(provider=provider, handle=name, url=dice.choice((None, f"https://social.example/@n{number}/{at}")))


def _address(at: int, dice: random.Random, text: object) -> records.Address:
    street = dice.choice((f"{at} Quay, right", f"{at} Rue de l'Été\nÉtage 2\nCode 5; B", f"ulica Żółta {at}"))
    if dice.random() < 0.2:
        return records.Address(formatted=f"Only as written {at}\non a letter", label=dice.choice(LABELS))
    return records.Address(
        formatted=f"{street}\n90-001 Łódź\nPolska", street=street, locality="Łódź", region=dice.choice((None, "Łódzkie")), postal_code="90-001",
        country=dice.choice((None, "Polska")), label=dice.choice(LABELS),
    )  # fmt: skip


def _dates(dice: random.Random) -> tuple[records.PartialDate, ...]:
    found = []
    for label in dice.sample(DAYS, dice.randint(0, 3)):
        year, month, day = dice.choice(
            ((1815, 12, 10), (None, 2, 29), (1990, None, None), (1990, 5, None), (None, 7, None), (None, None, 9))
        )
        found.append(records.PartialDate(year=year, month=month, day=day, label=label))
    return tuple(found)


def _photo(number: int, dice: random.Random) -> records.Photo | None:
    chosen = dice.random()
    if chosen < 0.4:
        return None
    if chosen < 0.6:
        return records.Photo(url=f"https://example.org/photos/{number}.jpg?size=large,1;2")
    head, media_type = dice.choice(PICTURES)
    return records.Photo(media_type=media_type, data=head + base64.b64encode(dice.randbytes(dice.choice((20, 3_000)))))


def _moment(dice: random.Random) -> datetime | None:
    return dice.choice((None, datetime(2024, 2, 29, 12, 30, 1, tzinfo=UTC) + timedelta(seconds=dice.randrange(10**7))))


def comparable(found: records.Contact) -> records.Contact:
    """What has to come back from a file: all but whose it was and where it lay; days in no order of their own."""
    dates = tuple(sorted(found.dates, key=lambda day: (day.label or "", str(day))))
    photo = found.photo if found.photo is None or found.photo.data is not None else records.Photo(url=found.photo.url)
    return msgspec.structs.replace(
        found, key="", relation="ADDRESS_BOOK", vcard=None, uid=None, container="", etag=None, dates=dates, photo=photo
    )


def beyond(found: records.Contact) -> list[tuple[str, str]]:
    """What the card of a contact says that no field holds."""
    if found.vcard is None:
        return []
    return sorted((line.name, line.value) for line in vcard_writing.beyond(parse(found.vcard.encode()), found.photo))
