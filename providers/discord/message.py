"""Messages, people and channels of Discord as records (Developer Docs, "Message", "User", "Guild Member", "Channel").

An id holds its moment ("Snowflakes"). People are written as username@discord.com, as the data package writes them
(`archives/discord.py`). Mark-up becomes what a reader sees. A message shows its text only to bots that may read it
(MESSAGE_CONTENT). Knows no calls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from providers.discord.api import HOST, KEY, snowflake
from providers.formats import charset, file_name
from providers.formats.vcard import web_address
from providers.records import (
    Attachment,
    Contact,
    ConversationHead,
    ConversationKind,
    Handle,
    Message,
    Name,
    Participant,
    Photo,
    Reaction,
    Role,
)

MEMBERS: Final = "members"
MAX_TEXT: Final = 100_000
EPOCH: Final = datetime(2015, 1, 1, tzinfo=UTC)  # of snowflakes
CDN: Final = "https://cdn.discordapp.com"
#: "Channel Types": where messages are, and what they are to us. Forums and media channels hold threads alone.
TEXT, DIRECT, VOICE, GROUP, ANNOUNCEMENT, STAGE, FORUM, MEDIA = 0, 1, 2, 3, 5, 13, 15, 16
THREADS: Final = frozenset({10, 11, 12})
ROOMS: Final = frozenset({TEXT, DIRECT, VOICE, GROUP, ANNOUNCEMENT, STAGE, *THREADS})
PARENTS: Final = frozenset({TEXT, ANNOUNCEMENT, FORUM, MEDIA})
#: "Message Types" that somebody says: a message, an answer, and what a program says when it was called. All others tell what happened.
SAID: Final = frozenset({0, 19, 20, 23})
FORWARD: Final = 1  # "Message Reference Types"
_MARK: Final = re.compile(r"<(@!?|@&|#|a?:\w{1,64}:|t:)(-?\d{1,21})(?::[tTdDfFR])?>")


class User(msgspec.Struct, frozen=True):
    id: str
    username: str = ""
    discriminator: str = "0"
    global_name: str | None = None
    avatar: str | None = None
    bot: bool = False
    system: bool = False

    @property
    def handle(self) -> str:
        """The user name; of before 2023 with four digits."""
        return written(charset.line(self.username), self.discriminator) or self.id

    @property
    def shown(self) -> str:
        return charset.line(self.global_name or "") or charset.line(self.username) or self.id


class Member(msgspec.Struct, frozen=True):
    user: User
    nick: str | None = None
    joined_at: datetime | None = None


class Emoji(msgspec.Struct, frozen=True):
    id: str | None = None
    name: str | None = None

    @property
    def shown(self) -> str:
        """A sign of Unicode as it is, one of a server's own by its name between colons."""
        name = charset.line(self.name or "") or "?"
        return name if self.id is None else f":{name}:"


class Sign(msgspec.Struct, frozen=True):
    """The reactions to a message with one sign."""

    emoji: Emoji
    count: int = 0
    me: bool = False


class File(msgspec.Struct, frozen=True):
    id: str
    filename: str = ""
    size: int | None = None
    url: str = ""
    content_type: str | None = None


class Shown(msgspec.Struct, frozen=True):
    """An embed: a preview of a link, or what a program says."""

    type: str = ""
    title: str | None = None
    description: str | None = None


class Sticker(msgspec.Struct, frozen=True):
    name: str = ""


class Reference(msgspec.Struct, frozen=True):
    type: int = 0
    channel_id: str = ""
    message_id: str | None = None


class Forwarded(msgspec.Struct, frozen=True):
    """A message as it was when it was forwarded: without its author."""

    class Content(msgspec.Struct, frozen=True):
        content: str = ""
        attachments: list[File] = []

    message: Content


class Question(msgspec.Struct, frozen=True):
    class Media(msgspec.Struct, frozen=True):
        text: str | None = None

    question: Media = Media()


