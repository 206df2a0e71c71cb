"""The archive that X (Twitter) makes of an account: who follows whom, direct messages, uploaded contacts, posts and likes.

Reads the scripts of its `data` folder (`window.YTD.<kind>.part<n> = [ … ]`), told by that assignment, whatever the files are called;
archives since 2018. X names most people by their ids only: handles and names are had from whom the account has mentioned and
answered. Knows nothing of X's API.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec

from providers import records
from providers.archives import files
from providers.archives.export import MAX_TOLD, NOTE, Export, Facts, Misread, Part, Taken
from providers.archives.json_part import JsonPart
from providers.archives.json_stream import Item, Pattern
from providers.base import ArchiveFormat
from providers.formats import charset, email_address, mail_date, phone_number
from providers.records import ConversationHead, ConversationKind, Participant, Role

KEY: Final = "x"
MAX_TEXT: Final = 100_000
BEGINNING: Final = 120  # letters by which the whole text of a shortened post is found
#: What X's names of reactions show; where none is known, the sign stands for itself.
REACTIONS: Final = {"like": "❤️", "funny": "😂", "surprised": "😲", "sad": "😢", "excited": "🔥", "agree": "👍", "disagree": "👎"}
_SCRIPT: Final = re.compile(rb"\s*window\.(?:YTD\.(\w+)\.part\d+|(__THAR_CONFIG))\s*=")
REPEATED: Final = re.compile(r"RT @(\w{1,20}): ")
_EVENT: Final = "It says who came, left or renamed the conversation, which the conversation itself shows. It is no message."
_UNKNOWN: Final = "It is a kind of item that is not known here ({kind}). It is left out."


class Person(msgspec.Struct):
    """What an archive says of somebody besides the id."""

    handle: str = ""
    name: str = ""


class Talk(msgspec.Struct):
    """A conversation as all its messages show it: by ids who is in it, and its latest name with its time."""

    members: dict[str, None] = {}
    title: str = ""
    titled_at: str = ""


class About(Facts):
    """What an archive says as a whole; everybody by id. `listed` are the files that its manifest names, `talk` is the conversation
    that is being looked at.
    """

    me: str = ""
    email: str = ""
    people: dict[str, Person] = {}
    following: set[str] = set()
    followers: set[str] = set()
    talks: dict[str, Talk] = {}
    listed: list[str] = []
    long: dict[str, str] = {}  # by how they begin
    talk: str = ""


class Script(JsonPart[About]):
    """A script of the archive; `kinds` are what its assignment may say."""

    kinds: ClassVar[frozenset[str]]
    #: Where what `learn` wants stands.
    wanted: tuple[Pattern, ...] = ()

    def begins(self, head: bytes, path: Path) -> bool:
        found = _SCRIPT.match(head)
        return found is not None and (found[1] or found[2]).decode() in self.kinds

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterable[Taken]:
        return ()

    def learn(self, about: About, value: Any, item: Item) -> None:
        """Note what an item says of the account, of people and of conversations."""


class Manifest(Script):
    """The archive's own list of its files."""

    kinds = frozenset({"__THAR_CONFIG"})
    wanted = (("dataTypes", "*", "files", "*"),)

    def learn(self, about: About, value: Any, item: Item) -> None:
        if about.memory.takes(name := str(value["fileName"])):
            about.listed.append(name)


class AccountScript(Script):
    """Whose archive it is."""

    kinds = frozenset({"account"})
    wanted = (("*", "account"),)

    def learn(self, about: About, value: Any, item: Item) -> None:
        about.me = str(value["accountId"])
        about.email = email_address.normalised(str(value.get("email", ""))) or ""
        about.people[about.me] = Person(str(value["username"]), _line(value.get("accountDisplayName")))


class LongPosts(Script):
    """The whole texts of posts that stand shortened among the others; they are brought together by how they begin."""

    kinds = frozenset({"note_tweet"})
    wanted = (("*", "noteTweet", "core"),)

    def learn(self, about: About, value: Any, item: Item) -> None:
        text = readable(str(value["text"]), value.get("urls", ()))
        if about.memory.takes(text):
            about.long[text[:BEGINNING]] = text


