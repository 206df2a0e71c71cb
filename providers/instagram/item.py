"""What Instagram shows of a professional account, as records: its profile, its posts with their comments.

Fields as in the models of Meta's Business SDK (IGUser, IGMedia, IGComment). People are known by their user names, which may change
hands; where Instagram tells an id as well, that is who they are. Knows no calls.
"""

from __future__ import annotations

from typing import Final

import msgspec

from providers.archives.instagram import HOST, KEY, profile_url
from providers.entries import readable
from providers.meta.api import Edge, instant, short
from providers.meta.feed import LISTED, Feed, Told
from providers.records import (
    Activity,
    ActivityObject,
    ActivityObjectKind,
    Actor,
    Contact,
    Handle,
    Media,
    Name,
    Photo,
    Row,
    Url,
)

MAX_TEXT: Final = 100_000
POSTS: Final = "posts"
COMMENT_FIELDS: Final = "id,text,timestamp,username,from,parent_id,like_count"
MEDIA_FIELDS: Final = (
    "id,caption,media_type,media_url,thumbnail_url,permalink,timestamp,username,like_count,comments_count,"
    f"comments.limit({LISTED}){{{COMMENT_FIELDS}}}"
)
ME_FIELDS: Final = (
    "id,user_id,username,name,account_type,biography,website,profile_picture_url,followers_count,follows_count,media_count"
)
#: What a post is, by its media_type (IGMedia).
KINDS: Final[dict[str, ActivityObjectKind]] = {"IMAGE": "IMAGE", "VIDEO": "VIDEO", "CAROUSEL_ALBUM": "IMAGE"}


class Me(msgspec.Struct, frozen=True):
    """The account itself: `id` is the app's own number of it, `user_id` the one that everything else names it by."""

    id: str = ""
    user_id: str = ""
    username: str = ""
    name: str = ""
    account_type: str = ""
    biography: str = ""
    website: str = ""
    profile_picture_url: str | None = None
    followers_count: int | None = None
    follows_count: int | None = None


class Author(msgspec.Struct, frozen=True):
    id: str = ""
    username: str = ""


class Comment(msgspec.Struct, frozen=True):
    id: str
    text: str = ""
    timestamp: str = ""
    username: str = ""
    author: Author | None = msgspec.field(name="from", default=None)
    parent_id: str | None = None
    like_count: int | None = None


class Post(msgspec.Struct, frozen=True):
    """A picture, film or album (IGMedia)."""

    id: str
    caption: str = ""
    media_type: str = ""
    media_url: str | None = None
    thumbnail_url: str | None = None
    permalink: str | None = None
    timestamp: str = ""
    like_count: int | None = None
    comments_count: int | None = None
    comments: Edge = msgspec.field(default_factory=lambda: Edge(data=[]))


def address(user: str) -> str:
    return f"{user}@{HOST}"


def contact(me: Me) -> Contact:
    """The account's own profile."""
    return Contact(
        key=me.user_id,
        relation="PROFILE",
        names=(Name(full=short(me.name)),) if me.name else (),
        handles=(Handle(provider=KEY, handle=address(me.username), url=profile_url(me.username)),),
        urls=(Url(url=me.website),) if me.website.startswith(("https://", "http://")) else (),
        bio=me.biography[:MAX_TEXT] or None,
        photo=Photo(url=me.profile_picture_url) if me.profile_picture_url else None,
        url=profile_url(me.username),
        followers=me.followers_count,
        following=me.follows_count,
    )


def feed(me: Me) -> Feed:
    """How the account's posts are asked for, and read."""

    def told(raw: msgspec.Raw) -> Told:
        posts, broken = readable([raw], Post, POSTS)
        if not posts:
            return Told(key="", at=None, rows=tuple(broken))
        item = posts[0]
        return Told(key=item.id, at=instant(item.timestamp), rows=(Row(item=post(item, bytes(raw), me)),), comments=item.comments)

    def commented(raw: msgspec.Raw, under: str) -> Told:
        comments, broken = readable([raw], Comment, POSTS)
        if not comments:
            return Told(key="", at=None, rows=tuple(broken))
        item = comments[0]
        found = comment(item, bytes(raw), under, me)
        return Told(key=item.id, at=instant(item.timestamp), rows=() if found is None else (Row(item=found),))

    return Feed(
        container=POSTS, path=f"{me.user_id}/media", fields=MEDIA_FIELDS, comment_params=(("fields", COMMENT_FIELDS),), post=told,
        comment=commented,
    )  # fmt: skip


def post(item: Post, raw: bytes, me: Me) -> Activity:
    at = instant(item.timestamp)
    url = item.permalink if item.permalink and item.permalink.startswith("https://") else None
    thing = ActivityObject(
        kind=KINDS.get(item.media_type, "IMAGE"),
        uri=uri(item.id),
        text=item.caption[:MAX_TEXT] or None,
        url=url,
        attributed_to=owner(me),
        media=_media(item),
        published_at=at,
        likes=item.like_count,
        replies=item.comments_count,
    )
    return Activity(
        key=item.id, actor=owner(me), verb="CREATE", object=thing, occurred_at=at, visibility="PUBLIC", original=raw, url=url, container=POSTS
    )  # fmt: skip


def comment(item: Comment, raw: bytes, under: str, me: Me) -> Activity | None:
    """A comment; None where Instagram does not say whose it is."""
    author = item.author or Author(username=item.username)
    who = visitor(author if author.username else Author(id=author.id, username=item.username), me)
    if who is None:
        return None
    at = instant(item.timestamp)
    thing = ActivityObject(
        kind="NOTE", uri=uri(item.id), text=item.text[:MAX_TEXT] or None, attributed_to=who,
        in_reply_to=uri(item.parent_id or under), published_at=at, likes=item.like_count,
    )  # fmt: skip
    return Activity(key=item.id, actor=who, verb="CREATE", object=thing, occurred_at=at, original=raw, container=POSTS)


def owner(me: Me) -> Actor:
    url = profile_url(me.username)
    return Actor(uri=url, name=short(me.name) or me.username, handle=address(me.username), provider=KEY, url=url)


def visitor(author: Author, me: Me) -> Actor | None:
    """Somebody by the id that the account's inbox has of them too, by the user name alone where there is no other."""
    if author.username == me.username or author.id == me.user_id:
        return owner(me)
    if not author.username:
        return None
    url = profile_url(author.username)
    key = f"{me.user_id}:{author.id}" if author.id else author.username
    return Actor(uri=url, name=author.username, handle=address(author.username), provider=KEY, key=key, url=url)


def uri(number: str) -> str:
    """Posts and comments by their numbers: their addresses are made of other letters."""
    return f"https://www.{HOST}/#{number}"


def _media(item: Post) -> tuple[Media, ...]:
    """The picture or film. Instagram keeps back the address of what others have a right to."""
    if not item.media_url or not item.media_url.startswith("https://"):
        return ()
    film = item.media_type == "VIDEO"
    return (Media(media_type="video/mp4" if film else "image/jpeg", url=item.media_url, preview_url=item.thumbnail_url),)
