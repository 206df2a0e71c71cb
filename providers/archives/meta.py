"""What the exports of Facebook and Instagram have in common: Meta's JSON, its threads of messages, and how people are named there.

Meta writes UTF-8 as if it were latin-1 (`mojibake.py`), names people by what they are called and by nothing else, and gives messages
no ids. A thread is known by the number in its folder's name, wherever the thread lies; the files of one thread are read as one. Which
of the two networks a thread is of, only what lies beside it tells.
"""

from __future__ import annotations

import hashlib
import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from providers import records
from providers.archives import files, json_head, zipped
from providers.archives.export import Export, Facts, Misread, Part, Taken
from providers.archives.json_part import JsonPart
from providers.archives.json_stream import Item, Pattern
from providers.archives.mojibake import repaired_value
from providers.records import ConversationHead, ConversationKind, Participant, Role

MAX_TEXT: Final = 1_000_000
FACEBOOK: Final = "facebook.com"  # ends the addresses of its people, as those of Instagram end with its own name
#: How people are called who have left or deleted their account, in the languages in which it was seen; all of them by the same name.
DEPARTED: Final = frozenset({
    "", "facebook user", "instagram user", "facebook-nutzer", "instagram-nutzer", "utilisateur de facebook", "utilisateur instagram",
    "usuario de facebook", "utente di facebook", "facebook-gebruiker", "usuário do facebook", "użytkownik facebooka", "messenger user",
})  # fmt: skip
_MEDIA: Final = ("photos", "videos", "audio_files", "files", "gifs", "media")
_THREAD: Final = {"participants": re.compile(rb"\[\s*[{\]]")}
_SEALED: Final = {"participants": re.compile(rb'\[\s*"')}


class Thread(msgspec.Struct):
    """A conversation as all its files show it."""

    key: str = ""
    title: str = ""
    members: dict[str, None] = {}


class About(Facts):
    """What an export says as a whole. `name` is what its owner is called, `user` the name for signing in where one is known."""

    name: str = ""
    user: str = ""
    url: str | None = None
    emails: tuple[str, ...] = ()
    threads: dict[str, Thread] = {}  # by key
    noted: dict[str, Thread] = {}  # by file, what it says of its thread
    firsts: dict[str, int] = {}  # of several friends of one name, since when the first one is
    following: set[str] = set()
    followers: set[str] = set()


class MetaPart(JsonPart[About]):
    """A JSON file of Meta's. `shape` is how its kind begins, or which members its object has; `host` ends the addresses of the network's people."""

    shape: re.Pattern[bytes] | dict[str, re.Pattern[bytes]]
    wanted: tuple[Pattern, ...] = ()

    def __init__(self, host: str) -> None:
        self.host = host

    def begins(self, head: bytes, path: Path) -> bool:
        if isinstance(self.shape, dict):
            return json_head.look(head).has(listed=False, **self.shape)
        return self.shape.match(head) is not None

    def decoded(self, data: bytes) -> Any:
        return repaired_value(super().decoded(data))

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterable[Taken]:
        return ()

    def learn(self, about: About, source: files.Source, value: Any, item: Item) -> None:
        """Note what a value says of the owner, of people and of conversations."""