class Post(msgspec.Struct, frozen=True):
    """A message."""

    id: str
    channel_id: str
    author: User
    type: int = 0
    content: str = ""
    edited_timestamp: datetime | None = None
    mentions: list[User] = []
    attachments: list[File] = []
    embeds: list[Shown] = []
    sticker_items: list[Sticker] = []
    reactions: list[Sign] = []
    message_reference: Reference | None = None
    message_snapshots: list[Forwarded] = []
    poll: Question | None = None
    webhook_id: str | None = None

    @property
    def said(self) -> bool:
        return self.type in SAID

    @property
    def number(self) -> int:
        return snowflake(self.id)


class ThreadState(msgspec.Struct, frozen=True):
    archive_timestamp: str | None = None


class Channel(msgspec.Struct, frozen=True):
    """A channel, a thread, or a direct conversation with the bot."""

    id: str
    type: int
    name: str | None = None
    guild_id: str = ""
    parent_id: str | None = None
    last_message_id: str | None = None
    recipients: list[User] = []
    thread_metadata: ThreadState | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation, and who is who."""

    channel: str
    kind: ConversationKind
    guild: str = ""
    title: str = ""
    me: User
    other: User | None = None  # whom a direct conversation is with
    people: Mapping[str, User]
    channels: Mapping[str, str] = {}  # names
    readable: bool = True  # whether the bot may read what others write

    @property
    def url(self) -> str:
        return f"https://{HOST}/channels/{self.guild or '@me'}/{self.channel}"


def conversation_kind(kind: int) -> ConversationKind:
    return "DIRECT" if kind == DIRECT else "GROUP" if kind == GROUP else "THREAD" if kind in THREADS else "CHANNEL"


def message(post: Post, place: Place, reactions: Sequence[Reaction]) -> Message:
    """What somebody `said`."""
    called = {user.id: user.shown for user in post.mentions}
    text = charset.storable(
        plain(_text(post), lambda id_: called.get(id_) or _shown(place.people.get(id_)), lambda id_: place.channels.get(id_, ""))
    )
    files = tuple(
        _file(each, post) for each in (*post.attachments, *(f for s in post.message_snapshots for f in s.message.attachments))
    )
    automated = post.author.bot or post.author.system or post.webhook_id is not None
    hidden = not (text or files or place.readable or post.author.id == place.me.id or place.kind == "DIRECT")
    to = (
        [each for each in (place.other, place.me) if each is not None and each.id != post.author.id]
        if place.kind == "DIRECT"
        else []
    )
    answered = post.message_reference if post.message_reference is not None and post.message_reference.type != FORWARD else None
    return Message(
        key=post.id,
        sent_at=moment(post.id),
        container=place.channel,
        conversation_key=place.channel,
        conversation_kind=place.kind,
        internet_message_id=name_of(post.channel_id, post.id),
        references=(name_of(answered.channel_id, answered.message_id),) if answered is not None and answered.message_id else (),
        edited_at=post.edited_timestamp,
        text=text[:MAX_TEXT],
        body_state="AVAILABLE" if text or files else "NOT_FETCHED" if hidden else "EMPTY",
        participants=(participant(post.author, "FROM"), *(participant(each, "TO") for each in to)),
        category="NOTIFICATION" if automated and post.author.id != place.me.id else "PERSONAL",
        category_reason="A program wrote it." if automated else "Somebody wrote it where your bot reads.",
        authentication="NOT_CHECKED",
        attachment_count=len(files),
        attachments=files,
        reactions=tuple(reactions),
        url=f"{place.url}/{post.id}",
    )


def head(place: Place, last: str) -> ConversationHead:
    people = (place.me, place.other) if place.kind == "DIRECT" and place.other is not None else ()
    return ConversationHead(
        key=place.channel,
        kind=place.kind,
        last_activity_at=moment(last),
        subject=place.title or None,
        participants=tuple(participant(each, "MEMBER") for each in people),
        url=place.url,
    )


def contact(member: Member) -> Contact:
    """A member of a server that the bot is in."""
    user = member.user
    nick = charset.line(member.nick or "")
    return Contact(
        key=user.id,
        relation="MEMBER",
        names=(Name(full=user.shown, nickname=nick if nick and nick != user.shown else None),),
        handles=(Handle(provider=KEY, handle=address(user), url=profile_url(user.id)),),
        photo=Photo(url=picture) if (picture := picture_url(user)) else None,
        url=profile_url(user.id),
        created_at=member.joined_at,
        container=MEMBERS,
    )


def participant(user: User, role: Role) -> Participant:
    return Participant(
        role=role, address=address(user), kind="HANDLE", name=user.shown, provider=KEY, key=user.id, url=profile_url(user.id)
    )


def counted(sign: Sign, me: User) -> tuple[Reaction, ...]:
    """Reactions with one sign where nobody but the bot is named."""
    others = sign.count - 1 if sign.me else sign.count
    own = (Reaction(emoji=sign.emoji.shown, participant=participant(me, "MEMBER")),) if sign.me else ()
    return (*own, Reaction(emoji=sign.emoji.shown, count=others)) if others > 0 else own


def named(sign: Sign, users: Sequence[User]) -> tuple[Reaction, ...]:
    """Reactions with one sign, by those who made them, and how many more there are."""
    found = tuple(Reaction(emoji=sign.emoji.shown, participant=participant(user, "MEMBER")) for user in users)
    rest = sign.count - len(users)
    return (*found, Reaction(emoji=sign.emoji.shown, count=rest)) if rest > 0 else found


def address(user: User) -> str:
    return f"{user.handle}@{HOST}"


def written(username: str, discriminator: str) -> str:
    """A user name with the digits that it had before 2023."""
    return username if discriminator in ("", "0", "0000") or not username else f"{username}#{discriminator}"


def profile_url(user: str) -> str:
    return f"https://{HOST}/users/{user}"


def picture_url(user: User) -> str | None:
    """Where the picture is ("Image Formatting")."""
    mark = user.avatar or ""
    return web_address(f"{CDN}/avatars/{user.id}/{mark}.png?size=256") if re.fullmatch(r"\w{1,100}", mark) else None


def name_of(channel: str, number: str) -> str:
    """What a message is called everywhere."""
    return f"{HOST}/{channel}/{number}"


def moment(number: str) -> datetime:
    """When something with this id was made."""
    return EPOCH + timedelta(milliseconds=snowflake(number) >> 22)


def id_at(at: datetime) -> int:
    """The smallest id of this moment."""
    return max(0, int((at - EPOCH).total_seconds() * 1000)) << 22


def plain(text: str, person: Callable[[str], str], channel: Callable[[str], str]) -> str:
    """Discord's mark-up as what a reader sees (Developer Docs, "Message Formatting"). What has no name is called by its number."""

    def shown(found: re.Match[str]) -> str:
        sign, number = found[1], found[2]
        if sign in ("@", "@!"):
            return f"@{person(number) or number}"
        if sign == "#":
            return f"#{channel(number) or number}"
        if sign == "t:":
            try:
                return f"{datetime.fromtimestamp(int(number), UTC):%Y-%m-%d %H:%M} UTC"
            except (OverflowError, OSError, ValueError):
                return found[0]
        return "@role" if sign == "@&" else sign.removeprefix("a")

    return _MARK.sub(shown, text)


def _shown(user: User | None) -> str:
    return user.shown if user is not None else ""


def _text(post: Post) -> str:
    """What stands in the place of a text, too: programs write in embeds, a poll asks, stickers and forwarded messages say something."""
    if post.content:
        return post.content
    lines = [each.message.content for each in post.message_snapshots]
    lines += [line for each in post.embeds if each.type in ("", "rich") for line in (each.title, each.description) if line]
    lines += [post.poll.question.text or ""] if post.poll is not None else []
    lines += [f":{charset.line(each.name)}:" for each in post.sticker_items]
    return "\n".join(line for line in lines if line)


def _file(file: File, post: Post) -> Attachment:
    size = file.size
    return Attachment(
        part=f"{post.channel_id}/{file.id}",
        name=file_name.safe(file.filename) or "file",
        media_type=charset.line(file.content_type or "").partition(";")[0] or "application/octet-stream",
        size=size if size is not None and 0 <= size < 2**53 else None,
    )


def known_people(posts: Iterable[Post]) -> dict[str, User]:
    """Everybody who wrote, or is mentioned."""
    return {user.id: user for post in posts for user in (*post.mentions, post.author)}
