"""Text messages of Android phones, as SMS Backup & Restore keeps them in XML: SMS and MMS, with their files by name.

Speaks SyncTech's published fields; attributes are Android's own (Telephony.Sms, Telephony.Mms, PduHeaders). A message has no id: it is known
by its people, its millisecond, its direction and its text. Drafts and what never left are left out. Refuses to know whose number
the phone has where the file does not show it: then its own messages are those of "this phone".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, ParseError

import msgspec

from providers import records
from providers.archives import export, files, text_stream, xml_items
from providers.archives.export import Export, Misread, Part, Stood
from providers.base import ArchiveFormat, Provider
from providers.formats import email_address, file_kind, file_name, phone_number

KEY: Final = "android_sms"
OWN: Final = "this phone"  # who the user is where no number says it
ITEMS: Final = ("sms", "mms")
_LOOKED_AT: Final = 20_000  # elements from which the own number is inferred
_BEGINS: Final = re.compile(rb"\s*+(?:<\?[^>]*+>\s*+|<!--(?:(?!-->).)*+-->\s*+)*+<smses[\s>/]", re.DOTALL)
_COUNT: Final = re.compile(rb"<smses\b[^>]*?\bcount=[\"'](\d{1,9})[\"']")
_ABSENT: Final = ("", "null")  # the program writes the word for what is not there
_NAMELESS: Final = ("(Unknown)",)
_TOKEN: Final = "insert-address-token"  # noqa: S105  no password: it stands for the phone itself
_SERVICE: Final = re.compile(r"\+?\d{3,6}\Z")
_NUMBER: Final = re.compile(r"\+?[\d\s().#*\u2011-]{3,40}\Z")
#: Telephony.Sms.MESSAGE_TYPE_*, Telephony.Mms.MESSAGE_BOX_*: received and sent. The others never left, or wait.
_INBOX, _SENT = "1", "2"
_NOTIFICATION: Final = "130"  # m-notification-ind: the phone was told of a message and never fetched it
_FROM: Final = "137"  # PduHeaders.FROM; TO is 151, CC 130, BCC 129
_TO: Final = ("151", "130", "129")
_SMIL: Final = "application/smil"
_SECONDS: Final = 100_000_000_000  # a smaller moment is one in seconds
_LATE: Final = timedelta(hours=48)  # a sender's clock that is further off than this is not believed
_MAX_PEOPLE: Final = 100
_MAX_TOLD: Final = 10_000
_EARLIEST: Final = datetime(1992, 12, 3, tzinfo=UTC)  # of the first SMS
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)

_NOT_SENT: Final = "It is a draft, or was never sent. It is left out."
_NOT_FETCHED: Final = "The phone was told of this message and never fetched it. There is nothing to take in."
_CUT: Final = "The message does not end: the file is cut, or damaged, here. Make another backup and import it; what was taken already stays as it is."
_TOO_LARGE: Final = "The message is longer than 16 MB without its files, or made of more than 200,000 parts. It is left out."
_BROKEN: Final = "The message is no XML ({error}). Make another backup and import it."
_STRANGE: Final = "The message could not be understood ({error}). The rest of the file was read."
_BULK: Final = "It comes from a short number, or from a name in the place of a number, as services send."


class Phone(msgspec.Struct, frozen=True, kw_only=True):
    """The phone that a backup is of: its number, where it shows; the region in which its numbers are read."""

    number: str | None = None
    region: str | None = None

    @property
    def own(self) -> records.OwnAddress:
        if self.number is None:
            return records.OwnAddress(value=OWN, kind="HANDLE", primary=True)
        return records.OwnAddress(value=self.number, kind="PHONE", primary=True)


class Backup(Part[Phone]):
    """A backup's file."""

    kind = "MESSAGE"

    def begins(self, head: bytes, path: Path) -> bool:
        return _BEGINS.match(head) is not None

    def read(self, source: files.Source, mark: files.Mark, about: Phone) -> Iterator[files.Read]:
        told: set[str] = set()
        with files.open_file(source.path) as handle:
            for element in xml_items.items(text_stream.utf8(handle, 0), ITEMS):
                if element.number <= mark.offset:
                    continue
                position = mark.position + element.number - mark.offset
                stood = Stood(position, element.line, element.number, element.end_line)
                item = _item(element, source, position, about)
                yield stood, item, export.weight(item)
                if isinstance(item, records.Message) and item.conversation_kind == "GROUP" and item.conversation_key not in told:
                    if len(told) < _MAX_TOLD:
                        told.add(item.conversation_key or "")
                    yield stood, _whole(item, about), 1_000

    def counted(self, path: Path) -> int:
        with files.open_file(path) as handle:
            return xml_items.count(text_stream.utf8(handle, 0), ITEMS)


