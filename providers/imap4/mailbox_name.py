"""Names of folders on the wire: modified UTF-7 (RFC 3501 §5.1.3), as people read them and back.

Servers with their own ideas send UTF-8 or names that are neither; those are read as they are, so that every folder has a name.
"""

from __future__ import annotations

import base64
import binascii
import re

_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)-")
_FOREIGN = re.compile(r"[^\x20-\x7e]+|&")


def decode(name: bytes) -> str:
    """A folder's name for people. Never raises; what cannot be decoded stays as it was written."""
    if b"&" not in name:
        return name.decode("utf-8", "replace")
    try:
        return _SHIFTED.sub(_unshift, name).decode("utf-8")
    except ValueError:  # UnicodeDecodeError and binascii.Error are ValueErrors
        return name.decode("utf-8", "replace")


def encode(name: str) -> bytes:
    """A name as a server wants it."""
    return _FOREIGN.sub(_shift, name).encode("ascii")


def _unshift(match: re.Match[bytes]) -> bytes:
    if not match[1]:
        return b"&"
    padded = match[1].replace(b",", b"/") + b"=" * (-len(match[1]) % 4)
    return binascii.a2b_base64(padded).decode("utf-16-be").encode("utf-8")


def _shift(match: re.Match[str]) -> str:
    if match[0] == "&":
        return "&-"
    packed = base64.b64encode(match[0].encode("utf-16-be", "surrogatepass")).rstrip(b"=").replace(b"/", b",")
    return f"&{packed.decode('ascii')}-"