class Threads(MetaPart):
    """`message_<n>.json`: a part of a thread, newest message first."""

    kind = "MESSAGE"
    shape = _THREAD
    items = (("messages", "*"),)
    wanted: tuple[Pattern, ...] = (("participants",), ("title",), ("thread_path",))

    def learn(self, about: About, source: files.Source, value: Any, item: Item) -> None:
        """What stands around the messages, some of it behind them; where a thread does not say its key, its folder does."""
        noted = about.noted.setdefault(source.shown, Thread(thread_key(source.shown.rpartition("/")[0], source)))
        match item.path[0]:
            case "participants":
                about.memory.join(noted.members, [line(one.get("name")) for one in value])
            case "title":
                noted.title = line(value)
            case _:
                noted.key = thread_key(str(value), source)

    def read(self, source: files.Source, mark: files.Mark, about: About) -> Iterator[files.Read]:
        told = False
        for stood, item, weight in super().read(source, mark, about):
            yield stood, item, weight
            if isinstance(item, records.Message) and not told:
                told = True
                yield stood, self._head(item, about), weight

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        yield self.message(
            source, about, sender=line(value.get("sender_name")), at=milliseconds(value.get("timestamp_ms")), said=said(value),
            attached=attached(value), unsent=value.get("is_unsent") is True, reactions=value.get("reactions", ()),
        )  # fmt: skip

    def message(
        self,
        source: files.Source,
        about: About,
        *,
        sender: str,
        at: datetime,
        said: str,
        attached: tuple[str, ...],
        unsent: bool,
        reactions: Sequence[Any],
    ) -> records.Message:
        """A message; it is known by what it says, since it has no id."""
        noted = about.noted.get(source.shown, Thread(thread_key(source.shown.rpartition("/")[0], source)))
        thread = about.threads.get(noted.key, noted)
        others = [name for name in thread.members if name != sender]
        text = said[:MAX_TEXT]
        parts = (thread.key, str(int(at.timestamp() * 1000)), sender, text, *attached)
        return records.Message(
            key=hashlib.blake2b("\x00".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest(),
            sent_at=at,
            container=source.shown,
            conversation_key=thread.key,
            conversation_kind=kind_of(thread),
            text=text,
            deleted_at=at if unsent else None,  # when is not said
            body_state="DELETED" if unsent else "AVAILABLE" if text or attached else "EMPTY",
            participants=(
                participant(sender, "FROM", self.host, thread.key),
                *(participant(name, "TO", self.host, thread.key) for name in others),
            ),
            category_reason="Somebody wrote it to the members of a conversation.",
            authentication="NOT_CHECKED",
            attachment_count=len(attached),
            attachments=tuple(records.Attachment(part="", name=name) for name in attached),
            reactions=tuple(
                records.Reaction(emoji=emoji, participant=participant(line(one.get("actor")), "MEMBER", self.host, thread.key))
                for one in reactions
                if (emoji := line(one.get("reaction")))
            ),
        )

    def _head(self, message: records.Message, about: About) -> ConversationHead:
        thread = about.threads.get(message.conversation_key or "", Thread(message.conversation_key or ""))
        return ConversationHead(
            key=thread.key,
            kind=kind_of(thread),
            last_activity_at=message.sent_at,
            subject=thread.title or None if kind_of(thread) == "GROUP" else None,
            participants=tuple(participant(name, "MEMBER", self.host, thread.key) for name in thread.members),
        )


class SealedThreads(Threads):
    """`<title>_<n>.json`: a thread of the separate download of end-to-end encrypted chats, in other words."""

    shape = _SEALED
    wanted = (("participants",), ("threadName",))

    def learn(self, about: About, source: files.Source, value: Any, item: Item) -> None:
        noted = about.noted.setdefault(source.shown, Thread(f"e2ee:{source.shown}"))
        if item.path[0] == "participants":
            about.memory.join(noted.members, [line(name) for name in value])
        else:
            noted.key, noted.title = f"e2ee:{value}", re.sub(r"_\d+\Z", "", line(value))

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        text = value.get("text")
        media = tuple(name for one in value.get("media", ()) if (name := base_name(one.get("uri"))))
        yield self.message(
            source, about, sender=line(value.get("senderName")), at=milliseconds(value.get("timestamp")),
            said=text if isinstance(text, str) else "", attached=media, unsent=value.get("isUnsent") is True,
            reactions=value.get("reactions", ()),
        )  # fmt: skip


class MetaExport(Export[About]):
    """The Archive contract for what Meta makes of an account."""

    #: Whether files that both networks write alike are those of this one.
    instagram: bool
    host: str

    @abstractmethod
    def user_id(self, about: About) -> str:
        """What the account is known by; empty where nothing says whose it is."""

    def recognise(self, path: Path) -> bool:
        head = files.head(path)
        found = next((part for part in self.parts if head and part.begins(head, path)), None)
        return found is not None and (not isinstance(found, Threads) or is_instagram(path) is self.instagram)

    def look(self, sources: Sequence[tuple[Part[About], files.Source]], own: frozenset[str]) -> About:
        about = About()
        for part, source in sources:
            if isinstance(part, MetaPart) and part.wanted:
                note: Callable[[Any, Item], None] = partial(part.learn, about, source)
                part.look(source, part.wanted, note)
        for noted in about.noted.values():
            thread = about.threads.setdefault(noted.key, Thread(noted.key))
            about.memory.join(thread.members, noted.members)
            thread.title = thread.title or noted.title
        if not about.name:
            about.name = _in_all(about.threads, self.host, own)
        return about

    def profile(self, about: About) -> records.Profile | None:
        whose = self.user_id(about)
        if not whose:
            return None
        called = dict.fromkeys(name for name in (about.user, about.name) if name)
        return records.Profile(
            user_id=whose,
            label=about.name or whose,
            own_addresses=(
                *(
                    records.OwnAddress(value=address(name, self.host), kind="HANDLE", primary=not n)
                    for n, name in enumerate(called)
                ),
                *(records.OwnAddress(value=email) for email in about.emails),
            ),
        )


def is_instagram(path: Path) -> bool:
    """Whether a file lies among those of Instagram: folders are called so, or the lists of followers lie beside it."""
    within = zipped.place(path)
    if within is not None:
        archive, _ = within
        folders = zipped.listing(archive).folders
        return any("instagram" in name.casefold() or name.endswith("followers_and_following") for name in folders)
    return any(
        "instagram" in parent.name.casefold() or (parent / "connections" / "followers_and_following").is_dir()
        for parent in list(path.absolute().parents)[:7]
    )


def _in_all(threads: dict[str, Thread], host: str, own: frozenset[str]) -> str:
    """Who is in every thread, where there are several and it is one person; else who is known to be the viewer."""
    seen = Counter(name for thread in threads.values() for name in thread.members)
    known = [name for name in seen if address(name, host).casefold() in own]
    everywhere = [name for name, count in seen.items() if count == len(threads) > 1]
    return known[0] if known else everywhere[0] if len(everywhere) == 1 else ""


# --- people and threads ---------------------------------------------------------------------------------------------------


def address(name: str, host: str) -> str:
    """Somebody's address among participants: the name is all that there is."""
    return f"{name}@{host}"


def key_of(name: str) -> str:
    return f"name:{name.casefold()}"


def participant(name: str, role: Role, host: str, thread: str) -> Participant:
    """Somebody in a thread. Those who have left are told apart by thread, since all of them have one name."""
    left = name.casefold() in DEPARTED
    return Participant(
        role=role, address=address(f"left:{thread}" if left else name, host), kind="HANDLE", name=name,
        provider=host.partition(".")[0], key=f"left:{thread}" if left else key_of(name),
    )  # fmt: skip


def thread_key(folder: str, source: files.Source) -> str:
    """`inbox/adalovelace_1234567` → `1234567`: titles change, and a thread moves from one place to the next."""
    last = folder.rstrip("/").rpartition("/")[2]
    return last.rpartition("_")[2] or source.shown


def kind_of(thread: Thread) -> ConversationKind:
    return "GROUP" if len(thread.members) > 2 else "DIRECT"


# --- values ---------------------------------------------------------------------------------------------------------------


def said(value: Any) -> str:
    """The text of a message, with the link that it shares where that is not in it."""
    text = value.get("content")
    text = text if isinstance(text, str) else ""
    share = value.get("share")
    link = share.get("link") if isinstance(share, dict) else None
    return f"{text}\n{link}".strip() if isinstance(link, str) and link not in text else text


def attached(value: Any) -> tuple[str, ...]:
    """The names of the files of a message."""
    found = [one for kind in _MEDIA for one in value.get(kind, ())]
    if isinstance(value.get("sticker"), dict):
        found.append(value["sticker"])
    return tuple(name for one in found if (name := base_name(one.get("uri"))))


def base_name(uri: object) -> str:
    return uri.rpartition("/")[2][:500] if isinstance(uri, str) else ""


def line(value: object) -> str:
    return " ".join(value.split())[:500] if isinstance(value, str) else ""


def milliseconds(value: object) -> datetime:
    """Milliseconds of POSIX time. Raises Misread."""
    return _instant(value, 1000)


def seconds(value: object) -> datetime | None:
    """Seconds of POSIX time; None for none, and for the zero that Meta writes instead."""
    return _instant(value, 1) if value else None


def _instant(value: object, unit: int) -> datetime:
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value / unit, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise Misread(f"“{value}” is no time that is understood. Download the export again and import it again")
