"""Zip archives as folders: Google Takeout, Outlook's, Apple's and Yahoo's exports are read where they lie, never unpacked.

Speaks PKWARE's APPNOTE (4.3.6 to 4.3.16, zip64 included); the directory is read by `zip_directory.py` until there are too many files, members
are inflated here as they are read. A member can be sought in: the inflater is remembered every few
megabytes, so that going back costs little, and going on after a crash one pass. Nothing in an archive is believed: names that
leave it, sizes that do not add up, members on top of each other, more files than anybody has, and growth that no address book or mail has
are refused with what to do. A bomb costs the reading of its directory. Archives within archives are not opened.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zlib
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

import msgspec

from providers.archives import zip_directory
from providers.archives.zip_directory import Entry

MAX_MEMBERS: Final = 200_000
MAX_FOLDERS: Final = 100_000
MAX_DIRECTORY: Final = 64 * 1024 * 1024  # bytes of the table of contents
MAX_RATIO: Final = 200  # times that a member may grow; text of many repeated headers grows fifty-fold
RATIO_FROM: Final = 64 * 1024 * 1024  # bytes below which growth does not matter
MAX_DEPTH: Final = 40
MAX_NAME: Final = 4_096  # characters of a name with its folders
MAX_REFUSED: Final = 1_000  # files that are named one by one when they are refused
REMEMBER: Final = 16 * 1024 * 1024  # bytes between two remembered inflaters
MAX_REMEMBERED: Final = 128  # of about 40 kB each; beyond that every second one is forgotten
_CHUNK: Final = 64 * 1024
_PIECE: Final = 256 * 1024
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 0x1

BROKEN: Final = "The archive is broken, or a part of it is missing. Download or export it again, all parts of it."
TOO_MANY: Final = f"The archive has more than {MAX_MEMBERS:,} files. Unpack it and import its folders one by one."
TOO_MANY_FOLDERS: Final = f"The archive has more than {MAX_FOLDERS:,} folders. Unpack it and import its folders one by one."
OVERLAPPING: Final = "The files in the archive lie on top of each other, as no program writes them. It is not opened."
DOCUMENT: Final = "This is a document or a program in a zip archive, not an export. Save its table as CSV and import that."
_ESCAPES: Final = "Its name leads out of the archive. It is not opened; unpack it yourself if you trust it."
_TWICE: Final = "Another file of the archive has the same name. Only the first is read."
_LOCKED: Final = "It is encrypted. Unpack the archive with its password and import the folder."
_METHOD: Final = "It is packed in a way that is not read here. Unpack the archive and import the folder."
_GROWS: Final = (
    "It would grow {ratio:,} times, to {size:,} MB, as no address book or mail does. If it is one, unpack it and import the file."
)
_DEEP: Final = f"It lies more than {MAX_DEPTH} folders deep. Unpack the archive and import the folder that it is in."
_LARGER: Final = "It is larger than the archive says. Download or export it again."
_LINK: Final = "It is a link, which is not followed."
_MORE_REFUSED: Final = "{count:,} more files of the archive are refused for reasons like these."


class BadArchive(OSError):
    """An archive, or a member of one, that is not read; the message says why and what to do."""


class Member(msgspec.Struct, frozen=True):
    """Where a file of an archive begins (its local header), how it is packed, and what the directory says of it."""

    header: int
    packed: int
    size: int
    crc: int
    stored: bool


class Listing(msgspec.Struct, frozen=True):
    """The files of an archive by name, its folders with what is right in them, and what is refused with the reason."""

    members: dict[str, Member]
    folders: dict[str, tuple[list[str], list[str]]]  # folder (empty: the top) → names of folders, names of files
    refused: tuple[tuple[str, str], ...]


def is_archive(path: Path) -> bool:
    """Whether a regular file begins as a zip archive does (APPNOTE 4.3.7; 4.3.16 for an empty one)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode) and os.pread(descriptor, 4, 0) in (b"PK\x03\x04", b"PK\x05\x06")
    finally:
        os.close(descriptor)


def place(path: Path) -> tuple[Path, str] | None:
    """The archive that a path leads into and the name within it (empty for the archive itself); None for any other path."""
    for parent in (path, *path.parents):
        try:
            mode = os.stat(parent).st_mode
        except (NotADirectoryError, FileNotFoundError):
            continue
        except OSError:
            return None
        if stat.S_ISREG(mode) and is_archive(parent):
            return parent, "" if parent == path else path.relative_to(parent).as_posix()
        return None
    return None


