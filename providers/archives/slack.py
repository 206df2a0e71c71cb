"""A workspace's export from Slack: its members, and the messages of the conversations that the export was allowed to hold.

Speaks the layout that Slack describes in its help pages: lists of members and conversations, and a folder a conversation with a file a
day. Messages and people are those of the Web API and are read by `providers/slack/message.py`. An export does not say who made it:
the user is the member whose e-mail address is theirs. It fills the account that the user has in that workspace, linked or not
(`providers/slack/adapter.py`). Knows no calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from providers import records
from providers.archives import export, files, json_head
from providers.archives.export import MAX_MEMBERS, NOTE, Export, Facts, Misread, Part, Taken
from providers.archives.json_part import JsonPart
from providers.archives.json_stream import Item
from providers.base import ArchiveFormat
from providers.slack.message import Place, Post, User, channel_name, contact, handle, message, participant, short

_MEMBER: Final = {"id": re.compile(rb'"[UWB][A-Z0-9]{1,20}"'), "profile": re.compile(rb"\{"), "name": re.compile(rb'"')}
_CONVERSATION: Final = {"id": re.compile(rb'"[CGD][A-Z0-9]{1,20}"'), "members": re.compile(rb"\[")}
_MESSAGES: Final = re.compile(
    rb'\s*\[\s*\{(?=.{0,4000}?"type"\s*:\s*"message")(?=.{0,40000}?"ts"\s*:\s*"\d{9,10}\.\d{6}")', re.DOTALL
)
_HOST: Final = re.compile(rb"https:\\?/\\?/([a-z0-9][a-z0-9-]{0,60})\.slack\.com\\?/(?:files|archives|team)\b")
_NOT_HOSTS: Final = frozenset({b"files", b"api", b"app", b"www", b"hooks", b"a"})
_SPREAD: Final = 4  # times that a member or conversation grows when it is read
_LOOKED_AT: Final = 200  # files in which the workspace's host is looked for
_GROUP_NAME: Final = "mpdm-"  # how Slack names conversations of several
_NO_PERSON: Final = "This is a program, or a member who has left. It is no contact."
_NOTICE: Final = "It is what the workspace says of itself ({subtype}), and is no message."
_NO_TIME: Final = "It has no time that is understood. Export the workspace again"


class Conversation(msgspec.Struct, frozen=True):
    """An element of channels.json, groups.json, dms.json or mpims.json."""

    id: str
    name: str = ""
    members: list[str] = []

    @property
    def kind(self) -> records.ConversationKind:
        return "DIRECT" if self.id.startswith("D") else "GROUP" if self.name.startswith(_GROUP_NAME) else "CHANNEL"


class About(Facts, kw_only=True):
    """What the export says as a whole. Conversations are by the name of their folder."""

    team: str = ""
    host: str = ""
    me: str = ""
    people: dict[str, User] = {}
    conversations: dict[str, Conversation] = {}
    has_direct: bool = False


class Members(JsonPart[About]):
    """The workspace's members."""

    kind = "CONTACT"
    items = (("*",),)

    def begins(self, head: bytes, path: Path) -> bool:
        return json_head.look(head).has(listed=True, **_MEMBER)

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterable[Taken]:
        user = msgspec.convert(value, User)
        if user.automated or user.deleted:
            return (export.left_out(source, item.pointer, _NO_PERSON),)
        return (msgspec.structs.replace(contact(user, about.host), container=source.shown),)


class Conversations(JsonPart[About]):
    """What conversations there are."""

    items = ()

    def begins(self, head: bytes, path: Path) -> bool:
        return json_head.look(head).has(listed=True, **_CONVERSATION)

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterable[Taken]:
        return ()


class Day(JsonPart[About]):
    """What was written in one conversation on one day."""

    kind = "MESSAGE"
    items = (("*",),)

    def begins(self, head: bytes, path: Path) -> bool:
        return _MESSAGES.match(head) is not None

    def read(self, source: files.Source, mark: files.Mark, about: About) -> Iterator[files.Read]:
        told = False
        for stood, item, weight in super().read(source, mark, about):
            yield stood, item, weight
            if isinstance(item, records.Message) and not told:
                told = True
                yield stood, _whole(_home(source, about), item, about), export.ITEM_WEIGHT

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterable[Taken]:
        post = msgspec.convert(value, Post)
        if not post.shows:
            return (export.left_out(source, item.pointer, _NOTICE.format(subtype=short(post.subtype)[:60])),)
        if not re.fullmatch(r"\d{9,10}\.\d{6}", post.ts):
            raise Misread(_NO_TIME)
        said = message(post, _place(_home(source, about), about))
        return (msgspec.structs.replace(said, container=source.shown),)


