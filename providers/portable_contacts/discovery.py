"""Where the contacts are: PortableContacts' own ways from an address that somebody typed to the address of a collection.

XRDS-Simple 1.0 (§5 of the draft), host-meta (RFC 6415) and WebFinger (RFC 7033), all of which may be named by a header or a page. They are
asked without the account's secret, and what they name is only an address: whether the secret may go there is the session's to say.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx2 as httpx
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from providers.errors import ForbiddenAddress, Malformed, RateLimited, Refused, Unavailable
from providers.http import Response, Session
from providers.server_address import origin, typed

REL: Final = "http://portablecontacts.net/spec/1.0"
#: Links that say the same (Google, Cliqset).
RELS: Final = frozenset({REL, f"{REL}#me"})
ACCEPT: Final = "application/xrds+xml, application/jrd+json, application/xrd+xml;q=0.8, application/json;q=0.7, text/html;q=0.3"
MAX_BYTES: Final = 256 * 1024
#: Documents that are read on the way, at the most.
MAX_DOCUMENTS: Final = 8
ADVICE: Final = "Enter the address that your provider names for PortableContacts, or your address there (name@example.org)."
_ADDRESS: Final = re.compile(r"(?:acct:)?([^\s@/:]+)@([^\s@/]+)\Z")
# bounded between its parts, so that a page of nothing but beginnings costs no more than its length
_META: Final = re.compile(
    rb"""<meta\s[^<>]{0,300}?http-equiv\s{0,9}=\s{0,9}["']?X-XRDS-Location["']?[^<>]{1,300}?content\s{0,9}=\s{0,9}["']([^<>"']{1,2000})""",
    re.IGNORECASE,
)


def base_url(values: dict[str, str]) -> str:
    """The address that was typed; of an account (`ada@example.org`) the one by which its host is asked about it. Raises Refused."""
    text = values.get("url", "").strip()
    if match := _ADDRESS.match(text):
        host = origin(typed(match[2], ADVICE))
        resource = quote(f"acct:{match[1]}@{match[2]}", safe="")
        return f"{host}/.well-known/webfinger?resource={resource}&rel={quote(REL, safe='')}"
    return str(httpx.URL(typed(text, ADVICE)).copy_with(fragment=None))


async def places(session: Session, start: str) -> AsyncIterator[str]:
    """Addresses at which contacts are said to be, likeliest first. Documents that cannot be had say nothing.

    Raises RateLimited, ReauthRequired, Unavailable where the server itself cannot be asked now.
    """
    home = origin(start)
    waiting = [start, f"{home}/", f"{home}/.well-known/host-meta.json", f"{home}/.well-known/host-meta"]
    read: set[str] = set()
    named: set[str] = set()
    while waiting and len(read) < MAX_DOCUMENTS:
        url = waiting.pop(0)
        if url in read:
            continue
        read.add(url)
        elsewhere = origin(url) != home
        try:
            answer = await session.request(
                "GET", url, headers={"Accept": ACCEPT}, auth=False, max_bytes=MAX_BYTES, stranger=elsewhere
            )
        except ForbiddenAddress:
            if url == start:
                raise
            continue
        except (Refused, Malformed):
            continue
        except (Unavailable, RateLimited):
            if elsewhere:
                continue
            raise
        for place in _services(answer):
            if place not in named:
                named.add(place)
                yield place
        waiting[:0] = _documents(answer)


def _services(answer: Response) -> Iterator[str]:
    """The addresses that a document names for contacts."""
    found = _json(answer) or _xml(answer)
    for relation, address in found:
        if relation in RELS and (place := _joined(answer.url, address)):
            yield place


def _documents(answer: Response) -> list[str]:
    """Where a document says that its description is (XRDS-Simple 1.0: a header, or a page's meta element)."""
    named = [answer.headers.get("x-xrds-location", "")]
    if "html" in answer.media_type and (match := _META.search(answer.content[:65_536])):
        named.append(match[1].decode("ascii", "replace"))
    return [place for text in named if text.strip() and (place := _joined(answer.url, text.strip()))]


def _json(answer: Response) -> list[tuple[str, str]]:
    """Relation and address of the links of a JRD (RFC 7033 §4.4, RFC 6415 appendix A)."""
    try:
        document = answer.json()
    except Malformed:
        return []
    links = document.get("links") if isinstance(document, Mapping) else None
    return list(_pairs(links if isinstance(links, list) else []))


def _pairs(links: list[Any]) -> Iterator[tuple[str, str]]:
    for link in links:
        relation, address = (link.get("rel"), link.get("href")) if isinstance(link, Mapping) else (None, None)
        if isinstance(relation, str) and isinstance(address, str):
            yield relation, address


def _xml(answer: Response) -> list[tuple[str, str]]:
    """Type and URI of the services of an XRDS-Simple document, relation and address of the links of an XRD."""
    try:
        root = fromstring(answer.content)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return []
    found = [(link.get("rel", ""), link.get("href", "")) for link in root.iter() if _named(link.tag) == "Link"]
    for service in (one for one in root.iter() if _named(one.tag) == "Service"):
        # XRDS-Simple 1.0: of several addresses the one with the least priority is to be used first
        uris = sorted((one for one in service if _named(one.tag) == "URI"), key=_priority)
        types = [(one.text or "").strip() for one in service if _named(one.tag) == "Type"]
        found += [(kind, (uri.text or "").strip()) for kind in types for uri in uris]
    return found


def _named(tag: Any) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _priority(element: Any) -> int:
    text = element.get("priority", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 10**9


def _joined(base: str, address: str) -> str | None:
    try:
        place = httpx.URL(base).join(address)
    except (httpx.InvalidURL, ValueError, TypeError):
        return None
    return str(place) if place.scheme in ("http", "https") and place.host else None
