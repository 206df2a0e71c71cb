"""The address of a server, as people type it into a form: a name, a name with a port, or a whole address.

RFC 3986 for what it is, RFC 6454 for what is kept of it. Knows no network: what stands before the name (a handle, an id) its provider takes away.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx2 as httpx

from providers.errors import Refused


def typed(text: str, advice: str) -> str:
    """The address that is meant; https where nobody says otherwise. Raises Refused with `advice` for what is no address of a server."""
    scheme, separator, _ = text.partition("://")
    try:
        if separator and scheme.lower() not in ("http", "https"):
            raise ValueError(scheme)
        url = httpx.URL(text if separator else f"https://{text}")
        if not url.host or any(sign.isspace() for sign in text) or (url.port is not None and not 0 < url.port < 65536):
            raise ValueError(text)
    except (httpx.InvalidURL, ValueError):
        raise Refused(advice, provider_code="not-a-url") from None
    return str(url)


def origin(url: str) -> str:
    """Scheme, host and port of an address (RFC 6454 §4), without a name and password before them."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
