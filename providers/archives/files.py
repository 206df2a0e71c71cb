"""The files of an import: opened safely, named as the user knows them, walked in one order, and cut into pages.

Shared by the file formats beside it. Opens regular files only (a FIFO would hang, a device would never end) and follows no
link out of a folder. A zip archive is a folder: a path leads into it as into any other. Where a reader stands is a `Mark`: file,
byte offset, position and line, which is a page's cursor. Knows nothing of cards or mails.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from providers import records
from providers.archives import zipped
from providers.errors import CursorExpired
from providers.formats import charset

ROWS_A_PAGE = 100
PAGE_WEIGHT = 8 * 1024 * 1024  # bytes of content that a page may hold before it is handed over early
MAX_DEPTH = 40  # folders within folders
MAX_ENTRIES = 500_000  # of one folder; nothing is read of one that has more
MAX_LINKS = 100  # that are named one by one when a folder is looked at
EXCERPT = 200  # characters
HEAD = 64 * 1024  # bytes that are looked at to recognise a file
_LOOKED_AT: ContextVar[tuple[Path, bytes] | None] = ContextVar("looked_at", default=None)


class Source(msgspec.Struct, frozen=True):
    """A file or folder to read, and what it is called to people: a relative path with slashes."""

    path: Path
    shown: str


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """Where reading goes on: index of the file, offset in it, line (from 1); `position` counts the items of the whole import."""

    file: int = 0
    offset: int = 0
    position: int = 0
    line: int = 1

    def encode(self) -> bytes:
        return msgspec.json.encode(self)


Step = tuple[records.Row, Mark, int]  # a row, the mark after it, its weight in bytes


class Look(msgspec.Struct, frozen=True):
    """What in a folder itself is not read: whether it has too many entries; links, and what is no file, by name, the first of them."""

    crowded: bool = False
    links: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()


class Raw(Protocol):
    """An item as it stands in a file: its position in the import and its line, from 1; offset and line of what comes after it."""

    @property
    def position(self) -> int: ...
    @property
    def line(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def end_line(self) -> int: ...


#: An item, what it is, its weight in bytes. What a conversation is as a whole stands beside an item and has no place of its own.
Read = tuple[Raw, records.Contact | records.Message | records.ConversationHead | records.Activity | records.Unreadable, int]


def mark_of(cursor: bytes | None) -> Mark:
    """The mark that a page's cursor holds. Raises CursorExpired for one that is not ours."""
    if cursor is None:
        return Mark()
    try:
        mark = msgspec.json.decode(cursor, type=Mark)
    except msgspec.DecodeError as error:
        raise CursorExpired("The place where this import stopped cannot be read. Import the files again.") from error
    if min(mark.file, mark.offset, mark.position) < 0 or mark.line < 1:
        raise CursorExpired("The place where this import stopped cannot be read. Import the files again.")
    return mark


def steps(sources: list[Source], start: Mark, read: Callable[[Source, Mark], Iterator[Read]]) -> Iterator[Step]:
    """The items of one file after the other, from `start` on. A file that cannot be read to its end is a row, and the next is read."""
    mark = start
    for index, source in enumerate(sources[start.file :], start.file):
        if index > mark.file:
            mark = Mark(file=index, position=mark.position)
        try:
            for raw, item, weight in read(source, mark):
                mark = Mark(index, raw.end, raw.position, raw.end_line)
                place = None
                if not isinstance(item, records.ConversationHead):
                    place = records.Place(position=raw.position, path=source.shown, line=raw.line)
                yield records.Row(item=item, place=place), mark, weight
        except OSError as error:
            step = unopened(source, error, mark)
            mark = step[1]
            yield step


def paged(steps: Iterable[Step], start: Mark, statements: Callable[[], tuple[records.Statement, ...]]) -> Iterator[records.Page]:
    """Rows as pages of at most ROWS_A_PAGE; the last one, which may be empty, is done and carries the statements."""
    rows: list[records.Row] = []
    weight, mark = 0, start
    for row, after, size in steps:
        if len(rows) == ROWS_A_PAGE or (rows and weight + size > PAGE_WEIGHT):
            yield records.Page(rows=tuple(rows), cursor=mark.encode())
            rows, weight = [], 0
        rows.append(row)
        weight, mark = weight + size, after
    yield records.Page(rows=tuple(rows), cursor=mark.encode(), statements=statements(), done=True)


def named(paths: Iterable[Path], names: Mapping[Path, str] | None = None) -> list[Source]:
    """The paths with what they are called: by `names` where given (staged files), else relative to their common folder."""
    listed = list(dict.fromkeys(paths))
    if not listed:
        return []
    absolute = [Path(os.path.abspath(path)) for path in listed]
    root = Path(os.path.commonpath([path.parent for path in absolute]))
    return [
        Source(path, (names or {}).get(path) or whole.relative_to(root).as_posix() or whole.name)
        for path, whole in zip(listed, absolute, strict=True)
    ]


