"""Discord's data package: friends, and what the user wrote, by conversation. Others' messages are not in it.

There is no published contract; packages since 2018 are read, with tables (`messages.csv`) or JSON, folders in any language. Files are told by
how they begin and belong to the conversation whose `channel.json` lies beside them. Ids are snowflakes, which hold the moment
(Discord Developer Docs, "Reference: Snowflakes"). Of the account's file only what is named here is read: it holds payments and
addresses of networks, too. Knows nothing of calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from providers import records
from providers.archives import export, files, json_head
from providers.archives.export import Export, Facts, Misread, Part, Taken
from providers.archives.json_part import JsonPart
from providers.archives.json_stream import Item
from providers.archives.table_part import TablePart
from providers.base import ArchiveFormat
from providers.discord.api import HOST, KEY
from providers.discord.message import MAX_TEXT, moment, plain, profile_url, written
from providers.formats import charset, email_address, file_kind, file_name, phone_number

MAX_SETTING: Final = 1024 * 1024  # bytes of a file that describes a conversation
MAX_PEOPLE: Final = 100
_SNOWFLAKE: Final = re.compile(r"[0-9]{15,20}\Z")
_ID: Final = re.compile(rb'"?\d{15,21}"?')
_TEXT: Final = re.compile(rb'"')
_USER: Final = {"id": _ID, "username": _TEXT}
_NAMES: Final = re.compile(rb'\s*\{\s*"\d{15,21}"\s*:\s*(?:"|null)')
_CHANNEL: Final = {"id": _ID, "type": re.compile(rb'["\d]')}
_MESSAGE: Final = {"ID": _ID, "Timestamp": _TEXT}
_DIRECT_NAME: Final = re.compile(r"Direct Message with (.+?)(?:#(?:0|0000|\d{4}))?\Z")
#: Kinds of channels by number (Developer Docs, "Channel Types") and by name, as newer packages have them.
_DIRECT: Final = ("1", "DM")
_GROUP: Final = ("3", "GROUP_DM")
_THREADS: Final = ("10", "11", "12", "ANNOUNCEMENT_THREAD", "NEWS_THREAD", "PUBLIC_THREAD", "PRIVATE_THREAD")
_FRIEND: Final = ("1", "FRIEND")
#: Other relations (Developer Docs of the Social SDK), which make nobody an acquaintance.
_NO_FRIENDS: Final[dict[str, str]] = {
    "2": "blocked", "BLOCKED": "blocked", "3": "a request that waits", "PENDING_INCOMING": "a request that waits", "4": "a request that waits",
    "PENDING_OUTGOING": "a request that waits", "5": "a stranger", "IMPLICIT": "a stranger", "6": "a suggestion", "SUGGESTION": "a suggestion",
}  # fmt: skip


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody by what the package says of them."""

    username: str = ""
    name: str = ""


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation: what it is, what it is called, who is in it."""

    id: str
    kind: records.ConversationKind = "CHANNEL"
    title: str = ""
    people: tuple[str, ...] = ()


class About(Facts, kw_only=True):
    """What the package says as a whole. `channels` are by the folder that they lie in."""

    me: str = ""
    email: str = ""
    phone: str = ""
    users: dict[str, User] = {}
    notes: dict[str, str] = {}
    names: dict[str, str] = {}
    channels: dict[Path, Channel] = {}
    region: str | None = None


class Account(JsonPart[About]):
    """Whose package it is, and whom they are friends with."""

    kind = "CONTACT"
    items = (("relationships", "*"),)
    wanted = (*((name,) for name in ("id", "username", "global_name", "display_name", "email", "phone")), ("notes", "*"), *items)

    def begins(self, head: bytes, path: Path) -> bool:
        return json_head.look(head).has(listed=False, **_USER)

    def learn(self, about: About, mine: dict[str, Any], value: Any, item: Item) -> None:
        """Notes one fact; `mine` are those of the account itself, by name."""
        if item.pattern == self.items[0]:
            user = value.get("user") or {}
            number, known = str(user.get("id") or value["id"]), _user(user)
            if about.memory.takes(number, known.username, known.name):
                about.users[number] = known
        elif item.pattern[0] == "notes":
            note = charset.line(value if isinstance(value, str) else (value or {}).get("note"))
            if about.memory.takes(note):
                about.notes[item.path[-1]] = note
        else:
            mine[item.path[0]] = value

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterable[Taken]:
        kind = str(value.get("type"))
        user = str((value.get("user") or {}).get("id") or value.get("id"))
        if kind not in _FRIEND:
            what = _NO_FRIENDS.get(kind, "something that is not known here")
            return (export.left_out(source, item.pointer, f"This is {what}, no friend. It is left out."),)
        if not _SNOWFLAKE.match(user):
            raise Misread("There is no id in it. Download the package again and import it again")
        known = about.users.get(user, User())
        nickname = charset.line(value.get("nickname"))
        full = known.name or nickname or known.username
        return (
            records.Contact(
                key=user,
                relation="CONNECTION",
                names=(records.Name(full=full, nickname=nickname or None),) if full else (),
                handles=(records.Handle(provider=KEY, handle=_address(user, about), url=profile_url(user)),),
                note=about.notes.get(user) or None,
                url=profile_url(user),
                container=source.shown,
            ),
        )


class Names(JsonPart[About]):
    """What conversations are called: the only place that names whom one has written to without being friends."""

    wanted = (("*",),)

    def begins(self, head: bytes, path: Path) -> bool:
        return _NAMES.match(head) is not None

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterable[Taken]:
        return ()


class ChannelFile(JsonPart[About]):
    """What a conversation is."""

    def begins(self, head: bytes, path: Path) -> bool:
        return json_head.look(head).has(listed=False, **_CHANNEL)

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterable[Taken]:
        return ()


class JsonMessages(JsonPart[About]):
    """What the user wrote in one conversation, as JSON."""

    kind: Literal["CONTACT", "MESSAGE"] | None = "MESSAGE"
    items = (("*",),)

    def begins(self, head: bytes, path: Path) -> bool:
        return json_head.look(head).has(listed=True, **_MESSAGE)

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterable[Taken]:
        return (_message({str(name).lower(): str(said) for name, said in value.items() if said is not None}, source, about),)

    def read(self, source: files.Source, mark: files.Mark, about: About) -> Iterator[files.Read]:
        return _with_head(super().read(source, mark, about), source, about)


class TableMessages(TablePart[About]):
    """The same as older packages have it, as a table."""

    kind: Literal["CONTACT", "MESSAGE"] | None = "MESSAGE"
    columns = frozenset({"id", "timestamp", "contents", "attachments"})

    def taken(self, row: Mapping[str, str], source: files.Source, about: About) -> Iterable[Taken]:
        return (_message(row, source, about),)

    def read(self, source: files.Source, mark: files.Mark, about: About) -> Iterator[files.Read]:
        return _with_head(super().read(source, mark, about), source, about)


class DiscordArchive(Export[About]):
    """The Archive contract for Discord's data packages."""

    format: ArchiveFormat = "DISCORD"
    parts: tuple[Part[About], ...] = (Account(), Names(), ChannelFile(), JsonMessages(), TableMessages())

    def look(self, sources: Sequence[tuple[Part[About], files.Source]], own: frozenset[str]) -> About:
        about = About()
        mine: dict[str, Any] = {}
        for part, source in sources:
            if isinstance(part, Account):
                part.look(source, part.wanted, partial(part.learn, about, mine))
            elif isinstance(part, Names):
                part.look(source, part.wanted, partial(_call, about))
        about.me = str(mine["id"]) if _SNOWFLAKE.match(str(mine.get("id"))) else ""
        about.email = email_address.normalised(str(mine.get("email") or "")) or ""
        about.phone = phone_number.read(str(mine.get("phone") or ""), None).number or ""
        if about.me:
            about.users[about.me] = _user(mine)
        for part, source in sources:
            if isinstance(part, ChannelFile) and (channel := _channel(source.path, about)) is not None:
                about.channels[source.path.parent] = channel
        return about

    def settled(self, about: About, region: str | None) -> About:
        about.region = region
        return about

    def profile(self, about: About) -> records.Profile | None:
        user = about.users.get(about.me, User())
        others = [records.OwnAddress(value=about.email)] if about.email else []
        others += [records.OwnAddress(value=about.phone, kind="PHONE")] if about.phone else []
        return records.Profile(
            user_id=about.me,
            label=user.name or user.username or "your package",
            own_addresses=(records.OwnAddress(value=_address(about.me, about), kind="HANDLE", primary=True), *others),
        )

    def remarks(self, about: About, sources: Sequence[files.Source]) -> tuple[str, ...]:
        said = ["Discord's package holds only what you wrote yourself."]
        if not about.me:
            said.append("The file that says whose package it is (user.json) is missing: import the whole package.")
        return tuple(said)


