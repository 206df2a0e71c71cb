"""What WhatsApp calls with, as records: messages, reactions, what became of what was sent, a phone's contacts and past chats.

Shapes are those of the Cloud API's webhooks (field `messages`), and of the Business App's own where a number is used in both ("coexistence":
`smb_message_echoes`, `history`, `smb_app_state_sync`). People are known by the number that WhatsApp has proved, or where they hide it by an
id that is good for one business. Knows no calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from providers.archives.whatsapp import KEY, MAX_TEXT
from providers.formats import charset, file_kind, file_name, phone_number
from providers.records import (
    Attachment,
    Contact,
    ConversationKind,
    Handle,
    Message,
    Name,
    Participant,
    Phone,
    Reaction,
    Relation,
    Role,
)

HOST: Final = "@wa.me"
GROUP: Final = "group:"  # how keys of groups begin
_USUAL: Final = {"image": "image.jpg", "video": "video.mp4", "audio": "voice.ogg", "sticker": "sticker.webp"}


class Body(msgspec.Struct, frozen=True):
    body: str = ""


class File(msgspec.Struct, frozen=True):
    id: str = ""
    mime_type: str | None = None
    caption: str | None = None
    filename: str | None = None


class Place(msgspec.Struct, frozen=True):
    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None


class Sign(msgspec.Struct, frozen=True):
    """A reaction; without an emoji it was taken back."""

    message_id: str
    emoji: str = ""


class Titled(msgspec.Struct, frozen=True):
    title: str = ""


class Chosen(msgspec.Struct, frozen=True):
    button_reply: Titled | None = None
    list_reply: Titled | None = None


class Pressed(msgspec.Struct, frozen=True):
    text: str = ""


class CardName(msgspec.Struct, frozen=True):
    formatted_name: str = ""


class CardPhone(msgspec.Struct, frozen=True):
    phone: str = ""


class Card(msgspec.Struct, frozen=True):
    name: CardName | None = None
    phones: list[CardPhone] = []


class Context(msgspec.Struct, frozen=True):
    id: str = ""


class Fault(msgspec.Struct, frozen=True):
    code: int = 0
    title: str = ""
    message: str = ""


class Original(msgspec.Struct, frozen=True):
    original_message_id: str


class Content(msgspec.Struct, frozen=True):
    """What a message says."""

    text: Body | None = None
    image: File | None = None
    video: File | None = None
    audio: File | None = None
    document: File | None = None
    sticker: File | None = None
    location: Place | None = None
    contacts: list[Card] = []
    button: Pressed | None = None
    interactive: Chosen | None = None

    @property
    def files(self) -> dict[str, File]:
        held = {
            "image": self.image, "video": self.video, "audio": self.audio, "document": self.document, "sticker": self.sticker,
        }  # fmt: skip
        return {kind: file for kind, file in held.items() if file is not None}


class Edited(msgspec.Struct, frozen=True):
    """Another content for a message."""

    original_message_id: str
    message: Content = Content()


class System(msgspec.Struct, frozen=True):
    """What WhatsApp says of somebody: here, that they have another number."""

    type: str = ""
    wa_id: str = ""


class Said(Content, frozen=True, kw_only=True, rename={"sender": "from", "recipient": "to"}):
    """A message, whoever wrote it."""

    id: str
    timestamp: str
    type: str
    sender: str = ""
    recipient: str = ""
    from_user_id: str = ""
    to_user_id: str = ""
    group_id: str = ""
    context: Context | None = None
    reaction: Sign | None = None
    system: System | None = None
    edit: Edited | None = None
    revoke: Original | None = None
    errors: list[Fault] = []

    @property
    def at(self) -> datetime:
        return instant(self.timestamp)

    @property
    def content(self) -> Content:
        return self if self.edit is None else self.edit.message


class Profile(msgspec.Struct, frozen=True):
    name: str = ""
    username: str | None = None


class Person(msgspec.Struct, frozen=True):
    """Who writes, as they call themselves."""

    wa_id: str = ""
    user_id: str = ""
    profile: Profile = Profile()


class Status(msgspec.Struct, frozen=True):
    """What became of a message that was sent."""

    id: str
    status: str
    timestamp: str
    recipient_id: str = ""
    errors: list[Fault] = []


class Metadata(msgspec.Struct, frozen=True):
    phone_number_id: str
    display_phone_number: str = ""


class Thread(msgspec.Struct, frozen=True):
    """A past chat of a phone; `id` is the other's number."""

    id: str
    messages: list[msgspec.Raw] = []


class History(msgspec.Struct, frozen=True):
    threads: list[Thread] = []
    errors: list[Fault] = []


class BookEntry(msgspec.Struct, frozen=True):
    full_name: str = ""
    first_name: str = ""
    phone_number: str = ""


