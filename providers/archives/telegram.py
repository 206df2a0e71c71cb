"""Telegram Desktop's export (`result.json`): contacts, and the messages of every chat that it was told to hold, streamed.

There is no published contract; layouts are those of the program since 2018. An export is of everything or of a single chat, which then
stands at the top and does not say whose it is: in a chat of two, that is who is not the other one. Moments are those since 1970 where
they are given, else local times of the user's zone. Files are named, not kept. Knows nothing of the Bot API or MTProto.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Final

import msgspec

from providers import records
from providers.archives import export, files
from providers.archives.export import Export, Misread, Part, Taken
from providers.archives.json_part import JsonPart
from providers.archives.json_stream import Item, Pattern
from providers.base import ArchiveFormat
from providers.formats import charset, file_kind, file_name, phone_number

KEY: Final = "telegram"
MAX_TEXT: Final = 100_000
_TYPES: Final[dict[str, tuple[str, records.ConversationKind]]] = {  # of a chat → what its id is of, what it is
    "personal_chat": ("user", "DIRECT"),
    "bot_chat": ("user", "DIRECT"),
    "saved_messages": ("saved", "DIRECT"),
    "replies": ("user", "DIRECT"),
    "verification_codes": ("user", "DIRECT"),
    "private_group": ("chat", "GROUP"),
    "private_supergroup": ("channel", "GROUP"),
    "public_supergroup": ("channel", "GROUP"),
    "private_channel": ("channel", "CHANNEL"),
    "public_channel": ("channel", "CHANNEL"),
}
_CHAT: Final = re.compile(rb'"type"\s*:\s*"(?:%s)"' % "|".join(_TYPES).encode())
_WHOLE: Final = re.compile(rb'\s*\{\s*(?:"about"\s*:\s*"[^"]*Telegram|"personal_information"\s*:\s*\{\s*"user_id")')
_CHATS: Final[tuple[Pattern, ...]] = ((), ("chats", "list", "*"), ("left_chats", "list", "*"))
_MESSAGES: Final = tuple((*chat, "messages", "*") for chat in _CHATS)
_CONTACTS: Final[Pattern] = ("contacts", "list", "*")
_OLD_PEER: Final = 1 << 32  # what older versions add to the id of a user
_PEER: Final = re.compile(r"(?:user|chat|channel)\d+\Z")
_LEFT_OUT: Final = "("  # "(File not included. Change data exporting settings to download.)"
_EVENT: Final = "It says what happened to the chat ({action}), and is no message."
_UNKNOWN: Final = "It is a kind of item that is not known here ({kind}). It is left out."
_NO_CHAT: Final = "The chat that it is in does not say what it is. Export it again"
_NO_TIME: Final = "It has no moment that is understood. Export the chat again"
_BOT: Final = "A bot sent it."
_POST: Final = "It was posted in a channel, to all who follow it."


class About(msgspec.Struct, frozen=True, kw_only=True):
    """Whose export it is, by `me` (`user<id>`), and how its numbers and times are read."""

    me: str | None = None
    name: str = ""
    number: str = ""
    said: bool = False  # whether the export itself says so
    region: str | None = None
    zone: tzinfo = UTC


class Result(JsonPart[About]):
    """The file of an export."""

    kind = "MESSAGE"
    items = (_CONTACTS, *_MESSAGES)
    facts = tuple((*chat, fact) for chat in _CHATS for fact in ("name", "type", "id"))

    def begins(self, head: bytes, path: Path) -> bool:
        return head.lstrip()[:1] == b"{" and (_CHAT.search(head) is not None or _WHOLE.match(head) is not None)

    def note(self, item: Item, facts: dict[str, Any]) -> None:
        """What a chat says of itself counts for no other one."""
        if facts.get("at") != item.path[:-1]:
            facts.clear()
            facts["at"] = item.path[:-1]
        super().note(item, facts)

    def read(self, source: files.Source, mark: files.Mark, about: About) -> Iterator[files.Read]:
        told: set[str] = set()
        for stood, item, weight in super().read(source, mark, about):
            if isinstance(item, records.ConversationHead):
                if item.key in told:
                    continue
                if len(told) < export.MAX_TOLD:
                    told.add(item.key)
            yield stood, item, weight

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterable[Taken]:
        if item.pattern == _CONTACTS:
            return (_contact(value, source, about),)
        kind = value.get("type")
        if kind == "service":
            message = _EVENT.format(action=str(value.get("action"))[:60])
            return (export.left_out(source, item.pointer, message),)
        if kind != "message":
            return (export.left_out(source, item.pointer, _UNKNOWN.format(kind=str(kind)[:60]), "UNSUPPORTED"),)
        chat = _chat(facts, item)
        return (_message(value, chat, source, about), *_whole(value, chat, about))


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """A chat as it says of itself what it is. `key` is that of the conversation, and of the other one in a chat of two."""

    key: str
    type: str
    name: str
    kind: records.ConversationKind


class TelegramArchive(Export[About]):
    """The Archive contract for Telegram Desktop's exports."""

    format: ArchiveFormat = "TELEGRAM"
    parts: tuple[Result, ...] = (Result(),)

    def __init__(self, zone: tzinfo = UTC) -> None:
        self._zone = zone

    def in_zone(self, zone: tzinfo) -> TelegramArchive:
        return TelegramArchive(zone)

    def look(self, sources: Sequence[tuple[Part[About], files.Source]], own: frozenset[str]) -> About:
        found: dict[str, Any] = {}
        for _, source in sources:
            self.parts[0].look(source, (("personal_information",),), lambda value, item: found.update(value))
        if isinstance(user := found.get("user_id"), int):
            name = _full_name(found)
            return About(me=f"user{user}", name=name, number=str(found.get("phone_number") or ""), said=True)
        known = [value.removesuffix(_HOST) for value in own if value.endswith(_HOST) and value.startswith("user")]
        if len(known) == 1:
            return About(me=known[0])
        return About(me=next((me for _, source in sources if (me := self._other(source)) is not None), None))

    def _other(self, source: files.Source) -> str | None:
        """Who writes in a chat of two besides the one whose chat it is."""
        facts: dict[str, Any] = {}
        part = self.parts[0]
        try:
            for item in part.found(source.path):
                if item.problem is not None:
                    continue
                if item.pattern in part.facts:
                    part.note(item, facts)
                elif item.pattern in _MESSAGES and facts.get("type") == "personal_chat":
                    try:
                        author = _peer(part.decoded(item.data).get("from_id"))
                    except (ValueError, AttributeError):
                        continue
                    if author is not None and author != f"user{facts.get('id')}":
                        return author
        except OSError:
            pass
        return None

    def settled(self, about: About, region: str | None) -> About:
        return msgspec.structs.replace(about, region=region, zone=self._zone)

    def profile(self, about: About) -> records.Profile | None:
        if about.me is None:
            return None
        number = phone_number.read(about.number, None).number if about.number else None
        phone = (records.OwnAddress(value=number, kind="PHONE"),) if number else ()
        mine = records.OwnAddress(value=address(about.me), kind="HANDLE", primary=True)
        return records.Profile(user_id=about.me.removeprefix("user"), label=about.name or about.me, own_addresses=(mine, *phone))

    def remarks(self, about: About, sources: Sequence[files.Source]) -> tuple[str, ...]:
        if about.me is None:
            return (
                "The export does not say whose it is: export all data with your account information, or import a chat of two first.",
            )
        return ()


