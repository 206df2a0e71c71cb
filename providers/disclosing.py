"""The wire to strangers' hosts: what is to leave about somebody is written down before its first byte, and how it ended after its last.

    Session ──▶ Logged ──begin──▶ Log       (no row, no byte)
                  │ wire
                  └──end────────▶ Log

`Logged` stands between a Session and the installation's transport, under redirects, retries and everything else: what goes around it has
no socket. What the log refuses (consent that was withdrawn meanwhile) or cannot keep does not leave. Knows no database.
"""

from __future__ import annotations

from typing import Final, Protocol

import httpx2 as httpx
import msgspec
import structlog

from providers.errors import ForbiddenAddress, ProviderError, Unavailable

NOT_SENT: Final = "NOT_SENT"
CUT: Final = "CUT"
_CONNECTING: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, ForbiddenAddress)
log = structlog.get_logger()


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it leaves; secrets are in headers, which are not told."""

    method: str
    url: str
    recipient: str
    body: bytes | None


class Log(Protocol):
    """Keeps what leaves, for one viewer and one question."""

    async def begin(self, outgoing: Outgoing) -> str:
        """Write down what is about to leave. Raises ProviderError where it must not."""
        ...

    async def end(self, entry: str, outcome: str, status: int | None) -> None:
        """How it ended: ANSWERED with its status, CUT, or NOT_SENT where no connection came about."""
        ...


class Logged(httpx.AsyncBaseTransport):
    """A transport that tells a log. `left` counts the requests of which bytes may have left."""

    def __init__(self, transport: httpx.AsyncBaseTransport, log: Log) -> None:
        self._transport = transport
        self._log = log
        self.left = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        outgoing = Outgoing(method=request.method, url=str(request.url), recipient=request.url.host, body=body or None)
        entry = await begin(self._log, outgoing)
        self.left += 1
        outcome, status = CUT, None
        try:
            response = await self._transport.handle_async_request(request)
            outcome, status = "ANSWERED", response.status_code
            return response
        except Exception as error:
            if _never_connected(error):
                self.left -= 1
                outcome = NOT_SENT
            raise
        finally:
            await end(self._log, entry, outcome, status)


async def begin(log: Log, outgoing: Outgoing) -> str:
    """A row of the log. Raises ProviderError when there is none: then nothing may leave."""
    try:
        return await log.begin(outgoing)
    except ProviderError:
        raise
    except Exception as error:
        raise Unavailable("What would be sent could not be written down, so it was not sent.", provider_code="no-log") from error


async def end(log_: Log, entry: str, outcome: str, status: int | None) -> None:
    """Closes a row; one that cannot be closed stays open, which says that its end is not known."""
    try:
        await log_.end(entry, outcome, status)
    except Exception as error:
        log.warning("the end of a disclosure could not be written down", entry=entry, error=str(error))


def _never_connected(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, _CONNECTING):
            return True
        error = error.__cause__
    return False
