"""An ActivityPub actor (www.w3.org/TR/activitypub §4): its page, its other addresses, where it has moved.

A field whose link says rel=me is the same statement as on the profile page. `alsoKnownAs` alone is a claim; the move is proven when the
old account says `movedTo` and the new one names the old. A document that calls itself by another address than the one it was found at is
believed only by asking there. A server that wants signed requests says 401; one that speaks Mastodon's API is asked by that about its
user's links, since its actors do not say which of them it has seen lead back.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from providers.errors import Malformed
from providers.formats import html_links, html_text
from providers.lookup import mastodon, resources, webfinger
from providers.lookup.crawl import Fetched, Web
from providers.lookup.reading import Ask, Notes, Reading, nothing

PROTOCOL: Final = "actor"
MEDIA_TYPE: Final = "application/activity+json"
ACCEPT: Final = 'application/activity+json, application/ld+json;profile="https://www.w3.org/ns/activitystreams"'
#: In the context of actors whose server has Mastodon's words, and with them mostly its API: Mastodon, GoToSocial, Pleroma, Akkoma.
MASTODON: Final = "http://joinmastodon.org/ns"
HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
ALSO_KNOWN_AS: Final = "also-known-as"
MOVED_TO: Final = "moved-to"
#: By these actors name actors.
NAMED_BY: Final = frozenset({ALSO_KNOWN_AS, MOVED_TO})
TYPES: Final = frozenset({"Person", "Service", "Organization", "Group", "Application"})  # ActivityStreams 2.0 vocabulary §3.2


async def read(ask: Ask, web: Web, until: datetime) -> Reading:
    """What an actor says. Raises what `Web.get` raises."""
    fetched = await web.get(ask.url, accept=ACCEPT, until=until)
    if not fetched.there:
        closed = fetched.response.status in (401, 403)
        message = "This server tells only servers that sign their requests." if closed else None
        asks = mastodon.asks_instead(ask.url) if closed else ()
        return msgspec.structs.replace(nothing(ask, web.clock.now(), fetched, message), next=tuple(asks))
    return reading(ask, fetched, web.clock.now())


def reading(ask: Ask, fetched: Fetched, now: datetime) -> Reading:
    """The reading of an actor's document."""
    if fetched.response.media_type in HTML and ask.protocol == PROTOCOL:  # a page that another actor names as one of its own kind
        page = Ask("page", ask.url, ask.subject, crawled=True)
        return msgspec.structs.replace(nothing(ask, now, fetched, "This is no actor."), next=(page,))
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
        notes.says(url, "ME", ALSO_KNOWN_AS, mutual=True)
    for url in _texts(document.get("movedTo")):
        notes.says(url, "MOVED_TO", MOVED_TO, mutual=True)
    links = False
    for field in _objects(document.get("attachment")):
        if "PropertyValue" in _texts(field.get("type")) and isinstance(field.get("value"), str):
            links |= _field(notes, field["value"], here)
    if links and _has_words_of_mastodon(document.get("@context")):
        for one in mastodon.asks(actor, document.get("preferredUsername")):
            notes.goes_on(one)
    icon = next(iter(_objects(document.get("icon"))), {})
    summary = document.get("summary")
    notes.shows(
        name=document.get("name") or document.get("preferredUsername"),
        photo=next(iter(_urls(icon.get("url"))), None),
        bio=html_text.text_of(summary[:20_000]) if isinstance(summary, str) else None,
    )
    notes.goes_on(webfinger.ask(resources.read(here)))  # what its server calls it
    return notes.done(fetched, now)


def _field(notes: Notes, value: str, here: str) -> bool:
    """Whether a field links something of the actor's with rel=me. `value` is HTML; a bare address is a claim that is no link."""
    links = list(html_links.in_page(value[:5_000], here))
    own = [link for link in links if "me" in link.relations]
    for link in own:
        notes.says(link.url, "ME", "activitypub-field", mutual=True)
    bare = html.unescape(value).strip()
    if not links and bare.startswith(("https://", "http://")) and " " not in bare:
        notes.says(bare, "ME", "activitypub-field")
    return bool(own)


def _has_words_of_mastodon(context: Any) -> bool:
    """Whether a JSON-LD context (JSON-LD 1.1 §3.1) names Mastodon's vocabulary, as such or under a prefix."""
    named = [*_texts(context), *(text for terms in _objects(context) for value in terms.values() for text in _texts(value))]
    return any(name.startswith(MASTODON) for name in named)


def _texts(value: Any) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, Mapping))


def _urls(value: Any) -> list[str]:
    """Addresses, given as such or as Link objects (ActivityStreams 2.0 §4.2)."""
    found = [one.get("href") if isinstance(one, Mapping) else one for one in (value if isinstance(value, list) else [value])]
    return [one for one in found if isinstance(one, str)]
