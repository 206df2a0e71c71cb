"""What Facebook shows, as records: friends, pages, posts with their comments and reactions.

Fields as in the models of Meta's Business SDK (User, Page, Post, PagePost, Comment, Profile). Who commented on a page's post has an id of
that page's, the same by which they write to it. Knows no calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from providers.entries import readable
from providers.meta.api import Edge, Summary, instant, short
from providers.meta.feed import LISTED, Feed, Told
from providers.records import Activity, ActivityObject, Actor, Contact, Handle, Media, Name, Photo, Row, Unreadable, Visibility

KEY: Final = "facebook"
HOST: Final = "facebook.com"
MAX_TEXT: Final = 100_000
#: Containers.
FRIENDS, POSTS = "friends", "posts"
#: Of reactions, by their type (Post, edge reactions).
SIGNS: Final = {
    "LIKE": "👍", "LOVE": "❤️", "CARE": "🤗", "HAHA": "😆", "WOW": "😮", "SAD": "😢", "ANGRY": "😡", "THANKFUL": "🌸", "PRIDE": "🏳️‍🌈",
    "FIRE": "🔥", "HUNDRED": "💯",
}  # fmt: skip
COMMENT_FIELDS: Final = "id,from,message,created_time,permalink_url,like_count,parent{id}"
POST_FIELDS: Final = (
    "id,from,message,story,created_time,updated_time,permalink_url,full_picture,privacy,shares,"
    f"reactions.limit({LISTED}).summary(total_count){{id,name,type}},"
    f"comments.order(reverse_chronological).limit({LISTED}).summary(total_count){{{COMMENT_FIELDS}}}"
)
#: Whom a person's post is for, by `privacy.value`; for some only, where it is anything else or not told.
SHOWN: Final[dict[str, Visibility]] = {"EVERYONE": "PUBLIC", "ALL_FRIENDS": "FOLLOWERS", "FRIENDS_OF_FRIENDS": "FOLLOWERS"}


class PictureData(msgspec.Struct, frozen=True):
    url: str = ""
    is_silhouette: bool = False


class Picture(msgspec.Struct, frozen=True):
    data: PictureData = PictureData()


class Permission(msgspec.Struct, frozen=True):
    """What the app asked for, and what became of it: granted, declined, expired."""

    permission: str
    status: str


class Permissions(msgspec.Struct, frozen=True):
    data: list[Permission]


class Person(msgspec.Struct, frozen=True):
    """A user: oneself, or a friend who uses the app. `permissions` only of oneself."""

    id: str
    name: str = ""
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    picture: Picture = Picture()
    permissions: Permissions | None = None

    @property
    def granted(self) -> frozenset[str]:
        """What the user has allowed, as far as they have not taken it back."""
        listed = self.permissions.data if self.permissions is not None else []
        return frozenset(each.permission for each in listed if each.status == "granted")


class InstagramAccount(msgspec.Struct, frozen=True):
    id: str
    username: str = ""


class OwnPage(msgspec.Struct, frozen=True):
    """A page that the user manages, with a token for it. `tasks` are what they may do there."""

    id: str
    name: str = ""
    access_token: str = ""
    tasks: list[str] | None = None
    link: str = ""
    instagram_business_account: InstagramAccount | None = None

    def __repr__(self) -> str:
        return f"OwnPage({self.id})"


class Author(msgspec.Struct, frozen=True):
    id: str
    name: str = ""


class Parent(msgspec.Struct, frozen=True):
    id: str


class Comment(msgspec.Struct, frozen=True):
    id: str
    created_time: str = ""
    author: Author | None = msgspec.field(name="from", default=None)
    message: str = ""
    permalink_url: str | None = None
    like_count: int | None = None
    parent: Parent | None = None


class Reaction(msgspec.Struct, frozen=True):
    id: str
    name: str = ""
    type: str = ""


class Privacy(msgspec.Struct, frozen=True):
    value: str = ""


class Shared(msgspec.Struct, frozen=True):
    count: int | None = None


class Post(msgspec.Struct, frozen=True):
    """A post of a person or a page; `story` is what Facebook says of one without a text."""

    id: str
    created_time: str = ""
    updated_time: str | None = None
    author: Author | None = msgspec.field(name="from", default=None)
    message: str = ""
    story: str = ""
    permalink_url: str | None = None
    full_picture: str | None = None
    privacy: Privacy = Privacy()
    shares: Shared = Shared()
    reactions: Edge = msgspec.field(default_factory=lambda: Edge(data=[]))
    comments: Edge = msgspec.field(default_factory=lambda: Edge(data=[]))


class Whose(msgspec.Struct, frozen=True):
    """Whose posts these are: the user's own (`page` empty), or those of a page. `me` is the address of the account's own user."""

    owner: str
    name: str
    me: str
    page: str = ""

    @property
    def container(self) -> str:
        return f"{POSTS}/{self.owner}"


def address(user: str) -> str:
    """Somebody's address by the app's own id of theirs."""
    return f"{user}@{HOST}"


def friend(person: Person) -> Contact:
    picture = person.picture.data
    return Contact(
        key=person.id,
        relation="CONNECTION",
        names=(name(person),) if person.name else (),
        handles=(Handle(provider=KEY, handle=address(person.id)),),
        photo=Photo(url=picture.url) if picture.url and not picture.is_silhouette else None,
        container=FRIENDS,
    )


def name(person: Person) -> Name:
    return Name(full=short(person.name), given=person.first_name or None, family=person.last_name or None)


def feed(whose: Whose, path: str, token: str | None) -> Feed:
    """How somebody's posts are asked for, and read. What is said about a post is for whom it is for."""
    shown: dict[str, Visibility] = {}

    def told(raw: msgspec.Raw) -> Told:
        posts, broken = readable([raw], Post, whose.container)
        if not posts:
            return Told(key="", at=None, rows=tuple(broken))
        item = posts[0]
        found = post(item, bytes(raw), whose)
        shown[item.id] = visibility(item, whose)
        rows = [lost(item, whose)] if found is None else [found, *reactions(item, found.actor, whose)]
        return Told(
            key=item.id, at=instant(item.created_time), rows=tuple(Row(item=each) for each in rows), comments=item.comments
        )

    def commented(raw: msgspec.Raw, under: str) -> Told:
        comments, broken = readable([raw], Comment, whose.container)
        if not comments:
            return Told(key="", at=None, rows=tuple(broken))
        item = comments[0]
        found = comment(item, bytes(raw), under, whose, shown.get(under, "LIMITED"))
        return Told(key=item.id, at=instant(item.created_time), rows=() if found is None else (Row(item=found),))

    params = (("fields", COMMENT_FIELDS), ("order", "reverse_chronological"))
    return Feed(
        container=whose.container, path=path, fields=POST_FIELDS, comment_params=params, post=told, comment=commented, token=token
    )


