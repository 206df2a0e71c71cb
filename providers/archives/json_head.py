"""How a JSON file begins: the members of its first object, in whatever order they stand.

RFC 8259 section 4 gives the members of an object no order, and exports of one network differ in it from year to year: what a file is
of is told by which members there are and how their values begin. Reads UTF-8; a file that is cut off after its head is as good as a whole
one. Knows no network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

MAX_VALUE: Final = 400  # bytes of a value that are kept
_BOM: Final = b"\xef\xbb\xbf"
_BEGIN: Final = re.compile(rb"\s*(\[?)\s*\{")
_EMPTY: Final = re.compile(rb"\s*\[\s*\]")
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[{}\[\],:]', re.DOTALL)


class Head(msgspec.Struct, frozen=True):
    """The first object of a file, which is one of a list or the whole: the beginnings of its values by name, as they are written."""

    listed: bool
    members: Mapping[str, bytes]

    def has(self, listed: bool, **values: re.Pattern[bytes]) -> bool:
        """Whether it stands so, and each of these members is there and begins as it should."""
        return self.listed is listed and all(
            name in self.members and pattern.match(self.members[name]) is not None for name, pattern in values.items()
        )


NOTHING: Final = Head(False, {})


@lru_cache(maxsize=8)
def look(head: bytes) -> Head:
    """The first object of what a file begins with; one without members where there is no object."""
    data = head.removeprefix(_BOM)
    begin = _BEGIN.match(data)
    if begin is None:
        return NOTHING
    members: dict[str, bytes] = {}
    depth, name, key, start = 1, "", "", -1
    for token in _TOKEN.finditer(data, begin.end()):
        mark = token[0]
        if mark in b"{[":
            depth += 1
        elif mark in b"}]" and depth > 1:
            depth -= 1
        elif depth > 1:
            continue
        elif mark == b":" and start < 0:
            name, start = key, token.end()
        elif mark in b",}]":
            if start >= 0:
                members.setdefault(name, data[start : min(token.start(), start + MAX_VALUE)].strip())
            start = -1
            if mark != b",":
                break
        elif start < 0:
            key = mark[1:-1].decode("utf-8", "replace")
    else:
        if start >= 0:
            members.setdefault(name, data[start : start + MAX_VALUE].strip())
    return Head(bool(begin[1]), members)


def is_empty_list(head: bytes) -> bool:
    """Whether a file is a list of nothing."""
    return _EMPTY.match(head.removeprefix(_BOM)) is not None
