"""PortableContacts 1.0 over HTTP: `/portablecontacts`, `/@me/@all`, `/@me/@all/{id}`, `/@me/@self`, as JSON and XML.

Where they are is said by XRDS-Simple (§5), to which the start page's header leads, and by host-meta (gateway/host_meta.py): both are of the
installation, name nobody and need no key.

Parameters come in the query or in a form (§6). A key is sent as Bearer or, by old clients, as the password of Basic (RFC 7617); cookies open
nothing here, so that no page of another origin can ask. Over its allowance a client is told 503 with Retry-After, the draft's own way (§6.6).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.execution.rate import Rate
from gateway.signin import browser
from gateway.signin.principal import NotSignedIn, Principal
from resolvers import portable_contacts
from resolvers.operation import Operation
from resolvers.portable_contacts import Question

if TYPE_CHECKING:
    from gateway.installation import Installation

BASE: Final = "/portablecontacts"
DESCRIPTION: Final = "/xrds"
REL: Final = "http://portablecontacts.net/spec/1.0"
_XRDS: Final = """<?xml version="1.0" encoding="UTF-8"?>
<XRDS xmlns="xri://$xrds"><XRD xmlns="xri://$XRD*($v*2.0)" xmlns:simple="http://xrds-simple.net/core/1.0" version="2.0">
<Type>xri://$xrds*simple</Type><Service priority="10"><Type>{rel}</Type><URI>{base}</URI></Service></XRD></XRDS>
"""
#: Of what names nobody, for pages of anybody (RFC 7033 §5 recommends it for such documents).
PUBLIC: Final = {"cache-control": "max-age=3600", "access-control-allow-origin": "*"}
MAX_FORM: Final = 65_536
MAX_START: Final = 1_000_000
HEADERS: Final = {"cache-control": "no-store"}
CHALLENGE: Final = {"www-authenticate": 'Bearer realm="kith", Basic realm="kith", charset="UTF-8"'}
#: XML 1.0 §2.2: what no document can hold.
_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Wrong(Exception):
    """A request that gets no contacts, with the reason."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


class PortableContacts:
    """One per process."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._rate = Rate(installation.cache, installation.settings.rate_cost, installation.clock)

    def routes(self) -> list[BaseRoute]:
        paths = (BASE, f"{BASE}/", f"{BASE}/@me", f"{BASE}/@me/@all", f"{BASE}/@me/@all/{{id}}", f"{BASE}/@me/@self")
        served: list[BaseRoute] = [Route(path, self.serve, methods=["GET", "POST"]) for path in paths]
        return [*served, Route(DESCRIPTION, self.described)]

    async def described(self, request: Request) -> Response:
        """The installation's XRDS-Simple document."""
        text = _XRDS.format(rel=REL, base=escape(f"{self._installation.settings.url}{BASE}"))
        return Response(text, 200, PUBLIC, "application/xrds+xml")

    async def serve(self, request: Request) -> Response:
        """The contacts that were asked for, or why not."""
        try:
            principal = await self._principal(request)
            asked = await _parameters(request)
            form = asked.get("format", "json").lower()
            if form not in ("json", "xml"):
                raise Wrong(400, "format is json or xml")
            body = await self._answer(request, principal, asked)
        except Wrong as error:
            return JSONResponse({"error": str(error)}, error.status, {**HEADERS, **error.headers})
        if form == "xml":
            return Response(written(body), 200, HEADERS, "application/xml")
        return JSONResponse(body, 200, HEADERS)

    async def _principal(self, request: Request) -> Principal:
        try:
            principal = await self._installation.door.bearer(_key(request.headers.get("authorization", "")))
        except NotSignedIn as error:
            raise Wrong(401, str(error), CHALLENGE) from None
        if "READ" not in principal.scopes:
            raise Wrong(403, "this key lacks the scope read")
        return principal

    async def _answer(self, request: Request, principal: Principal, asked: Mapping[str, str]) -> dict[str, Any]:
        scopes = frozenset(scope.lower() for scope in principal.scopes)
        operation = Operation(self._installation.services, principal.viewer, scopes, credential=principal.credential)
        question = _question(asked)
        if wait := await self._rate.take(principal.viewer, principal.credential, question.size):
            raise Wrong(503, "this key has spent its allowance for this minute", {"retry-after": str(wait)})
        if request.url.path.endswith("/@self"):
            return _alone(await portable_contacts.owner(operation, question.fields))
        if (person_id := request.path_params.get("id")) is not None:
            found = await portable_contacts.one(operation, person_id, question.fields)
            if found is None:
                raise Wrong(404, "there is no contact of this id")
            return _alone(found)
        page = await portable_contacts.page(operation, question)
        body: dict[str, Any] = {"startIndex": page.start}
        if "count" in asked:
            body["itemsPerPage"] = question.size
        body |= {"totalResults": page.total, "entry": page.entries}
        if page.deleted is not None:
            body["deleted"] = list(page.deleted)
        return body | dict.fromkeys(page.declined, False)


def _key(header: str) -> str:
    """The key of a request. Raises NotSignedIn."""
    scheme, _, value = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return browser.bearer_token(header)
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
    except ValueError:  # UnicodeDecodeError and binascii.Error are
        raise NotSignedIn("send the key as the password of Basic") from None


async def _parameters(request: Request) -> dict[str, str]:
    """The query's, and a form's where there is one; of several the last counts."""
    found = dict(request.query_params)
    if request.method == "POST":
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_FORM:
                raise Wrong(413, f"a form has at most {MAX_FORM} bytes")
        try:
            found |= dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100))
        except ValueError:
            raise Wrong(400, "the form cannot be read: send application/x-www-form-urlencoded in UTF-8") from None
    return found


def _question(asked: Mapping[str, str]) -> Question:
    order = asked.get("sortOrder", "ascending").lower()
    if order not in ("ascending", "descending"):
        raise Wrong(400, "sortOrder is ascending or descending")
    fields = [name.strip() for name in asked.get("fields", "").split(",") if name.strip()]
    return Question(
        filter_by=asked.get("filterBy") or None,
        filter_op=(asked.get("filterOp") or "").lower() or None,
        filter_value=asked.get("filterValue"),
        updated_since=_moment(asked.get("updatedSince")),
        sort_by=asked.get("sortBy") or None,
        descending=order == "descending",
        start=_whole(asked, "startIndex"),
        count=_whole(asked, "count"),
        fields=frozenset(fields) or None,
    )


def _whole(asked: Mapping[str, str], name: str) -> int:
    text = asked.get(name, "").strip() or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= MAX_START):
        raise Wrong(400, f"{name} is a whole number from 0 to {MAX_START:,}")
    return int(text)


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "+"))  # a plus sign that nobody encoded
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Wrong(400, "updatedSince is written like 2026-01-31T09:30:00Z") from None


def _alone(entry: dict[str, Any]) -> dict[str, Any]:
    """§6.2: one contact is an object, not a list of one."""
    return {"startIndex": 0, "totalResults": 1, "entry": entry}


# --- XML ----------------------------------------------------------------------------------------------------------------------


def written(body: Mapping[str, Any]) -> bytes:
    """An answer as XML: fields of many are elements repeated (§6.3)."""
    root = ElementTree.Element("response")
    _fill(root, body)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _fill(element: ElementTree.Element, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        for each in value if isinstance(value, list) else [value]:
            child = ElementTree.SubElement(element, name)
            if isinstance(each, Mapping):
                _fill(child, each)
            else:
                child.text = ("true" if each else "false") if isinstance(each, bool) else _NO_XML.sub("", str(each))
