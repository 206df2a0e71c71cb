"""WebFinger: what a host says of an account or page of its own (RFC 7033), or by its host-meta (RFC 6415) where it has none.

A host speaks for what is its own: that an account and a page there are the same needs nobody else's word. What it says of other hosts is a
claim, which they are asked about in turn: so it is with an account whose domain is served from another host.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from providers.errors import Malformed, Refused
from providers.lookup import resources
from providers.lookup.crawl import Fetched, Web
from providers.lookup.reading import Ask, Notes, Reading, nothing
from providers.lookup.resources import Resource

PROTOCOL: Final = "webfinger"
ACCEPT: Final = "application/jrd+json, application/json;q=0.8"
ACTOR_TYPES: Final = frozenset({"application/activity+json", "application/ld+json"})
PROFILE: Final = frozenset({"http://webfinger.net/rel/profile-page", "http://microformats.org/profile/hcard"})
FEEDS: Final = frozenset({"http://schemas.google.com/g/2010#updates-from", "alternate"})
AVATAR: Final = "http://webfinger.net/rel/avatar"
NAMES: Final = ("http://schema.org/name", "http://packetizer.com/ns/name")
XRD: Final = "{http://docs.oasis-open.org/ns/xri/xrd-1.0}"
MAX_BYTES: Final = 256 * 1024
MAX_LINKS: Final = 100


def ask(resource: Resource, *, host: str | None = None, subject: str | None = None) -> Ask:
    """The question to a resource's own host, or to another one that is said to serve it. A mailbox is asked about as an account."""
    name = f"acct:{resource.name}" if resource.kind == "mailto" else resource.uri
    place = host or resource.host
    return Ask(PROTOCOL, f"https://{place}/.well-known/webfinger?resource={quote(name, safe='')}", subject or resource.uri)


async def read(ask: Ask, web: Web, until: datetime) -> Reading:
    """What the host says. Raises what `Web.get` raises."""
    fetched = await web.get(ask.url, accept=ACCEPT, until=until, tls=True, max_bytes=MAX_BYTES)
    if not fetched.there or (document := _json(fetched)) is None:
        fetched, document = await _by_host_meta(ask, web, until, fetched)
    if document is None:
        return nothing(ask, web.clock.now(), fetched)
    return _reading(ask, fetched, document, web.clock.now())


async def _by_host_meta(ask: Ask, web: Web, until: datetime, fetched: Fetched) -> tuple[Fetched, Mapping[str, Any] | None]:
    """RFC 6415 §4.2: the host's own description names, with a template, where it describes what is on it."""
    host, _, asked = ask.url.removeprefix("https://").partition("/.well-known/webfinger?resource=")
    try:
        meta = await web.get(
            f"https://{host}/.well-known/host-meta",
            accept="application/xrd+xml, application/json;q=0.5",
            until=until,
            tls=True,
            max_bytes=MAX_BYTES,
        )
    except (Refused, Malformed):
        return fetched, None
    document = (_json(meta) or _xrd(meta)) if meta.there else None
    template = next((t for one in _links(document or {}) if one.get("rel") == "lrdd" and (t := one.get("template"))), None)
    if not isinstance(template, str) or "{uri}" not in template:
        return fetched, None
    target = template.replace("{uri}", asked)
    if resources.web(target) is None or target == ask.url:
        return fetched, None
    found = await web.get(target, accept=f"{ACCEPT}, application/xrd+xml;q=0.7", until=until, tls=True, max_bytes=MAX_BYTES)
    return found, (_json(found) or _xrd(found)) if found.there else None


def _reading(asked: Ask, fetched: Fetched, document: Mapping[str, Any], now: datetime) -> Reading:
    # the account that is spoken of is the one that was asked about, whatever the answer calls itself
    resource = resources.read(asked.subject)
    speaker = f"acct:{resource.name}" if resource.kind == "mailto" else resource.uri
    notes = Notes(asked, speaker)
    own = resources.host(speaker)
    pages: dict[str, None] = {}  # of the host itself: what they say is said under one of the account's own names
    if resource.kind == "mailto":
        # a mailbox and an account of one spelling need not be one person's, unless their host says so (below)
        notes.says(speaker, "ALIAS", PROTOCOL, speaker=resource.uri)
    for name in (document.get("subject"), *_texts(document.get("aliases"))):
        ours = isinstance(name, str) and resources.host(name) == own
        target = notes.says(name, "ALIAS", PROTOCOL, mutual=True, vouched=ours)
        if target and ours and target.startswith("https:"):
            pages[target] = None
        # RFC 7033 §4.4.1: the subject may be canonical elsewhere; it is asked there, and both have to agree
        if target and not ours and name == document.get("subject") and target.startswith("acct:"):
            notes.goes_on(ask(resources.read(target)))
    properties = document.get("properties")
    said = properties if isinstance(properties, Mapping) else {}
    photo = None
    for link in _links(document)[:MAX_LINKS]:
        relation, href = link.get("rel"), link.get("href")
        if not isinstance(relation, str) or not isinstance(href, str):
            continue
        media_type = str(link.get("type") or "").partition(";")[0].strip().lower()
        ours = resources.host(href) == own
        if relation == "self" and media_type in ACTOR_TYPES:
            pages.pop(_actor(notes, href, ours) or "", None)
        elif relation in PROFILE:
            if ours:
                if target := notes.says(href, "ALIAS", PROTOCOL, mutual=True, vouched=True):
                    pages[target] = None
            else:
                notes.says(href, "ME", PROTOCOL, mutual=True)
        elif relation == "me":
            notes.says(href, "ME", PROTOCOL, mutual=True)
        elif relation in FEEDS:
            notes.says(href, "PUBLISHES", PROTOCOL)
        elif relation == AVATAR:
            photo = photo or href
    for page in pages:
        notes.goes_on(_page(page))
    notes.shows(name=next((said[name] for name in NAMES if name in said), None), photo=photo)
    return notes.done(fetched, now)


def _actor(notes: Notes, href: str, ours: bool) -> str | None:
    target = notes.says(href, "ALIAS", PROTOCOL, mutual=True, vouched=ours)
    if target is None:
        return None
    notes.goes_on(Ask("actor", target, target))
    if not ours:  # the host that serves this account has to name it too
        notes.goes_on(ask(resources.read(target)))
    return target


def _page(url: str) -> Ask:
    return Ask("page", url, url, crawled=True)


def _json(fetched: Fetched) -> Mapping[str, Any] | None:
    """A descriptor; None for what is none: many hosts answer every path with a page."""
    try:
        found = fetched.response.json()
    except Malformed:
        return None
    return found if isinstance(found, Mapping) and ("links" in found or "subject" in found or "aliases" in found) else None


def _xrd(fetched: Fetched) -> Mapping[str, Any] | None:
    """The same as XML (RFC 6415 §3), in the words of JSON."""
    try:
        root = fromstring(fetched.response.content)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None
    if root.tag != f"{XRD}XRD":
        return None
    return {
        "subject": (root.findtext(f"{XRD}Subject") or "").strip() or None,
        "aliases": [(one.text or "").strip() for one in root.findall(f"{XRD}Alias")],
        "links": [dict(one.attrib) for one in root.findall(f"{XRD}Link")],
    }


def _links(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    links = document.get("links")
    return [one for one in links if isinstance(one, Mapping)] if isinstance(links, list) else []


def _texts(values: Any) -> list[str]:
    return [one for one in values if isinstance(one, str)][:MAX_LINKS] if isinstance(values, list) else []
