"""Instagram's export of an account, as JSON: followers, whom the account follows, contacts of its phone, direct messages, posts, comments, likes.

Files are told by how they begin, wherever they lie. Lists name people by their user names, messages by what they are called: the
two are not brought together by guessing. Knows nothing of the Graph API; `providers/instagram/adapter.py` binds both to one provider.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from providers import records
from providers.archives import files, json_head
from providers.archives.export import Misread, Taken
from providers.archives.json_stream import Item
from providers.archives.meta import About, MetaExport, MetaPart, SealedThreads, Threads, address, line, seconds
from providers.base import ArchiveFormat
from providers.formats import email_address, phone_number

KEY: Final = "instagram"
HOST: Final = "instagram.com"
MAX_TEXT: Final = 100_000
MAX_EMAILS: Final = 100  # of the owner
_ENTRIES: Final = re.compile(rb"\[")
_FIELDS: Final = re.compile(rb"\{")
_USER: Final = re.compile(r"[a-z0-9._]{1,30}\Z")
#: How exports in other languages call the fields of the account that are read.
USERNAMES: Final = frozenset({
    "username", "benutzername", "nom d’utilisateur", "nom d'utilisateur", "nombre de usuario", "nome utente", "nome de usuário",
    "gebruikersnaam",
})  # fmt: skip
NAMES: Final = frozenset({"name", "nom", "nombre", "nome", "naam"})
#: How they call what was said in a comment; where it is none of these, it is what stands first.
COMMENTS: Final = frozenset(
    {"comment", "kommentar", "commentaire", "comentario", "commento", "comentário", "opmerking", "reactie"}
)


class Account(MetaPart):
    """Whose export it is."""

    shape = re.compile(rb'\s*\{\s*"profile_user"\s*:\s*\[')
    wanted = (("profile_user", "*"),)

    def learn(self, about: About, source: files.Source, value: Any, item: Item) -> None:
        for label, field in value["string_map_data"].items():
            said = line(field.get("value"))
            if label.casefold() in USERNAMES and _USER.match(said):
                about.user = said
            elif label.casefold() in NAMES:
                about.name = said
            elif found := email_address.normalised(said):
                about.emails = (*about.emails, found)[:MAX_EMAILS]
        about.name = about.name or about.user
        about.url = profile_url(about.user) if about.user else None


class Follows(MetaPart):
    """Whom the account follows, or who follows it: in an object under a name, or, as younger exports have followers, a list by itself."""

    kind = "CONTACT"

    def __init__(self, host: str, following: bool, *, listed: bool = False) -> None:
        super().__init__(host)
        self._following, self._listed = following, listed
        name = "relationships_following" if following else "relationships_followers"
        self._named = re.compile(rb'\s*\{\s*"' + name.encode() + rb'"\s*:\s*\[')
        self.items = self.wanted = (("*",),) if listed else ((name, "*"),)

    def begins(self, head: bytes, path: Path) -> bool:
        if self._listed:
            return json_head.look(head).has(listed=True, string_list_data=_ENTRIES)
        return self._named.match(head) is not None

    def learn(self, about: About, source: files.Source, value: Any, item: Item) -> None:
        if (user := user_of(value)) and about.memory.takes(user):
            (about.following if self._following else about.followers).add(user)

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        user = user_of(value)
        if not user:
            raise Misread("There is no user name in it. Download the export again and import it again")
        both = user in about.following and user in about.followers
        yield records.Contact(
            key=user,
            relation="CONNECTION" if both else "FOLLOWING" if self._following else "FOLLOWER",
            handles=(records.Handle(provider=KEY, handle=address(user, HOST), url=profile_url(user)),),
            url=profile_url(user),
            created_at=seconds(_first(value).get("timestamp")),
            container=source.shown,
        )


class PhoneContacts(MetaPart):
    """Contacts that were uploaded from a phone; what each field is, its value tells, since its name is in the export's language."""

    kind = "CONTACT"
    shape = re.compile(rb'\s*\{\s*"contacts_contact_info"\s*:\s*\[')
    items = (("contacts_contact_info", "*"),)

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        values = [said for field in value.get("string_map_data", {}).values() if (said := line(field.get("value")))]
        addresses = [found for raw in values if (found := email_address.normalised(raw))]
        phones = [raw for raw in values if sum(letter.isdigit() for letter in raw) > 4 and "@" not in raw]
        name = " ".join(raw for raw in values if raw not in phones and email_address.normalised(raw) is None)
        if not values:
            raise Misread("There is no name, address or number in it. It is left out")
        yield records.Contact(
            key=f"book:{hashlib.blake2b(chr(0).join(sorted(values)).encode(), digest_size=12).hexdigest()}",
            relation="ADDRESS_BOOK",
            names=(records.Name(full=name),) if name else (),
            emails=tuple(records.Email(raw=one, address=one) for one in addresses),
            phones=tuple(phone_number.read(raw, None) for raw in phones),
            container=source.shown,
        )