def open_file(path: Path) -> BinaryIO:
    """A regular file, or a member of a zip archive, for reading. Raises OSError for anything else, without waiting on a FIFO."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except NotADirectoryError:
        within = zipped.place(path)
        if within is None:
            raise
        return zipped.open_member(*within)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path.name} is not a file")
        return os.fdopen(descriptor, "rb", buffering=256 * 1024)
    except BaseException:
        os.close(descriptor)
        raise


@contextmanager
def looking_at(path: Path) -> Iterator[bytes]:
    """A file's `head`, read once for all who ask for it within."""
    data = head(path)
    token = _LOOKED_AT.set((path, data))
    try:
        yield data
    finally:
        _LOOKED_AT.reset(token)


def head(path: Path) -> bytes:
    """The beginning of a file as UTF-8 where a byte order mark says UTF-16; empty when it cannot be read."""
    if (known := _LOOKED_AT.get()) is not None and known[0] == path:
        return known[1]
    try:
        with open_file(path) as handle:
            data = handle.read(HEAD)
    except OSError:
        return b""
    codec = charset.byte_order_mark(data)
    if codec in ("utf-16-le", "utf-16-be"):
        return data[2:].decode(codec, "replace").encode()
    return data.removeprefix(b"\xef\xbb\xbf")


def walk(folder: Path, *, into: Callable[[Path], bool] = lambda _: True) -> Iterator[Path]:
    """The regular files below a folder, by name, links left out, MAX_DEPTH deep. `into` says which folders to go into."""
    pending = [(folder, 0)]
    while pending:
        current, depth = pending.pop()
        yield from entries(current)
        if depth < MAX_DEPTH:
            pending.extend((inner, depth + 1) for inner in reversed(_inner(current)) if into(inner))


def folders(folder: Path, *, leave: tuple[str, ...] = ()) -> Iterator[Path]:
    """A folder and those below it, by name, links left out, MAX_DEPTH deep; not those called as in `leave`."""
    pending = [(folder, 0)]
    while pending:
        current, depth = pending.pop()
        yield current
        if depth < MAX_DEPTH:
            pending.extend((inner, depth + 1) for inner in reversed(_inner(current)) if inner.name not in leave)


def look(folder: Path) -> Look:
    """What in a folder of the file system is not read, by one pass that ends where there is too much. Never follows a link."""
    links: list[str] = []
    strange: list[str] = []
    try:
        with os.scandir(folder) as found:
            for number, entry in enumerate(found):
                if number == MAX_ENTRIES:
                    return Look(crowded=True)
                if entry.is_symlink():
                    links.append(entry.name)
                elif not entry.is_file(follow_symlinks=False) and not entry.is_dir(follow_symlinks=False):
                    strange.append(entry.name)
                del links[MAX_LINKS:], strange[MAX_LINKS:]
    except OSError:
        return Look()
    return Look(links=tuple(sorted(links)), strange=tuple(sorted(strange)))


def is_folder(path: Path) -> bool:
    """Whether there is a folder at `path`: one of the file system, a zip archive, or a folder within one."""
    if path.is_dir():
        return True
    if path.exists():
        return zipped.is_archive(path)
    contents = _zipped(path)
    return contents is not None


def entries(folder: Path) -> list[Path]:
    """The regular files right in a folder, by name, links left out; none when it cannot be read, or has more than MAX_ENTRIES."""
    return [folder / name for name in names(folder)]


def names(folder: Path) -> list[str]:
    """What `entries` are called."""
    contents = None if folder.is_dir() else _zipped(folder)
    return contents[1] if contents is not None else _listed(folder, lambda entry: entry.is_file(follow_symlinks=False))


def _inner(folder: Path) -> list[Path]:
    contents = None if folder.is_dir() else _zipped(folder)
    if contents is not None:
        return [folder / name for name in contents[0]]
    return [folder / name for name in _listed(folder, lambda entry: entry.is_dir(follow_symlinks=False))]


def _zipped(folder: Path) -> tuple[list[str], list[str]] | None:
    """Folders and files right in a folder of a zip archive; None where there is none."""
    within = zipped.place(folder)
    if within is None:
        return None
    try:
        return zipped.listing(within[0]).folders.get(within[1])
    except OSError:
        return None


def _listed(folder: Path, wanted: Callable[[os.DirEntry[str]], bool]) -> list[str]:
    taken: list[str] = []
    try:
        with os.scandir(folder) as found:
            for number, entry in enumerate(found):
                if number == MAX_ENTRIES:
                    return []
                if wanted(entry):
                    taken.append(entry.name)
    except OSError:
        return []
    return sorted(taken)


def excerpt(data: bytes) -> str:
    """The beginning of a broken item in one line, for the report."""
    return re.sub(r"\s+", " ", charset.decode(data[: EXCERPT * 4])).strip()[:EXCERPT]


def unopened(source: Source, error: OSError, mark: Mark) -> Step:
    """The row that stands for a file, or the rest of one, that could not be read; reading goes on with the next."""
    reason = error.strerror or str(error)
    item = records.Unreadable(
        key=f"{source.shown}#{mark.position + 1}",
        outcome="FAILED",
        reason="UNREADABLE",
        message=f"The file cannot be read ({reason}). Check that it is there and readable, and import it again.",
        container=source.shown,
    )
    row = records.Row(item=item, place=records.Place(position=mark.position + 1, path=source.shown))
    return row, Mark(file=mark.file + 1, position=mark.position + 1), 0