# --- people ---------------------------------------------------------------------------------------------------------------


def _call(about: About, value: Any, item: Item) -> None:
    """Note what a conversation is called."""
    if about.memory.takes(name := charset.line(value)):
        about.names[item.path[0]] = name


def _user(value: Mapping[str, Any]) -> User:
    return User(
        username=written(charset.line(value.get("username")), str(value.get("discriminator") or "0")),
        name=charset.line(value.get("global_name") or value.get("display_name")),
    )


def _address(user: str, about: About) -> str:
    """Somebody's address among participants: by user name where it is known. Without an account's file the user is `me`."""
    return f"{about.users.get(user, User()).username or user or 'me'}@{HOST}"


def _participant(role: records.Role, user: str, about: About) -> records.Participant:
    known = about.users.get(user, User())
    return records.Participant(
        role=role, kind="HANDLE", address=_address(user, about), name=known.name or known.username, provider=KEY, key=user or "me",
        url=profile_url(user) if user else None,
    )  # fmt: skip


# --- conversations --------------------------------------------------------------------------------------------------------


def _channel(path: Path, about: About) -> Channel | None:
    """What a conversation's file says. Whom it is with is learnt from its name, where nothing else says it."""
    try:
        with files.open_file(path) as handle:
            value = msgspec.json.decode(handle.read(MAX_SETTING))
        number, kind = str(value["id"]), str(value.get("type"))
        people = [str(one) for one in value.get("recipients") or () if _SNOWFLAKE.match(str(one))][:MAX_PEOPLE]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    others = tuple(one for one in people if one != about.me)
    named = about.names.get(number, "")
    direct = _DIRECT_NAME.match(named)
    if kind in _DIRECT:
        if direct is not None and len(others) == 1 and others[0] not in about.users and about.memory.takes(direct[1]):
            about.users[others[0]] = User(username=direct[1])
        return Channel(id=number, kind="DIRECT", people=others)
    guild = value.get("guild")
    server = charset.line(guild.get("name")) if isinstance(guild, dict) else ""
    title = charset.line(value.get("name")) or named
    return Channel(
        id=number,
        kind="GROUP" if kind in _GROUP else "THREAD" if kind in _THREADS else "CHANNEL",
        title=f"{title} ({server})" if server and title and server not in title else title or server,
        people=others if kind in _GROUP else (),
    )


