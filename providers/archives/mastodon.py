"""The archive that a Mastodon server makes of an account, and the tables of its data export: posts, likes, whom the account follows.

Reads ActivityPub's documents (W3C Recommendation, §4 Actors, §5.1 Outbox) as Mastodon's BackupService writes them: `actor.json`, `outbox.json`,
`likes.json`; and `following_accounts.csv`. It fills the account that the user has at that server, linked or not (`providers/mastodon`): people,
posts and direct conversations have the keys that they have there. A post for those alone whom it mentions is a message. Knows no server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from providers import records
from providers.archives import files, json_head
from providers.archives.export import Export, Misread, Part, Taken
from providers.archives.json_part import JsonPart
from providers.archives.json_stream import Item, Pattern
from providers.archives.table_part import TablePart
from providers.base import ArchiveFormat
from providers.formats.vcard import web_address
from providers.mastodon.entity import MAX_TEXT, instant, post_text, short, web
from providers.mastodon.item import KEY, kind_of, talk_key

PUBLIC: Final = frozenset({"https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"})  # ActivityPub §5.6
#: An account as tables and mentions write it. The domain of a server at home may be a host with its port.
ADDRESS: Final = re.compile(r"@?([\w.-]+)@([\w.-]+\.\w+|[\w.-]+:\d+)\Z")
_CONTEXT: Final = re.compile(rb'["\[{]')


class About(msgspec.Struct):
    """Whose archive it is: the actor's id, name and handle with its host, page, and the address of its followers."""

    uri: str = ""
    name: str = ""
    handle: str = ""
    url: str | None = None
    followers: str = ""

    def address(self, name: str, host: str) -> str:
        """A handle. A server leaves its own domain out, which may be another than that of its addresses."""
        own = host.casefold() == (urlsplit(self.uri).hostname or "")
        return f"{name}@{self.handle.rpartition('@')[2] if own else host}"


class Document(JsonPart[About]):
    """A document of the archive; `mark` is the member that tells its kind."""

    mark: tuple[str, re.Pattern[bytes]]
    wanted: tuple[Pattern, ...] = ()

    def begins(self, head: bytes, path: Path) -> bool:
        name, value = self.mark
        return json_head.look(head).has(listed=False, **{"@context": _CONTEXT, name: value})


class ActorDocument(Document):
    """Whose archive it is."""

    mark = ("outbox", re.compile(rb'"outbox\.json"'))
    wanted = ((),)

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterable[Taken]:
        return ()

    def learn(self, about: About, value: Any, item: Item) -> None:
        about.uri, user = _key(value), str(value["preferredUsername"])
        about.name = " ".join(str(value.get("name") or user).split())
        about.url = web_address(str(value.get("url") or about.uri))
        # where the domain of handles is another than the server's, FEP-2c59 says which
        said = ADDRESS.match(str(value.get("webfinger") or ""))
        about.handle = f"{said[1]}@{said[2]}" if said else f"{user}@{urlsplit(about.uri).hostname}"
        about.followers = str(value.get("followers") or "")


class Outbox(Document):
    """What the account posted and repeated; of conversations, only its own side."""

    kind = "ACTIVITY"
    mark = ("id", re.compile(rb'"outbox\.json"'))
    items = (("orderedItems", "*"),)

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        at = instant(value.get("published"))
        if at is None:
            raise Misread(
                f"“{value.get('published')}” is no time that is understood. Ask your server for a new archive and import it"
            )
        thing = value.get("object")
        verb: records.ActivityVerb = "ANNOUNCE" if value.get("type") == "Announce" else "CREATE"
        if verb == "ANNOUNCE" and isinstance(thing, str):
            repeated = records.ActivityObject(kind="NOTE", uri=web_address(thing), url=web_address(thing))
            yield _activity(_key(value), verb, repeated, at, about, item, source, visibility=_audience(value, about))
            return
        if not isinstance(thing, dict) or value.get("type") not in ("Create", "Announce"):
            raise Misread(f"It is a kind of act that is not known here ({value.get('type')}). It is left out")
        audience = _audience(thing, about)
        if audience == "LIMITED" and verb == "CREATE":
            yield _message(thing, at, about, source)
            return
        note = _note(thing, at, about)
        # a server's own name for a repeat is that of the act, for a post that of the thing (app/lib/activitypub/tag_manager.rb, uri_for)
        key = _key(thing if verb == "CREATE" else value)
        yield _activity(
            key, verb, note, at, about, item, source, visibility=audience, edited_at=instant(thing.get("updated")),
            mentions=tuple(_mentioned(one, about) for one in _tags(thing, "Mention")),
        )  # fmt: skip