# --- people ---------------------------------------------------------------------------------------------------------------

_HOST: Final = "@t.me"


def address(peer: str) -> str:
    """Somebody's address among participants: an export knows nobody's name but the user's own."""
    return f"{peer}{_HOST}"


def _participant(role: records.Role, peer: str, name: str) -> records.Participant:
    return records.Participant(role=role, kind="HANDLE", address=address(peer), name=name, provider=KEY, key=peer)


def _peer(value: object) -> str | None:
    """`user123`, or a number as older versions write it."""
    if isinstance(value, int) and value > 0:
        return f"user{value - _OLD_PEER if value > _OLD_PEER else value}"
    return value if isinstance(value, str) and _PEER.match(value) else None


def _full_name(value: Mapping[str, Any]) -> str:
    return " ".join(charset.line(value.get(part)) for part in ("first_name", "last_name")).strip()


def _contact(value: Any, source: files.Source, about: About) -> records.Contact:
    """Somebody of the user's address book; without an id they are not on Telegram."""
    name, raw, user = _full_name(value), charset.line(value.get("phone_number")), value.get("user_id")
    number = (
        phone_number.read(raw.replace("00", "+", 1) if raw.startswith("00") else raw, about.region, line="MOBILE")
        if raw
        else None
    )
    on_telegram = isinstance(user, int) and user > 0
    if not on_telegram and number is None:
        raise Misread("It is a contact without number or account. It is left out")
    given, family = charset.line(value.get("first_name")) or None, charset.line(value.get("last_name")) or None
    names = (records.Name(full=name, given=given, family=family),) if name else ()
    key = f"user{user}" if on_telegram else f"phone:{number.number or phone_number.comparable(raw)}" if number else ""
    return records.Contact(
        key=key,
        relation="ADDRESS_BOOK",
        names=names,
        phones=(number,) if number else (),
        handles=(records.Handle(provider=KEY, handle=address(key)),) if on_telegram else (),
        container=source.shown,
    )  # fmt: skip


