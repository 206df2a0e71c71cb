"""GraphQL over HTTP (GraphQL Working Group, 2025-07 draft): one address, GET and POST, two media types, event streams.

Order of judgement: what may be answered (Accept), who asks, whether a foreign page could have sent it, then the body, and only
then GraphQL. An `application/graphql-response+json` answer says by its status whether the operation ran (§6.4.2); with
`application/json` every well-formed request is 200 (§6.4.1), as old clients expect. Knows nothing of what operations mean.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, overload

import orjson
import structlog
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from gateway.event_stream import MEDIA_TYPE as EVENT_STREAM
from gateway.event_stream import EventStream
from gateway.execution.answers import Kept
from gateway.execution.execute import ALL_AT_ONCE, QUERIES
from gateway.execution.request import IDS, Answer, BadRequest, GraphQLRequest, encoded, read_request, refusal
from gateway.signin import browser
from gateway.signin.principal import Forbidden, NotSignedIn, Principal

if TYPE_CHECKING:
    from gateway.installation import Installation

MODERN: Final = "application/graphql-response+json"
LEGACY: Final = "application/json"
VARY: Final = "authorization, cookie, accept, accept-encoding"  # on what else than its address such an answer depends
GZIP_FROM: Final = 2_048  # bytes; below, the header costs more than it saves
GZIP_LEVEL: Final = 4
TAGS: Final = 20  # that are read of one header
USUAL: Final[dict[str, dict[str, str]]] = {
    media: {"content-type": f"{media}; charset=utf-8", "cache-control": "no-store", "vary": "accept, accept-encoding"}
    for media in (MODERN, LEGACY)
}
log = structlog.get_logger("kith.http")


class Refused(Exception):
    """A request that is no GraphQL request, or not one for us."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})


class Said:
    """A request's headers by name in lower case; of several the first counts."""

    __slots__ = ("_headers",)

    def __init__(self, headers: Mapping[bytes, bytes]) -> None:
        self._headers = headers

    @overload
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, otherwise: str) -> str: ...
    def get(self, name: str, otherwise: str | None = None) -> str | None:
        found = self._headers.get(name.encode())
        return otherwise if found is None else found.decode("latin-1")


