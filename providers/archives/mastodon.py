"""The archive that a Mastodon server makes of an account, and the tables of its data export: posts, likes, whom the account follows.

Reads ActivityPub's documents (W3C Recommendation, §4 Actors, §5.1 Outbox) as Mastodon's BackupService writes them: `actor.json`, `outbox.json`,
`likes.json`; and `following_accounts.csv`. Actors, handles and posts are told by the same ids as a linked account tells them, so that
people are one and posts are counted once. A post for those alone whom it mentions is a message. Knows no server.
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
from providers.archives import files
from providers.archives.export import Export, Misread, Part, Taken
from providers.archives.json_part import JsonPart
from providers.archives.json_stream import Item, Pattern
from providers.archives.table_part import TablePart
from providers.base import ArchiveFormat, Provider
from providers.formats.vcard import web_address
from providers.mastodon.entity import instant, post_text

KEY: Final = "mastodon"  # the network; the archive is an account of its own
MAX_TEXT: Final = 100_000
PUBLIC: Final = frozenset({"https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"})  # ActivityPub §5.6
#: An account as tables and mentions write it.
ADDRESS: Final = re.compile(r"@?([\w.-]+)@([\w.-]+\.\w+)\Z")
_CONTEXT: Final = rb'\s*\{\s*"@context"\s*:'


class About(msgspec.Struct):
    """Whose archive it is: the actor's id, name and handle with its host, page, and the address of its followers."""

    uri: str = ""
    name: str = ""
    handle: str = ""
    url: str | None = None
    followers: str = ""


class Document(JsonPart[About]):
    """A document of the archive; `mark` is what those of its kind have near their beginning."""

    mark: re.Pattern[bytes]
    wanted: tuple[Pattern, ...] = ()

    def begins(self, head: bytes, path: Path) -> bool:
        return re.match(_CONTEXT, head) is not None and self.mark.search(head) is not None


class ActorDocument(Document):
    """Whose archive it is."""

    mark = re.compile(rb'"outbox"\s*:\s*"outbox\.json"')
    wanted = ((),)

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterable[Taken]:
        return ()

    def learn(self, about: About, value: Any, item: Item) -> None:
        about.uri, user = str(value["id"]), str(value["preferredUsername"])
        about.name = " ".join(str(value.get("name") or user).split())
        about.url = web_address(str(value.get("url") or about.uri))
        # where the domain of handles is another than the server's, FEP-2c59 says which
        said = ADDRESS.match(str(value.get("webfinger") or ""))
        about.handle = f"{said[1]}@{said[2]}" if said else f"{user}@{urlsplit(about.uri).hostname}"
        about.followers = str(value.get("followers") or "")


class Outbox(Document):
    """What the account posted and repeated; of conversations, only its own side."""

    kind = "ACTIVITY"
    mark = re.compile(rb'"id"\s*:\s*"outbox\.json"')
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
            yield _activity(str(value["id"]), verb, repeated, at, about, item, source, visibility=_audience(value, about))
            return
        if not isinstance(thing, dict) or value.get("type") not in ("Create", "Announce"):
            raise Misread(f"It is a kind of act that is not known here ({value.get('type')}). It is left out")
        audience = _audience(thing, about)
        if audience == "LIMITED" and verb == "CREATE":
            yield _message(thing, at, about, source)
            return
        note = _note(thing, at, about)
        key = str(thing["id"]) if verb == "CREATE" else str(value["id"])
        yield _activity(
            key, verb, note, at, about, item, source, visibility=audience, edited_at=instant(thing.get("updated")),
            mentions=tuple(_mentioned(one) for one in _tags(thing, "Mention")),
        )  # fmt: skip


class Likes(Document):
    """The addresses of posts that the account likes. When it did so is not said."""

    kind = "ACTIVITY"
    mark = re.compile(rb'"id"\s*:\s*"likes\.json"')
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
            key=handle,
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
    """A post that those alone can see whom it mentions. Its server's name for the conversation is not that of the linked account."""
    others = [_mentioned(one) for one in _tags(thing, "Mention")]
    files_of = [one for one in thing.get("attachment") or () if isinstance(one, dict)]
    text = post_text(str(thing.get("content") or ""))
    mine = records.Participant(
        role="FROM", address=about.handle, kind="HANDLE", name=about.name, provider=KEY, key=about.uri, url=about.url
    )
    return records.Message(
        key=str(thing["id"]),
        sent_at=at,
        edited_at=instant(thing.get("updated")),
        container=source.shown,
        conversation_key=str(thing.get("conversation") or thing.get("inReplyTo") or thing["id"]),
        conversation_kind="DIRECT" if len(others) < 2 else "GROUP",
        subject=str(thing.get("summary") or "").strip() or None,
        text=text,
        body_state="AVAILABLE" if text or files_of else "EMPTY",
        participants=(
            mine,
            *(
                records.Participant(  # by the key that the list of follows gives
                    role="TO",
                    address=one.handle or one.uri,
                    kind="HANDLE",
                    name=one.name,
                    provider=KEY,
                    key=one.handle,
                    url=one.url,
                )
                for one in others
            ),
        ),
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


def _owner(about: About) -> records.Actor:
    """The archive's account as the one who did something. Raises Misread where the archive does not say which that is."""
    if not about.uri:
        raise Misread("The file actor.json is missing, which says whose archive it is. Import the archive whole")
    return records.Actor(uri=about.uri, name=about.name, handle=about.handle, provider=KEY, key=about.uri, url=about.url)


def _mentioned(tag: dict[str, Any]) -> records.Actor:
    """Somebody who is mentioned: the actor's address and handle; a bare one is of the actor's server."""
    link, said = str(tag.get("href") or ""), str(tag.get("name") or "").strip()
    name, _, host = said.lstrip("@").partition("@")
    name = name or urlsplit(link).path.rstrip("/").rpartition("/")[2].lstrip("@")
    handle = f"{name}@{host or urlsplit(link).hostname}"
    url = web_address(link)
    return records.Actor(uri=url or f"acct:{handle}", name=name, handle=handle, provider=KEY, url=url)


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


PROVIDER = Provider(
    key="mastodon_archive",
    name="Mastodon archive",
    kind="SOCIAL",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "CONVERSATIONS", "ACTIVITIES", "IMPORT", "MIRROR"}),
    limitations=(
        "An archive is a snapshot: what happens afterwards arrives with the next one.",
        "Of conversations it holds what its owner wrote, and no answers.",
        "When a post became a favourite, and whose it is, is not said.",
        "Pictures and other files are named, not kept.",
    ),
    archive_formats=("MASTODON",),
    docs_path="docs/providers/mastodon_archive.md",
    archive=MastodonArchive(),
)
