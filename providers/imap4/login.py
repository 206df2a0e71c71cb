"""From a host name to a signed-in connection: greeting, TLS, SASL, what the server can do (RFC 9051 §6.1, §6.2; RFC 8314).

Speaks SASL PLAIN (RFC 4616), LOGIN, OAUTHBEARER (RFC 7628) and XOAUTH2. What was heard before TLS is forgotten, and
capabilities are asked for again after the sign-in: servers, and proxies before them, say less or other things earlier.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from providers.errors import ReauthRequired, Refused
from providers.imap4 import refusal
from providers.imap4.connection import Connection, Reply, quoted
from providers.session import Secret
from providers.stream import Security, tls_context

if TYPE_CHECKING:
    from providers.http import Session

#: RFC 2971 §3.3; some servers limit or refuse clients that do not say who they are.
IDENTITY = b'ID ("name" "Kith")'
#: A NO without a reason is a wrong password or a busy server: asked once more after a while, before a person is.
SECOND_TRY_SECONDS = 90.0


async def sign_in(session: Session, host: str, port: int, security: Security, user: str) -> Connection:
    """A connection that is signed in, with IDENTITY told and capabilities known. Raises ProviderError."""
    secret = await session.credentials()
    try:
        return await _once(session, host, port, security, user, secret)
    except ReauthRequired as error:
        if secret.access_token is not None and secret.refresh_token is not None:
            return await _once(session, host, port, security, user, await session.refreshed(secret))
        if error.provider_code != "no-reason" or session.interactive or session.account.user_id is None:
            raise
    await session.clock.sleep(SECOND_TRY_SECONDS)
    return await _once(session, host, port, security, user, secret)


async def _once(session: Session, host: str, port: int, security: Security, user: str, secret: Secret) -> Connection:
    stream = await session.stream(host, port, security=security)
    connection = Connection(stream, session.clock.now)
    try:
        known = await connection.greeting()
        if security == "STARTTLS":
            if known:  # RFC 9051 §6.2.1: STARTTLS is not possible any more, so that somebody in between may have said so
                raise refusal.unexpected(host, "does not want to be encrypted")
            await _capabilities(connection)
            if not connection.has("STARTTLS"):
                message = f"{host} offers no encryption on port {port}. Use its port for TLS (mostly 993)."
                raise Refused(message, provider_code="starttls")
            await connection.run(b"STARTTLS", doing="to be encrypted")
            await stream.start_tls(session.tls or tls_context())
            connection.capabilities = frozenset()
        if not known:
            await _capabilities(connection)
            await _authenticate(session, connection, port, user, secret)
        await _capabilities(connection)
        if connection.has("ID"):
            await connection.attempt(IDENTITY)
        return connection
    except BaseException:
        await connection.logout()
        raise


async def _capabilities(connection: Connection) -> None:
    connection.heard(await connection.run(b"CAPABILITY", doing="to say what it can do"))


async def _authenticate(session: Session, connection: Connection, port: int, user: str, secret: Secret) -> None:
    host = connection.host
    if secret.access_token is not None:
        reply = await _bearer(connection, port, user, secret.access_token)
    else:
        reply = await _password(connection, user, secret.password or "")
    if reply.end.status != "OK":
        raise refusal.sign_in_refusal(reply.end, host, session.clock.now())


async def _bearer(connection: Connection, port: int, user: str, token: str) -> Reply:
    """An access token. A refusal comes as a challenge, to be answered before the NO."""
    if not token.isascii() or not token.isprintable() or "\x01" in user:
        raise ReauthRequired("The stored token has characters that no token has. Sign in again.", provider_code="token")
    if connection.has("AUTH=OAUTHBEARER"):
        name = user.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 §4
        words = f"n,a={name},\x01host={connection.host}\x01port={port}\x01auth=Bearer {token}\x01\x01"
        return await _sasl(connection, "OAUTHBEARER", words, b"AQ==")  # RFC 7628 §3.2.3
    if connection.has("AUTH=XOAUTH2"):
        return await _sasl(connection, "XOAUTH2", f"user={user}\x01auth=Bearer {token}\x01\x01", b"")
    raise Refused(f"{connection.host} takes no sign-in of this kind: link it with an app password.", provider_code="no-mechanism")


async def _password(connection: Connection, user: str, password: str) -> Reply:
    if "\x00" in user or "\x00" in password or not user or not password:
        raise ReauthRequired("The user name or password is missing, or has characters that none has.", provider_code="password")
    if connection.has("AUTH=PLAIN"):
        return await _sasl(connection, "PLAIN", f"\x00{user}\x00{password}")
    if not connection.has("LOGINDISABLED"):
        return await connection.attempt(b"LOGIN ", quoted(user), b" ", quoted(password))
    if connection.has("AUTH=LOGIN"):
        return await connection.attempt(b"AUTHENTICATE LOGIN", answers=(_base64(user), _base64(password)))
    raise Refused(
        f"{connection.host} takes no password this way. Choose an encrypted connection, or another way to sign in.",
        provider_code="no-mechanism",
    )


async def _sasl(connection: Connection, mechanism: str, words: str, *after: bytes) -> Reply:
    """One mechanism whose client speaks first, with the initial response (RFC 4959) where the server takes it."""
    first = _base64(words)
    if connection.has("SASL-IR", "IMAP4REV2"):
        return await connection.attempt(f"AUTHENTICATE {mechanism} ".encode(), first, answers=after)
    return await connection.attempt(f"AUTHENTICATE {mechanism}".encode(), answers=(first, *after))


def _base64(words: str) -> bytes:
    return base64.b64encode(words.encode("utf-8"))
