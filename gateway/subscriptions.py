"""Operations over a WebSocket: the graphql-transport-ws subprotocol (github.com/enisdenjo/graphql-ws, PROTOCOL.md).

The credential comes in the `connection_init` payload as `Authorization`, or is the browser's session cookie, which counts only
from our own pages and allowed origins: any page may open a WebSocket to us, and browsers send the cookie along. A revoked
credential closes the socket within 5 seconds, a stopping server with 1012 (RFC 6455 §7.4, IANA registry).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.execution.request import Answer, BadRequest, GraphQLRequest, encoded, read_request
from gateway.signin import browser
from gateway.signin.principal import Forbidden, NotSignedIn, Principal

if TYPE_CHECKING:
    from gateway.installation import Installation

PROTOCOL: Final = "graphql-transport-ws"
OPERATIONS: Final = 100  # at once on one socket
INIT_SECONDS: Final = 10.0
IDLE_PING: Final = 25.0  # seconds between our pings, so that proxies keep the socket open
# close codes of the subprotocol
BAD_MESSAGE, UNAUTHORIZED, FORBIDDEN, SUBPROTOCOL, INIT_TIMEOUT, EXISTS, TOO_MANY_INITS = 4400, 4401, 4403, 4406, 4408, 4409, 4429
RESTARTING: Final = 1012
TRY_LATER: Final = 1013
log = structlog.get_logger("kith.socket")


class _Close(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Subscriptions:
    """The ASGI application at /graphql, for WebSockets."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _Socket(self._installation, WebSocket(scope, receive, send)).serve()