def listing(archive: Path) -> Listing:
    """What is in an archive. Raises BadArchive when that cannot be told."""
    found = os.stat(archive)
    return _listing(archive, found.st_mtime_ns, found.st_size)


def open_member(archive: Path, name: str) -> BinaryIO:
    """A file of an archive for reading and seeking. Raises OSError when there is none, BadArchive for one that is refused."""
    contents = listing(archive)
    member = contents.members.get(name)
    if member is None:
        reason = next((reason for refused, reason in contents.refused if refused == name), None)
        raise BadArchive(reason) if reason else FileNotFoundError(2, "No such file in the archive", name)
    handle = open(archive, "rb", buffering=0)  # noqa: SIM115 - closed with the member
    try:
        return io.BufferedReader(_Inflated(handle, member), _PIECE)
    except BaseException:
        handle.close()
        raise


@lru_cache(maxsize=2)
def _listing(archive: Path, changed: int, size: int) -> Listing:
    entries = _entries(archive, size)
    end = 0
    for entry in sorted(entries, key=lambda one: one.header):
        if entry.header < end:
            raise BadArchive(OVERLAPPING)
        end = entry.header + 30 + entry.packed
    if end > size:
        raise BadArchive(BROKEN)
    members: dict[str, Member] = {}
    refused: list[tuple[str, str]] = []
    for entry in entries:
        if reason := _TWICE if entry.name in members else _reason(entry):
            refused.append((entry.name[:MAX_NAME], reason))
        else:
            members[entry.name] = Member(entry.header, entry.packed, entry.size, entry.crc, entry.method == _STORED)
    if "[Content_Types].xml" in members or "META-INF/MANIFEST.MF" in members or (entries and entries[0].name == "mimetype"):
        raise BadArchive(DOCUMENT)
    if len(refused) > MAX_REFUSED:
        refused[MAX_REFUSED:] = [("", _MORE_REFUSED.format(count=len(refused) - MAX_REFUSED))]
    return Listing(members, _folders(members), tuple(refused))


def _entries(archive: Path, size: int) -> list[Entry]:
    """The files of an archive as its directory has them. Raises BadArchive as soon as there are too many, whatever was stated."""
    entries: list[Entry] = []
    try:
        with open(archive, "rb", buffering=_PIECE) as handle:
            said = zip_directory.stated(handle, size)
            if said.count > MAX_MEMBERS or said.length > MAX_DIRECTORY:
                raise BadArchive(TOO_MANY)
            for number, entry in enumerate(zip_directory.entries(handle, said)):
                if number == MAX_MEMBERS:
                    raise BadArchive(TOO_MANY)
                if not entry.name.endswith("/"):
                    entries.append(entry)
    except zip_directory.BadDirectory as error:
        raise BadArchive(BROKEN) from error
    return entries


