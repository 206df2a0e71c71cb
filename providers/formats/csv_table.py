"""A table of separated values (RFC 4180, and what programs make of it) as rows, streamed, with the rows that are broken.

A quoted cell may hold line ends. A quotation mark that is never closed would swallow the rows behind it: such a row is told by
what follows (a line that is a whole row by itself), reported alone, and reading goes on with the next line. Rows longer than
MAX_ROW are reported, not read. Blank lines are no rows. Knows nothing of what columns mean.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from providers.formats import charset
from providers.formats.vcard_syntax import ByteStream

MAX_ROW: Final = 1024 * 1024  # bytes
MAX_LINES: Final = 2_000  # of one row
SEPARATORS: Final = (",", ";", "\t", "|")
SURE_WIDTH: Final = 8  # cells from which a line of as many is taken for a row wherever it stands
CHUNK: Final = 256 * 1024

Problem = Literal["OPEN", "TOO_LARGE"]


class RawRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row as it stands in the file. `position` counts rows from 1, `line` lines from 1; `start` and `end` are byte offsets."""

    position: int
    line: int
    start: int
    end: int
    end_line: int
    data: bytes
    problem: Problem | None = None


def cells(data: bytes, separator: str, codec: str) -> list[str]:
    """The cells of a row, without the blanks around them."""
    csv.field_size_limit(2 * MAX_ROW)
    text = decoded(data, codec).rstrip("\r\n")
    try:
        row = next(csv.reader([text] if "\n" not in text else text.splitlines(keepends=True), delimiter=separator), [])
    except csv.Error:
        row = text.split(separator)
    return [cell.strip() for cell in row]


def decoded(data: bytes, codec: str) -> str:
    """Bytes as text that a store takes; what cannot be read becomes U+FFFD."""
    if codec == "cp1252":
        return charset.storable(charset.windows_1252(data))
    return charset.storable(data.decode("utf-8" if codec.startswith("utf-16") else codec, "replace"))


def split_rows(
    stream: ByteStream, separator: str, codec: str, *, width: int, offset: int = 0, position: int = 0, line: int = 1
) -> Iterator[RawRow]:
    """The rows of a file one after another. Never raises for bad content.

    `width` is how many columns the table has; `offset`, `position` and `line` are those of the last row's end.
    """
    lines = _Lines(stream)
    mark = separator.encode()
    while (first := lines.next()) is not None:
        data, whole = first
        if whole and not data.strip(b" \t\r\n\x00\xef\xbb\xbf\x1a"):
            offset, line = offset + len(data), line + 1
            continue
        position += 1
        problem: Problem | None = None
        size, count = len(data), 1
        if not whole:
            problem = "TOO_LARGE"
            size += lines.drop_line()
        elif b'"' in data and _quoted(data, False, mark)[0]:
            more = _continued(lines, size, mark)
            if more is None or _swallows([data, *more], separator, codec, width):
                problem = "OPEN"
                lines.put_back(more or [])
            else:
                data, count = b"".join([data, *more]), 1 + len(more)
                size = len(data)
        yield RawRow(
            position=position, line=line, start=offset, end=offset + size, end_line=line + count,
            data=data if problem is None else data[:1000], problem=problem,
        )  # fmt: skip
        offset, line = offset + size, line + count


def _continued(lines: _Lines, size: int, separator: bytes) -> list[bytes] | None:
    """The lines until the quoted cell is closed as it should be; None, and nothing taken, when it never is."""
    more: list[bytes] = []
    while len(more) < MAX_LINES and size < MAX_ROW and (following := lines.next()) is not None:
        data, whole = following
        more.append(data)
        size += len(data)
        quoted, sound = _quoted(data, True, separator)
        if not whole or not sound:
            break
        if not quoted:
            return more
    lines.put_back(more)
    return None


def _quoted(line: bytes, quoted: bool, separator: bytes) -> tuple[bool, bool]:
    """Whether a line ends within a quoted cell, and whether every cell that ended in it was closed before a separator.

    `quoted` says whether it begins within one. RFC 4180 §2.5 and §2.7.
    """
    at, sound = 0, True
    text = line.rstrip(b"\r\n")
    while True:
        if quoted:
            place = text.find(b'"', at)
            if place < 0:
                return True, sound
            if text[place + 1 : place + 2] == b'"':
                at = place + 2
                continue
            quoted, at = False, place + 1
            sound = sound and (at == len(text) or text.startswith(separator, at))
        else:
            if not at and text.startswith(b'"'):
                quoted, at = True, 1
                continue
            place = text.find(separator + b'"', at)
            if place < 0:
                return False, sound
            quoted, at = True, place + 2


def _swallows(lines: list[bytes], separator: str, codec: str, width: int) -> bool:
    """Whether a row of several lines is one that lost a quotation mark, with whole rows behind it."""
    alone = [number for number, line in enumerate(lines[1:], 1) if len(cells(line, separator, codec)) == width]
    if not alone or width < 2:
        return False
    if width >= SURE_WIDTH and any(number < len(lines) - 1 for number in alone):
        return True
    return len(cells(b"".join(lines), separator, codec)) > width


class _Lines:
    """Lines with their ends, and whether they are whole: of a line over MAX_ROW only the beginning comes."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._rest = b""
        self._ready: deque[bytes] = deque()
        self._cut = False  # the last line handed over goes on

    def next(self) -> tuple[bytes, bool] | None:
        if not self._ready:
            self._fill()
        if not self._ready:
            return None
        line = self._ready.popleft()
        return line, line.endswith(b"\n") or len(line) < MAX_ROW

    def put_back(self, lines: list[bytes]) -> None:
        self._ready.extendleft(reversed(lines))

    def drop_line(self) -> int:
        """Skip the rest of a line that was too long; how many bytes that was."""
        dropped = 0
        while (line := self.next()) is not None:
            dropped += len(line[0])
            if line[0].endswith(b"\n"):
                break
        return dropped

    def _fill(self) -> None:
        while not self._ready:
            chunk = self._stream.read(CHUNK)
            if not chunk:
                if self._rest:
                    self._ready.append(self._rest)
                    self._rest = b""
                return
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                whole = line + b"\n"
                while len(whole) > MAX_ROW:
                    self._ready.append(whole[:MAX_ROW])
                    whole = whole[MAX_ROW:]
                self._ready.append(whole)
            if len(self._rest) >= MAX_ROW:
                self._ready.append(self._rest[:MAX_ROW])
                self._rest = self._rest[MAX_ROW:]
