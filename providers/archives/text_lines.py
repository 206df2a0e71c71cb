"""Lines of a text file with their places: any length, any number, never more than one in memory, and of that its beginning.

Line feeds end lines, a carriage return before one belongs to it. Knows nothing of what a line says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from providers.formats.vcard_syntax import ByteStream

MAX_LINE: Final = 256 * 1024  # bytes; of a longer line the beginning is handed over
_PIECE: Final = 256 * 1024


class Line(msgspec.Struct, frozen=True):
    """A line without its end: its text, its number from 1, and where the next one begins."""

    data: bytes
    number: int
    end: int


def lines(stream: ByteStream) -> Iterator[Line]:
    """The lines of a stream from its beginning on."""
    number, at, held, waiting = 1, 0, b"", 0
    while piece := stream.read(_PIECE):
        start = 0
        while (cut := piece.find(b"\n", start)) >= 0:
            data = held + piece[start : min(cut, start + MAX_LINE)]
            at += waiting + cut + 1 - start
            yield Line(data[:MAX_LINE].removesuffix(b"\r"), number, at)
            number, start, held, waiting = number + 1, cut + 1, b"", 0
        if start < len(piece):
            waiting += len(piece) - start
            if len(held) < MAX_LINE:
                held += piece[start:]
    if waiting:
        yield Line(held[:MAX_LINE], number, at + waiting)
