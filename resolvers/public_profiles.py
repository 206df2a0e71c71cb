"""A viewer's public profile: what they show of themselves to everybody, under a name of this installation.

It holds what its viewer has written into it and nothing else: no account that is synchronised, and no change at a network, makes anything
public. A link shows as verified where the viewer's own look-ups have found both sides to name each other. The name is the local part of
an account (`acct:`, RFC 7565 §7) and stays its first bearer's. Knows neither pages nor WebFinger.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import Connection

from providers.formats import email_address
from providers.lookup import resources
from resolvers import photos
from resolvers.mistakes import Mistake
from resolvers.operation import Operation
from resolvers.writing import Answer, Mistaken, Payload, payload, perform
from store import public_profiles, web_links
from store.database import Database
from store.feed import Recorder
from store.public_profiles import Content, Profile
from store.web_links import PROVEN

MAX_NAMES: Final = 5  # that one viewer may ever take: those before stay theirs
MAX_TEXT: Final = 200
MAX_NOTE: Final = 2_000
MAX_LINKS: Final = 20
#: Unreserved characters of an acct URI alone (RFC 7565 §7, RFC 3986 §2.3), so that nobody has to encode them.
NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,30}[a-z0-9])?\Z")
#: Names that speak for the installation: mailboxes of roles (RFC 2142), and what other programs take for a person who asks.
RESERVED: Final = frozenset({
    "abuse", "admin", "administrator", "all", "anonymous", "everybody", "everyone", "ftp", "help", "hostmaster", "info", "kith",
    "localhost", "mailer-daemon", "marketing", "me", "moderator", "news", "no-reply", "nobody", "noc", "noreply", "official", "owner",
    "postmaster", "root", "sales", "security", "self", "staff", "support", "system", "usenet", "uucp", "webmaster", "www",
})  # fmt: skip
#: Fields of UpdatePublicProfileInput → what they become.
TEXTS: Final = {
    "displayName": "display_name", "organization": "organization", "jobTitle": "job_title", "locality": "locality", "country": "country",
}  # fmt: skip


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A web address that the viewer says is theirs; when both sides were last found to say so."""

    url: str
    verified_at: datetime | None


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A profile with its addresses; `account` and `url` are None without a name."""

    published: bool
    name: str | None
    account: str | None
    url: str | None
    display_name: str | None
    photo_hash: str | None
    note: str | None
    email: str | None
    organization: str | None
    job_title: str | None
    locality: str | None
    country: str | None
    links: list[Link]


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A profile that everybody may see; `photo_hash` of `shown` is one that can be shown."""

    viewer: str
    shown: Shown


def host(public_url: str) -> str:
    """The host of the installation's accounts, with its port where it is not the usual one."""
    found = resources.web(public_url)
    return urlsplit(found or public_url).netloc


async def of_viewer(operation: Operation) -> Shown:
    """The viewer's own, published or not."""
    return await operation.read(_shown, operation.services.public_url)


async def published(database: Database, public_url: str, name: str) -> Published | None:
    """What everybody may see under a name; None for a name that is nobody's and for one whose bearer shows nothing, without a difference."""
    wanted = name.lower()
    if not NAME.match(wanted):
        return None
    viewer = await database.system_read(public_profiles.bearer, wanted)
    if viewer is None:
        return None
    shown = await database.read(viewer, _shown, public_url, seen=True)
    return Published(viewer=viewer, shown=shown) if shown.published and shown.name == wanted else None


async def update(operation: Operation, patch: Mapping[str, Any], key: str | None) -> Payload:
    """Change what is shown: fields (GraphQL names) that are not in `patch` stay, None takes away."""
    now = operation.now()

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        before = public_profiles.to_change(conn, viewer)
        name = before.name
        if patch.get("name") is not None:
            name = _name(patch["name"])
            _take(conn, viewer, name)
        elif "name" in patch:
            name = None
        after = Profile(
            published=before.published if patch.get("published") is None else patch["published"],
            name=name,
            content=_content(conn, viewer, before.content, patch),
        )
        if after.published and after.name is None:
            raise _wrong("REQUIRED", "A profile that everybody can see needs a name; withdraw it to be without one.", "name")
        if after != before:
            public_profiles.put(conn, viewer, after, now)
        return Answer(node_id=viewer)

    done = await perform(operation, "updatePublicProfile", key, dict(patch), write)
    return payload(operation, done)