class Posts(Script):
    """What the account wrote and repeated: the only place where others have names."""

    kind = "ACTIVITY"
    kinds = frozenset({"tweets", "tweet"})
    items = (("*",),)
    wanted = (
        ("*", "tweet", "entities", "user_mentions", "*"), ("*", "entities", "user_mentions", "*"),
    )  # fmt: skip

    def learn(self, about: About, value: Any, item: Item) -> None:
        user, handle, name = str(value["id_str"]), str(value["screen_name"]), _line(value.get("name"))
        person = about.people.get(user)
        if person is None and about.memory.takes(user, handle, name):
            person = about.people[user] = Person()
        if person is not None:
            person.handle, person.name = person.handle or handle, person.name or name

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        post = value.get("tweet", value)  # before 2020 posts stood by themselves
        number, at = str(post["id_str"]), mail_date.asctime(str(post.get("created_at")))  # `Wed Oct 10 20:19:24 +0000 2018`
        if at is None:
            raise Misread(
                f"“{post.get('created_at')}” is no time that is understood. Download the archive again and import it again"
            )
        entities = post.get("entities", {})
        text = readable(str(post.get("full_text") or post.get("text") or ""), entities.get("urls", ()))
        text = about.long.get(text.rstrip("…")[:BEGINNING], text)
        media = tuple(found for one in post.get("extended_entities", entities).get("media", ()) if (found := _media(one)))
        repeated = REPEATED.match(text)
        thing = records.ActivityObject(
            kind="NOTE",
            uri=None if repeated else post_uri(number),
            text=(text[repeated.end() :] if repeated else text) or None,
            language=post.get("lang") if post.get("lang") not in (None, "und") else None,
            url=None if repeated else f"https://x.com/{about.people.get(about.me, Person()).handle or 'i'}/status/{number}",
            attributed_to=_named(repeated[1], about) if repeated else _actor(about.me, about),
            in_reply_to=post_uri(str(post["in_reply_to_status_id_str"])) if post.get("in_reply_to_status_id_str") else None,
            media=media,
            hashtags=tuple(str(one["text"]) for one in entities.get("hashtags", ())),
            published_at=None if repeated else at,
            likes=None if repeated else _count(post.get("favorite_count")),
            reposts=None if repeated else _count(post.get("retweet_count")),
        )
        yield records.Activity(
            key=number,
            actor=_actor(about.me, about),
            verb="ANNOUNCE" if repeated else "CREATE",
            object=thing,
            occurred_at=at,
            mentions=tuple(_actor(str(one["id_str"]), about) for one in entities.get("user_mentions", ()) if one.get("id_str")),
            original=item.data,
            url=thing.url,
            container=source.shown,
        )


class Likes(Script):
    """Posts that the account likes. When it did so is not said, nor whose they are."""

    kind = "ACTIVITY"
    kinds = frozenset({"like"})
    items = (("*", "like"),)

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        number = str(value["tweetId"])
        text = readable(str(value.get("fullText") or ""), ())
        yield records.Activity(
            key=f"like:{number}",
            actor=_actor(about.me, about),
            verb="LIKE",
            object=records.ActivityObject(kind="NOTE", uri=post_uri(number), text=text or None, url=post_uri(number)),
            original=item.data,
            container=source.shown,
        )


