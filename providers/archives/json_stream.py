"""JSON files (RFC 8259) of any size, one item after the other: found by where they stand, handed over as bytes, never all at once.

A file may begin with an assignment (`window.YTD.… = [`), as scripts do. Items are told by brackets and strings alone, so that
one that is broken inside is handed over like any other and the next one is read; where brackets do not add up, the rest of the file is
one broken item. What a file may cost is bounded whatever is in it: an item by its bytes and by how many values it has, nesting by not being
followed beyond where items stand. Knows nothing of what the items are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from providers.formats.vcard_syntax import ByteStream

MAX_ITEM: Final = 16 * 1024 * 1024  # bytes
MAX_VALUES: Final = 200_000  # of one item; each takes up to fifty times its bytes when it is parsed
MAX_DEPTH: Final = 200
_PIECE: Final = 256 * 1024
_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN: Final = re.compile(rb"\s*+(" + _STRING + rb'|[{}\[\],:]|[^\s{}\[\],:"]++)', re.DOTALL)
_BRACKET: Final = re.compile(rb'(?:[^"{}\[\]]++|' + _STRING + rb")*+([{}\[\]])", re.DOTALL)
_ESCAPE: Final = re.compile(rb"\\.", re.DOTALL)
_ANY_BRACKET: Final = re.compile(rb"[{}\[\]]")
_SIGN: Final = re.compile(rb"[{}\[\]:,]|[^\s{}\[\]:,]++")
_WORD: Final = re.compile(rb"[^\s{}\[\]:,]*+")

#: Where items stand: the keys that lead to them, `*` for any key and for the elements of an array.
Pattern = tuple[str, ...]
Problem = Literal["TOO_LARGE", "CUT"]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A value as it stands in the file. `line` from 1; `start` and `end` are byte offsets; of a broken one `data` is the beginning."""

    pattern: Pattern
    path: tuple[str, ...]
    line: int
    end_line: int
    start: int
    end: int
    data: bytes
    problem: Problem | None = None

    @property
    def pointer(self) -> str:
        """Where it stands, as a JSON Pointer (RFC 6901)."""
        return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in self.path)


class _Frame:
    """An object or array that is being read. `key` is that of the value that comes next, None until an object has named it."""

    __slots__ = ("array", "key")

    def __init__(self, array: bool) -> None:
        self.array = array
        self.key: str | None = "0" if array else None

    def advance(self) -> None:
        self.key = str(int(self.key or 0) + 1) if self.array else None


def items(stream: ByteStream, *patterns: Pattern) -> Iterator[Item]:
    """The values that stand where a pattern says, in the file's order. Never raises for bad content.

    What is not asked for is passed over without being kept. A file that ends too early ends with an item that is CUT.
    """
    reader = _Reader(stream)
    stack: list[_Frame] = []
    while (token := reader.next()) is not None:
        sign = token[:1]
        frame = stack[-1] if stack else None
        if sign in b",:":
            continue
        if sign in b"}]":
            if frame is None or frame.array is not (sign == b"]"):
                break
            stack.pop()
            if stack:
                stack[-1].advance()
            continue
        if frame is not None and frame.key is None:
            if sign != b'"':
                break
            frame.key = _text(token)
            continue
        path = tuple(one.key or "" for one in stack)
        pattern = next((p for p in patterns if _leads(p, path) and len(p) == len(path)), None)
        opens = sign in b"{["
        if pattern is not None:
            item = reader.item(pattern, path, token)
            yield item
            if item.problem == "CUT":
                return
        elif opens and len(stack) < MAX_DEPTH and any(_leads(p, path) for p in patterns):
            stack.append(_Frame(sign == b"["))
            continue
        elif opens and not reader.skip():
            break
        if frame is not None:
            frame.advance()
    else:
        if not stack and not reader.left():
            return
    path = tuple(one.key or "" for one in stack)
    yield reader.broken(path)


