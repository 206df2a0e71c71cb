"""A profile at a server that speaks Mastodon's API: which links of its user the server has seen lead back (rel=me), and when.

`GET /api/v1/accounts/lookup?acct=` (docs.joinmastodon.org/methods/accounts) needs no sign-in, and names local accounts without a host. Its
`fields[].verified_at` is the server's word about its own user: evidence, no proof. Servers that answer only signed requests for actors
(`AUTHORIZED_FETCH`) say by it what the actor would.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from providers.errors import Malformed
from providers.formats import html_links, html_text
from providers.lookup import resources, webfinger
from providers.lookup.crawl import Web
from providers.lookup.protocols import SEEN
from providers.lookup.reading import Ask, Notes, Reading, nothing

PROTOCOL: Final = "mastodon"
PATH: Final = "/api/v1/accounts/lookup?acct="
MAX_BYTES: Final = 256 * 1024
MAX_FIELDS: Final = 50  # Mastodon has four, forks of it more
#: Mastodon's user names (app/models/account.rb), and where its actors are: what is no such address is none of its.
NAME: Final = re.compile(r"\w+(?:[\w.-]*\w+)?", re.ASCII)
ACTOR: Final = re.compile(r"https://([^/?#]+)/users/([\w.-]{1,100})", re.ASCII)


def asks(actor: str, name: Any) -> Iterator[Ask]:
    """The question about an actor to its own server, by the name that it gives."""
    host = resources.host(actor)
    if isinstance(name, str) and len(name) <= 100 and NAME.fullmatch(name) and host:
        yield Ask(PROTOCOL, f"https://{host}{PATH}{quote(name, safe='')}", actor)


def asks_instead(actor: str) -> Iterator[Ask]:
    """The question about an actor that could not be read, by the name in its address."""
    found = ACTOR.fullmatch(actor)
    if found is not None:
        yield from asks(actor, found[2])


async def read(ask: Ask, web: Web, until: datetime) -> Reading:
    """What a server says of its user. Raises what `Web.get` raises."""
    fetched = await web.get(ask.url, accept="application/json", until=until, tls=True, max_bytes=MAX_BYTES)
    now = web.clock.now()
    try:
        account = fetched.response.json() if fetched.there else None
    except Malformed:
        account = None
    if not isinstance(account, Mapping) or not _is_of(account, ask):
        return nothing(ask, now, fetched)
    notes = Notes(ask, ask.subject)
    host = resources.host(ask.subject)
    page = account.get("url")
    if isinstance(page, str):
        notes.says(page, "ALIAS", PROTOCOL, mutual=True, vouched=resources.host(page) == host)
    moved = account.get("moved")
    if isinstance(moved, Mapping):
        notes.says(moved.get("uri") or moved.get("url"), "MOVED_TO", "moved-to", mutual=True)
    fields = account.get("fields")
    for field in fields[:MAX_FIELDS] if isinstance(fields, list) else ():
        if isinstance(field, Mapping) and isinstance(field.get("value"), str):
            _field(notes, field, fetched.url, now)
    note = account.get("note")
    notes.shows(
        name=account.get("display_name") or account.get("username"),
        photo=account.get("avatar_static") or account.get("avatar"),
        bio=html_text.text_of(note[:20_000]) if isinstance(note, str) else None,
    )
    notes.goes_on(webfinger.ask(resources.read(ask.subject)))
    return notes.done(fetched, now)


def _is_of(account: Mapping[str, Any], ask: Ask) -> bool:
    """Whether an answer is about the actor that was asked about; `uri` is told by Mastodon 4.2 and later."""
    uri, name = account.get("uri"), account.get("username")
    if isinstance(uri, str) and uri:
        return resources.key(resources.web(uri) or uri) == resources.key(ask.subject)
    local = isinstance(name, str) and account.get("acct") == name
    return local and quote(str(name), safe="").lower() == ask.url.rpartition("=")[2].lower()


def _field(notes: Notes, field: Mapping[str, Any], here: str, now: datetime) -> None:
    """`value` is HTML; of several links in one field nobody knows which was seen."""
    own = [link for link in html_links.in_page(field["value"][:5_000], here) if "me" in link.relations]
    seen = _moment(field.get("verified_at"), now)
    for link in own:
        notes.says(link.url, "ME", SEEN, mutual=True, seen=seen if len(own) == 1 else None)


def _moment(text: Any, now: datetime) -> datetime | None:
    """A moment with its zone, no later than now; None for what is none."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
        return None if found is None or found.tzinfo is None else min(found.astimezone(UTC), now)
    except (ValueError, OverflowError):
        return None
