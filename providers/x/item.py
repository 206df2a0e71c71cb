"""What X tells of people, direct messages and posts, as records: by the same keys as its archive does (`archives/x_twitter.py`).

Names as in X's OpenAPI description 2.167, and as its older guides have them (`referenced_tweets`, `note_tweet`). Texts are HTML-escaped
and their links shortened: both are undone. Does no calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import msgspec

from providers.archives.x_twitter import REPEATED, instant, post_uri, readable
from providers.formats.vcard import web_address
from providers.records import (
    Activity,
    ActivityObject,
    Actor,
    Attachment,
    Contact,
    ConversationHead,
    ConversationKind,
    Handle,
    Media,
    Message,
    Name,
    Participant,
    Photo,
    Relation,
    Role,
    Url,
)
from providers.x.api import KEY, Problem, short

PEOPLE, MESSAGES, POSTS, MENTIONS = "people", "messages", "posts", "mentions"
MAX_URLS: Final = 10
KINDS: Final = {"photo": "image/jpeg", "animated_gif": "video/mp4", "video": "video/mp4"}


class Link(msgspec.Struct, frozen=True):
    url: str | None = None
    expanded_url: str | None = None
    unwound_url: str | None = None

    @property
    def whole(self) -> dict[str, str | None]:
        return {"url": self.url, "expanded_url": self.unwound_url or self.expanded_url}


class Mention(msgspec.Struct, frozen=True):
    id: str | None = None
    username: str | None = None


class Tag(msgspec.Struct, frozen=True):
    tag: str


class Entities(msgspec.Struct, frozen=True):
    urls: list[Link] | None = None
    mentions: list[Mention] | None = None
    hashtags: list[Tag] | None = None


class UserEntities(msgspec.Struct, frozen=True):
    url: Entities | None = None
    description: Entities | None = None


class UserMetrics(msgspec.Struct, frozen=True):
    followers_count: int | None = None
    following_count: int | None = None


class User(msgspec.Struct, frozen=True):
    """components/schemas/User."""

    id: str
    username: str = ""
    name: str = ""
    description: str = ""
    location: str = ""
    url: str = ""
    entities: UserEntities | None = None
    profile_image_url: str = ""
    protected: bool = False
    verified_type: str = ""
    public_metrics: UserMetrics | None = None
    connection_status: list[str] | None = None
    created_at: str = ""


class Variant(msgspec.Struct, frozen=True):
    bit_rate: int | None = None
    content_type: str | None = None
    url: str | None = None


class Medium(msgspec.Struct, frozen=True):
    """components/schemas/Media."""

    media_key: str = ""
    type: str = ""
    url: str = ""
    preview_image_url: str = ""
    alt_text: str = ""
    variants: list[Variant] | None = None


class Attached(msgspec.Struct, frozen=True):
    media_keys: list[str] | None = None


class Reference(msgspec.Struct, frozen=True):
    id: str
    type: str = ""


class Note(msgspec.Struct, frozen=True):
    text: str
    entities: Entities | None = None


class PostMetrics(msgspec.Struct, frozen=True):
    like_count: int | None = None
    reply_count: int | None = None
    repost_count: int | None = None
    retweet_count: int | None = None


class Post(msgspec.Struct, frozen=True):
    """components/schemas/Post."""

    id: str
    text: str = ""
    author_id: str = ""
    created_at: str = ""
    lang: str = ""
    entities: Entities | None = None
    attachments: Attached | None = None
    referenced_posts: list[Reference] | None = None
    referenced_tweets: list[Reference] | None = None
    note_post: Note | None = None
    note_tweet: Note | None = None
    public_metrics: PostMetrics | None = None

    def refers(self, kind: str) -> str | None:
        """The post that this one repeats (`retweeted`), quotes or answers (`replied_to`)."""
        return next((each.id for each in self.referenced_posts or self.referenced_tweets or () if each.type == kind), None)


class Event(msgspec.Struct, frozen=True):
    """components/schemas/DmEvent."""

    id: str
    dm_conversation_id: str
    event_type: str = "MessageCreate"
    text: str = ""
    created_at: str = ""
    sender_id: str = ""
    entities: Entities | None = None
    attachments: Attached | None = None


class Includes(msgspec.Struct, frozen=True):
    """components/schemas/Expansions. What cannot be read of it is as if it had not come along."""

    users: list[User] = []
    posts: list[Post] = []
    tweets: list[Post] = []
    media: list[Medium] = []


class Meta(msgspec.Struct, frozen=True):
    result_count: int
    next_token: str = ""


class List(msgspec.Struct, frozen=True):
    """A page of a list: `data` is left out where there is none, and `meta` where there are errors and nothing else."""

    data: list[msgspec.Raw] = []
    includes: Includes = Includes()
    meta: Meta | None = None
    errors: list[Problem] = []


class Person(msgspec.Struct, frozen=True):
    """What is remembered of somebody met: enough for an address and a name."""

    username: str = ""
    name: str = ""


Cast = Mapping[str, Person]


def person(user: User) -> Person:
    return Person(username=_handle(user.username), name=short(user.name))


def contact(user: User, relation: Relation) -> Contact:
    """One person, with what the profile says; its links are what people say of themselves."""
    said = person(user)
    links = (
        [link for part in (user.entities.url, user.entities.description) if part for link in part.urls or ()]
        if user.entities
        else []
    )
    found = [web_address(str(link.whole["expanded_url"])) for link in links if link.whole["expanded_url"]]
    urls = dict.fromkeys(url for url in (*found, None if found else web_address(user.url)) if url)
    metrics = user.public_metrics or UserMetrics()
    described = user.entities.description if user.entities else None
    bio = readable(user.description, (link.whole for link in (described.urls if described else None) or ()))
    picture = web_address(user.profile_image_url.replace("_normal.", "_400x400."))
    return Contact(
        key=user.id,
        relation=relation,
        nature="ORGANIZATION" if user.verified_type in ("business", "government") else "INDIVIDUAL",
        names=(Name(full=said.name),) if said.name else (),
        handles=(Handle(provider=KEY, handle=address(user.id, said), url=profile_url(user.id, said)),),
        urls=tuple(Url(url=url) for url in list(urls)[:MAX_URLS]),
        bio=bio.strip() or None,
        photo=Photo(url=picture) if picture else None,
        url=profile_url(user.id, said),
        followers=_count(metrics.followers_count),
        following=_count(metrics.following_count),
        container=PEOPLE,
        created_at=instant(user.created_at),
    )


def message(event: Event, at: datetime, cast: Cast, others: Iterable[str], media: Mapping[str, Medium]) -> Message:
    """A direct message; `others` are those it was written to."""
    keys = (event.attachments.media_keys if event.attachments else None) or []
    text = text_of(event)
    return Message(
        key=event.id,
        sent_at=at,
        container=MESSAGES,
        conversation_key=event.dm_conversation_id,
        conversation_kind=kind(event.dm_conversation_id),
        text=text,
        body_state="AVAILABLE" if text or keys else "EMPTY",
        participants=(
            participant(event.sender_id, "FROM", cast),
            *(participant(each, "TO", cast) for each in others if each != event.sender_id),
        ),
        category_reason="Somebody wrote it to the members of a conversation.",
        authentication="NOT_CHECKED",
        attachment_count=len(keys),
        attachments=tuple(_attachment(key, media.get(key, Medium())) for key in keys),
        url=talk_url(event.dm_conversation_id),
    )


def text_of(event: Event) -> str:
    """A direct message as it was typed."""
    return readable(event.text, _links(event.entities))


def head(conversation: str, at: datetime, cast: Cast, members: Iterable[str]) -> ConversationHead:
    """A conversation; of a group no more than who has written, which its archive knows better."""
    return ConversationHead(
        key=conversation,
        kind=kind(conversation),
        last_activity_at=at,
        whole=kind(conversation) == "DIRECT",
        participants=tuple(participant(each, "MEMBER", cast) for each in members),
        url=talk_url(conversation),
    )


def activity(post: Post, raw: bytes, includes: Includes, cast: Cast, container: str, *, private: bool) -> Activity:
    """A post, an answer or a repost; the post that is repeated comes along, whole."""
    repeated = post.refers("retweeted")
    known = {each.id: each for each in (*includes.posts, *includes.tweets)}
    media = {each.media_key: each for each in includes.media}
    mentions = (post.entities.mentions if post.entities else None) or ()
    named = {each.id: Person(username=_handle(each.username)) for each in mentions if each.id} | dict(cast)
    prefix = REPEATED.match(post.text)  # whose post it is, X says of a repost by its beginning alone
    if repeated is None:
        thing = _object(post, named, media)
    elif (other := known.get(repeated)) is not None:
        if other.author_id and other.author_id not in named and prefix is not None:
            named[other.author_id] = Person(username=_handle(prefix[1]))
        thing = _object(other, named, media)
    else:  # deleted or protected since: X says no more of it than its beginning
        text = _text(post)
        text = text[prefix.end() :] if prefix is not None else text
        thing = ActivityObject(kind="NOTE", uri=post_uri(repeated), text=text or None, url=post_uri(repeated))
    return Activity(
        key=post.id,
        actor=actor_of(post.author_id, cast),
        verb="CREATE" if repeated is None else "ANNOUNCE",
        object=thing,
        occurred_at=instant(post.created_at),
        visibility="FOLLOWERS" if private else "PUBLIC",
        mentions=tuple(actor_of(each.id, named) for each in mentions if each.id),
        original=raw,
        url=thing.url,
        container=container,
    )


def actor_of(user: str, cast: Cast) -> Actor:
    said = cast.get(user, Person())
    return Actor(
        uri=f"https://x.com/i/user/{user}",
        name=said.name,
        handle=address(user, said),
        provider=KEY,
        key=user,
        url=profile_url(user, said),
    )


def participant(user: str, role: Role, cast: Cast) -> Participant:
    said = cast.get(user, Person())
    return Participant(
        role=role, address=address(user, said), kind="HANDLE", name=said.name, provider=KEY, key=user, url=profile_url(user, said)
    )


def members(conversation: str) -> tuple[str, ...]:
    """Who is in a conversation of two, by its own name; nobody of a group."""
    return tuple(conversation.split("-")) if kind(conversation) == "DIRECT" else ()


def kind(conversation: str) -> ConversationKind:
    """`<id>-<id>` are two people, a number alone is a group."""
    return "DIRECT" if "-" in conversation else "GROUP"


def address(user: str, said: Person) -> str:
    return f"{said.username or user}@x.com"


def profile_url(user: str, said: Person) -> str:
    return f"https://x.com/{said.username}" if said.username else f"https://x.com/i/user/{user}"


def talk_url(conversation: str) -> str:
    return f"https://x.com/messages/{conversation}"


def _object(post: Post, cast: Cast, media: Mapping[str, Medium]) -> ActivityObject:
    metrics = post.public_metrics or PostMetrics()
    answered = post.refers("replied_to")
    handle = cast.get(post.author_id, Person()).username or "i"
    keys = (post.attachments.media_keys if post.attachments else None) or ()
    tags = (post.entities.hashtags if post.entities else None) or ()
    return ActivityObject(
        kind="NOTE",
        uri=post_uri(post.id),
        text=_text(post) or None,
        language=post.lang if post.lang not in ("", "und") else None,
        url=f"https://x.com/{handle}/status/{post.id}",
        attributed_to=actor_of(post.author_id, cast) if post.author_id else None,
        in_reply_to=post_uri(answered) if answered else None,
        media=tuple(found for key in keys if (found := _media(media.get(key, Medium()))) is not None),
        hashtags=tuple(dict.fromkeys(short(each.tag) for each in tags)),
        published_at=instant(post.created_at),
        likes=_count(metrics.like_count),
        reposts=_count(metrics.repost_count if metrics.repost_count is not None else metrics.retweet_count),
        replies=_count(metrics.reply_count),
    )


def _text(post: Post) -> str:
    """The whole text, also of what is longer than 280 letters."""
    note = post.note_post or post.note_tweet
    return (
        readable(post.text, _links(post.entities))
        if note is None
        else readable(note.text, _links(note.entities or post.entities))
    )


def _links(entities: Entities | None) -> Iterable[dict[str, str | None]]:
    return [link.whole for link in (entities.urls if entities else None) or ()]


def _media(medium: Medium) -> Media | None:
    """A picture, or a film in the best of its sizes."""
    films = [each for each in medium.variants or () if each.content_type == "video/mp4" and each.url]
    best = max(films, key=lambda each: each.bit_rate or 0, default=None)
    url = web_address((best.url or "") if best is not None else medium.url)
    if url is None:
        return None
    preview = web_address(medium.preview_image_url) or (None if best is not None else url)
    return Media(
        media_type=KINDS.get(medium.type, "image/jpeg"), url=url, preview_url=preview, alt=short(medium.alt_text) or None
    )


def _attachment(key: str, medium: Medium) -> Attachment:
    name = (medium.url or medium.preview_image_url).partition("?")[0].rpartition("/")[2]
    return Attachment(part=key, name=short(name) or "file", media_type=KINDS.get(medium.type, "application/octet-stream"))


def _handle(text: str | None) -> str:
    found = (text or "").strip()
    return found if found.isascii() and found.replace("_", "").isalnum() and len(found) <= 50 else ""


def _count(number: int | None) -> int | None:
    return number if number is not None and 0 <= number < 2**31 else None
