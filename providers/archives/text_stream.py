"""A text file from any offset on, in a form that line readers take: UTF-16 as UTF-8, lone carriage returns as line feeds.

Offsets count the bytes of that form, so that a reader goes on where it stopped. Knows nothing of what the text is.
"""

from __future__ import annotations

import codecs
from typing import BinaryIO

from providers.formats import charset
from providers.formats.vcard_syntax import ByteStream

_PIECE = 64 * 1024


def utf8(handle: BinaryIO, offset: int, codec: str | None = None) -> ByteStream:
    """The file from `offset` on, in UTF-8 or a single-byte charset; `codec` where more is known than the file's mark says."""
    codec = codec or charset.byte_order_mark(handle.read(2))
    if codec not in ("utf-16-le", "utf-16-be"):
        handle.seek(offset)
        return handle
    handle.seek(0)
    mark = handle.read(2)
    if mark not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        handle.seek(0)
    stream = _Transcoded(handle, codec)
    skipped = b""
    while offset > len(skipped):
        offset -= len(skipped)
        skipped = stream.read(_PIECE)
        if not skipped:
            return handle
    return _Ahead(skipped[offset:], stream) if offset else stream


class Bytes:
    """Bytes as a stream, which gives them all at once."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int, /) -> bytes:
        data, self._data = self._data, b""
        return data


class LineFeeds:
    """A stream whose lines end in carriage returns alone (Macs before OS X), with line feeds in their place."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        return self._stream.read(size).replace(b"\r", b"\n")


class _Transcoded:
    """A UTF-16 file (old Apple and Nokia exports, Outlook's Unicode text) as UTF-8."""

    def __init__(self, handle: ByteStream, codec: str) -> None:
        self._handle = handle
        self._decoder = codecs.getincrementaldecoder(codec)("replace")

    def read(self, size: int, /) -> bytes:
        while data := self._handle.read(size):
            if text := self._decoder.decode(data):
                return text.encode("utf-8", "replace")
        return self._decoder.decode(b"", True).encode("utf-8", "replace")


class _Ahead:
    """A stream with bytes put back before it."""

    def __init__(self, data: bytes, stream: ByteStream) -> None:
        self._data = data
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        if self._data:
            data, self._data = self._data, b""
            return data
        return self._stream.read(size)
