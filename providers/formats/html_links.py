"""The links of a web page with what they are said to be: `a`, `area` and `link` (HTML §4.6.1), and the Link header (RFC 8288 §3).

One pass over the page's tags, whatever the page; nothing is loaded. What a relation means is its reader's business.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Final

import httpx2 as httpx
import msgspec

from providers.formats import html_tokens

MAX_PAGE: Final = 1_000_000  # characters that are looked at
MAX_LINKS: Final = 5_000
_ELEMENTS: Final = frozenset({"a", "area", "link"})
_ATTRIBUTE: Final = re.compile(r"([a-zA-Z-]{1,30})\s*=\s*(?:\"([^\"]{0,2000})\"|'([^']{0,2000})'|([^\s\"'>]{1,2000}))")
_TARGET: Final = re.compile(r"<([^<>]{1,2000})>([^<]{0,2000})")
_PARAMETER: Final = re.compile(r";\s*([a-z]{1,20})\s*=\s*(?:\"([^\"]{0,500})\"|([^\s\";,]{1,500}))", re.IGNORECASE)


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link with a relation: `url` is absolute, `relations` are its words in lower case."""

    url: str
    relations: frozenset[str]
    media_type: str = ""


def in_page(page: str, url: str) -> Iterator[Link]:
    """The links of a page at `url` that say what they are, in order."""
    base, based, count = url, False, 0
    for kind, tag, written in html_tokens.tokens(page[:MAX_PAGE]):
        if kind != "open" or (tag not in _ELEMENTS and tag != "base"):
            continue
        said = attributes(written)
        if tag == "base":
            if not based and (target := absolute(url, said.get("href", ""))):  # the first one counts (HTML §4.2.3)
                base, based = target, True
            continue
        if said.get("rel") and (target := absolute(base, said.get("href", ""))):
            yield Link(url=target, relations=_words(said["rel"]), media_type=_media_type(said.get("type", "")))
            count += 1
            if count >= MAX_LINKS:
                return


def in_header(header: str, url: str) -> Iterator[Link]:
    """The links that a Link header names."""
    for target, rest in _TARGET.findall(header[:20_000]):
        said = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(rest)}
        if said.get("rel") and (found := absolute(url, target)):
            yield Link(url=found, relations=_words(said["rel"]), media_type=_media_type(said.get("type", "")))


def attributes(written: str) -> dict[str, str]:
    """The attributes of a tag, the first of each name, references resolved."""
    said: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(written):
        said.setdefault(name.lower(), html.unescape(double or single or bare).strip())
    return said


def absolute(base: str, target: str) -> str | None:
    """A link's address; mailto: and the like as they stand, None for what is none."""
    if not target or not target.isprintable():
        return None
    try:
        return str(httpx.URL(base).join(target))
    except (httpx.InvalidURL, ValueError, TypeError):
        return None


def _words(relation: str) -> frozenset[str]:
    return frozenset(relation.lower().split())


def _media_type(text: str) -> str:
    return text.partition(";")[0].strip().lower()
