"""What of a message follows from its record alone and takes time: packed, folded and hashed, before anybody waits for a transaction.

It may be made where messages are read, in another process than the one that writes them; where nobody did it is made on the way, and
is the same. Knows no database.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
from isal import isal_zlib

from providers import records
from store import search_index

LEVEL: Final = 1  # of ISA-L, whose results are zlib's (RFC 1950): as large as zlib's at 1, in half of the time
_encode: Final = msgspec.msgpack.Encoder().encode


class Prepared(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """`body`, `html`, `headers` as their columns hold them; `words` are those of the text in the search index."""

    fingerprint: bytes
    body: bytes
    words: str
    html: bytes | None = None
    headers: bytes | None = None


def prepare(item: records.Message, mark: bytes | None = None) -> Prepared:
    """All of it. `mark`: its fingerprint, where that is known."""
    return Prepared(
        fingerprint=mark or fingerprint(item), body=packed_text(item.text), words=search_index.spelled(item.text),
        html=packed_text(item.html) if item.html else None,
        headers=isal_zlib.compress(_encode(item.headers), LEVEL) if item.headers else None,
    )  # fmt: skip


def unprepared(mark: bytes) -> Prepared:
    """Of a message that is shown as its network has it and not kept."""
    return Prepared(fingerprint=mark, body=b"", words="")


def fingerprint(item: records.Message) -> bytes:
    """What two messages with the same words have in common, 16 bytes."""
    words = " ".join(item.text.split())
    return hashlib.blake2b(f"{item.subject or ''}\x00{words}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def packed_text(value: str) -> bytes:
    """Text as a column holds it."""
    return isal_zlib.compress(value.encode("utf-8", "replace"), LEVEL)
