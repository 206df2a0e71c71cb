"""The ways out of this process by HTTP, whose every connection is opened by the guard.

Calls of a `Session` go by `exchange`, over connections of our own (wire.py): of all that a call costs, a client in between would be
most. The httpx API on aiohttp's sockets (sockets.py) is for whoever speaks httpx (Authlib), for answers that go on and on, and for
HEAD; WebSockets are aiohttp's own. Bodies are decompressed in bounds, so that a small compressed answer cannot become a large one
before anybody counted (RFC 9110 §8.4). Knows nothing of accounts, redirects or retries, keeps no cookies and reads no proxy settings.
"""

from __future__ import annotations

import ssl
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any

import httpx2 as httpx

from providers.addresses import Guard
from providers.web_address import Address
from providers.wire import Answer, Wires

if TYPE_CHECKING:
    import aiohttp

    from providers.sockets import Sockets

ACCEPT_ENCODING = "gzip, deflate"
#: RFC 9110 §8.6: these say that they have no body.
WITH_BODIES = frozenset({"POST", "PUT", "PATCH"})


class Transport(httpx.AsyncBaseTransport):
    """One pool of connections for the whole process, made on first use in the running loop. Close with `aclose()`."""

    def __init__(self, guard: Guard, *, tls: ssl.SSLContext | None = None, connections: int = 200, per_host: int = 16) -> None:
        self.guard = guard
        self._tls = tls
        self._connections = connections
        self._per_host = per_host
        self._sockets: Sockets | None = None
        self._default_tls: ssl.SSLContext | None = None
        self._wires = Wires(guard, self._context, connections=connections, per_host=per_host)

    @property
    def tls(self) -> ssl.SSLContext | None:
        """The context for encrypted connections, where it is not the system's own."""
        return self._tls

    def exchange(
        self,
        method: str,
        url: httpx.URL,
        headers: bytes,
        body: bytes | None,
        *,
        connect_seconds: float,
        read_seconds: float,
        max_bytes: int,
    ) -> Coroutine[Any, Any, Answer]:
        """One request and its whole answer, unpacked, of at most `max_bytes`; any method but HEAD. `headers` are `header_lines`.

        Raises httpx's TransportError and its kinds, ForbiddenAddress, Malformed, or wire.TooLarge.
        """
        target = url if isinstance(url, Address) else Address(url)
        if not method.isascii() or not method.replace("-", "").isalpha():
            raise httpx.LocalProtocolError("no method")  # RFC 9110 §9.1
        if body or method in WITH_BODIES:
            content = body or b""
            request = b"%b%b%bContent-Length: %d\r\n\r\n%b" % (method.encode(), target.start, headers, len(content), content)
        else:
            request = b"%b%b%b\r\n" % (method.encode(), target.start, headers)
        return self._wires.ask(
            target.place, method, request, connect_seconds=connect_seconds, read_seconds=read_seconds, max_bytes=max_bytes
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request and returns when the head of the answer is there.

        With the extension `line` its body goes on for as long as the server likes: such answers take no connection from calls.
        Raises httpx's TransportError and its kinds, or ForbiddenAddress.
        """
        await self._judge_literal(request.url)
        return await self._opened().send(request)

    async def open_socket(
        self, request: httpx.Request, *, protocols: tuple[str, ...], heartbeat: float | None, max_bytes: int
    ) -> aiohttp.ClientWebSocketResponse:
        """A WebSocket (RFC 6455) to where the request goes, with its headers; a peer that answers no ping in time is gone.

        Raises httpx's TransportError and its kinds, or ForbiddenAddress; where the server wants none of it, an HTTPStatusError.
        """
        await self._judge_literal(request.url)
        return await self._opened().open_socket(request, protocols=protocols, heartbeat=heartbeat, max_bytes=max_bytes)

    async def aclose(self) -> None:
        if self._sockets is not None:
            await self._sockets.aclose()
        await self._wires.aclose()

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            if self._default_tls is None:
                self._default_tls = ssl.create_default_context()
                self._default_tls.set_alpn_protocols(["http/1.1"])
            return self._default_tls
        return self._tls

    async def _judge_literal(self, url: httpx.URL) -> None:
        # aiohttp does not ask its resolver about literal addresses: ask for it, once for names too (the guard is cheap).
        if _is_literal(url.host):
            await self.guard.resolve(url.host, url.port or (443 if url.scheme == "https" else 80))

    def _opened(self) -> Sockets:
        if self._sockets is None:
            from providers.sockets import Sockets

            self._sockets = Sockets(self.guard, self._tls, connections=self._connections, per_host=self._per_host)
        return self._sockets


def header_lines(headers: Mapping[str, str]) -> bytes:
    """Headers as a request has them; Host is not among them, the address says it. Raises httpx.LocalProtocolError for what would be two."""
    text = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if text.count("\n") != len(headers) or text.count("\r") != len(headers) or "\0" in text or "Host" in headers:
        raise httpx.LocalProtocolError("a header that holds the end of a line")  # RFC 9110 §5.5
    return text.encode()


def _is_literal(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()