def _home(source: files.Source, about: About) -> Channel:
    """The conversation that a file of messages is of; without its description one of which the folder's name is all that is known."""
    found = about.channels.get(source.path.parent)
    if found is not None:
        return found
    number = source.path.parent.name.removeprefix("c")
    return Channel(
        id=number,
        kind="DIRECT" if _DIRECT_NAME.match(about.names.get(number, "")) else "CHANNEL",
        title=about.names.get(number, ""),
    )


def _message(said: Mapping[str, str], source: files.Source, about: About) -> records.Message:
    number = said.get("id", "").strip()
    if not _SNOWFLAKE.match(number):
        raise Misread(f"Its id ({number[:40] or 'none'}) is no id. Download the package again and import it again")
    home = _home(source, about)
    text = charset.storable(_plain(said.get("contents", ""), about))[:MAX_TEXT]
    attached = tuple(_attachment(url, n) for n, url in enumerate(said.get("attachments", "").split(), 1) if "://" in url)
    to = home.people if home.kind in ("DIRECT", "GROUP") else ()
    return records.Message(
        key=number,
        sent_at=moment(number),
        container=source.shown,
        conversation_key=home.id,
        conversation_kind=home.kind,
        text=text,
        body_state="AVAILABLE" if text else "EMPTY",
        participants=(_participant("FROM", about.me, about), *(_participant("TO", one, about) for one in to)),
        category_reason="You wrote it to the members of a conversation.",
        authentication="NOT_CHECKED",
        attachment_count=len(attached),
        attachments=attached,
    )


def _with_head(read: Iterator[files.Read], source: files.Source, about: About) -> Iterator[files.Read]:
    """The messages of a file, and beside the first one what its conversation is."""
    told = False
    for stood, item, weight in read:
        yield stood, item, weight
        if isinstance(item, records.Message) and not told:
            told = True
            home = _home(source, about)
            head = records.ConversationHead(
                key=home.id, kind=home.kind, last_activity_at=item.sent_at, subject=home.title if home.kind != "DIRECT" else None,
                participants=tuple(_participant("MEMBER", one, about) for one in home.people),
            )  # fmt: skip
            yield stood, head, export.ITEM_WEIGHT


def _plain(text: str, about: About) -> str:
    def person(number: str) -> str:
        known = about.users.get(number, User())
        return known.name or known.username

    return plain(text, person, lambda number: about.names.get(number, "").partition(" in ")[0])


def _attachment(url: str, number: int) -> records.Attachment:
    name = file_name.safe(unquote(PurePosixPath(urlsplit(url[:2_000]).path).name)) or "file"
    return records.Attachment(part=str(number), name=name, media_type=file_kind.said(name, None))
