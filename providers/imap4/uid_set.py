"""Sets of UIDs as ranges: what a server writes (RFC 9051 §9 sequence-set) and what fits into a cursor.

A mailbox has few holes, so that ranges are small where lists of numbers are not: 100,000 messages in a row are two numbers.
Sets are values: no operation changes one. Ranges from a server may be as wide as it likes; nothing here counts them out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from providers.errors import Malformed

LAST = 2**32 - 1  # RFC 9051 §2.3.1.1: a UID is an unsigned 32-bit number
MAX_RANGES = 2_000_000

Range = tuple[int, int]


class UidSet:
    """An ordered set of UIDs. Iterating gives the numbers, ascending; `ranges` the first and last of each run."""

    __slots__ = ("_count", "ranges")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self.ranges: tuple[Range, ...] = tuple(_joined(ranges))
        self._count = sum(last - first + 1 for first, last in self.ranges)

    @classmethod
    def of(cls, uids: Iterable[int]) -> UidSet:
        return cls((uid, uid) for uid in uids)

    @classmethod
    def read(cls, text: bytes) -> UidSet:
        """A server's `1:3,7`, in any order. Raises Malformed."""
        ranges = []
        for part in text.split(b","):
            first, colon, last = part.partition(b":")
            if not first.isdigit() or len(first) > 10 or (colon and (not last.isdigit() or len(last) > 10)):
                raise Malformed("The server lists messages in a way that cannot be read.", provider_code="imap-set")
            one, other = int(first), int(last) if colon else int(first)
            if not 0 < min(one, other) <= max(one, other) <= LAST:
                raise Malformed("The server lists messages that cannot be.", provider_code="imap-set")
            ranges.append((min(one, other), max(one, other)))
        if len(ranges) > MAX_RANGES:
            raise Malformed("The server lists more messages than a folder can hold.", provider_code="imap-set")
        return cls(ranges)

    @classmethod
    def unpack(cls, packed: bytes) -> UidSet:
        """What `pack` made. Raises ValueError."""
        ranges = []
        at, value, shift, last = 0, 0, 0, 0
        first: int | None = None
        for at in range(len(packed)):
            byte = packed[at]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte & 0x80:
                if shift > 35:
                    raise ValueError("not a packed set")
                continue
            if first is None:
                first = last + value
            else:
                last = first + value
                if not 0 < first <= last <= LAST:
                    raise ValueError("not a packed set")
                ranges.append((first, last))
                first = None
            value = shift = 0
        if shift or first is not None:
            raise ValueError("not a packed set")
        return cls(ranges)

    def pack(self) -> bytes:
        """Gaps and lengths in turn, seven bits a byte (LEB128): two bytes for a usual range."""
        out = bytearray()
        before = 0
        for first, last in self.ranges:
            for value in (first - before, last - first):
                while value > 0x7F:
                    out.append(value & 0x7F | 0x80)
                    value >>= 7
                out.append(value)
            before = last
        return bytes(out)

    @property
    def last(self) -> int:
        """The largest, 0 when there is none."""
        return self.ranges[-1][1] if self.ranges else 0

    @property
    def first(self) -> int:
        """The smallest, 0 when there is none."""
        return self.ranges[0][0] if self.ranges else 0

    def __len__(self) -> int:
        return self._count

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __iter__(self) -> Iterator[int]:
        for first, last in self.ranges:
            yield from range(first, last + 1)

    def __contains__(self, uid: int) -> bool:
        at = bisect_right(self.ranges, (uid, LAST + 1)) - 1
        return at >= 0 and self.ranges[at][0] <= uid <= self.ranges[at][1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UidSet) and self.ranges == other.ranges

    def __hash__(self) -> int:
        return hash(self.ranges)

    def __repr__(self) -> str:
        return f"UidSet({self.text().decode()})"

    def __or__(self, other: UidSet) -> UidSet:
        if not other.ranges or not self.ranges:
            return self if self.ranges else other
        return UidSet((*self.ranges, *other.ranges))

    def __and__(self, other: UidSet) -> UidSet:
        found: list[Range] = []
        mine, theirs = iter(self.ranges), iter(other.ranges)
        a, b = next(mine, None), next(theirs, None)
        while a is not None and b is not None:
            first, last = max(a[0], b[0]), min(a[1], b[1])
            if first <= last:
                found.append((first, last))
            if a[1] < b[1]:
                a = next(mine, None)
            else:
                b = next(theirs, None)
        return UidSet(found)

    def __sub__(self, other: UidSet) -> UidSet:
        if not other.ranges or not self.ranges:
            return self
        found: list[Range] = []
        theirs = other.ranges
        at = 0
        for first, last in self.ranges:
            while at < len(theirs) and theirs[at][1] < first:
                at += 1
            n = at
            while n < len(theirs) and theirs[n][0] <= last:
                if theirs[n][0] > first:
                    found.append((first, theirs[n][0] - 1))
                first = theirs[n][1] + 1
                n += 1
            if first <= last:
                found.append((first, last))
        return UidSet(found)

    def newest(self, count: int) -> UidSet:
        """The `count` largest."""
        found: list[Range] = []
        for first, last in reversed(self.ranges):
            if count <= 0:
                break
            found.append((max(first, last - count + 1), last))
            count -= last - first + 1
        return UidSet(found)

    def oldest(self, count: int) -> UidSet:
        """The `count` smallest."""
        found: list[Range] = []
        for first, last in self.ranges:
            if count <= 0:
                break
            found.append((first, min(last, first + count - 1)))
            count -= last - first + 1
        return UidSet(found)

    def text(self) -> bytes:
        """As a server reads it. Never empty for a set that is not."""
        return b",".join(b"%d" % first if first == last else b"%d:%d" % (first, last) for first, last in self.ranges)


def _joined(ranges: Iterable[Range]) -> Iterator[Range]:
    current: Range | None = None
    for first, last in sorted(ranges):
        if current is None:
            current = first, last
        elif first <= current[1] + 1:
            current = current[0], max(current[1], last)
        else:
            yield current
            current = first, last
    if current is not None:
        yield current