class Posts(MetaPart):
    """What the owner posted: pictures, with what was written to them."""

    kind = "ACTIVITY"
    shape = re.compile(rb'\s*\[\s*\{\s*"media"\s*:\s*\[')
    items = (("*",),)

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        media = [one for one in value.get("media", ()) if isinstance(one, dict)]
        first = media[0] if media else {}
        at = seconds(value.get("creation_timestamp") or first.get("creation_timestamp"))
        if at is None:
            raise Misread("There is no time in it. Download the export again and import it again")
        text = str(value.get("title") or first.get("title") or "")[:MAX_TEXT]
        uris = [str(one["uri"]) for one in media if one.get("uri")]
        video = bool(uris) and uris[0].endswith(".mp4")
        said = "\x00".join((str(int(at.timestamp())), text, *uris)).encode("utf-8", "surrogatepass")
        yield records.Activity(
            key=hashlib.blake2b(said, digest_size=16).hexdigest(),
            actor=owner(about),
            verb="CREATE",
            object=records.ActivityObject(kind="VIDEO" if video else "IMAGE", text=text or None, published_at=at),
            occurred_at=at,
            visibility="FOLLOWERS",
            original=msgspec.json.encode(value),
            container=source.shown,
        )


class Comments(MetaPart):
    """What the owner said about posts, and whose they are; where they are, nothing tells. What each field is, its value tells."""

    kind = "ACTIVITY"
    shape = re.compile(rb'\s*\{\s*"comments_(?:media|reels)_comments"\s*:\s*\[')

    def __init__(self, host: str, *, listed: bool) -> None:
        super().__init__(host)
        self._listed = listed
        self.items = (("*",),) if listed else (("comments_media_comments", "*"), ("comments_reels_comments", "*"))

    def begins(self, head: bytes, path: Path) -> bool:
        if self._listed:
            return json_head.look(head).has(listed=True, string_map_data=_FIELDS)
        return super().begins(head, path)

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        fields: dict[str, Any] = value.get("string_map_data") or {
            "comment": _first(value),
            "owner": {"value": value.get("title")},
        }
        at = next((when for field in fields.values() if (when := seconds(field.get("timestamp")))), None)
        if at is None:
            raise Misread("There is no time in it. Download the export again and import it again")
        said = {label.casefold(): str(field["value"]) for label, field in fields.items() if field.get("value")}
        text = next((one for label, one in said.items() if label in COMMENTS), next(iter(said.values()), ""))[:MAX_TEXT]
        whose = [one for one in list(said.values())[1:] if one != text and _USER.match(one)]
        author = actor(whose[-1]) if whose else None
        known = "\x00".join((str(int(at.timestamp())), *whose, text)).encode("utf-8", "surrogatepass")
        yield records.Activity(
            key=f"comment:{hashlib.blake2b(known, digest_size=16).hexdigest()}",
            actor=owner(about),
            verb="CREATE",
            object=records.ActivityObject(kind="NOTE", text=text or None, published_at=at),
            target=None if author is None else records.ActivityObject(kind="IMAGE", attributed_to=author),
            occurred_at=at,
            visibility="FOLLOWERS",
            original=msgspec.json.encode(value),
            container=source.shown,
        )


class Likes(MetaPart):
    """Posts and comments of others that the owner likes: whose, and where they are."""

    kind = "ACTIVITY"
    shape = re.compile(rb'\s*\{\s*"likes_(?:media|comment)_likes"\s*:\s*\[')
    items = (("likes_media_likes", "*"), ("likes_comment_likes", "*"))

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        liked, user = _first(value), line(value.get("title"))
        url = liked.get("href")
        if not isinstance(url, str):
            raise Misread("It does not say which post is liked. Download the export again and import it again")
        author = actor(user) if user else None
        media = item.path[0] == "likes_media_likes"  # a comment has the address of its post
        stood = "" if media else f":{user}:{liked.get('timestamp')}"
        yield records.Activity(
            key=f"like:{url}{stood}",
            actor=owner(about),
            verb="LIKE",
            object=records.ActivityObject(
                kind="IMAGE" if media else "NOTE", uri=url if media else None, url=url, attributed_to=author
            ),
            occurred_at=seconds(liked.get("timestamp")),
            visibility="FOLLOWERS",
            original=msgspec.json.encode(value),
            container=source.shown,
        )


class InstagramArchive(MetaExport):
    """The Archive contract for Instagram's export."""

    format: ArchiveFormat = "INSTAGRAM"
    instagram = True
    host = HOST
    parts = (
        Account(HOST), PhoneContacts(HOST), Follows(HOST, True), Follows(HOST, False), Follows(HOST, False, listed=True), Threads(HOST),
        SealedThreads(HOST), Posts(HOST), Comments(HOST, listed=False), Comments(HOST, listed=True), Likes(HOST),
    )  # fmt: skip

    def user_id(self, about: About) -> str:
        return about.user or about.name.casefold()


def profile_url(user: str) -> str:
    return f"https://www.instagram.com/{quote(user)}"


def actor(user: str) -> records.Actor:
    return records.Actor(uri=profile_url(user), handle=address(user, HOST), provider=KEY, key=user, url=profile_url(user))


def owner(about: About) -> records.Actor:
    """The export's owner as the one who did something; by the address that messages have, since that is known to be the viewer's."""
    uri = about.url or f"https://www.instagram.com/#{about.name.casefold()}"
    return records.Actor(uri=uri, name=about.name, handle=address(about.name, HOST), provider=KEY, url=about.url)


def user_of(value: Any) -> str:
    """The user name of an entry: newer exports have it as its title, older ones as its value, and all in its link."""
    entry = _first(value)
    for said in (entry.get("value"), value.get("title")):
        if isinstance(said, str) and _USER.match(said):
            return said
    link = entry.get("href")
    last = urlsplit(link).path.rstrip("/").rpartition("/")[2] if isinstance(link, str) else ""
    return last if _USER.match(last) else ""


def _first(value: Any) -> dict[str, Any]:
    entries = value.get("string_list_data")
    return entries[0] if isinstance(entries, list) and entries and isinstance(entries[0], dict) else {}
