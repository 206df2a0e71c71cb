"""Subscriptions over Server-Sent Events: the distinct connections mode of the GraphQL over SSE protocol (graphql-sse).

An operation is a response; each answer is an event `next`, the end an event `complete`. Changes carry their cursor as `id:`, so
that a browser's EventSource resumes by itself with Last-Event-ID (WHATWG HTML §9.2). A comment every `HEARTBEAT` seconds keeps
proxies from closing an idle stream. A stream ends without `complete` when the server stops or the credential is revoked: the
client comes back, and is then told the truth.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Final

from starlette.types import Receive, Scope, Send

from gateway.execution.request import Answer, encoded

if TYPE_CHECKING:
    from gateway.installation import Installation

MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT: Final = 15.0  # seconds


class EventStream:
    """An ASGI response. Each event leaves in one piece: what is written does not wait in the middle of one."""

    quiet: float = HEARTBEAT
    _send: Send
    _telling: asyncio.Future[None]

    def __init__(
        self,
        installation: Installation,
        answers: AsyncGenerator[Answer],
        alive: Callable[[], Awaitable[bool]],
        *,
        allow_mutation: bool,
    ) -> None:
        self._installation = installation
        self._answers = answers
        self._alive = alive
        self._allow_mutation = allow_mutation
        self._writing = 0
        self.spoke = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),  # nginx would hold events back
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        self._send = send
        self._telling = asyncio.ensure_future(self._tell())
        telemetry, attendant = self._installation.telemetry, self._installation.attendant
        telemetry.opened("sse")
        attendant.take(self)
        try:
            await self._listen(receive)
        finally:
            attendant.leave(self)
            telemetry.closed("sse")
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
            await self._answers.aclose()
        with contextlib.suppress(OSError):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _listen(self, receive: Receive) -> None:
        """Until the client is gone or everything was told. No task of its own: a thousand streams are open for hours."""
        listener, listening, told = asyncio.current_task(), True, False
        assert listener is not None

        def over(_: object) -> None:
            nonlocal told
            if listening:
                told = True
                listener.cancel()

        self._telling.add_done_callback(over)
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            if not told or listener.uncancel():  # somebody else wants this to end
                raise
        finally:
            listening = False

    async def alive(self) -> bool:
        """Whether the credential still holds."""
        return await self._alive()

    async def beat(self) -> None:
        """A comment, which clients skip; none while something else is on its way to a client that does not read."""
        if not self._writing:
            await self._write(b":\n\n")

    def end(self, *, stopping: bool) -> None:
        """Ends without `complete`."""
        self._telling.cancel()

    async def _tell(self) -> None:
        await self._write(b":\n\n")  # the headers leave at once, so that the client knows it is connected
        async for answer in self._answers:
            await self._write(encode(answer))
        await self._write(b"event: complete\ndata:\n\n")

    async def _write(self, body: bytes) -> None:
        self._writing += 1
        try:
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
        finally:
            self._writing -= 1
        self.spoke = asyncio.get_running_loop().time()


def encode(answer: Answer) -> bytes:
    """One event. A cursor has no line break, so it may stand in `id:` as it is."""
    head = f"id: {answer.event_id}\n" if answer.event_id and not set(answer.event_id) & set("\r\n\0") else ""
    return b"%bevent: next\ndata: %b\n\n" % (head.encode(), encoded(answer.body()))