# --- chats and messages ---------------------------------------------------------------------------------------------------


def _chat(facts: Mapping[str, Any], item: Item) -> Chat:
    kind, number = facts.get("type"), facts.get("id")
    if facts.get("at") != item.path[:-2] or kind not in _TYPES or not isinstance(number, int):
        raise Misread(_NO_CHAT)
    prefix, conversation = _TYPES[kind]
    key = "saved" if prefix == "saved" else f"{prefix}{number}"
    return Chat(key=key, type=kind, name=charset.line(facts.get("name")), kind=conversation)


def _message(value: Any, chat: Chat, source: files.Source, about: About) -> records.Message:
    number = value.get("id")
    at = _moment(value, "date", about.zone)
    if not isinstance(number, int) or at is None:
        raise Misread(_NO_TIME)
    text = charset.storable(_text(value.get("text")) or _instead(value))[:MAX_TEXT]
    attached = _files(value)
    answers = value.get("reply_to_message_id")
    bulk = (
        _POST if chat.kind == "CHANNEL" else _BOT if chat.type == "bot_chat" and _author(value, chat, about) == chat.key else None
    )
    said = records.Message(
        key=f"{chat.key}/{number}",
        sent_at=at,
        container=source.shown,
        conversation_key=chat.key,
        conversation_kind=chat.kind,
        internet_message_id=_message_id(chat, number, about),
        references=(_message_id(chat, answers, about),) if isinstance(answers, int) else (),
        edited_at=_moment(value, "edited", about.zone),
        text=text,
        body_state="AVAILABLE" if text else "EMPTY",
        participants=_people(value, chat, about),
        category_reason="Somebody wrote it to the members of a conversation.",
        authentication="NOT_CHECKED",
        attachment_count=len(attached),
        attachments=attached,
        reactions=_reactions(value, about),
    )
    if bulk is None:
        return said
    return msgspec.structs.replace(
        said, category="NEWSLETTER" if chat.kind == "CHANNEL" else "NOTIFICATION", category_reason=bulk
    )


def _message_id(chat: Chat, number: int, about: About) -> str:
    """What answers name. Numbers count in a supergroup for everybody, in all other chats of an account for it alone."""
    whose = "" if chat.key.startswith("channel") else f"{about.me or ''}/"
    return f"{whose}{chat.key}/{number}{_HOST}"


def _author(value: Any, chat: Chat, about: About) -> str:
    if chat.type == "saved_messages":
        return about.me or chat.key
    return _peer(value.get("from_id")) or chat.key


def _people(value: Any, chat: Chat, about: About) -> tuple[records.Participant, ...]:
    """Who wrote it and who got it: of a group only the user is named, of a channel nobody."""
    author = _author(value, chat, about)
    name = charset.line(value.get("from")) or (chat.name if author == chat.key else "")
    if chat.kind == "CHANNEL":
        other = None
    elif author != about.me:
        other = about.me
    else:
        other = None if chat.kind == "GROUP" else about.me if chat.key == "saved" else chat.key
    to = () if other is None else (_participant("TO", other, about.name if other == about.me else chat.name),)
    return (_participant("FROM", author, name), *to)


