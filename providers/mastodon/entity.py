"""What a Mastodon-compatible server says, as far as it is used, and how single values of it are read.

Entities follow docs.joinmastodon.org/entities; servers leave out fields, send null for others, and some send more. Knows no server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from providers.errors import Malformed
from providers.formats.html_text import text_of
from providers.formats.vcard import web_address
from providers.records import Url

MAX_TEXT = 100_000
MAX_SHORT = 1_000
MAX_FIELDS = 50
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")


class Emoji(msgspec.Struct, frozen=True):
    shortcode: str = ""


class Field(msgspec.Struct, frozen=True):
    """A line of a profile; `verified_at` when the server has seen the target link back (rel=me)."""

    name: str | None = None
    value: str | None = None
    verified_at: str | None = None


class Account(msgspec.Struct, frozen=True):
    """docs.joinmastodon.org/entities/Account, as far as it is used."""

    id: str
    acct: str
    username: str | None = None
    uri: str | None = None  # 4.2
    url: str | None = None
    display_name: str | None = None
    note: str | None = None
    avatar: str | None = None
    avatar_static: str | None = None
    bot: bool | None = None
    group: bool | None = None
    created_at: str | None = None
    followers_count: int | None = None
    following_count: int | None = None
    emojis: list[Emoji] | None = None
    fields: list[Field] | None = None
    moved: Account | None = None


class Relationship(msgspec.Struct, frozen=True):
    """docs.joinmastodon.org/entities/Relationship."""

    id: str
    following: bool | None = None
    followed_by: bool | None = None
    note: str | None = None


class List(msgspec.Struct, frozen=True):
    """docs.joinmastodon.org/entities/List: some of those whom the account follows, under a title of its own."""

    id: str
    title: str = ""


class Mention(msgspec.Struct, frozen=True):
    id: str
    acct: str
    username: str | None = None
    url: str | None = None


class Tag(msgspec.Struct, frozen=True):
    name: str = ""


class Attachment(msgspec.Struct, frozen=True):
    """docs.joinmastodon.org/entities/MediaAttachment."""

    id: str = ""
    type: str = "unknown"
    url: str | None = None
    preview_url: str | None = None
    description: str | None = None


class Status(msgspec.Struct, frozen=True):
    """docs.joinmastodon.org/entities/Status."""

    id: str
    account: Account
    created_at: str
    uri: str | None = None
    url: str | None = None
    edited_at: str | None = None
    content: str | None = None
    spoiler_text: str | None = None
    sensitive: bool | None = None
    visibility: str | None = None
    language: str | None = None
    reblog: Status | None = None
    favourited: bool | None = None
    favourites_count: int | None = None
    reblogs_count: int | None = None
    replies_count: int | None = None
    tags: list[Tag] | None = None
    in_reply_to_id: str | None = None
    mentions: list[Mention] | None = None
    media_attachments: list[msgspec.Raw] | None = None


class Notification(msgspec.Struct, frozen=True):
    """docs.joinmastodon.org/entities/Notification."""

    id: str
    type: str
    created_at: str
    account: Account
    status: Status | None = None


class Conversation(msgspec.Struct, frozen=True):
    """docs.joinmastodon.org/entities/Conversation; no `last_status` once its posts are deleted."""

    id: str
    accounts: list[Account]
    last_status: Status | None = None
    unread: bool | None = None


class Context(msgspec.Struct, frozen=True):
    ancestors: list[msgspec.Raw]
    descendants: list[msgspec.Raw]


def post_text(source: str | None) -> str:
    """A post's or profile's HTML as text, links as their targets: servers shorten what they show of them.

    Mentions and hashtags stay as they are written.
    """
    if not source:
        return ""
    pieces = []
    *linked, rest = source[:MAX_TEXT].split("</a>")
    for piece in linked:
        start = piece.rfind("<a ")
        end = piece.find(">", start) if start >= 0 else -1
        target = _attribute(piece[start:end], "href") if end >= 0 else None
        if target and not {"mention", "hashtag"} & set((_attribute(piece[start:end], "class") or "").split()):
            piece = piece[:start] + target
        pieces.append(piece)
    return text_of("".join((*pieces, rest))).replace("\x00", "\ufffd")


def links(fields: Iterable[Field]) -> Iterable[Url]:
    """The web addresses of a profile's lines; `verified_at` is the server's proof that the page links back (rel=me)."""
    for field in list(fields)[:MAX_FIELDS]:
        target = _attribute(field.value or "", "href")
        text = target.replace("&amp;", "&") if target else post_text(field.value)
        address = web(text) if "://" in text else None
        if address:
            yield Url(url=address, label=short(field.name) or None, verified=field.verified_at is not None)


def _attribute(markup: str, name: str) -> str | None:
    """The first attribute of this name, in double quotes as Mastodon's sanitiser writes it."""
    start = markup.find(f'{name}="')
    if start < 0:
        return None
    end = markup.find('"', start + len(name) + 2)
    return markup[start + len(name) + 2 : end] if end >= 0 else None


def display_name(account: Account) -> str:
    """The name without the codes of custom emoji, which mean nothing outside of the server."""
    name = short(account.display_name)
    for emoji in (account.emojis or ())[:MAX_FIELDS]:
        if emoji.shortcode:
            name = name.replace(f":{emoji.shortcode}:", "")
    return " ".join(name.split())


def instant(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    if moment is None:
        return None
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:  # the year 1 or 9999 in another time zone
        return None


def web(text: str | None) -> str | None:
    return web_address(text) if text and len(text) <= 2_000 else None


def count(number: int | None) -> int | None:
    return number if number is not None and 0 <= number < 2**31 else None  # GoToSocial: -1 when it is hidden


def short(text: str | None) -> str:
    return (text or "").replace("\x00", "").strip()[:MAX_SHORT]


def long(text: str | None) -> str:
    return (text or "").replace("\x00", "").strip()[:MAX_TEXT]


def segment(identifier: str) -> str:
    """An id for a path: nothing that could lead elsewhere."""
    if not identifier or not identifier.replace("-", "").replace("_", "").isalnum() or not identifier.isascii():
        raise Malformed("The server gave a post an id that is none.", provider_code="id")
    return identifier


def language(text: str | None) -> str | None:
    """A language tag (RFC 5646 §2.1) where it is one."""
    return text if text and _LANGUAGE.fullmatch(text) else None
