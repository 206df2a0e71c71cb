"""The text in an archived attributed string, as Apple's Messages keeps it (`streamtyped`, NeXT's and Foundation's NSArchiver).

There is no published specification. Of the stream only the first string is read, by where strings stand: behind the name of their class
and a plus sign comes their length, in one byte or behind a mark in two or four, then UTF-8. Refuses to make objects of it.
"""

from __future__ import annotations

from typing import Final

_CLASSES: Final = (b"NSString", b"NSMutableString")
_VALUE: Final = b"+"
_NEAR: Final = 24  # bytes between the name of the class and the sign
_TWO, _FOUR = 0x81, 0x82


def text(data: bytes) -> str | None:
    """The first string of an archived object; None where there is none that can be read."""
    at = 0
    while (found := min((place for name in _CLASSES if (place := data.find(name, at)) >= 0), default=-1)) >= 0:
        at = found + len(_CLASSES[0])
        sign = data.find(_VALUE, at, at + _NEAR)
        if sign >= 0 and (said := _string(data, sign + 1)) is not None:
            return said
    return None


def _string(data: bytes, at: int) -> str | None:
    head = data[at : at + 5]
    if not head:
        return None
    if head[0] == _TWO:
        size, begin = int.from_bytes(head[1:3], "little"), at + 3
    elif head[0] == _FOUR:
        size, begin = int.from_bytes(head[1:5], "little"), at + 5
    else:
        size, begin = head[0], at + 1
    if begin + size > len(data) or not size:
        return None
    try:
        return data[begin : begin + size].decode()
    except UnicodeDecodeError:
        return None