class Follows(Script):
    """A list of ids: whom the account follows, or who follows it."""

    kind = "CONTACT"

    def __init__(self, kind: str) -> None:
        self.kinds = frozenset({kind})  # type: ignore[misc]  # set once
        self.items = self.wanted = (("*", kind),)
        self._is_following = kind == "following"

    def learn(self, about: About, value: Any, item: Item) -> None:
        if about.memory.takes(user := str(value["accountId"]), cost=NOTE // 2):
            (about.following if self._is_following else about.followers).add(user)

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        user = value.get("accountId") if isinstance(value, dict) else None
        if not isinstance(user, str) or not user.isdigit():
            raise Misread("There is no account id in it. Download the archive again and import it again")
        person = about.people.get(user, Person())
        both = user in about.following and user in about.followers
        yield records.Contact(
            key=user,
            relation="CONNECTION" if both else "FOLLOWING" if self._is_following else "FOLLOWER",
            names=(records.Name(full=person.name),) if person.name else (),
            handles=(records.Handle(provider=KEY, handle=address_of(user, about), url=profile_url(user, about)),),
            url=profile_url(user, about),
            container=source.shown,
        )


class Contacts(Script):
    """Addresses and numbers that the account's owner had X look up."""

    kind = "CONTACT"
    kinds = frozenset({"contact"})
    items = (("*", "contact"),)

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        emails = [address for raw in value.get("emails", ()) if (address := email_address.normalised(str(raw)))]
        numbers = [str(raw) for raw in value.get("phoneNumbers", ())]
        if not emails and not numbers:
            raise Misread("There is no address or number in it. It is left out")
        yield records.Contact(
            key=f"contact:{value['id']}",
            relation="ADDRESS_BOOK",
            emails=tuple(records.Email(raw=address, address=address) for address in emails),
            phones=tuple(phone_number.read(raw, None) for raw in numbers),
            container=source.shown,
        )


class DirectMessages(Script):
    """Conversations, each with its messages, newest first, and with what happened to it in between."""

    kind = "MESSAGE"
    items = (("*", "dmConversation", "messages", "*"),)
    facts = (("*", "dmConversation", "conversationId"),)
    wanted = (*facts, *items)

    def __init__(self, conversation: ConversationKind, *kinds: str) -> None:
        self.kinds = frozenset(kinds)  # type: ignore[misc]  # set once
        self._conversation = conversation

    def learn(self, about: About, value: Any, item: Item) -> None:
        if item.pattern in self.facts:
            about.talk = str(value)
            if about.memory.takes(about.talk):
                about.talks.setdefault(about.talk, Talk())
            if self._conversation == "DIRECT":
                about.memory.join(about.talks.get(about.talk, Talk()).members, about.talk.split("-"))
            return
        talk = about.talks.get(about.talk, Talk())
        for kind, said in value.items():
            members = [said.get("senderId"), said.get("recipientId"), said.get("initiatingUserId"), *said.get("userIds", ())]
            members += said.get("participantsSnapshot", ())
            about.memory.join(talk.members, [str(one) for one in members if one])
            if kind == "conversationNameUpdate" and str(said.get("createdAt")) > talk.titled_at:
                talk.title, talk.titled_at = _line(said.get("name")), str(said["createdAt"])

    def read(self, source: files.Source, mark: files.Mark, about: About) -> Iterator[files.Read]:
        told: set[str] = set()
        for stood, item, weight in super().read(source, mark, about):
            yield stood, item, weight
            if isinstance(item, records.Message) and item.conversation_key and item.conversation_key not in told:
                if len(told) < MAX_TOLD:
                    told.add(item.conversation_key)
                yield stood, self._head(item.conversation_key, item.sent_at, about), weight

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        said = value.get("messageCreate")
        if said is None:
            kind = next(iter(value), "nothing")
            known = kind in ("joinConversation", "participantsJoin", "participantsLeave", "conversationNameUpdate")
            yield records.Unreadable(
                key=f"{source.shown}{item.pointer}", outcome="SKIPPED", reason="EXCLUDED" if known else "UNSUPPORTED",
                message=_EVENT if known else _UNKNOWN.format(kind=kind), container=source.shown,
            )  # fmt: skip
            return
        conversation = facts.get("conversationId")
        if not isinstance(conversation, str):
            raise Misread("Its conversation has no id. Download the archive again and import it again")
        at = instant(said.get("createdAt"))
        if at is None:
            raise Misread(
                f"“{said.get('createdAt')}” is no time that is understood. Download the archive again and import it again"
            )
        sender = str(said["senderId"])
        talk = about.talks.get(conversation, Talk())
        others = [one for one in talk.members if one != sender]
        text = readable(str(said.get("text", "")), said.get("urls", ()))
        media = [str(url) for url in said.get("mediaUrls", ())]
        yield records.Message(
            key=str(said["id"]),
            sent_at=at,
            container=source.shown,
            conversation_key=conversation,
            conversation_kind=self._conversation,
            text=text,
            body_state="AVAILABLE" if text or media else "EMPTY",
            participants=(_participant(sender, "FROM", about), *(_participant(one, "TO", about) for one in others)),
            category_reason="Somebody wrote it to the members of a conversation.",
            authentication="NOT_CHECKED",
            attachment_count=len(media),
            attachments=tuple(records.Attachment(part="", name=url.rpartition("/")[2] or "file") for url in media),
            reactions=tuple(_reaction(one, about) for one in said.get("reactions", ()) if one.get("reactionKey")),
            url=_talk_url(conversation),
        )

    def _head(self, conversation: str, at: datetime, about: About) -> ConversationHead:
        talk = about.talks.get(conversation, Talk())
        return ConversationHead(
            key=conversation,
            kind=self._conversation,
            last_activity_at=at,
            subject=talk.title or None,
            participants=tuple(_participant(one, "MEMBER", about) for one in talk.members),
            url=_talk_url(conversation),
        )


SCRIPTS: Final[tuple[Script, ...]] = (
    Manifest(), AccountScript(), LongPosts(), Contacts(), Follows("following"), Follows("follower"),
    DirectMessages("DIRECT", "direct_messages", "direct_message"),
    DirectMessages("GROUP", "direct_messages_group", "direct_message_group"), Posts(), Likes(),
)  # fmt: skip


class XArchive(Export[About]):
    """The Archive contract for what X makes of an account."""

    format: ArchiveFormat = "X_TWITTER"
    parts = SCRIPTS

    def look(self, sources: Sequence[tuple[Part[About], files.Source]], own: frozenset[str]) -> About:
        about = About()
        for part, source in sources:
            if isinstance(part, Script) and part.wanted:
                part.look(source, part.wanted, partial(part.learn, about))
        return about

    def profile(self, about: About) -> records.Profile | None:
        if not about.me:
            return None
        mine = records.OwnAddress(value=address_of(about.me, about), kind="HANDLE", primary=True)
        mail = (records.OwnAddress(value=about.email),) if about.email else ()
        return records.Profile(user_id=about.me, label=f"@{about.people[about.me].handle}", own_addresses=(mine, *mail))

    def remarks(self, about: About, sources: Sequence[files.Source]) -> tuple[str, ...]:
        """Which files the archive's own list names that would be read and are not there."""
        here = {source.shown.rpartition("/")[2] for source in sources}
        stems = {kind.replace("_", "-") for part in SCRIPTS for kind in part.kinds}
        names = [name.rpartition("/")[2] for name in about.listed]
        missing = [name for name in names if re.sub(r"(-part\d+)?\.js$", "", name) in stems and name not in here]
        return tuple(
            f"{name}, which the archive's own list names, is missing. Download the archive again to have it." for name in missing
        )


# --- people ---------------------------------------------------------------------------------------------------------------


def address_of(user: str, about: About) -> str:
    """Somebody's address among participants: by handle where it is known. X itself has none that says its network."""
    return f"{about.people.get(user, Person()).handle or user}@x.com"


def profile_url(user: str, about: About) -> str:
    handle = about.people.get(user, Person()).handle
    return f"https://x.com/{handle}" if handle else f"https://x.com/i/user/{user}"


def _participant(user: str, role: Role, about: About) -> Participant:
    return Participant(
        role=role, address=address_of(user, about), kind="HANDLE", name=about.people.get(user, Person()).name, provider=KEY, key=user,
        url=profile_url(user, about),
    )  # fmt: skip


def _actor(user: str, about: About) -> records.Actor:
    return records.Actor(
        uri=f"https://x.com/i/user/{user}", name=about.people.get(user, Person()).name, handle=address_of(user, about), provider=KEY, key=user,
        url=profile_url(user, about),
    )  # fmt: skip


def _named(handle: str, about: About) -> records.Actor:
    """Somebody of whom only the handle is known."""
    url = f"https://x.com/{handle}"
    return records.Actor(uri=url, handle=f"{handle}@x.com", provider=KEY, url=url)


def _reaction(value: Any, about: About) -> records.Reaction:
    sign = str(value["reactionKey"])
    return records.Reaction(
        emoji=REACTIONS.get(sign, sign), participant=_participant(str(value["senderId"]), "MEMBER", about), at=instant(value.get("createdAt")),
        key=str(value["eventId"]) if value.get("eventId") else None,
    )  # fmt: skip


def post_uri(number: str) -> str:
    return f"https://x.com/i/status/{number}"


# --- texts and times ------------------------------------------------------------------------------------------------------


def readable(text: str, urls: Iterable[Any]) -> str:
    """A text as it was typed: character references decoded, `t.co` links as what they lead to."""
    for link in urls:
        short, whole = link.get("url"), link.get("expanded") or link.get("expanded_url")
        if isinstance(short, str) and isinstance(whole, str):
            text = text.replace(short, whole)
    return charset.storable(html.unescape(text))[:MAX_TEXT]


def instant(text: object) -> datetime | None:
    """`2024-01-15T10:11:12.345Z`; None for what is none."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found.astimezone(UTC) if found is not None and found.tzinfo is not None else None


def _media(value: Any) -> records.Media | None:
    """A picture, or a film in the best of its sizes."""
    preview = value.get("media_url_https")
    if not isinstance(preview, str):
        return None
    films = [one for one in value.get("video_info", {}).get("variants", ()) if one.get("content_type") == "video/mp4"]
    if films:
        best = max(films, key=lambda one: int(one.get("bitrate", 0)))
        return records.Media(media_type="video/mp4", url=str(best["url"]), preview_url=preview)
    return records.Media(media_type="image/png" if preview.endswith(".png") else "image/jpeg", url=preview)


def _count(value: object) -> int | None:
    return int(value) if isinstance(value, int | str) and str(value).isdigit() else None


def _line(value: object) -> str:
    return " ".join(html.unescape(value).split())[:500] if isinstance(value, str) else ""


def _talk_url(conversation: str) -> str:
    return f"https://x.com/messages/{conversation}"
