"""WhatsApp's chat exports (.txt, or .zip with the media): one conversation a file, as the phone's language writes it.

Lines are read in `formats/whatsapp_line.py`; there is no specification. A first pass over each file finds out what only all of it can
tell: which number of a date is the day, who the people are, what the chat is called. An export names nobody but by what the phone
calls them, has no ids and no time zone: a message is known by chat, time, sender and text, and times are read in the user's own
zone. Media are named, not kept. Refuses to guess who "I" is where the files leave it open.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final

import msgspec

from providers import records
from providers.archives import export, files, text_lines, text_stream
from providers.archives.export import Export, Part, Stood
from providers.base import ArchiveFormat
from providers.formats import charset, file_kind, file_name, phone_number, whatsapp_line
from providers.formats.whatsapp_line import MARKS, Order

KEY: Final = "whatsapp"
MAX_SENDERS: Final = 5_000
MAX_TEXT: Final = 200_000  # characters of one message
MAX_MEMBERS: Final = 500
MAX_MOMENT: Final = 50_000  # messages of one minute that are told apart when they say the same
LONG_NOTE: Final = (
    40  # characters of what an iPhone puts in a sender's mouth; longer ones are notices ("… are end-to-end encrypted")
)
_HEAD_LINES: Final = 40
_TAIL: Final = 100  # characters at the end of a text that may say that it was changed
#: How an export is called before the name of its chat, in the languages of phones (iPhones: the archive that it lies in).
_TITLE: Final = re.compile(
    r".*?WhatsApp(?:[ -]?(?:Chatt?|Sohbeti))?[ _]?(?:-|–|with|mit|con|com|avec|met|med|z:?|с контактом|с|dengan)[ _]+(.+)|(.+) ile WhatsApp",
    re.I,
)
_COPY: Final = re.compile(r"\s*\(\d{1,3}\)\Z")  # what browsers and file managers add to a name that is taken
_NAME: Final = r"([^<>/\\\n]{1,200}\.[A-Za-z0-9]{2,5})"
_FILE: Final = re.compile(rf"[{MARKS}]*(?:<[^<>:\n]{{2,40}}: *{_NAME}>|{_NAME} \([^()\n]{{3,60}}\))\s*(?:\n|\Z)")
_ANGLED: Final = re.compile(r"<[^<>:\n]{3,60}>\s*(?:\n|\Z)")
#: The last word of what iPhones say in the place of a file that was left out of the export.
OMITTED: Final = frozenset({
    "omitted", "weggelassen", "omitido", "omitida", "omise", "absente", "absent", "omesso", "omessa", "oculto", "oculta", "weggelaten",
    "utelämnad", "utelatt", "udeladt", "пропущено", "pominięto", "atlandı", "dilampirkan", "省略", "已省略", "忽略", "생략됨",
})  # fmt: skip
#: Said behind a text that was changed, in the place of one that was taken back.
_EDITED: Final = re.compile(rf"\s*[{MARKS}]*<([^<>\n]{{5,60}})>\s*\Z")
EDITED: Final = frozenset({
    "this message was edited", "diese nachricht wurde bearbeitet", "se editó este mensaje", "este mensaje fue editado",
    "mensagem editada", "esta mensagem foi editada", "ce message a été modifié", "questo messaggio è stato modificato",
    "dit bericht is bewerkt", "данное сообщение изменено", "bu mesaj düzenlendi", "pesan ini diedit", "ta wiadomość została edytowana",
    "det här meddelandet har redigerats",
})  # fmt: skip
DELETED: Final = frozenset({
    "this message was deleted", "you deleted this message", "diese nachricht wurde gelöscht", "du hast diese nachricht gelöscht",
    "se eliminó este mensaje", "eliminaste este mensaje", "mensagem apagada", "esta mensagem foi apagada", "você apagou esta mensagem",
    "ce message a été supprimé", "vous avez supprimé ce message", "questo messaggio è stato eliminato", "hai eliminato questo messaggio",
    "dit bericht is verwijderd", "je hebt dit bericht verwijderd", "данное сообщение удалено", "вы удалили данное сообщение",
    "bu mesaj silindi", "bu mesajı sildiniz", "pesan ini telah dihapus", "anda menghapus pesan ini", "تم حذف هذه الرسالة",
    "ta wiadomość została usunięta", "det här meddelandet raderades", "此訊息已刪除", "此消息已删除", "이 메시지는 삭제되었습니다",
})  # fmt: skip
_QUOTES: Final = re.compile('[“”"«»„「」]')
_NOTICE: Final = "This is a notice of WhatsApp's own, not a message. It is left out."
_NO_DATE: Final = (
    "Its date cannot be read: it is none of the calendar that WhatsApp writes in most languages. Set the phone to another language and "
    "export the chat again."
)
_NOT_BEGUN: Final = (
    "This stands before the first message of the file and belongs to none. If one is missing, export the chat again."
)
_TOO_LARGE: Final = "The message is longer than any that WhatsApp takes. It is left out."


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """What all of a file says of its chat. `key` and `title` name it, `me` is the sender who is the user, where that is known."""

    brackets: bool
    orders: whatsapp_line.Orders
    senders: frozenset[str]
    speakers: frozenset[str]  # without the group in whose name iPhones write notices
    title: str | None
    key: str
    kind: records.ConversationKind
    me: str | None = None


class Chats(msgspec.Struct, frozen=True, kw_only=True):
    """The chats of an import by what their files are called, whose they are, and how numbers and times are read."""

    by_file: Mapping[str, Chat]
    me: str | None
    region: str | None = None
    zone: tzinfo = UTC


class Entry(msgspec.Struct, kw_only=True):
    """A message or notice as it stands in a file; `head` is None for what stands before the first one."""

    head: whatsapp_line.Head | None
    line: int
    body: str
    end: int
    end_line: int
    large: bool = False


class Transcript(Part[Chats]):
    """The text file of an export."""

    kind = "MESSAGE"

    def begins(self, head: bytes, path: Path) -> bool:
        first, *others = charset.decode(head).lstrip("\r\n").split("\n")[:_HEAD_LINES]
        brackets = whatsapp_line.in_brackets(first)
        found = whatsapp_line.head(first, brackets=brackets)
        if found is None or (brackets and "-" in first[: found.body] and "," not in first[: found.body]):  # a program's log
            return False
        heads = [(line, at) for line in (first, *others) if (at := whatsapp_line.head(line, brackets=brackets)) is not None]
        return any(whatsapp_line.named(line[at.body :], brackets=brackets) for line, at in heads)

    def read(self, source: files.Source, mark: files.Mark, about: Chats) -> Iterator[files.Read]:
        chat = about.by_file.get(source.shown) or _looked(source)
        order, _ = chat.orders.decided(about.region)
        position = mark.position
        told = False
        times: Counter[str] = Counter()  # the messages of a moment that say the same
        moment: datetime | None = None
        for entry in _entries(source.path, chat.brackets):
            at = None if entry.head is None else whatsapp_line.moment(entry.head, order)
            if at != moment or len(times) == MAX_MOMENT:
                times.clear()
                moment = at
            item = self._item(entry, at, chat, source, position + 1, about, times)
            if entry.end <= mark.offset:
                continue
            position += 1
            stood = Stood(position, entry.line, entry.end, entry.end_line)
            yield stood, item, export.weight(item)
            if isinstance(item, records.Message) and not told:
                told = True
                yield stood, _whole(chat, item, about.region), 1_000

    def counted(self, path: Path) -> int:
        """By the looks of a line's beginning: brackets or a dash, and numbers."""
        total, style = 0, b""
        with files.open_file(path) as handle:
            for line in text_lines.lines(text_stream.utf8(handle, 0)):
                text = line.data[:400].decode("utf-8", "replace").lstrip(MARKS + " \t\u00a0\u202f")
                bare = re.sub(f"[{MARKS}]", "", text)[:110]
                if not style and bare.strip():
                    style = b"[" if bare.startswith("[") else b"-"
                    total += not _looks_begun(bare, style)  # what stands before the first message
                total += bool(style) and _looks_begun(bare, style)
        return total

    def _item(
        self,
        entry: Entry,
        at: datetime | None,
        chat: Chat,
        source: files.Source,
        position: int,
        about: Chats,
        times: Counter[str],
    ) -> records.Message | records.Unreadable:
        data = entry.body.encode()[:2_000]
        if entry.head is None:
            return export.unreadable(source, position, _NOT_BEGUN, data)
        if entry.large:
            return export.unreadable(source, position, _TOO_LARGE, data, outcome="SKIPPED", reason="TOO_LARGE")
        if at is None:
            return export.unreadable(source, position, _NO_DATE, data)
        said = whatsapp_line.named(entry.body, chat.senders, brackets=chat.brackets)
        if said is None or _is_notice(said, chat):
            return export.unreadable(source, position, _NOTICE, data, outcome="SKIPPED", reason="EXCLUDED")
        return _message(said, at, chat, source, about, times)