def post(item: Post, raw: bytes, whose: Whose) -> Activity | None:
    """A post of the feed's owner, or what somebody else has written there; None where Facebook does not say whose it is."""
    at = instant(item.created_time)
    # one's own list holds one's own posts only; on a page others write as well
    author = owner(whose) if item.author is None and not whose.page else visitor(item.author, whose)
    if author is None:
        return None
    thing = ActivityObject(
        kind="NOTE",
        uri=uri(item.id),
        text=plain(item.message) or None,
        summary=short(item.story) or None,
        url=item.permalink_url or uri(item.id),
        attributed_to=author,
        media=pictures(item.full_picture),
        published_at=at,
        likes=total(item.reactions.summary),
        reposts=item.shares.count,
        replies=total(item.comments.summary),
    )
    return Activity(
        key=item.id,
        actor=author,
        verb="CREATE",
        object=thing,
        summary=short(item.story),
        occurred_at=at,
        visibility=visibility(item, whose),
        original=raw,
        url=thing.url,
        container=whose.container,
    )  # fmt: skip


def visibility(item: Post, whose: Whose) -> Visibility:
    return "PUBLIC" if whose.page else SHOWN.get(item.privacy.value, "LIMITED")


def comment(item: Comment, raw: bytes, under: str, whose: Whose, shown: Visibility) -> Activity | None:
    """A comment on a post; None where Facebook does not say whose it is."""
    author = visitor(item.author, whose)
    if author is None:
        return None
    at = instant(item.created_time)
    thing = ActivityObject(
        kind="NOTE",
        uri=uri(item.id),
        text=plain(item.message) or None,
        url=item.permalink_url or uri(item.id),
        attributed_to=author,
        in_reply_to=uri(item.parent.id if item.parent is not None else under),
        published_at=at,
        likes=item.like_count,
    )
    return Activity(
        key=item.id, actor=author, verb="CREATE", object=thing, occurred_at=at, visibility=shown, original=raw, url=thing.url,
        container=whose.container,
    )  # fmt: skip


def lost(item: Post, whose: Whose) -> Unreadable:
    text = "Facebook does not say who wrote this post. It is left out."
    return Unreadable(key=item.id, outcome="SKIPPED", message=text, reason="UNREADABLE", container=whose.container)


def reactions(item: Post, author: Actor, whose: Whose) -> Iterator[Activity]:
    """Who reacted to a post, as far as Facebook names them. When they did so it does not say."""
    for raw in item.reactions.data:
        try:
            found = msgspec.json.decode(raw, type=Reaction)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue  # people who are not named are counted only
        who = visitor(Author(id=found.id, name=found.name), whose)
        if who is not None:
            thing = ActivityObject(kind="NOTE", uri=uri(item.id), url=item.permalink_url or uri(item.id), attributed_to=author)
            yield Activity(
                key=f"{item.id}:{found.id}", actor=who, verb="LIKE", object=thing, summary=SIGNS.get(found.type, ""),
                visibility=visibility(item, whose), original=bytes(raw), container=whose.container,
            )  # fmt: skip


def owner(whose: Whose) -> Actor:
    """The account's own user, by the name of the page where it is one."""
    url = f"https://www.{HOST}/{whose.owner}"
    return Actor(
        uri=url, kind="ORGANIZATION" if whose.page else "PERSON", name=short(whose.name), handle=whose.me, provider=KEY, url=url
    )


def visitor(author: Author | None, whose: Whose) -> Actor | None:
    """Somebody at a feed; on a page by the page's own id of theirs."""
    if author is None or not author.id:
        return None
    if author.id == whose.owner:
        return owner(whose)
    handle = f"{author.id}@{whose.page}.{HOST}" if whose.page else address(author.id)
    key = f"{whose.page}:{author.id}" if whose.page else author.id
    return Actor(
        uri=f"https://www.{HOST}/{whose.page or 'app'}#{author.id}", name=short(author.name), handle=handle, provider=KEY, key=key
    )


def uri(number: str) -> str:
    return f"https://www.{HOST}/{number}"


def total(summary: Summary | None) -> int | None:
    return summary.total_count if summary is not None else None


def pictures(url: str | None) -> tuple[Media, ...]:
    return (Media(media_type="image/jpeg", url=url),) if url is not None and url.startswith("https://") else ()


def plain(text: str) -> str:
    return text[:MAX_TEXT]