class AndroidSmsArchive(Export[Phone]):
    """The Archive contract for backups of SMS Backup & Restore."""

    format: ArchiveFormat = "ANDROID_SMS"
    parts = (Backup(),)

    def look(self, sources: Sequence[tuple[Part[Phone], files.Source]], own: frozenset[str]) -> Phone:
        return Phone(number=_own_number([source for _, source in sources], own))

    def settled(self, about: Phone, region: str | None) -> Phone:
        return msgspec.structs.replace(about, region=region)

    def profile(self, about: Phone) -> records.Profile | None:
        return records.Profile(user_id="", label=about.own.value, own_addresses=(about.own,))

    def remarks(self, about: Phone, sources: Sequence[files.Source]) -> tuple[str, ...]:
        said = []
        for source in sources:
            stated = _COUNT.search(files.head(source.path))
            try:
                there = self.parts[0].counted(source.path)
            except OSError:
                continue
            if stated is not None and int(stated[1]) != there:
                said.append(
                    f"{source.shown} says that it holds {int(stated[1]):,} messages; there are {there:,}. If some are missing, make another backup."
                )
        if about.number is None:
            said.append("The phone's own number cannot be told: say --me NUMBER to have it.")
        else:
            said.append(f"These are taken as the messages of {about.number} (say --me if that is wrong).")
        return tuple(said)


def _own_number(sources: Sequence[files.Source], own: frozenset[str]) -> str | None:
    """The number to which others' messages to several came: MMS name it among those that they went to."""
    known = [number for value in sorted(own) if _NUMBER.match(value) and (number := phone_number.read(value, None).number)]
    if len(known) == 1:
        return known[0]
    seen: Counter[str] = Counter()
    for source in sources:
        try:
            with files.open_file(source.path) as handle:
                for element in xml_items.items(text_stream.utf8(handle, 0), ITEMS):
                    if element.number > _LOOKED_AT:
                        break
                    if element.name == "mms" and element.problem is None:
                        seen.update(_received_by(element))
        except OSError:
            continue
    if known:
        return max(known, key=lambda number: seen[number])
    (best, votes), *others = seen.most_common(2) or [("", 0)]
    return best if votes > (others[0][1] if others else 0) else None


def _received_by(element: xml_items.Item) -> set[str]:
    """The numbers that a received MMS went to, without those of the people it is filed under."""
    try:
        tree = xml_items.parsed(element)
    except (ParseError, ValueError):
        return set()
    if _said(tree, "msg_box") != _INBOX:
        return set()
    peers = {phone_number.read(raw, None).number for raw in _filed_under(tree)}
    to = {phone_number.read(_said(addr, "address"), None).number for addr in tree.iter("addr") if _said(addr, "type") in _TO}
    return {number for number in to if number is not None} - {number for number in peers if number is not None}


