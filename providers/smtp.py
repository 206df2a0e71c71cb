"""A message handed to a submission server (RFC 6409 over RFC 5321): all recipients or none, and never twice.

TLS from the first byte, or a STARTTLS that must succeed (RFC 8314 §3). Signs in with PLAIN (RFC 4616), LOGIN, OAUTHBEARER (RFC 7628)
or XOAUTH2; heeds SIZE (RFC 1870), SMTPUTF8 (RFC 6531) and enhanced status codes (RFC 3463). The one moment that counts is the final
dot: everything before it is undone by closing the line, and what was cut after it is UNKNOWN, never an error. What is handed over
is 7-bit, so that 8BITMIME (RFC 6152) is not needed. Knows no mailbox, and nothing of what a message says.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import msgspec

from providers.errors import Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.formats.mail_writing import Unwritable, needs_utf8, on_the_wire
from providers.records import Outgoing, Submitted
from providers.session import Secret
from providers.stream import Security, Stream, tls_context

if TYPE_CHECKING:
    from providers.http import Session

DATA: Final = b"data"  # the step noted before the final dot
LAST_WORD_SECONDS: Final = 600.0  # for the answer to the final dot (RFC 5321 §4.5.3.2.6)
REPLY_SECONDS: Final = 300.0  # for any other answer, whole (RFC 5321 §4.5.3.2)
MAX_REPLY_LINES: Final = 100
MAX_REPLY_LINE: Final = 2_000
NAME: Final = "[127.0.0.1]"  # RFC 5321 §4.1.3: who has no name in DNS gives an address; a private one tells nobody where we are
_ENHANCED: Final = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?=\s|\Z)")
#: RFC 4954 §6: the sign-in is missing, too weak or wrong.
_SIGN_IN: Final = frozenset({530, 534, 535, 538})
Note = Callable[[bytes], Awaitable[None]]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A submission server, and whom it knows us as."""

    host: str
    port: int
    security: Security
    user: str


class Reply(msgspec.Struct, frozen=True):
    """A reply: its code (RFC 5321 §4.2), its enhanced code (RFC 3463) where it has one, and its lines."""

    code: int
    enhanced: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.lines)[:300]


async def submit(session: Session, place: Place, mail: Outgoing, note: Note) -> Submitted:
    """Hand `mail` over; TAKEN, or UNKNOWN when the line was cut after the final dot. Raises ProviderError when it was not taken."""
    try:
        sender, recipients = on_the_wire(mail.sender), [on_the_wire(one) for one in mail.recipients]
    except Unwritable as error:
        raise Refused(f"This message cannot be sent: {error}.", provider_code="address") from error
    secret = await session.credentials()
    try:
        line = await _signed_in(session, place, secret)
    except ReauthRequired:
        if secret.access_token is None or secret.refresh_token is None:
            raise
        line = await _signed_in(session, place, await session.refreshed(secret))
    try:
        return await line.hand_over(sender, recipients, mail.data, note)
    finally:
        await line.close()


async def _signed_in(session: Session, place: Place, secret: Secret) -> _Line:
    line = _Line(await session.stream(place.host, place.port, security=place.security))
    try:
        await line.greet()
        if place.security == "STARTTLS":
            await line.encrypt(session, place)
        await line.sign_in(place, secret)
        return line
    except BaseException:
        await line.close()
        raise


