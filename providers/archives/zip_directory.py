"""The table of contents of a zip archive, one entry after the other, never all at once.

Speaks PKWARE's APPNOTE: the end record (4.3.16) with its zip64 companions (4.3.14, 4.3.15), the headers of the directory (4.3.12), and the
sizes beyond 4 GB among their extra fields (4.5.3). The standard library's reader believes the length that the end record states and makes an
object of everything that lies there before anybody has counted, which is what an archive of ten million files is made for. Here whoever
reads stops when it is enough. Knows nothing of what is packed, and judges nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

_END: Final = struct.Struct("<4s4HIIH")  # 4.3.16
_LOCATOR: Final = struct.Struct("<4sIQI")  # 4.3.15
_END64: Final = struct.Struct("<4sQ2H2I4Q")  # 4.3.14
_HEADER: Final = struct.Struct("<4s6H3I5H2I")  # 4.3.12
_MAX_COMMENT: Final = 0xFFFF
_ELSEWHERE: Final = 0xFFFFFFFF  # 4.4.1.4: the value stands in the zip64 field
_ZIP64: Final = 1
_UTF8: Final = 0x800


class BadDirectory(Exception):
    """The directory is not there, or does not add up."""


class Stated(msgspec.Struct, frozen=True):
    """What the end record says: how many entries there are, and where the directory begins and how long it is, in bytes.

    `shift` is how much later everything lies than it says, as in archives with something before them.
    """

    count: int
    begin: int
    length: int
    shift: int


class Entry(msgspec.Struct, frozen=True):
    """What the directory says of a file. `header` is where its local header begins, `mode` what Unix knows of it (0 where nothing does)."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    header: int
    mode: int


def stated(handle: BinaryIO, size: int) -> Stated:
    """The end record of an archive of `size` bytes. Raises BadDirectory where there is none that makes sense."""
    begin = max(0, size - _END.size - _MAX_COMMENT)
    handle.seek(begin)
    tail = handle.read()
    at = _end(tail)
    _, _, _, _, count, length, offset, _ = _END.unpack_from(tail, at)
    end = begin + at
    handle.seek(max(0, end - _LOCATOR.size))
    locator = handle.read(_LOCATOR.size) if end >= _LOCATOR.size else b""
    if locator[:4] == b"PK\x06\x07":
        _, _, place, _ = _LOCATOR.unpack(locator)
        # what stands before an archive shifts all places; then the record is where everybody writes it, right before its locator
        found = ((one, _record(handle, one)) for one in (place, end - _LOCATOR.size - _END64.size) if 0 <= one < size)
        end, record = next((one for one in found if one[1] is not None), (0, None))
        if record is None:
            raise BadDirectory
        *_, count, length, offset = _END64.unpack(record)
    shift = end - length - offset
    return Stated(count=count, begin=offset + shift, length=length, shift=shift)


def entries(handle: BinaryIO, said: Stated) -> Iterator[Entry]:
    """The entries in the directory's order; their number is what is there, not what is stated. Raises BadDirectory at one that is none."""
    if said.shift < 0:
        raise BadDirectory
    handle.seek(said.begin)
    left = said.length
    while left > 0:
        fixed = handle.read(_HEADER.size)
        if len(fixed) < _HEADER.size or fixed[:4] != b"PK\x01\x02":
            raise BadDirectory
        _, _, _, flags, method, _, _, crc, packed, size, names, extras, comments, _, _, outside, header = _HEADER.unpack(fixed)
        variable = names + extras + comments
        data = handle.read(variable)
        left -= _HEADER.size + variable
        if len(data) < variable or left < 0:
            raise BadDirectory
        size, packed, header = _beyond(data[names : names + extras], size, packed, header)
        yield Entry(
            name=_readable(data[:names], flags), flags=flags, method=method, crc=crc, packed=packed, size=size,
            header=header + said.shift, mode=outside >> 16,
        )  # fmt: skip


def _record(handle: BinaryIO, place: int) -> bytes | None:
    """The zip64 end record at a place; None where there is none."""
    handle.seek(place)
    record = handle.read(_END64.size)
    return record if len(record) == _END64.size and record[:4] == b"PK\x06\x06" else None


def _end(tail: bytes) -> int:
    """Where the end record begins: that one whose comment ends where the file does; else the last one, with something behind it."""
    last, at = -1, len(tail)
    while (at := tail.rfind(b"PK\x05\x06", 0, at)) >= 0:
        if len(tail) < at + _END.size:
            continue
        (comment,) = struct.unpack_from("<H", tail, at + 20)
        if at + _END.size + comment == len(tail):
            return at
        last = at if last < 0 else last
    if last < 0:
        raise BadDirectory
    return last


def _beyond(extra: bytes, *values: int) -> tuple[int, int, int]:
    """Size, packed size and place, those from the zip64 field (4.5.3) that do not fit where they belong."""
    said: Iterator[int] = iter(())
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == _ZIP64:
            field = extra[at + 4 : at + 4 + length]
            said = iter(struct.unpack_from(f"<{len(field) // 8}Q", field))
            break
        at += 4 + length
    try:
        size, packed, header = [next(said) if value == _ELSEWHERE else value for value in values]
    except StopIteration as error:
        raise BadDirectory from error
    return size, packed, header


def _readable(name: bytes, flags: int) -> str:
    """UTF-8 that was not declared as such (APPNOTE appendix D) is read as what it is."""
    try:
        return name.decode("utf-8")
    except UnicodeError:
        return name.decode("utf-8", "replace") if flags & _UTF8 else name.decode("cp437")