def _item(element: xml_items.Item, source: files.Source, position: int, phone: Phone) -> records.Message | records.Unreadable:
    def skipped(reason: records.SkipReason, message: str) -> records.Unreadable:
        return export.unreadable(source, position, message, element.data[:2_000], outcome="SKIPPED", reason=reason)

    if element.problem == "TOO_LARGE":
        return skipped("TOO_LARGE", _TOO_LARGE)
    if element.problem == "CUT":
        return export.unreadable(source, position, _CUT, element.data)
    try:
        tree = xml_items.parsed(element)
        box = _said(tree, "type" if element.name == "sms" else "msg_box")
        if box not in (_INBOX, _SENT):
            return skipped("EXCLUDED", _NOT_SENT)
        if _said(tree, "m_type") == _NOTIFICATION:
            return skipped("EMPTY", _NOT_FETCHED)
        return (_sms if element.name == "sms" else _mms)(tree, element, box == _SENT, source, phone)
    except Misread as error:
        return export.unreadable(source, position, str(error), element.data)
    except ParseError as error:
        return export.unreadable(source, position, _BROKEN.format(error=str(error)[:100]), element.data)
    except Exception as error:  # a message is a stranger's text: whatever it does, the next one is read
        return export.unreadable(source, position, _STRANGE.format(error=type(error).__name__), element.data)


def _said(tree: Element, name: str) -> str:
    """An attribute; empty where the program wrote that there is none."""
    value = tree.get(name, "")
    return "" if value in _ABSENT else value


def _sms(tree: Element, element: xml_items.Item, sent: bool, source: files.Source, phone: Phone) -> records.Message:
    address = _said(tree, "address").strip()
    if not address:
        raise Misread("It does not say whom it is from or to. It is left out.")
    name = _said(tree, "contact_name").strip()
    peer = _person("TO" if sent else "FROM", address, "" if name in _NAMELESS else name, phone)
    at = _moment(_said(tree, "date"))
    return _message("sms", tree, at, sent, [peer], peer, _said(tree, "body"), (), source, phone)


def _mms(tree: Element, element: xml_items.Item, sent: bool, source: files.Source, phone: Phone) -> records.Message:
    listed = [(_said(addr, "type"), _said(addr, "address").strip()) for addr in tree.iter("addr")]
    raw = _filed_under(tree) or [address for kind, address in listed if kind in (_FROM, *_TO)]
    people: dict[str, records.Participant] = {}
    for address in raw[:_MAX_PEOPLE]:
        one = _person("TO", address, "", phone)
        if address != _TOKEN and one.address != phone.number:
            people.setdefault(one.address, one)
    if not people:
        raise Misread("It does not say whom it is from or to. It is left out.")
    name = _said(tree, "contact_name").strip()
    if len(people) == 1 and name not in ("", *_NAMELESS):
        (only,) = people
        people[only] = msgspec.structs.replace(people[only], name=name)
    author = next((_person("FROM", address, "", phone) for kind, address in listed if kind == _FROM and address != _TOKEN), None)
    if author is None or author.address not in people:
        author = next(iter(people.values()))
    text, attached = _parts(tree, element.dropped)
    at = _moment(_said(tree, "date"))
    sender = msgspec.structs.replace(people[author.address], role="FROM")
    return _message("mms", tree, at, sent, list(people.values()), sender, text, attached, source, phone)


def _filed_under(tree: Element) -> list[str]:
    """The people whom an MMS is filed under."""
    return [part.strip() for part in _said(tree, "address").split("~") if part.strip() and part.strip() != _TOKEN]


def _message(
    kind: str,
    tree: Element,
    at: datetime,
    sent: bool,
    people: list[records.Participant],
    author: records.Participant,
    text: str,
    attached: tuple[records.Attachment, ...],
    source: files.Source,
    phone: Phone,
) -> records.Message:
    chat = "\n".join(sorted(one.address.casefold() for one in people))
    own = records.Participant(role="FROM" if sent else "TO", address=phone.own.value, kind=phone.own.kind)
    participants = (own, *people) if sent else (msgspec.structs.replace(author, role="FROM"), own)
    files_said = "\n".join(f"{one.name} {one.size}" for one in attached)
    key = "\x00".join((kind, chat, str(int(at.timestamp() * 1000)), str(sent), text, files_said))
    left = None if sent else _moment_or_none(_said(tree, "date_sent"))
    service = author.kind == "HANDLE" or (author.kind == "PHONE" and _SERVICE.match(author.address) is not None)
    bulk = {"category": "NOTIFICATION", "category_reason": _BULK} if service and not sent else {}
    return msgspec.structs.replace(
        records.Message(
            key=hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=16).hexdigest(),
            sent_at=left if left is not None and abs(at - left) <= _LATE else at,
            received_at=None if sent else at,
            container=source.shown,
            conversation_key=chat,
            conversation_kind="GROUP" if len(people) > 1 else "DIRECT",
            subject=_said(tree, "sub") or _said(tree, "subject") or None,
            text=text,
            body_state="AVAILABLE" if text else "EMPTY",
            participants=participants,
            unread=False if sent else _said(tree, "read") == "0",
            attachment_count=len(attached),
            attachments=attached,
        ),
        **bulk,
    )