class _Line:
    """One connection to a submission server."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._offers: dict[str, str] = {}

    async def greet(self) -> None:
        reply = await self._reply()
        if reply.code != 220:
            raise self._refusal(reply, "does not want to talk to us")
        await self._hello()

    async def encrypt(self, session: Session, place: Place) -> None:
        if "STARTTLS" not in self._offers:
            text = f"{place.host} offers no encryption on port {place.port}. Use its port for TLS (mostly 465)."
            raise Refused(text, provider_code="starttls")
        await self._expect("STARTTLS", 220, "refuses to be encrypted")
        await self._stream.start_tls(session.tls or tls_context())
        await self._hello()  # RFC 3207 §4.2: what was said before counts no more

    async def sign_in(self, place: Place, secret: Secret) -> None:
        ways = self._offers.get("AUTH", "").upper().split()
        if not ways:
            return  # a relay that knows us by where we are; any other one will say so
        if secret.access_token is not None:
            await self._bearer(place, ways, secret.access_token)
            return
        user, password = place.user, secret.password or ""
        if not user or not password or "\x00" in user + password:
            raise ReauthRequired(
                "The user name or password is missing, or has characters that none has.", provider_code="password"
            )
        if "PLAIN" in ways:
            await self._authenticate("AUTH PLAIN " + _base64(f"\x00{user}\x00{password}"))
        elif "LOGIN" in ways:
            await self._authenticate("AUTH LOGIN", _base64(user), _base64(password))
        else:
            raise Refused(f"{place.host} takes no password. Link the account in another way.", provider_code="no-mechanism")

    async def _bearer(self, place: Place, ways: list[str], token: str) -> None:
        if not token.isascii() or not token.isprintable() or "\x01" in place.user:
            raise ReauthRequired("The stored token has characters that no token has. Sign in again.", provider_code="token")
        if "OAUTHBEARER" in ways:
            name = place.user.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 §4
            words = f"n,a={name},\x01host={place.host}\x01port={place.port}\x01auth=Bearer {token}\x01\x01"
            await self._authenticate("AUTH OAUTHBEARER " + _base64(words), "AQ==")  # RFC 7628 §3.2.3: said to a refusal
        elif "XOAUTH2" in ways:
            await self._authenticate("AUTH XOAUTH2 " + _base64(f"user={place.user}\x01auth=Bearer {token}\x01\x01"), "")
        else:
            raise Refused(
                f"{place.host} takes no sign-in of this kind: link it with an app password.", provider_code="no-mechanism"
            )

    async def _authenticate(self, *said: str) -> None:
        """Says one line after the other as long as the server asks for more (RFC 4954 §4)."""
        for words in said:
            reply = await self._ask(words)
            if reply.code != 334:
                break
        if reply.code != 235:
            raise self._refusal(reply, "does not accept this sign-in")

    async def hand_over(self, sender: str, recipients: list[str], data: bytes, note: Note) -> Submitted:
        host = self._stream.host
        limit = self._offers.get("SIZE", "")
        if limit.isdigit() and 0 < int(limit) < len(data):
            text = f"{host} takes messages up to {int(limit) // 1_000_000} MB; this one has {len(data) // 1_000_000 + 1} MB."
            raise Refused(text, provider_code="size")
        words = f"MAIL FROM:<{sender}>" + (f" SIZE={len(data)}" if "SIZE" in self._offers else "")
        if needs_utf8([sender, *recipients]):
            if "SMTPUTF8" not in self._offers:
                text = f"{host} does not send to addresses with such letters before the @. Use another address."
                raise Refused(text, provider_code="smtputf8")
            words += " SMTPUTF8"
        await self._expect(words, 250, "does not send for this address")
        await self._everybody(recipients)
        await self._expect("DATA", 354, "does not take the message")
        body = data if data.endswith(b"\r\n") else data + b"\r\n"
        if body.startswith(b"."):
            body = b"." + body
        await self._stream.write(body.replace(b"\r\n.", b"\r\n.."))  # RFC 5321 §4.5.2
        await note(DATA)
        try:
            await self._stream.write(b".\r\n")
            reply = await self._reply(seconds=LAST_WORD_SECONDS)
        except (Unavailable, Malformed) as error:
            said = f"The line to {host} was cut after the whole message had been sent and before the server said that it took it."
            return Submitted(fate="UNKNOWN", evidence=f"{said} ({error.message})")
        if reply.code // 100 != 2:
            raise self._refusal(reply, "does not take the message")
        return Submitted(fate="TAKEN", evidence=f"{host}: {reply.text}")

    async def _everybody(self, recipients: list[str]) -> None:
        """All recipients or none: a message that went to some of them only is one that nobody can send again."""
        refused: list[str] = []
        worst: Reply | None = None
        for recipient in recipients:
            reply = await self._ask(f"RCPT TO:<{recipient}>")
            if reply.code // 100 == 2:
                continue
            refused.append(recipient)
            if worst is None or reply.code // 100 == 5 > worst.code // 100:
                worst = reply
        if worst is not None:
            raise self._refusal(worst, f"does not deliver to {', '.join(refused[:5])}; nothing was sent")

    async def close(self) -> None:
        """Ends the connection. Never raises."""
        with contextlib.suppress(ProviderError):
            await self._stream.write(b"QUIT\r\n")  # within a message that has no dot yet, a line more of what will be thrown away
        await self._stream.close()

    async def _hello(self) -> None:
        reply = await self._expect(f"EHLO {NAME}", 250, "does not speak ESMTP")
        self._offers = {}
        for one in reply.lines[1:]:
            name, _, value = one.replace("=", " ", 1).partition(" ") if one.upper().startswith("AUTH=") else one.partition(" ")
            self._offers.setdefault(name.upper(), value.strip())

    async def _expect(self, words: str, code: int, trouble: str) -> Reply:
        reply = await self._ask(words)
        if reply.code != code:
            raise self._refusal(reply, trouble)
        return reply

    async def _ask(self, words: str) -> Reply:
        if "\r" in words or "\n" in words:
            raise Refused("This message cannot be sent: an address holds a line break.", provider_code="address")
        await self._stream.write(words.encode("utf-8") + b"\r\n")
        return await self._reply()

    async def _reply(self, *, seconds: float = 0.0) -> Reply:
        """An answer of any number of lines; all of it within `seconds`, else REPLY_SECONDS."""
        try:
            async with asyncio.timeout(seconds or REPLY_SECONDS):
                return await self._lines(seconds or None)
        except TimeoutError as error:
            raise Unavailable(f"{self._stream.host} does not come to the end of an answer.", provider_code="timeout") from error

    async def _lines(self, seconds: float | None) -> Reply:
        lines: list[str] = []
        while len(lines) < MAX_REPLY_LINES:
            line = (await self._stream.line(MAX_REPLY_LINE, seconds=seconds)).decode("utf-8", "replace")
            if not (line[:3].isascii() and line[:3].isdigit() and line[3:4] in ("", " ", "-")):
                raise Malformed(f"{self._stream.host} does not answer as mail servers do.", provider_code="reply")
            lines.append(line[4:].strip())
            if line[3:4] != "-":
                found = _ENHANCED.match(lines[0])
                return Reply(int(line[:3]), found[0] if found else "", tuple(lines))
        raise Malformed(f"{self._stream.host} sent an answer that does not end.", provider_code="reply")

    def _refusal(self, reply: Reply, trouble: str) -> ProviderError:
        text = f"{self._stream.host} {trouble}: {reply.text}" if reply.text else f"{self._stream.host} {trouble} ({reply.code})."
        code = reply.enhanced or str(reply.code)
        if reply.code in _SIGN_IN or reply.enhanced == "5.7.8":
            return ReauthRequired(text, provider_code=code)
        if reply.code // 100 == 5:
            return Refused(text, provider_code=code)
        if reply.code == 421 and reply.enhanced.startswith("4.7."):
            return RateLimited(text, provider_code=code)
        if reply.code // 100 == 4:
            return Unavailable(text, provider_code=code)
        return Malformed(text, provider_code=code)


def _base64(words: str) -> str:
    return base64.b64encode(words.encode("utf-8")).decode("ascii")
