"""How many rows a table of separated values has, line by line: the witness against `formats/csv_table.py`, with which it shares no code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from providers.formats import csv_table
from providers.formats.vcard_syntax import ByteStream

_PIECE: Final = 256 * 1024


def count(stream: ByteStream, separator: str, codec: str, *, width: int) -> int:
    """How many rows, broken ones included, a stream of separated values has; `width` is how many columns the table has."""
    total, limit = 0, csv_table.MAX_ROW
    lines = _physical(stream, limit)
    waiting: list[bytes] = []

    def following() -> bytes | None:
        return waiting.pop(0) if waiting else next(lines, None)

    while (line := following()) is not None:
        if not line.strip(b" \t\r\n\x00\xef\xbb\xbf\x1a"):
            continue
        total += 1
        if len(line) > limit or not _walk(_text(line, codec), False, separator)[1]:
            continue
        taken, size, closed = [line], len(line), False
        while len(taken) - 1 < csv_table.MAX_LINES and size < limit and (more := following()) is not None:
            taken.append(more)
            size += len(more)
            _, quoted, sound = _walk(_text(more, codec), True, separator)
            if len(more) > limit or not sound:
                break
            if not quoted:
                closed = True
                break
        whole = [n for n in range(1, len(taken)) if _cells(taken[n], separator, codec) == width] if closed and width > 1 else []
        sure = width >= csv_table.SURE_WIDTH and any(n < len(taken) - 1 for n in whole)
        if not closed or sure or (whole and _cells(b"".join(taken), separator, codec) > width):
            waiting[:0] = taken[1:]
    return total


def _physical(stream: ByteStream, limit: int) -> Iterator[bytes]:
    """Lines; one that is too long as its first `limit` bytes and one more."""
    rest = b""
    while chunk := stream.read(_PIECE):
        rest += chunk
        *lines, rest = rest.split(b"\n")
        for line in lines:
            yield (line + b"\n")[: limit + 1]
        if len(rest) > 2 * limit:
            rest = rest[: limit + 2]
    if rest:
        yield rest[: limit + 1]


def _text(data: bytes, codec: str) -> str:
    return csv_table.decoded(data, codec).rstrip("\r\n")


def _cells(data: bytes, separator: str, codec: str) -> int:
    return _walk(_text(data, codec), False, separator)[0]


def _walk(text: str, quoted: bool, separator: str) -> tuple[int, bool, bool]:
    """How many cells a text has, whether it ends within a quoted one, and whether each was closed before a separator."""
    count, begun, sound, n = 1, quoted, True, 0
    while n < len(text):
        character, following = text[n], text[n + 1 : n + 2]
        if quoted and character == '"' and following == '"':
            n += 1
        elif quoted and character == '"':
            quoted = False
            sound = sound and following in ("", separator)
        elif not quoted and character == separator:
            count, begun = count + 1, False
            n += 1
            continue
        elif not quoted and character == '"' and not begun:
            quoted = True
        begun = True
        n += 1
    return count, quoted, sound
