"""LDIF as entries and attributes (RFC 2849): folded lines, base64, comments, options, change records.

Entries are streamed; what is broken in one is said and the next one is read. A value that is only named by a URL (`:<`) is never
fetched: it could name a file of this machine. Values are bytes in UTF-8, or in windows-1252 where older programs wrote them.
Refuses to know what an attribute means: see `ldif_person.py`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from providers.formats import charset
from providers.formats.vcard_syntax import ByteStream

MAX_ENTRY: Final = 10 * 1024 * 1024  # bytes; a larger one is reported, not read
MAX_ATTRIBUTES: Final = 5_000
CHUNK: Final = 256 * 1024

_LINE: Final = re.compile(rb"([A-Za-z0-9][A-Za-z0-9.;_-]{0,200})[ \t]*:([:<]?)[ \t]*(.*)\Z", re.S)
_VERSION: Final = re.compile(rb"version[ \t]*:[ \t]*\d+[ \t]*\Z", re.I)


class Broken(Exception):
    """An entry that cannot be read; the message says why and what to do."""


class RawEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry as it stands in a file. `position` counts from 1, `line` is that of its first line; offsets are in bytes."""

    position: int
    line: int
    start: int
    end: int
    end_line: int
    data: bytes
    too_large: bool = False


class Attribute(msgspec.Struct, frozen=True):
    """One value: the name in lower case without its options, the options, and the bytes."""

    name: str
    options: tuple[str, ...]
    value: bytes

    @property
    def text(self) -> str:
        """The value as text."""
        return charset.decode(self.value).strip()


def split_entries(stream: ByteStream, *, offset: int = 0, position: int = 0, line: int = 1) -> Iterator[RawEntry]:
    """The entries of a file, one after another (RFC 2849 §2: empty lines part them). Never raises for bad content.

    `offset`, `position` and `line` are those of the last entry's end where reading goes on in the middle.
    """
    pieces: list[bytes] = []
    size = start = start_line = 0
    says = too_large = False  # whether the lines so far are more than comments and a version

    def entry(end: int, end_line: int) -> RawEntry:
        data = b"".join(pieces)
        return RawEntry(
            position=position, line=start_line, start=start, end=end, end_line=end_line, data=data[:1000] if too_large else data,
            too_large=too_large,
        )  # fmt: skip

    for text in _lines(stream):
        bare = text.strip(b"\r\n\xef\xbb\xbf")
        if not bare.strip():
            if says:
                position += 1
                yield entry(offset, line)
            pieces, size, says, too_large = [], 0, False, False
        else:
            if not pieces:
                start, start_line = offset, line
            says = says or not (bare.startswith((b"#", b" ")) or _VERSION.match(bare))
            size += len(text)
            if not too_large:
                pieces.append(text)
                if size > MAX_ENTRY:
                    too_large, pieces = True, [b"".join(pieces)[:1000]]
        offset += len(text)
        line += text.endswith(b"\n")
    if says:
        position += 1
        yield entry(offset, line)


def attributes(data: bytes) -> list[Attribute]:
    """The attributes of an entry in order, `dn` among them. Raises Broken for what is no entry."""
    found: list[Attribute] = []
    for line in _unfolded(data):
        if line.startswith(b"#") or _VERSION.match(line) or line == b"-":
            continue
        match = _LINE.match(line)
        if match is None:
            shown = charset.decode(line[:60]).strip()
            raise Broken(f"“{shown}” is no attribute: a name, a colon and a value are missing. Export the address book again.")
        name, *options = charset.decode(match[1]).lower().split(";")
        value = match[3]
        if match[2] == b"<":
            raise Broken(
                f"The value of {name} is only named by a URL, which is not fetched. Export the entry with its values in the file."
            )
        if match[2] == b":":
            try:
                value = base64.b64decode(re.sub(rb"\s", b"", value), validate=True)
            except (binascii.Error, ValueError):
                raise Broken(
                    f"The value of {name} is not the base64 that it says it is. Export the address book again."
                ) from None
        if len(found) < MAX_ATTRIBUTES:
            found.append(Attribute(name, tuple(options), value))
    return found


def _unfolded(data: bytes) -> list[bytes]:
    """RFC 2849 §2 note 2: a line that begins with a space goes on where the one before ended."""
    lines: list[list[bytes]] = []
    for line in data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").split(b"\n"):
        if line.startswith(b" ") and lines:
            lines[-1].append(line[1:])
        elif line.strip(b"\r"):
            lines.append([line.strip(b"\r")])
    return [b"".join(pieces) for pieces in lines]


def _lines(stream: ByteStream) -> Iterator[bytes]:
    """Physical lines with their ends; a line over CHUNK comes in pieces."""
    rest = b""
    while chunk := stream.read(CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line + b"\n"
        if len(rest) > CHUNK:
            yield rest
            rest = b""
    if rest:
        yield rest