class WhatsAppArchive(Export[Chats]):
    """The Archive contract for WhatsApp's chat exports."""

    format: ArchiveFormat = "WHATSAPP"
    parts = (Transcript(),)

    def __init__(self, zone: tzinfo = UTC) -> None:
        self._zone = zone

    def in_zone(self, zone: tzinfo) -> WhatsAppArchive:
        return WhatsAppArchive(zone)

    def look(self, sources: Sequence[tuple[Part[Chats], files.Source]], own: frozenset[str]) -> Chats:
        """One pass over each file, then all of them together: I am who is in every chat, or who is not the chat's name."""
        looked = {source.shown: _looked(source) for _, source in sources}
        me = _me(list(looked.values()), own)
        return Chats(by_file={shown: _with(chat, me, own) for shown, chat in looked.items()}, me=me)

    def settled(self, about: Chats, region: str | None) -> Chats:
        return msgspec.structs.replace(about, region=region, zone=self._zone)

    def profile(self, about: Chats) -> records.Profile | None:
        if about.me is None:
            return None
        one = _participant("FROM", about.me, about.region)
        return records.Profile(
            user_id="", label=about.me, own_addresses=(records.OwnAddress(value=one.address, kind=one.kind, primary=True),)
        )

    def remarks(self, about: Chats, sources: Sequence[files.Source]) -> tuple[str, ...]:
        """What could not be told, and what to do about it."""
        said = []
        open_ = [shown for shown, chat in about.by_file.items() if not chat.orders.decided(about.region)[1]]
        if open_:
            order = about.by_file[open_[0]].orders.decided(about.region)[0]
            said.append(f"{_listed(open_)}: no date says which number is the day; they are read as {_SPELLED[order]}.")
        if about.me is not None:
            said.append(f"These are taken as the chats of {about.me} (say --me if that is wrong).")
        else:
            said.append(
                "Which of the senders you are cannot be told: import again with --me and your name as it stands in the chats."
            )
        return tuple(said)