def count(stream: ByteStream, *patterns: Pattern) -> int:
    """How many values stand where a pattern says.

    The witness against `items`: it takes strings out by their quotation marks, and looks at signs, and at brackets alone within an item.
    """
    total, inside, naming = 0, False, False
    key = name = b""  # the last key of an object; what leads to the last value
    last, going_on = b"", False  # the last sign outside of strings; whether a word may go on in the next piece
    longest = max(map(len, patterns), default=0)
    depth = 0  # how many brackets are open
    # of those of them in which an item may stand:
    keys: list[bytes] = []  # that which leads to each
    counts: list[int] = []  # of each, how many values it has had; below zero for an object
    within = 0  # the depth of an item that is open

    def begins() -> bool:
        """Whether an item begins with the value that begins here, which the bracket around it then has had."""
        nonlocal name
        if within or depth != len(keys):
            return False
        name = key if not counts or counts[-1] < 0 else b"%d" % counts[-1]
        if counts and counts[-1] >= 0:
            counts[-1] += 1
        path = tuple(one.decode("utf-8", "replace") for one in (*keys, name)[1:])
        return any(len(p) == len(path) and _leads(p, path) for p in patterns)

    for piece in _whole_escapes(stream):
        for number, part in enumerate(piece.split(b'"')):
            if number:
                inside = not inside
                if inside:
                    naming = bool(counts) and counts[-1] < 0 and last in b"{," and depth == len(keys)
                    if naming:
                        key = b""
                    elif depth:
                        total += begins()
                    last = b'"'
            if inside:
                if naming:
                    key += part[: max(0, 1000 - len(key))]
                continue
            gone_on = _WORD.match(part) if going_on and not number else None
            at = 0 if gone_on is None else gone_on.end()
            going_on = False
            while (match := (_ANY_BRACKET if within or depth > longest else _SIGN).search(part, at)) is not None:
                at, last = match.end(), match[0][:1]
                if last in b"{[":
                    if begins():
                        total, within = total + 1, depth + 1
                    if depth == len(keys) <= longest:
                        keys.append(name)
                        counts.append(-1 if last == b"{" else 0)
                    depth += 1
                elif last in b"}]":
                    if depth and depth == within:
                        within = 0
                    if depth and depth == len(keys):
                        keys.pop()
                        counts.pop()
                    depth = max(0, depth - 1)
                elif last not in b":,":
                    total += bool(depth) and begins()
                    going_on = at == len(part)
    return total + (1 if depth and not within else 0)


def _whole_escapes(stream: ByteStream) -> Iterator[bytes]:
    """The stream in pieces without escapes: what is behind a backslash is no quotation mark, wherever pieces end."""
    rest = b""
    while piece := stream.read(_PIECE):
        piece = rest + piece
        held = (len(piece) - len(piece.rstrip(b"\\"))) % 2
        rest = piece[len(piece) - held :] if held else b""
        yield _ESCAPE.sub(b"__", piece[: len(piece) - held])


def _leads(pattern: Pattern, path: tuple[str, ...]) -> bool:
    """Whether a path is the beginning of what a pattern says."""
    return len(path) <= len(pattern) and all(wanted in ("*", key) for wanted, key in zip(pattern[: len(path)], path, strict=True))


def _text(token: bytes) -> str:
    try:
        return msgspec.json.decode(token, type=str)
    except msgspec.DecodeError:
        return token.strip(b'"').decode("utf-8", "replace")


