"""Elements of XML files of any size (XML 1.0), one after the other: found by where they begin, parsed alone, never all at once.

A `<` stands in no attribute and no text but as the beginning of markup, so that elements of known names are told without reading the
rest: one that is broken costs itself, and no document type, entity or nesting of a stranger's is ever interpreted. One that is made of too
many parts is not parsed. Long runs of
base64 are cut short before they are kept. Character references to halves of UTF-16 pairs, which older phones write for emoji, are
joined; those to characters that XML forbids are replaced. Knows nothing of what the elements are.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, Literal
from xml.etree.ElementTree import Element as Tree

import msgspec
from defusedxml.ElementTree import fromstring

from providers.formats.vcard_syntax import ByteStream

MAX_ITEM: Final = 16 * 1024 * 1024  # bytes, after runs of base64 were cut short
MAX_MARKS: Final = 200_000  # signs of elements and of attributes in one, each of which takes memory when it is parsed
KEPT: Final = 64 * 1024  # bytes of such a run
_PIECE: Final = 256 * 1024
_AHEAD: Final = 64  # bytes that hold any name
_HEAD: Final = 4_000  # bytes of a broken element that are handed over
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n"
#: Looked for where a run begins alone: a shorter one is walked through once, not once from each of its letters.
_RUN: Final = re.compile(rb"(?<![A-Za-z0-9+/=\r\n])([A-Za-z0-9+/=\r\n]{%d})([A-Za-z0-9+/=\r\n]+)" % KEPT)
_REFERENCES: Final = re.compile(rb"(?:&#(?:[xX][0-9a-fA-F]{1,8}|[0-9]{1,10});)+")
_REFERENCE: Final = re.compile(rb"&#(?:[xX]([0-9a-fA-F]+)|([0-9]+));")
_HIGH: Final = range(0xD800, 0xDC00)
_LOW: Final = range(0xDC00, 0xE000)

Problem = Literal["CUT", "TOO_LARGE"]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """An element as it stands in the file: its number and line from 1; of a broken one `data` is the beginning.

    `dropped` says how many bytes were cut off each long run of base64 in it, in their order.
    """

    name: str
    number: int
    line: int
    end_line: int
    data: bytes
    dropped: tuple[int, ...] = ()
    problem: Problem | None = None


def items(stream: ByteStream, names: Sequence[str]) -> Iterator[Item]:
    """The elements of these names, none of which lies in another. Never raises for bad content.

    One that does not end before the next begins, or before the file does, is CUT.
    """
    reader = _Reader(stream, names)
    number = 0
    while reader.find():
        number += 1
        yield reader.item(number)


def count(stream: ByteStream, names: Sequence[str]) -> int:
    """How many elements of these names begin. The witness against `items`: it splits at every `<` and looks at words alone."""
    wanted = {name.encode() for name in names}
    total, rest = 0, b">"
    while piece := stream.read(_PIECE):
        *parts, rest = (rest + piece).split(b"<")
        total += sum(1 for part in parts if _word(part) in wanted)
        if len(rest) >= _AHEAD:  # its word is known
            total += _word(rest) in wanted
            rest = b">"
    return total + (_word(rest) in wanted)


def parsed(item: Item) -> Tree:
    """The element as a tree. Raises ParseError, or ValueError for what XML knows and nobody here wants (entities)."""
    return fromstring(_REFERENCES.sub(_joined, item.data), forbid_dtd=True)


def _word(part: bytes) -> bytes:
    match = re.match(rb"[^\s/>]+(?=[\s/>])", part[:_AHEAD])
    return b"" if match is None else match[0]


def _joined(match: re.Match[bytes]) -> bytes:
    """References as XML allows them: pairs of halves as what they mean, what is forbidden as U+FFFD (XML 1.0 §2.2)."""
    said = [int(hexadecimal, 16) if hexadecimal else int(decimal) for hexadecimal, decimal in _REFERENCE.findall(match[0])]
    found: list[int] = []
    for code in said:
        if code in _LOW and found and found[-1] in _HIGH:
            found[-1] = 0x10000 + ((found[-1] - 0xD800) << 10) + (code - 0xDC00)
        else:
            found.append(code)
    return b"".join(b"&#%d;" % (code if _allowed(code) else 0xFFFD) for code in found)


def _allowed(code: int) -> bool:
    return code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000


class _Shortened:
    """A stream in which long runs of base64 end early. `dropped` are their places in it, with the bytes and lines that went."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._run = 0  # length of the run at the end of what was given
        self._given = 0
        self.dropped: deque[tuple[int, int, int]] = deque()

    def read(self) -> bytes:
        """The next bytes; empty at the end."""
        while piece := self._stream.read(_PIECE):
            lead = len(piece) - len(piece.lstrip(_BASE64))
            over = min(lead, max(0, self._run + lead - KEPT))
            if over:
                self._drop(lead - over, piece[lead - over : lead])
                piece = piece[: lead - over] + piece[lead:]
            kept: list[bytes] = []
            at = 0
            for match in _RUN.finditer(piece):
                kept.append(piece[at : match.end(1)])
                self._drop(sum(map(len, kept)), match[2])
                at = match.end()
            piece = b"".join((*kept, piece[at:]))
            tail = len(piece) - len(piece.rstrip(_BASE64))
            self._run = tail if tail < len(piece) else self._run + tail
            self._given += len(piece)
            if piece:
                return piece
        return b""

    def _drop(self, place: int, data: bytes) -> None:
        at = self._given + place
        if self.dropped and self.dropped[-1][0] == at:
            _, size, lines = self.dropped.pop()
            self.dropped.append((at, size + len(data), lines + data.count(b"\n")))
        else:
            self.dropped.append((at, len(data), data.count(b"\n")))


