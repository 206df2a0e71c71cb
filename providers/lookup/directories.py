"""Directories that know people of other places: Gravatar (v3 API), Keybase (API 1.0), and GitHub for its own users (REST API).

Whoever is asked about an address learns that somebody knows it. A directory that would learn of what is not its own is asked only when the
viewer names it (`THIRD_PARTIES`, data); of an address, Gravatar is sent a hash. GitHub and Keybase are asked about their own pages like any
host, by their interfaces, since their pages are for people.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, unquote

import httpx2 as httpx
import msgspec

from providers.errors import Malformed
from providers.lookup.crawl import Fetched, Web
from providers.lookup.reading import Ask, Notes, Reading, nothing
from providers.lookup.resources import Resource

GRAVATAR: Final = "gravatar"
GITHUB: Final = "github"
KEYBASE: Final = "keybase"
MAX_BYTES: Final = 512 * 1024
LOGIN: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})")
KEYBASE_NAME: Final = re.compile(r"[A-Za-z0-9_]{2,16}")
VALID: Final = 1  # keybase.io/docs/api/1.0: the state of a proof that was found and checked


class ThirdParty(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who would learn that a person is known here: `learns` says what of."""

    key: str
    name: str
    learns: str


THIRD_PARTIES: Final = (
    ThirdParty(key=GRAVATAR, name="Gravatar", learns="the SHA-256 of an e-mail address"),
    ThirdParty(key=KEYBASE, name="Keybase", learns="a web address, or a name at GitHub"),
)


def asks(resource: Resource, consented: frozenset[str]) -> Iterator[Ask]:
    """What directories may be asked about a resource: those that it belongs to, and third parties that were named."""
    if resource.kind == "mailto" and GRAVATAR in consented:
        digest = hashlib.sha256(unquote(resource.name).strip().lower().encode()).hexdigest()
        yield Ask(GRAVATAR, f"https://api.gravatar.com/v3/profiles/{digest}", resource.uri)
    if resource.kind != "web":
        return
    if name := keybase_name(resource.uri):
        yield Ask(KEYBASE, _keybase(f"usernames={name}"), resource.uri)
    elif KEYBASE in consented:
        login = github_login(resource.uri)
        question = f"github={login}" if login else f"domain={quote(resource.host, safe='')}"
        yield Ask(KEYBASE, _keybase(question), resource.uri)
    if login := github_login(resource.uri):
        yield Ask(GITHUB, f"https://api.github.com/users/{login}", resource.uri)


def is_own(resource: Resource) -> bool:
    """Whether a page belongs to one of these, which is asked instead of it."""
    return resource.kind == "web" and bool(github_login(resource.uri) or keybase_name(resource.uri))


def github_login(url: str) -> str | None:
    """Whose profile at GitHub an address is."""
    return _only_segment(url, "github.com", LOGIN)


def keybase_name(url: str) -> str | None:
    """Whose profile at Keybase an address is."""
    return _only_segment(url, "keybase.io", KEYBASE_NAME)


async def read_gravatar(ask: Ask, web: Web, until: datetime) -> Reading:
    """The accounts that Gravatar has seen its user sign in to (docs.gravatar.com/rest-api). Raises what `Web.get` raises."""
    fetched, document = await _document(ask.url, web, until)
    if document is None:
        return nothing(ask, web.clock.now(), fetched)
    notes = Notes(ask, ask.subject)
    notes.says(document.get("profile_url"), "ME", GRAVATAR, vouched=True)
    for account in _objects(document.get("verified_accounts")):
        if not account.get("is_hidden"):
            notes.says(account.get("url"), "ME", GRAVATAR, vouched=True)
    notes.shows(
        name=document.get("display_name"), photo=document.get("avatar_url"), bio=document.get("description"),
        organization=document.get("company"), title=document.get("job_title"), place=document.get("location"),
    )  # fmt: skip
    return notes.done(fetched, web.clock.now())


async def read_github(ask: Ask, web: Web, until: datetime) -> Reading:
    """What a user of GitHub says of themselves; their page says it with rel=me. Raises what `Web.get` raises."""
    fetched, document = await _document(ask.url, web, until)
    if document is None or str(document.get("login", "")).lower() != ask.url.rpartition("/")[2].lower():
        return nothing(ask, web.clock.now(), fetched)
    notes = Notes(ask, ask.subject)
    blog = document.get("blog")
    if isinstance(blog, str) and blog.strip():
        notes.says(blog if "://" in blog else f"https://{blog.strip()}", "ME", GITHUB, mutual=True)
    accounts, listed = await _listed(f"{ask.url}/social_accounts", web, until)
    for account in _objects(listed):
        notes.says(account.get("url"), "ME", GITHUB, mutual=True)
    notes.shows(
        name=document.get("name"), photo=document.get("avatar_url"), bio=document.get("bio"),
        organization=document.get("company"), place=document.get("location"),
    )  # fmt: skip
    return notes.done(fetched, web.clock.now(), size=len(fetched.response.content) + len(accounts.response.content))


async def read_keybase(ask: Ask, web: Web, until: datetime) -> Reading:
    """The proofs that Keybase has found where they have to stand. Raises what `Web.get` raises."""
    fetched, document = await _document(ask.url, web, until)
    them = document.get("them") if document is not None else None
    found = [one for one in _objects(them) if isinstance(one.get("basics"), Mapping)]
    if not found:
        return nothing(ask, web.clock.now(), fetched)
    notes = Notes(ask, ask.subject)
    for one in found:
        name = one["basics"].get("username")
        if not isinstance(name, str) or not KEYBASE_NAME.fullmatch(name):
            continue
        page = f"https://keybase.io/{name}"
        proofs = one.get("proofs_summary")
        for proof in _objects(proofs.get("all") if isinstance(proofs, Mapping) else None):
            if proof.get("state") == VALID:
                notes.says(proof.get("service_url"), "ME", KEYBASE, vouched=True, speaker=page)
        profile = one.get("profile")
        if isinstance(profile, Mapping):
            notes.shows(name=profile.get("full_name"), bio=profile.get("bio"), uri=page)
    return notes.done(fetched, web.clock.now())


async def _document(url: str, web: Web, until: datetime) -> tuple[Fetched, Mapping[str, Any] | None]:
    fetched, found = await _listed(url, web, until)
    return fetched, found if isinstance(found, Mapping) else None


async def _listed(url: str, web: Web, until: datetime) -> tuple[Fetched, Any]:
    fetched = await web.get(url, accept="application/json", until=until, tls=True, max_bytes=MAX_BYTES)
    try:
        return fetched, fetched.response.json() if fetched.there else None
    except Malformed:
        return fetched, None


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _only_segment(url: str, host: str, name: re.Pattern[str]) -> str | None:
    place = httpx.URL(url)
    segment = place.path.strip("/")
    ours = place.host.removeprefix("www.") == host and not place.query and place.port is None
    return segment if ours and name.fullmatch(segment) else None


def _keybase(question: str) -> str:
    return f"https://keybase.io/_/api/1.0/user/lookup.json?{question}&fields=basics,profile,proofs_summary"