class _Reader:
    """Tokens of a stream, with the place of each."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._data = b""
        self._begin = 0  # offset of `_data` in the file
        self._next = 0  # in `_data`
        self._start = 0  # of the last token, in `_data`
        self._line = 1  # at `_counted`
        self._counted = 0  # in `_data`: lines before it are counted
        self._ended = False

    def next(self) -> bytes | None:
        """The next token; None at the end, or where there is none."""
        while True:
            match = _TOKEN.match(self._data, self._next)
            # a word or number that touches the end of what was read may go on
            if match is not None and (self._ended or match.end() < len(self._data) or match[1][:1] in b'{}[],:"'):
                self._start, self._next = match.start(1), match.end()
                return match[1]
            if self._ended or len(self._data) - self._next > MAX_ITEM:
                return None
            self._fill()

    def item(self, pattern: Pattern, path: tuple[str, ...], token: bytes) -> Item:
        """The value that begins with the last token."""
        start, line = self._begin + self._start, self._line_at(self._start)
        if token[:1] not in b"{[":
            return self._made(pattern, path, start, line, token, None)
        depth, brackets, large, head = 1, 1, False, b""
        while depth:
            match = _BRACKET.match(self._data, self._next)
            if match is None:
                if len(self._data) - self._start > MAX_ITEM:  # its beginning is enough to report it
                    large, head = True, head or self._data[self._start : self._start + 4000]
                    self._line_at(self._next)
                    self._start = self._next
                if len(self._data) - self._next > MAX_ITEM or not self._fill():
                    return self.broken(path, start, line, head or self._data[self._start : self._start + 4000], pattern)
                continue
            opens = match[1] in b"{["
            depth, brackets = depth + (1 if opens else -1), brackets + opens
            self._next = match.end()
        data = head if large else self._data[self._start : self._next]
        large = large or len(data) > MAX_ITEM or brackets > MAX_VALUES or data.count(b",") > MAX_VALUES
        return self._made(pattern, path, start, line, data, "TOO_LARGE" if large else None)

    def skip(self) -> bool:
        """Pass over the object or array that has just begun; False when it does not end."""
        depth = 1
        while depth:
            match = _BRACKET.match(self._data, self._next)
            if match is None:
                self._line_at(self._next)
                self._start = self._next
                if len(self._data) - self._next > MAX_ITEM or not self._fill():
                    return False
                continue
            depth += 1 if match[1] in b"{[" else -1
            self._next = match.end()
        return True

    def left(self) -> bool:
        """Whether anything is left that was not understood."""
        return bool(self._data[self._next :].strip())

    def broken(
        self, path: tuple[str, ...], start: int | None = None, line: int = 0, data: bytes = b"", pattern: Pattern = ()
    ) -> Item:
        """What stands for the rest of the file."""
        if start is None:
            start, line = self._begin + self._start, self._line_at(self._start)
            data = self._data[self._start : self._start + 4000]
        end_line = self._line_at(len(self._data))
        while self._fill():
            end_line = self._line_at(len(self._data))
            self._start = self._next = len(self._data)
        return Item(
            pattern=pattern, path=path, line=line, end_line=end_line, start=start, end=self._begin + len(self._data),
            data=data[:4000], problem="CUT",
        )  # fmt: skip

    def _made(self, pattern: Pattern, path: tuple[str, ...], start: int, line: int, data: bytes, problem: Problem | None) -> Item:
        return Item(
            pattern=pattern, path=path, line=line, end_line=self._line_at(self._next), start=start, end=self._begin + self._next,
            data=data[:4000] if problem else data, problem=problem,
        )  # fmt: skip

    def _line_at(self, place: int) -> int:
        if place > self._counted:
            self._line += self._data.count(b"\n", self._counted, place)
            self._counted = place
        return self._line

    def _fill(self) -> bool:
        """Read on; what is done with is let go. More at once the longer a token grows, so that none is looked at too often."""
        piece = self._stream.read(max(_PIECE, len(self._data) - self._start))
        if not piece:
            self._ended = True
            return False
        gone = min(self._start, self._next)
        if gone:
            self._line_at(gone)
            self._data, self._begin = self._data[gone:], self._begin + gone
            self._start, self._next, self._counted = self._start - gone, self._next - gone, self._counted - gone
        self._data += piece
        return True
