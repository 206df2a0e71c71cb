"""Telegram's updates as records: who somebody is, where a message stands, what it says, who reacted.

Keys are those of the archive of Telegram Desktop: `user<id>`, `chat<id>` of a small group, `channel<id>` of a supergroup or channel. Numbers
count in each chat, in business chats for the person whose chats they are; a topic of a forum is a conversation of its own, and so is a
business chat, by the connection that its answers need. Offsets in texts count UTF-16 units. Knows no calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from providers.archives.telegram import MAX_TEXT, address
from providers.formats import charset, file_kind, file_name
from providers.records import (
    Attachment,
    Contact,
    ConversationKind,
    Gone,
    Handle,
    Message,
    Name,
    Participant,
    Reacted,
    Reaction,
    Role,
)
from providers.telegram.api import KEY

#: Ids of supergroups and channels in the Bot API lie below this number, and are positive beyond it everywhere else.
CHANNELS: Final = -(10**12)
PAID: Final = "⭐"
KINDS: Final[dict[str, ConversationKind]] = {
    "private": "DIRECT",
    "group": "GROUP",
    "supergroup": "GROUP",
    "channel": "CHANNEL",
}
PERSONAL: Final = "Somebody wrote it to the members of a conversation."
BOT: Final = "A bot sent it."
POST: Final = "It was posted in a channel, to all who follow it."


class User(msgspec.Struct, frozen=True):
    id: int
    is_bot: bool = False
    first_name: str = ""
    last_name: str | None = None
    username: str | None = None
    language_code: str | None = None

    @property
    def key(self) -> str:
        return f"user{self.id}"

    @property
    def name(self) -> str:
        return charset.line(f"{self.first_name} {self.last_name or ''}")

    @property
    def url(self) -> str | None:
        return _page(self.username)


class Chat(msgspec.Struct, frozen=True):
    id: int
    type: str
    title: str | None = None
    username: str | None = None
    first_name: str | None = None
    last_name: str | None = None

    @property
    def key(self) -> str:
        return peer(self.id)

    @property
    def name(self) -> str:
        return charset.line(self.title) or charset.line(f"{self.first_name or ''} {self.last_name or ''}")

    @property
    def kind(self) -> ConversationKind:
        return KINDS.get(self.type, "GROUP")

    @property
    def url(self) -> str | None:
        return _page(self.username)


class Entity(msgspec.Struct, frozen=True):
    type: str
    offset: int
    length: int
    url: str | None = None


class File(msgspec.Struct, frozen=True):
    """What all kinds of files have, and the sizes of a picture."""

    file_id: str
    file_name: str | None = None
    mime_type: str | None = None
    file_size: int | None = None
    emoji: str | None = None


class Card(msgspec.Struct, frozen=True):
    """A contact that was shared."""

    phone_number: str
    first_name: str
    last_name: str | None = None


class Place(msgspec.Struct, frozen=True):
    latitude: float
    longitude: float


class Venue(msgspec.Struct, frozen=True):
    title: str
    address: str


class Choice(msgspec.Struct, frozen=True):
    text: str


class Poll(msgspec.Struct, frozen=True):
    question: str
    options: list[Choice] = []


class Dice(msgspec.Struct, frozen=True):
    emoji: str
    value: int


class Topic(msgspec.Struct, frozen=True):
    """forum_topic_created, forum_topic_edited."""

    name: str | None = None


class Answered(msgspec.Struct, frozen=True):
    message_id: int


class Post(msgspec.Struct, frozen=True, rename={"sender": "from"}):
    """A Message of the Bot API."""

    message_id: int
    date: int
    chat: Chat
    sender: User | None = None
    sender_chat: Chat | None = None
    business_connection_id: str | None = None
    message_thread_id: int | None = None
    is_topic_message: bool = False
    reply_to_message: Answered | None = None
    edit_date: int | None = None
    text: str | None = None
    entities: list[Entity] = []
    caption: str | None = None
    caption_entities: list[Entity] = []
    photo: list[File] = []
    document: File | None = None
    animation: File | None = None
    audio: File | None = None
    sticker: File | None = None
    video: File | None = None
    video_note: File | None = None
    voice: File | None = None
    contact: Card | None = None
    dice: Dice | None = None
    poll: Poll | None = None
    venue: Venue | None = None
    location: Place | None = None
    new_chat_members: list[User] = []
    left_chat_member: User | None = None
    new_chat_title: str | None = None
    migrate_to_chat_id: int | None = None
    migrate_from_chat_id: int | None = None
    forum_topic_created: Topic | None = None
    forum_topic_edited: Topic | None = None

    @property
    def topic(self) -> int | None:
        """The topic of a forum that it stands in. A thread of answers in a group without topics is none."""
        return self.message_thread_id if self.is_topic_message else None


class Sign(msgspec.Struct, frozen=True):
    """ReactionType."""

    type: str
    emoji: str = ""
    custom_emoji_id: str = ""

    @property
    def shown(self) -> str:
        return charset.line(self.emoji or self.custom_emoji_id) or PAID


class Counted(msgspec.Struct, frozen=True):
    type: Sign
    total_count: int


class ReactionChange(msgspec.Struct, frozen=True):
    """MessageReactionUpdated."""

    chat: Chat
    message_id: int
    date: int
    old_reaction: list[Sign]
    new_reaction: list[Sign]
    user: User | None = None
    actor_chat: Chat | None = None


class ReactionCounts(msgspec.Struct, frozen=True):
    """MessageReactionCountUpdated."""

    chat: Chat
    message_id: int
    date: int
    reactions: list[Counted]


class Deleted(msgspec.Struct, frozen=True):
    """BusinessMessagesDeleted."""

    business_connection_id: str
    chat: Chat
    message_ids: list[int]


class Rights(msgspec.Struct, frozen=True):
    can_reply: bool = False


class Business(msgspec.Struct, frozen=True):
    """BusinessConnection: a person who has attached the bot to their account."""

    id: str
    user: User
    date: int
    is_enabled: bool
    rights: Rights | None = None


class Membership(msgspec.Struct, frozen=True):
    """ChatMember. One who is restricted may have left."""

    status: str
    user: User
    is_member: bool = True

    @property
    def is_there(self) -> bool:
        return self.status not in ("left", "kicked") and self.is_member


class MembershipChange(msgspec.Struct, frozen=True):
    """ChatMemberUpdated."""

    chat: Chat
    date: int
    new_chat_member: Membership


class Update(msgspec.Struct, frozen=True):
    """At most one of the optional ones is there."""

    update_id: int
    message: Post | None = None
    edited_message: Post | None = None
    channel_post: Post | None = None
    edited_channel_post: Post | None = None
    business_connection: Business | None = None
    business_message: Post | None = None
    edited_business_message: Post | None = None
    deleted_business_messages: Deleted | None = None
    message_reaction: ReactionChange | None = None
    message_reaction_count: ReactionCounts | None = None
    my_chat_member: MembershipChange | None = None
    chat_member: MembershipChange | None = None

    @property
    def post(self) -> Post | None:
        return (
            self.message or self.edited_message or self.channel_post or self.edited_channel_post or self.business_message
            or self.edited_business_message
        )  # fmt: skip


#: Every kind of update that is asked for: what is not named is not told (reactions, members), what is named and not here is lost.
ALLOWED: Final = tuple(name for name in Update.__struct_fields__ if name != "update_id")


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message stands. `home` begins its key, `whose` the name that answers know it by; `other` is who else is in a chat of two."""

    home: str
    conversation: str
    kind: ConversationKind
    container: str
    whose: str = ""
    other: Participant | None = None