class _Socket:
    def __init__(self, installation: Installation, socket: WebSocket) -> None:
        self._installation = installation
        self._socket = socket
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._principal: Principal | None = None
        self._secret = ""
        self._initialised = False
        self._writing = asyncio.Lock()
        self._over: asyncio.Future[_Close] = asyncio.get_running_loop().create_future()
        self.quiet = IDLE_PING
        self.spoke = asyncio.get_running_loop().time()

    async def serve(self) -> None:
        if PROTOCOL not in self._socket.scope.get("subprotocols", ()):
            await self._socket.accept()
            await self._socket.close(SUBPROTOCOL, f"Subprotocol not acceptable: use {PROTOCOL}")
            return
        await self._socket.accept(subprotocol=PROTOCOL)
        self._installation.telemetry.opened("websocket")
        late = asyncio.get_running_loop().call_later(INIT_SECONDS, self._too_late)
        reading = asyncio.ensure_future(self._read())
        self._installation.attendant.take(self)
        try:
            await asyncio.wait((reading, self._over), return_when=asyncio.FIRST_COMPLETED)
            await self._closed_for(self._over.result() if self._over.done() else reading.exception())
        finally:
            late.cancel()
            self._installation.attendant.leave(self)
            self._installation.telemetry.closed("websocket")
            tasks = [reading, *self._operations.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _closed_for(self, error: BaseException | None) -> None:
        if error is None or isinstance(error, WebSocketDisconnect):
            return
        if not isinstance(error, _Close):
            log.error("socket failed", exc_info=error)
            error = _Close(1011, "Something went wrong here")
        with contextlib.suppress(RuntimeError, OSError):
            await self._socket.close(error.code, error.reason[:120])  # RFC 6455 §5.5: 123 bytes

    async def alive(self) -> bool:
        """Whether the credential still holds, where there is one yet."""
        return self._principal is None or await self._installation.door.still(self._principal, self._secret)

    async def beat(self) -> None:
        """Ping; not while something else is on its way to a client that does not read."""
        if self._principal is not None and not self._writing.locked():
            await self._send({"type": "ping"})

    def end(self, *, stopping: bool) -> None:
        """Close with the reason."""
        restart, forbidden = (
            (RESTARTING, "The server restarts: connect again"),
            (FORBIDDEN, "Forbidden: the credential has ended"),
        )
        if not self._over.done():
            self._over.set_result(_Close(*(restart if stopping else forbidden)))

    def _too_late(self) -> None:
        if self._principal is None and not self._over.done():
            self._over.set_result(_Close(INIT_TIMEOUT, "Connection initialisation timeout"))

    async def _read(self) -> None:
        limit = self._installation.settings.max_body_bytes
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            text = message.get("text")
            if text is None:
                raise _Close(BAD_MESSAGE, "Messages are text")
            if len(text) > limit:
                raise _Close(BAD_MESSAGE, f"The message is longer than {limit} bytes")
            try:
                payload = orjson.loads(text)
            except orjson.JSONDecodeError:
                raise _Close(BAD_MESSAGE, "Invalid message: no JSON") from None
            if not isinstance(payload, dict) or not isinstance(payload.get("type"), str):
                raise _Close(BAD_MESSAGE, "Invalid message: an object with a type is expected")
            await self._message(payload)

    async def _message(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "connection_init":
                await self._init(message.get("payload"))
            case "ping":
                payload = message.get("payload")
                await self._send({"type": "pong", "payload": payload} if isinstance(payload, dict) else {"type": "pong"})
            case "pong":
                pass
            case "subscribe":
                self._subscribe(message)
            case "complete":
                task = self._operations.pop(str(message.get("id")), None)
                if task is not None:
                    task.cancel()
            case other:
                raise _Close(BAD_MESSAGE, f"Invalid message: unknown type {other[:40]!r}")

    async def _init(self, payload: object) -> None:
        if self._initialised:
            raise _Close(TOO_MANY_INITS, "Too many initialisation requests")
        if payload is not None and not isinstance(payload, dict):
            raise _Close(BAD_MESSAGE, "Invalid message: the payload must be an object")
        self._initialised = True
        settings, door = self._installation.settings, self._installation.door
        given = {str(name).lower(): value for name, value in (payload or {}).items()}
        header = given.get("authorization")
        try:
            if isinstance(header, str) and header.strip():
                self._secret = browser.bearer_token(header)
                self._principal = await door.bearer(self._secret)
            else:
                self._principal, self._secret = await browser.identify(self._socket, settings, door)
                if self._principal.kind == "BROWSER":
                    browser.check_origin(self._socket, settings)
                    if "origin" not in self._socket.headers and browser.CSRF_HEADER not in self._socket.headers:
                        raise Forbidden("a session cookie counts only from a page")
        except NotSignedIn as error:
            given_one = header is not None or "authorization" in self._socket.headers
            raise _Close(
                FORBIDDEN if given_one else UNAUTHORIZED, f"{'Forbidden' if given_one else 'Unauthorized'}: {error}"
            ) from None
        except Forbidden as error:
            raise _Close(FORBIDDEN, f"Forbidden: {error}") from None
        await self._send({"type": "connection_ack"})

    def _subscribe(self, message: dict[str, Any]) -> None:
        if self._principal is None:
            raise _Close(UNAUTHORIZED, "Unauthorized: send connection_init first")
        key = message.get("id")
        if not isinstance(key, str) or not key or len(key) > 200:
            raise _Close(BAD_MESSAGE, "Invalid message: subscribe needs an id")
        if key in self._operations:
            raise _Close(EXISTS, f"Subscriber for {key[:60]} already exists")
        try:
            request = read_request(message.get("payload"))
        except BadRequest as error:
            raise _Close(BAD_MESSAGE, f"Invalid message: {error}") from None
        if len(self._operations) >= OPERATIONS:
            raise _Close(TRY_LATER, f"At most {OPERATIONS} operations at once on a socket")
        self._operations[key] = asyncio.ensure_future(self._operate(key, request, self._principal))

    async def _operate(self, key: str, request: GraphQLRequest, principal: Principal) -> None:
        async def alive() -> bool:
            return await self._installation.door.still(principal, self._secret)

        answers = self._installation.execution.stream(request, principal, alive=alive)
        failed = False
        try:
            async for answer in answers:
                failed = answer.refused
                await self._send(_message(key, answer))
            if not failed:  # an error message is the last word on an operation
                await self._send({"id": key, "type": "complete"})
        except (WebSocketDisconnect, RuntimeError, OSError):
            pass  # the client is gone; whoever reads the socket ends it
        finally:
            if self._operations.get(key) is asyncio.current_task():
                del self._operations[key]
            await answers.aclose()

    async def _send(self, message: dict[str, Any]) -> None:
        async with self._writing:
            await self._socket.send_text(encoded(message).decode())
        self.spoke = asyncio.get_running_loop().time()


def _message(key: str, answer: Answer) -> dict[str, Any]:
    """`next` with an execution result, `error` with why nothing was executed."""
    if answer.refused:
        return {"id": key, "type": "error", "payload": answer.errors}
    return {"id": key, "type": "next", "payload": answer.body()}
