"""WebDAV's XML: multi-status answers read strictly, bounded and without entities (RFC 4918 §13, §14, §16).

An answer is believed whole or not at all: what is no 207 with a well-formed multistatus raises Malformed, so that a sign-in
page or a cut body can never look like "everything was deleted". Paths are compared after one unquoting, because servers
percent-encode the same name differently. Knows nothing of address books or calendars.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

import msgspec
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from providers.errors import Malformed, Refused
from providers.http import Response, Session

DAV = "{DAV:}"
#: A listing of 100,000 resources has 600,000 elements; beyond, or deeper than any specification, it is an attack.
MAX_ELEMENTS = 1_000_000
MAX_DEPTH = 64
#: Larger bodies are parsed in a thread, so that others are served meanwhile.
THREAD_BYTES = 128 * 1024
#: RFC 3986 §3.3: what may stand in a path as it is.
PATH_SAFE = "/-._~!$&'()*+,;=:@"
XML_TYPE = 'application/xml; charset="utf-8"'


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One response of a multi-status: `href` as the server spells it, `path` to compare, `properties` those of status 200.

    `status` is the response's own (RFC 4918 §14.24), None where there are properties instead.
    """

    href: str
    path: str
    status: int | None
    properties: Mapping[str, Element]
    errors: frozenset[str] = frozenset()

    def text(self, name: str) -> str | None:
        """A property's text, stripped; None where it is absent or empty."""
        found = self.properties.get(name)
        return ((found.text or "").strip() or None) if found is not None else None

    def hrefs(self, name: str) -> list[str]:
        """The hrefs inside a property, as the server spells them."""
        found = self.properties.get(name)
        return [text for each in found.iter(DAV + "href") if (text := (each.text or "").strip())] if found is not None else []

    def contains(self, name: str, element: str) -> bool:
        """Whether a property has an element somewhere inside."""
        found = self.properties.get(name)
        return found is not None and next(found.iter(element), None) is not None


class Multistatus(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer; `sync_token` only of a sync-collection report (RFC 6578 §6.4)."""

    resources: tuple[Resource, ...]
    sync_token: str | None = None


async def propfind(session: Session, url: str, properties: str, *, depth: int) -> Multistatus:
    """RFC 4918 §9.1. `properties` are elements in the namespaces of `element()`. Raises what Session does, or Malformed."""
    answer = await session.request(
        "PROPFIND",
        url,
        headers={"Depth": str(depth), "Content-Type": XML_TYPE},
        content=element("D:propfind", f"<D:prop>{properties}</D:prop>"),
    )
    found = await multistatus(answer)
    if len(found.resources) == 1 and found.resources[0].status in (404, 410):  # Xandikos says so inside of a 207
        raise Refused("There is nothing (any more) at this address.", provider_code="not-found")
    return found


async def report(session: Session, url: str, body: bytes, *, depth: int | None = None) -> Multistatus:
    """RFC 3253 §3.6. Raises what Session does, or Malformed."""
    headers = {"Content-Type": XML_TYPE} | ({"Depth": str(depth)} if depth is not None else {})
    return await multistatus(await session.request("REPORT", url, headers=headers, content=body))


async def multistatus(answer: Response) -> Multistatus:
    """The multi-status in an answer. Raises Malformed for everything else."""
    if answer.status != 207:
        raise answer.malformed("WebDAV")
    if len(answer.content) > THREAD_BYTES:
        return await asyncio.to_thread(_read, answer)
    return _read(answer)


def conditions(answer: Response) -> frozenset[str]:
    """The preconditions that an error answer names (RFC 4918 §16); empty where it is no such answer."""
    try:
        root = parse(answer.content)
    except Malformed:
        return frozenset()
    return frozenset(each.tag for each in root) if root.tag == DAV + "error" else frozenset()


def element(name: str, content: str) -> bytes:
    """A request body: one element `D:`, `C:` (CardDAV) or `S:` (CalendarServer) with its content, in UTF-8."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><{name} xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav" '
        f'xmlns:S="http://calendarserver.org/ns/">{content}</{name}>'
    ).encode()


def path_of(href: str, base: str) -> str:
    """The one spelling of an href's path that is compared and stored; `base` is the URL that a relative one is relative to.

    Raises Malformed when the href is on another host than `base`.
    """
    try:
        target = urlsplit(href)
        if target.netloc:
            # RFC 4918 §8.3: an absolute URI must name the host that was asked; ports of proxies are forgiven.
            if target.hostname != urlsplit(base).hostname:
                raise Malformed("The server lists addresses of another server.", provider_code="other-host")
            path = target.path
        else:
            path = href if href.startswith("/") else urlsplit(urljoin(base, href)).path
    except ValueError:
        raise Malformed("The server lists an address that is none.", provider_code="not-a-url") from None
    return quote(unquote_to_bytes(path), safe=PATH_SAFE)


def parse(content: bytes) -> Element:
    """An XML document without DTD or entities, of bounded size and depth. Raises Malformed."""
    try:
        parser: Any = DefusedXMLParser(target=_Bounded(), forbid_dtd=True)
        parser.feed(content)
        root = parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError, _TooMuch) as error:  # LookupError: encoding unknown
        raise Malformed("The server sent XML that cannot be read.", provider_code="xml") from error
    if not isinstance(root, Element):
        raise Malformed("The server sent XML that cannot be read.", provider_code="xml")
    return root


def _read(answer: Response) -> Multistatus:
    if answer.content.lstrip()[:1] != b"<" and not answer.content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise answer.malformed("XML")
    root = parse(answer.content)
    if root.tag != DAV + "multistatus":
        raise answer.malformed("WebDAV")
    token = root.findtext(DAV + "sync-token")
    return Multistatus(resources=tuple(_resources(root, answer.url)), sync_token=token.strip() or None if token else None)


def _resources(root: Element, base: str) -> Iterator[Resource]:
    for response in root.iterfind(DAV + "response"):
        properties: dict[str, Element] = {}
        for propstat in response.iterfind(DAV + "propstat"):
            if _status(propstat.findtext(DAV + "status")) == 200:
                for prop in propstat.iterfind(DAV + "prop"):
                    properties.update((each.tag, each) for each in prop)
        errors = frozenset(each.tag for error in response.iterfind(DAV + "error") for each in error)
        status = response.findtext(DAV + "status")
        for href in response.iterfind(DAV + "href"):  # §14.24: several hrefs may share one status
            if text := (href.text or "").strip():
                yield Resource(
                    href=text,
                    path=path_of(text, base),
                    status=_status(status) if status is not None else None,
                    properties=properties,
                    errors=errors,
                )


def _status(line: str | None) -> int:
    """RFC 9112 §4: `HTTP/1.1 404 Not Found`; 0 where nothing can be read."""
    words = (line or "").split(maxsplit=2)
    return int(words[1]) if len(words) > 1 and len(words[1]) == 3 and words[1].isascii() and words[1].isdigit() else 0


class _TooMuch(Exception):
    """More elements, or deeper, than any honest answer has."""


class _Bounded(TreeBuilder):
    """A tree that stops growing."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self._depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._count += 1
        self._depth += 1
        if self._count > MAX_ELEMENTS or self._depth > MAX_DEPTH:
            raise _TooMuch
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)
