"""Chats as phones and messengers hand them out, of the invented people of `exports.py`: written from the documented layouts, traps included.

The writers share nothing with the readers. What a layout loses (WhatsApp's seconds, names that are not saved) is lost here as it is there.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import random
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from benchmarks.exports import Said, Talk, World, archived, handle
from benchmarks.universe import ME, MY_NAME, Person

# --- WhatsApp -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Phone:
    """How a phone writes its exports: `head` takes the time of a message; what is said in the place of others' words is in its language."""

    name: str
    head: str
    file: str
    left_out: str
    attached: str
    edited: str
    deleted: str
    encrypted: str
    american: bool = False  # month first
    halves: tuple[str, str] | None = None
    digits: str = "0123456789"

    @property
    def apple(self) -> bool:
        return self.head.startswith("[")

    def stamp(self, at: datetime) -> str:
        hour = at.hour if self.halves is None else at.hour % 12 or 12
        half = "" if self.halves is None else self.halves[at.hour >= 12]
        text = self.head.format(d=at.day, m=at.month, y=at.year % 100, yyyy=at.year, hour=hour, half=half, at=at)
        return text.translate(str.maketrans("0123456789", self.digits))


_EN: Final = ("<Media omitted>", "{} (file attached)", "<This message was edited>", "This message was deleted",
              "Messages and calls are end-to-end encrypted. Only people in this chat can read, listen to, or share them.")  # fmt: skip
_DE: Final = ("<Medien ausgeschlossen>", "{} (Datei angehängt)", "<Diese Nachricht wurde bearbeitet.>", "Diese Nachricht wurde gelöscht.",
              "Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt. Nur Personen in diesem Chat können sie lesen.")  # fmt: skip
_ES: Final = ("<Multimedia omitido>", "{} (archivo adjunto)", "<Se editó este mensaje.>", "Se eliminó este mensaje.",
              "Los mensajes y las llamadas están cifrados de extremo a extremo. Solo las personas en este chat pueden leerlos.")  # fmt: skip
_AR: Final = ("<تم استبعاد الوسائط>", "{} (الملف مرفق)", "<This message was edited>", "تم حذف هذه الرسالة",
              "الرسائل والمكالمات مشفرة تمامًا بين الطرفين ولا يمكن لأي شخص خارج هذه الدردشة قراءتها أو الاستماع إليها")  # fmt: skip
_APPLE_EN: Final = ("image omitted", "<attached: {}>", "<This message was edited>", "This message was deleted.", _EN[4])
_APPLE_DE: Final = (
    "Bild weggelassen",
    "<Anhang: {}>",
    "<Diese Nachricht wurde bearbeitet.>",
    "Diese Nachricht wurde gelöscht.",
    _DE[4],
)
PHONES: Final = (
    Phone("android us", "{m}/{d}/{y:02}, {hour}:{at:%M}\u202f{half} - ", "WhatsApp Chat with {}.txt", *_EN, american=True, halves=("AM", "PM")),
    Phone("android uk", "{d:02}/{m:02}/{yyyy}, {hour}:{at:%M} {half} - ", "WhatsApp Chat with {} (2).txt", *_EN, halves=("a.m.", "p.m.")),
    Phone("android de", "{d:02}.{m:02}.{y:02}, {at:%H:%M} - ", "WhatsApp-Chat mit {}.txt", *_DE),
    Phone("android es", "{d}/{m}/{y:02}, {hour}:{at:%M}\u00a0{half} - ", "Chat de WhatsApp con {}.txt", *_ES, halves=("a.\u00a0m.", "p.\u00a0m.")),
    Phone("android fi", "{d}.{m}.{yyyy} klo {at:%-H.%M} - ", "WhatsApp-keskustelu {}.txt", *_EN),
    Phone("android ar", "{d}\u200f/{m}\u200f/{yyyy}، {hour}:{at:%M} {half} - ", "محادثة واتساب {}.txt", *_AR, halves=("ص", "م"), digits="٠١٢٣٤٥٦٧٨٩"),
    Phone("android zh", "{yyyy}/{m}/{d} {half}{hour}:{at:%M} - ", "与 {}.txt", *_EN, halves=("上午", "下午")),
    Phone("android th", "{d}/{m}/2565 {at:%H:%M} - ", "WhatsApp Chat with {}.txt", *_EN),
    Phone("iphone us", "[{m}/{d}/{y:02}, {hour}:{at:%M:%S}\u202f{half}] ", "WhatsApp Chat - {}.zip", *_APPLE_EN, american=True, halves=("AM", "PM")),
    Phone("iphone de", "[{d:02}.{m:02}.{y:02}, {at:%H:%M:%S}] ", "WhatsApp-Chat - {}.zip", *_APPLE_DE),
)  # fmt: skip