def peer(chat: int) -> str:
    """The key of a chat: who is in it where it is of two, else the group or channel."""
    if chat > 0:
        return f"user{chat}"
    return f"chat{-chat}" if chat > CHANNELS else f"channel{CHANNELS - chat}"


def chat_id(key: str) -> int | None:
    """The Bot API's id of a chat with this key; None for what is no key of one."""
    for prefix, number in (("user", 0), ("chat", 0), ("channel", CHANNELS)):
        digits = key.removeprefix(prefix)
        if digits != key and digits.isascii() and digits.isdigit() and len(digits) < 20:
            return int(digits) if prefix == "user" else number - int(digits)
    return None


def instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(min(max(seconds, 0), 10**11), UTC)


def says_something(post: Post) -> bool:
    """Whether it is a message; what Telegram itself says of a chat (who came, what it is called) is none."""
    return bool(_text(post)) or next(_files(post), None) is not None


def message(post: Post, at: Standing) -> Message:
    """A message that `says_something`."""
    text = charset.storable(_text(post))[:MAX_TEXT]
    attached = tuple(_attachment(kind, file) for kind, file in _files(post))
    sender = author(post)
    category_reason = POST if at.kind == "CHANNEL" else BOT if post.sender is not None and post.sender.is_bot else PERSONAL
    others = () if at.other is None or at.other.key == sender.key else (at.other,)
    name = f"{at.home}/{post.message_id}"
    answered = post.reply_to_message
    return Message(
        key=name,
        sent_at=instant(post.date),
        container=at.container,
        conversation_key=at.conversation,
        conversation_kind=at.kind,
        internet_message_id=f"{at.whose}{name}{HOST}",
        references=(f"{at.whose}{at.home}/{answered.message_id}{HOST}",) if answered is not None else (),
        edited_at=instant(post.edit_date) if post.edit_date else None,
        text=text,
        body_state="AVAILABLE" if text else "EMPTY",
        participants=(sender, *others),
        category="NEWSLETTER" if category_reason is POST else "NOTIFICATION" if category_reason is BOT else "PERSONAL",
        category_reason=category_reason,
        authentication="NOT_CHECKED",
        attachment_count=len(attached),
        attachments=attached,
    )