class Synced(msgspec.Struct, frozen=True):
    """A contact that was put into the phone's address book, changed there, or taken out (`remove`)."""

    type: str = ""
    action: str = ""
    contact: BookEntry = BookEntry()


class Value(msgspec.Struct, frozen=True):
    metadata: Metadata | None = None
    contacts: list[Person] = []
    messages: list[msgspec.Raw] = []
    message_echoes: list[msgspec.Raw] = []
    statuses: list[msgspec.Raw] = []
    history: list[History] = []
    state_sync: list[Synced] = []


class Change(msgspec.Struct, frozen=True):
    field: str
    value: msgspec.Raw


class Entry(msgspec.Struct, frozen=True):
    id: str
    changes: list[Change] = []


class Notice(msgspec.Struct, frozen=True):
    """One call."""

    object: str
    entry: list[Entry] = []


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message stands: who wrote it, whom it is for, by key and name; in a group to the business or to nobody by name."""

    conversation: str
    kind: ConversationKind
    writer: Participant
    other: Participant | None
    unread: bool


def instant(seconds: str) -> datetime:
    """A moment as WhatsApp writes it: seconds of POSIX time in a text."""
    number = int(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 12 else 0
    return datetime.fromtimestamp(number, UTC)


def digits(number: str) -> str:
    """A number as WhatsApp writes it, without signs."""
    return "".join(character for character in number if character.isascii() and character.isdigit())


def address(key: str) -> str:
    return f"{key}{HOST}"


def participant(key: str, name: str, role: Role) -> Participant:
    url = f"https://wa.me/{key}" if key.isdigit() else None
    return Participant(role=role, kind="HANDLE", address=address(key), name=name, provider=KEY, key=key, url=url)


def contact(key: str, name: str, number: str, relation: Relation = "CORRESPONDENT") -> Contact:
    """Somebody; a number (digits) is proved by WhatsApp, a name is their own choice, or the phone's."""
    url = f"https://wa.me/{number}" if number else None
    phones: tuple[Phone, ...] = ()
    if number:
        read = phone_number.read(f"+{number}", None, line="MOBILE")
        phones = (msgspec.structs.replace(read, verified=True),) if read.number is not None else ()
    return Contact(
        key=key,
        relation=relation,
        names=(Name(full=name or (f"+{number}" if number else key)),),
        phones=phones,
        handles=(Handle(provider=KEY, handle=address(key), url=url),),
        url=url,
    )


def message(said: Said, at: Standing) -> Message:
    """A message that `says_something`. An edit is the message that it changes."""
    key = said.id if said.edit is None else said.edit.original_message_id
    text = charset.storable(_text(said.content))[:MAX_TEXT]
    attached = tuple(_files(said.content))
    return Message(
        key=key,
        sent_at=said.at,
        container=at.conversation,
        conversation_key=at.conversation,
        conversation_kind=at.kind,
        internet_message_id=key,
        references=(said.context.id,) if said.context is not None and said.context.id else (),
        edited_at=said.at if said.edit is not None else None,
        text=text,
        body_state="AVAILABLE" if text else "EMPTY",
        participants=(at.writer, *([at.other] if at.other is not None else [])),
        category_reason="Somebody wrote it to the members of a conversation.",
        authentication="NOT_CHECKED",
        unread=at.unread,
        attachment_count=len(attached),
        attachments=attached,
    )


def reaction(said: Said, sign: Sign, who: Participant) -> Reaction:
    """Nobody has two on one message: message and person are what a reaction is known by."""
    return Reaction(
        emoji=charset.line(sign.emoji), participant=who, at=said.at, key=reaction_key(sign.message_id, who.key or who.address)
    )


def reaction_key(message_key: str, who: str) -> str:
    return f"{message_key}\n{who}"


def says_something(said: Said) -> bool:
    return bool(_text(said.content)) or bool(said.content.files)


def _text(content: Content) -> str:
    """What it says, or what is shown of what has no text."""
    if content.text is not None:
        return content.text.body
    if content.button is not None:
        return content.button.text
    if content.interactive is not None:
        chosen = content.interactive.button_reply or content.interactive.list_reply
        return chosen.title if chosen is not None else ""
    if content.location is not None:
        place = content.location
        return ", ".join(str(part) for part in (place.name, place.address, place.latitude, place.longitude) if part is not None)
    if content.contacts:
        return "\n".join(_card(card) for card in content.contacts)
    return next((file.caption for file in content.files.values() if file.caption), "")


def _card(card: Card) -> str:
    name = card.name.formatted_name if card.name is not None else ""
    return " ".join(part for part in (name, *(phone.phone for phone in card.phones)) if part)


def _files(content: Content) -> Iterator[Attachment]:
    for kind, file in content.files.items():
        name = file_name.safe(file.filename or "") or _USUAL.get(kind, "file")
        yield Attachment(part=file.id or kind, name=name, media_type=file_kind.said(name, file.mime_type))