def _person(role: records.Role, raw: str, name: str, phone: Phone) -> records.Participant:
    """Somebody by number, mail address (MMS goes there too), or the name that a service sends under."""
    if _NUMBER.match(raw):
        number = None if _SERVICE.match(raw) else phone_number.read(raw, phone.region).number
        return records.Participant(role=role, kind="PHONE", address=number or phone_number.comparable(raw), name=name)
    if (address := email_address.normalised(raw)) is not None:
        return records.Participant(role=role, kind="EMAIL", address=address, name=name)
    return records.Participant(role=role, kind="HANDLE", address=raw[:200], name=name or raw[:200])


def _moment(value: str) -> datetime:
    found = _moment_or_none(value)
    if found is None:
        raise Misread(f"Its date ({value[:40] or 'none'}) is no moment at which messages were sent. It is left out.")
    return found


def _moment_or_none(value: str) -> datetime | None:
    """Milliseconds since 1970; some phones write seconds for MMS."""
    if not re.fullmatch(r"\d{1,16}", value.strip()):
        return None
    number = int(value)
    try:
        at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=number * 1000 if number < _SECONDS else number)
    except OverflowError:
        return None
    return at if _EARLIEST <= at <= _LATEST else None


def _parts(tree: Element, dropped: Sequence[int]) -> tuple[str, tuple[records.Attachment, ...]]:
    """The text of an MMS, and its files; `dropped` are the bytes that long ones were cut short by, in their order."""
    waiting = list(dropped)
    texts: list[str] = []
    found: list[records.Attachment] = []
    for part in tree.iter("part"):
        data = part.get("data", "")
        data = "" if data == "null" else data
        size = len(data) + (waiting.pop(0) if len(data) >= xml_items.KEPT and waiting else 0)
        media = _said(part, "ct").strip().lower()
        if media == _SMIL:
            continue
        if media == "text/plain" and not data:
            if words := _said(part, "text").strip():
                texts.append(words)
            continue
        name = file_name.safe(_said(part, "cl") or _said(part, "name") or _said(part, "fn"))
        found.append(
            records.Attachment(
                part=str(len(found) + 1),
                name=name or f"file {len(found) + 1}",
                media_type=file_kind.media_type(_beginning(data), name, media),
                size=size * 3 // 4 - data[-2:].count("=") if data else None,
            )
        )
    return "\n".join(texts), tuple(found)


def _beginning(data: str) -> bytes:
    try:
        return base64.b64decode("".join(data[:700].split())[:512])
    except (binascii.Error, ValueError):
        return b""


def _whole(item: records.Message, phone: Phone) -> records.ConversationHead:
    """Who is in a group: those whom its messages are filed under."""
    others = [address for address in (item.conversation_key or "").split("\n") if address != phone.own.value]
    people = (_person("MEMBER", address, "", phone) for address in others)
    return records.ConversationHead(
        key=item.conversation_key or "", kind="GROUP", last_activity_at=item.sent_at, participants=tuple(people)
    )


PROVIDER = Provider(
    key=KEY,
    name="Android text messages",
    kind="CHAT",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "CONVERSATIONS", "READ_STATE", "IMPORT", "MIRROR"}),
    limitations=(
        "A backup is a snapshot: newer messages arrive with the next import.",
        "Files are named, not kept; drafts and messages that never left are left out.",
        "The phone's own number is known only where messages to several people show it, or --me says it.",
    ),
    archive_formats=("ANDROID_SMS",),
    docs_path="docs/providers/android_sms.md",
    archive=AndroidSmsArchive(),
)
