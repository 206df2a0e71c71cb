"""The links of a web page with what they are said to be: `a`, `area` and `link` (HTML §4.6.1), and the Link header (RFC 8288 §3).

One pass over the page's tags, whatever the page; nothing is loaded. What only looks like a link is none: text in a comment or a script, in
an element whose content is text, in another attribute or in the words of a header. What a relation means is its reader's business.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from html.entities import html5
from typing import Final

import httpx2 as httpx
import msgspec

from providers.formats import html_tokens

MAX_PAGE: Final = 1_000_000  # characters that are looked at
MAX_LINKS: Final = 5_000
MAX_HEADER: Final = 20_000
_ELEMENTS: Final = frozenset({"a", "area", "link"})
#: Elements whose content is text, whatever it looks like (HTML §13.2.6.4.7), besides those that the tokens leave out.
_TEXT: Final = frozenset({"iframe", "noembed", "noframes", "plaintext", "xmp"})
#: A name is whatever a tokenizer takes for one (HTML §13.2.5.33): `data_rel` and `:rel` are names of their own, and no `rel`.
_ATTRIBUTE: Final = re.compile(r"([^\s\"'<>/=]++)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>][^\s>]*+)))?")
_REFERENCE: Final = re.compile(r"&(?:#\d{1,7}+;?|#[xX][\da-fA-F]{1,6}+;?|([a-zA-Z][a-zA-Z\d]{1,40}+)(;|(?!=))?)")
_TARGET: Final = re.compile(r"\s*+<([^<>]*+)>")
_PARAMETER: Final = re.compile(r"\s*+;\s*+([^\s=;,\"<>]++)(?:\s*+=\s*+(?:\"((?:[^\"\\]|\\.)*+)\"|([^\s;,\"]++)))?", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link with a relation: `url` is absolute, `relations` are its words in lower case."""

    url: str
    relations: frozenset[str]
    media_type: str = ""


def in_page(page: str, url: str) -> Iterator[Link]:
    """The links of a page at `url` that say what they are, in order."""
    base, based, count = url, False, 0
    within = ""
    for kind, tag, written in html_tokens.tokens(page[:MAX_PAGE]):
        if within:
            within = "" if kind == "close" and tag == within else within
            continue
        if kind == "open" and tag in _TEXT and not written.endswith("/"):
            within = tag
            continue
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
    """The links that a Link header names of the page at `url`, as far as it can be read."""
    header, index = header[:MAX_HEADER], 0
    while (target := _TARGET.match(header, index)) is not None:
        said: dict[str, str] = {}
        index = target.end()
        while (parameter := _PARAMETER.match(header, index)) is not None:
            name, quoted, bare = parameter.groups()
            # RFC 8288 §3.3: of several `rel` the first one counts
            said.setdefault(name.lower(), _ESCAPED.sub(r"\1", quoted) if quoted is not None else bare or "")
            index = parameter.end()
        # §3.2: with an anchor it is a link of another page
        of_this = "anchor" not in said or absolute(url, said["anchor"] or url) == url
        if of_this and said.get("rel") and (found := absolute(url, target[1])):
            yield Link(url=found, relations=_words(said["rel"]), media_type=_media_type(said.get("type", "")))
        rest = header[index:].lstrip()
        if not rest.startswith(","):
            return
        index = len(header) - len(rest) + 1


def attributes(written: str) -> dict[str, str]:
    """The attributes of a tag, the first of each name, references resolved."""
    said: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(written):
        said.setdefault(name.lower(), _REFERENCE.sub(_resolved, double or single or bare).strip())
    return said


def _resolved(reference: re.Match[str]) -> str:
    """HTML §13.2.5.73: in an attribute `&copy=` and `&copying` stand for themselves, or many an address would be another one."""
    name, end = reference.groups()
    if name is None:
        return html.unescape(reference[0])
    return reference[0] if end is None else html5.get(name + end, reference[0])


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