def author(post: Post) -> Participant:
    """Who wrote it: somebody, a channel, or a group in whose name an administrator speaks."""
    if post.sender_chat is not None:
        return participant(post.sender_chat, "FROM")
    return participant(post.sender or post.chat, "FROM")


def participant(who: User | Chat, role: Role) -> Participant:
    return Participant(role=role, kind="HANDLE", address=address(who.key), name=who.name, provider=KEY, key=who.key, url=who.url)


def contact(who: User | Chat) -> Contact:
    """Somebody, or a channel or group that speaks for itself, which is nobody."""
    given, family = (who.first_name, who.last_name) if isinstance(who, User) else (None, None)
    name = who.name or who.key
    return Contact(
        key=who.key,
        relation="CORRESPONDENT",
        nature="GROUP" if isinstance(who, Chat) else "AUTOMATED" if who.is_bot else "INDIVIDUAL",
        names=(Name(full=name, given=charset.line(given) or None, family=charset.line(family) or None),),
        handles=(Handle(provider=KEY, handle=address(who.key), url=who.url),),
        languages=(who.language_code[:35],) if isinstance(who, User) and who.language_code else (),
        url=who.url,
    )


def reactions(change: ReactionChange, home: str) -> Iterator[Reacted | Gone]:
    """What somebody added and took away; nobody of groups that hide who it was."""
    who = change.user or change.actor_chat
    if who is None:
        return
    key = f"{home}/{change.message_id}"
    old, new = {sign.shown for sign in change.old_reaction}, {sign.shown for sign in change.new_reaction}
    for sign in sorted(old - new):
        yield Gone(kind="REACTION", key=reaction_key(key, who.key, sign))
    for sign in sorted(new - old):
        given = Reaction(
            emoji=sign, participant=participant(who, "MEMBER"), at=instant(change.date), key=reaction_key(key, who.key, sign)
        )
        yield Reacted(message=key, reaction=given)


