"""What people post on Bluesky, as activities: posts and reposts, from the views of an AppView and from the repository's own records.

Lexicons `app.bsky.feed.post`, `app.bsky.feed.defs`, `app.bsky.richtext.facet`, `app.bsky.embed.*`. A facet's places count bytes of
UTF-8. `createdAt` is what the author's program says; it is believed as long as it is not later than the arrival. Does no calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import msgspec

from providers import atproto
from providers.formats.vcard import web_address
from providers.records import Activity, ActivityObject, Actor, Media

KEY: Final = "bluesky"
POSTS: Final = "app.bsky.feed.post"
#: Containers of activities: what the account wrote, and what it is shown.
OWN, TIMELINE = "posts", "timeline"
MAX_SHORT: Final = 1_000
MAX_TEXT: Final = 30_000
MAX_FACETS: Final = 100
#: What the AppView writes for a handle that does not lead back to its account (atproto.com/specs/handle).
INVALID: Final = "handle.invalid"


class Author(msgspec.Struct, frozen=True):
    """app.bsky.actor.defs#profileViewBasic, and the same in chat."""

    did: str
    handle: str
    displayName: str | None = None
    avatar: str | None = None


class PostView(msgspec.Struct, frozen=True):
    """app.bsky.feed.defs#postView."""

    uri: str
    author: Author
    record: msgspec.Raw
    indexedAt: str
    embed: msgspec.Raw | None = None
    replyCount: int | None = None
    repostCount: int | None = None
    likeCount: int | None = None


class Reason(msgspec.Struct, frozen=True):
    """app.bsky.feed.defs#reasonRepost or #reasonPin."""

    type: str = msgspec.field(name="$type", default="")
    by: Author | None = None
    uri: str | None = None
    indexedAt: str | None = None


class FeedItem(msgspec.Struct, frozen=True):
    """app.bsky.feed.defs#feedViewPost."""

    post: PostView
    reason: Reason | None = None

    @property
    def repost(self) -> Reason | None:
        return self.reason if self.reason is not None and self.reason.type.endswith("#reasonRepost") else None

    @property
    def shown_at(self) -> str:
        """When it came into the feed."""
        return (self.repost.indexedAt if self.repost is not None else None) or self.post.indexedAt


class Record(msgspec.Struct, frozen=True):
    """com.atproto.repo.listRecords#record."""

    uri: str
    cid: str
    value: msgspec.Raw

    @property
    def key(self) -> str:
        return self.uri.rpartition("/")[2]


def activity(item: FeedItem) -> Activity:
    """A post of the timeline, or its repost by somebody."""
    post, repost = item.post, item.repost
    made = msgspec.structs.replace(
        _object(post.uri, _loose(post.record), actor(post.author), atproto.instant(post.indexedAt), _views(post.embed)),
        likes=_count(post.likeCount),
        reposts=_count(post.repostCount),
        replies=_count(post.replyCount),
    )
    if repost is not None and repost.by is not None:
        return Activity(
            key=repost.uri or f"{post.uri}#{repost.by.did}",
            actor=actor(repost.by),
            verb="ANNOUNCE",
            object=made,
            occurred_at=atproto.instant(repost.indexedAt),
            url=made.url,
            container=TIMELINE,
        )
    return _created(post.uri, actor(post.author), made, _loose(post.record), bytes(post.record), TIMELINE)


def own_activity(record: Record, me: Author, seen: datetime) -> Activity:
    """A post from the author's own repository, where nobody has counted anything; pictures are known by their blobs."""
    author, value = actor(me), _loose(record.value)
    made = _object(record.uri, value, author, seen, _blobs(value, me.did))
    return _created(record.uri, author, made, value, bytes(record.value), OWN)


def actor(author: Author) -> Actor:
    """Who it is: the DID, since handles change hands."""
    return Actor(
        uri=author.did,
        name=short(author.displayName),
        handle=handle_of(author),
        provider=KEY,
        key=author.did,
        url=profile_url(author.did),
        photo_url=web(author.avatar),
    )


def _created(uri: str, author: Actor, made: ActivityObject, value: dict[str, Any], original: bytes, container: str) -> Activity:
    mentions = {
        feature["did"]: Actor(uri=feature["did"], provider=KEY, key=feature["did"]) for feature in _features(value, "mention")
    }
    return Activity(
        key=uri,
        actor=author,
        verb="CREATE",
        object=made,
        occurred_at=made.published_at,
        mentions=tuple(mentions.values()),
        original=original,
        url=made.url,
        container=container,
    )


def _object(uri: str, value: dict[str, Any], author: Actor, seen: datetime | None, media: tuple[Media, ...]) -> ActivityObject:
    parent = value.get("reply", {}).get("parent", {}) if isinstance(value.get("reply"), dict) else {}
    answered = parent.get("uri") if isinstance(parent, dict) else None
    languages = value.get("langs")
    tags = [feature["tag"] for feature in _features(value, "tag")]
    more = value.get("tags")
    tags += [tag for tag in more if isinstance(tag, str)] if isinstance(more, list) else []
    return ActivityObject(
        kind="NOTE",
        uri=uri,
        text=text_of(value),
        summary=", ".join(_warnings(value)) or None,
        language=next((one for one in languages if isinstance(one, str)), None) if isinstance(languages, list) else None,
        url=post_url(uri),
        attributed_to=author,
        in_reply_to=answered if isinstance(answered, str) else None,
        media=media,
        hashtags=tuple(dict.fromkeys(short(tag).lstrip("#") for tag in tags)),
        published_at=atproto.claimed(value.get("createdAt"), None if seen is None else seen.isoformat()),
    )