_SPELLED: Final[dict[Order, str]] = {"DMY": "day, month, year", "MDY": "month, day, year", "YMD": "year, month, day"}


def _listed(shown: list[str]) -> str:
    return shown[0] if len(shown) == 1 else f"{shown[0]} and {len(shown) - 1} more"


def _entries(path: Path, brackets: bool) -> Iterator[Entry]:
    """Messages and notices of a file in its order. Raises OSError as the file does."""
    open_: Entry | None = None
    with files.open_file(path) as handle:
        for line in text_lines.lines(text_stream.utf8(handle, 0)):
            text = charset.decode(line.data)
            found = whatsapp_line.head(text, brackets=brackets)
            if found is None and open_ is None:
                if not whatsapp_line.plain(text):
                    continue
                open_ = Entry(head=None, line=line.number, body="", end=line.end, end_line=line.number + 1)
            if found is not None:
                if open_ is not None:
                    yield open_
                open_ = Entry(head=found, line=line.number, body=text[found.body :], end=line.end, end_line=line.number + 1)
                continue
            assert open_ is not None
            if len(open_.body) + len(text) <= MAX_TEXT:
                open_.body += f"\n{text}"
            else:
                open_.large = True
            open_.end, open_.end_line = line.end, line.number + 1
    if open_ is not None:
        yield open_


def _looks_begun(bare: str, style: bytes) -> bool:
    head, closed, _ = bare.partition("]") if style == b"[" else re.sub("–", "-", bare).partition(" - ")
    if not closed and style == b"-":
        head, closed, _ = bare.partition(", ")  # Korean
        if bare.partition(" : ")[0] == bare or ":" not in head:
            return False
    numbers = re.findall(r"\d+", head)
    clock = re.search(r"\d{1,2}[:.]\d\d(?:[:.]\d\d)?\D*\Z", head)
    starts = head.lstrip("[ ")[:1].isdecimal() and (style == b"-" or bare.startswith("["))
    fits = len(numbers) in ((5, 6) if style == b"[" else (5,)) and all(len(number) <= 4 for number in numbers)
    return bool(closed) and starts and fits and clock is not None and int(numbers[3]) <= 24 and int(numbers[4]) <= 59


