"""A web page: rel=me and XFN (microformats.org/wiki/rel-me, gmpg.org/xfn), its representative h-card, schema.org's sameAs, feeds, FOAF.

A page speaks for its own address alone, whatever it says that it is. rel=me can be answered by the other side; what stands in cards and
data of it (addresses, `sameAs`) is a claim that nothing can answer. mf2py reads microformats; the links are read without a tree, since
they are what counts, and a page can be anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from providers.formats import charset, html_links, html_tokens
from providers.formats.html_links import Link
from providers.lookup import actors, foaf, resources, webfinger
from providers.lookup.crawl import Fetched, Web
from providers.lookup.reading import Ask, Notes, Reading, nothing

PROTOCOL: Final = "page"
#: A page first, since it says most; what has none gives its data.
ACCEPT: Final = (
    "text/html, application/xhtml+xml, application/activity+json;q=0.7, "
    'application/ld+json;profile="https://www.w3.org/ns/activitystreams";q=0.7, application/rdf+xml;q=0.5, */*;q=0.1'
)
FEEDS: Final = frozenset({"application/atom+xml", "application/feed+json", "application/rss+xml"})
#: gmpg.org/xfn/11: what one may be to somebody, `me` apart.
XFN: Final = frozenset({
    "contact", "acquaintance", "friend", "met", "co-worker", "colleague", "co-resident", "neighbor", "child", "parent", "sibling",
    "spouse", "kin", "muse", "crush", "date", "sweetheart",
})  # fmt: skip
#: Characters of a page in which cards are looked for, and how deep its elements may nest: of each property the whole text is taken.
MAX_TREE: Final = 200_000
MAX_DEPTH: Final = 150
VOID: Final = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})
#: What readers of a page, or whoever paid for it, have put there is not its author's word.
OTHERS: Final = frozenset({"ugc", "sponsored"})
MAX_DATA: Final = 200_000
MAX_SAME: Final = 50


async def read(ask: Ask, web: Web, until: datetime) -> Reading:
    """What a page says, or what its address gives instead. Raises what `Web.get` raises."""
    fetched = await web.get(ask.url, accept=ACCEPT, until=until, crawled=ask.crawled, hand_over=True)
    now = web.clock.now()
    if fetched.target is not None:
        return _led(ask, fetched, now)
    media_type = fetched.response.media_type
    if not fetched.there:
        return nothing(ask, now, fetched)
    if media_type in webfinger.ACTOR_TYPES or media_type == "application/json":
        return msgspec.structs.replace(actors.reading(ask, fetched, now), read_as=actors.PROTOCOL)
    if media_type == "application/rdf+xml":
        return foaf.reading(ask, fetched, now)
    if media_type not in actors.HTML:
        return nothing(ask, now, fetched, "This is no web page.")
    return await asyncio.to_thread(_reading, ask, fetched, now)


def _led(ask: Ask, fetched: Fetched, now: datetime) -> Reading:
    """An address that leads to another one, which speaks for itself."""
    notes = Notes(ask, ask.subject)
    if fetched.moved is not None:
        notes.says(fetched.moved, "ALIAS", "redirect")
    target = resources.web(fetched.target or "")
    if target is not None:
        notes.goes_on(Ask(PROTOCOL, target, target, ask.crawled))
    return notes.done(fetched, now)


def _reading(ask: Ask, fetched: Fetched, now: datetime) -> Reading:
    url = resources.web(fetched.url) or fetched.url
    notes = Notes(ask, ask.subject)  # redirects for today, within its host, leave the page its address (RFC 9110 §15.4.3)
    content_type = fetched.response.headers.get("content-type", "")
    page = charset.decode(fetched.response.content, _charset(content_type))
    links = [*html_links.in_header(fetched.response.headers.get("link", ""), url), *html_links.in_page(page, url)]
    for link in links:
        _linked(notes, link, url)
    card = representative(page, ask.subject, url, {resources.key(link.url) for link in links if "me" in link.relations})
    if card is not None:
        _carded(notes, card, url)
    for same in _same_as(page):
        notes.says(same, "ME", "schema-org")
    return notes.done(fetched, now)


def _linked(notes: Notes, link: Link, url: str) -> None:
    if link.relations & OTHERS:
        return
    ours = resources.host(link.url) == resources.host(url)
    if "me" in link.relations:
        notes.says(link.url, "ME", "rel-me", mutual=True)
    elif friends := XFN & link.relations:  # XFN: `me` stands alone
        for each in sorted(friends):
            notes.says(link.url, "KNOWS", f"xfn-{each}", mutual=True)
    if "alternate" in link.relations:
        if link.media_type in FEEDS:
            notes.says(link.url, "PUBLISHES", "feed")
        elif (
            link.media_type == actors.MEDIA_TYPE
            and ours
            and (target := notes.says(link.url, "ALIAS", "activitypub", mutual=True))
        ):
            notes.goes_on(Ask("actor", target, target))
    elif link.media_type == "application/rdf+xml" and link.relations & {"meta", "describedby"}:
        target = notes.says(link.url, "PUBLISHES", "foaf")
        if target and ours:
            notes.goes_on(Ask("foaf", target, notes.speaker, crawled=notes.ask.crawled))


# --- cards ------------------------------------------------------------------------------------------------------------------


def representative(page: str, subject: str, url: str, me: set[str]) -> Mapping[str, Any] | None:
    """The properties of the card that is about the page's own subject (microformats.org/wiki/representative-h-card-parsing)."""
    if len(page) > MAX_TREE or not any(word in page for word in ("h-card", "vcard")) or _depth(page) > MAX_DEPTH:
        return None
    import mf2py  # seven megabytes with what it stands on, in processes most of which never look anybody up

    try:
        found = mf2py.parse(doc=page, url=url, html_parser="html.parser")
    except (RecursionError, ValueError, TypeError, AttributeError, KeyError, IndexError):
        return None  # elements nested a thousand deep, or markup that its parser trips over: a page without a card
    own = resources.key(subject)
    about: list[Mapping[str, Any]] = [
        card["properties"] for card in _cards(found.get("items")) if isinstance(card.get("properties"), Mapping)
    ]
    for properties in about:
        uids, urls = _keys(properties, "uid"), _keys(properties, "url")
        if own in uids and own in urls:
            return properties
    for properties in about:
        if _keys(properties, "url") & me:
            return properties
    if len(about) == 1 and own in _keys(about[0], "url"):
        return about[0]
    return None