def text_of(value: dict[str, Any]) -> str:
    """A text with the real targets of its links, which programs shorten in what they show."""
    text = long(value.get("text"))
    raw = text.encode()
    pieces: list[bytes] = []
    place = 0
    for start, end, feature in sorted(_facets(value), key=lambda one: one[0]):
        target = web(feature.get("uri")) if str(feature.get("$type")).endswith("#link") else None
        if target is None or start < place or end > len(raw):
            continue
        pieces += [raw[place:start], target.encode()]
        place = end
    return b"".join((*pieces, raw[place:])).decode("utf-8", "replace")


def _features(value: dict[str, Any], kind: str) -> Iterator[dict[str, str]]:
    """What the facets of a kind name: people (`did`) or words (`tag`)."""
    name = {"mention": "did", "tag": "tag"}[kind]
    for _, _, feature in _facets(value):
        said = feature.get(name)
        if str(feature.get("$type")).endswith("#" + kind) and isinstance(said, str) and said:
            yield {name: short(said)}


def _facets(value: dict[str, Any]) -> Iterator[tuple[int, int, dict[str, Any]]]:
    facets = value.get("facets")
    for facet in facets[:MAX_FACETS] if isinstance(facets, list) else ():
        index, features = (facet.get("index"), facet.get("features")) if isinstance(facet, dict) else (None, None)
        start, end = (index.get("byteStart"), index.get("byteEnd")) if isinstance(index, dict) else (None, None)
        if isinstance(start, int) and isinstance(end, int) and 0 <= start < end and isinstance(features, list):
            for feature in features:
                if isinstance(feature, dict):
                    yield start, end, feature


def _warnings(value: dict[str, Any]) -> Iterator[str]:
    """What the author says that it holds (com.atproto.label.defs#selfLabels)."""
    labels = value.get("labels")
    values = labels.get("values") if isinstance(labels, dict) else None
    for label in values if isinstance(values, list) else ():
        if isinstance(label, dict) and isinstance(label.get("val"), str):
            yield short(label["val"])


def _views(embed: msgspec.Raw | None) -> tuple[Media, ...]:
    """app.bsky.embed.images#view, #video and recordWithMedia of these."""
    found = _loose(embed) if embed is not None else {}
    if isinstance(found.get("media"), dict):
        found = found["media"]
    images = found.get("images")
    media = []
    for image in images if isinstance(images, list) else ():
        if isinstance(image, dict) and (url := web(image.get("fullsize"))) is not None:
            alt = short(image.get("alt")) or None
            media.append(Media(media_type="image/jpeg", url=url, preview_url=web(image.get("thumb")), alt=alt))
    if (url := web(found.get("playlist"))) is not None:
        alt = short(found.get("alt")) or None
        media.append(Media(media_type="application/vnd.apple.mpegurl", url=url, preview_url=web(found.get("thumbnail")), alt=alt))
    return tuple(media)


def _blobs(value: dict[str, Any], did: str) -> tuple[Media, ...]:
    """app.bsky.embed.images of a record: a picture is the blob that its CID names, which the public CDN shows."""
    embed = value.get("embed")
    embed = embed.get("media", embed) if isinstance(embed, dict) else {}
    images = embed.get("images") if isinstance(embed, dict) else None
    media = []
    for image in images if isinstance(images, list) else ():
        blob = image.get("image") if isinstance(image, dict) else None
        link = blob.get("ref", {}).get("$link") if isinstance(blob, dict) and isinstance(blob.get("ref"), dict) else None
        if isinstance(link, str) and link.isalnum() and isinstance(blob, dict):
            kind = short(blob.get("mimeType")) or "image/jpeg"
            place = f"plain/{did}/{link}@jpeg"
            media.append(
                Media(
                    media_type=kind,
                    url=f"https://cdn.bsky.app/img/feed_fullsize/{place}",
                    preview_url=f"https://cdn.bsky.app/img/feed_thumbnail/{place}",
                    alt=short(image.get("alt")) or None,
                )
            )
    return tuple(media)


def handle_of(author: Author) -> str | None:
    handle = short(author.handle).lower()
    return None if not handle or handle == INVALID else handle


def profile_url(did: str) -> str:
    return f"https://bsky.app/profile/{quote(did, safe=':')}"


def post_url(uri: str) -> str | None:
    """The page of a post: `at://did/app.bsky.feed.post/key`."""
    parts = uri.removeprefix("at://").split("/")
    if len(parts) != 3 or parts[1] != POSTS or not all(parts):
        return None
    return f"{profile_url(parts[0])}/post/{quote(parts[2], safe='')}"


def _loose(raw: msgspec.Raw) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def web(text: Any) -> str | None:
    return web_address(text) if isinstance(text, str) and len(text) <= 2_000 else None


def short(text: Any) -> str:
    return text.replace("\x00", "").strip()[:MAX_SHORT] if isinstance(text, str) else ""


def long(text: Any) -> str:
    return text.replace("\x00", "\ufffd")[:MAX_TEXT] if isinstance(text, str) else ""


def _count(number: int | None) -> int | None:
    return number if number is not None and 0 <= number < 2**31 else None