def _looked(source: files.Source) -> Chat:
    """The first pass over a file; one that cannot be read says nothing."""
    orders = whatsapp_line.Orders()
    written: Counter[str] = Counter()
    spoken: set[str] = set()
    longer: dict[str, str | None] = {}  # first part of a name → the only one that follows it, None when there are several
    brackets = False
    try:
        brackets = _brackets(source.path)
        for entry in _entries(source.path, brackets):
            if entry.head is None:
                continue
            orders.feed(entry.head)
            said = whatsapp_line.named(entry.body, brackets=brackets)
            if said is None or _QUOTES.search(said[0]) or (said[0] not in written and len(written) >= MAX_SENDERS):
                continue
            name, text = said
            written[name] += 1
            spoken.update({name} if not _put_in_mouth(text, brackets) else ())
            following = whatsapp_line.named(text, brackets=False)
            more = None if following is None else f"{name}: {following[0]}"
            longer[name] = more if longer.get(name, more) == more else None
    except OSError:
        pass
    names = {name for name, count in written.items() if count > 1 or not _is_sentence(name, written)}
    senders = frozenset((longer[name] or name) if written[name] > 1 else name for name in names)
    title = _title(source.path, senders)
    speakers = senders - ({title} if title in written and title not in spoken else set())
    return Chat(
        brackets=brackets, orders=orders, senders=senders, speakers=frozenset(speakers), title=title,
        key=_key(source.path, title, senders), kind=_kind(title, senders, speakers),
    )  # fmt: skip


def _brackets(path: Path) -> bool:
    """Whether a file is in the style of iPhones: its first line that is not empty decides."""
    with files.open_file(path) as handle:
        for line in text_lines.lines(text_stream.utf8(handle, 0)):
            if whatsapp_line.plain(text := charset.decode(line.data[:1_000])):
                return whatsapp_line.in_brackets(text)
    return False


def _is_sentence(name: str, written: Mapping[str, int]) -> bool:
    """Whether this is no name but a notice with a colon: somebody's name and what they did ("Ada changed the subject to")."""
    words = name.split()
    return any(" ".join(words[:n]) in written for n in range(1, len(words) - 2))


def _title(path: Path, senders: frozenset[str]) -> str | None:
    """What a chat is called, by the name of its file, or of the archive or folder that `_chat.txt` lies in."""
    stem = path.stem if not path.stem.startswith("_chat") else path.parent.name.removesuffix(".zip")
    stem = whatsapp_line.plain(_COPY.sub("", stem))
    for sender in sorted(senders, key=len, reverse=True):
        if stem == sender or stem.endswith((f" {sender}", f"_{sender}")):
            return sender
    match = _TITLE.match(stem)
    return None if match is None else whatsapp_line.plain(match[1] or match[2])[:200] or None


def _key(path: Path, title: str | None, senders: frozenset[str]) -> str:
    if title is not None:
        return title.casefold()
    if 0 < len(senders) <= 2:
        return "\n".join(sorted(name.casefold() for name in senders))
    return _COPY.sub("", path.stem).casefold()


def _kind(title: str | None, senders: frozenset[str], speakers: Set[str]) -> records.ConversationKind:
    # iPhones write notices in the chat's name: a group's name is among the senders, and not among those who speak
    if len(speakers) > 2 or (title is not None and title not in speakers and len(speakers) == 2):
        return "GROUP"
    return "DIRECT" if title is None or title in senders else "GROUP"


def _me(chats: Sequence[Chat], own: frozenset[str]) -> str | None:
    """Which sender the user is: one of the known own names, else the other one beside whom a chat is called after, else the only one
    who is in every chat.
    """
    for chat in chats:
        if (mine := _own(chat, own)) is not None:
            return mine
    others = {
        next(iter(c.speakers - {c.title})) for c in chats if c.kind == "DIRECT" and c.title in c.speakers and len(c.speakers) == 2
    }
    if len(others) == 1:
        return others.pop()
    shared = [chat.speakers for chat in chats if len(chat.speakers) > 1]
    everywhere = frozenset.intersection(*shared) if len(shared) > 1 else frozenset()
    return next(iter(everywhere)) if len(everywhere) == 1 else None


def _own(chat: Chat, own: frozenset[str]) -> str | None:
    found = [
        name for name in chat.senders if name.casefold() in own or _participant("FROM", name, None).address.casefold() in own
    ]
    return min(found, default=None)


def _with(chat: Chat, me: str | None, own: frozenset[str]) -> Chat:
    """A chat once it is known who the user is. Where only the user wrote, nobody answered; where none but others did, it is a group."""
    mine = _own(chat, own) or me
    alone = chat.title is not None and mine is not None and chat.speakers <= {mine}
    others = chat.title is not None and mine is not None and chat.title not in chat.speakers and not alone
    return msgspec.structs.replace(chat, me=mine, kind="DIRECT" if alone else "GROUP" if others else chat.kind)


def _participant(role: records.Role, name: str, region: str | None) -> records.Participant:
    """Somebody as the phone calls them: by number, or by a name that says nothing elsewhere."""
    if whatsapp_line.is_number(name):
        number = phone_number.read(name, region).number
        return records.Participant(role=role, kind="PHONE", address=number or phone_number.comparable(name))
    return records.Participant(role=role, kind="HANDLE", address=name, name=name)


