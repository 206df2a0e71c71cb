"""A WebSocket (RFC 6455) that both sides write into, over a connection that the guard has opened (`Session.web_socket`).

aiohttp speaks the protocol. A message is text of bounded size; an end is Unavailable, with the close code (§7.4) as its `provider_code`.
Knows nothing of what is said.
"""

from __future__ import annotations

import asyncio

import aiohttp

from providers.errors import Malformed, Unavailable

SEND_SECONDS = 10.0


class WebSocket:
    """One connection. Every method raises only Unavailable and Malformed."""

    def __init__(self, opened: aiohttp.ClientWebSocketResponse, host: str) -> None:
        self._opened = opened
        self._host = host

    async def send(self, text: bytes) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._opened.send_frame(text, aiohttp.WSMsgType.TEXT)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._ended() from error

    async def receive(self, seconds: float) -> bytes | None:
        """The next message; None when none came within so many seconds."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                message = await self._opened.receive()
        except TimeoutError:
            return None
        except (aiohttp.ClientError, OSError) as error:
            raise self._ended() from error
        match message.type:
            case aiohttp.WSMsgType.TEXT | aiohttp.WSMsgType.BINARY:
                return message.data.encode() if isinstance(message.data, str) else bytes(message.data)
            case aiohttp.WSMsgType.ERROR if isinstance(message.data, aiohttp.WebSocketError):
                raise Malformed(f"{self._host} sent what is no message ({message.data}).", provider_code="web-socket")
            case _:
                raise self._ended()

    async def close(self, code: int) -> None:
        """Ends it with a code (§7.4.2: 4000 and more mean what both sides have agreed on)."""
        await self._opened.close(code=code)

    def _ended(self) -> Unavailable:
        code = self._opened.close_code
        return Unavailable(f"{self._host} has ended its line ({code or 'cut'}).", provider_code=str(code or "cut"))
