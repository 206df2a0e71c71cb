"""A line of bytes to a server that speaks neither HTTP nor WebSocket: IMAP today, SMTP submission beside it.

Opened only through the guard (`addresses.py`), with TLS from the first byte or with a STARTTLS that must succeed (RFC 8314
§3, RFC 9525: the certificate is checked against the name that the user gave); there is no way back to plain. Plain itself is
for places that the operator opened or this machine, and only when the user chose it. Reads are bounded in size and time: what has begun
comes no slower than `LEAST`, so that nobody is held by a byte a minute.
Knows no protocol: who uses it says when TLS starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import Callable
from functools import cache
from typing import Literal

from providers.addresses import CONNECT_SECONDS, Guard, is_public, keep_alive
from providers.errors import Malformed, Refused, Unavailable
from providers.time_limit import TimeLimit

Security = Literal["TLS", "STARTTLS", "NONE"]

#: The longest line read when nobody says otherwise; IMAP's answers to a search are one line.
MAX_LINE = 64 * 1024
#: Seconds without a byte after which a server is taken for gone.
READ_SECONDS = 60.0
WRITE_SECONDS = 60.0
#: Bytes a second of what has begun to come, once `PATIENCE_SECONDS` have passed: any line that mail can be read by is faster.
LEAST = 1024
PATIENCE_SECONDS = 60.0
PIECE = 256 * 1024
GOODBYE_SECONDS = 2.0


class Stream:
    """One connection, read by lines and by counts. Every method raises only Unavailable or Malformed.

    `patience` gives the seconds that may pass without a byte. `closed` is called once, when the connection is.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        host: str,
        *,
        encrypted: bool,
        patience: Callable[[], float] = lambda: READ_SECONDS,
        closed: Callable[[], None] = lambda: None,
    ) -> None:
        self.host = host
        self.encrypted = encrypted
        self._reader = reader
        self._writer = writer
        self._patience = patience
        self._closed: Callable[[], None] | None = closed
        self._buffer = bytearray()
        self._at = 0  # what is before has been read
        self.received = 0

    async def line(self, max_bytes: int = MAX_LINE, *, seconds: float | None = None) -> bytes:
        """The next line without its end (CRLF, or a lone LF). Raises Malformed when it is longer than `max_bytes`."""
        looked = self._at
        began: float | None = None  # when part of it was there
        while (end := self._buffer.find(b"\n", looked)) < 0:
            looked = len(self._buffer)
            if looked - self._at > max_bytes:
                raise Malformed(f"{self.host} sent a line that does not end.", provider_code="line")
            if began is None and looked > self._at:
                began = _now()
            shift = self._at
            await self._more(seconds)
            looked -= shift - self._at
            self._check_pace(began, len(self._buffer) - self._at)
        if end - self._at > max_bytes:
            raise Malformed(f"{self.host} sent a line that does not end.", provider_code="line")
        return self._line(end)

    def line_at_hand(self, max_bytes: int = MAX_LINE) -> bytes | None:
        """The next line as `line` gives it where all of it has come already; None where that has to be waited for, or raises."""
        end = self._buffer.find(b"\n", self._at)
        if end < 0 or end - self._at > max_bytes:
            return None
        return self._line(end)

    def at_hand(self, count: int) -> bytes | None:
        """The next `count` bytes where all of them have come already."""
        return self._taken(count) if len(self._buffer) - self._at >= count else None

    async def exactly(self, count: int) -> bytes:
        """The next `count` bytes, which the caller has bounded."""
        began = _now()
        while len(self._buffer) - self._at < count:
            await self._more(None)
            self._check_pace(began, len(self._buffer) - self._at)
        return self._taken(count)

    async def skip(self, count: int) -> None:
        """Reads `count` bytes and keeps none."""
        began, whole = _now(), count
        while (held := len(self._buffer) - self._at) < count:
            count -= held
            self._at = len(self._buffer)
            await self._more(None)
            self._check_pace(began, whole - count + len(self._buffer))
        self._at += count

    async def write(self, data: bytes | bytearray) -> None:
        """Sends bytes, waiting while the other side takes none."""
        try:
            self._writer.write(data)
            with TimeLimit(WRITE_SECONDS):
                await self._writer.drain()
        except TimeoutError as error:
            raise Unavailable(f"{self.host} takes nothing any more.", provider_code="timeout") from error
        except (OSError, RuntimeError) as error:  # RuntimeError: uvloop, of a transport that is closed already
            raise self._cut(error) from error

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Goes on under TLS, its certificate checked against the host's name.

        Raises Malformed when bytes came before it: what was sent in plain must not be taken for an answer under TLS.
        """
        # the buffer of the reader is private, and the only place where such bytes can hide
        if len(self._buffer) > self._at or getattr(self._reader, "_buffer", None):
            raise Malformed(f"{self.host} sent something between its consent to TLS and TLS.", provider_code="starttls")
        try:
            async with asyncio.timeout(self._patience()):
                await self._writer.start_tls(context, server_hostname=server_name(self.host))
        except ssl.SSLCertVerificationError as error:
            message = f"The certificate of {self.host} is not valid ({error.verify_message})."
            raise Unavailable(message, provider_code="certificate") from error
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            raise Unavailable(f"{self.host} agreed to TLS and does not speak it.", provider_code="starttls") from error
        # Python 3.11 leaves the reader with the transport below TLS, which must not be paused on its own
        setattr(self._reader, "_transport", self._writer.transport)  # noqa: B010 private, and so not typed
        self.encrypted = True

    async def close(self) -> None:
        """Ends the connection. Never raises; a second call does nothing."""
        closed, self._closed = self._closed, None
        if closed is None:
            return
        try:
            self._writer.close()
            with contextlib.suppress(OSError, TimeoutError, RuntimeError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await self._writer.wait_closed()
        finally:
            closed()

    def _line(self, end: int) -> bytes:
        """What stands before the line feed at `end`."""
        stop = end - 1 if end > self._at and self._buffer[end - 1] == 13 else end
        with memoryview(self._buffer) as held:
            found = bytes(held[self._at : stop])
        self._at = end + 1
        return found

    def _taken(self, count: int) -> bytes:
        with memoryview(self._buffer) as held:
            found = bytes(held[self._at : self._at + count])
        self._at += count
        return found

    async def _more(self, seconds: float | None) -> None:
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        try:
            with TimeLimit(self._patience() if seconds is None else seconds):
                piece = await self._reader.read(PIECE)
        except TimeoutError as error:
            raise Unavailable(f"{self.host} does not answer in time.", provider_code="timeout") from error
        except OSError as error:
            raise self._cut(error) from error
        if not piece:
            raise self._cut(None)
        self.received += len(piece)
        self._buffer += piece

    def _check_pace(self, began: float | None, received: int) -> None:
        """Raises Unavailable where what has begun to come drips."""
        if began is not None and _now() - began > PATIENCE_SECONDS + received / LEAST:
            raise Unavailable(f"{self.host} answers too slowly to be waited for.", provider_code="timeout")

    def _cut(self, error: Exception | None) -> Unavailable:
        return Unavailable(f"{self.host} broke off the connection.", provider_code="cut")


async def open_stream(
    guard: Guard,
    host: str,
    port: int,
    security: Security,
    *,
    context: ssl.SSLContext | None = None,
    seconds: float = CONNECT_SECONDS,
    patience: Callable[[], float] = lambda: READ_SECONDS,
    closed: Callable[[], None] = lambda: None,
) -> Stream:
    """A connection, encrypted already when `security` is TLS; with STARTTLS the caller asks for it and calls `start_tls`.

    Raises ForbiddenAddress, Unavailable, or Refused (`unencrypted`) for a plain connection to the public internet.
    """
    if security == "NONE":
        for pinned in await guard.resolve(host, port):
            _check_private(host, pinned.ip)
    reader, writer = await guard.connect(host, port, (context or tls_context()) if security == "TLS" else False, seconds=seconds)
    stream = Stream(reader, writer, host, encrypted=security == "TLS", patience=patience, closed=closed)
    try:
        if security == "NONE":  # the name may lead elsewhere by now: judged again by where we are
            _check_private(host, str((writer.get_extra_info("peername") or ("",))[0]))
        keep_alive(writer)
    except BaseException:
        await stream.close()
        raise
    return stream


def _now() -> float:
    return asyncio.get_running_loop().time()


@cache
def tls_context() -> ssl.SSLContext:
    """The system's certificate authorities, read once: it takes longer than a handshake."""
    return ssl.create_default_context()


def server_name(host: str) -> str:
    """The name that a certificate has to bear: without root dot or brackets."""
    return host.strip().lower().rstrip(".").removeprefix("[").removesuffix("]")


def _check_private(host: str, ip: str) -> None:
    try:
        public = is_public(ipaddress.ip_address(ip))
    except ValueError:
        public = True
    if public:
        raise Refused(
            f"An unencrypted connection to {host} would show your password to everybody on the way. "
            "Choose TLS or STARTTLS: unencrypted is only for servers in the operator's own network.",
            provider_code="unencrypted",
        )
