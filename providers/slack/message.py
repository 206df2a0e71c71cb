"""Messages and people of Slack as records.

`ts` names a message within its conversation and is text: as a number it would lose its last digits. Slack's mark-up (`<@U1>`,
`<https://a|b>`, three entities) becomes what a reader sees. People are known by their id and written as name@workspace. Knows no calls.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from providers.formats.email_address import normalised
from providers.formats.phone_number import read as read_phone
from providers.formats.vcard import web_address
from providers.records import (
    Attachment,
    Contact,
    ConversationKind,
    Email,
    Handle,
    Message,
    Name,
    Organization,
    Participant,
    Photo,
    Reaction,
    Role,
)
from providers.slack.api import KEY

MEMBERS: Final = "members"
MAX_TEXT: Final = 100_000
MAX_SHORT: Final = 1_000
MAX_REACTIONS: Final = 200  # of one sign that are shown one by one
#: What the workspace says of itself, and what is no message any more.
SILENT: Final = frozenset(
    {"channel_join", "channel_leave", "channel_topic", "channel_purpose", "channel_name", "channel_archive", "channel_unarchive",
     "group_join", "group_leave", "group_topic", "group_purpose", "group_name", "group_archive", "group_unarchive", "pinned_item",
     "unpinned_item", "bot_add", "bot_remove", "reminder_add", "tombstone", "channel_convert_to_private", "huddle_thread"}
)  # fmt: skip
_MARK: Final = re.compile(r"<([^<>]{1,2000})>")


class UserProfile(msgspec.Struct, frozen=True):
    real_name: str = ""
    display_name: str = ""
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    title: str | None = None
    image_512: str | None = None
    image_192: str | None = None


class User(msgspec.Struct, frozen=True):
    """docs.slack.dev/reference/objects/user-object."""

    id: str
    name: str = ""
    deleted: bool = False
    is_bot: bool = False
    is_app_user: bool = False
    is_workflow_bot: bool = False
    real_name: str | None = None
    profile: UserProfile = UserProfile()

    @property
    def shown(self) -> str:
        """The name that Slack shows."""
        return short(self.profile.display_name) or short(self.profile.real_name or self.real_name) or short(self.name) or self.id

    @property
    def automated(self) -> bool:
        return self.is_bot or self.is_workflow_bot or self.id == "USLACKBOT"


class File(msgspec.Struct, frozen=True):
    id: str
    name: str | None = None
    title: str | None = None
    mimetype: str | None = None
    size: int | None = None
    mode: str | None = None


class Shown(msgspec.Struct, frozen=True):
    """An attachment in Slack's sense: a preview, or what a program says."""

    fallback: str | None = None
    text: str | None = None
    pretext: str | None = None


class Edited(msgspec.Struct, frozen=True):
    ts: str


class Sign(msgspec.Struct, frozen=True):
    """The reactions to a message with one sign; `users` may be fewer than `count`."""

    name: str
    users: list[str] = []
    count: int = 0