def _depth(page: str) -> int:
    """How deep its elements nest, those that are never closed included."""
    deepest = depth = 0
    for kind, tag, _ in html_tokens.tokens(page):
        if kind == "open" and tag not in VOID:
            depth += 1
            deepest = max(deepest, depth)
        elif kind == "close" and depth:
            depth -= 1
    return deepest


def _cards(items: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    if not isinstance(items, list) or depth > 20:
        return
    for item in items:
        if not isinstance(item, Mapping):
            continue
        if "h-card" in (item.get("type") or ()):
            yield item
        yield from _cards(item.get("children"), depth + 1)
        properties = item.get("properties")
        for values in properties.values() if isinstance(properties, Mapping) else ():
            yield from _cards(values, depth + 1)


def _carded(notes: Notes, card: Mapping[str, Any], url: str) -> None:
    notes.shows(name=_first(card, "name"), photo=_first(card, "photo"), bio=_first(card, "note"))
    for name in ("url", "uid", "email", "tel"):
        for value in _values(card, name):
            if name == "email" and ":" not in value:
                value = f"mailto:{value}"
            elif name == "tel" and ":" not in value:
                value = f"tel:{value}"
            notes.says(value, "ME", "h-card")
    for organisation in card.get("org") or ():
        if isinstance(organisation, Mapping) and isinstance(organisation.get("properties"), Mapping):
            for value in _values(organisation["properties"], "url")[:1]:
                notes.says(value, "MEMBER_OF", "h-card")


def _values(properties: Mapping[str, Any], name: str) -> list[str]:
    """The texts of a property; a picture with words is its address (microformats2 §1.3.1)."""
    values = properties.get(name)
    found = [one.get("value") if isinstance(one, Mapping) else one for one in values] if isinstance(values, list) else []
    return [one for one in found if isinstance(one, str)]


def _first(properties: Mapping[str, Any], name: str) -> str | None:
    return next(iter(_values(properties, name)), None)


def _keys(properties: Mapping[str, Any], name: str) -> set[str]:
    return {resources.key(url) for value in _values(properties, name) if (url := resources.web(value))}


# --- data -------------------------------------------------------------------------------------------------------------------


def _same_as(page: str) -> list[str]:
    """`sameAs` of persons and organisations in JSON-LD that is about this page (schema.org/sameAs)."""
    found: list[str] = []
    for text in _data(page):
        if len(found) >= MAX_SAME:
            break
        try:
            document = msgspec.json.decode(text.strip().encode())
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            continue
        for item in _items(document):
            same = item.get("sameAs")
            found += [one for one in (same if isinstance(same, list) else [same]) if isinstance(one, str)]
    return found[:MAX_SAME]


def _data(page: str) -> Iterator[str]:
    """The contents of scripts that are JSON-LD; not of such as stand in a comment."""
    lower, index, script = page.lower(), 0, -1
    while True:
        if script < index:
            script = lower.find("<script", index)
        if script < 0:
            return
        comment = lower.find("<!--", index, script)
        if comment >= 0:
            index = lower.find("-->", comment + 4) + 3
            if index < 3:
                return
            continue
        start = lower.find(">", script)
        ending = lower.find("</script", start) if start >= 0 else -1
        if ending < 0:
            return
        kind = html_links.attributes(page[script + len("<script") : start]).get("type", "")
        if kind.partition(";")[0].strip().lower() == "application/ld+json" and ending - start <= MAX_DATA:
            yield page[start + 1 : ending]
        index = ending


def _items(document: Any) -> Iterator[Mapping[str, Any]]:
    top = document if isinstance(document, list) else [document]
    for item in top:
        if isinstance(item, Mapping):
            graph = item.get("@graph")
            candidates = [item, item.get("mainEntity"), *(graph if isinstance(graph, list) else ())]
            yield from (one for one in candidates if isinstance(one, Mapping) and _is_somebody(one.get("@type")))


def _is_somebody(kind: Any) -> bool:
    return bool({"Person", "Organization"} & set(kind if isinstance(kind, list) else [kind]) if _hashable(kind) else set())


def _hashable(kind: Any) -> bool:
    return isinstance(kind, str) or (isinstance(kind, list) and all(isinstance(one, str) for one in kind))


def _charset(content_type: str) -> str | None:
    _, found, rest = content_type.lower().partition("charset=")
    return rest.partition(";")[0].strip(" \"'") if found else None