class Likes(Document):
    """The addresses of posts that the account likes. When it did so is not said."""

    kind = "ACTIVITY"
    mark = ("id", re.compile(rb'"likes\.json"'))
    items = (("orderedItems", "*"),)

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        uri = web_address(value) if isinstance(value, str) else None
        if uri is None:
            raise Misread("It is no address of a post. Ask your server for a new archive and import it")
        liked = records.ActivityObject(kind="NOTE", uri=uri, url=uri)
        yield _activity(f"like:{uri}", "LIKE", liked, None, about, item, source)


class Following(TablePart[About]):
    """Whom the account follows."""

    kind = "CONTACT"
    columns = frozenset({"account address", "show boosts"})

    def taken(self, row: Mapping[str, str], source: files.Source, about: About) -> Iterator[Taken]:
        found = ADDRESS.match(row["account address"])
        if found is None:
            raise Misread("The row has no address of an account (name@server). Export the list again and import it again.")
        handle = f"{found[1]}@{found[2]}"
        yield records.Contact(
            key=handle.casefold(),
            relation="FOLLOWING",
            names=(records.Name(full=found[1]),),
            handles=(records.Handle(provider=KEY, handle=handle),),
            container=source.shown,
        )


class MastodonArchive(Export[About]):
    """The Archive contract for what a Mastodon server makes of an account."""

    format: ArchiveFormat = "MASTODON"
    parts = (ActorDocument(), Following(), Outbox(), Likes())

    def look(self, sources: Sequence[tuple[Part[About], files.Source]], own: frozenset[str]) -> About:
        about = About()
        for part, source in sources:
            if isinstance(part, ActorDocument):
                part.look(source, part.wanted, lambda value, item, part=part: part.learn(about, value, item))  # type: ignore[misc]  # bound as a default
        return about

    def profile(self, about: About) -> records.Profile | None:
        if not about.uri:
            return None
        mine = records.OwnAddress(value=about.handle, kind="HANDLE", primary=True)
        return records.Profile(user_id=about.uri, label=f"@{about.handle}", own_addresses=(mine,))


def _activity(
    key: str, verb: records.ActivityVerb, thing: records.ActivityObject, at: datetime | None, about: About, item: Item, source: files.Source,
    *, visibility: records.Visibility = "PUBLIC", edited_at: datetime | None = None, mentions: tuple[records.Actor, ...] = (),
) -> records.Activity:  # fmt: skip
    return records.Activity(
        key=key, actor=_owner(about), verb=verb, object=thing, occurred_at=at, edited_at=edited_at, visibility=visibility,
        mentions=mentions, original=item.data, url=thing.url, container=source.shown,
    )  # fmt: skip


def _note(thing: dict[str, Any], at: datetime, about: About) -> records.ActivityObject:
    """A post (ActivityStreams 2.0 Vocabulary, Note) as Mastodon writes it."""
    html = str(thing.get("content") or "")[:MAX_TEXT]
    return records.ActivityObject(
        kind="QUESTION" if thing.get("type") == "Question" else "NOTE",
        uri=web_address(str(thing["id"])),
        summary=str(thing.get("summary") or "").strip() or None,
        text=post_text(html) or None,
        html=html or None,
        language=next(iter(thing.get("contentMap") or ()), None),
        url=web_address(str(thing.get("url") or thing["id"])),
        attributed_to=_owner(about),
        in_reply_to=str(thing["inReplyTo"]) if isinstance(thing.get("inReplyTo"), str) else None,
        hashtags=tuple(str(one.get("name", "")).lstrip("#") for one in _tags(thing, "Hashtag")),
        published_at=at,
    )


