"""Bytes that are too many for a row: files of viewers on disk, one folder for each viewer.

A file grows at its end, by one hand at a time: whoever opens it for writing holds its lock (flock(2)), which ends with the process that
holds it. Which files there should be is known by rows (store/uploads.py): a file is made after its row and goes after it, so that a
file without a row is nobody's, whatever died in between. All functions block: call them in a thread. Knows no formats and no HTTP.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PIECE: Final = 256 * 1024  # bytes that are read at a time
_NAME: Final = re.compile(r"[a-z]_[a-z0-9_-]{1,60}\Z")  # an id of ours: never a path


class Busy(Exception):
    """Somebody else is writing this file."""


class Blob:
    """A file opened for writing. `close` lets it go."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise Busy from None

    def size(self) -> int:
        """Bytes that are in the file; after a crash not all of them need be what was written."""
        return os.fstat(self._fd).st_size

    def write(self, at: int, data: bytes) -> None:
        """Put `data` at an offset. Raises OSError, such as ENOSPC."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._fd, view, at)
            view, at = view[written:], at + written

    def holds(self, at: int, data: bytes) -> bool:
        """Whether these very bytes are there."""
        return os.pread(self._fd, len(data), at) == data

    def keep(self) -> None:
        """Return when what was written outlives a power cut."""
        os.fsync(self._fd)

    def digest(self) -> tuple[str, bytes]:
        """SHA-256 of the whole file in hex, and its first PIECE bytes."""
        found, at, head = hashlib.sha256(), 0, b""
        while piece := os.pread(self._fd, PIECE, at):
            head = head or piece
            found.update(piece)
            at += len(piece)
        return found.hexdigest(), head

    def close(self) -> None:
        """Let the file go."""
        os.close(self._fd)


def lend(source: Path, path: Path) -> None:
    """A second name for a file, made whole or not at all; a copy only where the file system has no links (link(2))."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        return
    try:
        os.link(source, path)
    except FileExistsError:
        return
    except FileNotFoundError:
        raise
    except OSError:
        half = path.with_name(f"{path.name}.half")
        shutil.copyfile(source, half)
        half.replace(path)


class Blobs:
    """The files under one folder. Made for each of them alone: folders 0700, files 0600."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, viewer: str, name: str) -> Blob:
        """A file to write to, made when it is not there. Raises Busy while somebody else writes it."""
        path = self._path(viewer, name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Blob(path)

    def pieces(self, viewer: str, name: str) -> Iterator[bytes]:
        """The bytes of a file, PIECE by PIECE. Raises FileNotFoundError."""
        with self._path(viewer, name).open("rb") as file:
            while piece := file.read(PIECE):
                yield piece

    def lend(self, viewer: str, name: str, path: Path) -> None:
        """Put a file that nobody writes any more under another path too, and its folder: the same bytes, whichever of both goes first.

        Again changes nothing. Raises FileNotFoundError when the file is not there.
        """
        lend(self._path(viewer, name), path)

    def size(self, viewer: str, name: str) -> int:
        """Bytes of a file, whoever writes it at the moment; 0 when it is not there."""
        try:
            return self._path(viewer, name).stat().st_size
        except FileNotFoundError:
            return 0

    def drop(self, viewer: str, name: str) -> None:
        """Remove a file, whether it is there or not."""
        self._path(viewer, name).unlink(missing_ok=True)

    def names(self, viewer: str) -> list[str]:
        """The files of a viewer."""
        folder = self._folder(viewer)
        return sorted(one.name for one in folder.iterdir() if _NAME.match(one.name)) if folder.is_dir() else []

    def _folder(self, viewer: str) -> Path:
        if not _NAME.match(viewer):
            raise ValueError("a viewer's id is no path")
        return self._root / viewer

    def _path(self, viewer: str, name: str) -> Path:
        if not _NAME.match(name):
            raise ValueError("the name of a file is an id")
        return self._folder(viewer) / name
