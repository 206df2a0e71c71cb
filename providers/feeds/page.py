"""Which feeds a web page names: `<link rel="alternate">` (HTML §4.6.7.1, RSS autodiscovery) and the Link header (RFC 8288).

Feeds of comments come last, then those of other hosts; Atom comes before JSON Feed, and that before RSS. Loads nothing.
"""

from __future__ import annotations

import html
import re
from typing import Final

import httpx2 as httpx
import msgspec

from providers.formats import html_tokens

#: In this order where a page names several.
TYPES: Final = ("application/atom+xml", "application/feed+json", "application/rss+xml", "application/rdf+xml")
#: Where feeds often are at sites that name none: asked for only when somebody links one.
COMMON_PATHS: Final = ("/feed", "/feed.xml", "/rss.xml", "/atom.xml")
MAX_NAMED: Final = 10
MAX_PAGE: Final = 1_000_000  # characters that are looked at
_ATTRIBUTE: Final = re.compile(r"([a-zA-Z-]{1,30})\s*=\s*(?:\"([^\"]{0,2000})\"|'([^']{0,2000})'|([^\s\"'>]{1,2000}))")
_TARGET: Final = re.compile(r"<([^<>]{1,2000})>([^<]{0,2000})")
_PARAMETER: Final = re.compile(r";\s*([a-z]{1,20})\s*=\s*(?:\"([^\"]{0,500})\"|([^\s\";,]{1,500}))", re.IGNORECASE)


class _Named(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    media_type: str
    title: str = ""


def feeds(page: str, link_header: str, url: str) -> list[str]:
    """The addresses of the feeds that a page at `url` names, the likeliest first."""
    found = [*_in_header(link_header, url), *_in_page(page, url)]
    host = httpx.URL(url).host

    def rank(one: _Named) -> tuple[bool, bool, int]:
        kind = TYPES.index(one.media_type) if one.media_type in TYPES else len(TYPES)
        return "comment" in f"{one.title} {one.url}".lower(), httpx.URL(one.url).host != host, kind

    return list(dict.fromkeys(one.url for one in sorted(found, key=rank)))[:MAX_NAMED]


def _in_page(page: str, url: str) -> list[_Named]:
    base, found = url, []
    for kind, tag, written in html_tokens.tokens(page[:MAX_PAGE]):
        if kind != "open" or tag not in ("base", "link"):
            continue
        said = {
            name.lower(): html.unescape(double or single or bare).strip()
            for name, double, single, bare in _ATTRIBUTE.findall(written)
        }
        if tag == "base":
            base = _joined(url, said.get("href", "")) or base if base == url else base  # the first one counts
        elif _is_feed(said.get("rel", ""), said.get("type", "")) and (target := _joined(base, said.get("href", ""))):
            found.append(_Named(url=target, media_type=said.get("type", "").lower(), title=said.get("title", "")))
    return found


def _in_header(header: str, url: str) -> list[_Named]:
    found = []
    for target, rest in _TARGET.findall(header[:20_000]):
        said = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(rest)}
        address = _joined(url, target)
        if address and _is_feed(said.get("rel", ""), said.get("type", "")):
            found.append(_Named(url=address, media_type=said.get("type", "").lower(), title=said.get("title", "")))
    return found


def _is_feed(relation: str, media_type: str) -> bool:
    """`rel` is a list of words; `feed` needs no type."""
    words = relation.lower().split()
    kind = media_type.partition(";")[0].strip().lower()
    return "feed" in words or ("alternate" in words and "stylesheet" not in words and kind in TYPES)


def _joined(base: str, target: str) -> str | None:
    if not target:
        return None
    try:
        address = httpx.URL(base).join(target)
    except (httpx.InvalidURL, ValueError, TypeError):
        return None
    return str(address) if address.scheme in ("http", "https") and address.host else None