def _shown(conn: Connection, viewer: str, public_url: str, *, seen: bool = False) -> Shown:
    """The profile as it is kept; `seen`: without a photo that cannot be shown."""
    kept = public_profiles.get(conn, viewer)
    content = kept.content
    url = None if kept.name is None else f"{public_url}/@{kept.name}"
    photo = content.photo_hash
    if seen and photo is not None and not photos.known(conn, viewer, [photo]):
        photo = None
    verified = {} if url is None or not content.links else _verified(conn, viewer, url)
    return Shown(
        published=kept.published,
        name=kept.name,
        account=None if kept.name is None else f"acct:{kept.name}@{host(public_url)}",
        url=url,
        display_name=content.display_name,
        photo_hash=photo,
        note=content.note,
        email=content.email,
        organization=content.organization,
        job_title=content.job_title,
        locality=content.locality,
        country=content.country,
        links=[Link(url=one, verified_at=verified.get(resources.key(one))) for one in content.links],
    )


def _verified(conn: Connection, viewer: str, url: str) -> dict[str, datetime]:
    """Keys of addresses that name the profile and are named by it, and when that was read."""
    said = web_links.said_by(conn, viewer, [resources.key(url)])
    return {one.target: one.read_at for one in said if one.relation == "ME" and one.claim in PROVEN}


def _take(conn: Connection, viewer: str, name: str) -> None:
    """Make the name the viewer's. Raises Mistaken."""
    had = public_profiles.names_of(conn, viewer)
    if name in had:
        return
    if len(had) >= MAX_NAMES:
        raise _wrong(
            "LIMIT_REACHED", f"You have had {MAX_NAMES} names, which stay yours: {', '.join(had)}. Use one of them.", "name"
        )
    # of a reserved name and of one that somebody has nobody learns which it is
    if name in RESERVED or not public_profiles.take_name(conn, viewer, name):
        raise _wrong("CONFLICT", "This name cannot be used; choose another one.", "name")


def _name(given: str) -> str:
    name = given.strip().removeprefix("@").lower()
    if not NAME.match(name):
        text = "A name is 1 to 32 letters (a to z), digits, dots, hyphens and underscores, with a letter or digit at both ends."
        raise _wrong("INVALID", text, "name")
    return name


def _content(conn: Connection, viewer: str, before: Content, patch: Mapping[str, Any]) -> Content:
    """What is shown after the change. Raises Mistaken."""
    changes: dict[str, Any] = {}
    for field, place in TEXTS.items():
        if field in patch:
            changes[place] = _text(patch[field], field)
    if "note" in patch:
        changes["note"] = _note(patch["note"])
    if "email" in patch:
        changes["email"] = _email(patch["email"])
    if "links" in patch:
        changes["links"] = _links(patch["links"] or [])
    if "photoHash" in patch:
        changes["photo_hash"] = _photo(conn, viewer, patch["photoHash"])
    return msgspec.structs.replace(before, **changes)


def _text(given: str | None, field: str) -> str | None:
    """A line of text; of nothing but blanks none."""
    text = " ".join(_without_controls(given or "").split())
    if len(text) > MAX_TEXT:
        raise _wrong("TOO_LONG", f"This has at most {MAX_TEXT} characters.", field)
    return text or None


def _note(given: str | None) -> str | None:
    text = "\n".join(_without_controls(line).rstrip() for line in (given or "").splitlines()).strip()
    if len(text) > MAX_NOTE:
        raise _wrong("TOO_LONG", f"A note has at most {MAX_NOTE:,} characters.", "note")
    return text or None


def _email(given: str | None) -> str | None:
    if not given:
        return None
    address = email_address.normalised(given)
    if address is None:
        raise _wrong("INVALID", "An e-mail address is written like ada@example.org.", "email")
    return address


def _links(given: list[str]) -> tuple[str, ...]:
    """Web addresses in one spelling, each once: nothing that a browser would run."""
    found: dict[str, str] = {}
    for n, one in enumerate(given):
        url = resources.web(one)
        if url is None:
            raise _wrong("INVALID", "A link is a web address, such as https://social.example.org/@ada.", "links", str(n))
        found.setdefault(resources.key(url), url)
    if len(found) > MAX_LINKS:
        raise _wrong("LIMIT_REACHED", f"A profile has at most {MAX_LINKS} links.", "links")
    return tuple(found.values())


def _photo(conn: Connection, viewer: str, given: str | None) -> str | None:
    if not given:
        return None
    if not photos.known(conn, viewer, [given.lower()]):
        text = "None of your pictures has this hash: take Image.hash of a contact's photo, your own card's for one."
        raise _wrong("NOT_FOUND", text, "photoHash")
    return given.lower()


def _without_controls(text: str) -> str:
    return "".join(" " if unicodedata.category(c) == "Cc" else c for c in text)


def _wrong(code: str, text: str, *field: str) -> Mistaken:
    return Mistaken(Mistake(code=code, message=text, field=field))
