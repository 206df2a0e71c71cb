"""Matrix events as messages (Client-Server API v1.15: Instant messaging, Event replacements, Rich replies, Threading).

An event is read for what a person would see of it: text without the quoted fallback of replies, its HTML, its files, and the text
that its own sender put in its place later. What nobody here can read (`m.room.encrypted`) keeps sender and time and says so.
A reaction is told beside the message that it is for. Calls and state are no messages. Knows nothing of rooms, paging or HTTP.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import msgspec

from providers.records import Attachment, ConversationKind, Message, Participant, Reacted, Reaction, Role, Row, Unreadable

KEY: Final = "matrix"
MESSAGE_TYPES: Final = frozenset({"m.room.message", "m.sticker", "m.room.encrypted"})
FILE_TYPES: Final = frozenset({"m.image", "m.file", "m.audio", "m.video"})
HTML_FORMAT: Final = "org.matrix.custom.html"
MAX_TEXT: Final = 100_000
MAX_SHORT: Final = 1_000
_REPLY: Final = re.compile(r"<mx-reply>.*?</mx-reply>", re.DOTALL | re.IGNORECASE)
_USER: Final = re.compile(r"@[^:\s\x00]{1,255}:[^\s\x00/]{1,255}\Z")
_MXC: Final = re.compile(r"mxc://([A-Za-z0-9.:\[\]_-]{1,255})/([A-Za-z0-9_-]{1,255})\Z")


class Event(msgspec.Struct, frozen=True):
    """Client-Server API, "Room event format": what clients are given, `room_id` left out."""

    type: str
    event_id: str
    sender: str
    origin_server_ts: int
    content: dict[str, Any] = {}
    state_key: str | None = None
    redacts: str | None = None  # before room version 11; then it is in the content
    unsigned: dict[str, Any] | None = None

    @property
    def redacted(self) -> bool:
        return isinstance((self.unsigned or {}).get("redacted_because"), dict)

    @property
    def removed_at(self) -> datetime:
        """When it was taken back, by the redaction that the server shows with it."""
        because = (self.unsigned or {}).get("redacted_because")
        at = because.get("origin_server_ts") if isinstance(because, dict) else None
        return instant(at if isinstance(at, int) else self.origin_server_ts)

    @property
    def shows(self) -> bool:
        """Whether this is a message of its own, not a change to another one."""
        return self.type in MESSAGE_TYPES and self.state_key is None and self.replaces is None

    @property
    def relation(self) -> Mapping[str, Any]:
        found = self.content.get("m.relates_to")
        return found if isinstance(found, dict) else {}

    @property
    def replaces(self) -> str | None:
        """The event that this one puts another text in the place of."""
        return self._related("m.replace")

    @property
    def thread(self) -> str:
        """The root of the thread that it was written in, empty outside of threads."""
        return self._related("m.thread") or ""

    @property
    def reacts(self) -> tuple[str, str] | None:
        """The event that this one is a reaction to, and the sign ("Event annotations and reactions")."""
        target, sign = self._related("m.annotation"), _text(self.relation.get("key"))
        return (target, sign) if self.type == "m.reaction" and target and sign else None

    @property
    def sent_as(self) -> str | None:
        """Our own id of what this device has sent ("Transaction identifiers"): nobody else is told of it."""
        return _text((self.unsigned or {}).get("transaction_id"))

    @property
    def removes(self) -> str | None:
        """The event that a redaction takes back."""
        if self.type != "m.room.redaction":
            return None
        return _text(self.content.get("redacts")) or self.redacts

    def _related(self, how: str) -> str | None:
        return _text(self.relation.get("event_id")) if self.relation.get("rel_type") == how else None


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What an event's room adds to it. `names` are those who were ever seen there, `members` those who are told of each message."""

    room_id: str
    kind: ConversationKind
    names: Mapping[str, str]
    members: tuple[str, ...] = ()