def counts(told: ReactionCounts, home: str, before: Sequence[str]) -> Iterator[Reacted | Gone]:
    """How often each sign was given where nobody says by whom; `before` are those that were counted last."""
    key = f"{home}/{told.message_id}"
    counted = {each.type.shown: each.total_count for each in told.reactions if each.total_count > 0}
    for sign in before:
        if sign not in counted:
            yield Gone(kind="REACTION", key=reaction_key(key, "", sign))
    for sign, count in counted.items():
        yield Reacted(message=key, reaction=Reaction(emoji=sign, count=min(count, 2**31 - 1), key=reaction_key(key, "", sign)))


def reaction_key(message_key: str, who: str, sign: str) -> str:
    """Telegram has no names for reactions: message, person and sign are one."""
    return "\n".join((message_key, who, sign))


HOST: Final = address("")


def _page(username: str | None) -> str | None:
    found = charset.line(username)
    return f"https://t.me/{found}" if found.isascii() and found.replace("_", "").isalnum() else None


def _text(post: Post) -> str:
    """What it says, with the addresses behind links; or what is shown of what has no text."""
    for text, entities in ((post.text, post.entities), (post.caption, post.caption_entities)):
        if text:
            return _linked(text, entities)
    if post.sticker is not None and post.sticker.emoji:
        return post.sticker.emoji
    if post.dice is not None:
        return f"{post.dice.emoji} {post.dice.value}"
    if post.poll is not None:
        return "\n".join([post.poll.question, *(f"- {choice.text}" for choice in post.poll.options)])
    if post.venue is not None:
        return f"{post.venue.title}, {post.venue.address}"
    if post.location is not None:
        return f"{post.location.latitude}, {post.location.longitude}"
    if post.contact is not None:
        return " ".join(part for part in (post.contact.first_name, post.contact.last_name, post.contact.phone_number) if part)
    return ""


def _linked(text: str, entities: Sequence[Entity]) -> str:
    """A text whose links say where they lead ("text_link")."""
    hidden = sorted((e for e in entities if e.type == "text_link" and e.url), key=lambda e: e.offset, reverse=True)
    if not hidden:
        return text
    units = text.encode("utf-16-le", "surrogatepass")
    for entity in hidden:
        begin, end = 2 * max(entity.offset, 0), 2 * max(entity.offset + entity.length, 0)
        words = units[begin:end].decode("utf-16-le", "replace")
        if entity.url != words and end <= len(units):
            units = units[:end] + f" ({entity.url})".encode("utf-16-le", "surrogatepass") + units[end:]
    return units.decode("utf-16-le", "replace")


def _files(post: Post) -> Iterator[tuple[str, File]]:
    """The file of a message, with its kind; of a picture the largest size. An animation is a document, too."""
    if post.photo:
        yield "photo", max(post.photo, key=lambda size: size.file_size or 0)
    named: Mapping[str, File | None] = {
        "animation": post.animation, "audio": post.audio, "sticker": post.sticker, "video": post.video, "video_note": post.video_note,
        "voice": post.voice, "document": None if post.animation is not None else post.document,
    }  # fmt: skip
    for kind, file in named.items():
        if file is not None:
            yield kind, file


_CALLED: Final = {"photo": ("photo.jpg", "image/jpeg"), "voice": ("voice.ogg", "audio/ogg"), "video_note": ("video.mp4", "video/mp4"),
                  "sticker": ("sticker.webp", "image/webp"), "video": ("video.mp4", "video/mp4"), "animation": ("animation.mp4", "video/mp4"),
                  "audio": ("audio.mp3", "audio/mpeg")}  # fmt: skip


def _attachment(kind: str, file: File) -> Attachment:
    usual, media_type = _CALLED.get(kind, ("file", None))
    name = file_name.safe(file.file_name or "") or usual
    size = file.file_size
    return Attachment(
        part=file.file_id,
        name=name,
        media_type=file_kind.said(name, file.mime_type or media_type),
        size=size if size is not None and 0 <= size < 2**53 else None,
    )
