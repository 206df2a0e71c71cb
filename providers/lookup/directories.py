"""Directories that know people of other places: Gravatar (v3 API), Keybase (API 1.0), and GitHub for its own users (REST API).

Whoever is asked about an address learns that somebody knows it. A directory that would learn of what is not its own is asked only when the
viewer names it (`THIRD_PARTIES`, data); of an address, Gravatar is sent a hash. GitHub and Keybase are asked about their own pages like any
host, by their interfaces, since their pages are for people. GitHub finds users by the address that they show in public, which it has checked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, unquote

import httpx2 as httpx
import msgspec

from providers.errors import Malformed, RateLimited
from providers.lookup.crawl import Fetched, Web
from providers.lookup.reading import Ask, Notes, Reading, nothing
from providers.lookup.resources import Resource

GRAVATAR: Final = "gravatar"
GITHUB: Final = "github"
GITHUB_SEARCH: Final = "github-search"
KEYBASE: Final = "keybase"
MAX_BYTES: Final = 512 * 1024
#: Users whom a search by an address may name; of an address that more show it says nothing.
MAX_USERS: Final = 3
LOGIN: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})")
KEYBASE_NAME: Final = re.compile(r"[A-Za-z0-9_]{2,16}")
#: For which a limit holds that does not say so, and the longest that one is believed.
LIMITED: Final = timedelta(minutes=1)
LONGEST_LIMIT: Final = timedelta(hours=1)
#: Signs of a local part that stand for themselves in mailto: (RFC 6068 §2).
MAIL: Final = "!#$&'*+-/=?^_`{|}~.%@"
VALID: Final = 1  # keybase.io/docs/api/1.0: the state of a proof that was found and checked


class ThirdParty(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who would learn that a person is known here: `learns` says what of."""

    key: str
    name: str
    learns: str


THIRD_PARTIES: Final = (
    ThirdParty(key=GRAVATAR, name="Gravatar", learns="the SHA-256 of an e-mail address"),
    ThirdParty(key=GITHUB, name="GitHub", learns="an e-mail address"),
    ThirdParty(key=KEYBASE, name="Keybase", learns="a web address, or a name at GitHub"),
)
#: Third parties that are told of what the viewer has named alone, and of nothing that is found on the way: they are told it in clear.
OF_THE_ASKED: Final = frozenset({GITHUB})


def asks(resource: Resource, consented: frozenset[str]) -> Iterator[Ask]:
    """What directories may be asked about a resource: those that it belongs to, and third parties that were named."""
    if resource.kind == "mailto" and GRAVATAR in consented:
        digest = hashlib.sha256(unquote(resource.name).strip().lower().encode()).hexdigest()
        yield Ask(GRAVATAR, f"https://api.gravatar.com/v3/profiles/{digest}", resource.uri)
    if resource.kind == "mailto" and GITHUB in consented:
        wanted = quote(f"{unquote(resource.name)} in:email", safe="")
        yield Ask(GITHUB_SEARCH, f"https://api.github.com/search/users?q={wanted}&per_page={MAX_USERS}", resource.uri)
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
    email = document.get("email")
    if isinstance(email, str) and "@" in email:  # docs.github.com/account-and-profile: one of the addresses that were verified
        notes.says(f"mailto:{quote(email.strip(), safe=MAIL)}", "ME", GITHUB, mutual=True, vouched=True)
    accounts, listed = await _listed(f"{ask.url}/social_accounts", web, until)
    for account in _objects(listed):
        notes.says(account.get("url"), "ME", GITHUB, mutual=True)
    notes.shows(
        name=document.get("name"), photo=document.get("avatar_url"), bio=document.get("bio"),
        organization=document.get("company"), place=document.get("location"),
    )  # fmt: skip
    return notes.done(fetched, web.clock.now(), size=len(fetched.response.content) + len(accounts.response.content))


async def read_github_search(ask: Ask, web: Web, until: datetime) -> Reading:
    """The users who show an address in public (docs.github.com/rest/search#search-users): what each says is read at their own place, and
    is what counts. Raises what `Web.get` raises.
    """
    fetched, document = await _document(ask.url, web, until)
    items = _objects(document.get("items")) if document is not None else []
    logins = [login for one in items if isinstance(login := one.get("login"), str) and LOGIN.fullmatch(login)]
    if document is None or not logins or len(logins) > MAX_USERS or document.get("total_count") != len(items):
        return nothing(ask, web.clock.now(), fetched)
    notes = Notes(ask, ask.subject)
    for login in logins:
        page = notes.says(f"https://github.com/{login}", "ME", GITHUB_SEARCH, mutual=True)
        if page is not None:
            notes.goes_on(Ask(GITHUB, f"https://api.github.com/users/{login}", page))
    return notes.done(fetched, web.clock.now())


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
    _check_limit(fetched, web)
    try:
        return fetched, fetched.response.json() if fetched.there else None
    except Malformed:
        return fetched, None


def _check_limit(fetched: Fetched, web: Web) -> None:
    """Raises RateLimited for a 403 of somebody who has asked enough (docs.github.com/rest/using-the-rest-api/rate-limits)."""
    headers = fetched.response.headers
    if fetched.response.status == 403 and (headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers):
        seconds, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
        until = web.clock.now() + LIMITED
        if seconds.isascii() and seconds.isdigit() and len(seconds) < 7:
            until = web.clock.now() + timedelta(seconds=int(seconds))
        elif reset.isascii() and reset.isdigit() and len(reset) < 12:
            until = datetime.fromtimestamp(int(reset), UTC)
        until = min(max(until, web.clock.now()), web.clock.now() + LONGEST_LIMIT)
        web.leave(fetched.url, until)
        raise RateLimited("GitHub has been asked as much as it allows; ask again later.", retry_at=until)


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _only_segment(url: str, host: str, name: re.Pattern[str]) -> str | None:
    place = httpx.URL(url)
    segment = place.path.strip("/")
    ours = place.host.removeprefix("www.") == host and not place.query and place.port is None
    return segment if ours and name.fullmatch(segment) else None


def _keybase(question: str) -> str:
    return f"https://keybase.io/_/api/1.0/user/lookup.json?{question}&fields=basics,profile,proofs_summary"
