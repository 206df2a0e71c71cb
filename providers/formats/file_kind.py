"""What a file is: what its first bytes say, else what its owner calls it, else what its name ends in.

A file that begins like a kind with a mark of its own is of that kind, whatever it is called; one that is called so and does not begin so
is of none (application/octet-stream), so that nobody who gets it opens it as what it is not. Kinds without a mark are believed. Knows
neither mails nor uploads.
"""

from __future__ import annotations

import mimetypes
import re
from typing import Final

from providers.formats import picture

UNKNOWN: Final = "application/octet-stream"
_WRITTEN: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}\Z")  # RFC 6838 §4.2
_TYPES: Final = mimetypes.MimeTypes()  # Python's own, not those of the machine
_BEGINNINGS: Final = (
    (b"%PDF-", "application/pdf"),  # ISO 32000-1 §7.5.2
    (b"\x1f\x8b\x08", "application/gzip"),  # RFC 1952 §2.3.1
    (b"PK\x03\x04", "application/zip"),  # APPNOTE.TXT 4.3.7
    (b"PK\x05\x06", "application/zip"),  # 4.3.16: an empty one
)
_MARKED: Final = frozenset(
    {"image/jpeg", "image/png", "image/gif", "image/webp", "application/pdf", "application/zip", "application/gzip"}
)
#: Documents that are zip archives inside: their name or owner says which.
_ZIPPED: Final = re.compile(r"application/(?:vnd\.openxmlformats-|vnd\.oasis\.opendocument\.|epub\+zip|java-archive|.+\+zip\Z)")


def media_type(head: bytes, name: str, called: str | None) -> str:
    """The media type of a file that begins with `head` (a few hundred bytes); `called` is what its owner says, in any form."""
    owner_says = said(name, called)
    marked = _marked(head)
    if marked == "application/zip" and _ZIPPED.match(owner_says):
        return owner_says
    if marked is not None:
        return marked
    return UNKNOWN if owner_says in _MARKED or _ZIPPED.match(owner_says) else owner_says


def said(name: str, called: str | None) -> str:
    """What the owner of a file says that it is, in any form, for files whose bytes are not at hand; else what its name ends in."""
    plain = (called or "").partition(";")[0].strip().lower()
    if _WRITTEN.match(plain) and plain != UNKNOWN:
        return plain
    found, encoding = _TYPES.guess_type(name)
    return {"gzip": "application/gzip"}.get(encoding, UNKNOWN) if encoding is not None else found or UNKNOWN


def _marked(head: bytes) -> str | None:
    for beginning, kind in _BEGINNINGS:
        if head.startswith(beginning):
            return kind
    return picture.media_type(head[: picture.HEAD])