class _Reader:
    def __init__(self, stream: ByteStream, names: Sequence[str]) -> None:
        self._stream = _Shortened(stream)
        words = "|".join(map(re.escape, names)).encode()
        self._opening = re.compile(rb"<(" + words + rb")(?=[\s/>])")
        self._tags = {
            name.encode(): re.compile(rb"<" + re.escape(name.encode()) + rb"(?:[^\"'>]|\"[^\"]*\"|'[^']*')*+>") for name in names
        }
        self._closings = {name.encode(): re.compile(rb"</" + re.escape(name.encode()) + rb"\s*>") for name in names}
        self._data = b""
        self._begin = 0  # offset of `_data` in the shortened stream
        self._at = 0  # in `_data`
        self._line = 1
        self._ended = False

    def find(self) -> bool:
        """Go to where the next element begins; False when there is none."""
        while (match := self._opening.search(self._data, self._at)) is None:
            self._pass(max(self._at, len(self._data) - _AHEAD))
            if not self._fill():
                return False
        self._pass(match.start())
        return True

    def item(self, number: int) -> Item:
        """The element that begins here."""
        opening = self._opening.match(self._data, self._at)
        assert opening is not None
        name, line, begin = opening[1], self._line, self._begin + self._at
        head = b""  # of one that is too large
        while True:
            following = self._opening.search(self._data, self._at if head else self._at + 1)
            end = None if head else self._end(name)
            if end is not None and (following is None or end <= following.start()):
                break
            if following is not None or self._ended:
                end = following.start() if following is not None else len(self._data)
                problem: Problem = "TOO_LARGE" if head else "CUT"
                data = head or self._data[self._at : min(end, self._at + _HEAD)]
                self._pass(end)
                return Item(name=name.decode(), number=number, line=line, end_line=self._line, data=data, problem=problem)
            if len(self._data) - self._at > MAX_ITEM:
                head = head or self._data[self._at : self._at + _HEAD]
                self._pass(len(self._data) - _AHEAD)
            self._fill()
        data = self._data[self._at : end]
        dropped = tuple(size for at, size, _ in self._stream.dropped if begin <= at < self._begin + end)
        self._pass(end)
        if data.count(b"<") > MAX_MARKS or data.count(b"=") > MAX_MARKS:
            return Item(name=name.decode(), number=number, line=line, end_line=self._line, data=data[:_HEAD], problem="TOO_LARGE")
        return Item(name=name.decode(), number=number, line=line, end_line=self._line, data=data, dropped=dropped)

    def _end(self, name: bytes) -> int | None:
        """Where the element ends that begins here; None when that is not in memory."""
        tag = self._tags[name].match(self._data, self._at)
        if tag is None:
            return None
        if tag[0].endswith(b"/>"):
            return tag.end()
        closing = self._closings[name].search(self._data, tag.end())
        return None if closing is None else closing.end()

    def _pass(self, place: int) -> None:
        """Be done with what stands before `place`."""
        self._line += self._data.count(b"\n", self._at, place)
        end = self._begin + place
        while self._stream.dropped and self._stream.dropped[0][0] < end:
            self._line += self._stream.dropped.popleft()[2]
        self._at = place

    def _fill(self) -> bool:
        """Read on; what is done with is let go. More at once the longer an element grows, so that none is looked at too often."""
        pieces = [self._data[self._at :]]
        wanted = max(1, len(pieces[0]))
        while wanted > 0 and (piece := self._stream.read()):
            pieces.append(piece)
            wanted -= len(piece)
        self._data, self._begin, self._at = b"".join(pieces), self._begin + self._at, 0
        self._ended = wanted > 0
        return len(pieces) > 1