def _message(thing: dict[str, Any], at: datetime, about: About, source: files.Source) -> records.Message:
    """A post that those alone can see whom it mentions. They say which conversation it is in; its server's name for that is another one."""
    me = _owner(about)
    named = {one.key: one for tag in _tags(thing, "Mention") if (one := _mentioned(tag, about)).key != me.key}
    files_of = [one for one in thing.get("attachment") or () if isinstance(one, dict)]
    text = post_text(str(thing.get("content") or ""))
    key = _key(thing)
    answered = thing.get("inReplyTo")
    return records.Message(
        key=key,
        sent_at=at,
        edited_at=instant(thing.get("updated")),
        container=source.shown,
        conversation_key=talk_key(one.handle or one.uri for one in named.values()),
        conversation_kind=kind_of(len(named)),
        internet_message_id=key,
        references=(answered,) if isinstance(answered, str) else (),
        subject=short(str(thing.get("summary") or "")) or None,
        text=text,
        body_state="AVAILABLE" if text or files_of else "EMPTY",
        participants=(_participant("FROM", me), *(_participant("TO", one) for one in named.values())),
        category_reason="Its author wrote it to those alone whom it mentions.",
        authentication="NOT_CHECKED",
        attachment_count=len(files_of),
        attachments=tuple(
            records.Attachment(
                part="",
                name=str(one.get("url") or "file").rpartition("/")[2],
                media_type=str(one.get("mediaType") or "application/octet-stream"),
            )
            for one in files_of
        ),
        url=web_address(str(thing.get("url") or thing["id"])),
    )


def _participant(role: records.Role, one: records.Actor) -> records.Participant:
    return records.Participant(
        role=role, address=one.handle or one.uri, kind="HANDLE", name=one.name, provider=KEY, key=one.key, url=one.url
    )


def _owner(about: About) -> records.Actor:
    """The archive's account as the one who did something. Raises Misread where the archive does not say which that is."""
    if not about.uri:
        raise Misread("The file actor.json is missing, which says whose archive it is. Import the archive whole")
    return _actor(about.uri, about.name, about.handle, about.url)


def _actor(uri: str, name: str, handle: str, url: str | None) -> records.Actor:
    """Somebody, known by their handle: it is all that a mention or a list of follows says of them."""
    return records.Actor(uri=uri, name=name, handle=handle, provider=KEY, key=handle.casefold(), url=url)


def _mentioned(tag: dict[str, Any], about: About) -> records.Actor:
    """Somebody who is mentioned: the actor's address and handle; a bare one is of the actor's server."""
    link, said = str(tag.get("href") or ""), str(tag.get("name") or "").strip()
    name, _, host = said.lstrip("@").partition("@")
    name = name or urlsplit(link).path.rstrip("/").rpartition("/")[2].lstrip("@")
    handle = f"{name}@{host}" if host else about.address(name, urlsplit(link).hostname or "")
    url = web_address(link)
    return _actor(url or f"acct:{handle}", name, handle, url)


def _key(thing: dict[str, Any]) -> str:
    """The ActivityPub id of a thing, as the linked account tells it. Raises Misread where it has none."""
    uri = thing.get("id")
    if not isinstance(uri, str) or not uri:
        raise Misread("It has no id. Ask your server for a new archive and import it")
    return web(uri) or uri


def _tags(thing: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [one for one in thing.get("tag") or () if isinstance(one, dict) and one.get("type") == kind]


def _audience(thing: dict[str, Any], about: About) -> records.Visibility:
    """Who can see it, by whom it is addressed to, as Mastodon does."""
    to, cc = (_listed(thing.get(field)) for field in ("to", "cc"))
    if PUBLIC & to:
        return "PUBLIC"
    if PUBLIC & cc:
        return "UNLISTED"
    return "FOLLOWERS" if about.followers in to | cc else "LIMITED"


def _listed(value: Any) -> frozenset[str]:
    return frozenset([value] if isinstance(value, str) else (one for one in value or () if isinstance(one, str)))
