"""Addresses that may be shown: what a network sent as a link is a link only if a browser may safely follow it."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

SAFE_SCHEMES: Final = frozenset({"http", "https", "mailto", "tel"})


def safe(url: str | None) -> str | None:
    """The address, or None when its scheme is not http, https, mailto or tel, or it is none at all."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme.lower() not in SAFE_SCHEMES or (parts.scheme.lower() in ("http", "https") and not parts.netloc):
        return None
    return url