def readable(raw: Iterable[msgspec.Raw], room_id: str) -> tuple[list[Event], list[Row]]:
    """The events that are what the specification says; of the others, rows that say so."""
    events: list[Event] = []
    broken: list[Row] = []
    for item in raw:
        try:
            event = msgspec.json.decode(item, type=Event)
            if not event.event_id or not is_user(event.sender):
                raise msgspec.ValidationError("an event without a sender or an id")
            events.append(event)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            excerpt = bytes(item)[:200].decode("utf-8", "replace").replace("\x00", "\ufffd")
            message = f"This event is not as the specification describes it: {str(error)[:200]}"
            broken.append(
                Row(
                    item=Unreadable(
                        key="", outcome="FAILED", message=message, reason="UNREADABLE", excerpt=excerpt, container=room_id
                    )
                )
            )
    return events, broken


def latest_replacement(event: Event, others: Iterable[Event]) -> Event | None:
    """The last text that the sender put in an event's place: of those the server names with it, and `others`."""
    found = list(others)
    relations = (event.unsigned or {}).get("m.relations")
    bundled = relations.get("m.replace") if isinstance(relations, dict) else None
    if isinstance(bundled, dict):
        with contextlib.suppress(msgspec.ValidationError):  # before v1.7 only its id is named, and the new content shown
            found.append(msgspec.convert(bundled, Event))
    # "Validity of replacement events": same sender, same type, no state, and no replacement of a replacement
    valid = [e for e in found if e.sender == event.sender and e.type == event.type and e.state_key is None and not e.redacted]
    return max(valid, key=lambda e: (e.origin_server_ts, e.event_id), default=None)


def message(event: Event, setting: Setting, *, unread: bool, replacement: Event | None = None) -> Message:
    """An event that `shows`, with the text it has now."""
    content = event.content
    edited_at = None
    if replacement is not None:
        edited_at = instant(replacement.origin_server_ts)
        new = replacement.content.get("m.new_content")
        content = new if isinstance(new, dict) else content
    encrypted = event.type == "m.room.encrypted"
    kind = _text(content.get("msgtype")) or ("m.sticker" if event.type == "m.sticker" else "")
    name = setting.names.get(event.sender, "")
    text = (
        ""
        if encrypted
        else _body(content, kind, name or localpart(event.sender), is_reply=bool(reply_to(event)) and not event.sent_as)
    )
    files = () if encrypted else _files(content, kind)
    notice = kind == "m.notice"  # "m.notice: for bots"
    others = tuple(user for user in setting.members if user != event.sender)
    answers = reply_to(event)
    return Message(
        key=event.event_id,
        sent_at=instant(event.origin_server_ts),
        container=setting.room_id,
        conversation_key=setting.room_id,
        conversation_kind=setting.kind,
        internet_message_id=event.event_id,  # unique everywhere, and what answers name
        references=tuple(dict.fromkeys(r for r in (event.thread, answers) if r)),
        edited_at=edited_at,
        text=text,
        html=None if encrypted else _html(content),
        body_state="ENCRYPTED" if encrypted else "AVAILABLE" if text or files else "EMPTY",
        participants=(
            participant(event.sender, name, "FROM"),
            *(participant(user, setting.names.get(user, ""), "TO") for user in others),
        ),
        category="NOTIFICATION" if notice else "PERSONAL",
        category_reason="It was sent as a notice, which is how programs speak." if notice else "Somebody wrote it in a room.",
        authentication="NOT_CHECKED",
        unread=unread,
        attachment_count=len(files),
        attachments=files,
        sent_as=event.sent_as,
        url=f"https://matrix.to/#/{quote(setting.room_id, safe='')}/{quote(event.event_id, safe='')}",
    )


def taken_back(event: Event, setting: Setting) -> Message:
    """An event that showed something until it was taken back ("Redactions"): who wrote when is left of it."""
    return msgspec.structs.replace(
        message(event, setting, unread=False), text="", html=None, body_state="DELETED", deleted_at=event.removed_at,
        attachments=(), attachment_count=0, reactions=(),
    )  # fmt: skip


