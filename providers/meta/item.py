"""What the inboxes of Meta's products show, as records: conversations, messages, who is in them, reactions.

The same shapes for Messenger and Instagram (developers.facebook.com/docs/graph-api/reference/conversation and …/message). A person's id
is good within one inbox only, so it is told with the inbox that it is of. The e-mail addresses that Meta gives to people are made up, and
dropped. Knows no calls.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec

from providers.meta.api import instant, short
from providers.records import Attachment, ConversationHead, Message, Participant, Reaction, Role

#: Of a conversation, and of each of its messages.
TALK_FIELDS: Final = "id,updated_time,participants,link"
MESSAGE_FIELDS: Final = "id,created_time,from,to,message,attachments,shares,sticker,reactions"
MAX_TEXT: Final = 100_000
MAX_REACTIONS: Final = 500


class Party(msgspec.Struct, frozen=True):
    """Somebody in a conversation: in Messenger by name, in Instagram by user name."""

    id: str
    name: str = ""
    username: str = ""


class Parties(msgspec.Struct, frozen=True):
    data: list[Party] = []


class Thread(msgspec.Struct, frozen=True):
    """A conversation (UnifiedThread)."""

    id: str
    updated_time: str | int
    participants: Parties = Parties()
    link: str = ""


class ImageData(msgspec.Struct, frozen=True):
    url: str = ""


class File(msgspec.Struct, frozen=True):
    """What is attached. Its address is good for a short time, and is named, not kept."""

    id: str = ""
    mime_type: str = ""
    name: str = ""
    size: int | None = None
    image_data: ImageData | None = None
    video_data: ImageData | None = None
    file_url: str = ""


class Files(msgspec.Struct, frozen=True):
    data: list[File] = []


class Share(msgspec.Struct, frozen=True):
    link: str = ""
    name: str = ""


class Shares(msgspec.Struct, frozen=True):
    data: list[Share] = []


class Sign(msgspec.Struct, frozen=True):
    """A reaction with those who made it."""

    reaction: str = ""
    emoji: str = ""
    users: list[Party] = []


class Signs(msgspec.Struct, frozen=True):
    data: list[Sign] = []


class Said(msgspec.Struct, frozen=True):
    """A message. `from` is left out of those that may not be seen."""

    id: str
    created_time: str | int
    sender: Party | None = msgspec.field(name="from", default=None)
    to: Parties = Parties()
    message: str = ""
    attachments: Files = Files()
    shares: Shares = Shares()
    sticker: str = ""
    reactions: Signs = Signs()


class Inbox(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whose conversations these are: `owner` is the page or account, called `name`; `me` the address of the account's own user."""

    owner: str
    platform: str  # as the Graph takes it, lower case
    name: str
    me: str
    own: frozenset[str]  # the ids and user names by which the owner itself is in conversations

    @property
    def network(self) -> str:
        """The provider whose people are in it."""
        return "instagram" if self.platform == "instagram" else "facebook"

    @property
    def container(self) -> str:
        return f"{self.owner}/{self.platform}"

    def key(self, thread: str) -> str:
        """What a conversation is known by."""
        return f"{self.owner}/{thread}"


def party_key(who: Party, inbox: Inbox) -> str:
    return f"{inbox.owner}:{who.id}"


def party_address(who: Party, inbox: Inbox) -> str:
    """`name@instagram.com` where the network has user names; else an id, which means somebody only together with the inbox."""
    if who.username:
        return f"{who.username}@{inbox.network}.com"
    return f"{who.id}@{inbox.owner}.{inbox.network}.com"


def participant(who: Party, role: Role, inbox: Inbox) -> Participant:
    """Somebody in a conversation; the owner of the inbox is the account's own user."""
    if is_owner(who, inbox):
        return Participant(role=role, address=inbox.me, kind="HANDLE", name=inbox.name, provider=inbox.network)
    url = f"https://www.instagram.com/{who.username}" if who.username and inbox.network == "instagram" else None
    return Participant(
        role=role, address=party_address(who, inbox), kind="HANDLE", name=short(who.name or who.username), provider=inbox.network,
        key=party_key(who, inbox), url=url,
    )  # fmt: skip


def is_owner(who: Party, inbox: Inbox) -> bool:
    return who.id in inbox.own or (who.username != "" and who.username in inbox.own)


def message(said: Said, at: datetime, thread: Thread, inbox: Inbox) -> Message:
    """A message whose author is known."""
    assert said.sender is not None
    sender = said.sender
    others = {one.id: one for one in (*said.to.data, *thread.participants.data) if one.id != sender.id}
    files = tuple(_attachment(one, number) for number, one in enumerate(said.attachments.data))
    links = [share.link for share in said.shares.data if share.link and share.link not in said.message]
    text = "\n".join(part for part in (said.message, *links) if part)[:MAX_TEXT]
    if said.sticker:
        files = (*files, Attachment(part="", name=file_name(said.sticker) or "sticker", media_type="image/png", inline=True))
    return Message(
        key=said.id,
        sent_at=at,
        container=inbox.container,
        conversation_key=inbox.key(thread.id),
        conversation_kind="DIRECT" if len(others) <= 1 else "GROUP",
        text=text,
        body_state="AVAILABLE" if text or files else "EMPTY",
        participants=(participant(sender, "FROM", inbox), *(participant(one, "TO", inbox) for one in others.values())),
        category_reason="Somebody wrote it to the members of a conversation.",
        authentication="NOT_CHECKED",
        attachment_count=len(files),
        attachments=files,
        reactions=reactions(said, inbox),
    )


def head(thread: Thread, at: datetime, inbox: Inbox) -> ConversationHead:
    people = thread.participants.data
    return ConversationHead(
        key=inbox.key(thread.id),
        kind="DIRECT" if len(people) <= 2 else "GROUP",
        last_activity_at=at,
        participants=tuple(participant(one, "MEMBER", inbox) for one in people),
        url=web_address(thread.link, inbox),
    )


def reactions(said: Said, inbox: Inbox) -> tuple[Reaction, ...]:
    """All of them, each with whoever made it."""
    return tuple(
        Reaction(emoji=emoji, participant=participant(user, "MEMBER", inbox))
        for sign in said.reactions.data
        if (emoji := short(sign.emoji or sign.reaction))
        for user in sign.users[:MAX_REACTIONS]
    )


def web_address(link: str, inbox: Inbox) -> str | None:
    """Where a conversation is in the browser; Messenger gives it without its host."""
    if link.startswith("/"):
        return f"https://www.{inbox.network}.com{link}"
    return link if urlsplit_host(link).endswith(f"{inbox.network}.com") else None


def urlsplit_host(link: str) -> str:
    try:
        return urlsplit(link).hostname or "" if link.startswith("https://") else ""
    except ValueError:
        return ""


def file_name(url: str) -> str:
    try:
        return urlsplit(url).path.rpartition("/")[2][:200]
    except ValueError:
        return ""


def when(said: Said) -> datetime | None:
    return instant(said.created_time)


def _attachment(file: File, number: int) -> Attachment:
    """A file by its name; its bytes stay where they are."""
    data = file.image_data or file.video_data
    name = short(file.name) or file_name(file.file_url or (data.url if data is not None else "")) or f"file {number + 1}"
    kind = file.mime_type if "/" in file.mime_type else "application/octet-stream"
    guess = "image/jpeg" if file.image_data is not None else "video/mp4" if file.video_data is not None else kind
    return Attachment(part="", name=name, media_type=kind if "/" in file.mime_type else guess, size=file.size)
