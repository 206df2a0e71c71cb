"""An ActivityPub actor (www.w3.org/TR/activitypub §4): its page, its other addresses, where it has moved.

A field whose link says rel=me is the same statement as on the profile page. `alsoKnownAs` alone is a claim; the move is proven when the
old account says `movedTo` and the new one names the old. A document that calls itself by another address than the one it was found at is
believed only by asking there. Servers that want signed requests say 401, and are asked nothing more.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from providers.errors import Malformed
from providers.formats import html_links, html_text
from providers.lookup import resources, webfinger
from providers.lookup.crawl import Fetched, Web
from providers.lookup.reading import Ask, Notes, Reading, nothing

PROTOCOL: Final = "actor"
MEDIA_TYPE: Final = "application/activity+json"
ACCEPT: Final = 'application/activity+json, application/ld+json;profile="https://www.w3.org/ns/activitystreams"'
TYPES: Final = frozenset({"Person", "Service", "Organization", "Group", "Application"})  # ActivityStreams 2.0 vocabulary §3.2


async def read(ask: Ask, web: Web, until: datetime) -> Reading:
    """What an actor says. Raises what `Web.get` raises."""
    fetched = await web.get(ask.url, accept=ACCEPT, until=until)
    if not fetched.there:
        message = "This server tells only servers that sign their requests." if fetched.response.status in (401, 403) else None
        return nothing(ask, web.clock.now(), fetched, message)
    return reading(ask, fetched, web.clock.now())


def reading(ask: Ask, fetched: Fetched, now: datetime) -> Reading:
    """The reading of an actor's document."""
    try:
        document = fetched.response.json()
    except Malformed:
        return nothing(ask, now, fetched, "This is no actor.")
    if not isinstance(document, Mapping) or not TYPES & set(_texts(document.get("type"))):
        return nothing(ask, now, fetched, "This is no actor.")
    here = resources.web(fetched.url) or fetched.url
    actor = resources.web(document["id"]) if isinstance(document.get("id"), str) else None
    notes = Notes(ask, here)
    if fetched.moved is not None:
        notes.says(fetched.moved, "ALIAS", "redirect", speaker=ask.subject)
    if actor is None or resources.key(actor) != resources.key(here):
        target = notes.says(actor, "ALIAS", "activitypub", mutual=True)
        if target is not None and resources.host(target) == resources.host(here):
            notes.goes_on(Ask(PROTOCOL, target, target))
        return notes.done(fetched, now)
    for url in _urls(document.get("url")):
        notes.says(url, "ALIAS", "activitypub", mutual=True)
    for url in _texts(document.get("alsoKnownAs")):
        notes.says(url, "ME", "also-known-as", mutual=True)
    for url in _texts(document.get("movedTo")):
        notes.says(url, "MOVED_TO", "moved-to", mutual=True)
    for field in _objects(document.get("attachment")):
        if "PropertyValue" in _texts(field.get("type")) and isinstance(field.get("value"), str):
            _field(notes, field["value"], here)
    icon = next(iter(_objects(document.get("icon"))), {})
    summary = document.get("summary")
    notes.shows(
        name=document.get("name") or document.get("preferredUsername"),
        photo=next(iter(_urls(icon.get("url"))), None),
        bio=html_text.text_of(summary[:20_000]) if isinstance(summary, str) else None,
    )
    notes.goes_on(webfinger.ask(resources.read(here)))  # what its server calls it
    return notes.done(fetched, now)


def _field(notes: Notes, value: str, here: str) -> None:
    """`value` is HTML; a bare address is a claim that the server has not made a link of."""
    links = list(html_links.in_page(value[:5_000], here))
    for link in links:
        if "me" in link.relations:
            notes.says(link.url, "ME", "activitypub-field", mutual=True)
    bare = html.unescape(value).strip()
    if not links and bare.startswith(("https://", "http://")) and " " not in bare:
        notes.says(bare, "ME", "activitypub-field")


def _texts(value: Any) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, Mapping))


def _urls(value: Any) -> list[str]:
    """Addresses, given as such or as Link objects (ActivityStreams 2.0 §4.2)."""
    found = [one.get("href") if isinstance(one, Mapping) else one for one in (value if isinstance(value, list) else [value])]
    return [one for one in found if isinstance(one, str)]