def _put_in_mouth(text: str, brackets: bool) -> bool:
    """Whether WhatsApp says this in a sender's name: iPhones begin such a text with a mark."""
    return brackets and text.startswith("\u200e") and _FILE.match(text) is None


def _is_notice(said: tuple[str, str], chat: Chat) -> bool:
    name, text = said
    if not _put_in_mouth(text, chat.brackets):
        return False
    first = whatsapp_line.plain(text.partition("\n")[0])
    if _omitted(first, chat.brackets) or _folded(first) in DELETED or "http" in first or first.endswith(":"):
        return False
    return len(first) > LONG_NOTE or name not in chat.speakers


def _omitted(first: str, brackets: bool) -> bool:
    """Whether a line stands in the place of a file that was left out of the export."""
    if not brackets:
        return _ANGLED.match(first) is not None
    return len(first) <= LONG_NOTE and first.rpartition(" ")[2].casefold() in OMITTED


def _folded(text: str) -> str:
    return whatsapp_line.plain(text).rstrip(".").casefold()


def _message(
    said: tuple[str, str], at: datetime, chat: Chat, source: files.Source, about: Chats, times: Counter[str]
) -> records.Message:
    name, text = said
    attached: tuple[records.Attachment, ...] = ()
    has_file, edited, deleted = False, False, _folded(text) in DELETED
    first, _, rest = text.partition("\n")
    if (match := _FILE.match(text)) is not None:
        attached, has_file, text = _attachments(match[1] or match[2], source.path), True, text[match.end() :]
    elif _omitted(whatsapp_line.plain(first), chat.brackets) and (not chat.brackets or _put_in_mouth(text, True)):
        has_file, text = True, rest
    tail = max(0, len(text) - _TAIL)
    if (mark := _EDITED.search(text, tail)) is not None and _folded(mark[1]) in EDITED:
        edited, text = True, text[: mark.start()]
    text = "" if deleted else text.strip(MARKS + " \n\r")
    # another export may leave the file out, or know the sender by a name by now: neither says that it is another message
    said_twice = f"\x00{text}" if has_file else text
    times[said_twice] += 1
    key = hashlib.blake2b(
        "\x00".join((chat.key, at.isoformat(), str(times[said_twice]), said_twice)).encode("utf-8", "replace"), digest_size=16
    ).hexdigest()
    sent_at = at.replace(tzinfo=about.zone).astimezone(UTC)
    return records.Message(
        key=key, sent_at=sent_at, container=source.shown, conversation_key=chat.key, conversation_kind=chat.kind,
        edited_at=sent_at if edited else None, deleted_at=sent_at if deleted else None, text=text,
        body_state="DELETED" if deleted else "AVAILABLE" if text else "EMPTY",
        participants=_people(name, chat, about.region), attachment_count=int(has_file), attachments=attached,
    )  # fmt: skip


def _people(name: str, chat: Chat, region: str | None) -> tuple[records.Participant, ...]:
    """Who wrote it and who got it: of a group only the user is named, its members are said of it as a whole."""
    other = chat.me if name != chat.me else None if chat.kind == "GROUP" else _peer(chat)
    to = () if other is None else (_participant("TO", other, region),)
    return (_participant("FROM", name, region), *to)


def _peer(chat: Chat) -> str | None:
    """The other one of a chat of two."""
    if chat.title is not None and chat.title != chat.me:
        return chat.title
    return min(chat.speakers - {chat.me}, default=None)


def _attachments(name: str, beside: Path) -> tuple[records.Attachment, ...]:
    """A file by its name, with kind and size where it lies beside the text."""
    safe = file_name.safe(name) or "file"
    size, head = None, b""
    try:
        with files.open_file(beside.parent / safe) as handle:
            head = handle.read(512)
            size = handle.seek(0, 2)
    except OSError:
        pass
    kind = file_kind.said(safe, None) if size is None else file_kind.media_type(head, safe, None)
    return (records.Attachment(part=safe, name=safe, size=size, media_type=kind),)


def _whole(chat: Chat, item: records.Message, region: str | None) -> records.ConversationHead:
    people = sorted(chat.speakers - {chat.me})[:MAX_MEMBERS]
    return records.ConversationHead(
        key=chat.key, kind=chat.kind, last_activity_at=item.sent_at, subject=chat.title if chat.kind == "GROUP" else None,
        participants=tuple(_participant("MEMBER", name, region) for name in people),
    )  # fmt: skip
