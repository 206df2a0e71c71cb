"""Requests of browsers: which credential a request carries, and whether a page of somebody else could have sent it.

A cookie is sent by the browser whoever wrote the page, so a cookie request has to show that our own page, or an allowed
origin, made it: a JSON content type or `X-Kith-CSRF` (both need a CORS preflight across origins), or, for requests that
only read, `Sec-Fetch-Site: same-origin`, which no page can set (W3C Fetch Metadata §2.4).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import Response

from gateway.settings import Settings
from gateway.signin.door import SESSION_LIFETIME, Door
from gateway.signin.principal import Forbidden, NotSignedIn, Principal

CSRF_HEADER: Final = "x-kith-csrf"
REALM: Final = 'Bearer realm="kith"'  # RFC 9110 §11.6.1


def cookie_name(settings: Settings) -> str:
    """RFC 6265bis §4.1.3.2: the prefix binds the cookie to this host, and needs TLS."""
    return "__Host-kith-session" if settings.secure else "kith-session"


def set_session(response: Response, settings: Settings, value: str) -> None:
    age = int(SESSION_LIFETIME.total_seconds())
    response.set_cookie(
        cookie_name(settings), value, max_age=age, path="/", secure=settings.secure, httponly=True, samesite="lax"
    )


def clear_session(response: Response, settings: Settings) -> None:
    response.delete_cookie(cookie_name(settings), path="/", secure=settings.secure, httponly=True, samesite="lax")


async def identify(connection: HTTPConnection, settings: Settings, door: Door) -> tuple[Principal, str]:
    """Who sent a request, and the secret it came with. Raises NotSignedIn. A bearer key goes before a cookie."""
    header = connection.headers.get("authorization")
    return await (by_cookie(connection, settings, door) if header is None else by_key(header, door))


async def by_key(header: str, door: Door) -> tuple[Principal, str]:
    """`identify` by an Authorization header."""
    token = bearer_token(header)
    return await door.bearer(token), token


async def by_cookie(connection: HTTPConnection, settings: Settings, door: Door) -> tuple[Principal, str]:
    """`identify` by the session's cookie."""
    cookie = connection.cookies.get(cookie_name(settings))
    if cookie is None:
        raise NotSignedIn("sign in: send `Authorization: Bearer <key>`, or open a sign-in link in this browser")
    return await door.browser(cookie), cookie


def bearer_token(header: str) -> str:
    """The token of an Authorization header (RFC 6750 §2.1; the scheme in any case). Raises NotSignedIn."""
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotSignedIn("send the key as `Authorization: Bearer <key>`")
    return token.strip()


def check_origin(connection: HTTPConnection, settings: Settings) -> None:
    """Refuse what a page of another origin sent. Raises Forbidden. Requests without Origin come from programs."""
    origin = connection.headers.get("origin")
    if origin is None or origin in settings.cors_origins or _same_host(origin, connection, settings):
        return
    raise Forbidden(f"pages of {origin[:200]} may not use this installation with cookies: add it to KITH_CORS_ORIGINS")


def check_forgery(connection: HTTPConnection, method: str, settings: Settings) -> None:
    """Refuse a cookie request that a foreign page could have caused. Raises Forbidden."""
    check_origin(connection, settings)
    if CSRF_HEADER in connection.headers:
        return
    if method == "POST" and connection.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        return
    if method in ("GET", "HEAD") and connection.headers.get("sec-fetch-site") == "same-origin":
        return
    raise Forbidden("requests with a session cookie need `Content-Type: application/json` or the header `X-Kith-CSRF: 1`")


def form_token(cookie: str) -> str:
    """What our own forms carry in a hidden field: derived from the session, so that nobody else knows it."""
    return hmac.digest(cookie.encode(), b"kith form", hashlib.sha256).hex()


def check_form(cookie: str, token: str) -> None:
    """Raises Forbidden when a form was not made for this session."""
    if not hmac.compare_digest(form_token(cookie).encode(), token.encode()):
        raise Forbidden("this form was made for another session: go back, reload the page and try again")


def _same_host(origin: str, connection: HTTPConnection, settings: Settings) -> bool:
    if origin == settings.url:
        return True
    # on loopback people write localhost or 127.0.0.1 as they like; behind a proxy only the public address counts
    host = connection.headers.get("host", "")
    return not settings.public_url and urlsplit(origin).netloc == host and urlsplit(origin).scheme in ("http", "https")
