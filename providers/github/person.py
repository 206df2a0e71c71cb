"""People at GitHub as contacts: a user's public profile, and what it says that links to them elsewhere.

The social accounts of a profile are what its owner typed: GitHub shows them and checks none, so that each is a claim and no proof.
A user is known by the number, because a login can be changed and taken by somebody else. Knows no lists and no calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from providers.formats.email_address import normalised
from providers.formats.vcard import web_address
from providers.github.api import KEY
from providers.records import Address, Contact, Email, Handle, Name, Organization, Participant, Photo, Relation, Role, Url

MAX_TEXT: Final = 100_000
MAX_SHORT: Final = 1_000

#: What is asked of a person. With the page sizes of `github.py` a page of them costs one point
#: (graphql/overview/rate-limits-and-query-limits-for-the-graphql-api: connections, one request for each parent, by a hundred).
PERSON: Final = """
fragment Person on User {
  databaseId login name email bio company location url websiteUrl twitterUsername avatarUrl(size: 460) createdAt
  isViewer isFollowingViewer viewerIsFollowing
  socialAccounts(first: 10) { nodes { provider url } }
  followers(first: 1) { totalCount }
}"""
#: Who wrote something: not everybody who can is a User.
AUTHOR: Final = """
fragment Author on Actor {
  __typename login url
  ... on User { id databaseId name isViewer }
  ... on Bot { databaseId }
  ... on Organization { databaseId name }
}"""


class SocialAccount(msgspec.Struct, frozen=True):
    provider: str
    url: str = ""


class SocialAccounts(msgspec.Struct, frozen=True):
    nodes: list[SocialAccount | None] | None = None


class Count(msgspec.Struct, frozen=True, rename="camel"):
    total_count: int


class User(msgspec.Struct, frozen=True, rename="camel"):
    """The fragment Person."""

    login: str
    url: str
    database_id: int | None = None
    name: str | None = None
    email: str = ""
    bio: str | None = None
    company: str | None = None
    location: str | None = None
    website_url: str | None = None
    twitter_username: str | None = None
    avatar_url: str | None = None
    created_at: str | None = None
    is_viewer: bool = False
    is_following_viewer: bool = False
    viewer_is_following: bool = False
    social_accounts: SocialAccounts | None = None
    followers: Count | None = None

    @property
    def key(self) -> str:
        return _key(self.database_id, self.login)


class Actor(msgspec.Struct, frozen=True, rename="camel"):
    """The fragment Author; None in its place is somebody whose account is deleted."""

    login: str
    url: str
    kind: str = msgspec.field(name="__typename", default="User")
    id: str | None = None  # of a User
    database_id: int | None = None
    name: str | None = None
    is_viewer: bool = False

    @property
    def key(self) -> str:
        return _key(self.database_id, self.login)

    @property
    def automated(self) -> bool:
        return self.kind == "Bot"


def contact(user: User, relation: Relation, container: str) -> Contact:
    """A person's public profile."""
    login, picture = short(user.login), web(user.avatar_url)
    address = normalised(user.email) if user.email else None
    handles = [Handle(provider=KEY, handle=login, url=web(user.url))]
    if name := short(user.twitter_username):
        page = f"https://x.com/{name}" if name.isascii() and name.isalnum() else None
        handles.append(Handle(provider="x", handle=name, url=page, claimed=True))
    place = short(user.location)
    return Contact(
        key=user.key,
        relation=relation,
        names=(Name(full=short(user.name) or login, nickname=login),),
        emails=(Email(raw=user.email, address=address),) if address else (),
        urls=tuple(_links(user)),
        handles=tuple(handles),
        organizations=tuple(_companies(short(user.company))),
        addresses=(Address(formatted=place),) if place else (),
        bio=long(user.bio) or None,
        photo=Photo(url=picture) if picture else None,
        url=web(user.url),
        followers=user.followers.total_count if user.followers is not None else None,
        created_at=instant(user.created_at),
        container=container,
    )


def participant(actor: Actor, role: Role) -> Participant:
    login = short(actor.login)
    return Participant(
        role=role, address=login, kind="HANDLE", name=short(actor.name), provider=KEY, key=actor.key, url=web(actor.url)
    )


def instant(text: str | None) -> datetime | None:
    """A DateTime, in UTC."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if text else None
    except (ValueError, OverflowError):
        return None


def web(text: str | None) -> str | None:
    return web_address(text) if text and len(text) <= 2_000 else None


def short(text: str | None) -> str:
    """A name from somebody else's hand: one line, not endless."""
    return " ".join((text or "").replace("\x00", "").split())[:MAX_SHORT]


def long(text: str | None) -> str:
    return (text or "").replace("\r\n", "\n").replace("\x00", "").strip()[:MAX_TEXT]


def _key(number: int | None, login: str) -> str:
    return str(number) if number is not None else f"login:{short(login).casefold()}"


def _links(user: User) -> Iterator[Url]:
    """The website and the social accounts, each once."""
    said = [("website", user.website_url)]
    if user.social_accounts is not None:
        said += [(each.provider.lower(), each.url) for each in user.social_accounts.nodes or () if each is not None]
    known: set[str] = set()
    for label, text in said:
        address = web(text)
        if address is not None and address not in known:
            known.add(address)
            yield Url(url=address, label=label if label != "generic" else None)


def _companies(text: str) -> Iterator[Organization]:
    """`@name` is an organisation at GitHub; several of them are written side by side."""
    words = text.split()
    if words and all(word.startswith("@") for word in words):
        for word in words[:10]:
            if name := word.strip("@,;"):
                yield Organization(name=name)
    elif text:
        yield Organization(name=text)