class Whole:
    """An answer that is sent at once."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str]) -> None:
        self.body = body
        self.status = status
        self.headers = [_pair(name, value) for name, value in headers.items()]
        if status != 304:  # RFC 9110 §8.6
            self.headers.append((b"content-length", b"%d" % len(body)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


class Endpoint:
    """GraphQL at one address, for HTTP: as an ASGI application, and for whole requests (front.py) without."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._execution = installation.execution
        self._settings = installation.settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._judged(scope, Said(dict(reversed(scope["headers"]))), receive)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def answer(self, scope: Scope, headers: Mapping[bytes, bytes], body: bytes) -> Whole:
        """The answer to a request that is there as a whole, and asks for no stream. `headers`: by name in lower case."""
        response = await self._judged(scope, Said(headers), body)
        assert isinstance(response, Whole)
        return response

    async def _judged(self, scope: Scope, said: Said, body: bytes | Receive) -> Whole | EventStream:
        media: str | None = LEGACY
        try:
            if scope["method"] not in ("GET", "POST"):
                raise Refused(405, "METHOD_NOT_ALLOWED", "GraphQL is asked by GET or POST.", {"allow": "GET, POST"})
            media = negotiate(said.get("accept"))
            if media is None:
                media = LEGACY
                raise Refused(406, "NOT_ACCEPTABLE", f"Answers are {MODERN}, {LEGACY} or, for streams, {EVENT_STREAM}.")
            authorization = said.get("authorization")
            if authorization is not None:
                principal, secret = await browser.by_key(authorization, self._installation.door)
            else:
                request = Request(scope)
                principal, secret = await browser.by_cookie(request, self._settings, self._installation.door)
                browser.check_forgery(request, scope["method"], self._settings)
            graphql = await self._read(scope, said, body)
            return await self._respond(scope["method"], said, graphql, principal, secret, media)
        except Refused as error:
            return self._refusal(media, error.status, error.code, str(error), error.headers)
        except NotSignedIn as error:
            return self._refusal(media, 401, "UNAUTHENTICATED", str(error), {"www-authenticate": browser.REALM})
        except Forbidden as error:
            return self._refusal(media, 403, "FORBIDDEN", str(error))
        except BadRequest as error:
            return self._refusal(media, 400, "BAD_REQUEST", str(error))

    async def _respond(
        self, method: str, said: Said, graphql: GraphQLRequest, principal: Principal, secret: str, media: str
    ) -> Whole | EventStream:
        async def alive() -> bool:
            return await self._installation.door.still(principal, secret)

        if media == EVENT_STREAM:
            return EventStream(
                self._installation, self._execution.stream(
                    graphql, principal, last_event_id=said.get("last-event-id"), alive=alive
                ), alive, allow_mutation=method == "POST",
            )  # fmt: skip
        allowed = ALL_AT_ONCE if method == "POST" else QUERIES
        # RFC 9110 §13.1.2; only the address of a GET with a named document stands for what is asked
        entitled = method == "GET" and graphql.named
        tags = read_tags(said.get("if-none-match", "")) if entitled else ()
        found = await self._execution.reply(graphql, principal, allowed=allowed, alive=alive, tags=tags)
        if entitled and found.tag is not None:
            found.answer.headers |= {"etag": f'W/"{found.tag}"', "cache-control": "private, no-cache", "vary": VARY}
            if found.unchanged:
                return Whole(b"", 304, found.answer.headers)
        return self._response(found.answer, media, said.get("accept-encoding", ""), found.kept)

    async def _read(self, scope: Scope, said: Said, body: bytes | Receive) -> GraphQLRequest:
        if scope["method"] == "GET":
            if len(scope["query_string"]) > self._settings.max_query_bytes * 3:  # percent-encoding takes three characters a byte
                raise Refused(414, "URI_TOO_LONG", "The address is too long: send the operation by POST.")
            return read_request(_from_query(QueryParams(scope["query_string"])))
        kind = said.get("content-type", "")
        if kind != LEGACY:  # else there is nothing to take apart
            kind, _, parameters = kind.partition(";")
            if kind.strip().lower() != LEGACY:
                raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", f"Send the operation as {LEGACY}.", {"accept-post": LEGACY})
            charset = parameters.strip().lower().replace('"', "")
            if charset.startswith("charset=") and charset not in ("charset=utf-8", "charset=utf8"):
                raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", "JSON is UTF-8 (RFC 8259 §8.1).", {"accept-post": LEGACY})
        if said.get("content-encoding", "identity").lower() != "identity":
            raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", "Send the body without content encoding.")
        if not isinstance(body, bytes):
            body = await read_body(body, said.get("content-length", "0"), self._settings.max_body_bytes)
        elif len(body) > self._settings.max_body_bytes:
            raise _too_long(self._settings.max_body_bytes)
        try:
            return read_request(orjson.loads(body))
        except orjson.JSONDecodeError as error:
            raise BadRequest(f"the body is no JSON: {error}") from None

    def _response(self, answer: Answer, media: str, encodings: str, kept: Kept | None = None) -> Whole:
        status = answer.status or (400 if answer.refused and media == MODERN else 200)
        body = encoded(answer.body()) if kept is None else b""
        headers = USUAL[media] | answer.headers
        if kept is not None:
            tail = b',"extensions":' + encoded(answer.extensions) + b"}"
            if kept.length >= GZIP_FROM and "gzip" in encodings:
                return Whole(kept.zipped(tail), status, headers | {"content-encoding": "gzip"})
            return Whole(kept.head + tail, status, headers)
        if len(body) >= GZIP_FROM and "gzip" in encodings:
            packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)
            body = packer.compress(body) + packer.flush()
            headers["content-encoding"] = "gzip"
        return Whole(body, status, headers)

    def _refusal(
        self, media: str | None, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> Whole:
        answer = refusal(f"{message[:1].upper()}{message[1:]}", code, status=status)
        answer.headers = dict(headers or {})
        return self._response(answer, LEGACY if media in (None, EVENT_STREAM) else media or LEGACY, "")


@lru_cache(maxsize=200)
def _pair(name: str, value: str) -> tuple[bytes, bytes]:
    return name.encode("latin-1"), value.encode("latin-1")


def read_tags(header: str) -> tuple[str, ...]:
    """The opaque parts of If-None-Match (RFC 9110 §8.8.3, §13.1.2), which are compared weakly; `*` as it is."""
    return tuple(tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")[:TAGS] if tag.strip())


def negotiate(accept: str | None) -> str | None:
    """The media type to answer with (RFC 9110 §12.5.1: q values, then order), None when none is acceptable.

    Without Accept: `application/json`, for clients older than the specification (§6.3 "legacy watershed").
    """
    if accept is None or not accept.strip():
        return LEGACY
    best, quality = None, 0.0
    for part in accept.split(",")[:50]:
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        wanted = _quality(parameters)
        offer = {MODERN: MODERN, LEGACY: LEGACY, EVENT_STREAM: EVENT_STREAM, "*/*": LEGACY, "application/*": LEGACY}.get(kind)
        if offer is not None and any(p.startswith("charset=") and p not in ("charset=utf-8", "charset=utf8") for p in parameters):
            offer = None
        if offer is not None and wanted > quality:
            best, quality = offer, wanted
    return best


async def read_body(receive: Receive, announced: str, limit: int) -> bytes:
    """The body, read piece by piece and never further than `limit` bytes. Raises Refused, or ClientDisconnect."""
    pieces: list[bytes] = []
    size, more = int(announced) if announced.isdigit() and len(announced) < 20 else 0, True
    if size <= limit:
        size = 0
    while more and size <= limit:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece = message.get("body", b"")
        pieces.append(piece)
        size += len(piece)
        more = message.get("more_body", False)
    if size > limit:
        raise _too_long(limit)
    return b"".join(pieces)


def _too_long(limit: int) -> Refused:
    return Refused(413, "CONTENT_TOO_LARGE", f"The body is longer than {limit:,} bytes.", {"connection": "close"})


def _from_query(parameters: QueryParams) -> dict[str, Any]:
    """§6.1: a GET's parameters; `variables` and `extensions` are JSON."""
    found: dict[str, Any] = {}
    for name in ("query", "operationName", *IDS):
        if name in parameters:
            found[name] = parameters[name]
    for name in ("variables", "extensions"):
        if parameters.get(name):
            try:
                found[name] = orjson.loads(parameters[name])
            except orjson.JSONDecodeError:
                raise BadRequest(f"the parameter `{name}` is no JSON") from None
    return found


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return min(1.0, max(0.0, float(parameter[2:])))
            except ValueError:
                return 0.0
    return 1.0
