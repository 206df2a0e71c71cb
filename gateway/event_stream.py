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

import orjson
from starlette.types import Receive, Scope, Send

from gateway.execution.request import Answer
from gateway.signin.door import WATCH

if TYPE_CHECKING:
    from gateway.installation import Installation

MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT: Final = 15.0  # seconds


class EventStream:
    """An ASGI response."""

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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),  # nginx would hold events back
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        lock = asyncio.Lock()

        async def write(text: str) -> None:
            async with lock:
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})

        ends = [
            asyncio.ensure_future(self._events(write)),
            asyncio.ensure_future(_gone(receive)),
            asyncio.ensure_future(self._installation.draining.wait()),
            asyncio.ensure_future(self._watch()),
            asyncio.ensure_future(_beat(write)),
        ]
        self._installation.telemetry.opened("sse")
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._installation.telemetry.closed("sse")
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            await self._answers.aclose()
        with contextlib.suppress(OSError):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _events(self, write: Callable[[str], Awaitable[None]]) -> None:
        await write(":\n\n")  # the headers leave at once, so that the client knows it is connected
        async for answer in self._answers:
            await write(encode(answer))
        await write("event: complete\ndata:\n\n")

    async def _watch(self) -> None:
        while await self._alive():  # noqa: ASYNC110  a revocation is a row in a database, not an event here
            await asyncio.sleep(WATCH)


def encode(answer: Answer) -> str:
    """One event. A cursor has no line break, so it may stand in `id:` as it is."""
    head = f"id: {answer.event_id}\n" if answer.event_id and not set(answer.event_id) & set("\r\n\0") else ""
    return f"{head}event: next\ndata: {orjson.dumps(answer.body()).decode()}\n\n"


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _beat(write: Callable[[str], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT)
        await write(":\n\n")