def reaction(event: Event, room_id: str, names: Mapping[str, str]) -> Reacted | None:
    """A reaction to another event; None for what is none."""
    if (found := event.reacts) is None:
        return None
    target, sign = found
    who = participant(event.sender, names.get(event.sender, ""), "MEMBER")
    at = instant(event.origin_server_ts)
    return Reacted(
        message=target, reaction=Reaction(emoji=short(sign), participant=who, at=at, key=event.event_id), container=room_id
    )


def participant(user: str, name: str, role: Role) -> Participant:
    return Participant(role=role, address=user, kind="HANDLE", name=name, provider=KEY, key=user, url=profile_url(user))


def profile_url(user: str) -> str:
    return f"https://matrix.to/#/{quote(user, safe='@:')}"


def reply_to(event: Event) -> str | None:
    """The event that this one answers. Clients without threads are told of one that is no answer (`is_falling_back`)."""
    if event.relation.get("is_falling_back") is True:
        return None
    found = event.relation.get("m.in_reply_to")
    return _text(found.get("event_id")) if isinstance(found, dict) else None


def instant(milliseconds: int) -> datetime:
    """`origin_server_ts`: what the sender's server took for the time, within what a datetime can hold."""
    try:
        return datetime.fromtimestamp(max(0, milliseconds) / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)


def is_user(text: str) -> bool:
    """Whether this is a user id (Appendices §4.2.2), however old."""
    return bool(_USER.match(text)) and len(text) <= MAX_SHORT


def localpart(user: str) -> str:
    return user[1:].partition(":")[0]


def media(uri: object) -> tuple[str, str] | None:
    """Server and media id of an `mxc:` URI; None for anything that could lead elsewhere."""
    found = _MXC.match(uri) if isinstance(uri, str) else None
    return (found[1], found[2]) if found else None


def short(value: object) -> str:
    """A name from somebody else's hand: one line, not endless."""
    return " ".join(value.replace("\x00", "").split())[:MAX_SHORT] if isinstance(value, str) else ""


def _body(content: Mapping[str, Any], kind: str, name: str, *, is_reply: bool) -> str:
    text = (_text(content.get("body")) or "").replace("\x00", "\ufffd")[:MAX_TEXT]
    if is_reply and text.startswith("> "):  # until v1.13 clients quoted what they answered ("Stripping the fallback")
        lines = text.split("\n")
        quoted = next((n for n, line in enumerate(lines) if not line.startswith(">")), len(lines))
        text = "\n".join(lines[quoted:]).lstrip("\n")
    if kind in FILE_TYPES and (_text(content.get("filename")) in (None, text)):
        return ""  # the body is the file's name, and no caption (v1.10)
    return f"* {name} {text}" if kind == "m.emote" and text else text


def _html(content: Mapping[str, Any]) -> str | None:
    if content.get("format") != HTML_FORMAT:
        return None
    found = _text(content.get("formatted_body"))
    return _REPLY.sub("", found[:MAX_TEXT]).replace("\x00", "\ufffd") or None if found else None


def _files(content: Mapping[str, Any], kind: str) -> tuple[Attachment, ...]:
    """The file of a message. One that is encrypted by itself (`file`) has no address that would give anything readable."""
    if kind not in FILE_TYPES:
        return ()
    uri = content.get("url")
    info = content.get("info")
    facts: Mapping[str, Any] = info if isinstance(info, dict) else {}
    size = facts.get("size")
    return (
        Attachment(
            part=str(uri) if media(uri) else "",
            name=short(content.get("filename")) or short(content.get("body")) or "file",
            media_type=short(facts.get("mimetype")) or "application/octet-stream",
            size=size if isinstance(size, int) and 0 <= size < 2**53 else None,
        ),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