def number(person: Person) -> str:
    """A number as phones write it."""
    digits = (person.mobile or f"+44770090{person.number % 10000:04}").removeprefix("+44")
    return f"+44 {digits[:4]} {digits[4:]}"


def whatsapp_name(person: Person) -> str:
    """How the phone calls somebody; every third is not saved."""
    return number(person) if person.number % 3 == 2 else person.name


def whatsapp_title(world: World, talk: Talk) -> str:
    return talk.title or whatsapp_name(world.person(talk.members[0]))


def whatsapp(world: World, talk: Talk, folder: Path, phone: Phone) -> Path:
    """The export of one chat: a text, or an archive with the text and its files."""
    path = folder / phone.file.format(whatsapp_title(world, talk))
    if not phone.apple:
        path.write_text("".join(_whatsapp_lines(world, talk, phone)), encoding="utf-8", newline="")
        return path
    chat = (line.encode() for line in _whatsapp_lines(world, talk, phone))
    picture = iter([b"\xff\xd8\xff\xe0" + b"\0" * 996])
    return archived(path, [("_chat.txt", chat), ("00000003-PHOTO-2022-03-07-08-00-00.jpg", picture)])


def whatsapp_text(world: World, said: Said, phone: Phone) -> tuple[str, str]:
    """What stands in the file and what is meant by it; every seventh message is something else than a text."""
    n = said.number % 1_000_000
    if n % 7 == 3:
        return ("\u200e" if phone.apple else "") + phone.attached.format(
            f"0000000{n % 10}-PHOTO-2022-03-07-08-00-00.jpg"
        ) + f"\nSee {n}", f"See {n}"
    if n % 7 == 5:
        return ("\u200e" if phone.apple else "") + phone.left_out, ""
    if n % 7 == 6:
        return said.text + (" \u200e" if phone.apple else " ") + phone.edited, said.text
    if n % 14 == 1:
        return ("\u200e" if phone.apple else "") + phone.deleted, ""
    return said.text, said.text


def _whatsapp_lines(world: World, talk: Talk, phone: Phone) -> Iterator[str]:
    end = "\r\n" if phone.apple else "\n"
    first = True
    for said in talk.said():
        if first:
            first = False
            notice = f"{whatsapp_title(world, talk)}: \u200e{phone.encrypted}" if phone.apple else phone.encrypted
            yield f"{phone.stamp(said.at)}{notice}{end}"
        person = None if said.sender is None else world.person(said.sender)
        name = MY_NAME if person is None else whatsapp_name(person)
        if person is not None and person.number % 3 == 1 and phone.apple:
            name = f"~\u202f{name}"
        text, _ = whatsapp_text(world, said, phone)
        mark = "\u200e" if phone.apple and text.startswith("\u200e") else ""
        yield f"{mark}{phone.stamp(said.at)}{name}: {text}{end}"
    if talk.title and not phone.apple:
        yield f"{phone.stamp(said.at)}{MY_NAME} changed the group description{end}"


def spoiled(path: Path, into: Path, data: bytes) -> Path:
    """A text with these bytes in the place of an export's own."""
    with zipfile.ZipFile(into / path.name, "w") as out:
        out.writestr("_chat.txt", data)
    return into / path.name


# --- SMS Backup & Restore -------------------------------------------------------------------------------------------------

MY_NUMBER: Final = "+447700900999"
_SMS_HEAD: Final = (
    "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\n<!--File Created By SMS Backup & Restore v10.20.002 on 07/03/2024-->\n"
    '<?xml-stylesheet type="text/xsl" href="sms.xsl"?>\n<smses count="{count}" backup_set="0a1b" backup_date="1709800000000" type="full">\n'
)
NOTE: Final = "buy a rope <note> \N{BALLOT BOX}"  # as it is shown
NOTED: Final = datetime(2022, 3, 7, 9, tzinfo=UTC)
PICTURE: Final = b"\xff\xd8\xff\xe0" + b"\0" * 596


