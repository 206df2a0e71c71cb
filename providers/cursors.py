"""Where an adapter stood: its cursor, JSON that nobody else reads.

What cannot be read, because it was damaged or is of another version, is no mistake of anybody's: everything is listed again. Knows no
network.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

import msgspec

from providers.errors import CursorExpired


class Position(Protocol):
    """A struct of an adapter's own. One of another version is not read."""

    version: int


T = TypeVar("T", bound=Position)


def read(cursor: bytes | None, kind: type[T], *, version: int = 1) -> T | None:
    """The position in a cursor; None without one. Raises CursorExpired for what cannot be read."""
    if cursor is None:
        return None
    try:
        found = msgspec.json.decode(cursor, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CursorExpired("The stored position cannot be read: everything is listed again.") from None
    if found.version != version:
        raise CursorExpired("The stored position is of another version: everything is listed again.")
    return found


def written(position: Position) -> bytes:
    """The cursor of a position."""
    return msgspec.json.encode(position)