def _reactions(value: Mapping[str, Any], about: About) -> tuple[records.Reaction, ...]:
    """Signs with those whom the export names, and how many more there are."""
    found: list[records.Reaction] = []
    for one in value.get("reactions") or ():
        sign = one.get("emoji") or one.get("document_id") or one.get("type")
        named = [(peer, each) for each in one.get("recent") or () if (peer := _peer(each.get("from_id"))) is not None]
        found += [
            records.Reaction(
                emoji=charset.line(sign),
                participant=_participant("MEMBER", peer, charset.line(each.get("from"))),
                at=_moment(each, "date", about.zone),
            )
            for peer, each in named
        ]
        others = int(one.get("count") or 0) - len(named)
        if others > 0:
            found.append(records.Reaction(emoji=charset.line(sign), count=others))
    return tuple(found)


def _whole(value: Any, chat: Chat, about: About) -> tuple[records.ConversationHead, ...]:
    at = _moment(value, "date", about.zone)
    if at is None:
        return ()
    peer = (_participant("MEMBER", chat.key, chat.name),) if chat.kind == "DIRECT" and chat.key != "saved" else ()
    subject = chat.name or ("Saved Messages" if chat.key == "saved" else None)
    return (
        records.ConversationHead(
            key=chat.key, kind=chat.kind, last_activity_at=at, subject=None if peer else subject, participants=peer
        ),
    )


def _moment(value: Mapping[str, Any], name: str, zone: tzinfo) -> datetime | None:
    """Seconds since 1970, as a text; before 2022 there is only a local time."""
    seconds = str(value.get(f"{name}_unixtime", ""))
    try:
        if seconds.isdecimal():
            return datetime.fromtimestamp(int(seconds), UTC)
        found = datetime.fromisoformat(str(value.get(name, "")))
    except (ValueError, OverflowError, OSError):
        return None
    return (found if found.tzinfo is not None else found.replace(tzinfo=zone)).astimezone(UTC)


def _text(value: object) -> str:
    """A text, or the pieces of a formatted one; of a link that hides where it leads, that as well."""
    if isinstance(value, str):
        return value
    pieces = []
    for piece in value if isinstance(value, list) else ():
        if isinstance(piece, str):
            pieces.append(piece)
        elif isinstance(piece, dict):
            words, target = str(piece.get("text", "")), piece.get("href")
            pieces.append(f"{words} ({target})" if isinstance(target, str) and target and target != words else words)
    return "".join(pieces)


def _instead(value: Mapping[str, Any]) -> str:
    """What is shown of a message that has no text."""
    if isinstance(emoji := value.get("sticker_emoji"), str):
        return emoji
    if isinstance(poll := value.get("poll"), dict):
        answers = [str(one.get("text", "")) for one in poll.get("answers", ()) if isinstance(one, dict)]
        return "\n".join([_text(poll.get("question")), *(f"- {answer}" for answer in answers)])
    if isinstance(place := value.get("location_information"), dict):
        return f"{place.get('latitude')}, {place.get('longitude')}"
    if isinstance(card := value.get("contact_information"), dict):
        return " ".join(part for part in (_full_name(card), charset.line(card.get("phone_number"))) if part)
    return ""


def _files(value: Mapping[str, Any]) -> tuple[records.Attachment, ...]:
    found: list[records.Attachment] = []
    for field, sizes in (("photo", "photo_file_size"), ("file", "file_size")):
        path = value.get(field)
        if not isinstance(path, str) or not path:
            continue
        said = value.get("file_name") if field == "file" else None
        path = "" if path.startswith(_LEFT_OUT) else path
        name = file_name.safe(str(said or path)) or file_name.safe(str(value.get("media_type") or field))
        media = value.get("mime_type")
        called = "image/jpeg" if field == "photo" else media if isinstance(media, str) else None
        size = value.get(sizes)
        found.append(
            records.Attachment(
                part=str(len(found) + 1),
                name=name,
                media_type=file_kind.said(name, called),
                size=size if isinstance(size, int) else None,
            )
        )
    return tuple(found)