def attribute(text: str) -> str:
    """Text as the program writes it: what markup needs as entities, emoji as references to the halves of UTF-16 pairs."""
    written = []
    for character in text:
        code = ord(character)
        if code > 0xFFFF:
            written += [f"&#{0xD800 + ((code - 0x10000) >> 10)};", f"&#{0xDC00 + ((code - 0x10000) & 0x3FF)};"]
        elif character in "&<>\"'\n":
            written.append({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;", "\n": "&#10;"}[character])
        else:
            written.append(character)
    return "".join(written)


def android_sms(world: World, path: Path, *, picture: bytes = PICTURE, others: bool = True) -> Path:
    """`sms-20240307.xml`: talks with one as SMS, with several as MMS, a file with every third of these; with `others` a service and a draft."""
    total = 2 * others + sum(talk.messages for talk in world.conversations())
    with path.open("w", encoding="utf-8", newline="") as out:
        out.write(_SMS_HEAD.format(count=total))
        for talk in world.conversations():
            for said in talk.said():
                out.write(_mms(world, talk, said, picture) if talk.title else _sms(world, talk, said))
        if others:
            out.write(
                _sms_element(
                    address="22333", date=1_646_640_000_000, type=1, body="Your code is 1234", read=1, contact_name="(Unknown)"
                )
            )
            out.write(
                _sms_element(address="07700 900123", date=1_646_640_000_001, type=3, body="half a", read=1, contact_name="null")
            )
        out.write("</smses>\n")
    return path


def _sms_element(**said: object) -> str:
    fixed: dict[str, object] = {
        "protocol": 0,
        "subject": "null",
        "toa": "null",
        "sc_toa": "null",
        "service_center": "null",
        "status": -1,
        "locked": 0,
    }
    return "  <sms " + " ".join(f'{name}="{value}"' for name, value in {**fixed, **said}.items()) + " />\n"


def _milliseconds(said: Said) -> int:
    return round(said.at.timestamp() * 1000) + said.number % 1000


def _sms(world: World, talk: Talk, said: Said) -> str:
    person = world.person(talk.members[0])
    return _sms_element(
        address=number(person) if said.number % 2 else number(person).replace("+44 ", "0"), date=_milliseconds(said),
        type=2 if said.sender is None else 1, body=attribute(said.text), read=int(said.number % 4 != 0), contact_name=attribute(person.name),
        date_sent=0 if said.sender is None else _milliseconds(said) - 1500, readable_date="Mar 7, 2022 8:00:00 AM",
    )  # fmt: skip


def _mms(world: World, talk: Talk, said: Said, picture: bytes) -> str:
    """Phones write the moment in seconds or milliseconds, and themselves by number or by a word."""
    numbers = [number(world.person(n)).replace(" ", "") for n in talk.members]
    sender = "insert-address-token" if said.sender is None else number(world.person(said.sender)).replace(" ", "")
    to = numbers if said.sender is None else [one for one in (MY_NUMBER, *numbers) if one != sender]
    moment = _milliseconds(said) // 1000 if said.number % 5 == 0 else _milliseconds(said)
    parts = (
        f'      <part seq="-1" ct="application/smil" name="null" chset="null" cl="smil.xml" text="{attribute("<smil/>")}" />\n'
    )
    parts += f'      <part seq="0" ct="text/plain" name="null" chset="106" cl="text000.txt" text="{attribute(said.text)}" />\n'
    if said.number % 3 == 0:
        parts += f'      <part seq="1" ct="image/jpeg" name="boat.jpg" cl="../boat.jpg" text="null" data="{base64.b64encode(picture).decode()}" />\n'
    addrs = f'      <addr address="{sender}" type="137" charset="106" />\n' + "".join(
        f'      <addr address="{one}" type="151" charset="106" />\n' for one in to
    )
    return (
        f'  <mms date="{moment}" msg_box="{2 if said.sender is None else 1}" m_type="{128 if said.sender is None else 132}" '
        f'address="{"~".join(numbers)}" '
        f'sub="null" read="1" ct_t="application/vnd.wap.multipart.related" m_id="m{said.number}" contact_name="{attribute(", ".join(numbers))}">\n'
        f"    <parts>\n{parts}    </parts>\n    <addrs>\n{addrs}    </addrs>\n  </mms>\n"
    )


# --- Telegram -------------------------------------------------------------------------------------------------------------

TELEGRAM_ME: Final = 7000
_LONDON: Final = ZoneInfo("Europe/London")


def telegram_id(person: Person) -> int:
    """Beyond what fits into 32 bits, as newer accounts have it."""
    return 6_000_000_000 + person.number


def telegram(world: World, path: Path, *, only: Talk | None = None, buttons: int = 0) -> Path:
    """`result.json` of everything, or of a single chat; written piece by piece. So many buttons of bots are below each message."""
    with path.open("w", encoding="utf-8") as out:
        if only is not None:
            out.writelines(_telegram_chat(world, only, "", buttons))
            return path
        mine = {
            "user_id": TELEGRAM_ME,
            "first_name": "Robin",
            "last_name": "Vale",
            "phone_number": f"+44 {MY_NUMBER[3:]}",
            "username": "@robin",
            "bio": "",
        }
        out.write(
            '{\n "about": "Here is the data you requested. Remember: Telegram is ad free, it doesn\'t use your data for ad targeting.",\n'
        )
        out.write(f' "personal_information": {json.dumps(mine)},\n "contacts": {{\n  "about": "…",\n  "list": [\n')
        out.write(",\n".join(json.dumps(_telegram_contact(person), ensure_ascii=False) for person in world.everybody()))
        often = {"about": "…", "list": [{"id": 1, "category": "people", "type": "user", "name": "x", "rating": 1.5}]}
        out.write(f'\n  ]\n }},\n "frequent_contacts": {json.dumps(often)},\n')
        talks = world.conversations()
        for place, some in (("chats", talks[::2]), ("left_chats", talks[1::2])):
            out.write(f' "{place}": {{\n  "about": "…",\n  "list": [\n')
            for n, talk in enumerate(some):
                out.writelines(_telegram_chat(world, talk, ",\n" if n else "", buttons))
            out.write("\n  ]\n }" + (",\n" if place == "chats" else "\n}\n"))
    return path


def _telegram_contact(person: Person) -> dict[str, object]:
    """Numbers without spaces behind 00; every fifth is not on Telegram."""
    there = person.number % 5 != 4
    return {
        "user_id": telegram_id(person) if there else 0, "first_name": person.given, "last_name": person.family,
        "phone_number": number(person).replace(" ", "").replace("+", "00"), "date": "2022-01-01T00:00:00", "date_unixtime": "1640995200",
    }  # fmt: skip


def _telegram_chat(world: World, talk: Talk, before: str, buttons: int) -> Iterator[str]:
    person = world.person(talk.members[0])
    kind = ("private_supergroup" if talk.number % 2 else "private_group") if talk.title else "personal_chat"
    identity = 900 + talk.number if talk.title else telegram_id(person)
    head = {"name": talk.title or person.name, "type": kind, "id": identity}
    yield f'{before}{json.dumps(head, ensure_ascii=False, indent=1)[:-2]},\n "messages": [\n'
    event = {
        "id": -999_000 - talk.number,
        "type": "service",
        "date": "2022-03-07T08:00:00",
        "date_unixtime": "1646640000",
        "action": "joined_telegram",
    }
    yield json.dumps(event)
    for said in talk.said():
        # emoji as references to the halves of UTF-16 pairs, as JSON writers for old readers do
        message = _telegram_message(world, said) | ({"inline_bot_buttons": _buttons(said, buttons)} if buttons else {})
        yield ",\n" + json.dumps(message, ensure_ascii=bool(said.number % 2))
    yield "\n]}"


def _buttons(said: Said, count: int) -> list[list[dict[str, object]]]:
    """What bots put below messages, with the 64 bytes that a button may carry."""
    carried = random.Random(said.number).randbytes(64 * count)
    data = [base64.b64encode(carried[64 * n : 64 * n + 64]).decode() for n in range(count)]
    return [
        [{"type": "callback", "text": f"Quay {n}", "dataBase64": one, "data": "", "button_id": 0}] for n, one in enumerate(data)
    ]


def telegram_text(said: Said) -> str:
    return said.text if said.number % 4 != 1 else f"{said.text} (https://example.org/map)!"


def _telegram_message(world: World, said: Said) -> dict[str, object]:
    talk, place = divmod(said.number, 1_000_000)
    n = talk * 10_000 + place  # two people have one chat, however often they began to talk
    text: object = said.text
    if said.number % 4 == 1:
        text = [{"type": "text_link", "text": said.text, "href": "https://example.org/map"}, "!"]
    author = None if said.sender is None else world.person(said.sender)
    found: dict[str, object] = {
        "id": n + 1, "type": "message", "date": f"{said.at.astimezone(_LONDON):%Y-%m-%dT%H:%M:%S}", "date_unixtime": str(int(said.at.timestamp())),
        "from": MY_NAME if author is None else author.name, "from_id": f"user{TELEGRAM_ME if author is None else telegram_id(author)}",
        "text": text, "text_entities": [{"type": "plain", "text": said.text}],
    }  # fmt: skip
    if place % 6 == 2:
        found |= {"edited": found["date"], "edited_unixtime": str(int(said.at.timestamp()) + 60), "reply_to_message_id": n}
    if place % 6 == 3:
        found |= {
            "photo": "(File not included. Change data exporting settings to download.)",
            "photo_file_size": 1000,
            "width": 10,
            "height": 10,
        }
    if place % 6 == 4:
        found |= {
            "file": f"files/report {n}.pdf",
            "file_name": f"report {n}.pdf",
            "mime_type": "application/pdf",
            "file_size": 4000,
        }
    return found


# --- Discord --------------------------------------------------------------------------------------------------------------

DISCORD_ME: Final = 80_351_110_224_678_912
_DISCORD_EPOCH: Final = 1_420_070_400_000
DISCORD_AGES: Final = ("json", "csv", "oldest")


def discord_id(person: Person) -> int:
    return 90_000_000_000_000_000 + person.number


def snowflake(said: Said) -> int:
    return ((round(said.at.timestamp() * 1000) - _DISCORD_EPOCH) << 22) + said.number % (1 << 22)


def discord(world: World, path: Path, *, age: str = "json") -> Path:
    """`package.zip` by its age; older ones have tables, the oldest folders without a letter before the number, in another language."""
    messages, account = ("Nachrichten", "Konto") if age == "oldest" else ("Messages", "Account")
    index: dict[str, str | None] = {"70000000000000001": None}
    found: list[tuple[str, Iterator[bytes]]] = []
    for talk in world.conversations():
        channel = 70_000_000_000_000_100 + talk.number
        people = [world.person(n) for n in talk.members]
        index[str(channel)] = None if talk.title else f"Direct Message with {handle(people[0])}#0"
        folder = f"{messages}/{'' if age == 'oldest' else 'c'}{channel}"
        kind: object = 3 if talk.title else 1
        if age == "json":
            kind = "GROUP_DM" if talk.title else "DM"
        about: dict[str, object] = {
            "id": str(channel),
            "type": kind,
            "recipients": [str(DISCORD_ME), *(str(discord_id(one)) for one in people)],
        }
        if talk.title:
            about["name"] = talk.title
        found.append((f"{folder}/channel.json", _json(about)))
        mine = [said for said in talk.said() if said.sender is None]
        found.append((f"{folder}/messages.{'json' if age == 'json' else 'csv'}", _discord_messages(mine, age)))
    user = {
        "id": str(DISCORD_ME), "username": "robin", "discriminator": "0", "email": ME, "verified": True, "avatar_hash": "x", "has_mobile": True,
        "global_name": MY_NAME, "ip": "192.0.2.7", "phone": MY_NUMBER, "settings": {"settings": {"id": "not this one"}},
        "relationships": [_friend(person) for person in world.everybody()] + [
            {"id": "90000000000009999", "type": 2, "nickname": None, "user": {"id": "90000000000009999", "username": "spam", "discriminator": "0"}}
        ],
        "notes": {str(discord_id(world.person(0))): "sings"}, "payments": [{"id": "1", "amount": 1}],
    }  # fmt: skip
    found += [
        (f"{messages}/index.json", _json(index)),
        ("Servers/index.json", _json({"70000000000000777": "Boats"})),
        (f"{account}/user.json", _json(user)),
        ("Activity/analytics/events-2024-00000-of-00001.json", iter([b'{"event_type":"x"}\n' * 10])),
        ("README.txt", iter([b"Hi!"])),
    ]
    return archived(path, found)


def _json(value: object) -> Iterator[bytes]:
    yield json.dumps(value, ensure_ascii=False).encode()


def _friend(person: Person) -> dict[str, object]:
    user = {
        "id": str(discord_id(person)),
        "username": handle(person),
        "discriminator": "0",
        "avatar": None,
        "global_name": person.name,
    }
    return {
        "id": user["id"],
        "type": 1 if person.number % 2 else "FRIEND",
        "nickname": "Nick" if person.number % 5 == 0 else None,
        "user": user,
    }


def discord_text(said: Said) -> tuple[str, str]:
    """What stands in the package, and what is meant."""
    if said.number % 3 == 1:
        return f"{said.text} <@!{DISCORD_ME}> <:boat:90000000000000001>", f"{said.text} @{MY_NAME} :boat:"
    return said.text, said.text


def _discord_messages(mine: list[Said], age: str) -> Iterator[bytes]:
    """Newest first; ids as numbers that no float holds."""
    files = "https://cdn.discordapp.com/attachments/1/2/boat%20plan.png?ex=1&is=2&hm=3 https://cdn.discordapp.com/attachments/1/2/b.pdf"
    rows = [
        (snowflake(said), f"{said.at:%Y-%m-%d %H:%M:%S}", discord_text(said)[0], files if said.number % 4 == 0 else "")
        for said in reversed(mine)
    ]
    if age == "json":
        names = ("ID", "Timestamp", "Contents", "Attachments")
        yield json.dumps([dict(zip(names, row, strict=True)) for row in rows], ensure_ascii=False).encode()
        return
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["ID", "Timestamp", "Contents", "Attachments"])
    writer.writerows([(number, f"{at}.345000+00:00", text, more) for number, at, text, more in rows])
    yield out.getvalue().encode()


# --- Messages of Apple ----------------------------------------------------------------------------------------------------

#: Columns of `message` by the age of the database; a moment is in seconds in the oldest.
IMESSAGE_AGES: Final = {
    "ios6": "text, handle_id, is_from_me, date, is_read, account, item_type, cache_has_attachments",
    "ios13": "text, attributedBody, handle_id, is_from_me, date, is_read, account, destination_caller_id, item_type, cache_has_attachments, "
    "associated_message_guid, associated_message_type, subject",
    "macos13": "text, attributedBody, handle_id, is_from_me, date, is_read, account, destination_caller_id, item_type, cache_has_attachments, "
    "associated_message_guid, associated_message_type, associated_message_emoji, subject, date_edited, date_retracted, thread_originator_guid",
}  # fmt: skip
_APPLE_EPOCH: Final = 978_307_200


def archived_text(text: str) -> bytes:
    """An attributed string as NSArchiver writes it, attributes left out."""
    data = text.encode()
    if len(data) < 0x80:
        size = bytes([len(data)])
    elif len(data) < 0x8000:
        size = b"\x81" + len(data).to_bytes(2, "little")
    else:
        size = b"\x82" + len(data).to_bytes(4, "little")
    head = b"\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\x12NSAttributedString\x00\x84\x84\x08NSObject\x00\x85\x92"
    tail = b"\x86\x84\x02iI\x01\x08\x92\x84\x84\x84\x0cNSDictionary\x00\x94\x84\x01i\x01\x92\x84\x96\x96\x1d__kIMMessagePartAttributeName\x86\x86\x86"
    return head + b"\x84\x84\x84\x08NSString\x01\x94\x84\x01+" + size + data + tail


def imessage(world: World, path: Path, *, age: str = "macos13", preview: int = 0) -> Path:
    """`chat.db` by its age, in SQLite's mode with a log beside it. `preview`: bytes that each message has for what its link leads to."""
    columns = IMESSAGE_AGES[age] + (", payload_data" if preview else "")
    with closing(sqlite3.connect(path)) as out:
        out.executescript(
            "PRAGMA journal_mode = WAL;"
            f"CREATE TABLE message (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL, {columns});"
            "CREATE TABLE handle (ROWID INTEGER PRIMARY KEY, id TEXT, service TEXT);"
            "CREATE TABLE chat (ROWID INTEGER PRIMARY KEY, guid TEXT, style INTEGER, chat_identifier TEXT, display_name TEXT);"
            "CREATE TABLE chat_message_join (chat_id INTEGER, message_id INTEGER, PRIMARY KEY (chat_id, message_id));"
            "CREATE TABLE chat_handle_join (chat_id INTEGER, handle_id INTEGER);"
            "CREATE TABLE attachment (ROWID INTEGER PRIMARY KEY, filename TEXT, transfer_name TEXT, mime_type TEXT, total_bytes INTEGER);"
            "CREATE TABLE message_attachment_join (message_id INTEGER, attachment_id INTEGER);"
        )
        for person in world.everybody():
            out.execute("INSERT INTO handle VALUES (?, ?, 'iMessage')", (person.number + 1, number(person).replace(" ", "")))
        for talk in world.conversations():
            identifier = f"chat{talk.number:06}" if talk.title else number(world.person(talk.members[0])).replace(" ", "")
            guid = f"iMessage;{'+' if talk.title else '-'};{identifier}"
            out.execute(
                "INSERT INTO chat VALUES (?, ?, ?, ?, ?)",
                (talk.number + 1, guid, 43 if talk.title else 45, identifier, talk.title),
            )
            out.executemany("INSERT INTO chat_handle_join VALUES (?, ?)", [(talk.number + 1, n + 1) for n in talk.members])
            for said in talk.said():
                _imessage_row(out, columns.split(", "), talk, said, preview, seconds=age == "ios6")
        out.commit()
    return path


def _imessage_row(out: sqlite3.Connection, columns: list[str], talk: Talk, said: Said, preview: int, *, seconds: bool) -> None:
    moment = int(said.at.timestamp()) - _APPLE_EPOCH
    n = said.number % 1_000_000
    values: dict[str, object] = {
        "text": said.text, "handle_id": 0 if said.sender is None else said.sender + 1, "is_from_me": said.sender is None,
        "date": moment if seconds else moment * 10**9, "is_read": int(n % 4 != 0), "account": f"P:{MY_NUMBER}" if n % 2 else f"E:{ME}",
        "destination_caller_id": MY_NUMBER, "item_type": 0, "cache_has_attachments": int(n % 5 == 1),
    }  # fmt: skip
    if preview:
        values["payload_data"] = b"bplist00" + random.Random(said.number).randbytes(preview)
    if "attributedBody" in columns and n % 2:
        values |= {"text": None, "attributedBody": archived_text(said.text)}
    used = [name for name in columns if name in values]
    names = ", ".join(["guid", *used])
    marks = ", ".join("?" * (len(used) + 1))
    row = out.execute(
        f"INSERT INTO message ({names}) VALUES ({marks})", (f"GUID-{said.number}", *(values[name] for name in used))
    )
    out.execute("INSERT INTO chat_message_join VALUES (?, ?)", (talk.number + 1, row.lastrowid))
    if values["cache_has_attachments"]:
        path = "~/Library/Messages/Attachments/00/../../boat.heic"
        out.execute("INSERT INTO attachment VALUES (?, ?, 'boat.heic', 'image/heic', 4000)", (row.lastrowid, path))
        out.execute("INSERT INTO message_attachment_join VALUES (?, ?)", (row.lastrowid, row.lastrowid))


# --- Slack ----------------------------------------------------------------------------------------------------------------

SLACK_TEAM: Final = "T024BE7LH"
SLACK_ME: Final = "U00ROBIN"


def slack_id(person: Person) -> str:
    return f"U0{person.number:06}"


def slack(world: World, path: Path, *, public_only: bool = False) -> Path:
    """`<team> Slack export ….zip`: talks with one are direct, with several in turn groups and channels; a file a day."""
    lists: dict[str, list[dict[str, object]]] = {"channels": [], "dms": [], "mpims": []}
    days: list[tuple[str, Iterator[bytes]]] = []
    for talk in world.conversations():
        members = [SLACK_ME, *(slack_id(world.person(n)) for n in talk.members)]
        if talk.title and talk.number % 2:
            where, found = (
                "channels",
                {"id": f"C0{talk.number:06}", "name": f"boats-{talk.number}", "created": 1, "is_general": False},
            )
        elif talk.title:
            where, found = "mpims", {"id": f"G0{talk.number:06}", "name": f"mpdm-{talk.number}--robin-1", "created": 1}
        else:
            where, found = "dms", {"id": f"D0{talk.number:06}", "created": 1}
        if public_only and where != "channels":
            continue
        lists[where].append({**found, "members": members})
        by_day: dict[str, list[Said]] = {}
        for said in talk.said():
            by_day.setdefault(f"{said.at:%Y-%m-%d}", []).append(said)
        folder = found.get("name", found["id"])
        days += [(f"{folder}/{day}.json", _slack_day(world, talk, some)) for day, some in by_day.items()]
    members_list = [
        {"id": SLACK_ME, "team_id": SLACK_TEAM, "name": "robin", "deleted": False,
         "profile": {"real_name": MY_NAME, "display_name": "", "email": ME}},
        *(
            {"id": slack_id(one), "team_id": SLACK_TEAM, "name": handle(one), "deleted": False,
             "profile": {"real_name": one.name, "display_name": one.given, "email": one.email, "phone": number(one)}}
            for one in world.everybody()
        ),
        {"id": "USLACKBOT", "team_id": SLACK_TEAM, "name": "slackbot", "deleted": False, "profile": {"real_name": "Slackbot"}},
        {"id": "U0LEFT", "team_id": SLACK_TEAM, "name": "left", "deleted": True, "profile": {"real_name": "Left"}},
    ]  # fmt: skip
    named = [(f"{name}.json", _json(some)) for name, some in lists.items() if not public_only or name == "channels"]
    logs = [{"user_id": "U1", "user_name": "x", "date": "1"}]
    return archived(path, [("users.json", _json(members_list)), *named, ("integration_logs.json", _json(logs)), *days])


def slack_ts(said: Said) -> str:
    return f"{int(said.at.timestamp())}.{said.number % 1_000_000:06}"


def _slack_day(world: World, talk: Talk, some: list[Said]) -> Iterator[bytes]:
    """Slashes escaped, as Slack's writer does."""
    yield json.dumps(slack_messages(world, talk, some)).replace("/", "\\/").encode()


def slack_messages(world: World, talk: Talk, some: Iterable[Said]) -> list[dict[str, object]]:
    """What was said as Slack writes messages, in exports and in answers; the first one of a conversation says who came."""
    found: list[dict[str, object]] = []
    for said in some:
        n = said.number % 1_000_000
        if n == 0:
            text = f"<@{SLACK_ME}> has joined the channel"
            found.append(
                {"user": SLACK_ME, "type": "message", "subtype": "channel_join", "ts": "1646640000.000001", "text": text}
            )
        text = said.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        one: dict[str, object] = {
            "client_msg_id": f"m{said.number}", "type": "message", "text": f"{text} <@{SLACK_ME}>" if n % 4 == 1 else text,
            "user": SLACK_ME if said.sender is None else slack_id(world.person(said.sender)), "ts": slack_ts(said), "team": SLACK_TEAM,
        }  # fmt: skip
        if n % 3 == 2:
            one |= {"thread_ts": slack_ts(next(talk.said())), "edited": {"user": SLACK_ME, "ts": slack_ts(said)}}
            one["reactions"] = [{"name": "turtle", "users": [SLACK_ME], "count": 3}]
        if n % 5 == 0:
            link = f"https://boats.slack.com/files/U1/F{n}/plan.pdf"
            one["files"] = [
                {"id": f"F{n}", "name": "plan.pdf", "mimetype": "application/pdf", "size": 9, "permalink": link, "mode": "hosted"}
            ]
        found.append(one)
    return found


# --- Evernote -------------------------------------------------------------------------------------------------------------


def evernote(world: World, path: Path, *, picture: bytes = PICTURE) -> Path:
    """`Cards.enex`: a business card of everybody, and a plain note behind every fifth."""
    with path.open("w", encoding="utf-8") as out:
        out.write(
            '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE en-export SYSTEM "http://xml.evernote.com/pub/evernote-export4.dtd">\n'
        )
        out.write('<en-export export-date="20260302T101500Z" application="Evernote" version="10.1">\n')
        for person in world.everybody():
            out.write(_card(person, picture))
            if person.number % 5 == 0:
                out.write(_plain_note(person))
        out.write("</en-export>\n")
    return path


def _note(title: str, content: str, created: str, more: str = "") -> str:
    """Enclosed text may end a CDATA section; then it is split."""
    whole = f'<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE en-note SYSTEM "http://xml.evernote.com/pub/enml2.dtd"><en-note>{content}</en-note>'
    enclosed = whole.replace("]]>", "]]]]><![CDATA[>")
    head = f"  <note>\n    <title>{escape(title)}</title>\n    <created>{created}</created>\n{more}"
    return f"{head}    <content>\n      <![CDATA[{enclosed}]]>\n    </content>\n"


def _card(person: Person, picture: bytes) -> str:
    def field(mark: str, text: str) -> str:
        return f'<div style="margin: 0; x-evernote: {mark}; color: #333">{text}</div>'

    data = "\n".join(base64.encodebytes(picture).decode().split())
    hashed = hashlib.md5(picture).hexdigest()
    fields = (
        field("display-as", escape(person.name)),
        field("contact-title", "x-evernote: contact-title"),
        field("contact-org", "Boats &amp;&nbsp;Bells"),
        '<div style="x-evernote: contact-info-section">',
        field("mobile", number(person)),
        field("phone", "x-evernote: phone"),
        field("email", f'<a href="mailto:x">{person.email}</a>'),
        field("address", "1 Quay<br/>Leeds"),
        field("url", "boats.example.org"),
        "</div></div><div>]]> met at the &eacute;t&eacute; party</div>",
    )
    content = f'<div style="x-evernote: contact"><en-media type="image/jpeg" hash="{hashed}"/>{"".join(fields)}'
    more = "    <tag>Choir</tag>\n    <note-attributes><content-class>evernote.contact.1</content-class></note-attributes>\n"
    resource = f'    <resource><data encoding="base64">\n{data}\n</data><mime>image/jpeg</mime></resource>\n'
    return (
        _note(person.name, content, f"20220307T08{person.number // 60 % 60:02}{person.number % 60:02}Z", more)
        + resource
        + "  </note>\n"
    )


def _plain_note(person: Person) -> str:
    content = "<div>buy a rope &lt;note&gt; <en-todo/></div>"
    return _note(f"Notes {person.number}", content, NOTED.strftime("%Y%m%dT%H%M%SZ")) + "  </note>\n"