class SlackArchive(Export[About]):
    """The Archive contract for exports of a workspace."""

    format: ArchiveFormat = "SLACK"
    parts: tuple[JsonPart[About], ...] = (Members(), Conversations(), Day())

    def look(self, sources: Sequence[tuple[Part[About], files.Source]], own: frozenset[str]) -> About:
        about = About()

        def member(value: Any, item: Item) -> None:
            user = msgspec.convert(value, User)
            if about.memory.takes(cost=NOTE + _SPREAD * len(item.data)):
                about.people[user.id] = user
            about.team = about.team or str(value["team_id"])

        def conversation(value: Any, item: Item) -> None:
            found = msgspec.convert(value, Conversation)
            if about.memory.takes(cost=NOTE + _SPREAD * len(item.data)):
                about.conversations[found.id] = found
                about.conversations.setdefault(found.name or found.id, found)
            about.has_direct = about.has_direct or found.kind == "DIRECT"

        for part, source in sources:
            if isinstance(part, Members):
                part.look(source, (("*",),), member)
            elif isinstance(part, Conversations):
                part.look(source, (("*",),), conversation)
        days = [source for part, source in sources if isinstance(part, Day)]
        about.host = _host(days[:_LOOKED_AT]) or f"{about.team.lower() or 'workspace'}.slack.com"
        about.me = next((user.id for user in about.people.values() if _is_own(user, about.host, own)), "")
        return about

    def profile(self, about: About) -> records.Profile | None:
        if not about.team:
            return None
        if not about.me:
            return records.Profile(user_id=about.team, label=about.host)
        user = about.people[about.me]
        mine = contact(user, about.host)
        addresses = [records.OwnAddress(value=mine.handles[0].handle, kind="HANDLE", primary=True)]
        addresses += [records.OwnAddress(value=one.address) for one in mine.emails if one.address]
        return records.Profile(
            user_id=f"{about.team}/{about.me}", label=f"{user.shown} ({about.host})", own_addresses=tuple(addresses)
        )

    def remarks(self, about: About, sources: Sequence[files.Source]) -> tuple[str, ...]:
        said = []
        if not about.me:
            said.append("Which member you are cannot be told: import again with --me and your e-mail address in this workspace.")
        if not about.has_direct:
            said.append("The export holds no direct messages: Slack gives them to owners of some plans only.")
        return tuple(said)


def _is_own(user: User, host: str, own: frozenset[str]) -> bool:
    mail = (user.profile.email or "").casefold()
    return bool(mail and mail in own) or handle(user.id, user, host).casefold() in own


def _host(days: Sequence[files.Source]) -> str | None:
    """The workspace's host, by the addresses of what stands in messages."""
    for source in days:
        for name in _HOST.findall(files.head(source.path)):
            if name not in _NOT_HOSTS:
                return f"{name.decode()}.slack.com"
    return None


def _home(source: files.Source, about: About) -> Conversation:
    """The conversation that a day is of; of one that no list names the folder's name is all that is known."""
    folder = source.path.parent.name
    return about.conversations.get(folder) or Conversation(id=folder, name=folder)


def _place(home: Conversation, about: About) -> Place:
    others = tuple(home.members[:MAX_MEMBERS]) if home.kind != "CHANNEL" else ()
    return Place(channel=home.id, kind=home.kind, team=about.host, me=about.me, people=about.people, others=others)


def _whole(home: Conversation, item: records.Message, about: About) -> records.ConversationHead:
    place = _place(home, about)
    members = home.members[:MAX_MEMBERS] if home.kind != "CHANNEL" else []
    return records.ConversationHead(
        key=home.id, kind=home.kind, last_activity_at=item.sent_at, subject=channel_name(home.name) if home.kind == "CHANNEL" else None,
        participants=tuple(participant(user, place, "MEMBER") for user in members),
    )  # fmt: skip