class Post(msgspec.Struct, frozen=True):
    """docs.slack.dev/reference/events/message."""

    ts: str
    user: str | None = None
    bot_id: str | None = None
    username: str | None = None
    text: str | None = None
    subtype: str | None = None
    thread_ts: str | None = None
    reply_count: int = 0
    latest_reply: str | None = None
    edited: Edited | None = None
    files: list[File] | None = None
    attachments: list[Shown] | None = None
    reactions: list[Sign] | None = None

    @property
    def shows(self) -> bool:
        return self.subtype not in SILENT

    @property
    def removed(self) -> bool:
        """Whether it was deleted, and stands there for its answers."""
        return self.subtype == "tombstone"

    def shows_any(self, files: Collection[str]) -> bool:
        """Whether any of these files (ids) came with it."""
        return any(file.id in files for file in self.files or ())

    @property
    def answers(self) -> str | None:
        """The first message of the thread that this is an answer in."""
        return self.thread_ts if self.thread_ts not in (None, self.ts) else None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation, and who is who in it."""

    channel: str
    kind: ConversationKind
    team: str  # the workspace's host, such as acme.slack.com
    me: str
    people: Mapping[str, User]
    others: tuple[str, ...] = ()  # those whom a message is meant for
    read: str = ""  # up to here the user has read; empty where nobody tells


def message(post: Post, place: Place) -> Message:
    """A post that `shows`."""
    text = plain(post.text or _said(post), place.people)
    files = tuple(_file(each) for each in post.files or () if each.mode not in ("tombstone", "hidden_by_limit"))
    sender = place.people.get(post.user or "")
    automated = post.user is None or (sender is not None and sender.automated) or post.subtype == "bot_message"
    who = [participant(post.user, place, "FROM")] if post.user else []
    others = [participant(user, place, "TO") for user in place.others if user != post.user]
    unread = None if not place.read else post.user != place.me and seconds(post.ts) > seconds(place.read)
    return Message(
        key=f"{place.channel}/{post.ts}",
        sent_at=instant(post.ts),
        container=place.channel,
        conversation_key=place.channel,
        conversation_kind=place.kind,
        internet_message_id=f"{place.team}/{place.channel}/{post.ts}",  # unique everywhere, and what answers name
        references=(f"{place.team}/{place.channel}/{post.answers}",) if post.answers else (),
        edited_at=instant(post.edited.ts) if post.edited is not None else None,
        text=text,
        body_state="AVAILABLE" if text or files else "EMPTY",
        participants=(*who, *others),
        category="NOTIFICATION" if automated else "PERSONAL",
        category_reason="A program wrote it." if automated else "Somebody wrote it in a conversation that you are in.",
        authentication="NOT_CHECKED",
        unread=unread,
        attachment_count=len(files),
        attachments=files,
        reactions=tuple(_reactions(post.reactions or (), place)),
        url=f"https://{place.team}/archives/{place.channel}/p{post.ts.replace('.', '')}",
    )


def participant(user: str, place: Place, role: Role) -> Participant:
    known = place.people.get(user)
    return Participant(
        role=role,
        address=handle(user, known, place.team),
        kind="HANDLE",
        name=known.shown if known is not None else "",
        provider=KEY,
        key=user,
        url=f"https://{place.team}/team/{user}",
    )


def handle(user: str, known: User | None, team: str) -> str:
    return f"{short(known.name) if known is not None and known.name else user}@{team}"


def contact(user: User, team: str) -> Contact:
    """A member of the workspace."""
    profile = user.profile
    address = normalised(profile.email) if profile.email else None
    phone = read_phone(profile.phone, None) if profile.phone and profile.phone.strip() else None
    title, picture = short(profile.title), web_address(profile.image_512 or profile.image_192 or "")
    url = f"https://{team}/team/{user.id}"
    return Contact(
        key=user.id,
        relation="MEMBER",
        names=(
            Name(
                full=short(profile.real_name or user.real_name) or user.shown,
                given=short(profile.first_name) or None,
                family=short(profile.last_name) or None,
                nickname=short(profile.display_name) or None,
            ),
        ),
        emails=(Email(raw=profile.email or "", address=address),) if address else (),
        phones=(phone,) if phone is not None else (),
        organizations=(Organization(name=team.partition(".")[0], title=title),) if title else (),
        handles=(Handle(provider=KEY, handle=handle(user.id, user, team), url=url),),
        photo=Photo(url=picture) if picture else None,
        url=url,
        container=MEMBERS,
    )


def plain(text: str, people: Mapping[str, User]) -> str:
    """Slack's mark-up as what a reader sees (docs.slack.dev/messaging/formatting-message-text)."""

    def shown(found: re.Match[str]) -> str:
        target, _, label = found[1].partition("|")
        match target[:1]:
            case "@":
                known = people.get(target[1:])
                return "@" + (known.shown if known is not None else label or target[1:])
            case "#":
                return "#" + (label or target[1:])
            case "!":
                return label or "@" + target[1:].partition("^")[0]
        return f"{label} ({target})" if label and label not in target else target

    seen = _MARK.sub(shown, text[:MAX_TEXT])
    return seen.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").replace("\x00", "\ufffd").strip()


def channel_name(name: str | None) -> str:
    """What a channel is called, live and in exports alike."""
    return f"#{short(name)}"


def escaped(text: str) -> str:
    """Text as Slack takes it, so that nothing of it is mark-up."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def instant(ts: str) -> datetime:
    return datetime.fromtimestamp(seconds(ts), UTC)


def seconds(ts: str) -> float:
    """The time of a `ts`, for comparing; never its name."""
    try:
        return min(max(float(ts), 0.0), 1e11) if len(ts) < 30 else 0.0
    except ValueError:
        return 0.0


def short(text: str | None) -> str:
    return " ".join((text or "").replace("\x00", "").split())[:MAX_SHORT]


def _reactions(signs: Iterable[Sign], place: Place) -> Iterator[Reaction]:
    """Signs by Slack's names for them, with those who are named and how many more there are."""
    for sign in signs:
        users = sign.users[:MAX_REACTIONS]
        for user in users:
            yield Reaction(emoji=short(sign.name), participant=participant(user, place, "MEMBER"))
        if sign.count > len(users):
            yield Reaction(emoji=short(sign.name), count=sign.count - len(users))


def _said(post: Post) -> str:
    """What stands in the place of a text: programs write in attachments alone."""
    lines = [line for each in post.attachments or () for line in (each.pretext, each.text or each.fallback) if line]
    return "\n".join(lines)


def _file(file: File) -> Attachment:
    size = file.size
    return Attachment(
        part=file.id,
        name=short(file.name or file.title) or "file",
        media_type=short(file.mimetype) or "application/octet-stream",
        size=size if size is not None and 0 <= size < 2**53 else None,
    )
