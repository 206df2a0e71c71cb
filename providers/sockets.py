"""httpx's API on aiohttp's sockets, for what `wire.py` does not speak: answers that go on and on, HEAD, WebSockets, and Authlib.

A module of its own, loaded by the first that asks for one: aiohttp is six megabytes, and most processes only make calls. Bodies are
decompressed in bounds. Knows nothing of accounts, redirects or retries, keeps no cookies and reads no proxy settings.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator

import aiohttp
import httpx2 as httpx
import yarl

from providers.addresses import Guard
from providers.connector import connector
from providers.errors import Malformed

PIECE = 256 * 1024
#: What aiohttp would add by itself and httpx already decided.
NOT_AIOHTTPS_OWN = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
#: RFC 9110 §8.4.1; "deflate" is zlib (RFC 1950) or, from some servers, raw (RFC 1951): told apart at the first byte.
WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class Sockets:
    """Two pools, made on first use: for answers that end, and for lines, which take no connection from those. Close with `aclose()`."""

    def __init__(self, guard: Guard, tls: ssl.SSLContext | None, *, connections: int, per_host: int) -> None:
        self._guard = guard
        self._tls = tls
        self._connections = connections
        self._per_host = per_host
        self._client: aiohttp.ClientSession | None = None
        self._lines: aiohttp.ClientSession | None = None

    async def send(self, request: httpx.Request) -> httpx.Response:
        """`Transport.handle_async_request`, once the guard has judged a literal address."""
        client = self._opened_lines() if "line" in request.extensions else self._opened()
        allowed = request.extensions.get("timeout", {})
        timeout = aiohttp.ClientTimeout(
            total=None,
            connect=_sum(allowed.get("pool"), allowed.get("connect")),
            sock_connect=allowed.get("connect"),
            sock_read=allowed.get("read"),
        )
        body = await request.aread() if not isinstance(request.stream, httpx.ByteStream) else b"".join(request.stream)
        try:
            answer = await client.request(
                request.method,
                yarl.URL(str(request.url), encoded=True),  # the server's own spelling of a path, byte for byte
                headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in _own_headers(request)],
                data=body or None,
                allow_redirects=False,
                timeout=timeout,
                ssl=self._tls if self._tls is not None else True,
            )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _as_httpx(error, request) from error
        headers = [(name, value) for name, value in answer.raw_headers if name.lower() != b"content-encoding"]
        return httpx.Response(
            answer.status,
            headers=headers,
            stream=_Body(answer, request),
            extensions={"http_version": b"HTTP/1.1"},
            request=request,
        )

    async def open_socket(
        self, request: httpx.Request, *, protocols: tuple[str, ...], heartbeat: float | None, max_bytes: int
    ) -> aiohttp.ClientWebSocketResponse:
        """`Transport.open_socket`, once the guard has judged a literal address."""
        try:
            return await self._opened_lines().ws_connect(
                yarl.URL(str(request.url), encoded=True),
                headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in _own_headers(request)],
                protocols=protocols,
                heartbeat=heartbeat,
                max_msg_size=max_bytes,
                ssl=self._tls if self._tls is not None else True,
            )
        except aiohttp.WSServerHandshakeError as error:
            refusal = httpx.Response(error.status, request=request)
            raise httpx.HTTPStatusError(error.message, request=request, response=refusal) from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _as_httpx(error, request) from error

    async def aclose(self) -> None:
        for client in (self._client, self._lines):
            if client is not None:
                await client.close()
        self._client = self._lines = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._client is None or self._client.closed:
            self._client = self._made(self._connections, self._per_host)
        return self._client

    def _opened_lines(self) -> aiohttp.ClientSession:
        if self._lines is None or self._lines.closed:
            self._lines = self._made(0, 0, _no_redirects())  # who opens lines bounds them
        return self._lines

    def _made(self, connections: int, per_host: int, *traces: aiohttp.TraceConfig) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            trace_configs=list(traces),
            connector=connector(self._guard, connections=connections, per_host=per_host),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,  # no proxies: a proxy would connect where we did not judge
            skip_auto_headers=NOT_AIOHTTPS_OWN,
            read_bufsize=PIECE,
        )


class _Body(httpx.AsyncByteStream):
    """An answer's bytes, decompressed, in pieces of at most 256 KiB."""

    def __init__(self, answer: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        encoding = self._answer.headers.get("Content-Encoding", "identity").strip().lower()
        try:
            pieces = self._answer.content.iter_chunked(PIECE)
            if encoding in ("", "identity"):
                async for piece in pieces:
                    yield piece
            elif encoding in WINDOWS:
                async for piece in _inflated(pieces, WINDOWS[encoding]):
                    yield piece
            else:
                raise Malformed(f"{self._request.url.host} sent an encoding that was not asked for ({encoding[:40]}).")
        except zlib.error as error:
            raise httpx.DecodingError("compressed body is broken", request=self._request) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _as_httpx(error, self._request) from error

    async def aclose(self) -> None:
        # A body that was read to its end has given its connection back; any other is cut, not drained.
        self._answer.close()


def _no_redirects() -> aiohttp.TraceConfig:
    """aiohttp follows redirects of WebSockets without being asked; a secret would go along."""

    async def refuse(*_: object) -> None:
        raise aiohttp.ClientError("redirected")

    traces = aiohttp.TraceConfig()
    traces.on_request_redirect.append(refuse)
    return traces


async def _inflated(pieces: AsyncIterator[bytes], window: int) -> AsyncIterator[bytes]:
    """Decompressed pieces, never more than one of 256 KiB at once in memory."""
    inflater = zlib.decompressobj(window)
    fresh = True
    async for piece in pieces:
        if fresh and window == zlib.MAX_WBITS and piece and piece[0] & 0x0F != 8:  # RFC 1950 §2.2: CM = 8
            inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        fresh = False
        while piece:
            out = inflater.decompress(piece, PIECE)
            piece = inflater.unconsumed_tail
            if out:
                yield out
            if inflater.eof:
                return  # whatever follows the end is not the body's
            if piece:
                await asyncio.sleep(0)  # a bomb is inflated in turns with everybody else's work
    while not inflater.eof:
        # What the last piece left inside the inflater; nothing more means that the body was cut.
        out = inflater.decompress(b"", PIECE)
        if not out:
            if fresh:
                return  # an empty body needs no compression
            raise zlib.error("incomplete")
        yield out


def _own_headers(request: httpx.Request) -> list[tuple[bytes, bytes]]:
    """The request's headers; aiohttp frames the body itself."""
    return [(name, value) for name, value in request.headers.raw if name.lower() not in (b"content-length", b"transfer-encoding")]


def _as_httpx(error: BaseException, request: httpx.Request) -> httpx.TransportError:
    """aiohttp's errors by httpx's names."""
    text = str(error) or type(error).__name__
    match error:
        case aiohttp.ConnectionTimeoutError():
            return httpx.ConnectTimeout(text, request=request)
        case TimeoutError():
            return httpx.ReadTimeout(text, request=request)
        case aiohttp.ClientConnectorError() | aiohttp.ClientSSLError():
            return httpx.ConnectError(text, request=request)
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError() | aiohttp.ClientResponseError():
            return httpx.RemoteProtocolError(text, request=request)
        case aiohttp.InvalidURL() | ValueError():
            return httpx.UnsupportedProtocol(text, request=request)
        case _:
            return httpx.ReadError(text, request=request)


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None and second is None else (first or 0.0) + (second or 0.0)