def _reason(entry: Entry) -> str | None:
    """Why a member is not read; None when it is."""
    name = entry.name
    parts = name.split("/")
    if (
        name.startswith("/")
        or "\\" in name
        or "\x00" in name
        or any(part in ("", ".", "..") for part in parts)
        or name[1:2] == ":"
    ):
        return _ESCAPES
    if len(parts) > MAX_DEPTH or len(name) > MAX_NAME:
        return _DEEP
    if entry.flags & _ENCRYPTED:
        return _LOCKED
    if stat.S_ISLNK(entry.mode):
        return _LINK
    if entry.method not in (_STORED, _DEFLATED):
        return _METHOD
    if entry.method == _STORED and entry.size != entry.packed:
        return BROKEN
    if entry.size > RATIO_FROM and entry.size > MAX_RATIO * max(entry.packed, 1):
        return _GROWS.format(ratio=entry.size // max(entry.packed, 1), size=entry.size // 1_000_000)
    return None


def _folders(members: dict[str, Member]) -> dict[str, tuple[list[str], list[str]]]:
    found: dict[str, tuple[list[str], list[str]]] = {"": ([], [])}
    for name in sorted(members):
        path = PurePosixPath(name)
        folder = "" if str(path.parent) == "." else str(path.parent)
        missing: list[str] = []
        while folder not in found:
            missing.append(folder)
            folder = folder.rpartition("/")[0]
        if len(found) + len(missing) > MAX_FOLDERS:
            raise BadArchive(TOO_MANY_FOLDERS)
        for inner in reversed(missing):
            found[inner] = ([], [])
            found[inner.rpartition("/")[0]][0].append(inner.rpartition("/")[2])
        found["" if str(path.parent) == "." else str(path.parent)][1].append(path.name)
    return found


class _Inflated(io.RawIOBase):
    """A member as a file. Never gives more bytes than the directory says; what does not add up is an OSError."""

    def __init__(self, handle: BinaryIO | io.FileIO, member: Member) -> None:
        super().__init__()
        self._file = handle
        self._member = member
        handle.seek(member.header)
        header = handle.read(30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise BadArchive(BROKEN)
        names, extra = struct.unpack_from("<HH", header, 26)
        self._begin = member.header + 30 + names + extra
        self._wanted = 0  # where the next read begins
        self._taken = 0  # packed bytes read so far
        self._at = 0  # where `_ready` begins
        self._ready = b""
        self._inflater = zlib.decompressobj(-15)
        self._remembered: list[tuple[int, int, zlib._Decompress]] = []
        self._spacing = REMEMBER
        self._checked, self._crc = 0, 0
        self._excess = False  # there is more than the directory says

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._wanted

    def seek(self, offset: int, whence: int = 0, /) -> int:
        base = (0, self._wanted, self._member.size)[whence]
        self._wanted = max(0, base + offset)
        return self._wanted

    # what the base class takes, any writable buffer, has a type of its own from Python 3.12 on only; BufferedReader passes a memoryview
    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        if self._excess and self._wanted >= self._member.size:
            self._excess = False
            raise BadArchive(_LARGER)
        if self._wanted >= self._member.size or not len(buffer):
            return 0
        if self._member.stored:
            self._file.seek(self._begin + self._wanted)
            piece = self._file.read(min(len(buffer), self._member.size - self._wanted)) or b""
            if not piece:
                raise BadArchive(BROKEN)
        else:
            self._reach(self._wanted)
            start = self._wanted - self._at
            piece = self._ready[start : start + len(buffer)]
        buffer[: len(piece)] = piece
        self._wanted += len(piece)
        return len(piece)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    def _reach(self, wanted: int) -> None:
        """Inflate until `wanted` is in `_ready`, from the nearest place that is remembered."""
        if wanted < self._at:
            self._at, self._ready, self._taken, self._inflater = 0, b"", 0, zlib.decompressobj(-15)
            for at, taken, inflater in self._remembered:
                if at <= wanted:
                    self._at, self._taken, self._inflater = at, taken, inflater.copy()
        while wanted >= self._at + len(self._ready):
            self._at += len(self._ready)
            self._ready = self._next()
            self._check()

    def _next(self) -> bytes:
        """The next inflated bytes; at least one. Raises BadArchive at an end that is not the member's."""
        while True:
            packed = self._inflater.unconsumed_tail
            if not packed and not self._inflater.eof:
                self._file.seek(self._begin + self._taken)
                packed = self._file.read(min(_CHUNK, self._member.packed - self._taken)) or b""
                self._taken += len(packed)
            try:
                ready = self._inflater.decompress(packed, _PIECE) if packed else self._inflater.flush(_PIECE)
            except zlib.error as error:
                raise BadArchive(BROKEN) from error
            if ready:
                room = self._member.size - self._at
                self._excess = self._excess or len(ready) > room
                return ready[:room]
            if self._inflater.eof or not packed:
                raise BadArchive(BROKEN)

    def _check(self) -> None:
        """At the frontier: the check sum so far, and a place to come back to."""
        end = self._at + len(self._ready)
        if end <= self._checked or self._at > self._checked:
            return
        self._crc = zlib.crc32(self._ready[self._checked - self._at :], self._crc)
        self._checked = end
        if end == self._member.size and self._crc != self._member.crc and not self._excess:
            raise BadArchive("Its check sum is wrong: a part of it is damaged. Download or export it again.")
        last = self._remembered[-1][0] if self._remembered else 0
        if end - last >= self._spacing and not self._inflater.unconsumed_tail and not self._inflater.eof:
            self._remembered.append((end, self._taken, self._inflater.copy()))
            if len(self._remembered) > MAX_REMEMBERED:
                self._remembered = self._remembered[1::2]
                self._spacing *= 2
