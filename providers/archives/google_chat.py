"""Google Chat in a Google Takeout: direct messages and spaces, with their members.

Reads `messages.json` and `group_info.json` of each group and `user_info.json`, told by how they begin, since Takeout's folders have
names in the account's language. Members have e-mail addresses, by which they are the people of one's mail. Address books and mail of a
Takeout are read as what they are (`vcard.py`, `mbox.py`). Knows nothing of Google's APIs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from providers import records
from providers.archives import files, json_head
from providers.archives.export import MAX_MEMBERS, Export, Facts, Misread, Part, Taken
from providers.archives.json_part import JsonPart
from providers.archives.json_stream import Item, Pattern
from providers.base import ArchiveFormat, Provider
from providers.formats import email_address, mail_date
from providers.records import ConversationHead, ConversationKind, Participant, Role

KEY: Final = "google_chat"
MAX_TEXT: Final = 1_000_000
_YOURSELF: Final = "This is yourself, as a member of the conversation. It is no contact."
#: `Monday, January 15, 2024 at 10:11:12 AM UTC`; before AM stands a narrow blank (U+202F), or a usual one.
_MOMENT: Final = re.compile(r"\w+, ([A-Za-z]{3})\w* (\d{1,2}), (\d{4}) at (\d{1,2}):(\d{2}):(\d{2})\s([AP])M UTC\Z")


class Group(msgspec.Struct):
    """A direct conversation or space: its name, and by their keys who is in it."""

    name: str = ""
    members: dict[str, str] = {}  # key → name


class About(Facts):
    """What a Takeout says as a whole: whose it is, and the groups by the folders that they lie in."""

    name: str = ""
    email: str = ""
    groups: dict[str, Group] = {}


class Document(JsonPart[About]):
    """A file of Google Chat; `mark` is the member that tells its kind, and how its value begins."""

    mark: tuple[str, re.Pattern[bytes]]
    wanted: tuple[Pattern, ...] = ()

    def begins(self, head: bytes, path: Path) -> bool:
        name, value = self.mark
        return json_head.look(head).has(listed=False, **{name: value})

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterable[Taken]:
        return ()

    def learn(self, about: About, source: files.Source, value: Any, item: Item) -> None:
        """Note what a value says of the owner and of groups."""


class UserDocument(Document):
    """Whose Takeout it is."""

    mark = ("user", re.compile(rb'\{\s*"(?:name|email|user_type)"'))
    wanted = (("user",),)

    def learn(self, about: About, source: files.Source, value: Any, item: Item) -> None:
        about.name, about.email = _line(value.get("name")), email_address.normalised(str(value.get("email") or "")) or ""


class GroupDocument(Document):
    """Who is in a group, and what it is called."""

    kind = "CONTACT"
    mark = ("members", re.compile(rb"\["))
    items = (("members", "*"),)
    wanted = (("name",), ("members", "*"))

    def learn(self, about: About, source: files.Source, value: Any, item: Item) -> None:
        group = about.groups.setdefault(_folder(source), Group())
        if item.pattern == ("name",):
            group.name = _line(value)
        elif len(group.members) >= MAX_MEMBERS:
            about.memory.full = True
        elif about.memory.takes(key := key_of(value), name := _line(value.get("name"))):
            group.members[key] = name

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        name, address = _line(value.get("name")), email_address.normalised(str(value.get("email") or ""))
        if not name and address is None:
            raise Misread("There is no name or address in it. Make a new Takeout and import it")
        if key_of(value) == about.email.casefold():
            yield records.Unreadable(
                key=f"{source.shown}{item.pointer}",
                outcome="SKIPPED",
                reason="EXCLUDED",
                message=_YOURSELF,
                container=source.shown,
            )
            return
        yield records.Contact(
            key=key_of(value),
            relation="MEMBER",
            nature="INDIVIDUAL" if value.get("user_type", "Human") == "Human" else "AUTOMATED",
            names=(records.Name(full=name),) if name else (),
            emails=(records.Email(raw=address, address=address),) if address else (),
            container=source.shown,
        )


class MessagesDocument(Document):
    """The messages of a group, oldest first."""

    kind = "MESSAGE"
    mark = ("messages", re.compile(rb'\[\s*\{.*?"(?:message_state|created_date|topic_id)"', re.DOTALL))
    items = (("messages", "*"),)

    def read(self, source: files.Source, mark: files.Mark, about: About) -> Iterator[files.Read]:
        told = False
        for stood, item, weight in super().read(source, mark, about):
            yield stood, item, weight
            if isinstance(item, records.Message) and item.conversation_key and not told:
                told = True
                yield stood, _head(item.conversation_key, item.sent_at, about.groups.get(_folder(source), Group())), weight

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        key = str(value["message_id"])  # group, topic and message
        at = moment(value.get("created_date"))
        if at is None:
            raise Misread(f"“{value.get('created_date')}” is no time that is understood. Make a new Takeout and import it")
        group = about.groups.get(_folder(source), Group())
        creator = value.get("creator") or {}
        sender = key_of(creator)
        text = str(value.get("text") or "")[:MAX_TEXT]
        named = [str(one.get("original_name") or one.get("export_name") or "file") for one in value.get("attached_files", ())]
        gone = value.get("message_state") == "DELETED"
        yield records.Message(
            key=key,
            sent_at=at,
            edited_at=moment(value.get("updated_date")),
            container=source.shown,
            conversation_key=key.partition("/")[0],
            conversation_kind=_kind(group),
            text=text,
            body_state="DELETED" if gone else "AVAILABLE" if text or named else "EMPTY",
            participants=(
                _participant(sender, _line(creator.get("name")), "FROM"),
                *(_participant(member, name, "TO") for member, name in group.members.items() if member != sender),
            ),
            category_reason="Somebody wrote it to the members of a conversation.",
            authentication="NOT_CHECKED",
            attachment_count=len(named),
            attachments=tuple(records.Attachment(part="", name=name) for name in named),
            reactions=tuple(
                records.Reaction(
                    emoji=emoji,
                    participant=_participant(str(who).casefold(), group.members.get(str(who).casefold(), ""), "MEMBER"),
                )
                for one in value.get("reactions", ())
                if (emoji := _line((one.get("emoji") or {}).get("unicode")))
                for who in one.get("reactor_emails", ())
            ),
        )


class GoogleChatArchive(Export[About]):
    """The Archive contract for Google Chat in a Takeout."""

    format: ArchiveFormat = "GOOGLE_TAKEOUT"
    parts = (UserDocument(), GroupDocument(), MessagesDocument())

    def look(self, sources: Sequence[tuple[Part[About], files.Source]], own: frozenset[str]) -> About:
        about = About()
        for part, source in sources:
            if isinstance(part, Document) and part.wanted:
                part.look(source, part.wanted, partial(part.learn, about, source))
        return about

    def profile(self, about: About) -> records.Profile | None:
        if not about.email:
            return None
        mine = records.OwnAddress(value=about.email, primary=True)
        return records.Profile(user_id=about.email, label=about.email, own_addresses=(mine,))


def key_of(person: Any) -> str:
    """What somebody is known by: the address, or the name of those who have none (programs, people who left)."""
    return str(person.get("email") or f"name:{_line(person.get('name'))}").casefold()


def moment(text: object) -> datetime | None:
    """A time as Takeout writes it, in English for everybody; None for what is none."""
    found = _MOMENT.match(text) if isinstance(text, str) else None
    if found is None:
        return None
    month, day, year, hour, minute, second, half = found.groups()
    hours = int(hour) % 12 + (12 if half == "P" else 0)
    return mail_date.parsed(f"{day} {month} {year} {hours:02}:{minute}:{second} +0000")


def _participant(key: str, name: str, role: Role) -> Participant:
    """By the address as a handle: the contact of this key has it as an address, and says so."""
    return Participant(role=role, address=key, kind="HANDLE", name=name, provider=KEY, key=key)


def _kind(group: Group) -> ConversationKind:
    return "GROUP" if group.name or len(group.members) > 2 else "DIRECT"


def _head(conversation: str, at: datetime, group: Group) -> ConversationHead:
    return ConversationHead(
        key=conversation,
        kind=_kind(group),
        last_activity_at=at,
        subject=group.name or None,
        participants=tuple(_participant(member, name, "MEMBER") for member, name in group.members.items()),
    )


def _folder(source: files.Source) -> str:
    return source.shown.rpartition("/")[0]


def _line(value: object) -> str:
    return " ".join(value.split())[:500] if isinstance(value, str) else ""


PROVIDER = Provider(
    key=KEY,
    name="Google Chat",
    kind="CHAT",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "CONVERSATIONS", "IMPORT", "MIRROR"}),
    limitations=(
        "A Takeout is a snapshot: what is said afterwards arrives with the next one.",
        "The topics of a space are not told apart.",
        "Files of messages are named, not kept.",
    ),
    archive_formats=("GOOGLE_TAKEOUT",),
    docs_path="docs/providers/google_chat.md",
    archive=GoogleChatArchive(),
)
